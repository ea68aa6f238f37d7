"""Bones of one real person, completed from others and posed anew, to an `Anatomy` with true landmarks.

A bone that a person lacks is taken from a donor who also has its neighbour: it keeps its place relative to
that neighbour and is scaled by the size of the two people's vertebrae. A pose bends the chain of
vertebrae on the sacrum; pelvis and ribs ride along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from fluorospread.simulation.anatomy.landmarks_on_mesh import (
    Frame,
    Landmarks,
    VertebraShape,
    sacrum_frame,
    sacrum_landmarks,
    vertebra_frame,
    vertebra_landmarks,
)
from fluorospread.simulation.anatomy.mesh import inset
from fluorospread.simulation.anatomy.surface import Anatomy, Bone, Surface

Points = npt.NDArray[np.float64]

# Caudal to cranial; the chain that is bent.
CHAIN = ("L5", "L4", "L3", "L2", "L1", "T12", "T11", "T10", "T9")
_RIB_OF = {"T12": "rib12", "T11": "rib11", "T10": "rib10", "T9": "rib9"}


@dataclass(frozen=True)
class Part:
    """One bone with its own axes; landmarks in patient axes. `shape` is None for the sacrum."""

    outer: Surface
    inner: Surface
    frame: Frame
    shape: VertebraShape | None
    landmarks: Landmarks

    def carried(self, matrix: Points) -> Part:
        """The part after a (4, 4) map of patient space (rotation, shift, scale)."""
        linear = matrix[:3, :3]
        scale = float(np.cbrt(np.linalg.det(linear)))
        shape = self.shape
        if shape is not None:
            values = (shape.back_of_body_mm, shape.front_of_arch_mm, shape.body_width_mm, shape.body_height_mm)
            shape = VertebraShape(*(scale * v for v in values))
        return Part(
            self.outer.moved(matrix),
            self.inner.moved(matrix),
            Frame(linear @ self.frame.origin_mm + matrix[:3, 3], linear @ self.frame.axes / scale),
            shape,
            {name: linear @ point + matrix[:3, 3] for name, point in self.landmarks.items()},
        )


@dataclass(frozen=True)
class Shell:
    """A bone without axes of its own: its surface and the inner side of its cortex."""

    outer: Surface
    inner: Surface

    @staticmethod
    def of(surface: Surface, cortex_mm: float) -> Shell:
        return Shell(surface, inset(surface, cortex_mm))

    def moved(self, matrix: Points) -> Shell:
        return Shell(self.outer.moved(matrix), self.inner.moved(matrix))


@dataclass(frozen=True)
class Person:
    """Bones of one person as found: vertebrae by level, sacrum, other bones ("hip.left", "rib12.left" ...)."""

    name: str
    vertebrae: dict[str, Part]
    sacrum: Part | None = None
    others: dict[str, Shell] = field(default_factory=dict)


@dataclass(frozen=True)
class Pose:
    """How the chain differs from the person's own: per joint caudal to cranial, starting at L5 on S1.

    Each array has one value a joint. Angles in degrees about the bone's own axes; `pitch` scales the
    distance between neighbours.
    """

    coronal_deg: Points
    sagittal_deg: Points
    axial_deg: Points
    pitch: Points
    keep_own_bend: float = 1.0


def vertebra_part(surface: Surface, cortex_mm: float = 0.9) -> Part | None:
    """A vertebra with axes, landmarks and inner cortical surface; None when its shape is not understood."""
    found = vertebra_frame(surface)
    if found is None:
        return None
    frame, shape = found
    landmarks = vertebra_landmarks(surface, frame, shape)
    return Part(surface, inset(surface, cortex_mm), frame, shape, landmarks)


def with_sacrum(person: Person, sacrum: Surface, cortex_mm: float = 1.0) -> Person:
    """The person with a sacrum whose S1 axes come from the end plate under L5; unchanged without an L5."""
    last = person.vertebrae.get("L5")
    if last is None or last.shape is None:
        return person
    frame = sacrum_frame(sacrum, last.frame, last.shape)
    if frame is None:
        return person
    landmarks = sacrum_landmarks(sacrum, frame, np.array([0.0, 0.0, 1.0]))
    return replace(person, sacrum=Part(sacrum, inset(sacrum, cortex_mm), frame, None, landmarks))


def relative_size(person: Person, donor: Person) -> float:
    """How much larger the person's vertebrae are than the donor's (median of body widths and heights)."""
    ratios = []
    for level in ("T12", "L1", "L2", "L3", "L4"):
        own, other = person.vertebrae.get(level), donor.vertebrae.get(level)
        if own is not None and other is not None and own.shape is not None and other.shape is not None:
            ratios.append(own.shape.body_width_mm / other.shape.body_width_mm)
            ratios.append(own.shape.body_height_mm / other.shape.body_height_mm)
    return float(np.clip(np.median(ratios), 0.6, 1.6)) if ratios else 1.0


def _onto(own: Frame, donor: Frame, scale: float) -> Points:
    """Map that carries the donor's bone at `donor` to the person's at `own`."""
    grow = np.diag([scale, scale, scale, 1.0])
    return np.asarray(own.to_patient @ grow @ np.linalg.inv(donor.to_patient))


def completed(person: Person, donors: Sequence[Person]) -> Person:
    """The person with missing vertebrae T9-L5, sacrum, hips and ribs 9-12 taken from the first able donor.

    Raises
    ------
    ValueError
        When no donor can supply a vertebra or the sacrum.
    """
    vertebrae = dict(person.vertebrae)
    present = [CHAIN.index(level) for level in CHAIN if level in vertebrae]
    if not present:
        raise ValueError(f"{person.name} has no vertebra between T9 and L5")
    order = sorted(set(range(len(CHAIN))) - set(present), key=lambda i: min(abs(i - p) for p in present))
    for missing in order:
        level = CHAIN[missing]
        near = [i for i in (missing - 1, missing + 1) if 0 <= i < len(CHAIN) and CHAIN[i] in vertebrae]
        for donor, i in ((d, i) for d in donors for i in near):
            if level in donor.vertebrae and CHAIN[i] in donor.vertebrae:
                size = relative_size(person, donor)
                onto = _onto(vertebrae[CHAIN[i]].frame, donor.vertebrae[CHAIN[i]].frame, size)
                vertebrae[level] = donor.vertebrae[level].carried(onto)
                break
        else:
            raise ValueError(f"no donor has {level} beside a vertebra of {person.name}")
    sacrum, others = person.sacrum, dict(person.others)
    for donor in donors:
        base = vertebrae["L5"].frame
        if sacrum is None and donor.sacrum is not None and "L5" in donor.vertebrae:
            onto = _onto(base, donor.vertebrae["L5"].frame, relative_size(person, donor))
            sacrum = donor.sacrum.carried(onto)
            others.update(
                {n: s.moved(onto) for n, s in donor.others.items() if n in ("pelvis", "hip.left", "hip.right")}
            )
    for level, rib in _RIB_OF.items():
        for side in ("left", "right"):
            name = f"{rib}.{side}"
            for donor in donors:
                if name not in others and name in donor.others and level in donor.vertebrae:
                    onto = _onto(vertebrae[level].frame, donor.vertebrae[level].frame, relative_size(person, donor))
                    others[name] = donor.others[name].moved(onto)
    if sacrum is None:
        raise ValueError(f"no donor has a sacrum for {person.name}")
    return replace(person, vertebrae=vertebrae, sacrum=sacrum, others=others)


def _turn(coronal_deg: float, sagittal_deg: float, axial_deg: float) -> Points:
    """Rotation (3, 3) about own axes: coronal about back (y), sagittal about left (x), axial about head (z)."""
    c, s, a = np.radians([coronal_deg, sagittal_deg, axial_deg])
    about_y = np.array([[np.cos(c), 0, np.sin(c)], [0, 1, 0], [-np.sin(c), 0, np.cos(c)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(s), -np.sin(s)], [0, np.sin(s), np.cos(s)]])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])
    return np.asarray(about_z @ about_y @ about_x)


def _chain_of(lumbar_count: int) -> list[tuple[str, str]]:
    """(name, level whose bone is used) caudal to cranial; a sixth or missing lumbar vertebra is an L3 more or less."""
    if lumbar_count == 5:
        return [(level, level) for level in CHAIN]
    if lumbar_count == 4:
        return [("L4", "L5"), ("L3", "L4"), ("L2", "L2"), ("L1", "L1")] + [(level, level) for level in CHAIN[5:]]
    lumbar = [("L6", "L5"), ("L5", "L4"), ("L4", "L3"), ("L3", "L3"), ("L2", "L2"), ("L1", "L1")]
    return lumbar + [(level, level) for level in CHAIN[5:]]


def _crests(name: str, hip: Surface, middle_x_mm: float) -> Landmarks:
    """Highest points of a hip bone, or of both sides of a pelvis in one piece."""
    found = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        own = hip.vertices_mm[sign * (hip.vertices_mm[:, 0] - middle_x_mm) > 40.0]
        if len(own) and (name == "pelvis" or name.endswith(side)):
            found[f"iliac_crest.{side}"] = own[int(np.argmax(own[:, 2]))]
    return found


def posed(person: Person, pose: Pose, lumbar_count: int = 5, hide_ribs: frozenset[str] = frozenset()) -> Anatomy:
    """The completed person's bones with the chain bent by `pose`; ribs named in `hide_ribs` are left out.

    `pose` needs one value for each joint of the chain (8 + lumbar_count - 5 + 1).
    """
    sacrum = person.sacrum
    if sacrum is None:
        raise ValueError(f"{person.name} has no sacrum; complete the person first")
    chain = _chain_of(lumbar_count)
    if len(pose.pitch) != len(chain):
        raise ValueError(f"a chain of {len(chain)} vertebrae needs as many joint values, got {len(pose.pitch)}")
    bones: list[Bone] = [Bone("sacrum", sacrum.outer, sacrum.inner)]
    landmarks: Landmarks = dict(sacrum.landmarks)
    for name in ("pelvis", "hip.left", "hip.right"):
        if name in person.others:
            hip = person.others[name]
            bones.append(Bone(name, hip.outer, hip.inner))
            landmarks.update(_crests(name, hip.outer, float(sacrum.frame.origin_mm[0])))
    new_below = sacrum.frame
    for joint, (name, level) in enumerate(chain):
        part = person.vertebrae[level]
        # The distance to the bone that really lay below, also where the chain skips or doubles one.
        place = CHAIN.index(level)
        own_below = person.vertebrae[CHAIN[place - 1]].frame if place else sacrum.frame
        relative = np.linalg.inv(own_below.to_patient) @ part.frame.to_patient
        bend = _turn(pose.coronal_deg[joint], pose.sagittal_deg[joint], pose.axial_deg[joint])
        joined = np.eye(4)
        joined[:3, :3] = relative[:3, :3] @ bend
        # The body centre moves with half of the bend: the disc, not the vertebra's centre, is the hinge.
        joined[:3, 3] = _turn(0.5 * pose.coronal_deg[joint], 0.5 * pose.sagittal_deg[joint], 0.0) @ (
            relative[:3, 3] * pose.pitch[joint]
        )
        placed = new_below.to_patient @ joined
        onto = placed @ np.linalg.inv(part.frame.to_patient)
        moved = part.carried(onto)
        bones.append(Bone(name, moved.outer, moved.inner))
        landmarks.update({f"{name}.{key}": point for key, point in moved.landmarks.items()})
        for side in ("left", "right"):
            rib = f"{_RIB_OF.get(level, '')}.{side}"
            if rib in person.others and rib not in hide_ribs:
                shell = person.others[rib].moved(onto)
                bones.append(Bone(rib, shell.outer, shell.inner))
                if rib.startswith("rib12"):
                    far = np.abs(shell.outer.vertices_mm[:, 0] - moved.frame.origin_mm[0])
                    landmarks[rib] = shell.outer.vertices_mm[int(np.argmax(far))]
        new_below = moved.frame
    has_ribs = any(b.name.startswith("rib12") for b in bones)
    return Anatomy(
        name=person.name,
        family="real",
        bones=tuple(bones),
        skin=None,
        soft_parts=(),
        landmarks_mm=landmarks,
        lumbar_count=lumbar_count,
        has_twelfth_ribs=has_ribs,
    )
