"""Noise, intensity matching and backgrounds, on planted values with a minority of outliers."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.imaging.normalisation import (
    apply_curve,
    fit_gain_offset,
    gradient,
    monotone_curve,
    robust_sd,
    shrink,
    shrink_mask,
    slow_background,
    smooth,
    smooth_within,
)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def everywhere(shape):
    return np.ones(shape, dtype=bool)


def test_robust_sd_is_that_of_the_bulk(rng):
    values = rng.normal(5.0, 2.0, 40_000)
    values[:4000] = 1e6
    # A tenth of outliers on one side raises the MAD by 14 %.
    assert robust_sd(values) == pytest.approx(2.0, rel=0.17)
    assert robust_sd(np.array([3.0])) == 0.0


def test_shrinking_averages_blocks_and_drops_the_rest():
    image = np.arange(20, dtype=np.float32).reshape(4, 5)
    assert shrink(image, 2).tolist() == [[3.0, 5.0], [13.0, 15.0]]
    mask = np.array([[True, True, False, True], [True, True, True, True]])
    assert shrink_mask(mask, 2).tolist() == [[True, False]]


def test_smoothing_within_ignores_what_lies_outside(rng):
    image = np.full((40, 40), 7.0, dtype=np.float32)
    image[:, 20:] = 1000.0
    valid = np.zeros((40, 40), dtype=bool)
    valid[:, :20] = True
    assert np.allclose(smooth_within(image, valid, 2.0)[:, :20], 7.0, atol=1e-4)


def test_a_blur_below_a_third_of_a_pixel_changes_nothing(rng):
    image = rng.normal(size=(8, 8)).astype(np.float32)
    assert smooth(image, 0.2) is image


def test_gradient_of_a_plane_is_its_slopes():
    image = (3.0 * np.arange(6)[:, None] - 2.0 * np.arange(5)[None, :]).astype(np.float32)
    along_rows, along_cols = gradient(image)
    assert np.allclose(along_rows, 3.0)
    assert np.allclose(along_cols, -2.0)


def test_gain_and_offset_are_found_beside_contrast_in_a_quarter_of_the_field(rng):
    reference = rng.uniform(0.0, 3.0, (80, 80)).astype(np.float32)
    measured = (1.1 * reference - 0.3 + rng.normal(0, 0.01, reference.shape)).astype(np.float32)
    measured[:40, :40] += 0.2
    gain, offset = fit_gain_offset(reference, measured, everywhere(reference.shape))
    assert gain == pytest.approx(1.1, abs=0.01)
    assert offset == pytest.approx(-0.3, abs=0.015)


def test_a_flat_reference_gives_gain_one():
    flat = np.ones((20, 20), dtype=np.float32)
    assert fit_gain_offset(flat, flat + 2, everywhere(flat.shape)) == (1.0, 2.0)


def test_a_display_curve_is_recovered_and_never_falls(rng):
    reference = rng.uniform(-1.5, 1.5, (200, 200)).astype(np.float32)
    measured = (np.tanh(reference) + rng.normal(0, 0.02, reference.shape)).astype(np.float32)
    knots = monotone_curve(reference, measured, everywhere(reference.shape))
    assert (np.diff(knots[1]) >= 0).all()
    inner = np.abs(reference) < 1.3
    assert np.abs(apply_curve(reference, knots) - np.tanh(reference))[inner].max() < 0.03


def test_beyond_its_ends_a_curve_goes_on_with_its_slope():
    knots = (np.array([0.0, 1.0, 2.0], dtype=np.float32), np.array([0.0, 2.0, 4.0], dtype=np.float32))
    assert apply_curve(np.array([-1.0, 3.0], dtype=np.float32), knots).tolist() == [-2.0, 6.0]


def test_matching_without_common_pixels_is_refused():
    image = np.zeros((20, 20), dtype=np.float32)
    with pytest.raises(ValueError, match="at least 64 common pixels"):
        monotone_curve(image, image, np.zeros((20, 20), dtype=bool))


def test_a_slow_veil_is_found_under_a_pool_of_contrast(rng):
    r, c = np.meshgrid(np.linspace(-1, 1, 120), np.linspace(-1, 1, 100), indexing="ij")
    veil = (0.2 + 0.1 * r - 0.05 * c + 0.08 * r * c + 0.03 * r**2).astype(np.float32)
    image = veil + rng.normal(0, 0.005, veil.shape).astype(np.float32)
    image[40:80, 20:45] += 0.1
    # The pool covers a twelfth of the field; a plain fit would rise by 0.1 / 12.
    assert np.abs(slow_background(image, everywhere(veil.shape)) - veil).max() < 0.004


def test_the_background_of_too_few_pixels_is_their_median():
    image = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert (slow_background(image, everywhere((4, 4))) == 7.5).all()
