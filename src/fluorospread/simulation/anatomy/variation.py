"""One real person to many plausible ones: sizes, wear of the bodies' rims, and poses of real spines."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fluorospread.errors import MissingFileError
from fluorospread.simulation.anatomy.fitting import CHAIN, Part, Person, Pose, Shell
from fluorospread.simulation.anatomy.surface import Surface

Points = npt.NDArray[np.float64]

# Mean distance of neighbouring body centres, mm, L4-L5 first, then upwards to T9-T10 (2,116 spines of the
# ImFusion VID key points).
_MEAN_PITCH_MM = np.array([36.3, 36.5, 35.8, 34.6, 32.4, 29.6, 27.3, 26.0])


@dataclass(frozen=True)
class SpinePoses:
    """Bends of real spines: per spine and segment (L4-L5, L3-L4, ..., T9-T10), caudal to cranial.

    coronal_deg: sideways direction of each segment; pitch: its length over the mean, spine by spine.
    """

    coronal_deg: Points
    pitch: Points

    def draw(self, rng: np.random.Generator, joints: int, bend: float = 1.0) -> Pose:
        """A pose of `joints` joints (L5 on S1 first) that follows one real spine, some of it by chance."""
        spine = int(rng.integers(len(self.coronal_deg)))
        sign = rng.choice([-1.0, 1.0])
        change = np.diff(self.coronal_deg[spine])
        coronal = np.concatenate([rng.normal(0, 3.0, 2), sign * bend * np.clip(change, -18, 18)])
        pitch = np.concatenate([[1.0], np.clip(self.pitch[spine], 0.82, 1.15)])
        worn = np.where(rng.random(joints) < 0.12, rng.uniform(0.8, 0.95, joints), 1.0)
        order = np.minimum(np.arange(joints), len(coronal) - 1)
        axial = sign * np.cumsum(rng.normal(0, 1.5, joints)) * 0.5 - 0.15 * np.cumsum(coronal[order]) * bend
        return Pose(
            coronal_deg=coronal[order] + rng.normal(0, 1.0, joints),
            sagittal_deg=np.concatenate([rng.normal(0, 9.0, 1), rng.normal(0, 2.5, joints - 1)]),
            axial_deg=np.diff(np.concatenate([[0.0], axial])),
            pitch=pitch[order] * worn * rng.normal(1.0, 0.015, joints),
        )


def read_spine_poses(path: Path) -> SpinePoses:
    """Bends of every spine in a key point table (CSV, gzipped or not) that has L1-L5.

    Columns spine, kind, level, x_mm, y_mm, z_mm; rows of kind "body" are used. Segments above those that a
    spine has repeat its highest one.
    """
    if not path.is_file():
        raise MissingFileError(f"no spine key points at {path}")
    spines: dict[str, dict[str, Points]] = defaultdict(dict)
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    for row in csv.DictReader(text.splitlines()):
        if row["kind"] == "body" and row["level"] in CHAIN:
            spines[row["spine"]][row["level"]] = np.array([float(row[k]) for k in ("x_mm", "y_mm", "z_mm")])
    coronal, pitch = [], []
    for points in spines.values():
        if not all(level in points for level in CHAIN[:5]):
            continue
        steps = []
        for below, above in pairwise(CHAIN):
            if below in points and above in points:
                steps.append(points[above] - points[below])
            else:
                steps.append(steps[-1] * _MEAN_PITCH_MM[len(steps)] / np.linalg.norm(steps[-1]))
        vectors = np.array(steps)
        lengths = np.linalg.norm(vectors, axis=1) / _MEAN_PITCH_MM
        pitch.append(lengths / lengths[:4].mean())
        coronal.append(np.degrees(np.arctan2(vectors[:, 0], vectors[:, 2])))
    return SpinePoses(np.array(coronal), np.array(pitch))


def _reshaped(part: Part, scale: Points, rim_mm: float, rng: np.random.Generator) -> Part:
    """A vertebra scaled along its own axes with outgrowths of up to about `rim_mm` around its end plates."""
    shape = part.shape
    phases = rng.uniform(0, 2 * np.pi, (2, 4))

    def changed(vertices_mm: Points) -> Points:
        local = part.frame.local(vertices_mm)
        if rim_mm > 0 and shape is not None:
            around = np.arctan2(local[:, 0] / shape.body_width_mm, -local[:, 1] / max(shape.back_of_body_mm, 1.0))
            upper = (local[:, 2] > 0).astype(int)
            waves = sum(np.cos((k + 1) * around + phases[upper, k]) / (k + 1) for k in range(4))
            at_rim = np.clip((np.abs(local[:, 2]) / (0.5 * shape.body_height_mm) - 0.55) / 0.4, 0, 1)
            outer = np.hypot(local[:, 0] / (0.5 * shape.body_width_mm), local[:, 1] / shape.back_of_body_mm)
            on_body = (local[:, 1] < 0.7 * shape.back_of_body_mm) & (outer > 0.6) & (outer < 1.4)
            growth = rim_mm * np.clip(waves - 0.3, 0, None) * at_rim * on_body
            direction = local[:, :2] / np.maximum(np.linalg.norm(local[:, :2], axis=1, keepdims=True), 1.0)
            local = local + np.column_stack([growth[:, None] * direction, 0.3 * growth * np.sign(local[:, 2])])
        return part.frame.patient(local * scale)

    return replace(
        part,
        outer=Surface(changed(part.outer.vertices_mm), part.outer.faces),
        inner=Surface(changed(part.inner.vertices_mm), part.inner.faces),
        landmarks={k: part.frame.patient(part.frame.local(p[None]) * scale)[0] for k, p in part.landmarks.items()},
    )


def _warped(part: Part, changed: Callable[[Points], Points]) -> Part:
    """The part with its surfaces' vertices and its landmarks (n, 3) where `changed` takes them."""
    return replace(
        part,
        outer=Surface(changed(part.outer.vertices_mm), part.outer.faces),
        inner=Surface(changed(part.inner.vertices_mm), part.inner.faces),
        landmarks={name: changed(point[None])[0] for name, point in part.landmarks.items()},
    )


