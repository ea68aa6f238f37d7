"""What is written is valid DICOM, the same bytes every time, says it is simulated, and reads back as meant."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from pydicom.uid import UID

from fluorospread.dicom.read_radiograph import read_radiograph
from fluorospread.dicom.stored_frames import open_frames
from fluorospread.dicom.write_radiograph import (
    CircularEdge,
    Compression,
    Modality,
    PolygonalEdge,
    RectangularEdges,
    Relationship,
    WritableExposure,
    WritableImage,
    WritablePatient,
    WritableProjection,
    WritableText,
    derived_uid,
    write_radiograph,
)
from fluorospread.errors import GeometryError, ImageSizeError, OrientationError, OutputError, UsageError
from fluorospread.model.geometry import ColumnsTowards, GeometrySource, RowsTowards
from fluorospread.model.radiograph import PolaritySource, Quantity

PROJECTION = WritableProjection(
    imager_pixel_spacing_mm=(0.4, 0.4),
    source_detector_mm=1000,
    source_patient_mm=750,
    magnification=4 / 3,
    patient_orientation=("L", "F"),
    patient_position="HFP",
    view_position="AP",
    primary_angle_deg=0,
    secondary_angle_deg=5,
)
EXPOSURE = WritableExposure(
    tube_kv=75,
    filter_materials=("ALUMINUM", "COPPER"),
    filter_thicknesses_mm=(1.0, 0.2),
    shutter=RectangularEdges(2, 60, 3, 44),
    collimator=CircularEdge(32, 24, 30),
)


def image(builders, frames: int = 1, **changes) -> WritableImage:
    pixels = np.repeat(builders.ramp(64, 48)[None], frames, axis=0)
    made = WritableImage(
        pixels,
        "seed",
        projection=PROJECTION,
        exposure=EXPOSURE,
        frame_time_ms=66.0 if frames > 1 else None,
        mask_frames=(0, 1) if frames > 1 else (),
    )
    return replace(made, **changes)


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("relationship", list(Relationship))
@pytest.mark.parametrize("modality", list(Modality))
def test_the_standards_own_checker_finds_no_error(builders, tmp_path, modality, relationship, frames):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian: dicom3tools) is not installed")
    if frames > 1 and modality in (Modality.CR, Modality.DX):
        with pytest.raises(UsageError, match="one frame"):
            write_radiograph(image(builders, frames, modality=modality), tmp_path / "a.dcm")
        return
    log = 0.002 if relationship is Relationship.LOG and modality in (Modality.XA, Modality.RF) else None
    made = image(builders, frames, modality=modality, relationship=relationship, log_per_step=log)
    path = write_radiograph(made, tmp_path / "a.dcm")
    checked = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    lines = (checked.stdout + checked.stderr).splitlines()
    assert not [line for line in lines if line.startswith("Error")]
    # Attributes beyond the module tables make a Standard Extended SOP class; nothing else may be warned of.
    assert not [line for line in lines if line.startswith("Warning") and "not present in standard" not in line]


@pytest.mark.parametrize("compression", list(Compression))
@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 10), (np.uint16, 16), (np.int16, 12)])
def test_every_compression_gives_back_the_pixels(tmp_path, compression, dtype, bits):
    low = -(1 << (bits - 1)) if dtype is np.int16 else 0
    pixels = np.random.default_rng(1).integers(low, low + (1 << bits), (2, 33, 17)).astype(dtype)
    made = WritableImage(pixels, "s", modality=Modality.OT, bits_stored=bits, frame_time_ms=30.0)
    path = write_radiograph(made, tmp_path / "a.dcm", compression)
    np.testing.assert_array_equal(open_frames(path)[1].stored(1), pixels[1])
    with warnings.catch_warnings():
        # Noise in RLE happens to have the size of uncompressed pixels, which pydicom finds worth a warning.
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(pydicom.dcmread(path).pixel_array, pixels)


def test_the_same_image_gives_the_same_bytes_and_another_seed_does_not(builders, tmp_path):
    first = write_radiograph(image(builders), tmp_path / "a.dcm").read_bytes()
    assert write_radiograph(image(builders), tmp_path / "b.dcm").read_bytes() == first
    assert write_radiograph(image(builders, uid_seed="other"), tmp_path / "c.dcm").read_bytes() != first


def test_uids_are_valid_and_images_of_one_study_share_it(builders, tmp_path):
    text = WritableText(study_seed="case 1")
    paths = [
        write_radiograph(image(builders, uid_seed=seed, text=text), tmp_path / f"{seed}.dcm") for seed in ("a", "b")
    ]
    one, two = (pydicom.dcmread(path) for path in paths)
    assert one.StudyInstanceUID == two.StudyInstanceUID
    assert one.SOPInstanceUID != two.SOPInstanceUID
    assert all(UID(uid).is_valid for uid in (one.SOPInstanceUID, one.StudyInstanceUID, one.SeriesInstanceUID))
    assert derived_uid("a", "b") != derived_uid("ab")


def test_a_written_image_says_it_is_simulated(builders, tmp_path):
    made = image(builders, patient=WritablePatient(name="Case1"), text=WritableText(series_description="needle"))
    dataset = pydicom.dcmread(write_radiograph(made, tmp_path / "a.dcm"))
    assert str(dataset.PatientName) == "Simulated^Case1"
    assert dataset.SeriesDescription == "SIMULATED needle"
    assert dataset.ImageComments.startswith("SIMULATED")
    assert dataset.QualityControlImage == "YES"
    assert dataset.BurnedInAnnotation == "NO"


def test_geometry_sides_beam_and_field_read_back_as_written(builders, tmp_path):
    radiograph = read_radiograph(write_radiograph(image(builders), tmp_path / "a.dcm"))
    assert radiograph.geometry.source is GeometrySource.ERMF
    assert radiograph.geometry.spacing_patient_mm == pytest.approx((0.3, 0.3))
    assert radiograph.orientation.columns_towards is ColumnsTowards.PATIENT_LEFT
    assert radiograph.orientation.rows_towards is RowsTowards.FEET
    assert radiograph.view == "frontal"
    assert radiograph.beam.tube_kv == 75
    assert (radiograph.beam.filter_al_mm, radiograph.beam.filter_cu_mm) == (1.0, 0.2)
    field = radiograph.field_of_view
    assert field[32, 3]
    assert field[3, 24]
    # Beyond the shutter's first column, and beyond the circle.
    assert not field[32, 2]
    assert not field[2, 40]


def test_a_polygonal_shutter_reads_back(builders, tmp_path):
    exposure = WritableExposure(shutter=PolygonalEdge(((5, 5), (5, 40), (60, 40), (60, 5))))
    field = read_radiograph(write_radiograph(image(builders, exposure=exposure), tmp_path / "a.dcm")).field_of_view
    assert field[6:59, 6:39].all()
    assert not field[:4].any()


@pytest.mark.parametrize(("sign", "photometric"), [(1, "MONOCHROME2"), (-1, "MONOCHROME2"), (1, "MONOCHROME1")])
def test_linear_pixels_become_natural_log_whatever_they_look_like(builders, tmp_path, sign, photometric):
    made = image(builders, sign=sign, photometric=photometric, exposure=WritableExposure(), modality=Modality.RF)
    radiograph = read_radiograph(write_radiograph(made, tmp_path / "a.dcm"))
    assert radiograph.polarity_source is PolaritySource.TAG
    values = radiograph.pixels()
    stored = made.pixels[0].astype(float)
    if sign == 1:
        assert radiograph.quantity is Quantity.NATURAL_LOG
        # -ln(a/I0) + ln(b/I0) = ln(b/a)
        expected = np.log(stored[40, 20] / stored[10, 20])
        assert values[10, 20] - values[40, 20] == pytest.approx(expected, abs=1e-5)
    else:
        assert radiograph.quantity is Quantity.RELATIVE
        assert values[40, 20] > values[10, 20]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("dtype", "bits"), [(np.uint16, 12), (np.uint8, 8), (np.uint16, 16)])
def test_log_pixels_with_their_table_become_natural_log(builders, tmp_path, sign, dtype, bits):
    step = 9.0 / ((1 << bits) - 1)
    top = (1 << bits) - 1
    pixels = builders.ramp(64, 48, top=top).astype(dtype)
    made = image(
        builders,
        pixels=pixels[None],
        bits_stored=bits,
        sign=sign,
        relationship=Relationship.LOG,
        log_per_step=step,
        exposure=WritableExposure(),
    )
    radiograph = read_radiograph(write_radiograph(made, tmp_path / "a.dcm"))
    assert radiograph.quantity is Quantity.NATURAL_LOG
    values = radiograph.pixels()
    expected = -sign * step * (float(pixels[40, 20]) - float(pixels[10, 20]))
    # The table holds 16 bits; the straight line through it is good to a thousandth.
    assert values[40, 20] - values[10, 20] == pytest.approx(expected, rel=2e-3)


def test_log_pixels_without_their_table_are_relative(builders, tmp_path):
    made = image(builders, relationship=Relationship.LOG, exposure=WritableExposure())
    radiograph = read_radiograph(write_radiograph(made, tmp_path / "a.dcm"))
    assert radiograph.quantity is Quantity.RELATIVE
    assert any("without the way back" in note for note in radiograph.notes)


def test_a_cine_reads_back_with_its_time_and_mask_frames(builders, tmp_path):
    radiograph = read_radiograph(write_radiograph(image(builders, 5), tmp_path / "a.dcm"))
    assert radiograph.frames.count == 5
    assert radiograph.frame_time_ms == 66.0
    assert radiograph.mask_frames == (0, 1)


def test_nothing_is_left_where_nothing_can_be_written(builders, tmp_path):
    (tmp_path / "a.dcm").mkdir()
    with pytest.raises(OutputError, match="writable place"):
        write_radiograph(image(builders), tmp_path / "a.dcm")
    assert [path.name for path in tmp_path.iterdir()] == ["a.dcm"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"pixels": np.zeros((3, 4), np.uint16)}, ImageSizeError),
        ({"pixels": np.zeros((1, 8, 8), np.float32)}, UsageError),
        ({"bits_stored": 10}, UsageError),
        ({"bits_stored": 17}, UsageError),
        ({"sign": 0}, UsageError),
        ({"photometric": "RGB"}, UsageError),
        ({"log_per_step": 0.1}, UsageError),
        ({"mask_frames": (3,)}, UsageError),
        ({"projection": WritableProjection(imager_pixel_spacing_mm=(0, 1))}, GeometryError),
        ({"projection": WritableProjection(magnification=0.5)}, GeometryError),
        ({"projection": WritableProjection(patient_orientation=("X", "F"))}, OrientationError),
    ],
)
def test_an_image_that_cannot_be_is_refused_when_made(builders, changes, error):
    with pytest.raises(error):
        image(builders, **changes)


def test_a_cine_without_frame_time_is_refused(builders, tmp_path):
    with pytest.raises(UsageError, match="frame_time_ms"):
        write_radiograph(image(builders, 2, frame_time_ms=None), tmp_path / "a.dcm")
