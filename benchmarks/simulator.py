"""The simulator: one voxel view beside Debian's plastimatch, and views a second for training.

A 256 x 256 x 256 volume of a built-in anatomy is projected to 512 x 512 pixels by `plastimatch drr` (its exact
algorithm, on the processor) and by fluorospread, in turns, with as many threads as the machine has cores.
plastimatch says itself how long the projection took, reading its input left out; processor time is that of the
process, less that of a view of 8 x 8 pixels, which reads the same input.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# Before numba is loaded: both sides use every core.
os.environ.setdefault("NUMBA_NUM_THREADS", str(len(os.sched_getaffinity(0))))

import numpy as np
from harness.result import Result, Row, arguments, write

from fluorospread.simulation.anatomy.anatomy_shape import AnatomyShape
from fluorospread.simulation.anatomy.fitting import CHAIN, Person, Pose, Shell, posed, vertebra_part, with_sacrum
from fluorospread.simulation.anatomy.procedural import build_anatomy
from fluorospread.simulation.anatomy.surface import Anatomy
from fluorospread.simulation.anatomy.variation import varied
from fluorospread.simulation.projection import CArm, total_thickness_mm
from fluorospread.simulation.voxel_projection import VoxelProjector, VoxelVolume
from fluorospread.simulation.voxelise import voxelised

PIXELS, VOXELS, VOXEL_MM = 512, 256, 1.5
PEER = "plastimatch drr -i exact -A cpu"
VIEW_PIXELS = 384


def _volume(anatomy: Anatomy) -> VoxelVolume:
    first = -0.5 * (VOXELS - 1) * VOXEL_MM
    return voxelised(anatomy, (VOXELS, VOXELS, VOXELS), (first, first - 40.0, first), (VOXEL_MM,) * 3)


def _carm() -> CArm:
    return CArm(1000.0, 728.0, (0.8, 0.8), PIXELS, PIXELS, isocentre_mm=(0.0, -40.0, 0.0))


def _write_mha(volume: VoxelVolume, path: Path) -> None:
    """MetaImage in HU of the volume's own attenuation, as plastimatch reads it."""
    water_per_mm = 0.0206
    head = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        f"TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = {' '.join(map(str, volume.first_mm))}\n"
        f"ElementSpacing = {' '.join(map(str, volume.spacing_mm))}\nDimSize = {VOXELS} {VOXELS} {VOXELS}\n"
        "ElementType = MET_FLOAT\nElementDataFile = LOCAL\n"
    )
    path.write_bytes(head.encode() + (1000.0 * (volume.per_mm / water_per_mm - 1.0)).astype("<f4").tobytes())


