"""Iodine in the fascial planes behind the transverse processes, as sheets with a known mass.

A plume is a sheet fixed to the patient: areal iodine (mg/cm²) on a grid whose plane runs through the SAP-TP
junctions of one side. Contrast there is a few mm thick, which smears a frontal projection by less than half
a millimetre, so the sheet has no thickness. The injected fluid displaces tissue sideways; only its iodine
is added to the beam. Families differ in how contrast breaks up; all are smooth and hold their mass exactly.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, Level, Side
from fluorospread.simulation.projection import CArm
from fluorospread.simulation.textures import grain, rays_on_plane, smoothstep

Floats = npt.NDArray[np.float64]
FloatMap = npt.NDArray[np.float32]

GRID_MM = 0.5
# Truth of a contrast mask everywhere: areal iodine of at least this much.
MASK_THRESHOLD_MG_CM2 = 4.0
# 1.0 mL of iotrolan 240 mg I/mL in the 5.0 mL injected per side.
STUDY_IODINE_MG_PER_SIDE = 240.0
# Contrast lies on the bone's back, this far behind the junction itself.
_BEHIND_JUNCTION_MM = 2.0
# Covered junctions share a film of at least this much, so that their truth is beyond doubt.
_FILM_MG_CM2 = 6.0
_FILM_RADIUS_MM = 12.0
_KEPT_CLEAR_MM = 7.0
_BORDER_MM = 25.0


class PlumeFamily(StrEnum):
    """How contrast breaks up between and within the muscles."""

    FASCICLE_STRIATED = "fascicle-striated"
    FASCIAL_SHEET = "fascial-sheet"
    MULTILOBULAR = "multilobular"
    POOL_WITH_TAILS = "pool-with-tails"
    RETICULATED = "reticulated"


@dataclass(frozen=True)
class Spread:
    """What one injection is to look like.

    Attributes
    ----------
    covered
        Levels whose junction on this side lies well inside; contiguous. Other lumbar ones lie well outside.
    cranial_mm, caudal_mm
        Reach beyond the first and the last covered junction.
    medial_mm, lateral_mm
        Reach to either side of the line through the junctions.
    iodine_mg
        Mass of this side, kept exactly.
    dilution
        Share of the iodine that has seeped a few mm into the muscle, 0 to 1.
    """

    side: Side
    covered: tuple[Level, ...]
    family: PlumeFamily = PlumeFamily.FASCICLE_STRIATED
    cranial_mm: float = 12.0
    caudal_mm: float = 12.0
    medial_mm: float = 11.0
    lateral_mm: float = 16.0
    iodine_mg: float = STUDY_IODINE_MG_PER_SIDE
    dilution: float = 0.15

    def __post_init__(self) -> None:
        if not self.side.of_patient:
            raise UsageError(f"contrast spreads on the patient's left or right, got {self.side.value}")
        order = [CRANIAL_TO_CAUDAL.index(level) for level in self.covered]
        if not order or order != list(range(order[0], order[0] + len(order))):
            raise UsageError(f"covered levels must be neighbours, cranial to caudal, got {self.covered}")
        if not 0 <= self.dilution <= 1 or self.iodine_mg <= 0:
            raise UsageError("dilution lies in 0..1 and the iodine mass is positive")


@dataclass(frozen=True)
class Plume:
    """Iodine of one side on a plane grid.

    Attributes
    ----------
    origin_mm, lateral, cranial
        Patient point (x, y, z) of sample (0, 0) and unit vectors (3,) along columns and rows.
    areal_mg_cm2
        (n, m) float64, iodine at right angles to the sheet.
    grid_mm
        Between samples, both ways.
    """

    side: Side
    origin_mm: Floats
    lateral: Floats
    cranial: Floats
    areal_mg_cm2: Floats
    grid_mm: float = GRID_MM

    @property
    def iodine_mg(self) -> float:
        """Mass of the whole plume."""
        return float(self.areal_mg_cm2.sum() * (self.grid_mm / 10.0) ** 2)

    @property
    def centre_mm(self) -> Floats:
        """Centre of mass (3,)."""
        rows, cols = np.indices(self.areal_mg_cm2.shape)
        total = self.areal_mg_cm2.sum()
        down, along = ((self.areal_mg_cm2 * index).sum() / total * self.grid_mm for index in (rows, cols))
        return np.asarray(self.origin_mm + down * self.cranial + along * self.lateral)


def make_plume(landmarks_mm: Mapping[str, Floats], spread: Spread, rng: np.random.Generator) -> Plume:
    """Plume over the named junctions of one side.

    Parameters
    ----------
    landmarks_mm
        "L4.junction.left" and so on, as in `Anatomy.landmarks_mm`.

    Raises
    ------
    UsageError
        When a covered junction is missing, or the iodine is too little to cover what it should.
    """
    points = {
        level: np.asarray(landmarks_mm[f"{level.value}.junction.{spread.side.value}"], dtype=np.float64)
        for level in CRANIAL_TO_CAUDAL
        if f"{level.value}.junction.{spread.side.value}" in landmarks_mm
    }
    missing = [level.value for level in spread.covered if level not in points]
    if missing or len(points) < 2:
        raise UsageError(f"no junction of {', '.join(missing) or 'two levels'} on the {spread.side.value} to cover")
    lateral, cranial, normal = _sheet_axes(points, spread)
    base = points[spread.covered[-1]] + _BEHIND_JUNCTION_MM * normal
    local = {level: (float((p - base) @ lateral), float((p - base) @ cranial)) for level, p in points.items()}
    u, v = _grid(local, spread)
    shape = _family_field(u, v, local, spread, rng)
    origin = base + u[0, 0] * lateral + v[0, 0] * cranial
    return Plume(spread.side, origin, lateral, cranial, _with_mass(shape, u, v, local, spread, rng))


def _sheet_axes(points: Mapping[Level, Floats], spread: Spread) -> tuple[Floats, Floats, Floats]:
    """Unit vectors lateral, cranial (both in the sheet) and backwards (its normal)."""
    levels = sorted(points, key=CRANIAL_TO_CAUDAL.index)
    first, last = levels.index(spread.covered[0]), levels.index(spread.covered[-1])
    if first == last:
        first, last = max(first - 1, 0), min(last + 1, len(levels) - 1)
    cranial = points[levels[first]] - points[levels[last]]
    cranial = cranial / np.linalg.norm(cranial)
    outwards = np.array([1.0 if spread.side is Side.LEFT else -1.0, 0.0, 0.0])
    lateral = outwards - (outwards @ cranial) * cranial
    lateral = lateral / np.linalg.norm(lateral)
    normal = np.cross(lateral, cranial)
    return lateral, cranial, normal if normal[1] > 0 else -normal


def _grid(local: Mapping[Level, tuple[float, float]], spread: Spread) -> tuple[Floats, Floats]:
    """Coordinates (n, m) lateral and cranial of the sheet's samples, mm, with an empty border."""
    at = [local[level] for level in spread.covered]
    u_from = min(p[0] for p in at) - spread.medial_mm - _BORDER_MM
    u_to = max(p[0] for p in at) + spread.lateral_mm + _BORDER_MM
    v_from = min(p[1] for p in at) - spread.caudal_mm - _BORDER_MM
    v_to = max(p[1] for p in at) + spread.cranial_mm + _BORDER_MM
    v, u = np.meshgrid(np.arange(v_from, v_to, GRID_MM), np.arange(u_from, u_to, GRID_MM), indexing="ij")
    return u, v


