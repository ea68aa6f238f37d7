"""A `CaseResult` and its annotated pictures in, the Case QA report out: one HTML file, and the same as PDF.

Verdict and criteria come first, then pictures large enough to judge, then every number with its unit
and uncertainty, then what was assumed and what could not be determined. Nothing is recomputed here.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from fluorospread.model.case import PROVISIONAL, CaseResult
from fluorospread.model.review import ReviewedCase
from fluorospread.model.verdict import STANDING_SENTENCE, Flag, Outcome
from fluorospread.reporting.case_rows import (
    assumptions,
    contrast_sentence,
    coverage_rows,
    image_name,
    image_section,
    pool_table,
    provenance_rows,
    puncture_rows,
    undetermined_reasons,
)
from fluorospread.reporting.exposure_summary import exposure_of_case
from fluorospread.reporting.panel import Picture, draw_panel
from fluorospread.reporting.reader_decision import ReaderSection, reader_section
from fluorospread.reporting.report_page import drawing, png_data_uri, render, write_page
from fluorospread.reporting.spine_diagram import draw_spread

_OUTCOME_WORDS = {
    Outcome.VERIFIED: "Verified",
    Outcome.NOT_VERIFIED: "Not verified",
    Outcome.UNDETERMINED: "Undetermined",
    Outcome.NOT_APPLICABLE: "Not applicable",
}
# Shape, not colour, tells the outcomes apart, so that a copy in black and white says the same.
_OUTCOME_SHAPES = {
    Outcome.VERIFIED: '<path d="M5 12.5l4.5 4.5L19 7.5"/>',
    Outcome.NOT_VERIFIED: '<path d="M6 6l12 12M18 6L6 18"/>',
    Outcome.UNDETERMINED: '<path d="M8.5 9a3.5 3.5 0 1 1 5.2 3c-1.2.7-1.7 1.3-1.7 2.6M12 18v.6"/>',
}
# Printed 180 mm wide this is more than 200 dots an inch; radiographs are rarely larger.
_LARGEST_PANEL_PX = 1536


@dataclass(frozen=True)
class ReportPicture:
    """A picture as it stands in the page: `source` is a `data:` address."""

    source: str
    caption: str


def case_report_html(
    result: CaseResult,
    pictures: Sequence[ReportPicture],
    reader: ReaderSection | None = None,
    flag_pictures: Mapping[str, ReportPicture] = MappingProxyType({}),
) -> str:
    """The report as one self-contained page; the same result, pictures and reader's section give the same bytes.

    `flag_pictures` are those of the flags, by the file name that the flag gives.
    """
    diagram = draw_spread(result)
    verdict = result.verdict
    return render(
        "case_report.html.jinja",
        case_id=result.case_id,
        protocol=result.protocol_name,
        contrast_declared={True: "declared as given", False: "declared as not given", None: "not declared"}[
            result.contrast_given
        ],
        outcome=_OUTCOME_WORDS[verdict.outcome],
        outcome_mark=drawing(
            '<svg viewBox="0 0 24 24" fill="none" stroke="#000" stroke-width="2.6" aria-hidden="true">'
            f'<circle cx="12" cy="12" r="10.6" stroke-width="1.6"/>{_OUTCOME_SHAPES[verdict.outcome]}</svg>'
        ),
        puncture_outcome=_OUTCOME_WORDS[verdict.puncture].lower(),
        coverage_outcome=_OUTCOME_WORDS[verdict.coverage].lower(),
        standing_sentence=STANDING_SENTENCE,
        criteria=[(c.name, c.result.value.replace("-", " "), c.reason) for c in verdict.criteria],
        flags=[_flag_words(flag) for flag in result.flags if flag.picture not in flag_pictures],
        flag_pictures=[flag_pictures[name] for flag in result.flags if (name := flag.picture or "") in flag_pictures],
        pictures=pictures,
        diagram=drawing(diagram.svg) if diagram.svg else None,
        diagram_contrast=f"Dashed: contrast, {PROVISIONAL}" if result.contrast_is_provisional else "Hatched: contrast",
        not_drawn=diagram.missing,
        punctures=puncture_rows(result),
        coverage=coverage_rows(result),
        contrast_status=contrast_sentence(result),
        contrast_notes=result.contrast.notes,
        pools=[pool_table(pool, result.contrast_is_provisional) for pool in result.contrast.pools],
        assumed=assumptions(result),
        settled=[f"{override.name}: {override.value}" for override in result.overrides],
        undetermined=undetermined_reasons(result),
        exposure=exposure_of_case(result),
        images=[image_section(index, image) for index, image in enumerate(result.images)],
        provenance=provenance_rows(result),
        reader=reader or reader_section(result, None),
    )


def report_pictures(result: CaseResult, pictures: Sequence[Picture | None]) -> list[ReportPicture]:
    """One annotated picture an image, each as wide as the page; None stands for an image that is not at hand.

    Raises
    ------
    ValueError
        There is not one entry for each image of the result.
    """
    if len(pictures) != len(result.images):
        raise ValueError(f"{len(result.images)} image(s), but {len(pictures)} picture(s)")
    shown = []
    for index, (image, picture) in enumerate(zip(result.images, pictures, strict=True)):
        if picture is None:
            continue
        has_contrast = index == result.contrast.image
        covered = result.stated_coverage() if has_contrast else {}
        pools = result.contrast.pools if has_contrast else ()
        provisional = has_contrast and result.contrast_is_provisional
        panel, omitted = draw_panel(image, picture, _LARGEST_PANEL_PX, pools, covered, provisional)
        buffer = io.BytesIO()
        panel.save(buffer, format="PNG", compress_level=6)
        caption = (
            f"{image_name(index, image)}: {image.path}. Circle: SAP-TP junction with its 2 sd radius; cross: needle "
            f"tip; {f'dashed line: contrast, {PROVISIONAL}' if provisional else 'line: contrast'}; dot: vertebral body."
        )
        if omitted:
            caption += f" {omitted} label(s) had no room; every point is listed below."
        shown.append(ReportPicture(png_data_uri(buffer.getvalue(), image.path), caption))
    return shown


def read_flag_pictures(result: CaseResult, folder: Path) -> dict[str, ReportPicture]:
    """Pictures of the result's flags that lie in `folder`, by file name; those that are missing are left out."""
    found: dict[str, ReportPicture] = {}
    for flag in result.flags:
        if flag.picture is not None and (folder / flag.picture).is_file():
            source = png_data_uri((folder / flag.picture).read_bytes(), flag.picture)
            found[flag.picture] = ReportPicture(source, f"{_flag_words(flag)}. ({flag.picture})")
    return found


def _flag_words(flag: Flag) -> str:
    return f"{flag.code.replace('-', ' ')}: {flag.evidence}"


def write_case_report(
    result: CaseResult,
    pictures: Sequence[ReportPicture],
    folder: Path,
    pdf: bool = True,
    review: ReviewedCase | None = None,
    case_json_sha256: str = "",
    flag_pictures: Mapping[str, ReportPicture] = MappingProxyType({}),
) -> tuple[Path, ...]:
    """Write `case_report.html`, and `case_report.pdf` when asked, into `folder`; returns their paths.

    `review` is what readers decided, `case_json_sha256` the hash of the case.json that the report is made from: a
    decision about another one is said to be that.

    Raises
    ------
    OutputError
        The folder cannot be written, or Pango is missing; the HTML is then written all the same.
    """
    page = case_report_html(result, pictures, reader_section(result, review, case_json_sha256), flag_pictures)
    return write_page(page, folder / "case_report.html", folder / "case_report.pdf" if pdf else None)
