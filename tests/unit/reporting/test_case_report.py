"""The Case QA report says everything, needs nothing from outside, and never prints over itself."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from fluorospread.errors import OutputError
from fluorospread.model.case import CaseResult, Override
from fluorospread.model.findings import ContrastMethod
from fluorospread.model.verdict import STANDING_SENTENCE, Criterion, CriterionResult, Flag, Outcome
from fluorospread.reporting.case_report import ReportPicture, case_report_html, write_case_report
from fluorospread.reporting.report_page import html_to_pdf, png_data_uri, visible

HOSTILE = "X" * 400 + "</td><script>alert('x')</script><img src=http://evil/ onerror=go()> & \"quoted\""


class _Page(HTMLParser):
    """Tags, addresses and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "data", "srcset")]

    def handle_data(self, data: str) -> None:
        self.text += data


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (40, 30), 90).save(buffer, "PNG")
    return buffer.getvalue()


def _pictures() -> list[ReportPicture]:
    return [ReportPicture(png_data_uri(_png(), "picture"), "Image 1 (needle)")]


def _hostile(case: CaseResult) -> CaseResult:
    """The case with every text as long and as ill-meant as it can be."""
    criteria = tuple(Criterion(HOSTILE, CriterionResult.UNDETERMINED, HOSTILE) for _ in range(2))
    return replace(
        case,
        case_id=HOSTILE,
        protocol_name=HOSTILE,
        images=tuple(
            replace(image, path="../" + HOSTILE, role_source=HOSTILE, sop_instance_uid="1." * 200, notes=(HOSTILE,))
            for image in case.images
        ),
        coverage=tuple(replace(item, reason=HOSTILE) for item in case.coverage),
        punctures=tuple(replace(item, reason=HOSTILE) for item in case.punctures),
        flags=(Flag("some-code", HOSTILE),),
        verdict=replace(case.verdict, criteria=criteria),
        overrides=(Override(HOSTILE, HOSTILE),),
    )


def test_verdict_and_criteria_come_before_pictures_and_numbers(full_case: CaseResult) -> None:
    page = case_report_html(full_case, _pictures())
    order = [
        ">Undetermined<",
        ">Criteria<",
        ">Annotated images<",
        ">Puncture<",
        ">What was assumed<",
        ">Versions and hashes<",
    ]
    places = [page.index(text) for text in order]
    assert places == sorted(places)
    assert page.count(STANDING_SENTENCE) >= 2


def test_every_number_has_its_unit_and_uncertainty(full_case: CaseResult) -> None:
    text = _Page(case_report_html(full_case, [])).text
    for expected in (
        "812 ± 40 mm²",
        "61.0 ± 2.0 mm",
        "210 ± 35 mg",
        "2.4 ± 1.1 mm",
        "+18.0 ± 4.0 px",
        "0.2800 × 0.3000 mm a pixel",
        "± 2.0 %, from ERMF",
        "2.1 mg/cm² of iodine",
        "L3 medial branch",
    ):
        assert expected in text


def test_assumptions_doubts_and_origins_are_all_stated(full_case: CaseResult) -> None:
    text = _Page(case_report_html(full_case, [])).text
    for expected in (
        "five lumbar, counted from the sacrum",
        "field of view found from the pixels",
        "spacing-mm: 0.28 0.3",
        "puncture at L5, right: between two",
        "shifted by -1: 2 %",
        "cd" * 32,
        "ef" * 32,
        "fluorospread 0.1.0",
    ):
        assert expected in text


def test_a_case_with_nothing_found_is_still_a_whole_report(empty_case: CaseResult) -> None:
    text = _Page(case_report_html(empty_case, [])).text
    assert "Undetermined" in text
    assert "No puncture could be judged" in text
    assert "the verdict cannot be judged from this report alone" in text
    assert "no network was used" in text


def test_an_outline_from_one_image_alone_is_provisional_wherever_the_report_shows_it(full_case: CaseResult) -> None:
    alone = replace(full_case, contrast=replace(full_case.contrast, method=ContrastMethod.SINGLE_IMAGE))
    page = case_report_html(alone, _pictures())
    for words in (
        "Found in post.dcm, read from this image alone, not against one without contrast: the outline is provisional",
        "Pool, left (provisional: read from one image alone)",
        "Dashed: contrast, provisional: read from one image alone.",
        "yes (provisional)",
    ):
        assert words in page
    assert "provisional" not in case_report_html(full_case, _pictures())


