"""A run of 120 frames of 1024 x 1024 in 16 bits: time and memory of a verification, and of its first frame."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from harness.process import fluorospread, run_process
from harness.result import Result, Row, arguments, write

from fluorospread.dicom.read_radiograph import read_radiograph
from fluorospread.dicom.writable_image import (
    Modality,
    Relationship,
    WritableExposure,
    WritableImage,
    WritableProjection,
)
from fluorospread.dicom.write_radiograph import Compression, write_radiograph

SAMPLES = Path(__file__).resolve().parents[1] / "sample_dicom"
FRAMES, PRE_CONTRAST_FRAMES = 120, 12
# Peak of the plumes in natural log, as about 20 mg/cm2 of iodine gives it behind a lumbar spine.
PLUME_SIGNAL, PLUME_SD_PX, NOISE_SD = 0.15, 45.0, 0.01
MOST_MB, FIRST_FRAME_S = 700.0, 1.0
ENCODINGS = {"uncompressed": Compression.NONE, "JPEG-LS": Compression.JPEG_LS}
JUDGED = (0, 4, 5)

_FIRST_FRAME = """
import sys, time
from pathlib import Path
from fluorospread.dicom.read_radiograph import read_radiograph
begin = time.process_time()
read_radiograph(Path(sys.argv[1])).pixels(0)
print("seconds", time.process_time() - begin)
"""
_DECODE_ALL = """
import sys, time
from pydicom.pixels import iter_pixels
begin = time.process_time()
for frame in iter_pixels(sys.argv[1]):
    frame.max()
print("seconds", time.process_time() - begin)
"""


def main() -> None:
    options = arguments(__doc__ or "")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for title, encoding in list(ENCODINGS.items())[: 1 if options.quick else None]:
            path = Path(folder) / f"cine-{encoding.name}.dcm"
            write_radiograph(_run(FRAMES), path, encoding)
            rows += _rows(path, title, 1 if options.quick else 3)
            path.unlink()
    about = (
        f"{FRAMES} frames of the image of `sample_dicom/P1-01` in 16-bit linear pixels, with noise and two plumes that "
        f"fill from frame {PRE_CONTRAST_FRAMES} on; `fluorospread verify --cine` in a fresh process with its results "
        "written. The floor decodes every frame once with pydicom and keeps none. CPU time is that of all threads; "
        "other work on the machine changes it little. MB are 10⁶ bytes of resident memory."
    )
    write(Result("cine", "A cine of 120 frames", about, tuple(rows)), options.out)


def _rows(path: Path, encoding: str, repeats: int) -> list[Row]:
    decoding, first, seconds, cpu, peaks = [], [], [], [], []
    for _ in range(repeats):
        decoding.append(_seconds(_DECODE_ALL, path))
        first.append(_seconds(_FIRST_FRAME, path))
        with tempfile.TemporaryDirectory() as out:
            cost = run_process(fluorospread("verify", "--cine", path, "--out", out), JUDGED)
            _check(Path(out) / "case.json")
        seconds.append(cost.seconds)
        cpu.append(cost.cpu_s)
        peaks.append(cost.peak_mb)
    floor = f"{encoding}: floor, every frame decoded once"
    return [
        Row(floor, "s CPU", tuple(decoding)),
        Row(f"{encoding}: first frame", "s CPU", tuple(first), at_most=FIRST_FRAME_S),
        Row(f"{encoding}: verify", "s", tuple(seconds)),
        Row(f"{encoding}: verify, CPU", "s CPU", tuple(cpu), against=floor),
        Row(f"{encoding}: verify, peak memory", "MB", tuple(peaks), at_most=MOST_MB),
    ]


def _seconds(program: str, path: Path) -> float:
    """CPU time that a program in a fresh process says it took, its first imports left out."""
    output = run_process([sys.executable, "-c", program, path]).output
    return float(next(line.split()[1] for line in output.splitlines() if line.startswith("seconds")))


def _check(case_json: Path) -> None:
    """The run must have been measured as a run; a refusal would be quick and cost no memory."""
    contrast = json.loads(case_json.read_text("utf-8"))["contrast"]
    if (contrast["status"], contrast["method"]) != ("found", "cine"):
        raise RuntimeError(f"the run was not measured: {contrast['status']} by {contrast['method']}")


def _run(frames: int) -> WritableImage:
    """The sample's needle image as a run whose contrast flows in at both needles."""
    radiograph = read_radiograph(SAMPLES / "P1-01" / "needle.dcm")
    attenuation = radiograph.pixels()
    attenuation = attenuation - attenuation.min()
    truth = json.loads((SAMPLES / "truth" / "P1-01.json").read_text("utf-8"))
    tips = [needle["tip_px"] for needle in next(i for i in truth["images"] if i["role"] == "needle")["needles"]]
    row, col = np.ogrid[: attenuation.shape[0], : attenuation.shape[1]]
    plume = np.zeros_like(attenuation)
    for tip in tips:
        distance2 = (row - tip[0]) ** 2 + (col - tip[1]) ** 2
        plume += (PLUME_SIGNAL * np.exp(-distance2 / (2 * PLUME_SD_PX**2))).astype(np.float32)
    rng = np.random.default_rng(20240611)
    pixels = np.empty((frames, *attenuation.shape), np.uint16)
    for index in range(frames):
        filled = np.clip((index - PRE_CONTRAST_FRAMES) / (0.6 * frames), 0.0, 1.0)
        noise = NOISE_SD * rng.standard_normal(attenuation.shape, np.float32)
        line_integral = attenuation + np.float32(filled) * plume + noise
        pixels[index] = np.clip(np.rint(60000.0 * np.exp(-line_integral)), 1, 65535)
    return WritableImage(
        pixels=pixels,
        uid_seed="benchmark-cine",
        modality=Modality.XA,
        bits_stored=16,
        relationship=Relationship.LIN,
        sign=1,
        projection=WritableProjection(
            imager_pixel_spacing_mm=(0.3, 0.3), magnification=1.389, patient_orientation=("L", "F")
        ),
        exposure=WritableExposure(tube_kv=72.0),
        frame_time_ms=66.7,
    )


if __name__ == "__main__":
    main()
