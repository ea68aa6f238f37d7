"""What lies over a spine in real films and is no contrast: hardware, clips, tubes, bowel contents, calcium.

Bodies are watertight surfaces fixed to the patient, or to the gut that moves between images. They attenuate
as what they are made of; no iodine of theirs ever counts as contrast in the truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL
from fluorospread.simulation.anatomy.surface import Anatomy, Surface
from fluorospread.simulation.needle import swept_tube, tube_along
from fluorospread.simulation.projection import CArm, fine_thickness_mm, total_thickness_mm
from fluorospread.simulation.spectrum import DENSITY_G_CM3, Substance

Floats = npt.NDArray[np.float64]
FloatMap = npt.NDArray[np.float32]
Landmarks = Mapping[str, Floats]

_AROUND = 20
# A ray that crosses less than this of a body does not show it.
_SHOWS_MM = 0.05


class ClutterKind(StrEnum):
    """What may lie in the way."""

    HARDWARE = "hardware"
    CLIPS = "clips"
    CATHETER = "catheter"
    BOWEL_CONTRAST = "bowel-contrast"
    STOOL = "stool"
    GAS = "gas"
    CALCIFICATION = "calcification"
    TEXT = "text"


_TISSUE = {Substance.SOFT_TISSUE: DENSITY_G_CM3[Substance.SOFT_TISSUE]}
_TITANIUM = {Substance.TITANIUM: DENSITY_G_CM3[Substance.TITANIUM]}
_STEEL = {Substance.STEEL: DENSITY_G_CM3[Substance.STEEL]}
_AIR = {Substance.AIR: DENSITY_G_CM3[Substance.AIR]}
# Polymer with 20 % barium sulphate by mass, as radiopaque tubing is filled.
_TUBING = {Substance.POLYPROPYLENE: 0.84, Substance.BARIUM_SULFATE: 0.21}
# Water and residue; calcified plaque as `beam_path` has it.
_STOOL = {Substance.SOFT_TISSUE: 0.85, Substance.CALCIUM_CARBONATE: 0.015}
_PLAQUE = {Substance.HYDROXYAPATITE: 0.8, Substance.SOFT_TISSUE: 0.7}


@dataclass(frozen=True)
class Body:
    """One foreign body.

    Attributes
    ----------
    surfaces
        Closed surfaces that do not overlap.
    g_cm3
        What fills them; soft tissue is displaced.
    in_gut
        Moves with the gut between images.
    slender
        Only a few pixels wide, so rays are averaged within each pixel.
    """

    kind: ClutterKind
    surfaces: tuple[Surface, ...] = field(repr=False)
    g_cm3: Mapping[Substance, float]
    in_gut: bool = False
    slender: bool = False

    def thickness_mm(self, carm: CArm, gut_shift_mm: tuple[float, float, float]) -> FloatMap:
        """Path through the body along each pixel's ray, (rows, cols) float32."""
        surfaces = self.surfaces
        if self.in_gut and any(gut_shift_mm):
            move = np.eye(4)
            move[:3, 3] = gut_shift_mm
            surfaces = tuple(surface.moved(move) for surface in surfaces)
        return (fine_thickness_mm if self.slender else total_thickness_mm)(surfaces, carm)


def add_bodies(
    path: dict[Substance, FloatMap], bodies: Sequence[Body], carm: CArm, gut_shift_mm: tuple[float, float, float]
) -> None:
    """Put bodies into grams per cm² of every substance along each ray, in place of the tissue there."""
    for body in bodies:
        length_cm = body.thickness_mm(carm, gut_shift_mm) / np.float32(10.0)
        contents = dict(body.g_cm3)
        for substance, density in _TISSUE.items():
            contents[substance] = contents.get(substance, 0.0) - density
        for substance, density in contents.items():
            areal = np.float32(density) * length_cm
            path[substance] = path[substance] + areal if substance in path else areal


def shows(bodies: Sequence[Body], carm: CArm, gut_shift_mm: tuple[float, float, float]) -> npt.NDArray[np.bool_]:
    """(rows, cols), True where a ray crosses a body."""
    seen = np.zeros((carm.rows, carm.cols), dtype=np.bool_)
    for body in bodies:
        seen |= body.thickness_mm(carm, gut_shift_mm) > _SHOWS_MM
    return seen


