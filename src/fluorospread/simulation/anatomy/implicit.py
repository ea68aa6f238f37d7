"""Bones and organs as signed distance fields on a local grid, turned into watertight surfaces.

A part is built by adding and cutting a few rounded primitives (tapered elliptic capsules, waisted
vertebral bodies, clouds of balls) into a float32 field that is negative inside. Unions are smooth
(polynomial minimum), so that parts flow into each other as bone does. Beside the distance the field
carries the thickness of the cortex, blended in the same way; the endosteal surface is the level set
one cortex below the periosteal one. Distances are true for round sections and first-order for others,
good to a few percent within the few millimetres that matter here.

Each primitive touches only the grid points near it, so cost grows with surface, not with the box.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fluorospread.simulation.anatomy.distance_kernels import splat_balls, splat_body, splat_capsule
from fluorospread.simulation.anatomy.surface import Surface

Vector = npt.NDArray[np.float64]

_FAR_MM = 12.0
_MARGIN_MM = 5.0


def vector(x: float, y: float, z: float) -> Vector:
    """A point or direction (x, y, z) in mm."""
    return np.array([x, y, z], dtype=np.float64)


def _frame_along(direction: Vector, section_axis: Vector) -> npt.NDArray[np.float64]:
    """Rows u, v, w: u along `direction`, v as near to `section_axis` as a right angle to u allows."""
    length = float(np.linalg.norm(direction))
    # A capsule without length is an ellipsoid; any direction will do.
    u = direction / length if length > 1e-9 else vector(0.0, 0.0, 1.0)
    v = section_axis - u * float(u @ section_axis)
    if float(np.linalg.norm(v)) < 1e-6:
        v = np.roll(u, 1) - u * float(u @ np.roll(u, 1))
    v = v / np.linalg.norm(v)
    return np.stack([u, v, np.cross(u, v)])


class ImplicitPart:
    """A part under construction: signed distance and cortex thickness on a regular grid.

    lower, upper: opposite corners of the box in mm; step_mm: grid spacing. The grid is laid
    symmetrically about x = 0 where the box is symmetric, so mirrored primitives give mirrored surfaces.
    """

    def __init__(self, lower: Vector, upper: Vector, step_mm: float) -> None:
        center = 0.5 * (lower + upper)
        counts = np.ceil((upper - lower) / step_mm).astype(int) + 1
        self._step = float(step_mm)
        self._origin = center - 0.5 * (counts - 1) * step_mm
        self._field = np.full(tuple(counts), _FAR_MM, dtype=np.float32)
        self._cortex = np.full(tuple(counts), 1.0, dtype=np.float32)

    def _limits(self, points: npt.NDArray[np.float64], reach_mm: float) -> npt.NDArray[np.int64]:
        low = np.floor((points.min(axis=0) - reach_mm - self._origin) / self._step)
        high = np.ceil((points.max(axis=0) + reach_mm - self._origin) / self._step) + 1
        shape = np.array(self._field.shape)
        pairs = np.stack([np.clip(low, 0, shape), np.clip(high, 0, shape)], axis=1)
        return pairs.astype(np.int64).ravel()

    def add(
        self,
        start: Vector,
        end: Vector,
        radii_mm: tuple[float, float, float, float],
        section_axis: Vector,
        blend_mm: float = 2.0,
        cortex_mm: float = 1.5,
    ) -> None:
        """Add a capsule from `start` to `end`.

        radii_mm: radius towards `section_axis` and across it at the start, then the same at the end.
        """
        self._splat(start, end, radii_mm, section_axis, (blend_mm, cortex_mm, False))

    def cut(
        self,
        start: Vector,
        end: Vector,
        radii_mm: tuple[float, float, float, float],
        section_axis: Vector,
        blend_mm: float = 1.5,
        cortex_mm: float = 1.0,
    ) -> None:
        """Remove a capsule; its wall gets `cortex_mm` of cortex."""
        self._splat(start, end, radii_mm, section_axis, (blend_mm, cortex_mm, True))

    def _splat(
        self,
        start: Vector,
        end: Vector,
        radii_mm: tuple[float, float, float, float],
        section_axis: Vector,
        mode: tuple[float, float, bool],
    ) -> None:
        limits = self._limits(np.stack([start, end]), max(radii_mm) + _MARGIN_MM + mode[0])
        frame = _frame_along(end - start, section_axis)
        length = float(np.linalg.norm(end - start))
        splat_capsule(
            self._field, self._cortex, self._origin, self._step, start, frame, length,
            np.array(radii_mm, dtype=np.float64), limits, *mode,
        )  # fmt: skip

    def add_balls(
        self, centers_mm: npt.NDArray[np.float64], radii_mm: npt.NDArray[np.float64], cortex_mm: float = 1.5
    ) -> None:
        """Add a cloud of balls ((n, 3), (n,)) by sharp union: plates and blobs of any shape."""
        cortexes = np.full(len(radii_mm), cortex_mm)
        splat_balls(self._field, self._cortex, self._origin, self._step, centers_mm, radii_mm, 3.0, cortexes)

    def cut_balls(
        self, centers_mm: npt.NDArray[np.float64], radii_mm: npt.NDArray[np.float64], cortex_mm: float = 1.0
    ) -> None:
        """Remove a cloud of balls; the new wall gets `cortex_mm` of cortex."""
        hole = np.full_like(self._field, _FAR_MM)
        splat_balls(hole, self._cortex.copy(), self._origin, self._step, centers_mm, radii_mm, 3.0, radii_mm)
        wall = -hole > self._field
        self._cortex[wall] = cortex_mm
        self._field = np.maximum(self._field, -hole)

    def add_body(
        self,
        half_mm: tuple[float, float, float],
        waist: float,
        plates: tuple[float, float, float, float],
        cortexes_mm: tuple[float, float, float],
        exponent: float = 2.3,
    ) -> None:
        """Add a vertebral body centred at (0, 0, 0).

        half_mm: half width and half depth at the end plates, half height. waist: share of width left
        at mid height. plates: concavity of the upper and lower plate (mm), wedge (mm of height per mm
        forwards), lateral wedge (per mm leftwards). cortexes_mm: wall, end plate, rim.
        """
        splat_body(
            self._field, self._cortex, self._origin, self._step, np.array(half_mm), waist, exponent,
            np.array(plates), np.array(cortexes_mm), 2.0,
        )  # fmt: skip

    def add_clouds(
        self, center: Vector, half_mm: Vector, wavelength_mm: float, fill: float, rng: np.random.Generator
    ) -> None:
        """Add random lobules inside an ellipsoid.

        wavelength_mm: of the lobules; fill: share of the ellipsoid they take (0-1).
        """
        from scipy.ndimage import gaussian_filter

        noise = rng.standard_normal(self._field.shape, dtype=np.float32)
        noise = gaussian_filter(noise, 0.3 * wavelength_mm / self._step)
        lobules = (noise - np.quantile(noise, fill)) * (0.2 * wavelength_mm / float(noise.std()))
        axes = [self._origin[n] + self._step * np.arange(self._field.shape[n]) for n in range(3)]
        x, y, z = np.meshgrid(*((a - c) / h for a, c, h in zip(axes, center, half_mm, strict=True)), indexing="ij")
        bound = (np.sqrt(x * x + y * y + z * z) - 1.0) * float(half_mm.min())
        self._field = np.minimum(self._field, np.asarray(np.maximum(bound, lobules), dtype=np.float32))

    def smooth(self, sigma_mm: float) -> None:
        """Round off what has been added so far."""
        from scipy.ndimage import gaussian_filter

        self._field = gaussian_filter(self._field, sigma_mm / self._step, mode="nearest")

    def roughen(self, amplitude_mm: float, seed: int) -> None:
        """Vary the cortex from within, as trabeculae do, by `amplitude_mm` (1 sd) over about 3 mm."""
        from scipy.ndimage import gaussian_filter

        noise = np.random.default_rng(seed).standard_normal(self._cortex.shape, dtype=np.float32)
        noise = gaussian_filter(noise, 0.8 / self._step)
        self._cortex = np.maximum(self._cortex + noise * np.float32(amplitude_mm) / noise.std(), np.float32(0.25))

    def outer(self) -> Surface:
        """The periosteal surface."""
        surface = _level_set(self._field, self._origin, self._step)
        if surface is None:
            raise ValueError("the part is empty: no primitive was added inside its box")
        return surface

    def inner(self) -> Surface | None:
        """The endosteal surface, or None where the part is cortex throughout."""
        return _level_set(self._field + self._cortex, self._origin, self._step)

    def on_surface(self, point: Vector) -> Vector:
        """`point` moved along the field's gradient onto the periosteal surface."""
        from scipy.ndimage import map_coordinates

        probe = 0.5 * self._step * np.vstack([np.zeros(3), np.eye(3), -np.eye(3)])
        for _ in range(8):
            where = ((point + probe - self._origin) / self._step).T
            values = map_coordinates(self._field, where, order=1, mode="nearest")
            gradient = (values[1:4] - values[4:7]) / self._step
            norm = float(np.linalg.norm(gradient))
            if norm < 1e-3:
                break
            point = point - gradient / norm * float(values[0]) / max(norm, 0.5)
        return point


def _level_set(field: npt.NDArray[np.float32], origin: Vector, step_mm: float) -> Surface | None:
    """Closed surface where the field crosses zero, wound outwards; None where nothing is inside."""
    from skimage.measure import marching_cubes

    inside = field < 0
    if not inside.any():
        return None
    boxes = [np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    low = [max(int(b[0]) - 1, 0) for b in boxes]
    cropped = field[tuple(slice(lo, int(b[-1]) + 2) for lo, b in zip(low, boxes, strict=True))]
    # A layer of outside closes what touches the box.
    padded = np.pad(np.where(cropped == 0.0, np.float32(1e-4), cropped), 1, constant_values=np.float32(1.0))
    vertices, faces, _, _ = marching_cubes(padded, 0.0)
    vertices_mm = (vertices.astype(np.float64) + np.array(low, dtype=np.float64) - 1.0) * step_mm + origin
    surface = Surface(vertices_mm, faces.astype(np.int32))
    return surface if surface.volume_mm3() > 0 else Surface(vertices_mm, surface.faces[:, ::-1].copy())
