"""The report holds the case: what is written reads back, in the standard's codes, units and coordinates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from fluorospread.dicom import result_codes as rc
from fluorospread.dicom.read_structured_report import ReportedCase, read_structured_report
from fluorospread.dicom.report_items import child, children, of_kind, require, to_graphic
from fluorospread.dicom.result_object import ResultContext, encoded
from fluorospread.dicom.result_source import Signature, SignedDecision, content_moment, read_sources
from fluorospread.dicom.structured_report import structured_report
from fluorospread.errors import UnsupportedImageError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseResult
from fluorospread.model.findings import ContrastMethod
from fluorospread.model.review import Confidence, ImageQuality, JunctionReading, PunctureReading, Reading
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import STANDING_SENTENCE, Criterion, CriterionResult, Flag, Outcome, Verdict

# PS3.3 C.18.6: graphic data are 32-bit floats, 24 bits of which at 100 px are 0.00001 px.
POINT_TOLERANCE_PX = 1e-5

DECISION = SignedDecision(
    Reading(
        punctures=(
            PunctureReading(Side.LEFT, Level.L5, Level.L5, Answer.YES, Confidence.HIGH, (62.5, 51.25)),
            PunctureReading(Side.RIGHT, Level.L5, None, Answer.UNDETERMINED, Confidence.LOW),
        ),
        junctions=(JunctionReading(Level.L4, Side.LEFT, Answer.NO),),
        aberrant_flow=Answer.UNDETERMINED,
        image_quality=ImageQuality.LIMITED,
        comment="Schräg, links\n„sicher“",
    ),
    Verdict(
        Outcome.NOT_VERIFIED,
        Outcome.UNDETERMINED,
        Outcome.NOT_VERIFIED,
        (Criterion("puncture at L5, left", CriterionResult.MET, "the reader answered yes"),),
    ),
    (
        Signature("Dr. Āda Müller", datetime(2026, 3, 1, 9, 5, 7, tzinfo=UTC)),
        Signature("B. Second", datetime(2026, 3, 2, 10, 0, tzinfo=UTC)),
    ),
    "ab" * 32,
)


@dataclass(frozen=True)
class Written:
    """A case, its report as the file reads, and what `read_structured_report` makes of that file."""

    case: CaseResult
    report: Dataset
    back: ReportedCase


def write(case: CaseResult, folder: Path, decision: SignedDecision | None = None, organisation: str = "") -> Written:
    """The report of a case whose images lie in `folder`."""
    sources = read_sources(case, folder)
    date, time, _ = content_moment(sources, decision)
    context = ResultContext(sources, case.software, date, time, "seed")
    path = folder / "report.dcm"
    path.write_bytes(encoded(structured_report(case, context, decision, organisation)[0]))
    return Written(case, pydicom.dcmread(path), read_structured_report(path))


@pytest.fixture(scope="module")
def full(result_cases: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("full")
    return write(result_cases.full_case(folder), folder)


@pytest.fixture(scope="module")
def signed(result_cases: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("signed")
    return write(result_cases.full_case(folder), folder, DECISION, "Clinic, City")


@pytest.fixture(scope="module")
def run(result_cases: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("run")
    return write(result_cases.run_case(folder), folder)


@pytest.fixture(scope="module")
def bare(result_cases: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("bare")
    return write(result_cases.bare_case(folder), folder)


def as_reported(case: CaseResult) -> CaseResult:
    """The case without what `docs/dicom_results.md` says a report does not hold."""
    images = tuple(replace(image, path="") for image in case.images)
    dose = None if case.dose_report is None else replace(case.dose_report, file_name="")
    return replace(case, images=images, contrast=replace(case.contrast, mask_file=None), dose_report=dose)


def with_rounded_points(case: CaseResult) -> CaseResult:
    """Points on a grid of the tolerance's size, so that two cases may be compared for equality."""

    def grid(point: tuple[float, float]) -> tuple[float, float]:
        return round(point[0], 4), round(point[1], 4)

    images = tuple(
        replace(
            image,
            levels=None
            if image.levels is None
            else replace(
                image.levels,
                vertebrae=tuple(replace(v, center_px=grid(v.center_px)) for v in image.levels.vertebrae),
            ),
            junctions=tuple(replace(j, point_px=grid(j.point_px)) for j in image.junctions),
            needles=tuple(replace(n, tip_px=grid(n.tip_px)) for n in image.needles),
        )
        for image in case.images
    )
    pools = tuple(
        replace(p, outline_px=tuple(tuple(grid(q) for q in ring) for ring in p.outline_px)) for p in case.contrast.pools
    )
    return replace(case, images=images, contrast=replace(case.contrast, pools=pools))


