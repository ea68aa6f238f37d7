"""Cohorts: one worker against two, a run killed half-way and resumed, broken cases, and the engine by itself."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from harness.process import fluorospread
from harness.result import Result, Row, arguments, write

from fluorospread.model.case import Role
from fluorospread.pipeline.find_cohort import find_cohort
from fluorospread.pipeline.gather_case import CaseRequest, ImageRequest
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.pipeline.run_cohort_case import RUN_FILE, CaseRun, CohortOptions, Status, fingerprint
from fluorospread.pipeline.settings import VerifySettings
from fluorospread.pipeline.verify_cohort import Progress, verify_cohort
from fluorospread.pipeline.write_case import CASE_JSON

SAMPLES = Path(__file__).resolve().parents[1] / "sample_dicom"
# The project asks that two workers be at least 1.8 times as fast as one, and that the engine cost at most 50 ms a case.
MOST_OF_ONE_WORKER = 1 / 1.8
MOST_ENGINE_S = 0.050
BROKEN = 3


def main() -> None:
    options = arguments(__doc__ or "")
    cases, finished = (60, 1000) if options.quick else (300, 10_000)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        study = make_study(folder / "study", cases)
        alone = timed_run(study, folder / "one", 1)
        pair = timed_run(study, folder / "two", 2)
        repeated = killed_and_resumed(study, folder / "killed", cases // 2)
        differing = sum(count_differing(folder / "one", folder / name) for name in ("two", "killed"))
        engine_s, engine_cpu_s, gained_mb = engine_alone(folder / "finished", finished)
    rows = (
        Row("1 worker", "s a case", (alone.seconds_a_case,)),
        Row("2 workers", "s a case", (pair.seconds_a_case,), against="1 worker"),
        Row("time of 2 workers over that of 1", "", (pair.wall_s / alone.wall_s,), at_most=MOST_OF_ONE_WORKER),
        Row("engine, 1 worker, beside the cases' own work", "s a case", (alone.engine_s,), at_most=MOST_ENGINE_S),
        Row("engine, 2 workers, finished cases passed over", "s a case", (engine_s,), at_most=MOST_ENGINE_S),
        Row("the same, processor time of all processes", "s a case", (engine_cpu_s,), at_most=MOST_ENGINE_S),
        Row(f"memory gained from case {finished // 10} to case {finished}", "MB", (gained_mb,)),
        Row("finished cases repeated after the kill", "cases", (float(repeated),), at_most=0),
        Row("case.json files that differ between the runs", "files", (float(differing),), at_most=0),
    )
    about = (
        f"{cases} cases, the nine of `sample_dicom` in turn, {BROKEN} of them broken; each verified, written and "
        "reported, the start of the workers included. One more run is stopped by SIGKILL half-way and started again. "
        f"The engine alone passes over {finished} finished cases."
    )
    broken = "; ".join(f"{run.case_id}: {run.failure.kind}" for run in alone.runs if run.failure is not None)
    write(Result("cohort", "Cohort", about, rows, (f"Broken cases as reported: {broken}.",)), options.out)


def make_study(folder: Path, cases: int) -> Path:
    """`cases` case folders; three hold a truncated image, no image, and a declaration that does not fit."""
    samples = sorted(path for path in SAMPLES.iterdir() if path.is_dir() and path.name != "truth")
    for number in range(cases):
        shutil.copytree(samples[number % len(samples)], folder / f"case-{number:04d}")
    image = folder / "case-0001" / "needle.dcm"
    image.write_bytes(image.read_bytes()[:4000])
    for path in (folder / "case-0002").iterdir():
        path.unlink()
    (folder / "case-0003" / "case.toml").write_text('contrast_given = "perhaps"\n')
    return folder


@dataclass(frozen=True)
class TimedRun:
    """One run. `engine_s`: seconds a case between the first and the last that no case accounts for, with one worker."""

    runs: tuple[CaseRun, ...]
    wall_s: float
    seconds_a_case: float
    engine_s: float


def timed_run(study: Path, out: Path, workers: int) -> TimedRun:
    told: list[tuple[float, Progress]] = []
    started = time.perf_counter()
    runs = verify_cohort(
        find_cohort(study).requests,
        CohortOptions(out, workers=workers),
        lambda now: told.append((time.perf_counter(), now)),
    )
    wall_s = time.perf_counter() - started
    # Cases that could not be gathered are told before the workers start.
    worked = [(moment, now.latest.seconds) for moment, now in told if now.latest.seconds > 0]
    span_s = worked[-1][0] - worked[0][0]
    engine_s = (span_s - sum(seconds for _, seconds in worked[1:])) / (len(worked) - 1)
    return TimedRun(runs, wall_s, wall_s / len(runs), engine_s)


def killed_and_resumed(study: Path, out: Path, half: int) -> int:
    """Stop a run by SIGKILL once `half` cases are told, start it again; returns how many cases were done twice."""
    command = [*map(str, fluorospread("cohort", study, "--out", out)), "--workers", "2", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as process:
        if process.stdout is None:
            raise RuntimeError("the run's output cannot be read")
        for _, line in zip(range(half), process.stdout, strict=False):
            json.loads(line)
        os.killpg(process.pid, signal.SIGKILL)
    finished = {path.parent.name for path in out.glob(f"*/{RUN_FILE}")}
    runs = verify_cohort(find_cohort(study).requests, CohortOptions(out, workers=2))
    return sum(run.case_id in finished and run.status is not Status.REUSED for run in runs)


def count_differing(first: Path, second: Path) -> int:
    """Cases whose case.json is not the same, byte for byte, or that only one of the runs has."""
    contents = [{path.parent.name: path.read_bytes() for path in run.glob(f"*/{CASE_JSON}")} for run in (first, second)]
    names = contents[0].keys() | contents[1].keys()
    return sum(contents[0].get(name) != contents[1].get(name) for name in names)


def engine_alone(folder: Path, count: int) -> tuple[float, float, float]:
    """Seconds a case, seconds of processor time a case and MB gained, while finished cases are passed over.

    Counted from the first tenth on, when the workers have started and loaded what they need.
    """
    requests = [finished_case(folder, number) for number in range(count)]
    told: list[tuple[float, float, float]] = []

    def progress(now: Progress) -> None:
        if now.done % (count // 10) == 0:
            told.append((time.perf_counter(), processor_time(), psutil.Process().memory_info().rss / 2**20))

    runs = verify_cohort(requests, CohortOptions(folder / "out", workers=2, reports=False), progress)
    if {run.status for run in runs} != {Status.REUSED}:
        raise RuntimeError("a finished case was not recognised as such")
    passed = 0.9 * count
    wall_s, cpu_s, gained_mb = (after - before for before, after in zip(told[0], told[-1], strict=True))
    return wall_s / passed, cpu_s / passed, gained_mb


def processor_time() -> float:
    """Seconds of processor time that this process and its workers have taken so far."""
    return sum(sum(process.cpu_times()[:2]) for process in (psutil.Process(), *psutil.Process().children(True)))


def finished_case(folder: Path, number: int) -> CaseRequest:
    """A case whose results are there; what its files hold is not looked at, only that nothing has changed."""
    image = folder / "images" / f"{number:05d}.dcm"
    out = folder / "out" / image.stem
    for made in (image.parent, out):
        made.mkdir(parents=True, exist_ok=True)
    image.write_bytes(image.name.encode())
    (out / CASE_JSON).write_bytes(b"{}")
    request = CaseRequest(image.stem, (ImageRequest(image, Role.NEEDLE, "file name"),))
    key = fingerprint(request, load_protocol(DEFAULT_PROTOCOL), VerifySettings())
    # SHA-256 of "{}".
    written = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    (out / RUN_FILE).write_text(json.dumps({"fingerprint": key, "case_json_sha256": written}))
    return request


if __name__ == "__main__":
    main()
