"""1,000 damaged DICOM files are read or refused by name: no traceback, no hang over 10 s, no memory over 1 GB."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from harness.mutations import KINDS, mutated
from harness.result import Result, Row, arguments, write

ROOT = Path(__file__).resolve().parents[1]
WORKER = ROOT / "benchmarks" / "harness" / "_read_worker.py"
FOLDERS = (ROOT / "sample_dicom", ROOT.parent / "shared" / "data" / "odd_dicom")
FILES, MOST_CPU_S, MOST_MB = 1000, 10.0, 1000.0
# Every so many files are verified as well: one that is read costs a whole verification.
VERIFY_EVERY = 20
# A process that waits uses no CPU time; on a busy machine one that works may take long, too.
LONGEST_WAIT_S = 120.0


@dataclass(frozen=True)
class Trial:
    """One damaged file: where it came from, what was done to it, and what came of it."""

    source: str
    kind: str
    seed: int
    task: str
    outcome: str
    message: str
    cpu_s: float
    peak_mb: float

    @property
    def failed(self) -> bool:
        return self.outcome in ("internal error", "process died", "no answer")


class Worker:
    """A process that reads one file after the other; a new one is started when it dies or hangs."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def ask(self, task: str, path: Path) -> dict[str, str | float]:
        """The worker's answer, or what became of the worker."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, str(WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the worker has no pipes")
        process.stdin.write(f"{task}\t{path}\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], LONGEST_WAIT_S)[0]:
            self.end()
            return _lost("no answer", f"within {LONGEST_WAIT_S:g} s")
        line = process.stdout.readline()
        if not line:
            code = process.wait()
            self._process = None
            return _lost("process died", f"exit code {code}")
        answer: dict[str, str | float] = json.loads(line)
        return answer

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _lost(outcome: str, message: str) -> dict[str, str | float]:
    return {"outcome": outcome, "message": message, "cpu_s": 0.0, "peak_mb": 0.0}


def main() -> int:
    options = arguments(__doc__ or "")
    sources = [path for folder in FOLDERS for path in sorted(folder.rglob("*.dcm"))]
    trials = _run(sources, 60 if options.quick else FILES)
    failed = [trial for trial in trials if trial.failed]
    write(_result(trials, failed, len(sources)), options.out)
    for trial in failed:
        sys.stdout.write(
            f"FAILED {trial.task} {trial.source}, seed {trial.seed} ({trial.kind}): {trial.outcome}: {trial.message}\n"
        )
    return 1 if failed else 0


def _run(sources: list[Path], count: int) -> list[Trial]:
    worker, trials = Worker(), []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.dcm"
        for seed in range(count):
            # Neighbouring seeds do different things to one file, so that every file meets every kind of damage.
            source = sources[seed // len(KINDS) % len(sources)]
            kind, content = mutated(source.read_bytes(), seed)
            path.write_bytes(content)
            for task in ("read", "verify") if seed % VERIFY_EVERY == 0 else ("read",):
                answer = worker.ask(task, path)
                trials.append(Trial(source.name, kind, seed, task, **answer))  # type: ignore[arg-type]
    worker.end()
    return trials


def _result(trials: list[Trial], failed: list[Trial], sources: int) -> Result:
    read = [trial for trial in trials if trial.task == "read"]
    verified = [trial for trial in trials if trial.task == "verify"]
    named = Counter(trial.outcome for trial in read)
    told = ", ".join(f"{outcome} {count}" for outcome, count in named.most_common())
    judged = Counter(trial.outcome for trial in verified)
    rows = (
        Row("neither read nor refused by name", "files", (float(len(failed)),), at_most=0.0),
        Row("longest, CPU", "s", (max(trial.cpu_s for trial in trials),), at_most=MOST_CPU_S),
        Row("peak memory of the process", "MB", (max(trial.peak_mb for trial in trials),), at_most=MOST_MB),
    )
    about = (
        f"{len(read)} files made from {sources} ({', '.join(KINDS)}) are read in one process, every frame; every "
        f"{VERIFY_EVERY}th is verified, too ({', '.join(f'{n} {outcome}' for outcome, n in judged.items())})."
    )
    return Result("damaged_files", "Damaged DICOM files", about, rows, (f"What came of them: {told}.",))


if __name__ == "__main__":
    sys.exit(main())
