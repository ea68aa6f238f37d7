"""Anatomies to projections of cortical and trabecular thickness with landmarks, cached as shards.

A shard is two files: `NAME_bone.npy` (n, 2, rows, cols) uint8, cortical thickness in 1/6 mm and trabecular
in 1/2 mm, and `NAME_truth.npz`. Whole views teach the level network, close-ups the close-up network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fluorospread.simulation.anatomy.fitting import Person, completed, posed
from fluorospread.simulation.anatomy.surface import Anatomy
from fluorospread.simulation.anatomy.variation import (
    SpinePoses,
    sacralised,
    varied,
    with_arches_reshaped,
    with_hips_moved,
    with_sacrum_reshaped,
)
from fluorospread.simulation.projection import CArm, total_thickness_mm
from fluorospread.training.landmarks import CLOSE_UP_STEPS, channel_points, names_upwards

VIEW_MM_PER_PX = 0.7
VIEW_SHAPE = (704, 600)
CLOSE_UP_MM_PER_PX = 0.42
CLOSE_UP_PX = 300
CORTICAL_STEPS_PER_MM = 6.0
TRABECULAR_STEPS_PER_MM = 2.0

# More than in life, so that a last lumbar vertebra that joins the sacrum is still called that.
TRANSITIONAL_SHARE = 0.2

# Share of whole views centred on the pelvis.
PELVIS_SHARE = 0.2

# Where close-ups alone are rendered, they show how a spine is numbered: transitional vertebrae and other counts often.
_CLOSE_UP_TRANSITIONAL_SHARE = 0.4
_COUNTS = (4, 5, 6)
_COUNT_SHARES = (0.05, 0.87, 0.08)
_CLOSE_UP_COUNT_SHARES = (0.08, 0.74, 0.18)
# Steps above S1 of those close-ups: up to the vertebrae around the last rib.
_NUMBERING_STEPS = (*CLOSE_UP_STEPS, 5, 6)

# Mean and 1 sd of how much lower than their donors' the hips sit, mm: the few donors' crests lie at the centre of
# L4, most people's between there and L5.
HIPS_LOWER_MM = (10.0, 9.0)

# Image-left and image-right junction, image-left and image-right pedicle, body centre.
CLOSE_UP_POINTS = 5


@dataclass(frozen=True)
class Pose2D:
    """C-arm of one exposure, before the detector is chosen. Angles in degrees."""

    axial_deg: float
    sagittal_deg: float
    roll_deg: float
    sid_mm: float
    source_mm: float
    centre_mm: npt.NDArray[np.float64]

    def carm(self, centre_mm: npt.NDArray[np.float64], shape: tuple[int, int], mm_per_px: float) -> CArm:
        spacing = mm_per_px * self.sid_mm / self.source_mm
        return CArm(
            self.sid_mm, self.source_mm, (spacing, spacing), *shape, isocentre_mm=tuple(centre_mm.tolist()),
            axial_deg=self.axial_deg, sagittal_deg=self.sagittal_deg, roll_deg=self.roll_deg, beam="AP",
        )  # fmt: skip


def _thicknesses(anatomy: Anatomy, carm: CArm) -> npt.NDArray[np.uint8]:
    inner = [bone.inner for bone in anatomy.bones if bone.inner is not None]
    trabecular = np.maximum(total_thickness_mm(inner, carm), 0.0)
    whole = total_thickness_mm([bone.outer for bone in anatomy.bones], carm)
    cortical = np.maximum(whole - trabecular, 0.0)
    steps = np.stack([cortical * CORTICAL_STEPS_PER_MM, trabecular * TRABECULAR_STEPS_PER_MM])
    return np.clip(np.rint(steps), 0, 255).astype(np.uint8)


def draw_pose(anatomy: Anatomy, rng: np.random.Generator) -> Pose2D:
    """A beam: mostly frontal, some oblique, some lateral."""
    kind = rng.random()
    if kind < 0.88:
        axial, sagittal = float(np.clip(rng.normal(0, 6.0), -16, 16)), float(np.clip(rng.normal(0, 9.0), -22, 22))
    elif kind < 0.94:
        axial, sagittal = float(rng.choice([-1, 1]) * rng.uniform(28, 55)), float(rng.normal(0, 5.0))
    else:
        axial, sagittal = float(rng.choice([-1, 1]) * rng.uniform(70, 110)), float(rng.normal(0, 5.0))
    source = float(rng.uniform(650, 1300))
    centre = anatomy.landmarks_mm["L3.center" if "L3.center" in anatomy.landmarks_mm else "L4.center"]
    # Some beams look at the pelvis, with the lowest vertebrae near the film's upper edge.
    lower = float(rng.uniform(50, 130)) if rng.random() < PELVIS_SHARE else 0.0
    shift = np.array([rng.normal(0, 12), 0.0, rng.normal(-12, 18) - lower])
    return Pose2D(axial, sagittal, float(rng.normal(0, 3)), source * rng.uniform(1.1, 1.35), source, centre + shift)


def _side_by_image(points_px: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A left-right pair (2, 2) in the order of their columns; NaN where one is missing."""
    return points_px[np.argsort(points_px[:, 1])] if np.isfinite(points_px).all() else points_px


