"""Enhanced XA and XRF: what a classic image says at the top stands in functional groups, shared or frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedXAImageStorage, XRay3DAngiographicImageStorage

from fluorospread.dicom.describe_file import describe_file
from fluorospread.dicom.read_radiograph import ReadOverrides, read_radiograph
from fluorospread.errors import PolarityError, UnsupportedImageError
from fluorospread.model.geometry import ColumnsTowards, GeometrySource, RowsTowards
from fluorospread.model.radiograph import PolaritySource, Quantity

Groups = Mapping[str, Mapping[str, Any]]

# Sequences and attributes as in PS3.3 A.47.3 (Enhanced XA functional group macros).
SHARED: Groups = {
    "FramePixelDataPropertiesSequence": {
        "FrameType": ["ORIGINAL", "PRIMARY", "SINGLE PLANE", "SINGLE A"],
        "PixelIntensityRelationship": "LIN",
        "PixelIntensityRelationshipSign": 1,
        "ImagerPixelSpacing": [0.3, 0.3],
        "GeometricalProperties": "UNIFORM",
        "ImageProcessingApplied": "NONE",
    },
    "ProjectionPixelCalibrationSequence": {"ObjectPixelSpacingInCenterOfBeam": [0.225, 0.225]},
    "PatientOrientationInFrameSequence": {"PatientOrientation": ["L", "F"]},
    "PositionerPositionSequence": {"PositionerPrimaryAngle": 2.0, "PositionerSecondaryAngle": 0.0},
    "FrameAcquisitionSequence": {"KVP": 76.0, "XRayTubeCurrentInmA": 20.0},
    "FrameDisplayShutterSequence": {
        "ShutterShape": "RECTANGULAR",
        "ShutterLeftVerticalEdge": 5,
        "ShutterRightVerticalEdge": 60,
        "ShutterUpperHorizontalEdge": 1,
        "ShutterLowerHorizontalEdge": 64,
    },
}


def group(macros: Groups) -> Dataset:
    item = Dataset()
    for name, attributes in macros.items():
        macro = Dataset()
        for keyword, value in attributes.items():
            setattr(macro, keyword, value)
        setattr(item, name, Sequence([macro]))
    return item


def without(*names: str) -> Groups:
    return {name: macro for name, macro in SHARED.items() if name not in names}


@pytest.fixture
def enhanced(builders, tmp_path):
    """Writes a three-frame Enhanced XA from its shared and per-frame groups; returns the path."""

    def write(shared: Groups = SHARED, frames: tuple[Groups, ...] = ({}, {}, {}), **tags: Any):
        stack = np.stack([np.roll(builders.trunk(64, 64), index, axis=1) for index in range(3)])
        dataset = builders.xray_dataset(
            stack,
            SOPClassUID=EnhancedXAImageStorage,
            PixelIntensityRelationship=None,
            SharedFunctionalGroupsSequence=Sequence([group(shared)]),
            PerFrameFunctionalGroupsSequence=Sequence([group(macros) for macros in frames]),
            **tags,
        )
        return builders.write_dicom(tmp_path / "enhanced.dcm", dataset)

    return write


def test_everything_is_found_in_the_shared_groups(enhanced):
    radiograph = read_radiograph(enhanced())
    assert radiograph.quantity is Quantity.NATURAL_LOG
    assert radiograph.polarity_source is PolaritySource.TAG
    assert radiograph.geometry.source is GeometrySource.OBJECT_PIXEL_SPACING
    assert radiograph.geometry.spacing_patient_mm == pytest.approx((0.225, 0.225))
    # 0.3 mm at the detector over 0.225 mm in the middle of the beam.
    assert radiograph.geometry.magnification == pytest.approx(4 / 3)
    assert radiograph.orientation.columns_towards is ColumnsTowards.PATIENT_LEFT
    assert radiograph.orientation.rows_towards is RowsTowards.FEET
    assert radiograph.view == "frontal"
    assert radiograph.beam.tube_kv == 76
    assert not radiograph.field_of_view[:, :4].any()
    assert radiograph.field_of_view[:, 4:60].all()
    assert not radiograph.field_of_view[:, 60:].any()


def test_the_distance_to_the_isocentre_gives_no_scale(enhanced):
    shared = {
        **without("ProjectionPixelCalibrationSequence"),
        "XRayGeometrySequence": {"DistanceSourceToDetector": 1000.0, "DistanceSourceToIsocenter": 750.0},
    }
    radiograph = read_radiograph(enhanced(shared))
    # The spine need not lie at the isocentre.
    assert radiograph.geometry.source is GeometrySource.NONE
    assert any("magnification is unknown" in note for note in radiograph.notes)


def test_linear_pixels_of_an_enhanced_image_become_line_integrals(builders, enhanced):
    radiograph = read_radiograph(enhanced())
    stored = radiograph.frames.kept.astype(np.float64)
    expected = -np.log(stored / 65535)
    inside = radiograph.field_of_view
    np.testing.assert_allclose(radiograph.pixels()[inside], expected[inside], rtol=1e-5)


def test_groups_of_each_frame_count_like_shared_ones(enhanced):
    each = {name: SHARED[name] for name in SHARED if name != "FrameDisplayShutterSequence"}
    radiograph = read_radiograph(enhanced({}, (each, each, each)))
    assert radiograph.geometry.spacing_patient_mm == pytest.approx((0.225, 0.225))
    assert radiograph.orientation.columns_towards is ColumnsTowards.PATIENT_LEFT
    assert radiograph.quantity is Quantity.NATURAL_LOG


def test_the_frame_time_follows_from_the_times_of_the_frames(enhanced):
    times = ("20240101101500.100000", "20240101101500.225000", "20240101101500.350000")
    frames = tuple({"FrameContentSequence": {"FrameAcquisitionDateTime": time}} for time in times)
    assert read_radiograph(enhanced(frames=frames)).frame_time_ms == pytest.approx(125)


def test_the_frame_time_may_follow_from_the_recommended_rate(enhanced):
    display = Dataset()
    display.RecommendedDisplayFrameRateInFloat = 8.0
    path = enhanced(FrameDisplaySequence=Sequence([display]))
    assert read_radiograph(path).frame_time_ms == pytest.approx(125)


def test_a_spacing_that_changes_during_the_run_gives_no_scale(enhanced):
    frames = tuple(
        {"ProjectionPixelCalibrationSequence": {"ObjectPixelSpacingInCenterOfBeam": [mm, mm]}}
        for mm in (0.225, 0.225, 0.15)
    )
    radiograph = read_radiograph(enhanced(without("ProjectionPixelCalibrationSequence"), frames))
    assert radiograph.geometry.source is GeometrySource.NONE
    assert any("ObjectPixelSpacingInCenterOfBeam is not the same in every frame" in note for note in radiograph.notes)


def test_sides_that_change_during_the_run_are_not_known(enhanced):
    frames = tuple(
        {"PatientOrientationInFrameSequence": {"PatientOrientation": value}}
        for value in (["L", "F"], ["R", "F"], ["L", "F"])
    )
    radiograph = read_radiograph(enhanced(without("PatientOrientationInFrameSequence"), frames))
    assert radiograph.orientation.columns_towards is None
    assert any("PatientOrientation is not the same in every frame" in note for note in radiograph.notes)


def mixed_sign() -> tuple[Groups, ...]:
    properties = SHARED["FramePixelDataPropertiesSequence"]
    return tuple(
        {"FramePixelDataPropertiesSequence": {**properties, "PixelIntensityRelationshipSign": sign}}
        for sign in (1, 1, -1)
    )


def test_a_polarity_that_changes_during_the_run_is_refused(enhanced):
    path = enhanced(without("FramePixelDataPropertiesSequence"), mixed_sign())
    with pytest.raises(PolarityError, match=r"enhanced\.dcm.*not the same in every frame"):
        read_radiograph(path)
    assert read_radiograph(path, ReadOverrides(polarity="bone-dark")).polarity_source is PolaritySource.GIVEN


def test_a_relationship_that_changes_during_the_run_is_relative(enhanced):
    properties = SHARED["FramePixelDataPropertiesSequence"]
    frames = tuple(
        {"FramePixelDataPropertiesSequence": {**properties, "PixelIntensityRelationship": kind}}
        for kind in ("LIN", "LOG", "LOG")
    )
    radiograph = read_radiograph(enhanced(without("FramePixelDataPropertiesSequence"), frames))
    assert radiograph.quantity is Quantity.RELATIVE


def test_a_c_arm_that_turns_is_told(enhanced):
    frames = tuple(
        {"PositionerPositionSequence": {"PositionerPrimaryAngle": angle, "PositionerSecondaryAngle": 0.0}}
        for angle in (0.0, 4.0, 8.0)
    )
    notes = read_radiograph(enhanced(without("PositionerPositionSequence"), frames)).notes
    assert any("C-arm turned during the run" in note for note in notes)


def test_a_c_arm_that_stands_still_is_not(enhanced):
    frames = tuple(
        {"PositionerPositionSequence": {"PositionerPrimaryAngle": angle, "PositionerSecondaryAngle": -30.0}}
        for angle in (12.0, 12.1, 12.2)
    )
    notes = read_radiograph(enhanced(without("PositionerPositionSequence"), frames)).notes
    assert not any("C-arm turned" in note for note in notes)


def test_an_enhanced_run_is_described_by_its_header(enhanced):
    summary = describe_file(enhanced())
    assert summary.is_projection
    assert (summary.frames, summary.view) == (3, "frontal")


def test_slices_reconstructed_from_projections_are_refused(builders, tmp_path):
    dataset = builders.xray_dataset(builders.trunk(64, 64), SOPClassUID=XRay3DAngiographicImageStorage)
    with pytest.raises(UnsupportedImageError, match="reconstructed"):
        read_radiograph(builders.write_dicom(tmp_path / "a.dcm", dataset))
