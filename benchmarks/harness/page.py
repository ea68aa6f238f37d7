"""Turns the results of all scripts into one Markdown page: medians, spread, ratios, and what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from harness.machine import Machine
from harness.result import Measured, Result, Row

_HEAD = """\
# Benchmarks

Made by `make bench`; how to run one script, or add one, stands in [benchmarks/README.md](../benchmarks/README.md).
Values are medians, with the smallest and the largest of the runs in brackets. A ratio is taken run by run where the
two were measured in turns. Lower is better unless the unit is a rate. Numbers of another machine will differ, the
ratios much less.
"""


def page(measured: Sequence[Measured]) -> str:
    """The whole page, results in the order given."""
    return "\n".join([_HEAD, *(_section(item.result, item.machine) for item in measured)])


def _where(machine: Machine) -> str:
    where = (
        f"Measured on {machine.date}: {machine.cpu}, {machine.cores} cores, {machine.memory_gib:.0f} GiB, "
        f"{machine.system}, Python {machine.python}."
    )
    if not machine.was_busy:
        return where
    load = f"load average {machine.load_at_start:.1f} at the start"
    return f"{where} The machine was busy with other work ({load}): wall times are upper bounds."


def _section(result: Result, machine: Machine) -> str:
    lines = [f"## {result.title}\n", f"{result.about}\n"]
    lines.append("| | median (smallest to largest) | runs | ratio | asked for |")
    lines.append("|---|---|---|---|---|")
    lines += [_line(result, row) for row in result.rows]
    lines.append("")
    lines += [f"{note}\n" for note in result.notes]
    lines.append(f"`python benchmarks/{result.name}.py --out DIR`. {_where(machine)}\n")
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
