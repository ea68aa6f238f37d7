"""Noise, intensity matching and slow backgrounds of radiographs, all robust to a minority of outliers.

Arrays are (rows, cols) float32; masks are True where a pixel may be used.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

# Median absolute deviation of a normal distribution times this is its standard deviation.
_MAD_TO_SD = 1.4826


def robust_sd(values: npt.NDArray[np.floating]) -> float:
    """Standard deviation of the bulk of `values` (1-D or more); 0 for fewer than two."""
    if values.size < 2:
        return 0.0
    values = values.ravel()
    # A quarter of a million values give it to 0.2 %; medians of a whole image would take most of the time.
    values = values[:: max(1, values.size // 250_000)]
    return float(_MAD_TO_SD * np.median(np.abs(values - np.median(values))))


def smooth(image: FloatArray, sigma_px: float) -> FloatArray:
    """Gaussian blur; a sigma below 0.3 px leaves the image as it is."""
    if sigma_px < 0.3:
        return image
    from scipy import ndimage

    blurred: FloatArray = ndimage.gaussian_filter(image, sigma_px, truncate=3.0)
    return blurred


def smooth_within(image: FloatArray, valid: BoolArray, sigma_px: float) -> FloatArray:
    """Gaussian blur that ignores pixels outside `valid` (normalised convolution); fills them, too."""
    weight = smooth(valid.astype(np.float32), sigma_px)
    blurred = smooth(np.where(valid, image, np.float32(0)), sigma_px)
    fill = np.float32(np.median(image[valid])) if valid.any() else np.float32(0)
    return np.where(weight > 1e-3, blurred / np.maximum(weight, 1e-3), fill)


def gradient(image: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Central differences along rows and along columns, per pixel."""
    along_rows, along_cols = np.gradient(image)
    return np.asarray(along_rows, dtype=np.float32), np.asarray(along_cols, dtype=np.float32)


def shrink(image: FloatArray, factor: int) -> FloatArray:
    """Mean over `factor` x `factor` blocks; rows and columns that do not fill a block are dropped."""
    if factor == 1:
        return image
    rows, cols = image.shape[0] // factor, image.shape[1] // factor
    # Whole strided rows and columns are added ten times as fast as a mean over two axes of blocks.
    along = image[: rows * factor : factor, : cols * factor].astype(np.float32)
    for row in range(1, factor):
        along += image[row : rows * factor : factor, : cols * factor]
    shrunk: FloatArray = along[:, ::factor].copy()
    for col in range(1, factor):
        shrunk += along[:, col::factor]
    return shrunk / np.float32(factor * factor)


def shrink_mask(mask: BoolArray, factor: int) -> BoolArray:
    """True where every pixel of a block is True."""
    return shrink(mask.astype(np.float32), factor) > 0.999


