"""The picture of a flag's evidence: the right place, bare and outlined, whichever way up the image is stored."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fluorospread.model.geometry import NO_SCALE, ColumnsTowards, Orientation, RowsTowards
from fluorospread.model.verdict import Flag
from fluorospread.reporting.flag_pictures import FlagFrame, _window, flag_file, flag_png
from fluorospread.reporting.panel import Picture

# A square of 20 px about (60, 300).
OUTLINE = (((50.0, 290.0), (50.0, 310.0), (70.0, 310.0), (70.0, 290.0)),)
FLAG = Flag("vascular-uptake-suspected", "intravascular uptake suspected: thin branch", OUTLINE)


@pytest.fixture
def image(full_case):
    image = full_case.images[0]
    return replace(image, rows=400, cols=500, levels=None, junctions=(), needles=())


def picture(bright: tuple[slice, slice] | None = None) -> Picture:
    pixels = np.zeros((400, 500), dtype=np.float32)
    pixels[::2] += 0.01
    if bright is not None:
        pixels[bright] = 1.0
    return Picture(pixels, np.ones(pixels.shape, dtype=bool))


def opened(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def orange(page: np.ndarray) -> np.ndarray:
    """Where the page has the colour of contrast's outline, E69F00."""
    return np.abs(page - np.array([0xE6, 0x9F, 0x00])).max(axis=2) < 40


def test_the_window_holds_the_outline_with_room_and_stays_inside_the_image(image):
    scaled = replace(image, geometry=replace(image.geometry, spacing_patient_mm=(0.5, 0.5)))
    rows, cols = _window(scaled, FLAG)
    # 60 mm of 0.5 mm a pixel, moved off the upper edge: (60 - 60, 60 + 60).
    assert (rows.start, rows.stop) == (0, 120)
    assert (cols.start, cols.stop) == (240, 360)
    # A quarter of the longer side without a scale.
    rows, cols = _window(replace(image, geometry=NO_SCALE), FLAG)
    assert (rows.stop - rows.start, cols.stop - cols.start) == (125, 125)


def test_the_place_is_shown_bare_first_and_then_outlined(image):
    page = opened(flag_png(image, FLAG, [FlagFrame("As imaged", picture((slice(50, 71), slice(290, 311))))]))
    marked = orange(page)
    half = page.shape[1] // 2
    assert not marked[:, :half].any()
    assert marked[:, half:].sum() > 100


def test_the_outline_lies_about_what_raised_the_flag_also_in_images_stored_upside_down(image):
    for towards in (RowsTowards.FEET, RowsTowards.HEAD):
        stored = replace(image, orientation=Orientation(ColumnsTowards.PATIENT_LEFT, towards, "given"))
        page = opened(flag_png(stored, FLAG, [FlagFrame("As imaged", picture((slice(50, 71), slice(290, 311))))]))
        rows, cols = np.nonzero(orange(page))
        inner = page[rows.min() + 8 : rows.max() - 8, cols.min() + 8 : cols.max() - 8]
        # All of what is inside the line is bright, and what is beside it is dark.
        assert inner.min() > 200
        assert page[rows.min() + 20, cols.min() - 20].max() < 60


def test_contrast_that_cleared_is_shown_where_it_is_gone_as_well(image):
    two = [
        FlagFrame("Frame 9", picture((slice(50, 71), slice(290, 311)))),
        FlagFrame("Frame 9 less frame 30", picture()),
    ]
    assert opened(flag_png(image, FLAG, two)).shape[1] > opened(flag_png(image, FLAG, two[:1])).shape[1] * 1.3


def test_a_flag_without_a_place_has_no_picture(image):
    with pytest.raises(ValueError, match="outline"):
        flag_png(image, Flag("depth-not-verified", "depth is not visible"), [FlagFrame("As imaged", picture())])


def test_files_are_named_by_number_and_code():
    assert flag_file(FLAG, 2) == "flag_2_vascular-uptake-suspected.png"
