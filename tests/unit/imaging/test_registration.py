"""Planted moves between two images are recovered, and different views refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from fluorospread.imaging.registration import Match, MatchRefused, match, warp_to_measured

MM_PER_PX = 0.6
SHAPE = (320, 300)
VIEW = (np.ones(SHAPE, dtype=bool), np.ones(SHAPE, dtype=bool))


def anatomy(seed: int = 0) -> np.ndarray:
    """Blurred rectangles in a column on a slow background, (rows, cols) float32, like a lumbar spine's."""
    rng = np.random.default_rng(seed)
    image = 2.0 * ndimage.gaussian_filter(rng.normal(size=SHAPE), 30)
    for index in range(6):
        top = 20 + 52 * index + rng.integers(-4, 5)
        left = 110 + rng.integers(-6, 7)
        image[top : top + 38, left : left + 72] += 0.5
        image[top + 10 : top + 20, left - 30 : left + 102] += 0.25
    image += 0.8 * ndimage.gaussian_filter(rng.normal(size=SHAPE), 3)
    return ndimage.gaussian_filter(image, 1.2).astype(np.float32)


def moved(image: np.ndarray, shift: tuple[float, float], angle_deg: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The image moved and turned about its centre, and the 2x3 matrix that leads there."""
    angle = np.deg2rad(angle_deg)
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array(image.shape) / 2.0
    offset = centre - linear @ centre + shift
    back = np.linalg.inv(linear)
    there = ndimage.affine_transform(image, back, -back @ offset, order=3, mode="nearest")
    return there.astype(np.float32), np.column_stack([linear, offset])


def worst_px(found: Match, truth: np.ndarray) -> float:
    corners = np.array([[60, 60, 1], [60, 240, 1], [260, 60, 1], [260, 240, 1]], dtype=float)
    return float(np.hypot(*(corners @ (found.matrix - truth).T).T).max())


@pytest.mark.parametrize(("shift", "angle_deg"), [((0.0, 0.0), 0.0), ((9.7, -6.2), 0.0), ((-5.0, 4.5), 2.0)])
def test_a_move_of_up_to_six_mm_is_recovered_to_a_fifth_of_a_pixel(shift, angle_deg):
    rng = np.random.default_rng(3)
    image = anatomy()
    there, truth = moved(image, shift, angle_deg)
    noise = [rng.normal(0, 0.02, SHAPE).astype(np.float32) for _ in range(2)]
    found = match(image + noise[0], there + noise[1], VIEW, MM_PER_PX)
    assert isinstance(found, Match)
    assert worst_px(found, truth) < 0.2
    assert found.correlation > 0.9


def test_contrast_gain_and_offset_do_not_pull_the_match():
    image = anatomy()
    there, truth = moved(image, (6.0, 3.0))
    rows, cols = np.indices(SHAPE)
    there = 1.1 * there + 0.4
    for center in (90, 210):
        there += 0.5 * np.exp(-(((rows - 170) / 45.0) ** 2) - ((cols - center) / 18.0) ** 2)
    found = match(image, there.astype(np.float32), VIEW, MM_PER_PX)
    assert isinstance(found, Match)
    assert worst_px(found, truth) < 0.5


def test_the_warped_reference_lies_on_the_measured_image():
    image = anatomy()
    there, _ = moved(image, (7.3, -4.1), 1.0)
    found = match(image, there, VIEW, MM_PER_PX)
    assert isinstance(found, Match)
    warped, known = warp_to_measured(image, found, VIEW[0])
    inner = known & ndimage.binary_erosion(VIEW[0], iterations=15)
    assert np.abs(warped - there)[inner].max() < 0.05 * np.ptp(image)
    assert not known[:5].any()


def test_another_patient_is_refused():
    found = match(anatomy(0), anatomy(1)[:, ::-1].copy(), VIEW, MM_PER_PX)
    assert isinstance(found, MatchRefused)
    assert "same view" in found.reason or "implausible" in found.reason


def test_flat_images_are_refused():
    flat = np.zeros(SHAPE, dtype=np.float32)
    found = match(flat, flat, VIEW, MM_PER_PX)
    assert isinstance(found, MatchRefused)
    assert "too little common field of view" in found.reason


def test_a_part_that_moved_by_itself_is_followed():
    image = anatomy()
    rows, cols = np.indices(SHAPE).astype(float)
    # The lower half sinks smoothly by 2 px more than the upper.
    sink = 2.0 / (1.0 + np.exp(-(rows - 160) / 25.0))
    there = ndimage.map_coordinates(image, [rows - sink, cols], order=3, mode="nearest").astype(np.float32)
    found = match(image, there, VIEW, MM_PER_PX)
    assert isinstance(found, Match)
    warped, _ = warp_to_measured(image, found, VIEW[0])
    inner = (slice(30, 290), slice(30, 270))
    assert np.abs(warped - there)[inner].mean() < 0.35 * np.abs(image - there)[inner].mean()


def test_neighbouring_structures_that_moved_apart_are_followed():
    # Left and right of column 150, 90 mm apart at most, structures move by 0.7 px to opposite sides.
    image = anatomy() + 0.4 * (np.indices(SHAPE)[1] // 22 % 2).astype(np.float32)
    image = ndimage.gaussian_filter(image, 1.2)
    rows, cols = np.indices(SHAPE).astype(float)
    apart = 0.7 * np.tanh((cols - 150) / 10.0)
    there = ndimage.map_coordinates(image, [rows, cols - apart], order=3, mode="nearest").astype(np.float32)
    found = match(image, there, VIEW, MM_PER_PX)
    assert isinstance(found, Match)
    warped, _ = warp_to_measured(image, found, VIEW[0])
    inner = (slice(30, 290), slice(30, 270))
    assert np.abs(warped - there)[inner].mean() < 0.3 * np.abs(image - there)[inner].mean()
