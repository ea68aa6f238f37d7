"""A folder of public anatomies to people: vertebrae by level, and sacrum, hips and ribs where they are.

Folder names are those of the data description: artisynth, ssm_mean, spl_atlas, lumbopelvic_ct_3mm, verse004,
verse_masks, bsel. A folder that is absent is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
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


def _mask(path: Path, name: str) -> Person | None:
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
    return _person(name, whole)


def _bsel(path: Path) -> Person | None:
    parts = split_parts(read_obj(path, LPS_TO_LPS))
    names = [*(f"T{i}" for i in range(1, 13)), "L1", "L2", "L3", "L4", "L5"][-len(parts) :]
    own = {n: s for n, s in zip(names, parts, strict=True) if n in ("T9", "T10", "T11", "T12") or n[0] == "L"}
    return _person(f"bsel-{path.stem}", own)


def _artisynth(folder: Path) -> Person | None:
    to_lps = FORWARD_LEFT_UP_TO_LPS * 1000.0
    person = _person("artisynth", {f"L{i}": read_obj(folder / f"L{i}.obj", to_lps) for i in range(1, 6)})
    if person is None:
        return None
    # Both hips with the symphysis, in one piece.
    person.others["pelvis"] = Shell.of(read_obj(folder / "pelvis.obj", to_lps), _HIP_CORTEX_MM)
    return with_sacrum(person, read_obj(folder / "S1.obj", to_lps))


def _ssm(folder: Path) -> Person | None:
    whole = read_csv_mesh(folder / "meanMesh_vertices.csv", folder / "meanMesh_faces.csv", FORWARD_LEFT_UP_TO_LPS)
    return _person("ssm-mean", dict(zip(("L2", "L3", "L4", "L5"), split_parts(whole), strict=True)))


def _spl(folder: Path) -> Person | None:
    files = {int(m[1]): p for p in folder.glob("Model_*.vtk") if (m := re.match(r"Model_(\d+)_", p.name))}
    to_lps = _SPL_SCALE @ RAS_TO_LPS
    levels = {410: "T10", 411: "T11", 412: "T12", 501: "L1", 502: "L2", 503: "L3", 504: "L4", 505: "L5"}
    person = _person("spl-atlas", {name: read_vtk_strips(files[k], to_lps) for k, name in levels.items()})
    if person is None:
        return None
    for number, key in ((10, 690), (11, 691), (12, 692)):
        for surface in split_parts(read_vtk_strips(files[key], to_lps)):
            side = "left" if surface.vertices_mm[:, 0].mean() > _middle(person) else "right"
            person.others.setdefault(f"rib{number}.{side}", Shell.of(surface, _RIB_CORTEX_MM))
    for surface in split_parts(read_vtk_strips(files[299], to_lps)):
        side = "left" if surface.vertices_mm[:, 0].mean() > _middle(person) else "right"
        person.others.setdefault(f"hip.{side}", Shell.of(surface, _HIP_CORTEX_MM))
    return with_sacrum(person, read_vtk_strips(files[600], to_lps))


def _middle(person: Person) -> float:
    return float(np.mean([part.frame.origin_mm[0] for part in person.vertebrae.values()]))


def _lumbopelvic(path: Path) -> Person | None:
    volume = read_nifti(path)
    surfaces = {name: surface_of_label(volume, label, voxel_mm=1.5) for label, name in _TOTAL.items()}
    person = _person("lumbopelvic-ct", {n: s for n, s in surfaces.items() if s is not None})
    sacrum = surface_of_label(volume, 25, 26, voxel_mm=1.8)
    if person is None or sacrum is None:
        return None
    for label, name in _TOTAL_OTHERS.items():
        surface = surface_of_label(volume, label, voxel_mm=1.8)
        if surface is not None:
            depth_mm = _HIP_CORTEX_MM if name.startswith("hip") else _RIB_CORTEX_MM
            person.others[name] = Shell.of(surface, depth_mm)
    return with_sacrum(person, sacrum)


def people_in(directory: Path) -> dict[str, Callable[[], Person | None]]:
    """Every person that the folder seems to hold, by name in order, with what reads that person.

    Reading takes seconds a person; it gives None where the files hold no two lumbar vertebrae of known shape.

    Raises
    ------
    MissingFileError
        When the folder holds none of the known sources.
    """
    found: dict[str, Callable[[], Person | None]] = {}
    for name, read, needed in (
        ("artisynth", _artisynth, directory / "artisynth" / "pelvis.obj"),
        ("ssm-mean", _ssm, directory / "ssm_mean" / "meanMesh_faces.csv"),
    ):
        if needed.is_file():
            found[name] = partial(read, needed.parent)
    if any((directory / "spl_atlas").glob("Model_600_*.vtk")):
        found["spl-atlas"] = partial(_spl, directory / "spl_atlas")
    pelvic = directory / "lumbopelvic_ct_3mm" / "example_seg_fast_force_split.nii.gz"
    if pelvic.is_file():
        found["lumbopelvic-ct"] = partial(_lumbopelvic, pelvic)
    for folder, pattern in (("verse004", "*vert_msk.nii.gz"), ("verse_masks", "*.nii.gz")):
        for path in (directory / folder).glob(pattern):
            name = re.sub(r"^sub-|_(seg|ground).*", "", path.name)
            found[name] = partial(_mask, path, name)
    for path in (directory / "bsel").glob("P*.obj"):
        found[f"bsel-{path.stem}"] = partial(_bsel, path)
    if not found:
        raise MissingFileError(f"{directory} holds none of the public anatomies; docs/anatomies.md lists the folders")
    return dict(sorted(found.items()))


def read_people(directory: Path) -> list[Person]:
    """Every person in the folder, sorted by name; bones as found, not completed.

    Raises
    ------
    MissingFileError
        When the folder holds none of the known sources.
    """
    return [person for read in people_in(directory).values() if (person := read()) is not None]
