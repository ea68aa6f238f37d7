"""Scatter under a radiograph, estimated from the radiograph itself: over primary, with its uncertainty.

Three things in an image tell of its scatter. Behind the blades of the collimator nothing but scatter is read, and a
veil over the open field that explains it there says how much there is inside. Contrast fades where bone takes primary
away but no scatter, by as much as there is scatter. And the spine is an object about as dense in one adult as in the
next, whose detail scatter flattens. Where they contradict each other the uncertainty grows.

Nothing is known of the kernel but that it is smooth: Boone, Arnold and Seibert (Med Phys 13 (1986) 254) found a
Gaussian behind Lucite, Love and Kruger (Med Phys 14 (1987) 178) two of them, as is done
here. Scatter from the shade of blades: Siewerdsen and others (Med Phys 33 (2006) 187).

Arrays are (rows, cols) float32 natural-log pixels, attenuating = bright; lengths are in the patient plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.attenuation import ScatterRatio
from fluorospread.imaging.background import enlarged
from fluorospread.imaging.normalisation import BoolArray, FloatArray, shrink, shrink_mask, smooth, smooth_within
from fluorospread.imaging.outlines import grown

# A signal shrinks by 1 + ratio, so its logarithm is what is averaged. Alike likely from a good grid to none: 10:1 grids
# behind 15 to 30 cm leave 0.2 to 0.6 (docs/simulation_physics.md), no grid 1.9 behind 20 cm and twice that where bone
# is thick or the patient touches the detector.
_LOG_RANGE, _RANGE_EDGE_SD = (0.15, 1.5), 0.1
_LOG_GRID = np.linspace(0.02, 2.2, 437)
# Each way to tell may be far off at times: Student's t of so many degrees of freedom.
_FREEDOM = 4.0
# Gaussian sds of the veil's parts, mm, and of the whole where the shade says nothing.
_WIDTHS_MM = (35.0, 55.0, 85.0, 130.0)
# Beside the wide part a halo narrower by this factor holds this share.
_HALO, _HALO_WIDTH = 0.3, 0.3
_TYPICAL_MM = 60.0
_CELL_MM = 4.0
# Penumbra and the detector's blur keep the shade from being scatter alone.
_PENUMBRA_MM = 5.0
_ITERATIONS = 20
# Less than this share of what arrives is never primary.
_LEAST_PRIMARY = 0.1
# The shade must be read over this many cells, vary, and be explained to this share of its mean.
_FEWEST_CELLS, _LEAST_VARIATION, _LARGEST_MISFIT = 60, 0.02, 0.15
# Blades let some beam through, detectors glare, and more scatter comes from thick parts than from thin ones: 1 sd as a
# share of the ratio and at least, beside that of the kernel's width. Chosen on tuning pairs.
_SHADE_RELATIVE_SD, _LEAST_SHADE_SD = 0.25, 0.15
# Iodine attenuates less behind bone, too, as the beam is harder there: fading per natural log of bone that is not
# scatter. Patterns of iodine that follow bone pass for fading: 1 sd as a share of 1 + ratio. Chosen on tuning pairs.
_HARDENING, _PATTERN_SD = 0.10, 0.2
# Detail of bone between these Gaussian sds makes contrast fade; it is judged in blocks of this side.
_FINE_MM, _COARSE_MM, _BLOCK_MM = 0.4, 2.0, 14.0
_FEWEST_BLOCKS = 8
# More noise than this share of bone's detail is not taken for a measured share.
_LARGEST_NOISE = 0.5
# Ninth decile of bone's detail between these Gaussian sds, g/cm2, in the share of the field that has most of it within
# this reach, in images blurred by as much again: 0.62 on tuning images of 15 people, 1 sd a tenth. Mineral differs more
# in life, by 11 to 18 % within sexes and decades and by 15 % from young to old (Looker and others, Osteoporos Int 23
# (2012) 1351); gas and clothing add.
_BONE_G_CM2, _BONE_RELATIVE_SD = 0.62, 0.2
_BONE_FINE_MM, _BONE_COARSE_MM, _BONE_REACH_MM, _BONE_SHARE = 0.7, 4.0, 15.0, 0.4


@dataclass(frozen=True)
class Evidence:
    """One way to tell scatter over primary: the mean `ratio` over `where` it was told (where contrast is if None)."""

    source: str
    ratio: ScatterRatio
    where: BoolArray | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Veil:
    """Scatter over primary.

    Attributes
    ----------
    ratio
        (rows, cols) float32.
    mean
        Over the places asked for, with its 1 sd.
    source
        What it rests on, in words.
    """

    ratio: FloatArray
    mean: ScatterRatio
    source: str


def veil_of(reference: FloatArray, field: BoolArray, mm_per_px: float, told: Sequence[Evidence], at: BoolArray) -> Veil:
    """Scatter over primary in an image without contrast.

    Parameters
    ----------
    field
        True where the beam is open; what is read elsewhere is scatter, unless it is blanked.
    told
        What else tells of it: `ratio_by_bone`, `ratio_by_fading`.
    at
        True where the mean is taken: under the contrast.
    """
    factor = max(1, round(_CELL_MM / mm_per_px))
    shade = _ratio_by_shade(reference, field, factor, mm_per_px)
    known: list[Evidence] = []
    if shade is not None:
        shape, relative_sd = shade
        mean = float(shape[at].mean())
        ratio = ScatterRatio(mean, max(relative_sd * mean, _LEAST_SHADE_SD))
        known.append(Evidence("the shade behind the collimator", ratio))
    else:
        shape = _typical_shape(reference, field, factor, mm_per_px)
        mean = float(shape[at].mean())
    for evidence in told:
        elsewhere = mean if evidence.where is None else float(shape[evidence.where].mean())
        carried = evidence.ratio.value * mean / max(elsewhere, 1e-6)
        known.append(Evidence(evidence.source, ScatterRatio(carried, evidence.ratio.sd * mean / max(elsewhere, 1e-6))))
    combined = combined_ratio([evidence.ratio for evidence in known])
    scaled = (shape * np.float32(combined.value / max(mean, 1e-6))).astype(np.float32)
    sources = [evidence.source for evidence in known] or ["what is usual behind a lumbar spine"]
    return Veil(scaled, combined, " and ".join(sources))


def combined_ratio(known: Sequence[ScatterRatio]) -> ScatterRatio:
    """Independent ratios as one: mean and sd of the logarithm of 1 + ratio under all of them.

    Ratios that agree narrow it; ones that contradict each other leave it as wide as they are apart. Without any, it is
    what is usual.
    """
    low, high = _LOG_RANGE
    beyond = np.maximum(low - _LOG_GRID, 0.0) + np.maximum(_LOG_GRID - high, 0.0)
    log_likelihood = -0.5 * (beyond / _RANGE_EDGE_SD) ** 2
    for one in known:
        off = (_LOG_GRID - np.log1p(one.value)) * (1.0 + one.value) / one.sd
        log_likelihood -= 0.5 * (_FREEDOM + 1.0) * np.log1p(off**2 / _FREEDOM)
    weight = np.exp(log_likelihood - log_likelihood.max())
    weight /= weight.sum()
    mean = float(weight @ _LOG_GRID)
    sd = float(np.sqrt(weight @ (_LOG_GRID - mean) ** 2))
    shrunk = float(np.exp(mean))
    return ScatterRatio(shrunk - 1.0, shrunk * sd)


def ratio_by_bone(
    reference: FloatArray, valid: BoolArray, noise: float, bone_cm2_g: float, mm_per_px: float
) -> Evidence | None:
    """Scatter over primary from how flat the detail of the spine is; None without a field to look at.

    Parameters
    ----------
    valid
        True in the open field.
    noise
        1 sd of the image's noise between the same two blurs.
    bone_cm2_g
        What bone attenuates over soft tissue in this beam (`bone_mass_attenuation_cm2_g`).
    """
    inner = ~grown(np.pad(~valid, 1, constant_values=True), 2.0 * _BONE_COARSE_MM / mm_per_px)[1:-1, 1:-1]
    if inner.sum() * mm_per_px**2 < _BONE_REACH_MM**2:
        return None
    detail = bone_detail(reference, valid, mm_per_px)
    power = np.minimum(detail**2, np.quantile(detail[inner] ** 2, 0.98)).astype(np.float32)
    # Detail is judged where there is most of it, which is the spine wherever it lies in the field.
    local = smooth_within(power, valid, _BONE_REACH_MM / mm_per_px)
    spine = inner & (local >= np.quantile(local[inner], 1.0 - _BONE_SHARE))
    shown = float(np.quantile(np.abs(detail[spine]), 0.9))
    # 1.645 sds hold nine tenths of what is normal.
    clear = float(np.sqrt(max(shown**2 - (1.645 * noise) ** 2, (0.3 * shown) ** 2)))
    shrunk = max(bone_cm2_g * _BONE_G_CM2 / max(clear, 1e-6), 1.0)
    return Evidence("the detail of the spine", ScatterRatio(shrunk - 1.0, _BONE_RELATIVE_SD * shrunk), spine)


def bone_detail(image: FloatArray, valid: BoolArray, mm_per_px: float) -> FloatArray:
    """Detail of the size of bone's."""
    fine = smooth_within(image, valid, _BONE_FINE_MM / mm_per_px)
    return np.asarray(fine - smooth_within(image, valid, _BONE_COARSE_MM / mm_per_px), dtype=np.float32)