def groups_of(report: Dataset, kind: Code) -> list[Dataset]:
    return of_kind(list(children(require(report, rc.MEASUREMENTS), rc.MEASUREMENT_GROUP)), kind)


@pytest.mark.parametrize("name", ["full", "bare", "run"])
def test_every_finding_reads_back_as_it_was(name: str, request: pytest.FixtureRequest) -> None:
    written: Written = request.getfixturevalue(name)
    assert with_rounded_points(written.back.result) == with_rounded_points(as_reported(written.case))
    assert written.back.decision is None
    assert not written.back.verified


def test_a_point_moves_by_less_than_a_thousandth_of_a_pixel(full: Written) -> None:
    for found, was in zip(full.back.result.images[0].junctions, full.case.images[0].junctions, strict=True):
        assert found.point_px == pytest.approx(was.point_px, abs=POINT_TOLERANCE_PX)


def test_sides_of_the_image_read_back_and_are_no_laterality(result_cases: ModuleType, tmp_path: Path) -> None:
    written = write(result_cases.of_image_sides(result_cases.full_case(tmp_path)), tmp_path)
    assert with_rounded_points(written.back.result) == with_rounded_points(as_reported(written.case))
    for kind in (rc.JUNCTION, rc.COVERAGE, rc.PUNCTURE, rc.CONTRAST_AGENT):
        for group in groups_of(written.report, kind):
            assert child(require(group, rc.FINDING_SITE), rc.LATERALITY) is None


def test_a_signed_decision_reads_back_and_verifies_the_report(signed: Written) -> None:
    report = signed.report
    assert signed.back.verified
    assert signed.back.decision == DECISION
    assert (report.VerificationFlag, report.PreliminaryFlag, report.CompletionFlag) == ("VERIFIED", "FINAL", "COMPLETE")
    observers = [
        (str(o.VerifyingObserverName), o.VerifyingOrganization, str(o.VerificationDateTime))
        for o in report.VerifyingObserverSequence
    ]
    assert observers == [
        ("Dr. Āda Müller", "Clinic, City", "20260301090507+0000"),
        ("B. Second", "Clinic, City", "20260302100000+0000"),
    ]
    assert (report.ContentDate, report.ContentTime) == ("20260302", "100000")