def _plastimatch(volume: Path, pixels: int, out: Path) -> tuple[float, float]:
    """Its own wall time of one view (s), and the process's processor time (s)."""
    carm = _carm()
    reach = PIXELS * carm.detector_spacing_mm[0]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [
            "plastimatch", "drr", "-i", "exact", "-A", "cpu", "-P", "preprocess", "-I", volume, "-O", out, "-t", "pfm",
            "-r", f"{pixels} {pixels}", "-z", f"{reach} {reach}", "-n", "0 1 0", "--vup", "0 0 1",
            "--sad", f"{carm.source_to_isocentre_mm}", "--sid", f"{carm.sid_mm}", "-o", "0 -40 0",
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r"Total time: ([\d.]+)", done.stdout)
    if found is None:
        raise RuntimeError(f"plastimatch did not say how long it took:\n{done.stdout}{done.stderr}")
    return float(found[1]), after.ru_utime - before.ru_utime


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and user processor time of a call, s."""
    user = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_utime - user


def _voxel_rows(anatomy: Anatomy, runs: int) -> tuple[list[Row], list[str]]:
    volume = _volume(anatomy)
    projector, carm = VoxelProjector(volume), _carm()
    projector.line_integrals(carm)
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    agreement = ""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "volume.mha", Path(folder) / "drr"
        peer = shutil.which("plastimatch") is not None
        if peer:
            _write_mha(volume, path)
        for _ in range(runs):
            if peer:
                idle = _plastimatch(path, 8, out)[1]
                wall, user = _plastimatch(path, PIXELS, out)
                theirs.append((wall, max(user - idle, 1e-3)))
            ours.append(_timed(lambda: projector.line_integrals(carm)))
        if peer:
            agreement = _agreement(next(Path(folder).glob("drr*.pfm")), projector.line_integrals(carm))
    wall, user = "one view, wall time", "one view, processor time"
    rows = [
        Row(f"{PEER}: {wall}", "s", tuple(t[0] for t in theirs)),
        Row(f"{PEER}: {user}", "s", tuple(t[1] for t in theirs)),
    ] if theirs else []  # fmt: skip
    for index, what in enumerate((wall, user)):
        against = f"{PEER}: {what}" if theirs else None
        rows.append(Row(f"fluorospread, voxels: {what}", "s", tuple(t[index] for t in ours), against=against))
    return rows, [agreement] if theirs else ["plastimatch is not installed: nothing to compare with."]


def _agreement(picture: Path, ours: np.ndarray) -> str:
    """How alike the two projections are: correlation over the patient, whatever unit and mirroring each has."""
    content = picture.read_bytes()
    header = re.match(rb"Pf\s+(\d+)\s+(\d+)\s+(-?[\d.]+)\s", content)
    if header is None:
        raise RuntimeError("plastimatch wrote no PFM picture")
    order = "<f4" if float(header[3]) < 0 else ">f4"
    theirs = np.frombuffer(content, order, offset=header.end()).reshape(int(header[2]), int(header[1]))
    turns = (theirs, theirs[::-1], theirs[:, ::-1], theirs[::-1, ::-1])
    best = max(float(np.corrcoef(t.ravel(), ours.ravel())[0, 1]) for t in turns)
    return f"The two projections of the same volume correlate by {best:.5f}."


def _person(anatomy: Anatomy) -> Person:
    """A built-in anatomy as a person that can be varied and bent, like those of real bones."""
    by_name = {bone.name: bone for bone in anatomy.bones}
    vertebrae = {level: part for level in CHAIN if (part := vertebra_part(by_name[level].outer)) is not None}
    others = {
        name: Shell(bone.outer, bone.inner)
        for name, bone in by_name.items()
        if bone.inner is not None and name.startswith(("hip", "rib"))
    }
    return with_sacrum(Person("built-in", vertebrae, None, others), by_name["sacrum"].outer)


def _training_row(anatomy: Anatomy, views: int) -> Row:
    """Processor time of views of bone as the networks train on: shape and bends drawn anew for each."""
    person, rng = _person(anatomy), np.random.default_rng(0)
    seconds = []
    for number in range(views + 1):
        begin = time.process_time()
        pose = Pose(*rng.normal(0.0, 1.0, (3, len(CHAIN))), pitch=rng.normal(1.0, 0.02, len(CHAIN)))
        drawn = posed(varied(person, rng), pose)
        centre = drawn.landmarks_mm["L3.center"]
        carm = CArm(
            1000.0, 750.0, (1.3, 1.3), VIEW_PIXELS, VIEW_PIXELS, isocentre_mm=tuple(centre.tolist()),
            axial_deg=float(rng.normal(0.0, 6.0)), sagittal_deg=float(rng.normal(0.0, 9.0)), beam="AP",
        )  # fmt: skip
        total_thickness_mm([b.outer for b in drawn.bones], carm)
        total_thickness_mm([b.inner for b in drawn.bones if b.inner is not None], carm)
        # The first view compiles.
        if number:
            seconds.append(time.process_time() - begin)
    return Row(
        f"training view, {VIEW_PIXELS} x {VIEW_PIXELS}, one core: processor time", "s", tuple(seconds), at_most=0.1
    )


def main() -> None:
    options = arguments(__doc__ or "")
    anatomy = build_anatomy(AnatomyShape.average(), 1.8)
    rows, notes = _voxel_rows(anatomy, 3 if options.quick else 15)
    rows.append(_training_row(anatomy, 5 if options.quick else 40))
    faces = sum(len(b.outer.faces) for b in anatomy.bones)
    notes.append(
        f"Training views: cortical and trabecular thickness of {len(anatomy.bones)} bones of {faces} faces; the shape "
        "of every vertebra and every joint is drawn anew for each view."
    )
    about = (
        f"One {PIXELS} x {PIXELS} perspective view of a volume of {VOXELS} x {VOXELS} x {VOXELS} voxels, in turns with "
        f"plastimatch; {os.environ['NUMBA_NUM_THREADS']} threads each. Then bone views for training on one core."
    )
    write(Result("simulator", "Simulator", about, tuple(rows), tuple(notes)), options.out)


if __name__ == "__main__":
    main()
