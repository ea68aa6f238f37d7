"""A case.json opens with the images it was computed from, and with no others."""

from __future__ import annotations

from pathlib import Path

import built_cases
import numpy as np
import pytest
from PIL import Image

from fluorospread.errors import CaseFileError, MissingFileError
from napari_fluorospread.open_case import case_json_in, open_case, open_images


def test_a_case_opens_with_its_image_and_mask(tmp_path: Path) -> None:
    path = built_cases.write_case(tmp_path, "P1-01")
    opened = open_case(path)
    assert opened.case.case_id == "P1-01"
    assert opened.radiographs[0].shape == built_cases.SHAPE
    np.testing.assert_array_equal(opened.contrast_mask, built_cases.contrast_mask())


def test_a_changed_image_is_refused(tmp_path: Path) -> None:
    path = built_cases.write_case(tmp_path, "P1-01")
    pixels = np.asarray(Image.open(path.with_name("post.png"))).copy()
    pixels[5, 5] ^= 1
    Image.fromarray(pixels).save(path.with_name("post.png"))
    with pytest.raises(CaseFileError, match=r"post\.png is not the image this case was computed from"):
        open_case(path)


def test_a_missing_image_or_mask_is_named(tmp_path: Path) -> None:
    path = built_cases.write_case(tmp_path, "P1-01")
    path.with_name("contrast_mask.png").unlink()
    with pytest.raises(MissingFileError, match=r"contrast_mask\.png is not there"):
        open_case(path)
    path.with_name("post.png").unlink()
    with pytest.raises(MissingFileError, match=r"post\.png is not there"):
        open_case(path)


def test_an_image_that_moved_beside_its_case_is_found(tmp_path: Path) -> None:
    path = built_cases.write_case(tmp_path, "P1-01")
    path.write_text(path.read_text().replace('"path": "post.png"', '"path": "../elsewhere/post.png"'))
    assert open_case(path).radiographs[0].path == path.with_name("post.png")


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    path = built_cases.write_case(tmp_path, "P1-01")
    Image.new("L", (10, 10)).save(path.with_name("contrast_mask.png"))
    with pytest.raises(CaseFileError, match="does not fit its image"):
        open_case(path)


def test_only_a_json_of_ours_is_a_case(tmp_path: Path) -> None:
    path = built_cases.write_case(tmp_path, "P1-01")
    foreign = tmp_path / "package.json"
    foreign.write_text('{"name": "something else"}')
    assert case_json_in(path) == path
    assert case_json_in(path.parent) == path
    assert case_json_in(foreign) is None
    assert case_json_in(tmp_path) is None


def test_a_case_folder_without_a_result_opens_its_images_by_role(tmp_path: Path) -> None:
    path = built_cases.write_case(tmp_path, "P1-01")
    path.unlink()
    path.with_name("contrast_mask.png").unlink()
    (image,) = open_images(path.parent)
    assert image.name == "post: post"
    assert image.radiograph.shape == built_cases.SHAPE
