"""C-arm geometry: patient points to detector pixels, and watertight surfaces to path lengths in mm.

Patient axes are DICOM's LPS in mm (x left, y back, z head). The detector is flat, at right angles to the
central ray, and the central ray meets it at its centre. Pixels are (row, col), the centre of the first
pixel is (0, 0), and a path length belongs to the ray from the source through the pixel's centre.

Path lengths come from rasterising triangles with signs: each face adds the distance from the source where
rays leave the body and subtracts it where they enter. Corners are snapped to 1/4096 pixel and coverage is
decided in whole numbers with a top-left rule, so a pixel centre on a shared edge is counted exactly once:
a watertight surface neither leaks streaks nor loses pixels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numba
import numpy as np
import numpy.typing as npt

from fluorospread.errors import GeometryError
from fluorospread.model.geometry import ColumnsTowards, RowsTowards
from fluorospread.simulation.anatomy.surface import Surface
from fluorospread.simulation.triangle_coverage import STEPS, covered

FloatMap = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

# Corners beyond this many pixels would overflow 64-bit edge products at 1/4096 pixel.
_FARTHEST_PX = 100_000.0


@dataclass(frozen=True)
class CArm:
    """Pose and detector of one exposure.

    Attributes
    ----------
    sid_mm, source_to_isocentre_mm
        Source to detector, and source to `isocentre_mm`, along the central ray.
    detector_spacing_mm
        (row, column) spacing at the detector, never corrected for magnification.
    isocentre_mm
        Point (x, y, z) on the central ray that names the patient plane.
    axial_deg, sagittal_deg
        Turn of the detector towards the patient's left, and tilt towards the head (as DICOM's primary and
        secondary positioner angles); 0, 0 is frontal.
    roll_deg
        Turn of the detector in its own plane, from its columns axis towards its rows axis.
    beam
        "PA": from back to front, detector in front of the patient. "AP": the reverse.
    """

    sid_mm: float
    source_to_isocentre_mm: float
    detector_spacing_mm: tuple[float, float]
    rows: int
    cols: int
    isocentre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    axial_deg: float = 0.0
    sagittal_deg: float = 0.0
    roll_deg: float = 0.0
    beam: Literal["PA", "AP"] = "PA"
    columns_towards: ColumnsTowards = ColumnsTowards.PATIENT_LEFT
    rows_towards: RowsTowards = RowsTowards.FEET

    def __post_init__(self) -> None:
        if not 0 < self.source_to_isocentre_mm < self.sid_mm:
            raise GeometryError(
                f"the isocentre must lie between source and detector; got {self.source_to_isocentre_mm} mm "
                f"of {self.sid_mm} mm"
            )
        if self.rows < 1 or self.cols < 1:
            raise GeometryError(f"a detector needs at least one pixel, got {self.rows} x {self.cols}")
        if min(self.detector_spacing_mm) <= 0:
            raise GeometryError(f"detector spacing must be positive, got {self.detector_spacing_mm}")

    @property
    def axes(self) -> tuple[Points, Points, Points]:
        """Unit vectors (3,) in patient axes: along growing rows, along growing columns, along the beam."""
        a, b, roll = (math.radians(v) for v in (self.axial_deg, self.sagittal_deg, self.roll_deg))
        front = -1.0 if self.beam == "PA" else 1.0
        beam = np.array([math.sin(a) * math.cos(b), front * math.cos(a) * math.cos(b), math.sin(b)])
        left = np.array([math.cos(a), -front * math.sin(a), 0.0])
        head = np.array([-math.sin(a) * math.sin(b), -front * math.cos(a) * math.sin(b), math.cos(b)])
        cols = left if self.columns_towards is ColumnsTowards.PATIENT_LEFT else -left
        rows = head if self.rows_towards is RowsTowards.HEAD else -head
        turned_cols = math.cos(roll) * cols + math.sin(roll) * rows
        turned_rows = -math.sin(roll) * cols + math.cos(roll) * rows
        return turned_rows, turned_cols, beam

    @property
    def source_mm(self) -> Points:
        """Focal spot (3,) in patient axes."""
        return np.asarray(self.isocentre_mm, dtype=np.float64) - self.source_to_isocentre_mm * self.axes[2]

    @property
    def centre_px(self) -> tuple[float, float]:
        """Pixel (row, col) of the central ray."""
        return (self.rows - 1) / 2.0, (self.cols - 1) / 2.0

    def depth_mm(self, points_mm: Points) -> Points:
        """Distance (n,) of points (n, 3) from the source along the central ray."""
        return np.asarray((np.atleast_2d(points_mm) - self.source_mm) @ self.axes[2], dtype=np.float64)

    def project(self, points_mm: Points) -> Points:
        """(row, col) in pixels, shape (n, 2), of patient points (n, 3).

        Raises
        ------
        GeometryError
            When a point lies at or behind the focal spot.
        """
        rows_axis, cols_axis, beam = self.axes
        relative = np.atleast_2d(np.asarray(points_mm, dtype=np.float64)) - self.source_mm
        depth = relative @ beam
        if not (depth > 1.0).all():
            raise GeometryError("a point lies at or behind the focal spot; move the C-arm away from the patient")
        scale = self.sid_mm / depth
        row = self.centre_px[0] + relative @ rows_axis * scale / self.detector_spacing_mm[0]
        col = self.centre_px[1] + relative @ cols_axis * scale / self.detector_spacing_mm[1]
        return np.stack([row, col], axis=1)

    def unproject(self, points_px: Points, depth_mm: float | Points) -> Points:
        """Patient points (n, 3) on the rays of pixels (n, 2) at a depth from the source along the beam."""
        rows_axis, cols_axis, beam = self.axes
        px = np.atleast_2d(np.asarray(points_px, dtype=np.float64))
        down = (px[:, 0] - self.centre_px[0]) * self.detector_spacing_mm[0] / self.sid_mm
        along = (px[:, 1] - self.centre_px[1]) * self.detector_spacing_mm[1] / self.sid_mm
        rays = beam + down[:, None] * rows_axis + along[:, None] * cols_axis
        return np.asarray(self.source_mm + np.reshape(depth_mm, (-1, 1)) * rays, dtype=np.float64)

    def magnification(self, point_mm: Points | None = None) -> float:
        """Detector over patient length in the plane of `point_mm` (of the isocentre by default), > 1."""
        depth = self.source_to_isocentre_mm if point_mm is None else float(self.depth_mm(point_mm)[0])
        return self.sid_mm / depth

    def spacing_patient_mm(self, point_mm: Points | None = None) -> tuple[float, float]:
        """(row, column) pixel spacing in the plane of `point_mm` (of the isocentre by default)."""
        magnification = self.magnification(point_mm)
        return self.detector_spacing_mm[0] / magnification, self.detector_spacing_mm[1] / magnification


@numba.njit(cache=True)
def _add_signed_depth(
    depth_sum: npt.NDArray[np.float64],
    fixed_px: npt.NDArray[np.int64],
    depth_mm: npt.NDArray[np.float64],
    faces: npt.NDArray[np.int32],
    reference_mm: float,
    weight: float,
) -> None:
    """Add weight * sign * (depth - reference) of every face to the pixel centres it covers.

    fixed_px: (n, 2) row, col in 1/4096 px; depth_mm: (n,) along the central ray. `weight` carries the
    handedness of the detector axes. The reference cancels (entries equal exits) and keeps sums small.
    """
    rows, cols = depth_sum.shape
    for f in range(faces.shape[0]):
        (i, j, k), area, turned, (top, bottom, first, last), start, down, right, least = covered(
            fixed_px, faces[f], rows, cols
        )
        if top > bottom or first > last:
            continue
        sign = -weight if turned else weight
        # Perspective: one over depth is what varies linearly over the detector.
        scale = 1.0 / area
        w0, w1, w2 = scale / depth_mm[i], scale / depth_mm[j], scale / depth_mm[k]
        for row in range(top, bottom + 1):
            e0 = start[0] + (row - top) * down[0]
            e1 = start[1] + (row - top) * down[1]
            e2 = start[2] + (row - top) * down[2]
            for col in range(first, last + 1):
                if e0 >= least[0] and e1 >= least[1] and e2 >= least[2]:
                    depth_sum[row, col] += sign * (1.0 / (e0 * w0 + e1 * w1 + e2 * w2) - reference_mm)
                e0 += right[0]
                e1 += right[1]
                e2 += right[2]


@numba.njit(cache=True)
def _lengthen_along_rays(
    depth_sum: npt.NDArray[np.float64],
    out: npt.NDArray[np.float32],
    centre_px: tuple[float, float],
    slope: tuple[float, float],
) -> None:
    """Write depth sums into `out` as lengths along each pixel's own ray.

    centre_px: the central ray in the window's own pixels; slope: (row, column) spacing over the
    source-detector distance, so a ray's tangent per pixel.
    """
    for r in range(depth_sum.shape[0]):
        down = (r - centre_px[0]) * slope[0]
        for c in range(depth_sum.shape[1]):
            value = depth_sum[r, c]
            if abs(value) > 1e-6:  # Rounding dust outside a body, in mm.
                along = (c - centre_px[1]) * slope[1]
                out[r, c] = value * np.sqrt(1.0 + down * down + along * along)


@dataclass(frozen=True)
class WindowMap:
    """A map that is zero outside a window of the detector; `values` (rows, cols) begin at `origin_px`."""

    origin_px: tuple[int, int]
    values: FloatMap

    @property
    def slices(self) -> tuple[slice, slice]:
        """Where the window lies in a full map."""
        (top, left), (rows, cols) = self.origin_px, self.values.shape
        return slice(top, top + rows), slice(left, left + cols)

    def cut_to(self, other: WindowMap) -> WindowMap:
        """The part within another's window, perhaps empty."""
        kept = []
        for own, limit in zip(self.slices, other.slices, strict=True):
            low = max(own.start, limit.start)
            kept.append((low, max(min(own.stop, limit.stop), low), own.start))
        (top, bottom, row), (left, right, col) = kept
        return WindowMap((top, left), self.values[top - row : bottom - row, left - col : right - col])

    def add_to(self, full: FloatMap, factor: float = 1.0) -> None:
        """Add `factor` times the window to a map of the whole detector."""
        full[self.slices] += np.float32(factor) * self.values


