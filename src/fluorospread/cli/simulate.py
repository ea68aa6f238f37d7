"""`fluorospread simulate`: simulated cases with their truth, written as a clinic would send them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Draw(StrEnum):
    """Which people and contrast families random cases are drawn from."""

    TUNING = "tuning"
    JUDGING = "judging"


def simulate(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Each case goes to DIR/<case_id>/.")],
    samples: Annotated[
        bool, typer.Option("--samples", help="The nine sample cases instead of random ones.", show_default=False)
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

    - `fluorospread simulate --out samples --samples` — the sample cases, byte for byte

    The same number gives the same case. Verify them with `fluorospread verify simulated`.
    """
    from rich.console import Console
    from rich.progress import track

    from fluorospread.pipeline.write_case import check_writable
    from fluorospread.pipeline.write_simulated_case import write_simulated_case
    from fluorospread.simulation.cases import Split, sample_cases, sample_split

    check_writable(out)
    recipes = list(sample_cases()) if samples else [sample_split(Split(draw.value), first + n) for n in range(count)]
    errors = Console(stderr=True)
    for recipe in track(recipes, "simulating", console=errors, transient=True, disable=not errors.is_terminal):
        write_simulated_case(recipe, out / recipe.case_id)
        typer.echo(f"{out / recipe.case_id}: {recipe.title}")