def whole_view(anatomy: Anatomy, pose: Pose2D) -> dict[str, npt.NDArray[np.generic]]:
    """Bone (2, rows, cols), channel points (k, 2) in px (NaN absent), known (k,), and the angles."""
    carm = pose.carm(pose.centre_mm, VIEW_SHAPE, VIEW_MM_PER_PX)
    points, known = channel_points(anatomy)
    px = np.full((len(points), 2), np.nan)
    for i, point in enumerate(points):
        if point is not None:
            px[i] = carm.project(point[None])[0]
    px[-2:] = _side_by_image(px[-2:])
    return {
        "bone": _thicknesses(anatomy, carm),
        "points": px.astype(np.float32),
        "known": np.array(known),
        "angles": np.array([pose.axial_deg, pose.sagittal_deg], dtype=np.float32),
        "lumbar": np.array(anatomy.lumbar_count, dtype=np.int16),
    }


def _close_up_flags(anatomy: Anatomy, name: str, step: int) -> npt.NDArray[np.float32]:
    """1 or 0, NaN where not known: a last lumbar vertebra is transitional; a vertebra bears a rib.

    Ribs are known of the lumbar vertebrae, of T12, and of higher ones that have theirs.
    """
    number = name.removeprefix("T")
    bears = any(f"rib{number}.{side}" in {b.name for b in anatomy.bones} for side in ("left", "right"))
    rib = float(bears) if name.startswith("T") else 0.0
    if name.startswith("T") and name != "T12" and not bears:
        rib = np.nan
    return np.array([float(anatomy.transitional) if step == 1 else np.nan, rib], dtype=np.float32)


def close_up(
    anatomy: Anatomy, pose: Pose2D, step: int, rng: np.random.Generator
) -> dict[str, npt.NDArray[np.generic]] | None:
    """A close-up around one vertebra: bone, points (junctions, pedicles by image side, centre) in px, flags."""
    name = names_upwards(anatomy.lumbar_count)[step]
    marks = anatomy.landmarks_mm
    if f"{name}.center" not in marks:
        return None
    centre = marks[f"{name}.center"] + rng.normal(0, 5.0, 3)
    carm = pose.carm(centre, (CLOSE_UP_PX, CLOSE_UP_PX), CLOSE_UP_MM_PER_PX)
    px = np.full((CLOSE_UP_POINTS, 2), np.nan)
    left_first = float(carm.axes[1][0]) < 0  # whether growing columns lead to the patient's right
    for i, part in enumerate(("junction", "pedicle")):
        for j, side in enumerate(("left", "right")):
            point = marks.get(f"{name}.{part}.{side}")
            if point is not None:
                px[2 * i + (j if left_first else 1 - j)] = carm.project(point[None])[0]
    px[4] = carm.project(marks[f"{name}.center"][None])[0]
    near = [b for b in anatomy.bones if np.abs(b.outer.vertices_mm - centre).min(axis=0).max() < 70]
    local = Anatomy(anatomy.name, anatomy.family, tuple(near), None, (), marks, anatomy.lumbar_count)
    return {
        "bone": _thicknesses(local, carm),
        "points": px.astype(np.float32),
        "step": np.array(step, dtype=np.int16),
        "angles": np.array([pose.axial_deg, pose.sagittal_deg], dtype=np.float32),
        "flags": _close_up_flags(anatomy, name, step),
    }


