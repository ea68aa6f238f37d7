"""Cold start of the command line: each run is a fresh process, as a user's is."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.process import fluorospread, run_process
from harness.result import Result, Row, arguments, write

IMAGE = Path(__file__).resolve().parents[1] / "sample_dicom" / "P1-02" / "needle.dcm"
# Verified, not verified or undetermined: each of them is a verification.
JUDGED = (0, 4, 5)


def main() -> None:
    options = arguments(__doc__ or "")
    with tempfile.TemporaryDirectory() as folder:
        commands: dict[str, tuple[Sequence[str | Path], Sequence[int]]] = {
            "python -c pass": ([sys.executable, "-c", "pass"], (0,)),
            "fluorospread --version": (fluorospread("--version"), (0,)),
            "fluorospread verify, one image": (fluorospread("verify", IMAGE, "--out", folder), JUDGED),
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(2 if options.quick else 9):
            for name, (command, expected) in commands.items():
                seconds[name].append(run_process(command, expected).seconds)
    floor, version, verify = (tuple(values) for values in seconds.values())
    rows = (
        Row("python -c pass", "s", floor),
        Row("fluorospread --version", "s", version, against="python -c pass"),
        Row("fluorospread verify, one image", "s", verify, against="python -c pass", at_most=3.0),
    )
    about = (
        "Fresh processes in turns, files in the page cache. The last row is the whole verification of one 1024 x 1024 "
        "image (`sample_dicom/P1-02/needle.dcm`) with `case.json` and picture written, start included."
    )
    write(Result("cold_start", "Cold start", about, rows), options.out)


if __name__ == "__main__":
    main()