def _depth_inside(
    u: Floats, v: Floats, local: Mapping[Level, tuple[float, float]], spread: Spread, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Distance inside a wavy-bordered band along the junctions (mm, negative outside), and the lateral offset."""
    at = sorted((local[level][1], local[level][0]) for level in spread.covered)
    off = u - np.interp(v, [p[0] for p in at], [p[1] for p in at])
    half_u, half_v = (
        0.5 * (spread.medial_mm + spread.lateral_mm),
        0.5 * (at[-1][0] - at[0][0] + spread.cranial_mm + spread.caudal_mm),
    )
    centre_u = 0.5 * (spread.lateral_mm - spread.medial_mm)
    centre_v = 0.5 * (at[-1][0] + at[0][0] + spread.cranial_mm - spread.caudal_mm)
    corner = 0.9 * min(half_u, half_v)
    qu, qv = np.abs(off - centre_u) - half_u + corner, np.abs(v - centre_v) - half_v + corner
    outside = np.hypot(np.maximum(qu, 0), np.maximum(qv, 0)) + np.minimum(np.maximum(qu, qv), 0) - corner
    return 2.0 * grain(rng, u.shape, 5.0 / GRID_MM) - outside, off


def _family_field(
    u: Floats, v: Floats, local: Mapping[Level, tuple[float, float]], spread: Spread, rng: np.random.Generator
) -> Floats:
    """Relative iodine (n, m) >= 0 before its mass is set."""
    from scipy.ndimage import gaussian_filter

    inside, off = _depth_inside(u, v, local, spread, rng)
    build = {
        PlumeFamily.FASCICLE_STRIATED: _striated,
        PlumeFamily.FASCIAL_SHEET: _sheet,
        PlumeFamily.MULTILOBULAR: _lobes,
        PlumeFamily.POOL_WITH_TAILS: _pool,
        PlumeFamily.RETICULATED: _reticulum,
    }[spread.family]
    field = build(inside, off, v, rng)
    seeped = gaussian_filter(field, 4.0 / GRID_MM)
    return np.asarray((1 - spread.dilution) * gaussian_filter(field, 0.6 / GRID_MM) + spread.dilution * seeped)


def _striated(inside: Floats, off: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    """Streaks along muscle fascicles that run from caudal-lateral to cranial-medial and end unevenly."""
    from scipy.ndimage import map_coordinates

    slant = math.tan(math.radians(rng.uniform(6.0, 16.0)))
    across = off + slant * (v - v.mean())
    streaks = grain(rng, v.shape, (14.0 / GRID_MM, rng.uniform(0.7, 1.1) / GRID_MM))
    frayed = grain(rng, v.shape, (30.0 / GRID_MM, 1.2 / GRID_MM))
    at = [(v - v.min()) / GRID_MM, (across - across.min()) / GRID_MM]
    streak, fray = (map_coordinates(f, at, order=1, mode="grid-wrap") for f in (streaks, frayed))
    return np.asarray(smoothstep((inside + 2.5 * fray - 1.0) / 4.0) * np.exp(0.75 * streak))


def _sheet(inside: Floats, off: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    """An even film between two fasciae, a little deeper where they part."""
    swell = grain(rng, v.shape, 9.0 / GRID_MM)
    tilt = rng.uniform(-0.3, 0.3) * off / max(float(np.abs(off).max()), 1.0)
    return np.asarray(smoothstep(inside / 3.0) * np.clip(1.0 + 0.28 * swell + tilt, 0.3, None))


def _lobes(inside: Floats, off: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    """Overlapping rounded pools of different size."""
    places = np.argwhere(inside > 2.0)
    if not len(places):
        return np.asarray(smoothstep(inside / 3.0))
    field = np.zeros_like(inside)
    for _ in range(int(rng.integers(14, 26))):
        row, col = places[rng.integers(len(places))]
        radius = rng.uniform(4.0, 9.0)
        stretch = rng.uniform(1.0, 1.7)
        reach = np.hypot(off - off[row, col], (v - v[row, col]) / stretch) / radius
        field += rng.uniform(0.4, 1.0) * np.sqrt(np.clip(1.0 - reach**2, 0.0, None))
    return np.asarray(field * smoothstep(inside / 4.0 + 0.75))


def _pool(inside: Floats, off: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    """A dense pool near the needle that thins out, with tails along vessels and nerves."""
    edge = smoothstep(inside / 3.0)
    rows, cols = np.nonzero(inside > 0.5 * inside.max())
    pick = int(rng.integers(len(rows)))
    middle = (float(off[rows[pick], cols[pick]]), float(v[rows[pick], cols[pick]]))
    field = edge * (0.35 + 1.3 * np.exp(-0.5 * (((off - middle[0]) / 7.0) ** 2 + ((v - middle[1]) / 10.0) ** 2)))
    for _ in range(int(rng.integers(2, 5))):
        heading = rng.uniform(0, 2 * math.pi)
        along = (off - middle[0]) * math.cos(heading) + (v - middle[1]) * math.sin(heading)
        aside = -(off - middle[0]) * math.sin(heading) + (v - middle[1]) * math.cos(heading)
        aside = aside - 2.0 * np.sin(along / rng.uniform(5.0, 9.0))
        length = rng.uniform(12.0, 24.0)
        field += 0.9 * np.exp(-0.5 * (aside / 1.4) ** 2) * smoothstep(along / 3.0) * smoothstep((length - along) / 8.0)
    return np.asarray(field * smoothstep((inside + 8.0) / 4.0))


def _reticulum(inside: Floats, off: Floats, v: Floats, rng: np.random.Generator) -> Floats:
    """Contrast in the septa around muscle bundles, which stay darker."""
    from scipy.spatial import cKDTree

    cell_u, cell_v = rng.uniform(4.5, 7.0), rng.uniform(9.0, 16.0)
    span_u, span_v = float(np.ptp(off)) / cell_u, float(np.ptp(v)) / cell_v
    count = max(int(span_u * span_v), 4)
    seeds = np.stack([rng.uniform(0, span_u, count), rng.uniform(0, span_v, count)], axis=1)
    at = np.stack([(off - off.min()) / cell_u, (v - v.min()) / cell_v], axis=-1).reshape(-1, 2)
    near, _ = cKDTree(seeds).query(at, k=2)
    wall = np.exp(-0.5 * ((near[:, 1] - near[:, 0]) / 0.22) ** 2).reshape(off.shape)
    return np.asarray(smoothstep(inside / 3.5) * (0.35 + 1.1 * wall))


def _with_mass(
    shape: Floats,
    u: Floats,
    v: Floats,
    local: Mapping[Level, tuple[float, float]],
    spread: Spread,
    rng: np.random.Generator,
) -> Floats:
    """Areal iodine (mg/cm²) of exactly the asked mass: a film over covered junctions, none at the others."""
    at = np.array([local[level] for level in spread.covered])
    waves = 1.2 * np.clip(grain(rng, u.shape, 4.0 / GRID_MM), -1.5, 1.5)
    film = _FILM_MG_CM2 * smoothstep((_FILM_RADIUS_MM + waves - distance_to_path(u, v, at)) / 5.0)
    clear = np.ones_like(shape)
    for level, (at_u, at_v) in local.items():
        # The protocol does not ask about S1, and next to a covered L5 there may be no room to spare it.
        if level not in spread.covered and not (level is Level.S1 and Level.L5 in spread.covered):
            clear *= smoothstep((np.hypot(u - at_u, v - at_v) - _KEPT_CLEAR_MM) / 4.0)
    film, shape = film * clear, shape * clear
    cell_cm2 = (GRID_MM / 10.0) ** 2
    left_mg = spread.iodine_mg - float(film.sum()) * cell_cm2
    if left_mg < 0 or not shape.any():
        raise UsageError(f"{spread.iodine_mg} mg of iodine cannot cover {len(spread.covered)} junctions")
    return np.asarray(film + shape * (left_mg / (float(shape.sum()) * cell_cm2)))


def distance_to_path(u: Floats, v: Floats, path: Floats) -> Floats:
    """Distance (n, m) in mm from a path of one or more points (k, 2), lateral and cranial."""
    nearest = np.hypot(u - path[0, 0], v - path[0, 1])
    for start, end in itertools.pairwise(path):
        step = end - start
        share = np.clip(((u - start[0]) * step[0] + (v - start[1]) * step[1]) / (step @ step), 0.0, 1.0)
        nearest = np.minimum(nearest, np.hypot(u - start[0] - share * step[0], v - start[1] - share * step[1]))
    return np.asarray(nearest)


def areal_iodine_mg_cm2(plumes: Sequence[Plume], carm: CArm) -> FloatMap:
    """Iodine along each pixel's ray, (rows, cols) float32, mg/cm².

    Its sum times the area of a pixel in the plume's plane is the plume's mass.
    """
    from scipy.ndimage import map_coordinates

    total = np.zeros((carm.rows, carm.cols), dtype=np.float32)
    for plume in plumes:
        window = _shadow(plume, carm)
        if window is None:
            continue
        normal = np.cross(plume.lateral, plume.cranial)
        at = rays_on_plane(carm, window, plume.origin_mm, normal)
        relative = at - plume.origin_mm
        coordinates = [relative @ plume.cranial / plume.grid_mm, relative @ plume.lateral / plume.grid_mm]
        areal = map_coordinates(plume.areal_mg_cm2, coordinates, order=1, mode="constant")
        rays = at - carm.source_mm
        slant = np.abs(rays @ normal) / np.linalg.norm(rays, axis=-1)
        total[window] += (areal / slant).astype(np.float32)
    return total


def _shadow(plume: Plume, carm: CArm) -> tuple[slice, slice] | None:
    """Window of the detector that the sheet's corners span; None when it misses the detector."""
    rows, cols = ((size - 1) * plume.grid_mm for size in plume.areal_mg_cm2.shape)
    corners = np.array(
        [plume.origin_mm + r * plume.cranial + c * plume.lateral for r in (0.0, rows) for c in (0.0, cols)]
    )
    px = carm.project(corners)
    low = np.maximum(np.floor(px.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(px.max(axis=0)).astype(int) + 1, (carm.rows, carm.cols))
    if not (low < high).all():
        return None
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))
