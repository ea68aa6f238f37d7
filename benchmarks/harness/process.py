"""Runs a command in a fresh process and tells its wall time and its peak memory.

A process's peak, as the kernel reports it, is never below that of the process that forked it. So the command is
started from a small interpreter of its own (`_launch.py`), whatever this one has loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("_launch.py")


@dataclass(frozen=True)
class ProcessCost:
    """What one command and its children took: wall time, CPU time, and the largest resident memory of any, in MB."""

    seconds: float
    cpu_s: float
    peak_mb: float
    exit_code: int
    output: str


def run_process(
    command: Sequence[str | Path],
    expected: Sequence[int] = (0,),
    timeout_s: float = 600.0,
    environment: Mapping[str, str] | None = None,
) -> ProcessCost:
    """Run `command` to its end.

    Raises
    ------
    RuntimeError
        When it ends with an exit code that is not `expected`; its output is in the message.
    subprocess.TimeoutExpired
        When it takes longer than `timeout_s`.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "cost.json"
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(_LAUNCHER), str(report), *map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            env={**os.environ, **(environment or {})},
            check=False,
        )
        if not report.is_file():
            raise RuntimeError(f"{command[0]} could not be started:\n{done.stdout}")
        cost = ProcessCost(**json.loads(report.read_text("utf-8")), output=done.stdout)
    if cost.exit_code not in expected:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {cost.exit_code}:\n{cost.output}")
    return cost


def fluorospread(*parts: str | Path) -> list[str | Path]:
    """The command line of `fluorospread`, as it is installed beside this interpreter."""
    return [Path(sys.executable).with_name("fluorospread"), *parts]
