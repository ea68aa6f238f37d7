"""Started by `damaged_files.py`: reads, or verifies, the files named on its standard input, one a line.

Answers one line of JSON a file: what came of it, CPU time and peak memory. Whatever is no named error is told
as `Internal error`; what kills the process is seen by the one who started it.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from pathlib import Path

from fluorospread.cli.app import run
from fluorospread.dicom.read_radiograph import read_radiograph
from fluorospread.errors import FluorospreadError

# Verified, not verified and undetermined are judgements, 3 a refusal by name.
_CODES = {0: "judged", 4: "judged", 5: "judged", 3: "refused"}


def outcome_of(task: str, path: Path) -> tuple[str, str]:
    """What came of the file ("read", "judged", "refused", else an error's name), and the message."""
    if task == "verify":
        text = io.StringIO()
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
            code = run(["verify", str(path), "--json", "--debug"])
        return _CODES.get(code, "internal error"), text.getvalue()[-3000:]
    try:
        radiograph = read_radiograph(path)
        for index in range(radiograph.frames.count):
            radiograph.pixels(index)
    except FluorospreadError as error:
        return type(error).__name__, str(error)
    except Exception as error:
        return "internal error", f"{type(error).__name__}: {error}"
    return "read", ""


def _peak_mb() -> float:
    """Peak resident memory since it was last forgotten."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def main() -> None:
    for line in sys.stdin:
        task, name = line.rstrip("\n").split("\t")
        # 5 makes the kernel forget the peak of this process.
        Path("/proc/self/clear_refs").write_text("5", "ascii")
        begin = time.process_time()
        outcome, message = outcome_of(task, Path(name))
        answer = {
            "outcome": outcome,
            "message": message,
            "cpu_s": time.process_time() - begin,
            "peak_mb": _peak_mb(),
        }
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
