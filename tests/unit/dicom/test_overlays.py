"""Overlays are named and never drawn; what lies in the stored bits is said to."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.dicom.read_radiograph import read_radiograph
from fluorospread.dicom.stored_frames import open_frames


def with_overlay(dataset, group=0x6000, *, rows=64, cols=64, origin=(1, 1), bit=0, label="", data=True):
    dataset.add_new((group, 0x0010), "US", rows)
    dataset.add_new((group, 0x0011), "US", cols)
    dataset.add_new((group, 0x0040), "CS", "G")
    dataset.add_new((group, 0x0050), "SS", list(origin))
    dataset.add_new((group, 0x0100), "US", 1)
    dataset.add_new((group, 0x0102), "US", bit)
    if label:
        dataset.add_new((group, 0x1500), "LO", label)
    if data:
        dataset.add_new((group, 0x3000), "OW", b"\xff" * (rows * cols // 8))
    return dataset


def overlay_notes_of(path):
    return [note for note in read_radiograph(path).notes if "verlay" in note]


def test_a_plane_of_its_own_is_named_and_leaves_the_pixels_alone(builders, tmp_path):
    pixels = builders.trunk(64, 64)
    dataset = with_overlay(builders.xray_dataset(pixels, bits_stored=12), label="SIDE MARKER")
    path = builders.write_dicom(tmp_path / "a.dcm", dataset)
    np.testing.assert_array_equal(open_frames(path)[1].stored(0), pixels)
    assert overlay_notes_of(path) == [
        "1 overlay plane(s) in the file were not drawn: graphics 'SIDE MARKER', 64 x 64 at row 1, column 1."
    ]


def test_a_plane_in_the_bits_beside_the_stored_ones_is_dropped(builders, tmp_path):
    pixels = builders.trunk(64, 64)
    drawn = pixels | np.where(np.eye(64, dtype=bool), np.uint16(0x8000), np.uint16(0))
    dataset = with_overlay(builders.xray_dataset(drawn, bits_stored=12), bit=15, data=False)
    path = builders.write_dicom(tmp_path / "a.dcm", dataset)
    np.testing.assert_array_equal(open_frames(path)[1].stored(0), pixels)
    assert len(overlay_notes_of(path)) == 1


@pytest.mark.parametrize(("bit", "in_pixels"), [(11, True), (1, True), (12, False), (0, False)])
def test_a_plane_in_a_stored_bit_is_said_to_be_part_of_the_pixels(builders, tmp_path, bit, in_pixels):
    dataset = with_overlay(builders.xray_dataset(builders.trunk(64, 64), bits_stored=12), bit=bit)
    notes = overlay_notes_of(builders.write_dicom(tmp_path / "a.dcm", dataset))
    assert any("part of the pixels" in note for note in notes) is in_pixels


@pytest.mark.parametrize(
    ("origin", "outside"), [((1, 1), False), ((64, 64), False), ((65, 1), True), ((-63, 1), True), ((-62, 1), False)]
)
def test_a_plane_that_does_not_touch_the_image_is_said_to_lie_outside(builders, tmp_path, origin, outside):
    dataset = with_overlay(builders.xray_dataset(builders.trunk(64, 64), bits_stored=12), origin=origin)
    notes = overlay_notes_of(builders.write_dicom(tmp_path / "a.dcm", dataset))
    assert ("outside the image" in notes[0]) is outside


def test_a_malformed_plane_hinders_nothing(builders, tmp_path):
    dataset = with_overlay(builders.xray_dataset(builders.trunk(64, 64), bits_stored=12), group=0x601E)
    dataset.add_new((0x601E, 0x0050), "SS", [1])
    dataset.add_new((0x601E, 0x0040), "CS", "X")
    notes = overlay_notes_of(builders.write_dicom(tmp_path / "a.dcm", dataset))
    assert notes == ["1 overlay plane(s) in the file were not drawn: of unknown type, 64 x 64."]
