"""One call turns a file into a radiograph, or refuses it by name; nothing else leaves the reader."""

from __future__ import annotations

import hashlib
import warnings

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import RLELossless

from fluorospread.dicom.read_radiograph import ReadOverrides, read_radiograph
from fluorospread.errors import (
    GeometryError,
    ImageSizeError,
    MissingFileError,
    NotAnImageError,
    OrientationError,
    PixelValueError,
    PolarityError,
    TagError,
    TruncatedImageError,
    UnsupportedImageError,
    UsageError,
)
from fluorospread.model.geometry import ColumnsTowards, GeometrySource, RowsTowards
from fluorospread.model.radiograph import PolaritySource, Quantity


def written(builders, folder, pixels=None, **tags):
    dataset = builders.xray_dataset(builders.trunk() if pixels is None else pixels, **tags)
    return builders.write_dicom(folder / "a.dcm", dataset)


def test_a_file_becomes_a_radiograph_with_its_hash_and_identity(builders, tmp_path):
    path = written(
        builders,
        tmp_path,
        PixelIntensityRelationship="LIN",
        PixelIntensityRelationshipSign=1,
        KVP=80,
        AcquisitionDate="20240102",
        AcquisitionTime="101112",
        BurnedInAnnotation="NO",
    )
    radiograph = read_radiograph(path)
    assert radiograph.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert radiograph.shape == (256, 256)
    assert radiograph.identity.patient_id == "P-1"
    assert radiograph.identity.modality == "XA"
    assert radiograph.identity.acquisition_time == "20240102101112"
    assert not radiograph.identity.burned_in_annotation
    assert radiograph.beam.tube_kv == 80
    assert radiograph.pixels().dtype == np.float32


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("sign", [1, -1])
def test_bone_is_bright_by_the_sign_whatever_the_photometric(builders, tmp_path, photometric, sign):
    pixels = builders.trunk(bone_bright=sign == -1)
    path = written(
        builders, tmp_path, pixels, PhotometricInterpretation=photometric, PixelIntensityRelationshipSign=sign
    )
    values = read_radiograph(path).pixels()
    assert values[:, 120:136].mean() > values[:, 20:60].mean()


def test_absent_burned_in_annotation_counts_as_yes(builders, tmp_path):
    assert read_radiograph(written(builders, tmp_path)).identity.burned_in_annotation


def test_every_fallback_is_in_the_notes(builders, tmp_path):
    notes = read_radiograph(written(builders, tmp_path)).notes
    for words in ("pixel spacing", "PatientOrientation", "bone is bright or dark", "relative"):
        assert any(words in note for note in notes), words


def test_overrides_settle_what_the_file_does_not(builders, tmp_path):
    radiograph = read_radiograph(
        written(builders, tmp_path),
        ReadOverrides((0.25, 0.26), ColumnsTowards.PATIENT_RIGHT, RowsTowards.FEET, "bone-dark"),
    )
    assert radiograph.geometry.spacing_patient_mm == (0.25, 0.26)
    assert radiograph.geometry.source is GeometrySource.GIVEN
    assert radiograph.orientation.columns_towards is ColumnsTowards.PATIENT_RIGHT
    assert radiograph.polarity_source is PolaritySource.GIVEN
    assert not any("--" in note for note in radiograph.notes)


