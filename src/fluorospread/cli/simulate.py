"""`fluorospread simulate`: simulated cases with their truth, written as a clinic would send them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fluorospread.cli.progress import progress_bar
from fluorospread.errors import UsageError

# As for a case that is not what it should be.
SAMPLES_DIFFER = 4


class Draw(StrEnum):
    """Which people and contrast families random cases are drawn from."""

    TUNING = "tuning"
    JUDGING = "judging"


def simulate(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Each case goes to DIR/<case_id>/.")],
    samples: Annotated[
        bool, typer.Option("--samples", help="The sample cases instead of random ones.", show_default=False)
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="With --samples: write nothing, compare DIR byte for byte.")
    ] = False,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many random cases.")] = 1,
    first: Annotated[int, typer.Option(min=0, help="Number of the first; the same number is the same case.")] = 0,
    draw: Annotated[Draw, typer.Option(help="Random cases to tune on, or others to judge by.")] = Draw.JUDGING,
    debug: Annotated[bool, typer.Option("--debug", help="Print tracebacks of errors.")] = False,  # noqa: ARG001
) -> None:
    """Write simulated cases: DICOM images, case.toml and truth.json.

    **Examples**

    - `fluorospread simulate --out simulated` — one random case

    - `fluorospread simulate --out simulated --count 20 --first 100` — cases 100 to 119

    - `fluorospread simulate --out sample_dicom --samples` — the sample cases

    - `fluorospread simulate --out sample_dicom --samples --check` — are they what this version writes?

    The same number gives the same case. Verify them with `fluorospread verify simulated`.
    """
    if check and not samples:
        raise UsageError("--check compares the sample cases; add --samples")
    if samples:
        _samples(out, check)
    else:
        _random(out, range(first, first + count), draw)


def _samples(out: Path, check: bool) -> None:
    from fluorospread.pipeline.write_case import check_writable
    from fluorospread.pipeline.write_samples import compare_samples, write_samples
    from fluorospread.simulation.cases import sample_cases

    with progress_bar("simulating", len(sample_cases())) as (bar, task):

        def report(case_id: str) -> None:
            bar.update(task, advance=1, description=case_id)

        if not check:
            check_writable(out)
            written = write_samples(out, report)
            typer.echo(f"{len(written)} files written to {out}")
            return
        differences = compare_samples(out, report)
    for difference in differences:
        typer.echo(f"{difference.path}: {difference.how}")
    typer.echo(f"{out}: {len(differences)} file(s) differ from what this version writes")
    if differences:
        raise typer.Exit(SAMPLES_DIFFER)


def _random(out: Path, numbers: range, draw: Draw) -> None:
    from fluorospread.pipeline.write_case import check_writable
    from fluorospread.pipeline.write_simulated_case import write_simulated_case
    from fluorospread.simulation.cases import Split, sample_split

    check_writable(out)
    with progress_bar("simulating", len(numbers)) as (bar, task):
        for number in numbers:
            recipe = sample_split(Split(draw.value), number)
            bar.update(task, description=recipe.case_id)
            write_simulated_case(recipe, out / recipe.case_id)
            bar.advance(task)
            typer.echo(f"{out / recipe.case_id}")
