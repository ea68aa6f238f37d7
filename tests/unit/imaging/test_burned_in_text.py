"""Drawn text is found whatever its colour and size; bone, noise and blank images are not taken for text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from fluorospread.imaging.burned_in_text import Box, find_burned_in_text


def letters(shape, text, where, size):
    from matplotlib import get_data_path

    mask = Image.new("L", (shape[1], shape[0]))
    font = ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
    ImageDraw.Draw(mask).text(where, text, font=font, fill=255)
    return np.asarray(mask) / 255


def covered(boxes, shape):
    inside = np.zeros(shape, bool)
    for box in boxes:
        inside[box.slices] = True
    return inside


@pytest.mark.parametrize("size", [10, 16, 28])
@pytest.mark.parametrize("value", ["white", "black"])
def test_a_burned_in_name_is_covered_wholly(builders, size, value):
    film = builders.trunk(600, 600).astype(float)
    mask = letters(film.shape, "DOE^JANE 1951-03-17", (20, 500), size)
    burned = film * (1 - mask) + mask * (4095 if value == "white" else 0)
    inside = covered(find_burned_in_text(burned), film.shape)
    assert inside[mask > 0.5].all()
    assert inside.mean() < 0.12


def test_japanese_and_cyrillic_are_found_as_well_as_latin(builders):
    film = builders.trunk(600, 600).astype(float)
    mask = letters(film.shape, "Иванов Пётр", (330, 40), 18)
    inside = covered(find_burned_in_text(film * (1 - mask) + mask * 4095), film.shape)
    assert inside[mask > 0.5].all()


def test_nothing_is_found_without_text(builders):
    assert find_burned_in_text(builders.trunk(600, 600)) == ()
    assert find_burned_in_text(np.full((64, 64), 7)) == ()


def test_doubling_and_shifting_grey_values_changes_nothing(builders):
    film = builders.trunk(300, 300).astype(float)
    mask = letters(film.shape, "ID 4711-0815", (10, 250), 14)
    burned = film * (1 - mask) + mask * 4095
    assert find_burned_in_text(burned) == find_burned_in_text(2 * burned + 1000) != ()


def test_an_empty_box_is_refused():
    with pytest.raises(ValueError, match="top < bottom"):
        Box(5, 0, 5, 3)


@pytest.mark.shared_data
def test_the_mark_burned_into_the_corner_of_real_films_is_found():
    """Every film of the collection bears its source's name in the top right corner."""
    folder = Path(__file__).parents[4] / "shared" / "data" / "radiographs"
    films = sorted(folder.glob("A*.png"))
    if not films:
        pytest.skip("no ../shared/data: the real films are not here")
    for film in films[::4]:
        with Image.open(film) as picture:
            pixels = np.asarray(picture.convert("L"))
        boxes = find_burned_in_text(pixels)
        assert any(box.top < 60 and box.right > 0.85 * pixels.shape[1] for box in boxes), film.name
        assert covered(boxes, pixels.shape).mean() < 0.05, film.name
