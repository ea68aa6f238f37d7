"""Random fields with a chosen grain, and reading them along detector rays in the patient's own plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from fluorospread.simulation.projection import CArm

FloatMap = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


def grain(rng: np.random.Generator, shape: tuple[int, int], sigma_px: Sequence[float] | float) -> FloatMap:
    """Periodic Gaussian noise of mean 0 and standard deviation 1, smooth over `sigma_px`."""
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma_px, mode="wrap")
    field -= field.mean()
    return np.asarray(field / max(float(field.std()), 1e-12), dtype=np.float32)


def smoothstep(value: npt.NDArray[np.floating]) -> Floats:
    """0 below 0, 1 above 1, smooth between."""
    t = np.clip(value, 0.0, 1.0).astype(np.float64)
    return np.asarray(t * t * (3.0 - 2.0 * t))


@dataclass(frozen=True)
class PlaneTexture:
    """A periodic field in a plane fixed to the patient, so that it moves with the patient between images.

    Attributes
    ----------
    origin_mm
        Point (x, y, z) of the plane where the field's first sample lies; the plane is coronal.
    spacing_mm
        Between samples, along x (columns) and z (rows).
    field
        (n, m) float32.
    """

    origin_mm: tuple[float, float, float]
    spacing_mm: float
    field: FloatMap

    def seen(self, carm: CArm, window: tuple[slice, slice] | None = None) -> FloatMap:
        """The field along each pixel's ray, over a window of the detector or all of it."""
        rows, cols = window or (slice(0, carm.rows), slice(0, carm.cols))
        corner, row_step, col_step = _ray_steps(carm, rows.start, cols.start)
        out = np.empty((rows.stop - rows.start, cols.stop - cols.start), dtype=np.float32)
        _read_plane(
            self.field, out, carm.source_mm - np.array(self.origin_mm), corner, row_step, col_step, self.spacing_mm
        )
        return out


def _ray_steps(carm: CArm, row: int, col: int) -> tuple[Floats, Floats, Floats]:
    """Ray (3,) of a pixel at unit depth along the beam, and its change per row and per column."""
    rows_axis, cols_axis, beam = carm.axes
    row_step = rows_axis * (carm.detector_spacing_mm[0] / carm.sid_mm)
    col_step = cols_axis * (carm.detector_spacing_mm[1] / carm.sid_mm)
    return beam + (row - carm.centre_px[0]) * row_step + (col - carm.centre_px[1]) * col_step, row_step, col_step


@numba.njit(cache=True)
def _read_plane(
    field: npt.NDArray[np.float32],
    out: npt.NDArray[np.float32],
    source: npt.NDArray[np.float64],
    corner: npt.NDArray[np.float64],
    row_step: npt.NDArray[np.float64],
    col_step: npt.NDArray[np.float64],
    spacing_mm: float,
) -> None:
    """Linear, periodic reading where each ray crosses the coronal plane y = 0; `source` is relative to it."""
    height, width = field.shape
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            ray_x = corner[0] + r * row_step[0] + c * col_step[0]
            ray_y = corner[1] + r * row_step[1] + c * col_step[1]
            ray_z = corner[2] + r * row_step[2] + c * col_step[2]
            depth = -source[1] / ray_y
            x = (source[0] + depth * ray_x) / spacing_mm
            z = (source[2] + depth * ray_z) / spacing_mm
            left, low = math.floor(x), math.floor(z)
            across, up = x - left, z - low
            i, j = int(low) % height, int(left) % width
            k, m = (i + 1) % height, (j + 1) % width
            out[r, c] = (1 - up) * ((1 - across) * field[i, j] + across * field[i, m]) + up * (
                (1 - across) * field[k, j] + across * field[k, m]
            )


def rays_on_plane(carm: CArm, window: tuple[slice, slice], point_mm: Floats, normal: Floats) -> Floats:
    """Where each pixel's ray meets a plane: patient points (rows, cols, 3) over a window of the detector."""
    corner, row_step, col_step = _ray_steps(carm, window[0].start, window[1].start)
    down = np.arange(window[0].stop - window[0].start)[:, None, None]
    along = np.arange(window[1].stop - window[1].start)[None, :, None]
    rays = corner + down * row_step + along * col_step
    depth = float(normal @ (point_mm - carm.source_mm)) / (rays @ normal)
    return np.asarray(carm.source_mm + depth[..., None] * rays)
