"""Contrast where it should not be: in a vessel, the epidural space, a foramen, a facet joint, or the muscle.

Each is a coronal sheet at the depth where that space lies, so it moves and magnifies as it should between
views. Shapes follow how such flow looks in frontal fluoroscopy: vessels branch and taper; epidural contrast
lies medial to the pedicles and runs lengthwise; foraminal contrast follows the root out under the pedicle;
a joint holds a slit with a recess at each pole; superficial contrast is a feathered patch behind the bone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, Level, Side
from fluorospread.simulation.contrast import GRID_MM, Plume, distance_to_path
from fluorospread.simulation.textures import grain, smoothstep

Floats = npt.NDArray[np.float64]
Landmarks = Mapping[str, Floats]

# Vessels are thinner than what else contrast fills.
_VESSEL_GRID_MM = 0.25
_STEP_MM = 0.5
# Half the width of a lumbar pedicle: its medial border lies this far from its centre.
_HALF_PEDICLE_MM = 5.0
# The epidural space lies this share of the way from the pedicle's centre back to the junction.
_CANAL_SHARE = 0.35


class AberrantKind(StrEnum):
    """Where contrast goes astray."""

    VASCULAR = "vascular"
    EPIDURAL = "epidural"
    FORAMINAL = "foraminal"
    INTRA_ARTICULAR = "intra-articular"
    SUPERFICIAL = "superficial"


@dataclass(frozen=True)
class Aberrant:
    """One aberrant flow of an injection.

    Attributes
    ----------
    level, side
        Of the needle it comes from; a joint is the one whose lower partner is `level`.
    iodine_mg
        What stays there, in addition to the spread; not for vessels, which hold what passes through.
    concentration_mg_ml
        Of what is injected; fills the vessels undiluted.
    speed_mm_s, clears_s
        Vessels: speed of the blood, and time in which it turns clear once the injection ends.
    still_share
        Vessels: share of the full concentration that a still image after the injection catches; usually
        none, for it has cleared.
    """

    kind: AberrantKind
    side: Side
    level: Level = Level.L5
    iodine_mg: float = 30.0
    concentration_mg_ml: float = 48.0
    speed_mm_s: float = 40.0
    clears_s: float = 2.0
    still_share: float = 0.0

    def __post_init__(self) -> None:
        if not self.side.of_patient:
            raise UsageError(f"contrast flows on the patient's left or right, got {self.side.value}")
        if min(self.iodine_mg, self.concentration_mg_ml, self.speed_mm_s, self.clears_s) <= 0:
            raise UsageError("aberrant flow needs iodine, concentration, speed and clearing time above 0")
        if not 0 <= self.still_share <= 1:
            raise UsageError(f"still_share lies in 0..1, got {self.still_share}")


@dataclass(frozen=True)
class Vessels:
    """Branching vessels full of contrast, and the time (s, on the sheet's grid) blood takes to each place."""

    plume: Plume
    delay_s: Floats


@dataclass(frozen=True)
class _Sheet:
    """A coronal grid: coordinates (n, m) lateral and cranial (mm) of its samples about a patient point."""

    side: Side
    about_mm: Floats
    u: Floats
    v: Floats

    @classmethod
    def around(cls, side: Side, about_mm: Floats, box: tuple[float, float, float, float], grid_mm: float) -> _Sheet:
        """`box`: least and most lateral, least and most cranial, mm."""
        v, u = np.meshgrid(np.arange(box[2], box[3], grid_mm), np.arange(box[0], box[1], grid_mm), indexing="ij")
        return cls(side, about_mm, u, v)

    def plume(self, areal_mg_cm2: Floats) -> Plume:
        lateral = np.array([_outwards(self.side), 0.0, 0.0])
        cranial = np.array([0.0, 0.0, 1.0])
        origin = self.about_mm + self.u[0, 0] * lateral + self.v[0, 0] * cranial
        return Plume(self.side, origin, lateral, cranial, areal_mg_cm2, float(self.u[0, 1] - self.u[0, 0]))

    def with_mass(self, shape: Floats, iodine_mg: float) -> Plume:
        """A plume of relative iodine `shape` (n, m) with the asked mass."""
        cell_cm2 = (float(self.u[0, 1] - self.u[0, 0]) / 10.0) ** 2
        return self.plume(shape * (iodine_mg / (float(shape.sum()) * cell_cm2)))


def _outwards(side: Side) -> float:
    return 1.0 if side is Side.LEFT else -1.0


def make_depot(aberrant: Aberrant, landmarks_mm: Landmarks, rng: np.random.Generator) -> Plume:
    """Iodine that stays in the wrong space.

    Raises
    ------
    UsageError
        When the anatomy lacks the level, or for vascular flow, which does not stay.
    """
    build = {
        AberrantKind.EPIDURAL: _epidural,
        AberrantKind.FORAMINAL: _foraminal,
        AberrantKind.INTRA_ARTICULAR: _joint,
        AberrantKind.SUPERFICIAL: _superficial,
    }
    if aberrant.kind not in build:
        raise UsageError("vascular flow leaves no depot; make its vessels")
    return build[aberrant.kind](aberrant, landmarks_mm, rng)


def _landmark(landmarks_mm: Landmarks, aberrant: Aberrant, what: str) -> Floats:
    key = f"{aberrant.level.value}.{what}.{aberrant.side.value}"
    if key not in landmarks_mm:
        raise UsageError(f"the anatomy has no {key} for {aberrant.kind.value} contrast")
    return np.asarray(landmarks_mm[key], dtype=np.float64)


def _canal_depth_mm(landmarks_mm: Landmarks, aberrant: Aberrant) -> float:
    pedicle, junction = (_landmark(landmarks_mm, aberrant, what) for what in ("pedicle", "junction"))
    return float(pedicle[1] + _CANAL_SHARE * (junction[1] - pedicle[1]))


def _epidural(aberrant: Aberrant, landmarks_mm: Landmarks, rng: np.random.Generator) -> Plume:
    """A streak along the medial borders of the pedicles, with lobules where it passes the discs."""
    from scipy.ndimage import gaussian_filter

    about = _landmark(landmarks_mm, aberrant, "pedicle").copy()
    about[1] = _canal_depth_mm(landmarks_mm, aberrant)
    outwards = _outwards(aberrant.side)
    up, down = rng.uniform(30.0, 60.0), rng.uniform(12.0, 28.0)
    sheet = _Sheet.around(aberrant.side, about, (-40.0, 20.0, -down - 15.0, up + 15.0), GRID_MM)
    pedicles = sorted(
        (float(p[2] - about[2]), float(outwards * (p[0] - about[0])))
        for level in CRANIAL_TO_CAUDAL
        if (p := landmarks_mm.get(f"{level.value}.pedicle.{aberrant.side.value}")) is not None
    )
    border = np.interp(sheet.v, [p[0] for p in pedicles], [p[1] for p in pedicles]) - _HALF_PEDICLE_MM
    swell = grain(rng, sheet.u.shape, (12.0 / GRID_MM, 4.0 / GRID_MM))
    width = np.clip(4.0 + 1.3 * swell, 1.5, 8.0)
    ends = smoothstep((sheet.v + down) / 8.0) * smoothstep((up - sheet.v) / 10.0)
    streak = np.exp(-0.5 * ((sheet.u - border + 0.8 * width) / (0.55 * width)) ** 2)
    veil = 0.15 * smoothstep((border - sheet.u) / 3.0) * smoothstep((sheet.u - border + 18.0) / 6.0)
    return sheet.with_mass(gaussian_filter((streak + veil) * ends, 0.8 / GRID_MM), aberrant.iodine_mg)


def _foraminal(aberrant: Aberrant, landmarks_mm: Landmarks, rng: np.random.Generator) -> Plume:
    """A sleeve from beside the dura under the pedicle and out along the root, thinning on its way."""
    from scipy.ndimage import gaussian_filter

    about = _landmark(landmarks_mm, aberrant, "pedicle").copy()
    about[1] = _canal_depth_mm(landmarks_mm, aberrant)
    sheet = _Sheet.around(aberrant.side, about, (-30.0, 55.0, -75.0, 25.0), GRID_MM)
    reach, slope = rng.uniform(18.0, 34.0), rng.uniform(0.9, 1.5)
    bend = 1.0 + 0.1 * rng.normal(size=4)
    path = np.array(
        [
            [-8.0, 2.0],
            [-4.0 * bend[0], -9.0 * bend[1]],
            [5.0 * bend[2], -15.0 * bend[3]],
            [reach, -15.0 - slope * reach],
        ]
    )
    away = distance_to_path(sheet.u, sheet.v, path)
    along = np.clip((sheet.u - path[0, 0]) / (reach - path[0, 0]), 0.0, 1.0)
    width = 3.4 - 1.6 * along
    # The root itself is a filling defect in its sleeve.
    sleeve = smoothstep((width - away) / 1.2) * (0.55 + 0.45 * smoothstep((away - 0.4 * width) / 0.8))
    uneven = np.clip(1.0 + 0.25 * grain(rng, sheet.u.shape, 5.0 / GRID_MM), 0.2, None)
    shape = gaussian_filter(sleeve * uneven * (1.0 - 0.6 * along), 0.5 / GRID_MM)
    return sheet.with_mass(shape, aberrant.iodine_mg)


def _joint(aberrant: Aberrant, landmarks_mm: Landmarks, rng: np.random.Generator) -> Plume:
    """The slit of the facet joint with a recess at its upper and lower pole, inside the capsule."""
    from scipy.ndimage import gaussian_filter

    tip = _landmark(landmarks_mm, aberrant, "sap_tip")
    junction = _landmark(landmarks_mm, aberrant, "junction")
    about = 0.5 * (tip + junction)
    about[2] = tip[2] - 6.0
    sheet = _Sheet.around(aberrant.side, about, (-20.0, 20.0, -25.0, 25.0), GRID_MM)
    half, lean = rng.uniform(7.0, 9.5), rng.uniform(-0.25, 0.1)
    # The slit bows outwards in its middle.
    off = sheet.u - lean * sheet.v + 1.5 * (sheet.v / half) ** 2
    slit = np.exp(-0.5 * (off / 0.9) ** 2) * smoothstep((half - np.abs(sheet.v)) / 2.0)
    recesses = np.zeros_like(slit)
    for pole, size in ((half, rng.uniform(1.8, 2.8)), (-half, rng.uniform(2.0, 3.4))):
        middle = lean * pole - 1.5
        recesses += np.exp(-0.5 * (((sheet.u - middle) / size) ** 2 + ((sheet.v - pole) / (0.8 * size)) ** 2) ** 2)
    return sheet.with_mass(gaussian_filter(slit + 0.9 * recesses, 0.4 / GRID_MM), aberrant.iodine_mg)


def _superficial(aberrant: Aberrant, landmarks_mm: Landmarks, rng: np.random.Generator) -> Plume:
    """A feathered patch in the erector spinae, well behind the bone and striped by its fascicles."""
    from scipy.ndimage import gaussian_filter

    about = _landmark(landmarks_mm, aberrant, "junction") + np.array([0.0, rng.uniform(20.0, 34.0), 0.0])
    half_u, half_v = rng.uniform(10.0, 16.0), rng.uniform(24.0, 40.0)
    box = (-half_u - 20.0, half_u + 20.0, -half_v - 20.0, half_v + 20.0)
    sheet = _Sheet.around(aberrant.side, about, box, GRID_MM)
    streak = grain(rng, sheet.u.shape, (16.0 / GRID_MM, 0.9 / GRID_MM))
    fray = grain(rng, sheet.u.shape, (24.0 / GRID_MM, 1.4 / GRID_MM))
    off = sheet.u + math.tan(math.radians(rng.uniform(4.0, 12.0))) * sheet.v
    inside = (1.0 - np.hypot(off / half_u, sheet.v / half_v)) * half_u
    shape = smoothstep((inside + 3.0 * fray) / 6.0) * np.exp(0.6 * streak)
    return sheet.with_mass(gaussian_filter(shape, 0.6 / GRID_MM), aberrant.iodine_mg)


def make_vessels(aberrant: Aberrant, start_mm: Floats, rng: np.random.Generator) -> Vessels:
    """Veins that drain from the needle's tip: a trunk that bends, with branches that taper.

    Parameters
    ----------
    start_mm
        Needle tip (3,).
    """
    from scipy.spatial import cKDTree

    branches = _tree(rng)
    low = np.min([branch[:, :2].min(axis=0) for branch in branches], axis=0) - 4.0
    high = np.max([branch[:, :2].max(axis=0) for branch in branches], axis=0) + 4.0
    sheet = _Sheet.around(
        aberrant.side, np.asarray(start_mm, dtype=np.float64), (low[0], high[0], low[1], high[1]), _VESSEL_GRID_MM
    )
    at = np.stack([sheet.u.ravel(), sheet.v.ravel()], axis=1)
    areal, delay_s = np.zeros(len(at)), np.zeros(len(at))
    for branch in branches:
        away, nearest = cKDTree(branch[:, :2]).query(at, distance_upper_bound=4.0)
        near = np.isfinite(away)
        _, _, radius, way, strength = branch[nearest[near]].T
        # A ray through a round vessel crosses its chord.
        chord_cm = 2.0 * np.sqrt(np.clip(radius**2 - away[near] ** 2, 0.0, None)) / 10.0
        here = np.zeros(len(at))
        here[near] = aberrant.concentration_mg_ml * strength * chord_cm
        delay_s[near] = np.where(here[near] > areal[near], way / aberrant.speed_mm_s, delay_s[near])
        areal = np.maximum(areal, here)
    return Vessels(sheet.plume(areal.reshape(sheet.u.shape)), delay_s.reshape(sheet.u.shape))


def _tree(rng: np.random.Generator) -> list[Floats]:
    """Branches, (k, 5) each: lateral, cranial, radius, length of way from the needle (mm), strength (0 to 1)."""
    # Veins behind the transverse process run to the foramen (medially) or along the muscle.
    heading = math.radians(float(rng.choice([115.0, 245.0, 60.0, 300.0]) + rng.normal(0.0, 15.0)))
    first = np.array([0.0, 0.0, 1.5 * rng.uniform(0.8, 1.15), 0.0, 1.0])
    branches = [_branch(rng, first, heading, rng.uniform(55.0, 100.0))]
    for _ in range(int(rng.integers(3, 6))):
        parent = branches[int(rng.integers(len(branches)))]
        pick = int(rng.integers(len(parent) // 5, len(parent) - 4))
        along = parent[pick + 1, :2] - parent[pick, :2]
        turn = float(rng.choice([-1.0, 1.0]) * math.radians(rng.uniform(25.0, 60.0)))
        root = parent[pick] * np.array([1.0, 1.0, rng.uniform(0.65, 0.85), 1.0, 1.0])
        branches.append(_branch(rng, root, math.atan2(along[1], along[0]) + turn, rng.uniform(15.0, 45.0)))
    return branches


def _branch(rng: np.random.Generator, root: Floats, heading: float, length_mm: float) -> Floats:
    """A winding vessel from a root (as a row of `_tree`) on, `_STEP_MM` apart; other blood dilutes its end."""
    count = max(int(length_mm / _STEP_MM), 8)
    bend = np.cumsum(0.02 * grain(rng, (1, count), (0.0, 8.0))[0].astype(np.float64))
    wind = 0.25 * np.sin(np.arange(count) * _STEP_MM / rng.uniform(4.0, 8.0) + rng.uniform(0.0, 6.0))
    angle = heading + bend + wind - wind[0]
    steps = _STEP_MM * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = root[:2] + np.vstack([np.zeros(2), np.cumsum(steps, axis=0)[:-1]])
    share = np.linspace(0.0, 1.0, count)
    radii = root[2] * (1.0 - 0.3 * share)
    strength = root[4] * (1.0 - 0.8 * smoothstep((share - 0.6) / 0.4))
    return np.column_stack([points, radii, root[3] + _STEP_MM * np.arange(count), strength])