def ratio_by_fading(
    change: FloatArray, reference: FloatArray, inside: BoolArray, outside: BoolArray, mm_per_px: float
) -> Evidence | None:
    """Scatter over primary from how much contrast fades where bone is; None where too little of it lies over bone.

    Contrast of scatter-free signal s reads d = s / (1 + ratio). Bone of log detail b takes exp(-b) of the primary and
    none of the scatter, so that d falls by the share ratio * b. What bone's detail leaves in a difference without
    contrast (gain, blur) is taken from `outside`.

    Parameters
    ----------
    change
        Difference without background, natural logs.
    inside, outside
        True in the contrast, off its outline; and in comparable places without.
    """
    detail = smooth(reference, _FINE_MM / mm_per_px) - smooth(reference, _COARSE_MM / mm_per_px)
    fine = smooth(change, _FINE_MM / mm_per_px)
    weight = smooth(inside.astype(np.float32), _COARSE_MM / mm_per_px)
    level = smooth(np.where(inside, fine, np.float32(0)), _COARSE_MM / mm_per_px) / np.maximum(weight, 1e-3)
    slow_out = smooth(fine, _COARSE_MM / mm_per_px)
    apart = (fine - slow_out)[outside]
    imprint = _slope(detail[outside], apart)
    # The noise of both images is in their difference, that of one in what passes for bone and dilutes the slope.
    noise = 0.5 * float(np.var(apart)) / max(float(np.var(detail[outside])), 1e-12)
    fading = -level * detail
    excess = fine - level - np.float32(imprint) * detail
    rows, cols = np.nonzero(inside)
    side = max(1, round(_BLOCK_MM / mm_per_px))
    block = rows // side * (inside.shape[1] // side + 1) + cols // side
    products = np.bincount(block, (fading * excess)[rows, cols])
    squares = np.bincount(block, (fading * fading)[rows, cols])
    products, squares = products[squares > 0], squares[squares > 0]
    if len(squares) < _FEWEST_BLOCKS:
        return None
    total = float(squares.sum())
    value = float(products.sum()) / total
    # Blocks stand for themselves: iodine's own pattern is alike within one.
    error = float(np.sqrt(((products - value * squares) ** 2).sum() * len(squares) / (len(squares) - 1))) / total
    scale = 1.0 / (1.0 - min(noise, _LARGEST_NOISE)) / (1.0 + _HARDENING)
    ratio = max(scale * (value - _HARDENING), 0.0)
    sd = float(np.hypot(scale * error, _PATTERN_SD * (1.0 + ratio)))
    return Evidence("the fading of contrast over bone", ScatterRatio(ratio, sd))