def test_without_a_signature_a_report_is_preliminary_and_unverified(full: Written) -> None:
    assert (full.report.VerificationFlag, full.report.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    assert "VerifyingObserverSequence" not in full.report


def rewritten(case: CaseResult, folder: Path, earlier: Path, decision: SignedDecision | None = None) -> Dataset:
    """The report of the same images once more, where `earlier` lies."""
    sources = read_sources(case, folder)
    date, time, _ = content_moment(sources, decision)
    context = ResultContext(sources, case.software, date, time, "seed")
    report = structured_report(case, context, decision, "", earlier)[0]
    earlier.write_bytes(encoded(report))
    return report


def test_a_report_names_the_one_it_supersedes_and_only_that(result_cases: ModuleType, tmp_path: Path) -> None:
    case, path = result_cases.full_case(tmp_path), tmp_path / "report.dcm"
    reports = [rewritten(case, tmp_path, path, decision) for decision in (None, DECISION, None)]
    assert "PredecessorDocumentsSequence" not in reports[0]
    assert len({str(report.SOPInstanceUID) for report in reports}) == 3
    for former, report in pairwise(reports):
        (study,) = report.PredecessorDocumentsSequence
        (series,) = study.ReferencedSeriesSequence
        (instance,) = series.ReferencedSOPSequence
        assert (study.StudyInstanceUID, series.SeriesInstanceUID) == (former.StudyInstanceUID, former.SeriesInstanceUID)
        assert instance.ReferencedSOPInstanceUID == former.SOPInstanceUID


def test_a_report_that_says_the_same_is_the_same_and_supersedes_nothing(
    result_cases: ModuleType, tmp_path: Path
) -> None:
    case, path = result_cases.bare_case(tmp_path), tmp_path / "report.dcm"
    rewritten(case, tmp_path, path)
    for decision in (None, DECISION):
        rewritten(case, tmp_path, path, decision)
        before = path.read_bytes()
        rewritten(case, tmp_path, path, decision)
        assert path.read_bytes() == before


def test_only_a_report_of_the_same_case_and_study_is_superseded(result_cases: ModuleType, tmp_path: Path) -> None:
    case, path = result_cases.bare_case(tmp_path), tmp_path / "report.dcm"
    for text in (b"", b"no DICOM", (tmp_path / "needle.dcm").read_bytes()):
        path.write_bytes(text)
        assert "PredecessorDocumentsSequence" not in rewritten(case, tmp_path, path)
    assert "PredecessorDocumentsSequence" not in rewritten(replace(case, case_id="P1-02"), tmp_path, path)
    of_other_study = pydicom.dcmread(path)
    of_other_study.StudyInstanceUID = "2.25.4711"
    of_other_study.save_as(path)
    assert "PredecessorDocumentsSequence" not in rewritten(replace(case, case_id="P1-02"), tmp_path, path)


def test_the_first_pixels_centre_is_half_a_pixel_from_the_corner_and_columns_come_first() -> None:
    assert to_graphic([(0.0, 0.0), (0.0, 7.0)]).tolist() == [[0.5, 0.5], [7.5, 0.5]]


def test_a_junction_is_pointed_at_in_the_reports_coordinates(full: Written) -> None:
    region = require(groups_of(full.report, rc.JUNCTION)[0], rc.IMAGE_REGION)
    # Row 32.25, column 52.7 of the case.
    assert region.GraphicType == "POINT"
    assert list(region.GraphicData) == pytest.approx([53.2, 32.75], abs=POINT_TOLERANCE_PX)


def test_an_outline_is_a_closed_line_on_the_image_contrast_was_measured_in(full: Written) -> None:
    first, second = groups_of(full.report, rc.CONTRAST_AGENT)
    region = require(first, rc.IMAGE_REGION)
    assert region.GraphicType == "POLYLINE"
    assert list(region.GraphicData) == [45.0, 40.0, 61.0, 40.0, 61.0, 71.0, 45.0, 71.0, 45.0, 40.0]
    assert region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "2.25.92"
    assert child(second, rc.IMAGE_REGION) is not None


def test_a_finding_in_a_run_names_its_frame_counted_from_one(run: Written) -> None:
    in_run = require(groups_of(run.report, rc.CONTRAST_AGENT)[0], rc.IMAGE_REGION)
    assert in_run.ContentSequence[0].ReferencedSOPSequence[0].ReferencedFrameNumber == 2
    in_single = require(groups_of(run.report, rc.NEEDLE_TIP)[0], rc.IMAGE_REGION)
    assert "ReferencedFrameNumber" not in in_single.ContentSequence[0].ReferencedSOPSequence[0]


@pytest.mark.parametrize(
    ("code", "unit", "value", "sd"),
    [(rc.AREA, "mm2", 41.664, 4.2), (rc.CRANIOCAUDAL, "mm", 8.68, 0.4), (rc.IODINE, "mg", 21.0, 3.5)],
    ids=["area", "extent", "iodine"],
)
def test_a_measure_has_its_uncertainty_in_its_own_unit(
    code: Code, unit: str, value: float, sd: float, full: Written
) -> None:
    item = require(groups_of(full.report, rc.CONTRAST_AGENT)[0], code)
    numbers = [item, require(item, rc.UPPER_UNCERTAINTY), require(item, rc.LOWER_UNCERTAINTY)]
    measured = [number.MeasuredValueSequence[0] for number in numbers]
    assert [float(m.FloatingPointValue) for m in measured] == [value, sd, sd]
    units = [m.MeasurementUnitsCodeSequence[0] for m in measured]
    assert {(u.CodeValue, u.CodingSchemeDesignator) for u in units} == {(unit, "UCUM")}


def test_every_pool_read_from_one_image_alone_is_said_to_be_provisional(
    full: Written, result_cases: ModuleType, tmp_path: Path
) -> None:
    case = result_cases.full_case(tmp_path)
    alone = write(replace(case, contrast=replace(case.contrast, method=ContrastMethod.SINGLE_IMAGE)), tmp_path)
    group = groups_of(alone.report, rc.CONTRAST_AGENT)[0]
    assert require(group, rc.COMMENT).TextValue == "provisional: read from one image alone"
    assert {require(g, rc.COMMENT).TextValue for g in groups_of(alone.report, rc.COVERAGE)} == {
        "provisional: read from one image alone"
    }
    assert alone.back.result.contrast_is_provisional
    assert child(groups_of(full.report, rc.CONTRAST_AGENT)[0], rc.COMMENT) is None


def test_a_junction_is_coded_by_vertebra_and_side_of_the_patient(full: Written) -> None:
    sites = [require(group, rc.FINDING_SITE) for group in groups_of(full.report, rc.JUNCTION)[:2]]
    codes = [
        (s.ConceptCodeSequence[0].CodeValue, require(s, rc.LATERALITY).ConceptCodeSequence[0].CodeValue) for s in sites
    ]
    # SNOMED CT: L4 vertebra, then left and right.
    assert codes == [("11994002", "7771000"), ("11994002", "24028007")]


def test_a_report_belongs_to_its_images_patient_and_study(full: Written) -> None:
    report = full.report
    assert (report.StudyInstanceUID, report.PatientID, report.AccessionNumber) == ("2.25.12", "P-1", "A1")
    assert report.SeriesInstanceUID not in ("2.25.13", "")
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    references = [(r.ReferencedSOPClassUID, r.ReferencedSOPInstanceUID) for r in series.ReferencedSOPSequence]
    xa = "1.2.840.10008.5.1.4.1.1.12.1"
    assert sorted(references) == [(xa, "2.25.91"), (xa, "2.25.92")]


def test_a_report_says_what_it_is_for_and_what_it_was_made_with(signed: Written) -> None:
    said = {str(item.TextValue) for item in _all_items(signed.report) if item.ValueType == "TEXT"}
    assert {STANDING_SENTENCE, "cd" * 32, DECISION.head_hash} <= said
    assert "research use only" in signed.report.SeriesDescription
    assert list(signed.report.SoftwareVersions) == ["0.1.0", "cd" * 32]


def test_the_private_scheme_is_identified(bare: Written) -> None:
    (scheme,) = bare.report.CodingSchemeIdentificationSequence
    assert (scheme.CodingSchemeDesignator, scheme.CodingSchemeName) == (rc.SCHEME, rc.SCHEME_NAME)


def test_text_from_outside_neither_ends_nor_reshapes_the_report(result_cases: ModuleType, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>\\..\\../\x1b$B" + "x" * 70_000
    case = replace(result_cases.bare_case(tmp_path), flags=(Flag(hostile, hostile),), case_id="a=b^c\\d")
    back = write(case, tmp_path).back.result
    assert back.flags == (Flag(hostile.replace("\x1b", "\ufffd"), hostile.replace("\x1b", "\ufffd")),)
    assert back.case_id == "a=b^c\\d"


def test_what_a_report_cannot_point_at_is_said(result_cases: ModuleType, tmp_path: Path) -> None:
    case = result_cases.bare_case(tmp_path)
    outside = result_cases.case_image(tmp_path / "needle.dcm", case.images[0].role).junctions[0]
    image = replace(case.images[0], junctions=(replace(outside, point_px=(-20.0, 5.0)),))
    case = replace(case, images=(image,))
    sources = read_sources(case, tmp_path)
    _, notes = structured_report(case, ResultContext(sources, case.software, "20240101", "000000", "seed"))
    assert notes == ("image 1, junction L4 left lies outside its image, where a report cannot point.",)


def test_another_programs_report_is_refused_by_name(result_cases: ModuleType, tmp_path: Path) -> None:
    path = result_cases.xray_file(tmp_path / "no_report.dcm")
    with pytest.raises(UnsupportedImageError, match=r"no_report\.dcm: expected a structured report"):
        read_structured_report(path)


def _all_items(item: Dataset) -> list[Dataset]:
    below = list(children(item))
    return below + [deeper for found in below for deeper in _all_items(found)]
