"""A `CaseResult` and its annotated pictures in, the Case QA report out: one HTML file, and the same as PDF.

Verdict and criteria come first, then pictures large enough to judge, then every number with its unit
and uncertainty, then what was assumed and what could not be determined. Nothing is recomputed here.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluorospread.model.anatomy import JUNCTION_NERVE
from fluorospread.model.case import CaseImage, CaseResult
from fluorospread.model.findings import ContrastMethod
from fluorospread.model.radiograph import PolaritySource
from fluorospread.model.review import ReviewedCase
from fluorospread.model.spread import Pool
from fluorospread.model.verdict import STANDING_SENTENCE, CriterionResult, Outcome
from fluorospread.reporting.exposure_summary import exposure_of_case, exposure_of_image
from fluorospread.reporting.number_text import UNKNOWN, percent, with_uncertainty
from fluorospread.reporting.panel import Picture, draw_panel
from fluorospread.reporting.reader_decision import ReaderSection, reader_section
from fluorospread.reporting.report_page import drawing, png_data_uri, render, write_page
from fluorospread.reporting.spine_diagram import draw_spread

Row = tuple[str, ...]

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
_POOL_MEASURES: tuple[tuple[str, str, str], ...] = (
    ("Area", "area_mm2", "mm²"),
    ("Craniocaudal extent", "craniocaudal_mm", "mm"),
    ("Mediolateral extent", "mediolateral_mm", "mm"),
    ("Cranial reach", "cranial_reach_mm", "mm"),
    ("Caudal reach", "caudal_reach_mm", "mm"),
    ("Lateral reach", "lateral_reach_mm", "mm"),
    ("Iodine", "iodine_mg", "mg"),
)


@dataclass(frozen=True)
class ReportPicture:
    """A picture as it stands in the page: `source` is a `data:` address."""

    source: str
    caption: str


def case_report_html(result: CaseResult, pictures: Sequence[ReportPicture], reader: ReaderSection | None = None) -> str:
    """The report as one self-contained page; the same result, pictures and reader's section give the same bytes."""
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
        flags=[f"{flag.code.replace('-', ' ')}: {flag.evidence}" for flag in result.flags],
        pictures=pictures,
        diagram=drawing(diagram.svg) if diagram.svg else None,
        not_drawn=diagram.missing,
        punctures=_punctures(result),
        coverage=_coverage(result),
        contrast_status=_contrast_status(result),
        contrast_notes=result.contrast.notes,
        pools=[_pool(pool) for pool in result.contrast.pools],
        assumed=_assumed(result),
        settled=[f"{override.name}: {override.value}" for override in result.overrides],
        undetermined=_undetermined(result),
        exposure=exposure_of_case(result),
        images=[_image(index, image) for index, image in enumerate(result.images)],
        provenance=_provenance(result),
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
        covered = {(c.level, c.side): c.covered for c in result.coverage} if has_contrast else {}
        pools = result.contrast.pools if has_contrast else ()
        panel, omitted = draw_panel(image, picture, _LARGEST_PANEL_PX, pools, covered)
        buffer = io.BytesIO()
        panel.save(buffer, format="PNG", compress_level=6)
        caption = (
            f"{_image_name(index, image)}: {image.path}. Circle: SAP-TP junction with its 2 sd radius; cross: needle "
            "tip; line: contrast; dot: vertebral body."
        )
        if omitted:
            caption += f" {omitted} label(s) had no room; every point is listed below."
        shown.append(ReportPicture(png_data_uri(buffer.getvalue(), image.path), caption))
    return shown


def write_case_report(
    result: CaseResult,
    pictures: Sequence[ReportPicture],
    folder: Path,
    pdf: bool = True,
    review: ReviewedCase | None = None,
    case_json_sha256: str = "",
) -> tuple[Path, ...]:
    """Write `case_report.html`, and `case_report.pdf` when asked, into `folder`; returns their paths.

    `review` is what readers decided, `case_json_sha256` the hash of the case.json that the report is made from: a
    decision about another one is said to be that.

    Raises
    ------
    OutputError
        The folder cannot be written, or Pango is missing; the HTML is then written all the same.
    """
    page = case_report_html(result, pictures, reader_section(result, review, case_json_sha256))
    return write_page(page, folder / "case_report.html", folder / "case_report.pdf" if pdf else None)


