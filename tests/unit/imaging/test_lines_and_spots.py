"""Ridges, strips and spots drawn with known place, width and ends."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.imaging.profiles import (
    follow_ridge,
    full_width_px,
    refined_ridge,
    ridge_height,
    run_end,
    running_median,
    straightened,
    strip_along,
)
from fluorospread.imaging.ridges import ridge_points, straight_segments
from fluorospread.imaging.spots import compact_spots, ray_from

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
    flat = straightened(strip, follow_ridge(strip, 5.0, 3.0, (0.0, 170.0)))
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


def test_a_run_follows_a_slow_change_of_its_height():
    # Twice as high over the last third, as behind a display curve.
    height = np.zeros(300)
    height[20:180], height[180:260] = 1.0, 1.9
    index, ended = run_end(height, 90, 1, 1.0, 0.35)
    assert ended
    assert index == pytest.approx(259.8, abs=0.2)


def test_a_run_ends_at_its_step_and_not_where_what_lies_in_line_fades():
    height = np.zeros(200)
    height[20:120] = 1.0
    height[120:132] = np.linspace(0.58, 0.2, 12)
    index, _ = run_end(height, 70, 1, 1.0, 0.35, 5)
    assert index <= 126.0


def test_a_run_ends_where_what_goes_on_leaves_its_line():
    # Two thirds as high beyond sample 120, as an end plate is; only its place tells it from the shaft.
    height = np.where(np.arange(200) < 120, 1.0, 0.7)
    astray = np.where(np.arange(200) < 120, 0.0, 1.5)
    assert run_end(height, 60, 1, 1.0, 0.35, 5)[0] > 190
    assert run_end(height, 60, 1, 1.0, 0.35, 5, astray)[0] == pytest.approx(120, abs=6)


def test_a_run_goes_on_where_its_height_is_lost_but_not_its_place():
    height = np.where(np.arange(200) < 120, 1.0, np.where(np.arange(200) < 160, 0.45, 0.0))
    true_to_line = np.where(np.arange(200) < 160, -1.0, 1.0)
    assert run_end(height, 60, 1, 1.0, 0.35, 5)[0] < 130
    assert run_end(height, 60, 1, 1.0, 0.35, 5, true_to_line)[0] == pytest.approx(160, abs=6)


def test_the_middle_of_a_rod_is_found_to_a_tenth_of_a_pixel():
    start, end = (40.0, 30.0), (120.0, 130.0)
    # The strip lies half a pixel beside the rod, whose 1 sd across is that of its height over root two, as squared.
    beside = 0.5 * np.array([-(end[1] - start[1]), end[0] - start[0]]) / np.hypot(80.0, 100.0)
    strip = strip_along(rod(start, end), EVERYWHERE, (tuple(start - beside), tuple(end - beside)), 12.0, 0.0)
    length = float(strip.along_px[-1])
    path, astray, spread = refined_ridge(strip, np.zeros(len(strip.along_px)), 5.0, 1.0, (0.0, length))
    inner = slice(10, -10)
    assert np.abs(np.abs(path[inner]) - 0.5).max() < 0.1
    assert np.abs(astray[inner]).max() < 0.1
    assert np.median(spread) == pytest.approx(1.2 / np.sqrt(2.0), rel=0.1)


def test_a_running_median_keeps_its_window_inside():
    assert running_median(np.array([0.0, 1.0, 2.0, 9.0, 4.0]), 3).tolist() == [1.0, 1.0, 2.0, 4.0, 4.0]


def disc(row: float, col: float, radius: float = 5.0) -> np.ndarray:
    return np.clip(radius + 0.5 - np.hypot(ROWS - row, COLS - col), 0.0, 1.0)


def test_a_disc_is_a_compact_spot_and_lines_and_large_areas_are_none():
    line = 1.0 * (np.abs(ROWS - 30) <= 1)
    broad = 1.0 * ((ROWS > 110) & (COLS < 60))
    image = (disc(80, 90) + line + broad).astype(np.float32)
    (found,) = compact_spots(image, EVERYWHERE, 3.6, 0.25, 22.0)
    assert np.hypot(found.centre[0] - 80, found.centre[1] - 90) < 1.5
    assert found.height > 0.9


def test_a_ray_runs_from_a_spot_to_the_end_of_its_shaft():
    shaft = (np.abs(ROWS - 80) <= 1) & (COLS >= 90) & (COLS < 120)
    image = np.maximum(2.0 * disc(80, 90), 1.0 * shaft).astype(np.float32)
    ray = ray_from(image, (80.0, 90.0), (8.0, 70.0), 0.2, 0.2)
    assert ray is not None
    assert ray.direction == pytest.approx((0.0, 1.0), abs=0.06)
    assert ray.end_px == pytest.approx(29.5, abs=1.5)
    assert ray_from((2.0 * disc(80, 90)).astype(np.float32), (80.0, 90.0), (8.0, 70.0), 0.2, 0.2) is None


def test_the_level_of_the_image_does_not_make_a_spot_stronger():
    image = np.zeros((120, 130), dtype=np.float32)
    rows, cols = np.indices(image.shape)
    image[np.hypot(rows - 60, cols - 65) <= 5] = 1.0
    valid = np.ones(image.shape, dtype=np.bool_)
    (low,), (high,) = (compact_spots(image + level, valid, 3.6, 0.1, 22.0) for level in (0.0, 6.0))
    assert high.strength == pytest.approx(low.strength, abs=0.002)
