"""What varies slowly over a difference image, told from what lies in a few places: veil and thickness from pools.

Two exposures of one patient differ by scatter, exposure control and how soft tissue lies; contrast, gas and
metal differ in places. The slow part is interpolated over those places from what surrounds them.
"""

from __future__ import annotations

import numpy as np

from fluorospread.imaging.normalisation import (
    BoolArray,
    FloatArray,
    robust_sd,
    shrink,
    slow_background,
    smooth,
)
from fluorospread.imaging.outlines import grown, hysteresis

# Places count as changed from here on, in sds of the smoothed difference, and reach down to there.
_CHANGED_SD, _CHANGED_FOOT_SD = 4.0, 1.6
_CHANGED_BLUR_MM, _CHANGED_RIM_MM = 2.0, 3.0
# Interpolation reaches this many times its own width where a changed place is wide, at next to no weight else.
_WIDER = ((1.0, 1.0), (2.5, 0.03), (8.0, 0.001))


def changed_places(change: FloatArray, valid: BoolArray, mm_per_px: float) -> BoolArray:
    """Pixels where the difference stands out from its surroundings, either way, and a rim of 3 mm about them."""
    calm = smooth(change, _CHANGED_BLUR_MM / mm_per_px)
    size = np.abs(calm - np.float32(np.median(calm[valid])))
    sd = max(robust_sd(calm[valid]), 1e-9)
    apart = hysteresis((size > _CHANGED_SD * sd) & valid, (size > _CHANGED_FOOT_SD * sd) & valid)
    return grown(apart, _CHANGED_RIM_MM / mm_per_px)


def without_background(
    change: FloatArray, valid: BoolArray, mm_per_px: float, reach_mm: float
) -> tuple[FloatArray, BoolArray]:
    """The difference without what varies over `reach_mm` (1 sd) and more, and the pixels that it was taken from."""
    change = change - slow_background(change, valid)
    quiet = valid
    for _ in range(3):
        unchanged = valid & ~changed_places(change, valid, mm_per_px)
        # Where nearly everything changed, what is left says nothing about the rest.
        if unchanged.sum() < 0.15 * valid.sum():
            break
        quiet = unchanged
        change = change - interpolated(change, quiet, reach_mm / mm_per_px)
    return change, quiet


def interpolated(image: FloatArray, known: BoolArray, sigma_px: float) -> FloatArray:
    """Slow part of `image` from its `known` pixels alone, over the whole image (normalised convolution)."""
    factor = max(1, int(sigma_px / 5.0))
    # A remainder at the edge would be dropped by the blocks.
    pad = [(0, -size % factor) for size in image.shape]
    weight = shrink(np.pad(known.astype(np.float32), pad), factor)
    value = shrink(np.pad(np.where(known, image, np.float32(0)), pad), factor)
    total, weights = np.zeros_like(value), np.zeros_like(value)
    for wider, share in _WIDER:
        total += np.float32(share) * smooth(value, wider * sigma_px / factor)
        weights += np.float32(share) * smooth(weight, wider * sigma_px / factor)
    slow = (total / np.maximum(weights, 1e-9)).astype(np.float32)
    return enlarged(slow, factor, (image.shape[0], image.shape[1]))


def enlarged(image: FloatArray, factor: int, shape: tuple[int, int]) -> FloatArray:
    """An image of `shape` whose blocks of `factor` pixels have their centres on the pixels of `image` (linear).

    Pixels beyond the last whole block repeat the last ones.
    """
    if factor == 1 and image.shape == shape:
        return image
    from scipy import ndimage

    large = ndimage.zoom(image, factor, order=1, mode="nearest", grid_mode=True)
    missing = [(0, max(0, wanted - have)) for wanted, have in zip(shape, large.shape, strict=True)]
    result: FloatArray = np.pad(large, missing, mode="edge")[: shape[0], : shape[1]].astype(np.float32)
    return result