def _punctures(result: CaseResult) -> list[Row]:
    rows: list[Row] = []
    for item in result.punctures:
        if item.distance_mm is not None:
            distance = with_uncertainty(item.distance_mm, item.sigma_mm, "mm")
        elif item.distance_px is not None:
            distance = f"{item.distance_px:.1f} px (no scale)"
        else:
            distance = UNKNOWN
        level = item.level.value if item.level is not None else UNKNOWN
        source = item.source.value.replace("-", " ")
        rows.append((item.side.value, level, distance, item.at_target.value, source, item.reason))
    return rows


def _coverage(result: CaseResult) -> list[Row]:
    rows: list[Row] = []
    for item in result.coverage:
        inside = UNKNOWN if item.margin_px is None else _signed_px(item.margin_px, item.sigma_px)
        gap = UNKNOWN if item.gap_mm is None else f"{item.gap_mm:.1f} mm"
        rows.append(
            (
                f"{item.level.value}, {item.side.value}",
                JUNCTION_NERVE.get(item.level, UNKNOWN),
                item.covered.value,
                percent(item.fraction),
                gap,
                inside,
                item.reason,
            )
        )
    return rows


def _signed_px(margin: float, sigma: float | None) -> str:
    sign = "+" if margin > 0 else ""
    return f"{sign}{with_uncertainty(margin, sigma, 'px')}"


def _contrast_status(result: CaseResult) -> str:
    contrast = result.contrast
    words = [contrast.status.value.replace("-", " ").capitalize()]
    if contrast.method is not ContrastMethod.NONE:
        words.append(f"by {contrast.method.value.replace('-', ' ')}")
    if contrast.image is not None:
        words.append(f"in image {contrast.image + 1}")
    text = " ".join(words) + (f": {contrast.reason.rstrip('.')}." if contrast.reason else ".")
    if contrast.detection_limit_mg_cm2 is not None:
        text += f" Detection limit {contrast.detection_limit_mg_cm2:.1f} mg/cm² of iodine."
    return text


def _pool(pool: Pool) -> dict[str, Any]:
    rows: list[Row] = []
    for label, name, unit in _POOL_MEASURES:
        measured = getattr(pool, name)
        value = UNKNOWN if measured is None else with_uncertainty(measured.value, measured.uncertainty, unit)
        rows.append((label, value))
    rows.append(("Area in pixels", f"{pool.area_px:.0f} px"))
    rows.append(("Share of all contrast signal", percent(pool.relative_share)))
    rows.append(("Levels spanned", ", ".join(level.value for level in pool.levels_spanned) or UNKNOWN))
    return {"title": f"Pool, {pool.side.value if pool.side is not None else 'side ' + UNKNOWN}", "rows": rows}


def _image_name(index: int, image: CaseImage) -> str:
    return f"Image {index + 1} ({image.role.value})"


def _assumed(result: CaseResult) -> list[str]:
    """Every fallback the result rests on, in words, image by image."""
    said: list[str] = []
    for index, image in enumerate(result.images):
        name = _image_name(index, image)
        notes: list[str] = []
        if image.levels is not None and image.levels.numbering_assumption:
            notes.append(f"numbering: {image.levels.numbering_assumption}")
        if image.polarity_source is PolaritySource.ASSUMED_FROM_CONTENT:
            notes.append("which way brightness runs was told from the picture, not from a tag")
        notes += [note for note in (image.geometry.note, image.orientation.note, *image.notes) if note]
        said += [f"{name}: {note}" for note in dict.fromkeys(notes)]
    return said


def _undetermined(result: CaseResult) -> list[str]:
    said = [f"{c.name}: {c.reason}" for c in result.verdict.criteria if c.result is CriterionResult.UNDETERMINED]
    for index, image in enumerate(result.images):
        if image.levels is not None and image.levels.reason:
            said.append(f"{_image_name(index, image)}: levels {image.levels.status.value}: {image.levels.reason}")
        if image.role.is_measured and image.geometry.mm_per_px is None:
            said.append(f"{_image_name(index, image)}: no scale is known, so no length is given in mm")
        if image.role.is_measured and image.orientation.columns_towards is None:
            said.append(f"{_image_name(index, image)}: nothing settles the patient's left and right")
    if result.contrast.iodine_reason:
        said.append(f"Absolute iodine: {result.contrast.iodine_reason}")
    return said