def make_bodies(kind: ClutterKind, anatomy: Anatomy, rng: np.random.Generator) -> tuple[Body, ...]:
    """Bodies of a kind in a person; text is no body and gives none.

    Raises
    ------
    UsageError
        When the anatomy has no lumbar vertebra to place them by.
    """
    if "L3.center" not in anatomy.landmarks_mm or "L4.center" not in anatomy.landmarks_mm:
        raise UsageError("clutter is placed by L3.center and L4.center; the anatomy lacks one")
    build: dict[ClutterKind, Callable[[Anatomy, np.random.Generator], tuple[Body, ...]]] = {
        ClutterKind.HARDWARE: _hardware,
        ClutterKind.CLIPS: _clips,
        ClutterKind.CATHETER: _catheter,
        ClutterKind.BOWEL_CONTRAST: _bowel_contrast,
        ClutterKind.STOOL: _stool,
        ClutterKind.GAS: _gas,
        ClutterKind.CALCIFICATION: _calcification,
    }
    return build[kind](anatomy, rng) if kind in build else ()


def ellipsoid(centre_mm: Floats, half_mm: Floats, turn: Floats) -> Surface:
    """Closed ellipsoid: half axes (3,) along the columns of a rotation (3, 3)."""
    along = np.linspace(-0.995, 0.995, 12)
    phi = 2 * math.pi * np.arange(_AROUND) / _AROUND
    radius = np.sqrt(1.0 - along**2)
    rings = np.stack(
        [
            radius[:, None] * np.cos(phi),
            radius[:, None] * np.sin(phi),
            np.broadcast_to(along[:, None], (len(along), _AROUND)),
        ],
        axis=-1,
    )
    return swept_tube(centre_mm + (rings * half_mm) @ turn.T)


def _random_turn(rng: np.random.Generator) -> Floats:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    turn = q * np.sign(np.diag(r))
    return np.asarray(turn if np.linalg.det(turn) > 0 else -turn)


def _centre(anatomy: Anatomy, level: str) -> Floats:
    return np.asarray(anatomy.landmarks_mm[f"{level}.center"], dtype=np.float64)


def _wandering(rng: np.random.Generator, knots: Floats, wobble_mm: float, step_mm: float = 3.0) -> Floats:
    """A smooth course (n, 3) through knots (k, 3), each moved a little."""
    from scipy.interpolate import CubicSpline

    moved = knots + rng.normal(0.0, wobble_mm, knots.shape)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(moved, axis=0), axis=1))])
    course: Floats = CubicSpline(length, moved, axis=0)(np.arange(0.0, length[-1], step_mm))
    return course


def _hardware(anatomy: Anatomy, rng: np.random.Generator) -> tuple[Body, ...]:
    """Pedicle screws over two to four neighbouring levels with a rod on each side."""
    marks = anatomy.landmarks_mm
    levels = [level.value for level in CRANIAL_TO_CAUDAL if f"{level.value}.pedicle.left" in marks]
    count = min(int(rng.integers(2, 5)), len(levels))
    if count < 2:
        raise UsageError("hardware needs the pedicles of two neighbouring vertebrae")
    # Mostly the lower lumbar spine, where most fusions are.
    first = max(0, len(levels) - count - int(rng.integers(0, 3)))
    metal = _TITANIUM if rng.random() < 0.75 else _STEEL
    parts: list[Surface] = []
    for side in ("left", "right"):
        heads = []
        for level in levels[first : first + count]:
            pedicle = np.asarray(marks[f"{level}.pedicle.{side}"], dtype=np.float64)
            body = _centre(anatomy, level)
            inwards = np.array([0.45 * (body[0] - pedicle[0]), -28.0, rng.normal(0.0, 1.5)])
            inwards *= rng.uniform(40.0, 48.0) / np.linalg.norm(inwards)
            entry = pedicle - 0.45 * inwards
            parts.append(tube_along(np.linspace(entry, entry + inwards, 6), rng.uniform(2.5, 3.2)))
            back = -inwards / np.linalg.norm(inwards)
            parts.append(tube_along(np.linspace(entry + 0.1 * back, entry + 12.0 * back, 4), 5.5))
            heads.append(entry + 17.5 * back)
        down = heads[-1] - heads[0]
        end = 6.0 * down / np.linalg.norm(down)
        course = _wandering(rng, np.vstack([heads[0] - end, heads, heads[-1] + end]), 0.3)
        parts.append(tube_along(course, 2.75))
    return (Body(ClutterKind.HARDWARE, tuple(parts), metal),)


