"""Scatter of known amount laid over a drawn patient, by kernels unlike the one that is fitted, and told again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from fluorospread.imaging.attenuation import ScatterRatio
from fluorospread.imaging.scatter import (
    Evidence,
    bone_detail,
    combined_ratio,
    ratio_by_bone,
    ratio_by_fading,
    veil_of,
)

SHAPE = (300, 260)
MM_PER_PX = 0.8
ROWS, COLS = np.indices(SHAPE).astype(float)
EVERYWHERE = np.ones(SHAPE, dtype=bool)
FIELD = (np.abs(ROWS - 150) < 110) & (np.abs(COLS - 130) < 90)
POOL = ((ROWS - 150) / 60.0) ** 2 + ((COLS - 90) / 26.0) ** 2 <= 1.0


def patient(seed: int = 4) -> np.ndarray:
    """Log attenuation of a spine with fine bone in soft tissue."""
    rng = np.random.default_rng(seed)
    log = 3.0 + 0.5 * np.exp(-(((COLS - 130) / 30.0) ** 2))
    return log + 0.12 * ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.3) / 0.21


def veil(primary: np.ndarray, ratio: float, parts: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Gaussians (sd mm, share) over the primary, `ratio` of it under the pool on average."""
    spread = sum(share * ndimage.gaussian_filter(primary, sd / MM_PER_PX, mode="constant") for sd, share in parts)
    return ratio * spread / float((spread / np.maximum(primary, 1e-9))[POOL].mean())


NARROW_AND_WIDE = ((12.0, 0.3), (60.0, 0.3), (110.0, 0.4))
LONG_TAILS = ((20.0, 0.4), (50.0, 0.2), (90.0, 0.4))


@pytest.mark.parametrize("parts", [NARROW_AND_WIDE, LONG_TAILS])
@pytest.mark.parametrize("ratio", [0.3, 0.8])
def test_the_shade_behind_the_blades_tells_the_scatter_within_its_uncertainty(parts, ratio):
    primary = np.where(FIELD, np.exp(-patient()), 0.0)
    read = -np.log(primary + veil(primary, ratio, parts)).astype(np.float32)
    found = veil_of(read, FIELD, MM_PER_PX, (), POOL)
    assert "shade" in found.source
    assert found.mean.sd < 0.6 * combined_ratio(()).sd
    assert abs(found.mean.value - ratio) < 2.0 * found.mean.sd
    assert float(found.ratio[POOL].mean()) == pytest.approx(found.mean.value, rel=0.02)


@pytest.mark.parametrize("outside", [9.0, None])
def test_blanked_or_meaningless_pixels_outside_the_field_tell_nothing(outside):
    log = patient()
    rng = np.random.default_rng(1)
    read = np.where(FIELD, log, rng.normal(6.0, 1.5, SHAPE) if outside is None else outside).astype(np.float32)
    found = veil_of(read, FIELD, MM_PER_PX, (), POOL)
    assert found.mean == combined_ratio(())
    assert found.source == "what is usual behind a lumbar spine"


def faded(ratio: float, pattern: float = 0.0) -> ScatterRatio | None:
    log = patient()
    primary, scatter = np.exp(-log), float(np.exp(-log)[POOL].mean()) * ratio
    rng = np.random.default_rng(9)
    iodine = 0.25 * np.where(POOL, 1.0 + pattern * ndimage.gaussian_filter(rng.normal(size=SHAPE), 2.0) / 0.14, 0.0)
    before = -np.log(primary + scatter)
    after = -np.log(primary * np.exp(-iodine) + scatter)
    noise = 0.002 * rng.normal(size=SHAPE)
    inside = ndimage.binary_erosion(POOL, iterations=2)
    beside = ndimage.binary_dilation(POOL, iterations=30) & ~ndimage.binary_dilation(POOL, iterations=6)
    change = (after - before + noise).astype(np.float32)
    told = ratio_by_fading(change, before.astype(np.float32), inside, beside, MM_PER_PX)
    return None if told is None else told.ratio


@pytest.mark.parametrize("ratio", [0.3, 1.0, 2.0])
def test_contrast_fades_over_bone_by_as_much_as_there_is_scatter(ratio):
    found = faded(ratio)
    assert found is not None
    # A beam of one energy does not harden, so that what is taken off for hardening (0.1 of 1 + ratio) is missing.
    assert found.value == pytest.approx(ratio - 0.1 * (1.0 + ratio), abs=0.2 * (1.0 + ratio))
    assert abs(found.value - ratio) < 2.0 * found.sd


def test_iodine_with_a_pattern_of_its_own_tells_less():
    smooth, patterned = faded(1.0), faded(1.0, pattern=0.6)
    assert smooth is not None
    assert patterned is not None
    assert patterned.sd > smooth.sd
    assert abs(patterned.value - 1.0) < 2.5 * patterned.sd


