"""Regions, distances and outlines of masks whose answers are known from geometry."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.imaging.outlines import (
    fill_small_holes,
    hysteresis,
    outlines,
    regions,
    rim,
    signed_distance,
    signed_distance_at,
)


def disc(shape, center, radius):
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    return (rows - center[0]) ** 2 + (cols - center[1]) ** 2 <= radius**2


def test_hysteresis_keeps_only_what_holds_a_seed():
    low = disc((40, 80), (20, 20), 10) | disc((40, 80), (20, 60), 10)
    high = disc((40, 80), (20, 60), 3)
    assert (hysteresis(high, low) == disc((40, 80), (20, 60), 10)).all()
    assert not hysteresis(high & False, low).any()


def test_small_holes_are_filled_and_large_ones_kept():
    mask = np.ones((30, 30), dtype=bool)
    mask[5:7, 5:7] = False
    mask[15:25, 15:25] = False
    filled = fill_small_holes(mask, 4)
    assert filled[5:7, 5:7].all()
    assert not filled[15:25, 15:25].any()


def test_a_region_knows_its_area_and_the_largest_disc_inside():
    mask = disc((60, 60), (30, 30), 12)
    mask[30, 42:58] = True
    (region,) = regions(mask)
    assert region.area_px == int(mask.sum())
    assert region.largest_radius_px == pytest.approx(12.5, abs=0.6)
    again = np.zeros_like(mask)
    region.paint(again)
    assert (again == mask).all()


def test_regions_come_largest_first():
    mask = disc((40, 80), (20, 15), 5) | disc((40, 80), (20, 55), 12)
    assert [r.area_px for r in regions(mask)] == [int(disc((40, 80), (20, 55), 12).sum()),
                                                  int(disc((40, 80), (20, 15), 5).sum())]  # fmt: skip


def test_the_outline_of_a_half_plane_runs_half_a_pixel_beyond_its_last_pixel():
    mask = np.zeros((10, 20), dtype=bool)
    mask[:, :10] = True
    # Pixel 9 is the last inside, so the outline lies at column 9.5.
    distance = signed_distance(mask)
    assert distance[5, 9] == pytest.approx(0.5)
    assert distance[5, 10] == pytest.approx(-0.5)
    assert distance[5, 4] == pytest.approx(5.5)
    assert signed_distance(mask, (1.0, 2.0))[5, 14] == pytest.approx(-(5 * 2.0 - 0.5 * np.sqrt(2.0)))


def test_nothing_and_everything_are_infinitely_far_from_an_outline():
    assert (signed_distance(np.zeros((4, 4), dtype=bool)) == -np.inf).all()
    assert (signed_distance(np.ones((4, 4), dtype=bool)) == np.inf).all()


def test_a_rectangle_is_outlined_half_a_pixel_outside():
    mask = np.zeros((30, 40), dtype=bool)
    mask[10:20, 5:25] = True
    (line,) = outlines(mask)
    rows, cols = np.array(line).T
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (9.5, 19.5, 4.5, 24.5)
    assert outlines(mask & False) == ()


def test_the_rim_is_the_inside_pixels_that_touch_the_outside():
    mask = np.zeros((9, 9), dtype=bool)
    mask[2:7, 2:7] = True
    rows, cols = rim(mask)
    assert len(rows) == 16
    assert mask[rows, cols].all()


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.1, 0.9)])
def test_distances_at_single_pixels_are_those_of_the_map(spacing: tuple[float, float]) -> None:
    rows, cols = np.indices((60, 50))
    mask = (np.hypot(rows - 20.0, cols - 49.0) < 18.0) | ((rows > 45) & (cols < 12))
    pixels = np.random.default_rng(3).integers(0, 50, (200, 2))
    expected = signed_distance(mask, spacing)[pixels[:, 0], pixels[:, 1]]
    np.testing.assert_allclose(signed_distance_at(mask, pixels, spacing), expected, atol=1e-5)
    assert (signed_distance_at(np.zeros((4, 4), dtype=bool), pixels % 4) == -np.inf).all()
    assert (signed_distance_at(np.ones((4, 4), dtype=bool), pixels % 4) == np.inf).all()
