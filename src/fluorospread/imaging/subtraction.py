"""What one image has more than another: difference, its noise, thin metal taken out, what gas would explain.

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
    gradient,
    monotone_curve,
    robust_sd,
    shrink,
    shrink_mask,
    slow_background,
    smooth,
    smooth_within,
)
from fluorospread.imaging.outlines import regions, rim


@dataclass(frozen=True)
class Difference:
    """Measured minus intensity-matched reference, blurred by `blur_px`.

    `sd` is the local 1-sd noise of `signal` (noise and what a residual misalignment of `misfit_px` makes of
    edges), both (rows, cols) float32. `reference` is the matched reference under the same blur.
    """

    signal: FloatArray
    sd: FloatArray
    reference: FloatArray
    valid: BoolArray
    floor_sd: float


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
    floor = max(robust_sd(signal[bulk]), 1e-9)
    return Difference(signal, _local_sd(signal, matched, bulk, floor), matched, valid, floor)


def _local_sd(signal: FloatArray, reference: FloatArray, bulk: BoolArray, floor: float) -> FloatArray:
    """Noise that grows with the reference's gradient, as a small misalignment does."""
    grad_r, grad_c = gradient(reference)
    steepness = np.hypot(grad_r, grad_c)
    x, y = steepness[bulk][::7], np.abs(signal[bulk][::7])
    if x.size < 200:
        return np.full(signal.shape, floor, dtype=np.float32)
    steep = x >= np.quantile(x, 0.9)
    typical = float(np.median(x[steep]))
    flat_sd = 1.4826 * float(np.median(y[~steep]))
    steep_sd = 1.4826 * float(np.median(y[steep]))
    per_gradient = np.sqrt(max(steep_sd**2 - flat_sd**2, 0.0)) / max(typical, 1e-12)
    local: FloatArray = np.hypot(np.float32(max(flat_sd, 1e-9)), (per_gradient * steepness).astype(np.float32))
    return local


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
        opened = ndimage.grey_opening(image, size=(size, size))
        thin = (image - opened) > 5.0 * sd
        for region in regions(thin):
            rows, cols = np.nonzero(region.pixels)
            if rows.size < length_px:
                break
            spread = np.sqrt(np.linalg.eigvalsh(np.cov(np.stack([rows, cols]))))
            # For a bar of length a and width b the two sds are a/sqrt(12) and b/sqrt(12).
            length, width = spread[1] * np.sqrt(12.0), spread[0] * np.sqrt(12.0)
            if length >= max(length_px, 5.0 * width) and width <= 2.0 * width_px:
                region.paint(metal)
    if not metal.any():
        return signal, metal
    metal = ndimage.binary_dilation(metal, iterations=max(1, round(size / 3)))
    filled = smooth_within(signal, ~metal, width_px)
    return np.where(metal, filled, signal), metal


def explained_by_reference(change: Difference, region: BoolArray, blur_px: float) -> float:
    """How well a region's gain is the reference's own dark spot with the sign turned: near 1 for gas that left.

    The smaller of two correlations, of the values in and about the region and of the gradients along its
    outline, where the size fits; iodine meets the reference's edges by chance only (0.3 to 0.5 over bone).
    """
    from scipy import ndimage

    rows, cols = np.nonzero(region)
    if rows.size < 30:
        return 0.0
    reach = int(np.ceil(4.0 * blur_px))
    top, left = max(int(rows.min()) - reach, 0), max(int(cols.min()) - reach, 0)
    window = (slice(top, int(rows.max()) + reach + 1), slice(left, int(cols.max()) + reach + 1))
    inside, valid = region[window], change.valid[window]
    gained, before = (smooth(image[window], blur_px) for image in (change.signal, change.reference))
    about = ndimage.binary_dilation(inside, iterations=reach) & valid
    band = ndimage.binary_dilation(inside, iterations=3) & ~ndimage.binary_erosion(inside, iterations=3) & valid
    by_value = _opposed(gained[about] - gained[about].mean(), before[about] - before[about].mean())
    by_edge = _opposed(*(np.concatenate([g[band] for g in gradient(image)]) for image in (gained, before)))
    return min(by_value, by_edge)


def where_gas_left(change: Difference, region: BoolArray, blur_px: float, reach_px: float) -> BoolArray:
    """Pixels of a region where the reference is as dark as gas nearby: its gain is gas that left.

    Only arriving gas makes the measured image much darker, so where it did, both images tell what gas and what
    tissue looks like within `reach_px` (1 sd). A reference nearer to gas than to tissue was gas there; over
    iodine it is tissue. Works pixel by pixel, so that a pool keeps its part of a region that it shares with gas.
    """
    factor = max(1, int(reach_px / 6.0))
    sd = reach_px / factor
    before = shrink(change.reference, factor)
    signal = smooth(shrink(change.signal, factor), blur_px / factor)
    arrived = (signal < -4.0 * change.floor_sd) & shrink_mask(change.valid, factor)
    if not arrived.any():
        return np.zeros_like(region)
    weight = np.where(arrived, np.abs(signal), np.float32(0)).astype(np.float32)
    total = np.maximum(smooth(weight, sd), 1e-9)
    tissue = smooth(weight * before, sd) / total
    gas = smooth(weight * (before + signal), sd) / total
    near = smooth(arrived.astype(np.float32), sd) > 0.02
    # Partly gas shows between the two; 0.7 was set on simulated pairs with contrast.
    left = near & (before < 0.7 * tissue + 0.3 * gas)
    found = np.zeros_like(region)
    full = np.repeat(np.repeat(left, factor, axis=0), factor, axis=1)
    found[: full.shape[0], : full.shape[1]] = full
    return found & region


def _opposed(gained: FloatArray, before: FloatArray) -> float:
    """Negative correlation of two zero-mean samples; 0 where one is not about the size of the other."""
    energy, own = float((gained**2).sum()), float((before**2).sum())
    together = -float((gained * before).sum())
    if energy <= 0 or own <= 0 or not 0.5 < together / energy < 1.6:
        return 0.0
    return together / float(np.sqrt(energy * own))


def mirrored_loss(change: Difference, region: BoolArray, reach_px: float) -> float:
    """Area near a region that lost as much as the region gained, over the region's area.

    About 1 beside something that only moved, such as gas; about 0 beside iodine, which adds and takes nothing.
    """
    from scipy import ndimage

    rows, cols = np.nonzero(region)
    reach = int(np.ceil(reach_px))
    window = (
        slice(max(int(rows.min()) - reach, 0), int(rows.max()) + reach + 1),
        slice(max(int(cols.min()) - reach, 0), int(cols.max()) + reach + 1),
    )
    inside, signal = region[window], change.signal[window]
    near = (ndimage.distance_transform_edt(~inside) <= reach_px) & change.valid[window]
    gained = float(np.median(signal[inside]))
    # Much deeper than the gain is gas of its own accord beside a faint pool, not the pool's other half.
    lost = near & (signal < -0.6 * gained) & (signal > -3.0 * gained)
    return float(lost.sum()) / float(inside.sum())


def share_at_edge(region: BoolArray, valid: BoolArray, reach_px: int) -> float:
    """Share of a region's rim that lies within `reach_px` of the edge of what is known."""
    from scipy import ndimage

    rows, cols = rim(region)
    inner = ndimage.binary_erosion(valid, iterations=reach_px, border_value=0)
    return float((~inner[rows, cols]).mean()) if rows.size else 0.0