def varied(person: Person, rng: np.random.Generator) -> Person:
    """The person with other proportions: arch and body sizes, worn rims, level by level."""
    common = rng.normal(1.0, 0.05, 3)
    wear = float(rng.choice([0.0, 0.0, 2.0, 6.0]))
    vertebrae = {
        level: _reshaped(part, common * rng.normal(1.0, 0.025, 3), wear * float(rng.random()), rng)
        for level, part in person.vertebrae.items()
    }
    return replace(person, vertebrae=vertebrae)


def with_arches_reshaped(person: Person, rng: np.random.Generator) -> Person:
    """The person with other posterior elements, side by side and level by level; the landmarks go along.

    Transverse processes are raised or lowered, thinner or thicker from head to foot, and longer or shorter;
    the arch is wider or narrower than the body lets expect, its upper processes higher or lower.
    """
    return replace(person, vertebrae={level: _arch_reshaped(part, rng) for level, part in person.vertebrae.items()})


def _arch_reshaped(part: Part, rng: np.random.Generator) -> Part:
    shape = part.shape
    if shape is None:
        return part
    half, back = 0.5 * shape.body_width_mm, shape.back_of_body_mm
    # One value a side: left of the middle, then right of it.
    lift_mm, thick, long = rng.normal(0, 3.0, 2), rng.normal(1, 0.12, 2), rng.normal(0, 0.08, 2)
    rise, width = rng.normal(0, 0.08, 2), rng.normal(0, 0.04)
    middles = [part.landmarks.get(f"tp_tip.{side}") for side in ("left", "right")]
    tips = [0.0 if tip is None else float(part.frame.local(tip[None])[0, 2]) for tip in middles]

    def changed(points_mm: Points) -> Points:
        local = part.frame.local(points_mm).copy()
        side = (local[:, 0] < 0).astype(int)
        behind = np.clip((local[:, 1] - back) / 8.0, 0, 1)
        lateral = np.clip((np.abs(local[:, 0]) / half - 0.85) / 0.6, 0, 1) * behind
        upper = np.clip((local[:, 2] - 2.0) / 10.0, 0, 1) * behind * (1 - lateral)
        middle = np.array(tips)[side]
        local[:, 2] += lateral * (lift_mm[side] * lateral + (thick[side] - 1) * (local[:, 2] - middle))
        local[:, 2] += upper * rise[side] * local[:, 2]
        local[:, 0] *= 1 + width * behind + long[side] * lateral
        return part.frame.patient(local)

    return _warped(part, changed)


# Of the sacrum's axes: the plate under the last lumbar vertebra lies so far above S1's centre, mm.
_PLATE_MM = 14.0


