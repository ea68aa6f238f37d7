"""What one image has more than another: the difference of matched intensities, its noise, thin metal taken out.

Both images are line-integral-like (attenuating = bright) and already aligned. Positive = more attenuation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluorospread.imaging.normalisation import (
    BoolArray,
    FloatArray,
    apply_curve,
    fit_gain_offset,
    monotone_curve,
    robust_sd,
    slow_background,
    smooth_within,
)
from fluorospread.imaging.outlines import regions


@dataclass(frozen=True)
class Difference:
    """Measured minus intensity-matched reference, and that reference, both (rows, cols) float32 and blurred alike.

    `valid` is True where both images are known.
    """

    signal: FloatArray
    reference: FloatArray
    valid: BoolArray


def difference(
    measured: FloatArray, reference: FloatArray, valid: BoolArray, linear: bool, blur_px: float
) -> Difference:
    """Match intensities outside whatever differs, subtract, and take out what varies over the whole field.

    Parameters
    ----------
    linear
        True where pixels are natural logs: gain and offset suffice. Otherwise a monotone curve is fitted.
    """
    m, r = smooth_within(measured, valid, blur_px), smooth_within(reference, valid, blur_px)
    bulk = valid
    matched, signal = r, m - r
    for _ in range(2):
        if linear:
            gain, offset = fit_gain_offset(r, m, bulk)
            matched = gain * r + np.float32(offset)
        else:
            matched = apply_curve(r, monotone_curve(r, m, bulk))
        signal = m - matched
        signal = signal - slow_background(signal, bulk)
        spread = max(robust_sd(signal[bulk]), 1e-9)
        bulk = valid & (np.abs(signal) < 3.0 * spread)
        if bulk.sum() < 0.2 * valid.sum():
            bulk = valid
    return Difference(signal, matched, valid)


def without_thin_metal(
    signal: FloatArray, sd: FloatArray, width_px: float, length_px: float
) -> tuple[FloatArray, BoolArray]:
    """`signal` with straight thin structures, brighter or darker, filled in from beside; and where they were.

    A needle that is in one image only is such a structure: narrower than `width_px`, longer than `length_px`.
    """
    from scipy import ndimage

    # Steel far above the noise shows wider than it is, by its blurred flanks.
    size = max(3, 2 * int(np.ceil(0.8 * width_px)) + 1)
    metal = np.zeros(signal.shape, dtype=np.bool_)
    for sign in (1.0, -1.0):
        image = signal if sign > 0 else -signal
        height = image - ndimage.grey_opening(image, size=(size, size))
        for region in regions(height > 5.0 * sd):
            if region.area_px < length_px:
                break
            length, width = _length_and_width(np.where(region.pixels, height[region.window], 0.0))
            if length >= max(length_px, 4.0 * width) and width <= 1.2 * width_px:
                region.paint(metal)
    if not metal.any():
        return signal, metal
    metal = ndimage.binary_dilation(metal, iterations=max(1, round(size / 3)))
    filled = smooth_within(signal, ~metal, width_px)
    return np.where(metal, filled, signal), metal


def _length_and_width(height: FloatArray) -> tuple[float, float]:
    """Extent along and across of a straight structure, at half of its height: steel shows wider by its flanks."""
    peak = float(np.quantile(height[height > 0], 0.9))
    rows, cols = np.nonzero(height > 0.5 * peak)
    if rows.size < 3:
        return 0.0, 0.0
    across, along = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(np.stack([rows, cols]))), 0.0))
    # For a bar of length a and width b the two sds are a/sqrt(12) and b/sqrt(12).
    return float(along * np.sqrt(12.0)), float(across * np.sqrt(12.0))