def _slope(x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> float:
    energy = float((x.astype(np.float64) ** 2).sum())
    return float((x.astype(np.float64) * y).sum()) / energy if energy > 0 else 0.0


def _ratio_by_shade(
    reference: FloatArray, field: BoolArray, factor: int, mm_per_px: float
) -> tuple[FloatArray, float] | None:
    """Ratio (rows, cols) from what is read behind the blades, and its 1 sd as a share; None without a usable shade."""
    shade = shrink_mask(~grown(field, _PENUMBRA_MM / mm_per_px), factor)
    inside = shrink_mask(field, factor)
    if shade.sum() < _FEWEST_CELLS or not inside.any():
        return None
    arriving = _arriving(reference, field, factor)
    read = arriving[shade].astype(np.float64)
    if float(read.std()) < _LEAST_VARIATION * float(read.mean()):
        return None
    fits = [_fitted_veil(arriving, inside, shade, width / (mm_per_px * factor)) for width in _WIDTHS_MM]
    best = min(misfit for _, misfit in fits)
    if best > _LARGEST_MISFIT:
        return None
    # A kernel that explains the shade nearly as well as the best one may as well be the true one.
    likely = [veil for veil, misfit in fits if misfit < 1.5 * best + 0.02]
    ratios = [veil / np.maximum(arriving - veil, _LEAST_PRIMARY * arriving) for veil in likely]
    means = np.array([float(ratio[inside].mean()) for ratio in ratios])
    ratio = np.mean(ratios, axis=0).astype(np.float32)
    spread = float(np.ptp(means)) / (2.0 * float(means.mean()))
    return enlarged(ratio, factor, _shape(reference)), float(np.hypot(spread, _SHADE_RELATIVE_SD))


def _fitted_veil(
    arriving: FloatArray, inside: BoolArray, shade: BoolArray, width_px: float
) -> tuple[FloatArray, float]:
    """The veil of one kernel width that gives the shade on average, and its rms misfit there as a share."""
    primary = np.where(inside, 0.5 * arriving, np.float32(0)).astype(np.float32)
    veil, misfit = np.zeros_like(arriving), np.inf
    for _ in range(_ITERATIONS):
        spread = (1 - _HALO) * _spread(primary, width_px) + _HALO * _spread(primary, _HALO_WIDTH * width_px)
        share = spread[shade] / arriving[shade]
        amount = 1.0 / max(float(np.median(share)), 1e-9)
        veil = (amount * spread).astype(np.float32)
        misfit = float(np.sqrt(np.mean((amount * share - 1.0) ** 2)))
        target = np.maximum(arriving - veil, _LEAST_PRIMARY * arriving)
        # Half a step at a time: with more scatter than primary whole steps would swing ever wider.
        primary = np.where(inside, 0.7 * primary + 0.3 * target, np.float32(0)).astype(np.float32)
    return veil, misfit


def _arriving(reference: FloatArray, field: BoolArray, factor: int) -> FloatArray:
    """What arrives, over that in the middle of the field's pixels, on the coarse grid."""
    level = np.float32(np.median(reference[field]))
    return shrink(np.exp(-np.clip(reference - level, -8.0, 8.0)).astype(np.float32), factor)


def _typical_shape(reference: FloatArray, field: BoolArray, factor: int, mm_per_px: float) -> FloatArray:
    """Scatter over primary up to a factor: a smooth veil over what arrives."""
    inside = shrink_mask(field, factor)
    arriving = _arriving(reference, field, factor)
    veil = _spread(np.where(inside, arriving, np.float32(0)), _TYPICAL_MM / (mm_per_px * factor))
    shape: FloatArray = np.where(inside, veil / np.maximum(arriving, 1e-6), np.float32(0)).astype(np.float32)
    return enlarged(shape, factor, _shape(reference))


def _spread(primary: FloatArray, sigma_px: float) -> FloatArray:
    """Gaussian blur into which nothing comes from beyond the image."""
    from scipy import ndimage

    spread: FloatArray = ndimage.gaussian_filter(primary, sigma_px, mode="constant", truncate=3.5)
    return spread


def _shape(image: FloatArray) -> tuple[int, int]:
    return image.shape[0], image.shape[1]