def _image(index: int, image: CaseImage) -> dict[str, Any]:
    return {
        "title": f"{_image_name(index, image)}: {image.path}",
        "properties": _image_properties(image),
        "landmarks": _landmarks(image),
    }


def _image_properties(image: CaseImage) -> list[Row]:
    geometry, orientation, levels = image.geometry, image.orientation, image.levels
    if geometry.spacing_patient_mm is None:
        scale = UNKNOWN
    else:
        row_mm, col_mm = geometry.spacing_patient_mm
        scale = (
            f"{row_mm:.4f} × {col_mm:.4f} mm a pixel (row × column) in the patient plane, "
            f"± {100.0 * (geometry.relative_uncertainty or 0.0):.1f} %, from {geometry.source.value}"
        )
    columns = orientation.columns_towards.value if orientation.columns_towards is not None else UNKNOWN
    feet_or_head = orientation.rows_towards.value if orientation.rows_towards is not None else UNKNOWN
    rows: list[Row] = [
        ("Role", f"{image.role.value} ({image.role_source})"),
        ("Size", f"{image.rows} rows × {image.cols} columns, {image.frames} frame{'s' if image.frames != 1 else ''}"),
        ("Scale", scale),
        ("Magnification", UNKNOWN if geometry.magnification is None else f"{geometry.magnification:.3f}"),
        ("Orientation", f"columns towards {columns}, rows towards {feet_or_head} ({orientation.source})"),
        ("Exposure", exposure_of_image(image.exposure)),
        ("Pixel values", f"{image.quantity.value.replace('-', ' ')}; sign from {image.polarity_source.value}"),
    ]
    if levels is None:
        rows.append(("Levels", "not measured in this image"))
        return rows
    rows.append(("Levels", f"{levels.status.value}, numbered from {levels.anchor.value.replace('-', ' ')}"))
    others = "; ".join(f"shifted by {a.shift:+d}: {percent(a.probability)}" for a in levels.alternatives)
    if others:
        rows.append(("Other numberings", others))
    return rows


def _landmarks(image: CaseImage) -> list[Row]:
    scale = image.geometry.mm_per_px

    def spread(sd_px: float | None) -> str:
        if sd_px is None:
            return UNKNOWN
        return f"{sd_px:.1f} px" if scale is None else f"{sd_px:.1f} px = {sd_px * scale:.1f} mm"

    rows: list[Row] = []
    for vertebra in image.levels.vertebrae if image.levels is not None else ():
        row, col = vertebra.center_px
        rows.append(
            (
                f"{vertebra.level.value}, body centre",
                f"{row:.1f}, {col:.1f}",
                spread(vertebra.uncertainty_px),
                percent(vertebra.confidence),
            )
        )
    for junction in image.junctions:
        row, col = junction.point_px
        name = f"{junction.level.value} junction, {junction.side.value} ({junction.assigned_by})"
        rows.append((name, f"{row:.1f}, {col:.1f}", spread(junction.uncertainty_px), percent(junction.confidence)))
    for needle in image.needles:
        row, col = needle.tip_px
        name = f"Needle tip, {needle.side.value if needle.side is not None else 'side ' + UNKNOWN}"
        rows.append((name, f"{row:.1f}, {col:.1f}", spread(needle.uncertainty_px), percent(needle.confidence)))
    return rows


def _provenance(result: CaseResult) -> list[Row]:
    rows: list[Row] = [
        ("Software", f"{result.software.name} {result.software.version}"),
        ("Weights SHA-256", result.software.weights_sha256 or "no network was used"),
        ("Protocol", result.protocol_name),
        ("Protocol SHA-256", result.protocol_sha256),
    ]
    for index, image in enumerate(result.images):
        rows.append((f"Image {index + 1} SHA-256", image.sha256))
        rows.append((f"Image {index + 1} SOP instance", image.sop_instance_uid or "none in the file"))
    if result.dose_report is not None:
        rows.append(("Dose report SHA-256", result.dose_report.sha256))
    return rows