def window_thickness_mm(surfaces: Sequence[Surface], carm: CArm, weights: Sequence[float] | None = None) -> WindowMap:
    """Weighted sum over surfaces of each pixel ray's path length inside them, in mm, cut to their shadow.

    Parameters
    ----------
    weights
        One factor a surface (1 by default); -1 takes a cavity out of the body around it.

    Raises
    ------
    GeometryError
        When a surface reaches behind the focal spot or more than 100,000 pixels off the detector.
    """
    if weights is not None and len(weights) != len(surfaces):
        raise ValueError(f"{len(surfaces)} surfaces need as many weights, got {len(weights)}")
    rows_axis, cols_axis, beam = carm.axes
    handedness = 1.0 if float(np.dot(np.cross(cols_axis, rows_axis), beam)) > 0 else -1.0
    filled = [(s, 1.0 if weights is None else float(weights[i])) for i, s in enumerate(surfaces) if len(s.faces)]
    corners = [carm.project(surface.vertices_mm) for surface, _ in filled]
    window = _window_px(corners, (carm.rows, carm.cols))
    if window is None:
        return WindowMap((0, 0), np.zeros((0, 0), dtype=np.float32))
    top, left, bottom, right = window
    depth_sum = np.zeros((bottom - top, right - left), dtype=np.float64)
    for (surface, weight), px in zip(filled, corners, strict=True):
        fixed = np.rint((px - (top, left)) * STEPS).astype(np.int64)
        faces = np.ascontiguousarray(surface.faces, dtype=np.int32)
        depth = carm.depth_mm(surface.vertices_mm)
        _add_signed_depth(depth_sum, fixed, depth, faces, carm.source_to_isocentre_mm, weight * handedness)
    values = np.zeros(depth_sum.shape, dtype=np.float32)
    slope = (carm.detector_spacing_mm[0] / carm.sid_mm, carm.detector_spacing_mm[1] / carm.sid_mm)
    _lengthen_along_rays(depth_sum, values, (carm.centre_px[0] - top, carm.centre_px[1] - left), slope)
    return WindowMap((top, left), values)