def test_a_pool_of_a_few_square_millimetres_tells_nothing():
    small = np.hypot(ROWS - 150, COLS - 90) < 6
    flat = np.zeros(SHAPE, dtype=np.float32)
    assert ratio_by_fading(flat, patient().astype(np.float32), small, ~small, MM_PER_PX) is None


def log_of(told: ScatterRatio) -> tuple[float, float]:
    """Logarithm of 1 + ratio and its sd."""
    return float(np.log1p(told.value)), told.sd / (1.0 + told.value)


def test_without_evidence_any_ratio_from_a_good_grid_to_none_is_alike_likely():
    # Between 0.15 and 1.5 in the logarithm, about 0.825; Gaussian edges of 0.1 widen it by 0.1 sqrt(pi / 2) a side.
    middle, sd = log_of(combined_ratio(()))
    assert middle == pytest.approx(0.825, abs=0.02)
    assert sd == pytest.approx((1.35 + 0.2 * np.sqrt(np.pi / 2.0)) / np.sqrt(12.0), rel=0.02)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.2])
def test_what_is_usual_does_not_pull_a_well_known_ratio(ratio):
    told = combined_ratio([ScatterRatio(ratio, 0.05 * (1.0 + ratio))])
    assert told.value == pytest.approx(ratio, abs=0.02 * (1.0 + ratio))


def test_ratios_that_agree_narrow_each_other_and_ones_that_contradict_do_not():
    one = ScatterRatio(1.0, 0.2)
    alone, agreed = log_of(combined_ratio([one]))[1], log_of(combined_ratio([one, one]))[1]
    # 1 + ratio of 1.5 and 3: 0.69 apart in the logarithm, each said to be known to 0.1.
    torn = log_of(combined_ratio([ScatterRatio(0.5, 0.15), ScatterRatio(2.0, 0.3)]))[1]
    assert agreed < 0.8 * alone
    assert torn > 0.25


def test_a_ratio_told_elsewhere_is_carried_by_the_shape_of_the_veil():
    # Twice the primary arrives in the left half, so that the smooth veil is half as much of it there.
    log = np.where(COLS < 130, 3.0, 3.0 + np.log(2.0)).astype(np.float32)
    left, right = (COLS > 100) & (COLS < 126), (COLS > 134) & (COLS < 160)
    told = Evidence("a test", ScatterRatio(1.0, 0.01), right)
    here = veil_of(log, EVERYWHERE, MM_PER_PX, [told], right).mean.value
    there = veil_of(log, EVERYWHERE, MM_PER_PX, [told], left).mean.value
    assert here == pytest.approx(1.0, abs=0.02)
    assert there == pytest.approx(0.5, abs=0.1)


def bony(ratio: float, strength: float = 1.0, noise: float = 0.0) -> ScatterRatio:
    """The ratio told by bone whose detail is the usual one (0.62 g/cm2 at 0.25 cm2/g) times `strength`."""
    rng = np.random.default_rng(4)
    on_spine = np.exp(-0.5 * ((COLS - 130) / 30.0) ** 2)
    log = on_spine * ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.3).astype(np.float32)
    spine = bone_detail(log.astype(np.float32), EVERYWHERE, MM_PER_PX)
    top = np.quantile(np.abs(spine[(np.abs(COLS - 130) < 42) & (ROWS > 10) & (ROWS < 290)]), 0.9)
    primary = np.exp(-3.0 - strength * 0.62 * 0.25 * log / top)
    read = -np.log(primary + ratio * np.exp(-3.0))
    grain = noise * ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.0) / 0.28
    seen = bone_detail(grain.astype(np.float32), EVERYWHERE, MM_PER_PX)
    told = ratio_by_bone((read + grain).astype(np.float32), EVERYWHERE, float(seen.std()), 0.25, MM_PER_PX)
    assert told is not None
    return told.ratio


@pytest.mark.parametrize("ratio", [0.4, 1.0, 2.5])
def test_scatter_flattens_the_detail_of_the_spine(ratio):
    assert bony(ratio).value == pytest.approx(ratio, abs=0.1 * (1.0 + ratio))


def test_noise_is_no_detail_of_bone():
    assert bony(2.0, noise=0.03).value == pytest.approx(2.0, abs=0.35)


def test_bone_a_fifth_below_what_is_usual_stays_within_the_stated_uncertainty():
    thin = bony(1.0, strength=0.8)
    # (1 + 1) / 0.8 - 1 = 1.5
    assert thin.value == pytest.approx(1.5, abs=0.2)
    assert abs(thin.value - 1.0) < 1.5 * thin.sd


def test_a_field_without_an_inside_tells_nothing_by_bone():
    slit = np.abs(COLS - 130) < 3
    assert ratio_by_bone(patient().astype(np.float32), slit, 0.0, 0.25, MM_PER_PX) is None
