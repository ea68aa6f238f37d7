"""Aligns two images of the same patient: coarse shift by correlation, then a robust affine match.

The match minimises the difference of band-passed images over pixels with structure (Gauss-Newton, inverse
compositional: Baker & Matthews 2004), down-weighting outliers by Tukey's biweight so that contrast and needles
present in one image only do not pull it. What is left over in tiles measures how far to trust it. A smooth
displacement between tiles then follows breathing and bowel.

Matrices are 2x3 on (row, col, 1) and lead from the reference to the measured image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.normalisation import BoolArray, FloatArray
from fluorospread.imaging.structure_points import Matrix, StructurePair, correlation, residual, structure_pair
from fluorospread.imaging.tile_motion import tile_displacements


@dataclass(frozen=True)
class MatchSettings:
    """What counts as the same view.

    Attributes
    ----------
    largest_shift_mm
        Beyond it the periodic spine may lock one level off, so no match is looked for.
    fine_mm, coarse_mm
        Gaussian sds of the band: finer is noise, coarser is scatter and exposure.
    least_correlation
        Of the band-passed images after the match, 0..1; below it the match is refused.
    largest_strain
        Greatest stretch, shear or rotation (radians) of one patient between two images.
    largest_residual_mm
        Typical displacement left over in tiles; above it the match is refused.
    """

    largest_shift_mm: float = 15.0
    fine_mm: float = 0.6
    coarse_mm: float = 5.0
    least_correlation: float = 0.55
    largest_strain: float = 0.12
    largest_residual_mm: float = 1.5


@dataclass(frozen=True)
class Match:
    """Reference-to-measured matrix with its quality; `displacement` is what tiles add to it.

    `displacement` is (rows, cols, 2) px on a coarse grid over the reference: add it to `matrix @ point`.
    `uncertainty_px` is the 1-sd displacement left unexplained, `correlation` 0..1 (higher is better).
    """

    matrix: Matrix
    displacement: npt.NDArray[np.float64]
    uncertainty_px: float
    correlation: float

    def on_finer_grid(self, factor: int) -> Match:
        """The same match in pixels of which `factor` x `factor` made one of those it was found in."""
        return Match(
            _rescale(self.matrix, factor, 1), self.displacement * factor, self.uncertainty_px * factor, self.correlation
        )


@dataclass(frozen=True)
class MatchRefused:
    """Why two images were not taken for the same view."""

    reason: str


_IDENTITY = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


def match(
    reference: FloatArray,
    measured: FloatArray,
    valid: tuple[BoolArray, BoolArray],
    mm_per_px: float,
    settings: MatchSettings = MatchSettings(),
) -> Match | MatchRefused:
    """Align two images of equal shape; `valid` are their fields of view, `mm_per_px` sets the filter scales."""
    largest = max(reference.shape)
    finest = max(1, round(largest / 560))
    band = (settings.fine_mm / mm_per_px, settings.coarse_mm / mm_per_px)
    coarse = structure_pair(reference, measured, valid, finest * 2, band)
    fine = structure_pair(reference, measured, valid, finest, band)
    if coarse is None or fine is None:
        return MatchRefused("too little common field of view with structure to align the images")
    reach_px = settings.largest_shift_mm / mm_per_px / coarse.factor
    candidates = [_refine(coarse, start, rigid_first=True) for start in _coarse_shifts(coarse, reach_px)]
    matrix = max(candidates, key=lambda m: correlation(coarse, m))
    matrix = _refine(fine, _rescale(matrix, coarse.factor, fine.factor), rigid_first=False)
    likeness = correlation(fine, matrix)
    tiles, left_px = tile_displacements(fine, matrix)
    full = _rescale(matrix, fine.factor, 1)
    reason = _objection(full, likeness, left_px * fine.factor * mm_per_px, reference.shape, mm_per_px, settings)
    if reason:
        return MatchRefused(reason)
    return Match(full, tiles * fine.factor, max(left_px * fine.factor, 0.1), likeness)


def warp_to_measured(image: FloatArray, found: Match, valid: BoolArray) -> tuple[FloatArray, BoolArray]:
    """The reference `image` as it would lie in the measured image, and where it is known there."""
    from scipy import ndimage

    rows, cols = image.shape
    inverse = _inverse(found.matrix)
    linear, offset = inverse[:, :2], inverse[:, 2]
    if np.allclose(found.displacement, 0.0):
        warped = ndimage.affine_transform(image, linear, offset, order=1, mode="nearest")
        known = ndimage.affine_transform(valid.astype(np.float32), linear, offset, order=1, mode="constant")
        return warped, known > 0.999
    coordinates = np.empty((2, rows, cols), dtype=np.float32)
    grid_r, grid_c = np.arange(rows, dtype=np.float32)[:, None], np.arange(cols, dtype=np.float32)[None, :]
    zoom = (np.array(found.displacement.shape[:2])) / np.array(image.shape)
    for axis in range(2):
        field = ndimage.zoom(found.displacement[..., axis], 1.0 / zoom, order=1, mode="nearest", grid_mode=True)
        at = linear[axis, 0] * grid_r + linear[axis, 1] * grid_c + offset[axis]
        # The displacement is small and smooth, so the reference point it belongs to may be taken unshifted.
        coordinates[axis] = at - field[:rows, :cols]
    warped = ndimage.map_coordinates(image, coordinates, order=1, mode="nearest")
    known = ndimage.map_coordinates(valid.astype(np.float32), coordinates, order=1, mode="constant")
    return warped, known > 0.999


def _coarse_shifts(pair: StructurePair, reach_px: float) -> list[Matrix]:
    """No shift, and the best two shifts within reach by circular cross-correlation."""
    from scipy import fft

    shape = [fft.next_fast_len(n + int(reach_px) + 1, real=True) for n in pair.reference.shape]
    spectrum = np.conj(fft.rfft2(pair.reference, shape)) * fft.rfft2(pair.measured, shape)
    # Half whitening: between plain correlation (smeared by slow structure) and phase correlation (noise).
    magnitude = np.abs(spectrum)
    surface = fft.irfft2(spectrum / np.sqrt(magnitude + 1e-12 * magnitude.max() + 1e-30), shape)
    reach = int(reach_px)
    shifts_r, shifts_c = np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1), indexing="ij")
    window = np.where(np.hypot(shifts_r, shifts_c) <= reach_px, surface[shifts_r, shifts_c], -np.inf)
    starts = [_IDENTITY.copy()]
    for _ in range(2):
        at = np.unravel_index(int(np.argmax(window)), window.shape)
        shift = (float(shifts_r[at]), float(shifts_c[at]))
        starts.append(np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]]))
        window = np.where(np.hypot(shifts_r - shift[0], shifts_c - shift[1]) < 4, -np.inf, window)
    return starts


def _refine(pair: StructurePair, start: Matrix, rigid_first: bool) -> Matrix:
    matrix = start
    if rigid_first:
        matrix = _gauss_newton(pair, matrix, rigid=True, iterations=12)
    return _gauss_newton(pair, matrix, rigid=False, iterations=10)


def _gauss_newton(pair: StructurePair, start: Matrix, rigid: bool, iterations: int) -> Matrix:
    centre = pair.points.mean(axis=0)
    reach = max(pair.reference.shape) / 2.0
    local = (pair.points - centre) / reach
    g_r, g_c = pair.gradient[:, 0], pair.gradient[:, 1]
    if rigid:
        jacobian = np.stack([g_r, g_c, -g_r * local[:, 1] + g_c * local[:, 0]], axis=1)
    else:
        jacobian = np.stack(
            [g_r, g_c, g_r * local[:, 0], g_r * local[:, 1], g_c * local[:, 0], g_c * local[:, 1]], axis=1
        )
    matrix = start.copy()
    for _ in range(iterations):
        left, weight = residual(pair, matrix)
        weighted = jacobian * weight[:, None]
        normal = weighted.T @ jacobian
        normal[np.diag_indices_from(normal)] += 1e-9 * np.trace(normal) + 1e-30
        step = np.linalg.solve(normal, weighted.T @ left)
        delta = _step_matrix(step, rigid, centre, reach)
        matrix = _compose(matrix, _inverse(delta))
        if np.abs(step).max() < 0.01:
            break
    return matrix


def _step_matrix(step: npt.NDArray[np.float64], rigid: bool, centre: npt.NDArray[np.float64], reach: float) -> Matrix:
    t_r, t_c = step[0], step[1]
    if rigid:
        angle = step[2] / reach
        linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    else:
        linear = np.eye(2) + step[2:].reshape(2, 2) / reach
    offset = centre - linear @ centre + np.array([t_r, t_c])
    return np.column_stack([linear, offset])


def _objection(
    matrix: Matrix,
    likeness: float,
    left_mm: float,
    shape: tuple[int, ...],
    mm_per_px: float,
    settings: MatchSettings,
) -> str:
    """Why the match must be refused, in words; empty when it stands."""
    centre = np.array([shape[0] / 2.0, shape[1] / 2.0])
    shift_mm = float(np.hypot(*(matrix[:, :2] @ centre + matrix[:, 2] - centre))) * mm_per_px
    strain = float(np.abs(matrix[:, :2] - np.eye(2)).max())
    if likeness < settings.least_correlation:
        return f"the images do not show the same view (correlation {likeness:.2f} after alignment)"
    if shift_mm > 1.2 * settings.largest_shift_mm or strain > settings.largest_strain:
        return f"aligning the images would need an implausible move ({shift_mm:.0f} mm, strain {strain:.2f})"
    if left_mm > settings.largest_residual_mm:
        return f"parts of the images moved against each other by {left_mm:.1f} mm"
    return ""


def _rescale(matrix: Matrix, from_factor: int, to_factor: int) -> Matrix:
    """The same match on another shrink factor; block means put pixel centres at (i + 0.5) * factor - 0.5."""
    ratio = from_factor / to_factor
    shift = (ratio - 1.0) / 2.0
    linear = matrix[:, :2]
    offset = ratio * matrix[:, 2] + shift - linear @ np.array([shift, shift])
    return np.column_stack([linear, offset])


def _inverse(matrix: Matrix) -> Matrix:
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def _compose(outer: Matrix, inner: Matrix) -> Matrix:
    linear = outer[:, :2] @ inner[:, :2]
    return np.column_stack([linear, outer[:, :2] @ inner[:, 2] + outer[:, 2]])