def _clips(anatomy: Anatomy, rng: np.random.Generator) -> tuple[Body, ...]:
    """Surgical clips: a group of small bent wires, at the gall bladder or beside the great vessels."""
    middle = _centre(anatomy, "L3")
    at_gall_bladder = rng.random() < 0.5
    offset = (
        np.array([-62.0, -55.0, 35.0]) if at_gall_bladder else np.array([float(rng.choice([-30, 30])), -45.0, -15.0])
    )
    spread = np.array([9.0, 8.0, 10.0]) if at_gall_bladder else np.array([9.0, 6.0, 38.0])
    parts = []
    for _ in range(int(rng.integers(3, 9))):
        turn = _random_turn(rng)
        place = middle + offset + rng.normal(size=3) * spread
        half, gap = rng.uniform(2.2, 4.5), rng.uniform(0.8, 1.4)
        parts += [
            tube_along(place + np.array([[-half, y, 0.0], [0.0, 1.1 * y, 0.0], [half, y, 0.0]]) @ turn.T, 0.35)
            for y in (-gap, gap)
        ]
    return (Body(ClutterKind.CLIPS, tuple(parts), _TITANIUM, slender=True),)


def _catheter(anatomy: Anatomy, rng: np.random.Generator) -> tuple[Body, ...]:
    """A radiopaque tube: a ureteral stent with its coils, or a drain or lead that crosses the field."""
    middle = _centre(anatomy, "L3")
    side = float(rng.choice([-1.0, 1.0]))
    if rng.random() < 0.5:
        turns = np.linspace(0.0, 2 * math.pi, 9)[:-1]
        coil = np.array([side * 55.0, -20.0, 55.0]) + 9.0 * np.stack([np.cos(turns), 0 * turns, np.sin(turns)], axis=1)
        below = np.array([[side * 40, -35, 5], [side * 34, -40, -40], [side * 42, -30, -95], [side * 30, -45, -150]])
        knots, wobble, radius = np.vstack([coil[::-1], below]), 1.5, 1.1
    else:
        start, end = np.array([side * 125.0, 70.0, rng.uniform(-60, 120)]), np.array([-side * 110.0, 60.0, -120.0])
        shares = np.linspace(0.0, 1.0, 7)[:, None]
        knots, wobble, radius = (1 - shares) * start + shares * end, 12.0, float(rng.uniform(0.8, 1.8))
    course = _wandering(rng, middle + knots, wobble)
    return (Body(ClutterKind.CATHETER, (tube_along(course, radius),), _TUBING, slender=True),)


def _gut_course(anatomy: Anatomy, rng: np.random.Generator, length_mm: float) -> Floats:
    """A stretch of colon or small bowel in front of the spine."""
    middle = _centre(anatomy, "L4")
    colon = rng.random() < 0.6
    start = np.array([float(rng.choice([-75.0, 75.0])), -42.0, 40.0]) if colon else np.array([0.0, -48.0, 0.0])
    start = start + rng.normal(0.0, (14.0, 3.0, 22.0))
    heading = rng.uniform(0, 2 * math.pi)
    knots = [start]
    for _ in range(max(int(length_mm / 18.0), 2)):
        heading += rng.normal(0.0, 0.35)
        knots.append(knots[-1] + 18.0 * np.array([math.cos(heading), rng.normal(0.0, 0.1), math.sin(heading)]))
    return _wandering(rng, middle + np.array(knots), 0.5, 2.0)


def _haustra(rng: np.random.Generator, course: Floats) -> Surface:
    """A gut segment along a course, pinched at intervals and closed at both ends."""
    length = 2.0 * np.arange(len(course))
    size = rng.uniform(8.0, 15.0)
    pinched = 1.0 - 0.28 * np.abs(np.sin(math.pi * length / rng.uniform(16.0, 26.0) + rng.uniform(0, 3))) ** 3
    ends = np.clip(np.minimum(length, length[-1] - length) / 12.0, 0.02, 1.0)
    radii = size * pinched * np.sqrt(ends * (2.0 - ends))
    unit = tube_along(course, 1.0)
    rings = unit.vertices_mm[:-2].reshape(len(course), -1, 3)
    return swept_tube(course[:, None] + radii[:, None, None] * (rings - course[:, None]))


