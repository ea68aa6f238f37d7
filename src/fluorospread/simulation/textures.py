"""Random fields with a chosen grain, and reading them along detector rays in the patient's own plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
        from scipy.ndimage import map_coordinates

        rows, cols = window or (slice(0, carm.rows), slice(0, carm.cols))
        at = rays_on_plane(carm, (rows, cols), np.array(self.origin_mm), np.array([0.0, 1.0, 0.0]))
        coordinates = [
            (at[..., 2] - self.origin_mm[2]) / self.spacing_mm,
            (at[..., 0] - self.origin_mm[0]) / self.spacing_mm,
        ]
        return np.asarray(map_coordinates(self.field, coordinates, order=1, mode="grid-wrap"), dtype=np.float32)


def rays_on_plane(carm: CArm, window: tuple[slice, slice], point_mm: Floats, normal: Floats) -> Floats:
    """Where each pixel's ray meets a plane: patient points (rows, cols, 3) over a window of the detector."""
    rows_axis, cols_axis, beam = carm.axes
    down = (np.arange(window[0].start, window[0].stop) - carm.centre_px[0]) * carm.detector_spacing_mm[0] / carm.sid_mm
    along = (np.arange(window[1].start, window[1].stop) - carm.centre_px[1]) * carm.detector_spacing_mm[1] / carm.sid_mm
    rays = beam + down[:, None, None] * rows_axis + along[None, :, None] * cols_axis
    depth = float(normal @ (point_mm - carm.source_mm)) / (rays @ normal)
    return np.asarray(carm.source_mm + depth[..., None] * rays)