def with_sacrum_reshaped(person: Person, rng: np.random.Generator) -> Person:
    """The person with another sacrum, the hips going along; unchanged without one.

    Larger or smaller, more or less bent, its wings higher or lower side by side and wider or narrower, and warped by
    slow waves (50 to 120 mm). The plate under the last lumbar vertebra stays: the spine stands where it stood.
    """
    if person.sacrum is None:
        return person
    frame = person.sacrum.frame
    size, bend = rng.normal(1, [0.06, 0.06, 0.08]), np.radians(np.clip(rng.normal(0, 11.0), -22, 22))
    lift_mm, wide = rng.normal(0, 3.5, 2), rng.normal(0, 0.07)
    waves = rng.normal(size=(4, 3))
    waves *= 2 * np.pi / (np.linalg.norm(waves, axis=1) * rng.uniform(50, 120, 4))[:, None]
    # Neighbouring points come no nearer than about half their distance.
    heights = rng.normal(0, 0.09, (4, 3)) / np.linalg.norm(waves, axis=1)[:, None]
    phases = rng.uniform(0, 2 * np.pi, 4)

    def changed(points_mm: Points) -> Points:
        local = frame.local(points_mm)
        below = np.clip((_PLATE_MM - local[:, 2]) / 25.0, 0, 1)
        lateral = np.clip((np.abs(local[:, 0]) - 22) / 20, 0, 1)
        kept = np.maximum(below, lateral)[:, None]
        moved = local + kept * np.sin(local @ waves.T + phases) @ heights
        moved[:, 2] += lateral * lift_mm[(local[:, 0] < 0).astype(int)] - _PLATE_MM
        moved *= 1 + kept * (size - 1)
        moved[:, 0] *= 1 + wide * lateral
        # Bent about the disc remnant between S1 and S2, little by little over the height of two vertebrae.
        angle = bend * np.clip((-24 - moved[:, 2]) / 60, 0, 1)
        y, z = moved[:, 1].copy(), moved[:, 2] + 24
        moved[:, 1] = np.cos(angle) * y - np.sin(angle) * z
        moved[:, 2] = np.sin(angle) * y + np.cos(angle) * z - 24 + _PLATE_MM
        return frame.patient(moved)

    def shell(bone: Shell) -> Shell:
        return Shell(
            Surface(changed(bone.outer.vertices_mm), bone.outer.faces),
            Surface(changed(bone.inner.vertices_mm), bone.inner.faces),
        )

    return replace(_with_hips(person, shell), sacrum=_warped(person.sacrum, changed))


def _with_hips(person: Person, changed: Callable[[Shell], Shell]) -> Person:
    """The person with the hip bones, or the pelvis in one piece, that `changed` makes of theirs."""
    others = {
        name: changed(bone) if name == "pelvis" or name.startswith("hip.") else bone
        for name, bone in person.others.items()
    }
    return replace(person, others=others)


def with_hips_moved(person: Person, towards_feet_mm: float) -> Person:
    """The person with hip bones lower (or, negative, higher) on the sacrum than they were.

    How deep the sacrum sits between the hips varies: the line between the iliac crests crosses L4, the disc
    below it or L5.
    """
    matrix = np.eye(4)
    matrix[2, 3] = -towards_feet_mm
    return _with_hips(person, lambda hip: hip.moved(matrix))


def sacralised(person: Person, pose: Pose, rng: np.random.Generator) -> tuple[Person, Pose]:
    """The person with a transitional last lumbar vertebra, and the pose with its narrow disc.

    Castellvi's types I to III as far as a frontal view shows them: transverse processes broadened from head
    to foot and bent towards the ala, on one side or both (O'Driscoll's hypoplastic disc under them).
    """
    part = person.vertebrae["L5"]
    shape = part.shape
    if shape is None:
        return person, pose
    sides = rng.choice([-1.0, 0.0, 1.0], p=[0.2, 0.6, 0.2])
    broad, drop, longer = rng.uniform(0.7, 1.8), rng.uniform(4.0, 11.0), rng.uniform(0.0, 0.25)

    def changed(vertices_mm: Points) -> Points:
        local = part.frame.local(vertices_mm)
        beyond = np.clip((np.abs(local[:, 0]) / (0.5 * shape.body_width_mm) - 1.0) / 0.5, 0, 1)
        beyond = beyond * ((sides == 0) | (np.sign(local[:, 0]) == sides))
        local = local * np.column_stack([1 + longer * beyond, np.ones(len(beyond)), 1 + broad * beyond])
        local[:, 2] -= drop * beyond
        return part.frame.patient(local)

    wide = _warped(part, changed)
    pitch = pose.pitch.copy()
    pitch[0] *= rng.uniform(0.72, 0.92)
    return replace(person, vertebrae={**person.vertebrae, "L5": wide}), replace(pose, pitch=pitch)
