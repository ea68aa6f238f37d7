"""Ridges, strips and spots drawn with known place, width and ends."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.imaging.profiles import (
    follow_ridge,
    full_width_px,
    ridge_height,
    run_end,
    straightened,
    strip_along,
)
from fluorospread.imaging.ridges import ridge_points, straight_segments
from fluorospread.imaging.spots import dense_spots

SHAPE = (160, 180)
ROWS, COLS = np.indices(SHAPE).astype(float)
EVERYWHERE = np.ones(SHAPE, dtype=bool)


def rod(start, end, height=1.0, sd_px=1.2):
    way = np.array(end) - start
    length = float(np.hypot(*way))
    way /= length
    t = (ROWS - start[0]) * way[0] + (COLS - start[1]) * way[1]
    across = -(ROWS - start[0]) * way[1] + (COLS - start[1]) * way[0]
    return (height * np.exp(-0.5 * (across / sd_px) ** 2) * ((t >= 0) & (t <= length))).astype(np.float32)


@pytest.mark.parametrize("end", [(130.0, 150.0), (30.0, 150.0), (130.0, 40.0), (30.0, 160.0)])
def test_a_line_is_found_from_end_to_end_at_any_angle(end):
    start = (100.0, 60.0)
    noise = np.random.default_rng(1).normal(0, 0.03, SHAPE)
    image = (rod(start, end) + noise).astype(np.float32)
    segments = straight_segments(ridge_points(image, EVERYWHERE, 1.3, 15.0), SHAPE, 20.0, 8.0)
    best = segments[0]
    found = sorted((best.start, best.end))
    for point, truth in zip(found, sorted((start, end)), strict=True):
        assert np.hypot(point[0] - truth[0], point[1] - truth[1]) < 6.0
    assert best.length_px == pytest.approx(np.hypot(end[0] - start[0], end[1] - start[1]), abs=8)


def test_no_ridges_no_segments():
    flat = np.zeros(SHAPE, dtype=np.float32)
    assert straight_segments(ridge_points(flat, EVERYWHERE, 1.3, 15.0), SHAPE, 20.0, 8.0) == []


def test_a_strip_has_the_lines_height_and_width():
    strip = strip_along(rod((40.0, 30.0), (120.0, 130.0), 2.0), EVERYWHERE, ((50.0, 42.5), (110.0, 117.5)), 12.0, 0.0)
    height, step = ridge_height(strip.values, strip.across_px, 0.5, (5.0, 8.0))
    # The mean over +-0.5 px of a Gaussian of sd 1.2 px is 6 % below its peak; linear sampling takes 5 % more.
    assert np.median(height) == pytest.approx(0.89 * 2.0, rel=0.05)
    assert np.abs(step).max() < 0.05
    assert full_width_px(strip.values, strip.across_px, 7.0) == pytest.approx(2.355 * 1.2, rel=0.12)


def test_a_place_in_a_strip_leads_back_to_the_image():
    strip = strip_along(np.zeros(SHAPE, np.float32), EVERYWHERE, ((40.0, 30.0), (40.0, 90.0)), 5.0, 0.0)
    assert strip.point(10.0) == pytest.approx((40.0, 40.0))
    # Along runs to higher columns, so that across runs to lower rows.
    assert strip.point(0.0, 3.0) == pytest.approx((37.0, 30.0))


def test_a_strip_needs_two_ends():
    with pytest.raises(ValueError, match="two different ends"):
        strip_along(np.zeros(SHAPE, np.float32), EVERYWHERE, ((4.0, 3.0), (4.0, 3.0)), 5.0, 0.0)


def test_a_bent_line_is_followed():
    bend = 3.0 * np.sin(COLS / 180.0 * np.pi)
    image = np.exp(-0.5 * ((ROWS - 80.0 - bend) / 1.2) ** 2).astype(np.float32)
    strip = strip_along(image, EVERYWHERE, ((80.0, 5.0), (80.0, 175.0)), 10.0, 0.0)
    flat = straightened(strip, follow_ridge(strip, 5.0, 3.0))
    assert flat[:, len(strip.across_px) // 2].min() > 0.8


def test_a_width_that_never_comes_down_is_infinite():
    across = np.arange(-10, 10.5, 0.5)
    assert full_width_px(np.ones((5, len(across)), np.float32), across, 7.0) == float("inf")


@pytest.mark.parametrize("step", [1, -1])
def test_a_run_ends_where_its_height_does_and_not_at_a_gap_or_a_speckle(step):
    height = np.zeros(100)
    height[20:80] = 1.0
    height[60:63] = 0.2
    height[90] = height[10] = 1.0
    index, ended = run_end(height, 50, step, 1.0, 0.35)
    assert ended
    # Half-way samples: the last full one is 79 or 20, and the level of 0.35 is crossed 0.65 px beyond.
    assert index == pytest.approx(79.65 if step > 0 else 19.35, abs=0.01)


def test_a_run_to_the_end_of_the_data_is_not_ended():
    assert run_end(np.ones(50), 25, 1, 1.0, 0.35) == (49.0, False)


def test_a_dense_spot_has_a_thickest_place_and_a_far_end():
    spot = 2.0 * (np.hypot(ROWS - 80, COLS - 90) <= 5) + 2.0 * ((np.abs(ROWS - 80) <= 1) & (COLS > 94) & (COLS < 108))
    (found,) = dense_spots(spot.astype(np.float32), EVERYWHERE, 1.0, 30.0)
    assert np.hypot(found.thickest[0] - 80, found.thickest[1] - 90) < 2.0
    assert np.hypot(found.end[0] - 80, found.end[1] - 107) < 2.5
    assert found.height == pytest.approx(2.0)


def test_a_large_bright_area_is_no_spot():
    broad = 2.0 * ((np.abs(ROWS - 80) <= 40) & (np.abs(COLS - 90) <= 40))
    assert dense_spots(broad.astype(np.float32), EVERYWHERE, 1.0, 30.0) == []