def _bowel_contrast(anatomy: Anatomy, rng: np.random.Generator) -> tuple[Body, ...]:
    """Barium or iodinated contrast left in the bowel after another examination."""
    surface = _haustra(rng, _gut_course(anatomy, rng, rng.uniform(50.0, 130.0)))
    if rng.random() < 0.5:
        contents = {Substance.WATER: 0.97, Substance.BARIUM_SULFATE: float(np.exp(rng.uniform(-3.5, -1.2)))}
    else:
        contents = {Substance.WATER: 1.0, Substance.IODINE: float(rng.uniform(0.004, 0.03))}
    return (Body(ClutterKind.BOWEL_CONTRAST, (surface,), contents, in_gut=True),)


def _stool(anatomy: Anatomy, rng: np.random.Generator) -> tuple[Body, ...]:
    """A column of stool: denser residue with many small bubbles."""
    course = _gut_course(anatomy, rng, rng.uniform(60.0, 140.0))
    lumps, bubbles = [], []
    for place in course[:: int(rng.integers(4, 7))]:
        half = rng.uniform(3.0, 7.5, 3)
        lumps.append(ellipsoid(place + rng.normal(0.0, 2.0, 3), half, _random_turn(rng)))
        for _ in range(int(rng.integers(1, 5))):
            bubbles.append(ellipsoid(place + rng.normal(0.0, 6.0, 3), rng.uniform(0.8, 2.6) * np.ones(3), np.eye(3)))
    return (
        Body(ClutterKind.STOOL, tuple(lumps), _STOOL, in_gut=True),
        Body(ClutterKind.STOOL, tuple(bubbles), _AIR, in_gut=True),
    )


def _gas(anatomy: Anatomy, rng: np.random.Generator) -> tuple[Body, ...]:
    """Loops full of gas over the spine."""
    loops = [_haustra(rng, _gut_course(anatomy, rng, rng.uniform(30.0, 90.0))) for _ in range(int(rng.integers(1, 4)))]
    return (Body(ClutterKind.GAS, tuple(loops), _AIR, in_gut=True),)


def _calcification(anatomy: Anatomy, rng: np.random.Generator) -> tuple[Body, ...]:
    """Plaques in the wall of the aorta and of the iliac arteries, and phleboliths in the pelvis."""
    l3, l4 = _centre(anatomy, "L3"), _centre(anatomy, "L4")
    down = (l4 - l3) / np.linalg.norm(l4 - l3)
    front = np.array([9.0, -38.0, 0.0])
    aorta = np.array([l3 + front - s * down for s in (70.0, 35.0, 0.0)] + [l4 + front])
    plaques = _wall(rng, _wandering(rng, aorta, 1.5), float(rng.uniform(8.0, 12.0)))
    for side in (1.0, -1.0):
        iliac = np.array([l4 + front, l4 + front + [side * 22.0, 8.0, -38.0], l4 + front + [side * 42.0, 22.0, -80.0]])
        plaques += _wall(rng, _wandering(rng, iliac, 1.0), 5.0)
    for _ in range(int(rng.integers(0, 5))):
        place = l4 + np.array([rng.normal(0.0, 45.0), 5.0, rng.uniform(-175.0, -125.0)])
        plaques.append(ellipsoid(place, rng.uniform(1.2, 2.6) * np.ones(3), np.eye(3)))
    return (Body(ClutterKind.CALCIFICATION, tuple(plaques), _PLAQUE, slender=True),)


def _wall(rng: np.random.Generator, course: Floats, radius_mm: float) -> list[Surface]:
    """Patches of plaque on a vessel's wall, each a thin rod around or along it."""
    plaques = []
    for _ in range(int(rng.integers(3, 10))):
        at = int(rng.integers(1, len(course) - 1))
        turn = rng.uniform(0, 2 * math.pi)
        span = np.linspace(0.0, rng.uniform(0.6, 2.2), 7)
        climb = rng.normal(0.0, 5.0) * span
        arc = np.stack([np.cos(turn + span), np.sin(turn + span), np.zeros(7)], axis=1) * radius_mm
        arc[:, 2] = climb
        plaques.append(tube_along(course[at] + arc, float(rng.uniform(0.7, 2.0))))
    return plaques