def _window_px(corners_px: Sequence[Points], shape: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Smallest (top, left, bottom, right) window of the detector around all corners; None when all miss it."""
    if not corners_px:
        return None
    low = np.min([px.min(axis=0) for px in corners_px], axis=0)
    high = np.max([px.max(axis=0) for px in corners_px], axis=0)
    if max(-low.min(), high.max()) > _FARTHEST_PX:
        raise GeometryError("a surface lies too far off the detector to be projected")
    top, left = (max(math.floor(v), 0) for v in low)
    bottom, right = (min(math.ceil(v) + 1, size) for v, size in zip(high, shape, strict=True))
    return (top, left, bottom, right) if top < bottom and left < right else None


def total_thickness_mm(surfaces: Sequence[Surface], carm: CArm, weights: Sequence[float] | None = None) -> FloatMap:
    """`window_thickness_mm` on the whole detector, (rows, cols) float32."""
    total = np.zeros((carm.rows, carm.cols), dtype=np.float32)
    window_thickness_mm(surfaces, carm, weights).add_to(total)
    return total


def fine_thickness_mm(
    surfaces: Sequence[Surface], carm: CArm, weights: Sequence[float] | None = None, factor: int = 3
) -> FloatMap:
    """Path lengths averaged over factor x factor rays a pixel, for bodies only a few pixels wide."""
    row_mm, col_mm = carm.detector_spacing_mm
    finer = dataclasses.replace(
        carm, rows=carm.rows * factor, cols=carm.cols * factor, detector_spacing_mm=(row_mm / factor, col_mm / factor)
    )
    window = window_thickness_mm(surfaces, finer, weights)
    total = np.zeros((carm.rows, carm.cols), dtype=np.float32)
    if not window.values.size:
        return total
    before = [origin % factor for origin in window.origin_px]
    after = [-(b + size) % factor for b, size in zip(before, window.values.shape, strict=True)]
    padded = np.pad(window.values, list(zip(before, after, strict=True)))
    rows, cols = (size // factor for size in padded.shape)
    mean = padded.reshape(rows, factor, cols, factor).mean(axis=(1, 3))
    WindowMap((window.origin_px[0] // factor, window.origin_px[1] // factor), mean).add_to(total)
    return total


def thickness_mm(surface: Surface, carm: CArm) -> FloatMap:
    """Path length in mm of each pixel's ray inside one watertight surface, (rows, cols) float32."""
    return total_thickness_mm([surface], carm)