def real_anatomies(
    people: Sequence[Person],
    donors: tuple[Sequence[Person], Sequence[Person], Sequence[Person]],
    poses: SpinePoses,
    rng: np.random.Generator,
    unusual: bool = False,
) -> Iterator[Anatomy]:
    """Endless anatomies: a person, completed from donors in random order, varied and posed.

    donors: of sacrum and hips, of vertebrae, of ribs; of each kind a shuffled list is asked in turn.
    unusual: many with a transitional vertebra or another number than five.
    """
    bases, fillers, ribs = donors
    while True:
        person = people[int(rng.integers(len(people)))]
        order = [group[i] for group in (bases, fillers, ribs) for i in rng.permutation(len(group))]
        count = int(rng.choice(_COUNTS, p=_CLOSE_UP_COUNT_SHARES if unusual else _COUNT_SHARES))
        shaped = with_sacrum_reshaped(with_arches_reshaped(varied(completed(person, order), rng), rng), rng)
        whole = with_hips_moved(shaped, float(rng.normal(*HIPS_LOWER_MM)))
        pose = poses.draw(rng, 9 + count - 5, bend=float(rng.uniform(0.4, 1.4)))
        share = _CLOSE_UP_TRANSITIONAL_SHARE if unusual else TRANSITIONAL_SHARE
        transitional = count == 5 and bool(rng.random() < share)
        if transitional:
            whole, pose = sacralised(whole, pose, rng)
        one_side = (str(rng.choice(["left", "right"])),)
        chance = rng.random()
        hidden = ("left", "right") if chance < 0.05 else one_side if chance < 0.12 else ()
        anatomy = posed(whole, pose, count, frozenset(f"rib12.{side}" for side in hidden))
        yield replace(anatomy, transitional=transitional)


def procedural_anatomies(rng: np.random.Generator, views_each: int = 4) -> Iterator[Anatomy]:
    """Endless built-in anatomies on a coarse grid, each given `views_each` times (they are slow to make)."""
    from fluorospread.simulation.anatomy.anatomy_shape import AnatomyShape
    from fluorospread.simulation.anatomy.procedural import build_anatomy

    while True:
        transitional = bool(rng.random() < TRANSITIONAL_SHARE)
        count = int(rng.choice([4, 5, 6], p=[0.05, 0.85, 0.10]))
        shape = AnatomyShape.sample(rng, count)
        while shape.transitional != transitional:
            shape = AnatomyShape.sample(rng, count)
        anatomy = build_anatomy(shape, grid_mm=1.7)
        for _ in range(views_each):
            yield anatomy


def write_shard(anatomies: Iterator[Anatomy], name: Path, rng: np.random.Generator, views: int = 120) -> None:
    """Render `views` whole views and up to twice as many close-ups to NAME_whole_* and NAME_close_*."""
    wholes, closes = [], []
    for anatomy in islice(anatomies, views):
        pose = draw_pose(anatomy, rng)
        wholes.append(whole_view(anatomy, pose))
        if abs(pose.axial_deg) > 20:
            continue
        for step in rng.choice(CLOSE_UP_STEPS, 2, replace=False, p=[0.16, 0.24, 0.24, 0.22, 0.14]):
            found = close_up(anatomy, pose, int(step), rng)
            if found is not None:
                closes.append(found)
    _write({"whole": wholes, "close": closes}, name)


def write_close_up_shard(anatomies: Iterator[Anatomy], name: Path, rng: np.random.Generator, people: int = 120) -> None:
    """Render close-ups alone, from S1 to the vertebrae around the last rib, of `people` anatomies, to NAME_close_*."""
    closes = []
    for anatomy in islice(anatomies, people):
        pose = draw_pose(anatomy, rng)
        if abs(pose.axial_deg) > 20:
            continue
        for step in _NUMBERING_STEPS:
            found = close_up(anatomy, pose, step, rng)
            if found is not None:
                closes.append(found)
    _write({"close": closes}, name)


def _write(shards: dict[str, list[dict[str, npt.NDArray[np.generic]]]], name: Path) -> None:
    """Views by kind to NAME_KIND_bone.npy and NAME_KIND_truth.npz."""
    name.parent.mkdir(parents=True, exist_ok=True)
    for kind, items in shards.items():
        truth = {key: np.stack([item[key] for item in items]) for key in items[0] if key != "bone"}
        np.savez(name.parent / f"{name.name}_{kind}_truth.npz", allow_pickle=False, **truth)
        # Renamed last, so that a reader never sees half a file.
        part = name.parent / f"{name.name}_{kind}_bone.part.npy"
        np.save(part, np.stack([item["bone"] for item in items]))
        part.rename(name.parent / f"{name.name}_{kind}_bone.npy")
