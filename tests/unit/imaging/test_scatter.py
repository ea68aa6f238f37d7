"""Scatter of known amount laid over a drawn patient, by kernels unlike the one that is fitted, and told again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from fluorospread.imaging.attenuation import ScatterRatio
from fluorospread.imaging.scatter import PRIOR, ratio_by_fading, veil_of

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
    found = veil_of(read, FIELD, MM_PER_PX, None, POOL)
    assert "shade" in found.source
    assert found.mean.sd < 0.75 * PRIOR.sd
    assert abs(found.mean.value - ratio) < 2.0 * found.mean.sd
    assert float(found.ratio[POOL].mean()) == pytest.approx(found.mean.value, rel=0.02)


@pytest.mark.parametrize("outside", [9.0, None])
def test_blanked_or_meaningless_pixels_outside_the_field_tell_nothing(outside):
    log = patient()
    rng = np.random.default_rng(1)
    read = np.where(FIELD, log, rng.normal(6.0, 1.5, SHAPE) if outside is None else outside).astype(np.float32)
    found = veil_of(read, FIELD, MM_PER_PX, None, POOL)
    assert found.mean.value == pytest.approx(PRIOR.value)
    assert found.mean.sd == pytest.approx(PRIOR.sd)
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
    return ratio_by_fading(change, before.astype(np.float32), inside, beside, MM_PER_PX)


@pytest.mark.parametrize("ratio", [0.3, 1.0, 2.0])
def test_contrast_fades_over_bone_by_as_much_as_there_is_scatter(ratio):
    found = faded(ratio)
    assert found is not None
    # A beam of one energy does not harden, so that what is taken off for hardening (0.1) is missing.
    assert found.value == pytest.approx(ratio - 0.1, abs=0.2 * (1.0 + ratio))
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


def test_independent_knowledge_narrows_the_ratio():
    log = patient().astype(np.float32)
    alone = veil_of(log, EVERYWHERE, MM_PER_PX, None, POOL).mean
    both = veil_of(log, EVERYWHERE, MM_PER_PX, PRIOR, POOL).mean
    # The same again: the same ratio, and 1 sd smaller by the root of two.
    assert alone.value == pytest.approx(PRIOR.value)
    assert alone.sd == pytest.approx(PRIOR.sd)
    assert both.value == pytest.approx(PRIOR.value)
    assert both.sd == pytest.approx(PRIOR.sd / np.sqrt(2.0))


def test_ratios_are_averaged_by_the_logarithm_of_how_much_they_shrink_a_signal():
    log = patient().astype(np.float32)
    # 1 + ratio of 2.1 and 8.4, known equally well in the logarithm: their geometric mean is 4.2.
    other = ScatterRatio(7.4, 8.4 * PRIOR.sd / (1.0 + PRIOR.value))
    assert veil_of(log, EVERYWHERE, MM_PER_PX, other, POOL).mean.value == pytest.approx(3.2)
