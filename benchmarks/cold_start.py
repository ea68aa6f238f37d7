"""Cold start of the command line: each run is a fresh process, as a user's is."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.process import ProcessCost, fluorospread, run_process
from harness.result import Result, Row, arguments, write

IMAGE = Path(__file__).resolve().parents[1] / "sample_dicom" / "P1-02" / "needle.dcm"
# Verified, not verified or undetermined: each of them is a verification.
JUDGED = (0, 4, 5)
FLOOR, VERIFY = "python -c pass", "fluorospread verify, one image"
MOST_S = 3.0


def main() -> None:
    options = arguments(__doc__ or "")
    with tempfile.TemporaryDirectory() as folder:
        commands: dict[str, tuple[Sequence[str | Path], Sequence[int]]] = {
            FLOOR: ([sys.executable, "-c", "pass"], (0,)),
            "fluorospread --version": (fluorospread("--version"), (0,)),
            VERIFY: (fluorospread("verify", IMAGE, "--out", folder), JUDGED),
        }
        costs: dict[str, list[ProcessCost]] = {name: [] for name in commands}
        for _ in range(2 if options.quick else 9):
            for name, (command, expected) in commands.items():
                costs[name].append(run_process(command, expected))
    floor = f"{FLOOR}, CPU"
    rows = []
    for name, measured in costs.items():
        seconds, cpu = tuple(cost.seconds for cost in measured), tuple(cost.cpu_s for cost in measured)
        rows.append(Row(name, "s", seconds, at_most=MOST_S if name == VERIFY else None))
        rows.append(Row(f"{name}, CPU", "s CPU", cpu, against=None if name == FLOOR else floor))
    about = (
        "Fresh processes in turns, files in the page cache. The last command is the whole verification of one "
        "1024 x 1024 image (`sample_dicom/P1-02/needle.dcm`) with `case.json` and picture written, start included."
    )
    write(Result("cold_start", "Cold start", about, tuple(rows)), options.out)


if __name__ == "__main__":
    main()