def test_outside_the_field_every_frame_holds_one_value(builders, tmp_path):
    pixels = builders.trunk()
    stack = np.stack([pixels, pixels // 2])
    path = written(
        builders,
        tmp_path,
        stack,
        ShutterShape="CIRCULAR",
        CenterOfCircularShutter=[128, 128],
        RadiusOfCircularShutter=100,
        PixelIntensityRelationshipSign=-1,
    )
    radiograph = read_radiograph(path)
    outside = ~radiograph.field_of_view
    assert len({float(value) for index in (0, 1) for value in np.unique(radiograph.pixels(index)[outside])}) == 1
    inside = radiograph.pixels()[radiograph.field_of_view]
    assert (inside.min(), inside.max()) == (0.0, 1.0)


def test_differences_between_frames_keep_one_scale(builders, tmp_path):
    pixels = builders.trunk()
    stack = np.stack([pixels, pixels + 100])
    path = written(builders, tmp_path, stack, PixelIntensityRelationshipSign=-1)
    radiograph = read_radiograph(path)
    change = radiograph.pixels(1) - radiograph.pixels(0)
    np.testing.assert_allclose(change[radiograph.field_of_view], 100 / np.ptp(pixels.astype(int)), atol=1e-5)


def test_a_cine_that_begins_blank_is_scaled_by_its_first_picture(builders, tmp_path):
    stack = np.stack([np.zeros((256, 256), np.uint16), builders.trunk()])
    radiograph = read_radiograph(written(builders, tmp_path, stack, PixelIntensityRelationshipSign=-1))
    assert radiograph.pixels(1).max() == 1.0
    assert any("blank" in note for note in radiograph.notes)


def test_a_frame_beyond_the_cine_is_an_index_error(builders, tmp_path):
    with pytest.raises(IndexError):
        read_radiograph(written(builders, tmp_path)).pixels(1)


def test_mask_frames_and_frame_time_are_read(builders, tmp_path):
    item = Dataset()
    item.MaskOperation, item.MaskFrameNumbers = "AVG_SUB", [1, 3, 9]
    other = Dataset()
    other.MaskOperation, other.MaskFrameNumbers = "TID", 2
    path = written(
        builders,
        tmp_path,
        np.stack([builders.trunk()] * 4),
        MaskSubtractionSequence=Sequence([item, other]),
        FrameTimeVector=[0, 66, 67, 66],
    )
    radiograph = read_radiograph(path)
    # Frames count from 1 in DICOM; the ninth of four does not exist.
    assert radiograph.mask_frames == (0, 2)
    assert radiograph.frame_time_ms == 66
    assert any("[9]" in note for note in radiograph.notes)


def test_overlays_are_not_drawn_but_mentioned_even_outside_the_image(builders, tmp_path):
    dataset = builders.xray_dataset(builders.trunk())
    dataset.add_new(0x60000010, "US", 9000)
    dataset.add_new(0x60000011, "US", 9000)
    dataset.add_new(0x60000050, "SS", [-500, 3000])
    dataset.add_new(0x60003000, "OW", b"\xff" * 100)
    radiograph = read_radiograph(builders.write_dicom(tmp_path / "a.dcm", dataset))
    assert any("1 overlay" in note for note in radiograph.notes)


def test_grey_stored_as_colour_is_read_and_colour_refused(builders, tmp_path):
    grey = builders.trunk(top=255).astype(np.uint8)
    colour = np.repeat(grey[..., None], 3, axis=2)
    tags = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "Modality": "OT"}

    def stored(pixels):
        dataset = builders.xray_dataset(grey, **tags)
        dataset.PixelData = pixels.tobytes()
        return builders.write_dicom(tmp_path / "a.dcm", dataset)

    radiograph = read_radiograph(stored(colour), ReadOverrides(polarity="bone-bright"))
    assert radiograph.pixels().max() == 1.0
    colour[5, 5] = (250, 0, 0)
    with pytest.raises(UnsupportedImageError, match="colour"):
        read_radiograph(stored(colour))


def test_float_pixels_are_read_and_nan_refused(builders, tmp_path):
    values = builders.trunk().astype(np.float32)

    def stored():
        dataset = builders.xray_dataset(builders.trunk(), PixelData=None)
        dataset.add_new("FloatPixelData", "OF", values.tobytes())
        return builders.write_dicom(tmp_path / "a.dcm", dataset)

    radiograph = read_radiograph(stored(), ReadOverrides(polarity="bone-bright"))
    assert radiograph.pixels().max() == 1.0
    values[4, 4] = np.nan
    with pytest.raises(PixelValueError, match="NaN"):
        read_radiograph(stored())


def test_uids_with_path_characters_stay_text(builders, tmp_path):
    dataset = builders.xray_dataset(builders.trunk())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.add_new("StudyInstanceUID", "UI", "../../etc/1.2")
        path = builders.write_dicom(tmp_path / "a.dcm", dataset)
    before = sorted(tmp_path.iterdir())
    radiograph = read_radiograph(path)
    assert radiograph.identity.study_instance_uid == "../../etc/1.2"
    assert sorted(tmp_path.iterdir()) == before


def test_what_libraries_warn_of_becomes_a_note(builders, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = builders.xray_dataset(builders.trunk())
        dataset.add_new("PatientID", "LO", "x" * 90)
        path = builders.write_dicom(tmp_path / "a.dcm", dataset)
    assert any(note.startswith("While reading:") for note in read_radiograph(path).notes)


@pytest.mark.parametrize(
    ("tags", "error", "words"),
    [
        ({"Modality": "CT"}, UnsupportedImageError, "modality CT"),
        ({"ImagerPixelSpacing": [9, 9]}, GeometryError, "--spacing-mm"),
        ({"PatientOrientation": ["L", "L"]}, OrientationError, "--columns-towards"),
        ({"PixelIntensityRelationshipSign": 5}, PolarityError, "--polarity"),
        ({"RescaleSlope": 0, "RescaleIntercept": 0}, TagError, "RescaleSlope"),
        ({"Rows": None}, NotAnImageError, "no Rows"),
        ({"Columns": 0}, ImageSizeError, "256 x 0"),
    ],
)
def test_a_bad_tag_is_a_named_error_with_the_file_in_it(builders, tmp_path, tags, error, words):
    path = written(builders, tmp_path, **tags)
    with pytest.raises(error, match=words) as refusal:
        read_radiograph(path)
    assert "a.dcm" in str(refusal.value)


def test_all_black_is_refused(builders, tmp_path):
    with pytest.raises(PixelValueError, match="all black"):
        read_radiograph(written(builders, tmp_path, np.zeros((64, 64), np.uint16)))


def test_files_that_are_no_images_are_refused(tmp_path):
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "text.dcm").write_text("not an image, though its name says so " * 20)
    (tmp_path / "short.dcm").write_bytes(b"\x00" * 128 + b"DICM")
    with pytest.raises(MissingFileError, match=r"none\.dcm"):
        read_radiograph(tmp_path / "none.dcm")
    with pytest.raises(MissingFileError, match="folder"):
        read_radiograph(tmp_path)
    with pytest.raises(TruncatedImageError, match="empty"):
        read_radiograph(tmp_path / "empty.dcm")
    with pytest.raises(NotAnImageError, match="neither DICOM"):
        read_radiograph(tmp_path / "text.dcm")
    with pytest.raises(NotAnImageError, match=r"short\.dcm"):
        read_radiograph(tmp_path / "short.dcm")


def test_an_impossible_override_is_refused(builders, tmp_path):
    path = written(builders, tmp_path)
    with pytest.raises(GeometryError, match="pixel spacing of 90"):
        read_radiograph(path, ReadOverrides(spacing_mm=(90.0, 90.0)))
    with pytest.raises(UsageError, match="polarity"):
        read_radiograph(path, ReadOverrides(polarity="upside-down"))


def test_a_damaged_later_frame_is_refused_when_it_is_read(builders, tmp_path):
    stack = np.stack([builders.trunk()] * 3)
    path = builders.write_dicom(tmp_path / "a.dcm", builders.xray_dataset(stack), RLELossless)
    content = bytearray(path.read_bytes())
    radiograph = read_radiograph(path)
    offset, _ = radiograph.frames.source.extents[2][0]
    content[offset : offset + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert radiograph.pixels(1).shape == (256, 256)
    with pytest.raises(UnsupportedImageError, match="frame 3"):
        radiograph.pixels(2)


def test_relative_and_natural_log_are_told_apart(builders, tmp_path):
    tags = {"PixelIntensityRelationship": "LIN", "PixelIntensityRelationshipSign": 1}
    linear = read_radiograph(written(builders, tmp_path, builders.trunk(bone_bright=False), **tags))
    assert linear.quantity is Quantity.NATURAL_LOG
    tags["PixelIntensityRelationship"] = "DISP"
    assert read_radiograph(written(builders, tmp_path, **tags)).quantity is Quantity.RELATIVE