def test_outcomes_differ_by_word_and_shape_not_by_colour(full_case: CaseResult) -> None:
    heads = []
    for outcome in (Outcome.VERIFIED, Outcome.NOT_VERIFIED, Outcome.UNDETERMINED):
        page = case_report_html(replace(full_case, verdict=replace(full_case.verdict, outcome=outcome)), [])
        heads.append(page[page.index('<div class="word">') : page.index('class="parts"')])
        assert set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]+)"', page)) <= {"#fff", "#000", "#777", "#d9d9d9", "#444"}
    assert len({re.findall(r'<path d="([^"]*)"', head)[0] for head in heads}) == 3
    assert all(word in head for word, head in zip(("Verified", "Not verified", "Undetermined"), heads, strict=True))


def test_the_page_needs_nothing_from_outside_and_runs_nothing(full_case: CaseResult) -> None:
    parsed = _Page(case_report_html(_hostile(full_case), _pictures()))
    assert set(parsed.tags).isdisjoint({"script", "link", "iframe", "object", "embed"})
    assert parsed.addresses
    assert all(address.startswith("data:image/png;base64,") for address in parsed.addresses)


def test_hostile_text_is_shown_as_text(full_case: CaseResult) -> None:
    parsed = _Page(case_report_html(_hostile(full_case), []))
    assert parsed.text.count("<script>alert('x')</script>") >= 10


def test_characters_that_act_unseen_are_made_visible(full_case: CaseResult) -> None:
    assert visible("a\x00b\x1b[2J\u202egnp\u2066z\nc") == "a�b�[2J�gnp�z\nc"
    page = case_report_html(replace(full_case, case_id="evil\u202egpj.exe"), [])
    assert "\u202e" not in page


def test_the_same_case_gives_the_same_page(full_case: CaseResult) -> None:
    assert case_report_html(full_case, _pictures()) == case_report_html(full_case, _pictures())


def test_the_pdf_never_prints_over_itself_however_long_the_text(full_case: CaseResult, tmp_path: Path) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (Debian poppler-utils) is not installed")
    pdf = tmp_path / "report.pdf"
    pdf.write_bytes(html_to_pdf(case_report_html(_hostile(full_case), _pictures())))
    boxes = subprocess.run(["pdftotext", "-bbox", pdf, "-"], capture_output=True, text=True, check=True).stdout
    pages = boxes.split("<page ")[1:]
    assert len(pages) > 3
    number = r'="([\d.]+)"'
    for page in pages:
        width, height = map(float, re.findall(rf"(?:width|height){number}", page)[:2])
        words = [
            tuple(map(float, found))
            for found in re.findall(rf"<word xMin{number} yMin{number} xMax{number} yMax{number}", page)
        ]
        assert all(x0 >= 0 and x1 <= width and y0 >= 0 and y1 <= height for x0, y0, x1, y1 in words)
        # Line boxes include ascent and descent, which neighbouring lines may share by a point or two.
        tight = [(x0 + 0.5, y0 + 2.5, x1 - 0.5, y1 - 2.5) for x0, y0, x1, y1 in words]
        crossing = [
            (a, b)
            for i, a in enumerate(tight)
            for b in tight[i + 1 :]
            if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
        ]
        assert crossing == []
        assert "Research" in page


def test_a_page_cannot_draw_a_file_into_the_pdf(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    picture = tmp_path / "secret.png"
    picture.write_bytes(_png())
    with_file = html_to_pdf(f'<img src="{picture.as_uri()}">')
    with_data = html_to_pdf(f'<img src="{png_data_uri(_png(), "x")}">')
    assert b"/Image" not in with_file
    assert b"/Image" in with_data


def test_html_is_written_beside_the_pdf(empty_case: CaseResult, tmp_path: Path) -> None:
    html, pdf = write_case_report(empty_case, [], tmp_path / "new")
    assert html.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert sorted(path.name for path in html.parent.iterdir()) == ["case_report.html", "case_report.pdf"]


def test_what_is_not_a_png_is_refused() -> None:
    with pytest.raises(OutputError, match="expected a PNG"):
        png_data_uri(b"<svg onload=alert(1)>", "annotated.png")
