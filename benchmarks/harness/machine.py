"""Where and when something was measured, so that a number is never read without its machine."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

# Of the last minute, taken when a script starts: later the measurement itself is part of it.
_LOAD_AT_START = os.getloadavg()[0]


@dataclass(frozen=True)
class Machine:
    """Where and when a script ran. `load_at_start` is the load average of the minute before it."""

    cpu: str
    cores: int
    memory_gib: float
    system: str
    python: str
    date: str
    load_at_start: float

    @property
    def was_busy(self) -> bool:
        """Whether other work may have slowed the measurement down."""
        return self.load_at_start >= 0.25 * self.cores


def this_machine() -> Machine:
    """The machine that this process runs on."""
    return Machine(
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        date=datetime.now(UTC).date().isoformat(),
        load_at_start=round(_LOAD_AT_START, 2),
    )


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
