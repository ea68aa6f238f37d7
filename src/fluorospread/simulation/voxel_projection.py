"""A volume of attenuation on a grid of voxels to line integrals along each detector pixel's ray.

Joseph's method: a ray is sampled once in every layer of voxels across the axis it runs along most, linearly
between the four voxel centres around it there. Outside the volume there is nothing; between the outermost
centres and the outside the volume falls off linearly over one voxel. Rows of the detector are shared among
numba's threads.

References
----------
Joseph, IEEE Trans Med Imaging 1 (1982) 192.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numba
import numpy as np
import numpy.typing as npt

from fluorospread.errors import GeometryError
from fluorospread.simulation.projection import CArm

FloatMap = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class VoxelVolume:
    """Attenuation on a grid along the patient's axes.

    Attributes
    ----------
    per_mm
        (z, y, x) float32, linear attenuation coefficient, 1/mm (or any density: its line integral is given).
    first_mm
        Patient point (x, y, z) of the centre of voxel (0, 0, 0).
    spacing_mm
        (x, y, z), positive.
    """

    per_mm: FloatMap = field(repr=False)
    first_mm: tuple[float, float, float]
    spacing_mm: tuple[float, float, float]

    def __post_init__(self) -> None:
        if self.per_mm.ndim != 3 or min(self.per_mm.shape) < 2:
            raise GeometryError(f"a volume needs at least 2 x 2 x 2 voxels, got {self.per_mm.shape}")
        if self.per_mm.dtype != np.float32 or not np.isfinite(self.per_mm).all():
            raise GeometryError("a volume holds finite float32 values")
        if min(self.spacing_mm) <= 0:
            raise GeometryError(f"voxel spacing must be positive, got {self.spacing_mm}")

    @property
    def corners_mm(self) -> Points:
        """The eight outermost voxel centres (8, 3)."""
        reach = np.array(self.spacing_mm) * (np.array(self.per_mm.shape[::-1]) - 1)
        picks = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
        return np.asarray(np.array(self.first_mm) + picks * reach)


@dataclass(frozen=True)
class _Layers:
    """A volume laid out for rays along one axis: axes (slow, main, fast), zeros around slow and fast. `order`
    holds the patient axes (0 x, 1 y, 2 z) in the order main, slow, fast."""

    values: FloatMap
    order: tuple[int, int, int]


class VoxelProjector:
    """Line integrals of one volume from any number of poses; the layout for each ray direction is made once."""

    def __init__(self, volume: VoxelVolume) -> None:
        self.volume = volume
        self._layers: dict[tuple[int, int, int], _Layers] = {}

    def line_integrals(self, carm: CArm) -> FloatMap:
        """Integral of the volume along each pixel's ray, (rows, cols) float32, unit-free for a volume in 1/mm.

        Raises
        ------
        GeometryError
            The volume does not lie between source and detector, or rays run along its layers rather than
            across them (beyond 45 degrees from the axis that the central ray follows most).
        """
        depth = carm.depth_mm(self.volume.corners_mm)
        if depth.min() <= 0 or depth.max() >= carm.sid_mm:
            raise GeometryError(
                f"the volume reaches from {depth.min():.0f} to {depth.max():.0f} mm from the source; it must lie "
                f"between 0 and the detector at {carm.sid_mm:.0f} mm"
            )
        layers = self._laid_out(carm)
        order = list(layers.order)
        rows_axis, cols_axis, beam = carm.axes
        row_step = rows_axis * (carm.detector_spacing_mm[0] / carm.sid_mm)
        col_step = cols_axis * (carm.detector_spacing_mm[1] / carm.sid_mm)
        corner = beam - carm.centre_px[0] * row_step - carm.centre_px[1] * col_step
        spacing = np.array(self.volume.spacing_mm)
        main = corner[order[0]] + np.array([0.0, (carm.rows - 1) * row_step[order[0]]])[:, None]
        main = main + np.array([0.0, (carm.cols - 1) * col_step[order[0]]])
        if np.sign(main).min() != np.sign(main).max() or np.abs(main).min() < 0.5:
            raise GeometryError("rays run along the volume's layers; narrow the detector or turn the C-arm")
        source = (carm.source_mm - np.array(self.volume.first_mm)) / spacing
        # The border of zeros shifts the in-layer axes by one voxel.
        border = np.array([0.0, 1.0, 1.0])
        out = np.empty((carm.rows, carm.cols), dtype=np.float32)
        _joseph(
            layers.values,
            (source[order] + border).astype(np.float32),
            *((vector / spacing)[order].astype(np.float32) for vector in (corner, row_step, col_step)),
            spacing[order].astype(np.float32),
            out,
        )
        return out

    def _laid_out(self, carm: CArm) -> _Layers:
        """The layout whose layers the central ray crosses most steeply and whose rows run like the detector's."""
        _, cols_axis, beam = carm.axes
        main = int(np.argmax(np.abs(beam)))
        slow, fast = sorted((axis for axis in range(3) if axis != main), key=lambda axis: abs(cols_axis[axis]))
        order = (main, slow, fast)
        if order not in self._layers:
            # Arrays are indexed z, y, x.
            turned = self.volume.per_mm.transpose(2 - slow, 2 - main, 2 - fast)
            padded = np.pad(turned, ((1, 1), (0, 0), (1, 1)))
            self._layers[order] = _Layers(np.ascontiguousarray(padded), order)
        return self._layers[order]


@numba.njit(cache=True, parallel=True, fastmath=True)
def _joseph(
    volume: FloatMap,
    source: npt.NDArray[np.float32],
    corner: npt.NDArray[np.float32],
    row_step: npt.NDArray[np.float32],
    col_step: npt.NDArray[np.float32],
    step_mm: npt.NDArray[np.float32],
    out: FloatMap,
) -> None:
    """Line integrals, one thread a row. The volume's axes are (slow, main, fast), with a border of zeros along
    slow and fast; vectors (3,) are in voxels in the order main, slow, fast. `step_mm` are the voxel's sizes
    along the same three axes."""
    layers = volume.shape[1]
    last_slow, last_fast = np.float32(volume.shape[0] - 1.001), np.float32(volume.shape[2] - 1.001)
    zero = np.float32(0.0)
    for row in numba.prange(out.shape[0]):
        cols = out.shape[1]
        slow_slope, fast_slope = np.empty(cols, np.float32), np.empty(cols, np.float32)
        total = np.zeros(cols, np.float32)
        for col in range(cols):
            main = corner[0] + row * row_step[0] + col * col_step[0]
            slow_slope[col] = (corner[1] + row * row_step[1] + col * col_step[1]) / main
            fast_slope[col] = (corner[2] + row * row_step[2] + col * col_step[2]) / main
        for layer in range(layers):
            along = np.float32(layer) - source[0]
            for col in range(cols):
                slow = min(max(source[1] + along * slow_slope[col], zero), last_slow)
                fast = min(max(source[2] + along * fast_slope[col], zero), last_fast)
                k, i = np.int32(slow), np.int32(fast)
                up, across = slow - np.float32(k), fast - np.float32(i)
                near = volume[k, layer, i] + across * (volume[k, layer, i + 1] - volume[k, layer, i])
                far = volume[k + 1, layer, i] + across * (volume[k + 1, layer, i + 1] - volume[k + 1, layer, i])
                total[col] += near + up * (far - near)
        for col in range(cols):
            down = slow_slope[col] * step_mm[1] / step_mm[0]
            aside = fast_slope[col] * step_mm[2] / step_mm[0]
            out[row, col] = total[col] * step_mm[0] * np.sqrt(np.float32(1.0) + down * down + aside * aside)
