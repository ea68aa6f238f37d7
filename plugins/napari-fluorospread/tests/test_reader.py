"""napari's reader takes what is ours, shows it upright and lettered, and reads a cine frame by frame."""

from __future__ import annotations

from pathlib import Path

import built_cases
import numpy as np
import pytest

from fluorospread.model.geometry import UNKNOWN_ORIENTATION, ColumnsTowards, Orientation, RowsTowards
from napari_fluorospread.image_layers import LazyFrames, sides_layer
from napari_fluorospread.reader import get_reader, read_layers


def test_a_case_becomes_image_sides_and_findings(tmp_path: Path) -> None:
    path = built_cases.write_case(tmp_path, "P1-01")
    layers = read_layers(str(path))
    assert [(layer[1]["name"], layer[2]) for layer in layers] == [
        ("post", "image"),
        ("post: patient sides", "points"),
        ("post: contrast", "labels"),
        ("post: levels", "points"),
        ("post: junctions", "points"),
        ("post: needle tips", "points"),
    ]
    assert all(layer[1]["units"] == ("mm", "mm") for layer in layers)
    low, high = layers[0][1]["contrast_limits"]
    assert low < high


def test_the_folder_of_a_case_opens_as_the_case(tmp_path: Path) -> None:
    path = built_cases.write_case(tmp_path, "P1-01")
    reader = get_reader(str(path.parent))
    assert reader is not None
    assert len(reader(str(path.parent))) == 6


def test_a_picture_alone_becomes_image_and_sides_in_pixels(tmp_path: Path) -> None:
    path = built_cases.write_case(tmp_path, "P1-01").with_name("post.png")
    layers = read_layers(str(path))
    assert [layer[1]["name"] for layer in layers] == ["post", "post: patient sides"]
    assert layers[0][1]["units"] == ("pixel", "pixel")


@pytest.mark.parametrize("name", ["notes.txt", "other.json"])
def test_foreign_files_are_left_to_others(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("{}")
    assert get_reader(str(path)) is None
    assert get_reader([str(path), str(path)]) is None


@pytest.mark.parametrize(
    ("columns", "letters"), [(ColumnsTowards.PATIENT_LEFT, ["R", "L"]), (ColumnsTowards.PATIENT_RIGHT, ["L", "R"])]
)
def test_letters_stand_on_the_patients_sides(columns: ColumnsTowards, letters: list[str]) -> None:
    layer = sides_layer(Orientation(columns, RowsTowards.FEET, "PatientOrientation"), (101, 201))
    assert list(layer["features"]["letter"]) == letters
    np.testing.assert_allclose(layer["data"], [(5.0, 10.0), (5.0, 190.0)])


def test_unknown_sides_are_said_to_be_unknown() -> None:
    layer = sides_layer(UNKNOWN_ORIENTATION, (101, 201))
    assert list(layer["features"]["letter"]) == ["patient's sides unknown"]


class CountingFrames:
    """A run whose frame i holds the value i, and which remembers what was read."""

    shape = (6, 4)
    count = 96

    def __init__(self) -> None:
        self.read: list[int] = []

    def frame(self, index: int) -> np.ndarray:
        self.read.append(index)
        return np.full(self.shape, index, dtype=np.float32)


def test_a_run_is_read_frame_by_frame_and_a_frame_only_once() -> None:
    source = CountingFrames()
    frames = LazyFrames(source)
    assert frames.shape == (96, 6, 4)
    assert source.read == []
    np.testing.assert_array_equal(frames[7], np.full((6, 4), 7))
    np.testing.assert_array_equal(frames[7, 2:4, 1], [7, 7])
    np.testing.assert_array_equal(frames[np.int64(-1)][0, 0], 95)
    assert source.read == [7, 95]


def test_a_part_of_a_run_reads_that_part() -> None:
    source = CountingFrames()
    part = LazyFrames(source)[10:14:2, :3]
    assert part.shape == (2, 3, 4)
    np.testing.assert_array_equal(part[:, 0, 0], [10, 12])
    assert source.read == [10, 12]
