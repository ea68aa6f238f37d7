"""Turns the results of all scripts into one Markdown page: medians, spread, ratios, and what was asked for."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from harness.result import Result, Row

_HEAD = """\
# Benchmarks

Made by `make bench`; how to run one script, or add one, stands in [benchmarks/README.md](../benchmarks/README.md).
Values are medians, with the smallest and the largest of the runs in brackets. A ratio is taken run by run where the
two were measured in turns. Lower is better unless the unit is a rate. Numbers of another machine will differ, the
ratios much less.
"""


@dataclass(frozen=True)
class Machine:
    """Where and when the numbers were measured. `busy` is the load average of the last minute at the start."""

    cpu: str
    cores: int
    memory_gib: float
    system: str
    python: str
    date: str
    busy: float


def this_machine(date: str) -> Machine:
    """The machine this runs on; `date` as it shall stand on the page."""
    return Machine(
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        date=date,
        busy=os.getloadavg()[0],
    )


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def page(results: Sequence[Result], machine: Machine) -> str:
    """The whole page, results in the order given."""
    where = (
        f"Measured on {machine.date}: {machine.cpu}, {machine.cores} cores, {machine.memory_gib:.0f} GiB, "
        f"{machine.system}, Python {machine.python}; load average at the start {machine.busy:.1f}"
    )
    busy = "." if machine.busy < 0.5 * machine.cores else ", so the machine was busy and times are upper bounds."
    parts = [_HEAD, f"{where}{busy}\n", *(_section(result) for result in results)]
    return "\n".join(parts)


def _section(result: Result) -> str:
    lines = [f"## {result.title}\n", f"{result.about}\n"]
    lines.append("| | median (smallest to largest) | runs | ratio | asked for |")
    lines.append("|---|---|---|---|---|")
    lines += [_line(result, row) for row in result.rows]
    lines.append("")
    lines += [f"{note}\n" for note in result.notes]
    lines.append(f"`python benchmarks/{result.name}.py --out DIR`\n")
    return "\n".join(lines)


def _line(result: Result, row: Row) -> str:
    value = f"{_short(row.median)} {row.unit}{_spread(row.values)}"
    ratios = result.ratios(row)
    ratio = f"{_short(median(ratios))}{_spread(ratios)} × {row.against}" if ratios else ""
    asked = ""
    if row.at_most is not None:
        kept = "met" if row.median <= row.at_most else "**missed**"
        asked = f"≤ {_short(row.at_most)} {row.unit}: {kept}"
    return f"| {row.what} | {value} | {len(row.values)} | {ratio} | {asked} |"


def _spread(values: Sequence[float]) -> str:
    return f" ({_short(min(values))} to {_short(max(values))})" if len(values) > 1 else ""


def _short(value: float) -> str:
    """Three significant digits, never in powers of ten for what a person measures."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1e}"
