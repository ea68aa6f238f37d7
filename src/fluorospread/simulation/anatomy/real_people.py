"""A folder of public anatomies to people: vertebrae by level, and sacrum, hips and ribs where they are.

Folder names are those of the data description: artisynth, ssm_mean, spl_atlas, lumbopelvic_ct_3mm, verse004,
verse_masks, bsel. A folder that is absent is passed over.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from fluorospread.errors import MissingFileError
from fluorospread.simulation.anatomy.fitting import Part, Person, Shell, vertebra_part, with_sacrum
from fluorospread.simulation.anatomy.label_mask import read_nifti, surface_of_label
from fluorospread.simulation.anatomy.mesh import (
    FORWARD_LEFT_UP_TO_LPS,
    LPS_TO_LPS,
    RAS_TO_LPS,
    read_csv_mesh,
    read_obj,
    read_vtk_strips,
    split_parts,
)
from fluorospread.simulation.anatomy.surface import Surface

# VerSe label numbers (Sekuboyina et al., Med Image Anal 2021).
_VERSE = {16: "T9", 17: "T10", 18: "T11", 19: "T12", 20: "L1", 21: "L2", 22: "L3", 23: "L4", 24: "L5"}
# TotalSegmentator v2 class numbers.
_TOTAL = {33: "T11", 32: "T12", 31: "L1", 30: "L2", 29: "L3", 28: "L4", 27: "L5"}
_TOTAL_OTHERS = {77: "hip.left", 78: "hip.right"} | {
    first + number - 1: f"rib{number}.{side}"
    for first, side in ((92, "left"), (104, "right"))
    for number in (9, 10, 11, 12)
}
# The atlas' nominal voxel is wrong: its pelvis measures 188 mm across and a lumbar level 17 mm. These
# factors bring the pelvis to 282 mm and a level to 36 mm.
_SPL_SCALE = np.diag([1.5, 1.5, 2.1])
# Cortical thickness given to bones that come without one.
_HIP_CORTEX_MM = 1.2
_RIB_CORTEX_MM = 1.0
# Labels that the data description marks as broken or doubtful.
_SPOILT = {
    "verse022": {"L3", "L4", "L5"},
    "verse018": {"L5"},
    "verse252": {"L4"},
    "verse067": {"L5"},
    "verse404_verse256": {"L5"},
    "verse531": {"L5"},
    "verse806": {"L5"},
}


def _person(name: str, surfaces: dict[str, Surface]) -> Person | None:
    vertebrae: dict[str, Part] = {}
    for level, surface in surfaces.items():
        part = vertebra_part(surface)
        if part is not None and level not in _SPOILT.get(name, set()):
            vertebrae[level] = part
    return Person(name, vertebrae) if sum(level.startswith("L") for level in vertebrae) >= 2 else None


def _masks(folder: Path, pattern: str) -> list[Person]:
    found = []
    for path in sorted(folder.glob(pattern)):
        name = re.sub(r"^sub-|_(seg|ground).*", "", path.name)
        volume = read_nifti(path)
        surfaces = {level: surface_of_label(volume, label, voxel_mm=1.5) for label, level in _VERSE.items()}
        sixth = surface_of_label(volume, 25, voxel_mm=1.5)
        whole = {level: surface for level, surface in surfaces.items() if surface is not None}
        # A sixth lumbar label is the lowest mobile vertebra: five counted from below keep the sacral shape.
        if sixth is not None and name in ("verse585", "verse623"):
            up = [sixth, *(whole[f"L{i}"] for i in (5, 4, 3, 2))]
            whole = {f"L{5 - i}": surface for i, surface in enumerate(up)} | {
                level: surface for level, surface in whole.items() if level.startswith("T")
            }
            whole = {level: s for level, s in whole.items() if level.startswith("L")}
        person = _person(name, whole)
        if person is not None:
            found.append(person)
    return found


def _bsel(folder: Path) -> list[Person]:
    found = []
    for path in sorted(folder.glob("P*.obj")):
        parts = split_parts(read_obj(path, LPS_TO_LPS))
        names = [*(f"T{i}" for i in range(1, 13)), "L1", "L2", "L3", "L4", "L5"][-len(parts) :]
        own = {n: s for n, s in zip(names, parts, strict=True) if n in ("T9", "T10", "T11", "T12") or n[0] == "L"}
        person = _person(f"bsel-{path.stem}", own)
        if person is not None:
            found.append(person)
    return found


def _artisynth(folder: Path) -> list[Person]:
    if not (folder / "pelvis.obj").is_file():
        return []
    to_lps = FORWARD_LEFT_UP_TO_LPS * 1000.0
    person = _person("artisynth", {f"L{i}": read_obj(folder / f"L{i}.obj", to_lps) for i in range(1, 6)})
    if person is None:
        return []
    # Both hips with the symphysis, in one piece.
    person.others["pelvis"] = Shell.of(read_obj(folder / "pelvis.obj", to_lps), _HIP_CORTEX_MM)
    return [with_sacrum(person, read_obj(folder / "S1.obj", to_lps))]


def _ssm(folder: Path) -> list[Person]:
    if not (folder / "meanMesh_faces.csv").is_file():
        return []
    whole = read_csv_mesh(folder / "meanMesh_vertices.csv", folder / "meanMesh_faces.csv", FORWARD_LEFT_UP_TO_LPS)
    person = _person("ssm-mean", dict(zip(("L2", "L3", "L4", "L5"), split_parts(whole), strict=True)))
    return [] if person is None else [person]


def _spl(folder: Path) -> list[Person]:
    files = {int(m[1]): p for p in folder.glob("Model_*.vtk") if (m := re.match(r"Model_(\d+)_", p.name))}
    if 600 not in files:
        return []
    to_lps = _SPL_SCALE @ RAS_TO_LPS
    levels = {410: "T10", 411: "T11", 412: "T12", 501: "L1", 502: "L2", 503: "L3", 504: "L4", 505: "L5"}
    person = _person("spl-atlas", {name: read_vtk_strips(files[k], to_lps) for k, name in levels.items()})
    if person is None:
        return []
    for number, key in ((10, 690), (11, 691), (12, 692)):
        for surface in split_parts(read_vtk_strips(files[key], to_lps)):
            side = "left" if surface.vertices_mm[:, 0].mean() > _middle(person) else "right"
            person.others.setdefault(f"rib{number}.{side}", Shell.of(surface, _RIB_CORTEX_MM))
    for surface in split_parts(read_vtk_strips(files[299], to_lps)):
        side = "left" if surface.vertices_mm[:, 0].mean() > _middle(person) else "right"
        person.others.setdefault(f"hip.{side}", Shell.of(surface, _HIP_CORTEX_MM))
    return [with_sacrum(person, read_vtk_strips(files[600], to_lps))]


def _middle(person: Person) -> float:
    return float(np.mean([part.frame.origin_mm[0] for part in person.vertebrae.values()]))


def _lumbopelvic(folder: Path) -> list[Person]:
    path = folder / "example_seg_fast_force_split.nii.gz"
    if not path.is_file():
        return []
    volume = read_nifti(path)
    surfaces = {name: surface_of_label(volume, label, voxel_mm=1.5) for label, name in _TOTAL.items()}
    person = _person("lumbopelvic-ct", {n: s for n, s in surfaces.items() if s is not None})
    sacrum = surface_of_label(volume, 25, 26, voxel_mm=1.8)
    if person is None or sacrum is None:
        return []
    for label, name in _TOTAL_OTHERS.items():
        surface = surface_of_label(volume, label, voxel_mm=1.8)
        if surface is not None:
            depth_mm = _HIP_CORTEX_MM if name.startswith("hip") else _RIB_CORTEX_MM
            person.others[name] = Shell.of(surface, depth_mm)
    return [with_sacrum(person, sacrum)]


def read_people(directory: Path) -> list[Person]:
    """Every person in the folder, sorted by name; bones as found, not completed.

    Raises
    ------
    MissingFileError
        When the folder holds none of the known sources.
    """
    people = [
        *_artisynth(directory / "artisynth"),
        *_ssm(directory / "ssm_mean"),
        *_spl(directory / "spl_atlas"),
        *_lumbopelvic(directory / "lumbopelvic_ct_3mm"),
        *_masks(directory / "verse004", "*vert_msk.nii.gz"),
        *_masks(directory / "verse_masks", "*.nii.gz"),
        *_bsel(directory / "bsel"),
    ]
    if not people:
        raise MissingFileError(f"{directory} holds none of the public anatomies; see docs for the expected folders")
    return sorted(people, key=lambda person: person.name)
