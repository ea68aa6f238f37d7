"""What one benchmark script leaves behind: rows of raw values, kept raw so that spread and ratios follow later."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from harness.machine import Machine, this_machine

SCHEMA = "fluorospread/benchmark/1"


@dataclass(frozen=True)
class Row:
    """One thing measured.

    Attributes
    ----------
    what
        Its name, unique in its result.
    unit
        Of every value: "s", "MB", "1/s" ...
    values
        One value a run, in the order of the runs.
    against
        Name of the row that this one is divided by. Where both have a value for every run, the ratio is taken
        run by run, so that whatever else the machine did then cancels; else it is that of the medians.
    at_most
        What the project asks for; None where it asks for nothing.
    """

    what: str
    unit: str
    values: tuple[float, ...]
    against: str | None = None
    at_most: float | None = None

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError(f"{self.what}: a row needs at least one value")

    @property
    def median(self) -> float:
        return median(self.values)


@dataclass(frozen=True)
class Result:
    """Everything one script measured. `about` says what was run on what, in one or two sentences."""

    name: str
    title: str
    about: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        names = [row.what for row in self.rows]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: two rows share a name")
        unknown = {row.against for row in self.rows if row.against is not None} - set(names)
        if unknown:
            raise ValueError(f"{self.name}: no row is called {', '.join(sorted(unknown))}")

    def ratios(self, row: Row) -> tuple[float, ...]:
        """The row over the one it is held against, run by run where that is possible; empty without one."""
        if row.against is None:
            return ()
        other = next(candidate for candidate in self.rows if candidate.what == row.against)
        if len(other.values) == len(row.values):
            return tuple(a / b for a, b in zip(row.values, other.values, strict=True))
        return (row.median / other.median,)


@dataclass(frozen=True)
class Measured:
    """A result with the machine that it was measured on."""

    result: Result
    machine: Machine


def arguments(description: str) -> argparse.Namespace:
    """The options every script has: `--out DIR` (a Path) and `--quick` (fewer repeats)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for NAME.json")
    parser.add_argument("--quick", action="store_true", help="fewer repeats: shows that it runs, not how fast")
    return parser.parse_args()


def write(result: Result, out: Path) -> Path:
    """Print the result and write it to `out/NAME.json`."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{result.name}.json"
    document = {"schema": SCHEMA, "machine": asdict(this_machine()), **asdict(result)}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{result.title}\n")
    for row in result.rows:
        ratios = result.ratios(row)
        ratio = f"  {median(ratios):.2f} x {row.against}" if ratios else ""
        spread = f"({min(row.values):.4g} to {max(row.values):.4g}, n = {len(row.values)})"
        sys.stdout.write(f"  {row.what}: {row.median:.4g} {row.unit} {spread}{ratio}\n")
    for note in result.notes:
        sys.stdout.write(f"  {note}\n")
    sys.stdout.flush()
    return path


def read(path: Path) -> Measured:
    """What `write` wrote. Raises ValueError when the file is of another kind."""
    document = json.loads(path.read_text(encoding="utf-8"))
    if document.pop("schema", None) != SCHEMA:
        raise ValueError(f"{path.name} is no benchmark result; expected schema {SCHEMA}")
    machine = Machine(**document.pop("machine"))
    rows = tuple(Row(**{**row, "values": tuple(row["values"])}) for row in document.pop("rows"))
    return Measured(Result(**{**document, "rows": rows, "notes": tuple(document["notes"])}), machine)
