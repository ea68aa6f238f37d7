"""Where the time of a verification goes, stage by stage, against what cannot be saved: decoding and inference."""

from __future__ import annotations

import importlib
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from harness.result import Result, Row, arguments, write

SAMPLES = Path(__file__).resolve().parents[1] / "sample_dicom"
CASES = {"one image": "P1-02", "a pair of images": "P1-01"}
# The function that is a stage, by module and name, and what the stage is called.
STAGES = {
    "fluorospread.dicom.read_radiograph.read_radiograph": "reading",
    "fluorospread.steps.label_levels.label_levels": "levels",
    "fluorospread.steps.locate_junctions.locate_junctions": "junctions",
    "fluorospread.steps.locate_needles.locate_needles": "needles",
    "fluorospread.steps.segment_contrast.segment_contrast": "contrast",
    "fluorospread.steps.measure_spread.measure_spread": "spread",
    "fluorospread.steps.flag_aberrant.flag_aberrant": "flags",
    "fluorospread.steps.judge_case.judge_case": "judging",
    "fluorospread.reporting.figures.annotated_png": "picture",
}
# Methods, taken apart from the stages that they are part of.
DECODING, INFERENCE = "decoding", "inference"
Spent = dict[str, float]


def main() -> None:
    options = arguments(__doc__ or "")
    rows: list[Row] = []
    for title, name in CASES.items():
        # The first run loads libraries and weights, which `cold_start` measures.
        runs = [_run(SAMPLES / name) for _ in range((2 if options.quick else 7) + 1)][1:]
        rows += _rows(title, runs)
    about = (
        "A case verified and written in one warm process, 1024 x 1024 pixels. CPU time of all threads, which other "
        "work on the machine changes little; on idle cores less wall time passes. The floor is the time within the "
        "decoder of the stored frames and within onnxruntime, taken in the same runs as the stages they are part of."
    )
    write(Result("stages", "Stages of a verification", about, tuple(rows)), options.out)


def _rows(title: str, runs: list[Spent]) -> list[Row]:
    def values(*stages: str) -> tuple[float, ...]:
        return tuple(sum(run.get(stage, 0.0) for stage in stages) for run in runs)

    floor = f"{title}: floor, decoding and inference"
    everything = values("everything")
    rest = tuple(whole - part for whole, part in zip(everything, values(*STAGES.values()), strict=True))
    return [
        Row(f"{title}: everything", "s CPU", everything, against=floor),
        Row(floor, "s CPU", values(DECODING, INFERENCE)),
        Row(f"{title}: floor, decoding", "s CPU", values(DECODING)),
        *(Row(f"{title}: {stage}", "s CPU", values(stage)) for stage in STAGES.values() if any(values(stage))),
        Row(f"{title}: the rest", "s CPU", rest),
    ]


def _run(folder: Path) -> Spent:
    from fluorospread.pipeline.verify_many import RunOptions, gather_all, verify_many

    spent: Spent = defaultdict(float)
    with tempfile.TemporaryDirectory() as out, _timed(spent):
        begin = time.process_time()
        requests = gather_all([folder], None, _no_overrides())
        done = list(verify_many(requests, RunOptions(out=Path(out), one_folder=True), lambda _index, _text: None))
        spent["everything"] = time.process_time() - begin
        if not (Path(out) / "case.json").is_file():
            raise RuntimeError(f"{folder.name} was not verified: {done}")
    return spent


def _no_overrides() -> Any:
    from fluorospread.pipeline.gather_case import CaseOverrides

    return CaseOverrides()


@contextmanager
def _timed(spent: Spent) -> Iterator[None]:
    """Add up the time within each stage, wherever its function has been imported to."""
    from onnxruntime import InferenceSession

    from fluorospread.dicom.stored_frames import StoredFrames

    changed: list[tuple[Any, str, Any]] = []

    def replace(owner: Any, name: str, stage: str) -> None:
        changed.append((owner, name, getattr(owner, name)))
        setattr(owner, name, _clocked(getattr(owner, name), stage, spent))

    for path, stage in STAGES.items():
        module, _, name = path.rpartition(".")
        original = getattr(importlib.import_module(module), name)
        for user in [item for key, item in sys.modules.items() if key.startswith("fluorospread.")]:
            if getattr(user, name, None) is original:
                replace(user, name, stage)
    replace(StoredFrames, "stored", DECODING)
    replace(InferenceSession, "run", INFERENCE)
    try:
        yield
    finally:
        for owner, name, original in changed:
            setattr(owner, name, original)


def _clocked(call: Callable[..., Any], stage: str, spent: Spent) -> Callable[..., Any]:
    @wraps(call)
    def clocked(*args: Any, **kwargs: Any) -> Any:
        begin = time.process_time()
        try:
            return call(*args, **kwargs)
        finally:
            spent[stage] += time.process_time() - begin

    return clocked


if __name__ == "__main__":
    main()
