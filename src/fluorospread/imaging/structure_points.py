"""Two images of one patient in, the points of the first that carry structure and how well they meet the second.

Images are band-passed: finer detail is noise, slower is scatter and exposure. Outliers (contrast and needles in one
image only) are recognised by their residual.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.normalisation import (
    BoolArray,
    FloatArray,
    gradient,
    robust_sd,
    shrink,
    shrink_mask,
    smooth,
    smooth_within,
)

Matrix = npt.NDArray[np.float64]
"""2x3 on (row, col, 1)."""

_MOST_POINTS = 40_000
# Residuals beyond this many robust sds belong to what is in one image only.
_CUT_SD = 4.0


@dataclass(frozen=True)
class StructurePair:
    """Band-passed images at one resolution with the reference points that carry structure.

    Attributes
    ----------
    reference, measured
        (rows, cols) band-passed.
    measured_valid
        True where the measured image may be sampled.
    points, values, gradient
        (n, 2) places in the reference, its (n,) values and (n, 2) slopes there.
    factor
        Pixels of the images given along one pixel of these.
    """

    reference: FloatArray
    measured: FloatArray
    measured_valid: BoolArray
    points: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    gradient: npt.NDArray[np.float64]
    factor: int


def structure_pair(
    reference: FloatArray,
    measured: FloatArray,
    valid: tuple[BoolArray, BoolArray],
    factor: int,
    band_px: tuple[float, float],
) -> StructurePair | None:
    """Band-pass both images on a grid coarser by `factor`; None where too little of them has structure.

    Parameters
    ----------
    band_px
        Gaussian sds of the finest and the coarsest detail, in pixels of the images given.
    """
    small_valid = (shrink_mask(valid[0], factor), shrink_mask(valid[1], factor))
    fine, coarse = band_px[0] / factor, band_px[1] / factor
    bands = []
    for image, inside in zip((reference, measured), small_valid, strict=True):
        if inside.sum() < 400:
            return None
        small = shrink(image, factor)
        bands.append(_band(small, inside, fine, coarse))
    from scipy import ndimage

    # Keep off the collimator's edge, which stays put while the patient moves.
    margin = max(2, int(np.ceil(coarse)))
    inner = ndimage.binary_erosion(small_valid[0], iterations=margin, border_value=0)
    inner_measured = ndimage.binary_erosion(small_valid[1], iterations=margin, border_value=0)
    gradient_r, gradient_c = gradient(bands[0])
    energy = np.where(inner, gradient_r**2 + gradient_c**2, 0.0)
    if inner.sum() < 400 or inner_measured.sum() < 400 or energy.max() == 0:
        return None
    keep = min(_MOST_POINTS, int(0.35 * inner.sum()))
    threshold = np.partition(energy.ravel(), -keep)[-keep]
    rows, cols = np.nonzero((energy >= max(threshold, 1e-30)) & inner)
    points = np.stack([rows, cols], axis=1).astype(np.float64)
    slopes = np.stack([gradient_r[rows, cols], gradient_c[rows, cols]], axis=1).astype(np.float64)
    return StructurePair(bands[0], bands[1], inner_measured, points, bands[0][rows, cols].astype(float), slopes, factor)


def _band(image: FloatArray, valid: BoolArray, fine_px: float, coarse_px: float) -> FloatArray:
    """Band-passed and clipped at 4 robust sd, so that metal weighs no more than bone."""
    slow = smooth_within(image, valid, coarse_px)
    band = smooth(np.where(valid, image - slow, np.float32(0)), fine_px)
    limit = 4.0 * max(robust_sd(band[valid]), 1e-9)
    return np.clip(band, -limit, limit).astype(np.float32)


def residual(
    pair: StructurePair, matrix: Matrix, beyond: npt.NDArray[np.float64] | None = None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Measured (gain-matched) minus reference at the points, and their robust weights (Tukey's biweight).

    Parameters
    ----------
    beyond
        (n, 2) px that each point moved beyond what the matrix says.
    """
    sampled, inside = _sample(pair, matrix, beyond)
    if inside.sum() < 100:
        return np.zeros(len(pair.values)), np.zeros(len(pair.values))
    x, y = sampled[inside], pair.values[inside]
    left = _robust_gain(x, y) * sampled - pair.values
    scale = max(robust_sd(left[inside]), 1e-9)
    weight = np.clip(1.0 - (left / (_CUT_SD * scale)) ** 2, 0.0, None) ** 2
    return left, weight * inside


def _robust_gain(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
    gain = 1.0
    for _ in range(3):
        left = gain * x - y
        keep = np.abs(left) <= 3.0 * max(robust_sd(left), 1e-9)
        energy = float((x[keep] ** 2).sum())
        if energy <= 0:
            return 1.0
        # The amplitude of the same bone cannot change without bound between two exposures.
        gain = float(np.clip((x[keep] * y[keep]).sum() / energy, 0.4, 2.5))
    return gain


def _sample(
    pair: StructurePair, matrix: Matrix, beyond: npt.NDArray[np.float64] | None = None
) -> tuple[npt.NDArray[np.float64], BoolArray]:
    from scipy import ndimage

    at = pair.points @ matrix[:, :2].T + matrix[:, 2]
    if beyond is not None:
        at = at + beyond
    sampled = ndimage.map_coordinates(pair.measured, at.T, order=1, mode="constant")
    rows, cols = pair.measured_valid.shape
    nearest = np.rint(at).astype(int)
    inside: BoolArray = np.all((nearest >= 0) & (nearest < (rows, cols)), axis=1)
    inside[inside] = pair.measured_valid[nearest[inside, 0], nearest[inside, 1]]
    return sampled.astype(np.float64), inside


def correlation(pair: StructurePair, matrix: Matrix) -> float:
    """Correlation over the points that are not outliers; 0 when too few overlap."""
    sampled, inside = _sample(pair, matrix)
    if inside.sum() < 0.3 * len(inside):
        return 0.0
    x, y = sampled[inside], pair.values[inside]
    left = _robust_gain(x, y) * x - y
    keep = np.abs(left) <= 3.0 * max(robust_sd(left), 1e-9)
    x, y = x[keep], y[keep]
    norm = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / norm if norm > 0 else 0.0
