"""A spinal needle as watertight surfaces: bevelled steel tube, hub with its ring, extension tube.

Steel and plastic are added to what the rays cross; the tissue they push aside (under 0.1 g/cm² against
several of steel) is not taken out again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.errors import UsageError
from fluorospread.simulation.anatomy.surface import Surface
from fluorospread.simulation.projection import CArm, FloatMap, fine_thickness_mm
from fluorospread.simulation.spectrum import DENSITY_G_CM3, Substance

Points = npt.NDArray[np.float64]

# Outer and lumen radius by gauge. ISO 9626 gives the outer diameter as 0.70-0.73, 0.60-0.67 and 0.50-0.53 mm and
# the lumen of a normal wall as at least 0.39, 0.32 and 0.23 mm.
RADII_MM: dict[int, tuple[float, float]] = {22: (0.36, 0.205), 23: (0.32, 0.17), 25: (0.2575, 0.13)}
# Quincke bevels are ground at about 20° to the shaft.
BEVEL_DEG = 20.0
_RING_MM = (0.0, 5.0)
_HUB_MM = (3.0, 24.0)
_AROUND = 24


@dataclass(frozen=True)
class Needle:
    """One needle in patient axes.

    Attributes
    ----------
    tip_mm, entry_mm
        Tip (the bevel's foremost point) and where the shaft crosses the skin; the shaft is straight.
    length_mm
        Tip to hub; the hub never lies nearer than the skin.
    bevel_roll_deg
        Turn of the bevel about the shaft.
    extension_mm
        Course of an extension tube from the hub on, (n, 3) points, or None.
    gauge
        22, 23 or 25.
    """

    tip_mm: tuple[float, float, float]
    entry_mm: tuple[float, float, float]
    length_mm: float = 90.0
    bevel_roll_deg: float = 0.0
    extension_mm: Points | None = None
    gauge: int = 22

    def __post_init__(self) -> None:
        if self.gauge not in RADII_MM:
            raise UsageError(f"needles are of {', '.join(str(g) for g in RADII_MM)} gauge, got {self.gauge}")
        if math.dist(self.tip_mm, self.entry_mm) < 1.0:
            raise UsageError("a needle needs its skin entry at least 1 mm from its tip")

    @property
    def direction(self) -> Points:
        """Unit vector (3,) from hub to tip."""
        along = np.subtract(self.tip_mm, self.entry_mm)
        return np.asarray(along / np.linalg.norm(along), dtype=np.float64)

    @property
    def hub_mm(self) -> Points:
        """Where the shaft leaves the hub (3,)."""
        shaft = max(self.length_mm, math.dist(self.tip_mm, self.entry_mm) + 2.0)
        return np.asarray(np.array(self.tip_mm) - shaft * self.direction)


def _frame(direction: Points, roll_deg: float = 0.0) -> tuple[Points, Points]:
    """Two unit vectors at right angles to a direction and each other, turned by `roll_deg`."""
    helper = np.array([0.0, 0.0, 1.0]) if abs(direction[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    a = np.cross(direction, helper)
    a /= np.linalg.norm(a)
    b = np.cross(direction, a)
    roll = math.radians(roll_deg)
    return math.cos(roll) * a + math.sin(roll) * b, -math.sin(roll) * a + math.cos(roll) * b


def swept_tube(rings: Points) -> Surface:
    """Closed surface through rings (k, n, 3) of n points each, both ends capped, wound outwards."""
    count, around = rings.shape[:2]
    index = np.arange(count * around).reshape(count, around)
    after = np.roll(index, -1, axis=1)
    sides = np.concatenate(
        [np.stack([index[:-1], after[:-1], index[1:]], -1), np.stack([after[:-1], after[1:], index[1:]], -1)]
    ).reshape(-1, 3)
    first, last = count * around, count * around + 1
    front = np.stack([np.full(around, first), after[0], index[0]], -1)
    back = np.stack([np.full(around, last), index[-1], after[-1]], -1)
    vertices = np.concatenate([rings.reshape(-1, 3), rings[0].mean(axis=0)[None], rings[-1].mean(axis=0)[None]])
    surface = Surface(vertices, np.concatenate([sides, front, back]).astype(np.int32))
    return surface if surface.volume_mm3() > 0 else Surface(vertices, surface.faces[:, ::-1].copy())


def _cylinder(start: Points, direction: Points, stations: list[tuple[float, float]]) -> Surface:
    """Body of revolution: (distance from `start` along `direction`, radius) of each ring, mm."""
    a, b = _frame(direction)
    phi = np.arange(_AROUND) * 2 * math.pi / _AROUND
    circle = np.cos(phi)[:, None] * a + np.sin(phi)[:, None] * b
    return swept_tube(np.stack([start + along * direction + radius * circle for along, radius in stations]))


def _bevelled(needle: Needle, radius_mm: float) -> Surface:
    """Shaft of one radius from hub to tip, cut by the bevel's plane through the tip."""
    a, b = _frame(needle.direction, needle.bevel_roll_deg)
    phi = np.arange(_AROUND) * 2 * math.pi / _AROUND
    circle = radius_mm * (np.cos(phi)[:, None] * a + np.sin(phi)[:, None] * b)
    outer_mm = RADII_MM[needle.gauge][0]
    # The tip is the outer tube's point at phi = 0; the plane falls back from there.
    back = (outer_mm - radius_mm * np.cos(phi)) / math.tan(math.radians(BEVEL_DEG))
    axis_end = np.array(needle.tip_mm) - outer_mm * a
    cut = axis_end + circle - back[:, None] * needle.direction
    hub = needle.hub_mm - outer_mm * a + circle
    return swept_tube(np.stack([hub, cut]))


def needle_g_cm2(needle: Needle, carm: CArm) -> dict[Substance, FloatMap]:
    """Steel and plastic along each pixel's ray, g/cm², (rows, cols) float32 each."""
    hub, back = needle.hub_mm, -needle.direction
    outer_mm, lumen_mm = RADII_MM[needle.gauge]
    ring = _cylinder(hub, back, [(_RING_MM[0], 0.9), (_RING_MM[1], 1.2)])
    bore = _cylinder(hub, back, [(_RING_MM[0], lumen_mm), (_RING_MM[1], 0.8)])
    cone = _cylinder(hub, back, [(_HUB_MM[0], 1.6), (12.0, 2.4), (_HUB_MM[1], 3.4)])
    hollow = _cylinder(hub, back, [(_RING_MM[1], 1.0), (12.0, 1.8), (_HUB_MM[1], 2.2)])
    steel = [_bevelled(needle, outer_mm), _bevelled(needle, lumen_mm), ring, bore]
    plastic, plastic_signs = [cone, hollow], [1.0, -1.0]
    if needle.extension_mm is not None:
        course = np.concatenate([(hub + _HUB_MM[1] * back)[None], needle.extension_mm])
        plastic += [tube_along(course, 1.25), tube_along(course, 0.6)]
        plastic_signs += [1.0, -1.0]
    per_mm = {s: DENSITY_G_CM3[s] / 10.0 for s in (Substance.STEEL, Substance.POLYPROPYLENE)}
    return {
        Substance.STEEL: per_mm[Substance.STEEL] * fine_thickness_mm(steel, carm, [1.0, -1.0, 1.0, -1.0]),
        Substance.POLYPROPYLENE: per_mm[Substance.POLYPROPYLENE] * fine_thickness_mm(plastic, carm, plastic_signs),
    }


def tube_along(course_mm: Points, radius_mm: float) -> Surface:
    """Round tube of one radius along a course (n, 3) of at least two points."""
    tangents = np.gradient(course_mm, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    phi = np.arange(_AROUND) * 2 * math.pi / _AROUND
    rings = []
    a = _frame(tangents[0])[0]
    for point, tangent in zip(course_mm, tangents, strict=True):
        # Carry the frame along, so that the tube does not twist.
        a = a - (a @ tangent) * tangent
        a /= np.linalg.norm(a)
        b = np.cross(tangent, a)
        rings.append(point + radius_mm * (np.cos(phi)[:, None] * a + np.sin(phi)[:, None] * b))
    return swept_tube(np.stack(rings))


def skin_entry_mm(skin: Surface | None, tip_mm: Points, outwards: Points, fallback_mm: float = 60.0) -> Points:
    """Where a line from inside the body along `outwards` (3,) leaves the skin; `fallback_mm` on without skin."""
    outwards = outwards / np.linalg.norm(outwards)
    if skin is None:
        return np.asarray(tip_mm + fallback_mm * outwards)
    corner, second, third = (skin.vertices_mm[skin.faces[:, i]] for i in range(3))
    # Moeller and Trumbore: barycentric coordinates and distance of the crossing with every face.
    e1, e2 = second - corner, third - corner
    p = np.cross(outwards, e2)
    det = np.einsum("ij,ij->i", e1, p)
    usable = np.abs(det) > 1e-12
    inverse = np.where(usable, 1.0 / np.where(usable, det, 1.0), 0.0)
    s = tip_mm - corner
    u = np.einsum("ij,ij->i", s, p) * inverse
    q = np.cross(s, e1)
    v = (q @ outwards) * inverse
    t = np.einsum("ij,ij->i", e2, q) * inverse
    hit = usable & (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
    return np.asarray(tip_mm + (float(t[hit].max()) if hit.any() else fallback_mm) * outwards)
