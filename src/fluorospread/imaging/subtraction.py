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
    slow_background,
    smooth,
    smooth_within,
)
from fluorospread.imaging.outlines import regions


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

    size = max(3, 2 * int(np.ceil(width_px / 2.0)) + 1)
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
            if spread[1] * np.sqrt(12.0) >= length_px and spread[0] * np.sqrt(12.0) <= width_px:
                region.paint(metal)
    if not metal.any():
        return signal, metal
    metal = ndimage.binary_dilation(metal, iterations=max(1, round(size / 3)))
    filled = smooth_within(signal, ~metal, width_px)
    return np.where(metal, filled, signal), metal


def explained_by_reference(change: Difference, region: BoolArray, blur_px: float, sectors: int = 12) -> float:
    """Share (0..1) of a region's outline that was in the reference already, mirrored; near 1 for gas that left.

    Where something dark has gone, the difference is the reference's own step with its sign turned: the area was
    darker than its ring by about what was gained, and along the outline the two gradients are opposite and
    equal, all the way round (counted in sectors, as one strong bone edge must not decide for all).
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
    ring = ndimage.binary_dilation(inside, iterations=reach) & ~inside & valid
    if not ring.any():
        return 0.0
    step = float(gained[inside].mean() - gained[ring].mean())
    if float(before[inside].mean() - before[ring].mean()) > -0.5 * step:
        return 0.0
    band = ndimage.binary_dilation(inside, iterations=2) & ~ndimage.binary_erosion(inside, iterations=2) & valid
    at_r, at_c = np.nonzero(band)
    angle = np.arctan2(at_r + top - rows.mean(), at_c + left - cols.mean())
    sector = np.minimum(((angle + np.pi) / (2 * np.pi) * sectors).astype(int), sectors - 1)
    d_r, d_c = (g[band] for g in gradient(gained))
    r_r, r_c = (g[band] for g in gradient(before))
    energy = np.bincount(sector, d_r**2 + d_c**2, minlength=sectors)
    opposed = -np.bincount(sector, d_r * r_r + d_c * r_c, minlength=sectors)
    present = energy > 0
    ratio = opposed[present] / energy[present]
    # 1 for gas that left and about 0 for iodine, whose chance meetings with bone edges scatter far either way;
    # the reference's own noise, which is in both images, gives 0.5 where there is no edge.
    return float(((ratio > 0.7) & (ratio < 1.6)).mean())


def mirrored_loss(change: Difference, region: BoolArray, reach_px: float, level: float) -> float:
    """Lost attenuation near a region over the gain inside it: about 1 where something only moved."""
    from scipy import ndimage

    rows, cols = np.nonzero(region)
    reach = int(np.ceil(reach_px))
    window = (
        slice(max(rows.min() - reach, 0), rows.max() + reach + 1),
        slice(max(cols.min() - reach, 0), cols.max() + reach + 1),
    )
    near = ndimage.distance_transform_edt(~region[window]) <= reach_px
    signal = change.signal[window]
    lost = -float(signal[near & change.valid[window] & (signal < -level)].sum())
    gained = float(signal[region[window]].sum())
    return lost / gained if gained > 0 else 0.0
