"""People of a folder of public anatomies to whole `Anatomy` objects: completed, varied, dressed in soft tissue.

Bones that a source lacks come from those that have them (sacrum and pelvis from three, ribs from two), scaled
to the person. A person keeps the bends of their own spine, with a few degrees by chance on top.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fluorospread.errors import MissingFileError
from fluorospread.simulation.anatomy.anatomy_shape import AnatomyShape
from fluorospread.simulation.anatomy.fitting import CHAIN, Person, Pose, completed, posed
from fluorospread.simulation.anatomy.real_people import people_in
from fluorospread.simulation.anatomy.soft_tissue import SpineLine, skin_surface, soft_parts
from fluorospread.simulation.anatomy.surface import Anatomy, Bone
from fluorospread.simulation.anatomy.variation import sacralised, varied

# Sources with a sacrum, most detailed first, then those with ribs, then those with T9: enough to complete anyone.
_DONORS = ("artisynth", "spl-atlas", "lumbopelvic-ct", "bsel-P001", "verse004")
_NEEDED = tuple(f"{level}.junction.{side}" for level in ("L3", "L4", "L5") for side in ("left", "right"))


@dataclass(frozen=True)
class Spine:
    """How many lumbar vertebrae a person is given (4, 5 or 6), and whether the last of five is transitional."""

    lumbar_count: int = 5
    transitional: bool = False


@dataclass
class AnatomyFolder:
    """A folder of public anatomies, read person by person as they are asked for.

    Attributes
    ----------
    readers
        Name to what reads that person, in order of names.
    """

    readers: Mapping[str, Callable[[], Person | None]]
    _read: dict[str, Person | None] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, directory: Path) -> AnatomyFolder:
        """The folder's people.

        Raises
        ------
        MissingFileError
            It holds none of the known sources, or none with a sacrum.
        """
        readers = people_in(directory)
        if not any(name in readers for name in _DONORS[:3]):
            raise MissingFileError(f"{directory}: no source with a sacrum; one of {', '.join(_DONORS[:3])} is needed")
        return cls(readers)

    def person(self, name: str) -> Person | None:
        """One person as found, None where the files hold none."""
        if name not in self._read:
            self._read[name] = self.readers[name]()
        return self._read[name]

    def anatomy(
        self,
        seed: int,
        share: int = 0,
        shares: int = 1,
        grid_mm: float = 1.2,
        only: Sequence[str] = (),
        spine: Spine = Spine(),
    ) -> Anatomy:
        """The anatomy of a seed: someone whose L3-L5 junctions are all known, varied, posed and dressed.

        Parameters
        ----------
        share, shares
            Only every `shares`-th person by name counts, from number `share` on: what is tuned on one share of
            the people is judged on another.
        only
            Names of the people to draw from instead. They lend bones to each other before anyone else does, so
            that a sacrum kept out of training stays with the people kept out.
        spine
            Another number of vertebrae than the person has, or a transitional one made of L5.

        Raises
        ------
        MissingFileError
            When no person of the share can be used, or the folder lacks one of `only`.
        """
        rng = np.random.default_rng([seed, 17])
        if unknown := [name for name in only if name not in self.readers]:
            raise MissingFileError(f"no {', '.join(unknown)} among the folder's people: {', '.join(self.readers)}")
        names = list(only) or list(self.readers)[share::shares]
        lenders = [*only, *(name for name in _DONORS if name not in only)]
        donors = [p for name in lenders if name in self.readers and (p := self.person(name)) is not None]
        for pick in rng.permutation(len(names)):
            person = self.person(names[pick])
            if person is None:
                continue
            try:
                whole = varied(completed(person, donors), rng)
            except ValueError:
                # No donor has what this person lacks.
                continue
            found = _numbered(whole, spine, rng)
            if all(key in found.landmarks_mm for key in _needed(spine.lumbar_count)):
                return dressed(found, rng, grid_mm)
        raise MissingFileError(f"none of {', '.join(names)} has whole vertebrae from L3 to L5, or bones are missing")


def _needed(lumbar_count: int) -> tuple[str, ...]:
    """Junctions that must be known: of L3 to L5, as far as there are so many lumbar vertebrae."""
    return tuple(key for key in _NEEDED if int(key[1]) <= lumbar_count)


def _numbered(whole: Person, spine: Spine, rng: np.random.Generator) -> Anatomy:
    pose = _slightly_bent(rng, len(CHAIN) + spine.lumbar_count - 5)
    if spine.transitional:
        whole, pose = sacralised(whole, pose, rng)
    return dataclasses.replace(posed(whole, pose, spine.lumbar_count), transitional=spine.transitional)


def _slightly_bent(rng: np.random.Generator, joints: int) -> Pose:
    return Pose(
        coronal_deg=rng.normal(0.0, 1.0, joints),
        sagittal_deg=rng.normal(0.0, 1.5, joints),
        axial_deg=rng.normal(0.0, 0.8, joints),
        pitch=np.clip(rng.normal(1.0, 0.02, joints), 0.93, 1.07),
    )


def dressed(bones: Anatomy, rng: np.random.Generator, grid_mm: float = 1.2) -> Anatomy:
    """The anatomy facing forwards, L3's centre at the origin, with skin, soft tissue and bone density by chance."""
    shape = AnatomyShape.sample(rng, lumbar_count=5)
    move = _facing_forwards(bones)
    landmarks = {key: move[:3, :3] @ point + move[:3, 3] for key, point in bones.landmarks_mm.items()}
    levels = [level for level in (*reversed(CHAIN), "L6") if f"{level}.center" in landmarks]
    line = SpineLine(
        np.array([landmarks[f"{level}.center"] for level in (*levels, "S1")]),
        np.array([_half_width_mm(bones, level) for level in (*levels, "S1")]),
    )
    moved = tuple(
        Bone(b.name, b.outer.moved(move), None if b.inner is None else b.inner.moved(move), shape.trabecular_g_cm3)
        for b in bones.bones
    )
    return dataclasses.replace(
        bones,
        bones=moved,
        skin=skin_surface(shape.soft),
        soft_parts=tuple(soft_parts(shape.soft, line, grid_mm)),
        landmarks_mm=landmarks,
    )


def _facing_forwards(bones: Anatomy) -> npt.NDArray[np.float64]:
    """(4, 4) map that takes L3's centre to the origin and turns the junctions' common left to the patient's.

    People lie turned in a scanner; soft tissue is made for one who does not.
    """
    marks = bones.landmarks_mm
    rights = _needed(bones.lumbar_count)[1::2]
    across = sum((marks[key.replace("right", "left")] - marks[key] for key in rights), np.zeros(3))
    length = float(np.hypot(across[0], across[1]))
    cosine, sine = float(across[0]) / length, float(across[1]) / length
    matrix = np.eye(4)
    matrix[:3, :3] = [[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]]
    matrix[:3, 3] = -matrix[:3, :3] @ marks["L3.center"]
    return matrix


def _half_width_mm(bones: Anatomy, level: str) -> float:
    """Half the width of a body: its surface at its centre's height, in front of the canal."""
    if level == "S1":
        return 25.0
    centre = bones.landmarks_mm[f"{level}.center"]
    vertices = next(b for b in bones.bones if b.name == level).outer.vertices_mm - centre
    waist = vertices[(np.abs(vertices[:, 2]) < 6.0) & (np.abs(vertices[:, 1]) < 10.0)]
    return float(np.percentile(np.abs(waist[:, 0]), 90)) if len(waist) else 22.0
