"""Iodine, gas and soft tissue drawn as areas of known attenuation into a difference of two images."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from fluorospread.imaging.background import enlarged, interpolated, without_background
from fluorospread.imaging.left_behind import explained_by_reference
from fluorospread.imaging.misplaced_edges import without_misplaced_edges
from fluorospread.imaging.pool_doubts import PoolSettings, rise_of
from fluorospread.imaging.pools import find_pools
from fluorospread.imaging.subtraction import Difference

SHAPE = (240, 240)
MM_PER_PX = 0.5
LEVEL, IODINE, GAS, NOISE = 0.025, 0.12, 0.3, 0.006
ROWS, COLS = np.indices(SHAPE).astype(float)
EVERYWHERE = np.ones(SHAPE, dtype=bool)


def disc(row: float, col: float, radius: float) -> np.ndarray:
    return np.hypot(ROWS - row, COLS - col) <= radius


def change(before: np.ndarray, after: np.ndarray, iodine: np.ndarray, veil: np.ndarray | float = 0.0) -> Difference:
    rng = np.random.default_rng(3)
    body = 0.2 * ndimage.gaussian_filter(rng.normal(size=SHAPE), 8) / 0.035

    def seen(gas: np.ndarray, extra: np.ndarray | float = 0.0) -> np.ndarray:
        image = body - GAS * gas + extra + NOISE * 6.0 * rng.normal(size=SHAPE)
        return ndimage.gaussian_filter(image, 1.4).astype(np.float32)

    reference, measured = seen(before), seen(after, IODINE * iodine + veil)
    return Difference(measured - reference, reference, EVERYWHERE)


NOTHING = disc(0, 0, -1)


def test_the_reference_explains_gas_that_left_and_not_iodine_that_came():
    gas, iodine = disc(120, 70, 20), disc(120, 170, 20)
    moved = change(gas, NOTHING, iodine)
    explained = explained_by_reference(moved.signal, moved.reference, EVERYWHERE, MM_PER_PX)
    explained = explained - np.median(explained)
    # Within a fifth of what it lost: edges near the noise are left to nobody.
    assert np.median(explained[disc(120, 70, 15)]) == pytest.approx(GAS, rel=0.2)
    assert abs(np.median(explained[disc(120, 170, 15)])) < 0.1 * IODINE


def test_gas_that_moved_away_from_beside_a_pool_leaves_the_pool_alone():
    iodine, before, after = disc(120, 96, 26), disc(120, 148, 18), disc(140, 175, 18)
    found = find_pools(change(before, after, iodine), LEVEL, MM_PER_PX, adaptive=False)
    overlap = 2.0 * (found.mask & iodine).sum() / (found.mask.sum() + iodine.sum())
    assert overlap > 0.93
    # Where the gas was and where it now is nobody can tell.
    assert found.undecidable[before & ~after & ~iodine].mean() > 0.8
    assert found.undecidable[after].mean() > 0.8
    assert found.undecidable[iodine].mean() < 0.05


@pytest.mark.parametrize(("away_px", "claimed"), [(38, False), (110, True)])
def test_a_gain_beside_a_loss_of_its_size_is_neither_claimed_nor_denied(away_px, claimed):
    # Lost 14² · 0.3 = 59, gained 25² · 0.12 = 75; 15 mm reach 30 px beyond the outline.
    iodine, arrived = disc(120, 85, 25), disc(120, 90 + away_px, 14)
    found = find_pools(change(NOTHING, arrived, iodine), LEVEL, MM_PER_PX, adaptive=False)
    assert found.mask.any() == claimed
    assert any("as much attenuation was lost" in note for note in found.notes) != claimed
    assert (found.undecidable[disc(120, 90, 16)].mean() > 0.8) != claimed


# Twelve places far from the middle, together an eighth of the field.
ALL_OVER = np.logical_or.reduce([disc(row, col, 14) for row in (24, 216) for col in range(24, 240, 38)])


def test_a_gain_no_larger_than_what_soft_tissue_loses_all_over_is_neither_claimed_nor_denied():
    # The area rises 2.4 outline levels, what was lost reaches 1.3 before the background is taken off.
    shifting = change(NOTHING, NOTHING, 0.5 * disc(120, 120, 22), -1.3 * LEVEL * ALL_OVER)
    found = find_pools(shifting, LEVEL, MM_PER_PX, adaptive=False)
    assert not found.mask.any()
    assert any("no more than this field loses" in note for note in found.notes)
    assert found.undecidable[disc(120, 120, 18)].mean() > 0.8


def test_a_faint_area_as_large_as_a_pool_is_claimed_beside_a_pool_beyond_doubt_and_not_alone():
    # It rises 2.5 outline levels, a little less than six times what the field loses.
    faint, strong = disc(120, 60, 27), disc(120, 180, 27)
    alone, beside = (
        find_pools(
            change(NOTHING, NOTHING, 0.5 * faint + with_pool * strong, -1.25 * LEVEL * ALL_OVER),
            LEVEL, MM_PER_PX, adaptive=False,
        )
        for with_pool in (0.0, 1.0)
    )  # fmt: skip
    assert not alone.mask.any()
    assert alone.undecidable[disc(120, 60, 20)].mean() > 0.8
    assert beside.mask[disc(120, 60, 20)].all()
    assert beside.mask[disc(120, 180, 20)].all()


def test_a_needle_hides_no_pool_as_it_is_narrower_than_one():
    bar = (np.abs(ROWS - 120) <= 1) & (np.abs(COLS - 120) <= 40)
    found = find_pools(change(NOTHING, NOTHING, NOTHING, 0.4 * bar), LEVEL, MM_PER_PX, adaptive=False)
    assert any("a needle" in note for note in found.notes)
    assert not found.mask.any()
    assert found.undecidable[bar].mean() < 0.05


def test_gas_that_arrived_elsewhere_does_not_speak_against_a_pool():
    iodine = disc(120, 120, 26)
    found = find_pools(change(NOTHING, ALL_OVER, iodine), LEVEL, MM_PER_PX, adaptive=False)
    assert 2.0 * (found.mask & iodine).sum() / (found.mask.sum() + iodine.sum()) > 0.93


def test_of_a_long_pool_only_what_gas_could_have_brought_about_is_doubted():
    # Lost 20² · 0.3 = 120, gained 0.12 · 150 · 40 / pi = 229; the pool's lower half is more than 15 mm off the gas.
    pool = (np.abs(ROWS - 120) <= 75) & (np.abs(COLS - 80) <= 20)
    gas = disc(45, 128, 20)
    found = find_pools(change(NOTHING, gas, pool), LEVEL, MM_PER_PX, adaptive=False)
    assert found.mask[(ROWS > 110) & (ROWS < 185) & (np.abs(COLS - 80) < 15)].mean() > 0.95


def test_edges_that_are_off_are_told_from_beside_and_a_pool_across_them_stays_whole():
    # Bars of bone, 0.3 mm off in the second image: along their edges the difference errs by the pool's own size.
    rng = np.random.default_rng(5)
    bars = 0.5 * (COLS // 24 % 2)
    seen = [ndimage.gaussian_filter(ndimage.shift(bars, (0, by), order=1, mode="nearest"), 1.4) for by in (0.0, 0.6)]
    noise = ndimage.gaussian_filter(6.0 * NOISE * rng.normal(size=SHAPE), 1.4)
    pool = ndimage.gaussian_filter(0.06 * disc(120, 120, 40), 1.0)
    planted = (seen[1] - seen[0] + noise + pool).astype(np.float32)
    quiet = ~disc(120, 120, 50)
    steady = without_misplaced_edges(planted, seen[0].astype(np.float32), quiet, 0.005, MM_PER_PX)
    on_edges = np.hypot(*np.gradient(seen[0])) > 0.05
    inside = on_edges & disc(120, 120, 32)
    assert np.abs(planted - 0.06)[inside].mean() > 2.5 * np.abs(steady - 0.06)[inside].mean()
    assert np.median(steady[disc(120, 120, 32)]) == pytest.approx(0.06, rel=0.1)
    assert np.abs(steady[on_edges & quiet]).mean() < 0.4 * np.abs(planted[on_edges & quiet]).mean()


def test_a_sole_area_under_4_5_cm2_is_not_claimed_unless_asked_for():
    # 16 px of 0.5 mm: 201 mm².
    small = change(NOTHING, NOTHING, disc(120, 120, 16))
    found = find_pools(small, LEVEL, MM_PER_PX, adaptive=False)
    assert not found.mask.any()
    assert any("this small" in note for note in found.notes)
    assert found.undecidable[disc(120, 120, 12)].all()
    early = PoolSettings(least_main_mm2=0.0)
    assert find_pools(small, LEVEL, MM_PER_PX, adaptive=False, settings=early).mask.any()


def test_a_faint_veil_over_half_the_field_is_no_contrast():
    veil = 2.0 * LEVEL / (1.0 + np.exp(-(COLS - 120.0) / 30.0))
    found = find_pools(change(NOTHING, NOTHING, NOTHING, veil), LEVEL, MM_PER_PX, adaptive=False)
    assert not found.mask.any()


def test_a_weak_area_is_not_claimed_and_not_denied():
    # 1.3 outline levels: above the outline, below what a pool must rise to.
    weak = disc(120, 120, 20) * (1.3 * LEVEL / IODINE)
    found = find_pools(change(NOTHING, NOTHING, weak), LEVEL, MM_PER_PX, adaptive=False)
    assert not found.mask.any()
    assert found.undecidable[disc(120, 120, 14)].mean() > 0.5


def test_the_limit_is_three_noise_sds_but_never_below_the_outline():
    found = find_pools(change(NOTHING, NOTHING, NOTHING), LEVEL, MM_PER_PX, adaptive=False)
    assert found.limit == pytest.approx(max(LEVEL, 3.0 * found.noise))


def test_the_background_is_taken_from_beside_a_pool_and_not_from_it():
    slope = (0.001 * COLS).astype(np.float32)
    planted = (slope + IODINE * disc(120, 120, 25)).astype(np.float32)
    noise = np.float32(NOISE) * ndimage.gaussian_filter(np.random.default_rng(1).normal(size=SHAPE), 1.4)
    left, quiet = without_background(planted + noise.astype(np.float32), EVERYWHERE, MM_PER_PX, 25.0)
    assert not quiet[disc(120, 120, 25)].any()
    assert np.median(left[disc(120, 120, 22)]) == pytest.approx(IODINE, rel=0.05)


def test_a_constant_is_interpolated_as_itself():
    known = ~disc(120, 120, 60)
    image = np.where(known, np.float32(0.7), np.float32(9.0)).astype(np.float32)
    assert np.allclose(interpolated(image, known, 24.0), 0.7, atol=1e-4)


def test_enlarging_puts_block_centres_where_they_were():
    ramp = np.arange(8, dtype=np.float32)[None, :] * np.ones((4, 1), np.float32)
    large = enlarged(ramp, 2, (9, 17))
    assert large.shape == (9, 17)
    # Block 3 covers columns 6 and 7, so its value 3 lies between them.
    assert 0.5 * (large[4, 6] + large[4, 7]) == pytest.approx(3.0, abs=1e-6)


def test_no_pixels_rise_by_nothing() -> None:
    signal = np.full(SHAPE, 0.5)
    assert rise_of(signal, disc(50, 50, 5), 0.1) == pytest.approx(5.0)
    assert rise_of(signal, NOTHING, 0.1) == 0.0
