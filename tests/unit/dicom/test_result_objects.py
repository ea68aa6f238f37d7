"""Annotations, key images, segmentation and PDF: on the right image and frame, in the right coordinates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from fluorospread.dicom.encapsulated_report import encapsulated_report, read_encapsulated_report
from fluorospread.dicom.key_object import key_object_selection
from fluorospread.dicom.presentation_state import presentation_states
from fluorospread.dicom.result_object import ResultContext, encoded
from fluorospread.dicom.result_source import read_sources
from fluorospread.dicom.segmentation_object import contrast_segmentation
from fluorospread.errors import OutputError, UnsupportedImageError
from fluorospread.model.case import CaseResult, Role
from fluorospread.model.findings import ContrastMethod

XA = "1.2.840.10008.5.1.4.1.1.12.1"
MASK = np.zeros((100, 80), dtype=bool)
MASK[40:71, 45:61] = True


@dataclass(frozen=True)
class Drawn:
    case: CaseResult
    context: ResultContext
    states: dict[int, Dataset]
    notes: list[str]


def draw(case: CaseResult, folder: Path) -> Drawn:
    sources = read_sources(case, folder)
    context = ResultContext(sources, case.software, "20240305", "101602", "seed")
    notes: list[str] = []
    return Drawn(case, context, presentation_states(case, context, notes), notes)


@pytest.fixture(scope="module")
def full(result_cases: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    folder = tmp_path_factory.mktemp("full")
    return draw(result_cases.full_case(folder), folder)


@pytest.fixture(scope="module")
def run(result_cases: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    folder = tmp_path_factory.mktemp("run")
    return draw(result_cases.run_case(folder), folder)


@pytest.fixture
def one_image(result_cases: ModuleType, tmp_path: Path) -> Callable[..., Drawn]:
    """Annotations of a case of one needle image with these tags."""

    def make(**tags: Any) -> Drawn:
        case = result_cases.bare_case(tmp_path)
        path = result_cases.xray_file(tmp_path / "needle.dcm", **tags)
        return draw(replace(case, images=(result_cases.case_image(path, Role.NEEDLE),)), tmp_path)

    return make


def layer(state: Dataset, name: str) -> Dataset:
    return next(a for a in state.GraphicAnnotationSequence if a.GraphicLayer == name)


def test_each_image_with_findings_has_its_annotations_in_one_series(full: Drawn) -> None:
    assert sorted(full.states) == [0, 1]
    for index, uid in ((0, "2.25.91"), (1, "2.25.92")):
        (series,) = full.states[index].ReferencedSeriesSequence
        assert [r.ReferencedSOPInstanceUID for r in series.ReferencedImageSequence] == [uid]
    assert len({state.SeriesInstanceUID for state in full.states.values()}) == 1
    assert [state.InstanceNumber for state in full.states.values()] == [1, 2]
    assert full.notes == []


def test_a_junction_is_a_circle_of_two_sd_about_its_point(full: Drawn) -> None:
    circle = layer(full.states[0], "JUNCTIONS").GraphicObjectSequence[0]
    # Row 32.25, column 52.7, 1.1 px sd; columns first and from the corner of the first pixel.
    column, row, rim_column, rim_row = circle.GraphicData
    assert circle.GraphicType == "CIRCLE"
    assert (column, row) == pytest.approx((53.2, 32.75), abs=1e-4)
    assert np.hypot(rim_column - column, rim_row - row) == pytest.approx(2.2, abs=1e-4)


def test_needle_tips_and_outline_are_drawn_where_they_were_found(full: Drawn) -> None:
    rising, falling = layer(full.states[0], "NEEDLES").GraphicObjectSequence[:2]
    for stroke in (rising, falling):
        x0, y0, x1, y1 = stroke.GraphicData
        assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((52.5, 62.5), abs=1e-4)
    outline = layer(full.states[1], "CONTRAST").GraphicObjectSequence[0]
    assert list(outline.GraphicData) == [45.0, 40.0, 61.0, 40.0, 61.0, 71.0, 45.0, 71.0, 45.0, 40.0]
    assert "CONTRAST" not in [a.GraphicLayer for a in full.states[0].GraphicAnnotationSequence]


def test_annotations_say_sides_proposal_and_research_use(full: Drawn) -> None:
    said = [t.UnformattedTextValue for t in layer(full.states[0], "NOTES").TextObjectSequence]
    # Columns lead towards the patient's left, so the left of the picture is the patient's right.
    assert said == ["R", "L", "Software's proposal: undetermined.", "Research use only, not for diagnosis."]


def test_an_outline_from_one_image_alone_is_said_to_be_provisional_and_answers_nothing(
    full: Drawn, result_cases: ModuleType, tmp_path: Path
) -> None:
    case = result_cases.full_case(tmp_path)
    alone = draw(replace(case, contrast=replace(case.contrast, method=ContrastMethod.SINGLE_IMAGE)), tmp_path)
    shown = case.contrast.image
    (words,) = layer(alone.states[shown], "CONTRAST").TextObjectSequence
    assert words.UnformattedTextValue == "Contrast provisional: read from one image alone."
    assert "TextObjectSequence" not in layer(full.states[shown], "CONTRAST")
    said = [t.UnformattedTextValue for t in layer(alone.states[shown], "JUNCTIONS").TextObjectSequence]
    assert any(text.endswith("covered?") for text in said)
    assert not any(text.endswith("covered") for text in said)
    source = alone.context.sources.image(shown)
    assert source is not None
    (segment,) = contrast_segmentation(MASK, source, alone.context, provisional=True).SegmentSequence
    assert segment.SegmentLabel == "Contrast, provisional: read from one image alone"


def test_unknown_sides_are_never_lettered(result_cases: ModuleType, tmp_path: Path) -> None:
    state = draw(result_cases.of_image_sides(result_cases.full_case(tmp_path)), tmp_path).states[0]
    said = [t.UnformattedTextValue for t in layer(state, "NOTES").TextObjectSequence]
    assert said[:2] == ["side unknown", "side unknown"]


def test_annotations_of_a_run_lie_on_their_frame_only(run: Drawn) -> None:
    for annotation in run.states[1].GraphicAnnotationSequence:
        assert annotation.ReferencedImageSequence[0].ReferencedFrameNumber == 2
    for annotation in run.states[0].GraphicAnnotationSequence:
        assert "ReferencedFrameNumber" not in annotation.ReferencedImageSequence[0]


def test_the_images_own_window_is_kept(one_image: Callable[..., Drawn]) -> None:
    voi = one_image(WindowCenter="1500", WindowWidth="700").states[0].SoftcopyVOILUTSequence[0]
    assert (float(voi.WindowCenter), float(voi.WindowWidth)) == (1500.0, 700.0)


def test_without_a_window_the_pixels_give_one(one_image: Callable[..., Drawn]) -> None:
    voi = one_image(WindowCenter=None, WindowWidth=None).states[0].SoftcopyVOILUTSequence[0]
    # 8000 values evenly from 100 to 4000, without 0.5 % at either end: 119.5 to 3980.5.
    assert float(voi.WindowCenter) == pytest.approx(2050.0, abs=1.0)
    assert float(voi.WindowWidth) == pytest.approx(3861.0, abs=2.0)


@pytest.mark.parametrize(("photometric", "shape"), [("MONOCHROME2", "IDENTITY"), ("MONOCHROME1", "INVERSE")])
def test_an_image_looks_no_other_than_without_annotations(
    photometric: str, shape: str, one_image: Callable[..., Drawn]
) -> None:
    assert one_image(PhotometricInterpretation=photometric).states[0].PresentationLUTShape == shape


def test_a_colour_image_has_no_grayscale_annotations_and_that_is_said(one_image: Callable[..., Drawn]) -> None:
    drawn = one_image(PhotometricInterpretation="RGB")
    assert drawn.states == {}
    assert drawn.notes == ["image 1 is a colour image, which has no grayscale presentation state"]


def test_findings_beyond_the_edge_are_counted_aloud(result_cases: ModuleType, tmp_path: Path) -> None:
    case = result_cases.full_case(tmp_path)
    outside = replace(case.images[0].junctions[0], point_px=(50.0, 95.0))
    case = replace(case, images=(replace(case.images[0], junctions=(outside,)), case.images[1]))
    assert draw(case, tmp_path).notes == ["image 1: 1 finding(s) reach outside the image and are not drawn."]


def test_key_images_are_those_the_verdict_rests_on_each_with_its_annotations(full: Drawn) -> None:
    selection = key_object_selection(full.case, full.context, full.states)
    assert selection is not None
    references = [i.ReferencedSOPSequence[0] for i in selection.ContentSequence if i.ValueType == "IMAGE"]
    assert [r.ReferencedSOPInstanceUID for r in references] == ["2.25.91", "2.25.92"]
    shown = [r.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for r in references]
    assert shown == [full.states[0].SOPInstanceUID, full.states[1].SOPInstanceUID]


def test_a_key_image_in_a_run_is_its_frame(run: Drawn) -> None:
    selection = key_object_selection(run.case, run.context, run.states)
    assert selection is not None
    references = [i.ReferencedSOPSequence[0] for i in selection.ContentSequence if i.ValueType == "IMAGE"]
    assert [r.get("ReferencedFrameNumber") for r in references] == [None, 2]


def test_a_verdict_that_rests_on_no_image_selects_none(full: Drawn) -> None:
    images = tuple(replace(image, needles=()) for image in full.case.images)
    case = replace(full.case, images=images, reference_image=None, contrast=replace(full.case.contrast, image=None))
    assert key_object_selection(case, full.context, {}) is None


@pytest.mark.parametrize(("name", "uid", "frame"), [("full", "2.25.92", None), ("run", "2.25.93", 2)])
def test_a_segmentation_is_the_mask_on_its_image_or_frame(
    name: str, uid: str, frame: int | None, request: pytest.FixtureRequest
) -> None:
    drawn: Drawn = request.getfixturevalue(name)
    source = drawn.context.sources.image(1)
    assert source is not None
    segmentation = contrast_segmentation(MASK, source, drawn.context)
    bits = np.unpackbits(np.frombuffer(segmentation.PixelData, np.uint8), bitorder="little")
    np.testing.assert_array_equal(bits[: MASK.size].reshape(MASK.shape).astype(bool), MASK)
    group = segmentation.PerFrameFunctionalGroupsSequence[0]
    reference = group.DerivationImageSequence[0].SourceImageSequence[0]
    assert (reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID) == (XA, uid)
    assert reference.get("ReferencedFrameNumber") == frame
    (segment,) = segmentation.SegmentSequence
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "7140000"
    assert "Research use only" in segment.SegmentDescription
    # The sources are used again for other objects and must not carry its stand-in class.
    assert source.header.SOPClassUID == XA


def test_a_mask_of_another_size_is_refused(full: Drawn) -> None:
    source = full.context.sources.image(1)
    assert source is not None
    with pytest.raises(UnsupportedImageError, match="mask is 90 x 80 pixels and the image 100 x 80"):
        contrast_segmentation(MASK[:90], source, full.context)


@pytest.mark.parametrize("length", [100, 101])
def test_a_pdf_comes_out_as_it_went_in(length: int, full: Drawn) -> None:
    pdf = b"%PDF-1.7\n" + b"x" * (length - 9)
    dataset = encapsulated_report(pdf, full.context)
    assert read_encapsulated_report(dataset) == pdf
    assert len(dataset.EncapsulatedDocument) % 2 == 0
    assert [r.ReferencedSOPInstanceUID for r in dataset.SourceInstanceSequence] == ["2.25.91", "2.25.92"]
    assert "Research use only" in dataset.DocumentTitle


def test_what_is_no_pdf_is_refused(full: Drawn) -> None:
    with pytest.raises(OutputError, match="expected a PDF"):
        encapsulated_report(b"<html>", full.context)


def test_the_same_content_has_the_same_uids_and_other_content_others(full: Drawn) -> None:
    first, again, other = (encapsulated_report(b"%PDF-1.7\n" + body, full.context) for body in (b"a", b"a", b"b"))
    assert encoded(first) == encoded(again)
    assert first.SOPInstanceUID != other.SOPInstanceUID
    assert first.SeriesInstanceUID != other.SeriesInstanceUID
    assert first.SOPInstanceUID.is_valid
