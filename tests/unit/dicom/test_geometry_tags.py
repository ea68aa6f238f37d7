"""The scale comes from the best source in the header, with its uncertainty, or is honestly absent."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from fluorospread.dicom.geometry_tags import read_geometry
from fluorospread.errors import GeometryError
from fluorospread.model.geometry import GeometrySource


def header(**tags: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


def test_pixel_spacing_unlike_the_detectors_is_calibrated():
    geometry, _ = read_geometry(header(PixelSpacing=[0.3, 0.24], ImagerPixelSpacing=[0.4, 0.32]))
    assert geometry.spacing_patient_mm == (0.3, 0.24)
    assert geometry.source is GeometrySource.PIXEL_SPACING_CALIBRATED
    assert geometry.magnification == pytest.approx(4 / 3)


def test_row_spacing_comes_first():
    geometry, _ = read_geometry(header(ImagerPixelSpacing=[0.4, 0.2], EstimatedRadiographicMagnificationFactor=2))
    assert geometry.spacing_patient_mm == pytest.approx((0.2, 0.1))
    # 10 rows are 2 mm, 10 columns 1 mm.
    assert geometry.distance_mm((0, 0), (10, 0)) == pytest.approx(2.0)


def test_pixel_spacing_equal_to_the_detectors_is_not_calibrated():
    geometry, notes = read_geometry(header(PixelSpacing=[0.15, 0.15], ImagerPixelSpacing=[0.15, 0.15]))
    assert geometry.source is GeometrySource.NONE
    assert any("0.15 x 0.15" in note and "magnification is unknown" in note for note in notes)


def test_pixel_spacing_alone_does_not_say_its_plane():
    geometry, notes = read_geometry(header(PixelSpacing=[0.2, 0.2]))
    assert geometry.spacing_patient_mm is None
    assert any("does not say whether" in note for note in notes)


def test_pixel_spacing_alone_with_a_calibration_type_is_calibrated():
    geometry, _ = read_geometry(header(PixelSpacing=[0.2, 0.2], PixelSpacingCalibrationType="FIDUCIAL"))
    assert geometry.source is GeometrySource.PIXEL_SPACING_CALIBRATED
    by_geometry, _ = read_geometry(header(PixelSpacing=[0.2, 0.2], PixelSpacingCalibrationType="GEOMETRY"))
    assert geometry.relative_uncertainty < by_geometry.relative_uncertainty


def test_ermf_divides_the_detector_spacing():
    geometry, _ = read_geometry(
        header(ImagerPixelSpacing=[0.4, 0.4], EstimatedRadiographicMagnificationFactor="1.3333333")
    )
    assert geometry.spacing_patient_mm == pytest.approx((0.3, 0.3))
    assert geometry.source is GeometrySource.ERMF


def test_sid_over_sod_divides_the_detector_spacing_and_is_less_certain_than_ermf():
    distances = {"DistanceSourceToDetector": 1000, "DistanceSourceToPatient": 750}
    geometry, _ = read_geometry(header(ImagerPixelSpacing=[0.4, 0.4], **distances))
    assert geometry.spacing_patient_mm == pytest.approx((0.3, 0.3))
    assert geometry.source is GeometrySource.SID_SOD
    ermf, _ = read_geometry(header(ImagerPixelSpacing=[0.4, 0.4], EstimatedRadiographicMagnificationFactor=4 / 3))
    assert geometry.relative_uncertainty > ermf.relative_uncertainty


def test_scanned_film_spacing_is_the_detectors():
    geometry, _ = read_geometry(
        header(NominalScannedPixelSpacing=[0.2, 0.2], EstimatedRadiographicMagnificationFactor=1.25)
    )
    assert geometry.spacing_patient_mm == pytest.approx((0.16, 0.16))


def test_enhanced_object_spacing_is_found_in_its_functional_group():
    calibration, shared = Dataset(), Dataset()
    calibration.ObjectPixelSpacingInCenterOfBeam = [0.25, 0.25]
    shared.ProjectionPixelCalibrationSequence = Sequence([calibration])
    geometry, _ = read_geometry(header(SharedFunctionalGroupsSequence=Sequence([shared])))
    assert geometry.spacing_patient_mm == (0.25, 0.25)
    assert geometry.source is GeometrySource.OBJECT_PIXEL_SPACING


def test_nothing_in_the_header_is_no_scale_and_asks():
    geometry, notes = read_geometry(header(DistanceSourceToDetector=1000))
    assert geometry.source is GeometrySource.NONE
    assert any("--spacing-mm" in note for note in notes)


def test_a_person_overrides_everything_even_contradictions():
    broken = header(PixelSpacing=[0.4, 0.4], ImagerPixelSpacing=[0.2, 0.2])
    geometry, _ = read_geometry(broken, (0.31, 0.32))
    assert geometry.spacing_patient_mm == (0.31, 0.32)
    assert geometry.source is GeometrySource.GIVEN


def test_a_slight_disagreement_of_ermf_and_distances_is_noted_and_widens_the_uncertainty():
    # 1.30 against 1000/700 = 1.4286: 9.9 % apart.
    tags = {"DistanceSourceToDetector": 1000, "DistanceSourceToPatient": 700}
    geometry, notes = read_geometry(
        header(ImagerPixelSpacing=[0.4, 0.4], EstimatedRadiographicMagnificationFactor=1.3, **tags)
    )
    assert geometry.relative_uncertainty == pytest.approx(0.0495, abs=0.0005)
    assert any("differ by 10%" in note for note in notes)


@pytest.mark.parametrize("zero", [{"ImagerPixelSpacing": [0, 0]}, {"EstimatedRadiographicMagnificationFactor": 0}])
def test_zero_is_what_devices_write_for_unknown(zero):
    tags = {"ImagerPixelSpacing": [0.4, 0.4], "EstimatedRadiographicMagnificationFactor": 1.3} | zero
    geometry, _ = read_geometry(header(**tags))
    assert geometry.source is GeometrySource.NONE


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"PixelSpacing": [0.4, 0.4], "ImagerPixelSpacing": [0.2, 0.2]}, "magnification of 0.5"),
        ({"ImagerPixelSpacing": [0.2, -0.2]}, "ImagerPixelSpacing"),
        ({"ImagerPixelSpacing": [200, 200]}, "0.01 to 5 mm"),
        ({"ImagerPixelSpacing": [0.2, 0.2, 0.2]}, "row and column"),
        ({"ImagerPixelSpacing": [0.2, 0.2], "EstimatedRadiographicMagnificationFactor": 0.8}, "0.8"),
        (
            {"ImagerPixelSpacing": [0.2, 0.2], "DistanceSourceToDetector": 700, "DistanceSourceToPatient": 700},
            "shorter",
        ),
        ({"ImagerPixelSpacing": [0.2, 0.2], "DistanceSourceToDetector": -1}, "positive"),
        (
            {
                "ImagerPixelSpacing": [0.2, 0.2],
                "EstimatedRadiographicMagnificationFactor": 1.1,
                "DistanceSourceToDetector": 1000,
                "DistanceSourceToPatient": 700,
            },
            "contradict",
        ),
    ],
)
def test_impossible_geometry_is_refused_and_says_how_to_go_on(tags, words):
    with pytest.raises(GeometryError, match=words) as refusal:
        read_geometry(header(**tags))
    assert "--spacing-mm" in str(refusal.value)
