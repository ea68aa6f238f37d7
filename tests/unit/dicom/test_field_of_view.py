"""The field of view is what shutters declare and what flat borders leave open; bodies are never cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from fluorospread.dicom.field_of_view import (
    declared_field_of_view,
    found_field_of_view,
    not_padding,
    polygon_mask,
)

SHAPE = (100, 120)


def header(**tags: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


def noisy(shape: tuple[int, int] = (200, 240)) -> np.ndarray:
    return np.random.default_rng(3).integers(900, 3000, shape).astype(np.uint16)


def test_a_rectangular_shutter_counts_rows_and_columns_from_one_and_keeps_its_edges():
    field, notes = declared_field_of_view(
        header(
            ShutterShape="RECTANGULAR",
            ShutterLeftVerticalEdge=11,
            ShutterRightVerticalEdge=110,
            ShutterUpperHorizontalEdge=21,
            ShutterLowerHorizontalEdge=90,
        ),
        SHAPE,
    )
    expected = np.zeros(SHAPE, bool)
    expected[20:90, 10:110] = True
    np.testing.assert_array_equal(field, expected)
    assert notes == ["Field of view limited by the declared rectangular shutter."]


def test_a_circular_collimator_keeps_the_disc():
    field, _ = declared_field_of_view(
        header(CollimatorShape="CIRCULAR", CenterOfCircularCollimator=[51, 61], RadiusOfCircularCollimator=40), SHAPE
    )
    assert field[50, 60]
    assert field[50, 100]
    assert not field[50, 101]
    assert field.sum() == pytest.approx(np.pi * 40**2, rel=0.01)


def test_a_polygonal_shutter_keeps_the_polygon():
    # A right triangle with legs of 80 px has 3200 px.
    field, _ = declared_field_of_view(
        header(ShutterShape="POLYGONAL", VerticesOfThePolygonalShutter=[11, 11, 91, 11, 91, 91]), SHAPE
    )
    assert field.sum() == pytest.approx(3200, rel=0.03)
    assert field[80, 20]
    assert not field[20, 80]


def test_several_shapes_are_all_kept():
    field, _ = declared_field_of_view(
        header(
            ShutterShape=["RECTANGULAR", "CIRCULAR"],
            ShutterLeftVerticalEdge=61,
            CenterOfCircularShutter=[51, 61],
            RadiusOfCircularShutter=40,
        ),
        SHAPE,
    )
    assert not field[50, 59]
    assert field[50, 61]


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"ShutterShape": "CIRCULAR"}, "make no circle"),
        ({"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 2, 3]}, "make no polygon"),
        ({"ShutterShape": "BITMAP"}, "not read"),
        ({"ShutterShape": "RECTANGULAR", "ShutterLeftVerticalEdge": 500}, "nothing of the image"),
    ],
)
def test_a_senseless_shutter_is_ignored_and_noted(tags, words):
    field, notes = declared_field_of_view(header(**tags), SHAPE)
    assert field.all()
    assert any(words in note for note in notes)


def test_a_polygon_is_filled_whichever_way_it_is_wound():
    square = np.array([[10, 10], [10, 30], [30, 30], [30, 10]], float)
    assert polygon_mask(square, (50, 50)).sum() == 400
    np.testing.assert_array_equal(polygon_mask(square, (50, 50)), polygon_mask(square[::-1], (50, 50)))


def test_padding_values_are_outside():
    stored = np.array([[-2000, 5, 6], [-1999, 7, -1000]], np.int16)
    dataset = Dataset()
    dataset.add_new("PixelPaddingValue", "SS", -2000)
    dataset.add_new("PixelPaddingRangeLimit", "SS", -1500)
    np.testing.assert_array_equal(not_padding(dataset, stored), [[False, True, True], [False, True, True]])


@pytest.mark.parametrize("border", [0, 4095], ids=["black", "white"])
def test_an_undeclared_rectangular_border_is_found(border):
    image = np.full((200, 240), border, np.uint16)
    image[30:170, 50:200] = noisy()[30:170, 50:200]
    field = found_field_of_view(image)
    # At most one pixel of penumbra is taken from each edge at this size.
    assert not field[:30].any()
    assert not field[:, :50].any()
    assert field[32:168, 52:198].all()


def test_an_undeclared_circle_is_found_with_burned_in_text_beside_it():
    row, col = np.mgrid[:200, :240]
    disc = (row - 100) ** 2 + (col - 120) ** 2 <= 90**2
    image = np.where(disc, noisy(), 0).astype(np.uint16)
    image[5:12, 5:30:3] = 4095
    field = found_field_of_view(image)
    assert not (field & ~disc).any()
    assert field.sum() > 0.95 * disc.sum()


def test_a_turned_rectangle_is_found():
    corners = np.array([[20, 100], [100, 200], [180, 140], [100, 40]], float)
    inside = polygon_mask(corners, (200, 240))
    field = found_field_of_view(np.where(inside, noisy(), 0))
    assert not (field & ~inside).any()
    assert field.sum() > 0.94 * inside.sum()


def test_a_body_against_saturated_air_is_not_cut_along_its_outline():
    row, col = np.mgrid[:200, :240]
    # Two legs: the air between and beside them reaches the edge, but what it leaves is not convex.
    legs = (np.abs(col - 70) < 25) | (np.abs(col - 170) < 25) | (row < 60)
    field = found_field_of_view(np.where(legs, noisy(), 0))
    assert field[150, 120]
    assert field.mean() > 0.95


def test_saturated_gas_at_the_edge_stays_in_the_field():
    row, col = np.mgrid[:200, :240]
    image = noisy()
    image[(row - 0) ** 2 + (col - 120) ** 2 < 30**2] = 0
    assert found_field_of_view(image)[5, 120]


def test_an_image_without_borders_is_all_field():
    assert found_field_of_view(noisy()).all()
    assert found_field_of_view(np.full((50, 50), 7)).all()