def fit_gain_offset(reference: FloatArray, measured: FloatArray, valid: BoolArray) -> tuple[float, float]:
    """(gain, offset) with measured = gain * reference + offset over the bulk of the valid pixels.

    Iteratively reweighted least squares with Tukey's biweight, so contrast in a minority does not count.
    """
    x, y = reference[valid].astype(np.float64), measured[valid].astype(np.float64)
    step = max(1, x.size // 60_000)
    x, y = x[::step], y[::step]
    if x.size < 16 or np.ptp(x) == 0:
        return 1.0, float(np.median(y - x)) if x.size else 0.0
    gain, offset = 1.0, float(np.median(y - x))
    for _ in range(20):
        residual = y - gain * x - offset
        scale = max(robust_sd(residual), 1e-9)
        weight = np.clip(1.0 - (residual / (4.0 * scale)) ** 2, 0.0, None) ** 2
        total = weight.sum()
        mean_x, mean_y = (weight * x).sum() / total, (weight * y).sum() / total
        spread = (weight * (x - mean_x) ** 2).sum()
        new_gain = (weight * (x - mean_x) * (y - mean_y)).sum() / spread if spread > 0 else 1.0
        new_offset = mean_y - new_gain * mean_x
        done = abs(new_gain - gain) < 1e-5 and abs(new_offset - offset) < 1e-6 * (1 + abs(offset))
        gain, offset = float(new_gain), float(new_offset)
        if done:
            break
    return gain, offset


def monotone_curve(reference: FloatArray, measured: FloatArray, valid: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Knots (reference values, measured values) of the non-decreasing curve through the conditional medians.

    For pixels with an unknown display curve: no linear relation holds, but order does.
    """
    x, y = reference[valid], measured[valid]
    step = max(1, x.size // 120_000)
    x, y = x[::step], y[::step]
    if x.size < 64:
        raise ValueError(f"matching two images needs at least 64 common pixels, got {x.size}")
    edges = np.unique(np.quantile(x, np.linspace(0.0, 1.0, 49)))
    place = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, max(len(edges) - 2, 0))
    order = np.argsort(place, kind="stable")
    groups = np.split(order, np.searchsorted(place[order], np.arange(1, max(len(edges) - 1, 1))))
    knots_x = np.array([np.median(x[g]) for g in groups if g.size >= 8], dtype=np.float32)
    knots_y = np.array([np.median(y[g]) for g in groups if g.size >= 8], dtype=np.float64)
    counts = np.array([g.size for g in groups if g.size >= 8], dtype=np.float64)
    return knots_x, _pool_adjacent_violators(knots_y, counts).astype(np.float32)


def apply_curve(image: FloatArray, knots: tuple[FloatArray, FloatArray]) -> FloatArray:
    """`image` through the curve, continued beyond its ends with the slope of the outer quarter."""
    x, y = knots
    mapped = np.interp(image, x, y).astype(np.float32)
    outer = max(2, len(x) // 4)
    for end, beyond in ((slice(0, outer), image < x[0]), (slice(-outer, None), image > x[-1])):
        span = float(x[end][-1] - x[end][0])
        slope = float(y[end][-1] - y[end][0]) / span if span > 0 else 1.0
        at = 0 if end.start == 0 else -1
        mapped[beyond] = y[at] + slope * (image[beyond] - x[at])
    return mapped


def _pool_adjacent_violators(
    values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Weighted least-squares non-decreasing fit (Barlow et al. 1972)."""
    means: list[float] = []
    masses: list[float] = []
    lengths: list[int] = []
    for value, weight in zip(values, weights, strict=True):
        means.append(float(value))
        masses.append(float(weight))
        lengths.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            mass = masses[-2] + masses[-1]
            means[-2:] = [(means[-2] * masses[-2] + means[-1] * masses[-1]) / mass]
            masses[-2:] = [mass]
            lengths[-2:] = [lengths[-2] + lengths[-1]]
    return np.repeat(means, lengths)


def slow_background(image: FloatArray, valid: BoolArray, order: int = 2) -> FloatArray:
    """Polynomial surface of the given order through the bulk of the valid pixels.

    Takes out what scatter and exposure control change over the whole field between two images. Pixels above
    the surface lose weight sooner than those below, because contrast only ever adds.
    """
    rows, cols = image.shape
    r = np.linspace(-1.0, 1.0, rows)
    c = np.linspace(-1.0, 1.0, cols)
    powers = [(i, j) for i in range(order + 1) for j in range(order + 1 - i)]
    step = max(1, int(np.sqrt(rows * cols / 20_000)))
    chosen = valid[::step, ::step]
    values = image[::step, ::step][chosen].astype(np.float64)
    if values.size < 10 * len(powers):
        return np.full(image.shape, np.median(image[valid]) if valid.any() else 0.0, dtype=np.float32)
    grid_r, grid_c = np.meshgrid(r[::step], c[::step], indexing="ij")
    design = np.stack([grid_r[chosen] ** i * grid_c[chosen] ** j for i, j in powers], axis=1)
    coefficients: npt.NDArray[np.floating] = np.zeros(len(powers))
    coefficients[0] = np.median(values)
    for _ in range(12):
        residual = values - design @ coefficients
        scale = max(robust_sd(residual), 1e-9)
        cut = np.where(residual > 0, 2.5, 4.0) * scale
        weight = np.clip(1.0 - (residual / cut) ** 2, 0.0, None) ** 2
        root = np.sqrt(weight)[:, None]
        coefficients = np.linalg.lstsq(design * root, values * root[:, 0], rcond=None)[0]
    surface = np.zeros(image.shape, dtype=np.float32)
    for (i, j), coefficient in zip(powers, coefficients, strict=True):
        surface += (coefficient * np.outer(r**i, c**j)).astype(np.float32)
    return surface
