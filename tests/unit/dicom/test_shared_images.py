"""Every shared real file is read right or refused by name; lossless encodings equal their uncompressed twin."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest

from fluorospread.dicom.read_radiograph import read_radiograph
from fluorospread.dicom.stored_frames import open_frames
from fluorospread.errors import NotAnImageError, UnsupportedImageError
from fluorospread.model.geometry import ColumnsTowards, GeometrySource
from fluorospread.model.radiograph import PolaritySource, Quantity

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there"),
]


# What becomes of each odd file: how it is read, or the error and a word of its message.
READ, REFUSED = "read", "refused"
ODD = {
    "cr_chest_mono1.dcm": READ,
    "cr_modality_lut_mono1.dcm": READ,
    "ct_big_endian.dcm": REFUSED,
    "no_rows.dcm": REFUSED,
    "overlay_out_of_bounds.dcm": READ,
    "rf_hip_guidewire.dcm": READ,
    "rg2_hip_J2KI.dcm": READ,
    "rg2_hip_JPLY.dcm": READ,
    "rg3_mono1_J2KI.dcm": READ,
    "rg3_mono1_JLSN.dcm": READ,
    "signed16.dcm": READ,
    **{f"xa1_{encoding}.dcm": READ for encoding in ("J2KI", "J2KR", "JLSL", "JLSN", "JPLL", "JPLY", "RLE", "UNC")},
}


def odd(name: str) -> Path:
    return SHARED / "odd_dicom" / name


def test_every_odd_file_has_its_line_here():
    assert {path.name for path in (SHARED / "odd_dicom").iterdir()} == set(ODD)


@pytest.mark.parametrize("name", [name for name, becomes in ODD.items() if becomes == READ])
def test_odd_files_that_are_read_are_finite_in_every_frame(name):
    radiograph = read_radiograph(odd(name))
    for index in range(radiograph.frames.count):
        assert np.isfinite(radiograph.pixels(index)).all()


@pytest.mark.parametrize("name", [name for name, becomes in ODD.items() if becomes == REFUSED])
def test_odd_files_that_are_no_projections_are_refused(name):
    with pytest.raises(UnsupportedImageError, match=name):
        read_radiograph(odd(name))


@pytest.mark.parametrize("name", ["ct_big_endian.dcm", "signed16.dcm", "rf_hip_guidewire.dcm", "xa1_UNC.dcm"])
def test_uncompressed_pixels_are_those_that_pydicom_gives(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = pydicom.dcmread(odd(name)).pixel_array
    np.testing.assert_array_equal(open_frames(odd(name))[1].stored(0), expected)


@pytest.mark.parametrize("name", ["xa1_J2KR", "xa1_JLSL", "xa1_JPLL", "xa1_RLE"])
def test_lossless_encodings_equal_the_uncompressed_reference(name):
    reference = open_frames(odd("xa1_UNC.dcm"))[1].stored(0)
    np.testing.assert_array_equal(open_frames(odd(f"{name}.dcm"))[1].stored(0), reference)


# Worst difference allowed, in grey values of 504: JPEG-LS was written with a limit of 4 and JPEG 2000 with
# little loss; JPEG rings at the edge of the circle, so there the mean is what shows that it was decoded right.
@pytest.mark.parametrize(("name", "worst", "mean"), [("xa1_JLSN", 4, 3), ("xa1_J2KI", 10, 1.5), ("xa1_JPLY", 160, 4)])
def test_lossy_encodings_stay_close_to_the_reference(name, worst, mean):
    reference = open_frames(odd("xa1_UNC.dcm"))[1].stored(0).astype(int)
    difference = np.abs(open_frames(odd(f"{name}.dcm"))[1].stored(0) - reference)
    assert difference.max() <= worst
    assert difference.mean() <= mean


@pytest.mark.parametrize("name", ["rg2_hip_J2KI.dcm", "rg2_hip_JPLY.dcm", "cr_chest_mono1.dcm", "rg3_mono1_JLSN.dcm"])
def test_computed_radiographs_show_bone_bright_as_displayed(name):
    radiograph = read_radiograph(odd(name))
    assert radiograph.polarity_source is PolaritySource.PRESENTATION
    stored = radiograph.frames.kept.astype(float)
    inside = radiograph.field_of_view
    rising = np.corrcoef(stored[inside], radiograph.pixels()[inside])[0, 1] > 0
    # MONOCHROME1 files store bone dark.
    assert rising is np.bool_("mono1" not in name)


@pytest.mark.parametrize("name", ["xa1_UNC.dcm", "rf_hip_guidewire.dcm"])
def test_fluoroscopy_with_bone_dark_is_recognised_and_its_circle_found(name):
    radiograph = read_radiograph(odd(name))
    assert radiograph.polarity_source is PolaritySource.ASSUMED_FROM_CONTENT
    stored = radiograph.frames.kept.astype(float)
    inside = radiograph.field_of_view
    assert np.corrcoef(stored[inside], radiograph.pixels()[inside])[0, 1] < 0
    assert not inside[5, 5]
    assert inside[512, 512]
    # Both circles take between two thirds and four fifths of the square.
    assert 0.66 < inside.mean() < 0.80


def test_a_mirrored_leg_keeps_the_side_its_tag_says():
    assert read_radiograph(odd("rg3_mono1_J2KI.dcm")).orientation.columns_towards is ColumnsTowards.PATIENT_RIGHT


def test_overlays_outside_the_image_do_not_hinder_and_ermf_is_used():
    radiograph = read_radiograph(odd("overlay_out_of_bounds.dcm"))
    assert radiograph.geometry.source is GeometrySource.ERMF
    # 0.085 mm / 1.0433
    assert radiograph.geometry.mm_per_px == pytest.approx(0.08147, abs=1e-5)
    assert any("2 overlay" in note for note in radiograph.notes)


def test_a_modality_lut_is_applied_and_detector_spacing_alone_gives_no_scale():
    radiograph = read_radiograph(odd("cr_modality_lut_mono1.dcm"))
    assert radiograph.geometry.source is GeometrySource.NONE
    assert radiograph.quantity is Quantity.RELATIVE


def test_signed_pixels_keep_their_order():
    radiograph = read_radiograph(odd("signed16.dcm"))
    stored = radiograph.frames.kept
    assert (int(stored.min()), int(stored.max())) == (-32768, 32767)


@pytest.mark.parametrize(("name", "modality"), [("ct_big_endian.dcm", "CT"), ("no_rows.dcm", "MR")])
def test_other_modalities_are_refused_by_name(name, modality):
    with pytest.raises(UnsupportedImageError, match=f"modality {modality}"):
        read_radiograph(odd(name))


def test_an_incomplete_header_is_refused_by_name():
    with pytest.raises(NotAnImageError, match="Rows"):
        open_frames(odd("no_rows.dcm"))


def test_a_real_cine_is_streamed():
    radiograph = read_radiograph(SHARED / "contrast" / "xa_cine_96f.dcm")
    assert radiograph.frames.count == 96
    assert radiograph.frame_time_ms == 33
    assert radiograph.view == "oblique"
    # MaskOperation is NONE, so its frame number names no mask.
    assert radiograph.mask_frames == ()
    assert radiograph.pixels(95).shape == (512, 512)


@pytest.mark.parametrize("name", [f"B0{number:02d}.png" for number in (1, 3, 5, 9, 11, 14)])
def test_contrast_studies_are_turned_bone_bright(name):
    radiograph = read_radiograph(SHARED / "contrast" / name)
    stored_dark = name in ("B001.png", "B003.png", "B005.png")
    note = next(note for note in radiograph.notes if "bone is bright or dark" in note)
    assert ("it is dark" in note) is stored_dark


@pytest.mark.parametrize("path", sorted((SHARED / "radiographs").glob("*.png")), ids=lambda path: path.stem)
def test_real_films_are_bone_bright_pictures_without_scale(path):
    radiograph = read_radiograph(path)
    assert "it is bright as displayed" in " ".join(radiograph.notes)
    assert radiograph.geometry.source is GeometrySource.NONE
    assert radiograph.field_of_view.mean() > 0.55
