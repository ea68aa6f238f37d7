"""`fluorospread simulate`: simulated cases with their truth, written as a clinic would send them; wholly
simulated ones, or contrast and needles put into a real film."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from fluorospread.cli.options import Polarity
from fluorospread.cli.progress import progress_bar
from fluorospread.errors import UsageError
from fluorospread.model.geometry import ColumnsTowards

# As for a case that is not what it should be.
SAMPLES_DIFFER = 4


class Draw(StrEnum):
    """Which people and contrast families random cases are drawn from."""

    TUNING = "tuning"
    JUDGING = "judging"


class Kind(StrEnum):
    """What random cases show."""

    ORDINARY = "ordinary"
    CINE = "cine"
    ABERRANT = "aberrant"
    CLUTTER = "clutter"
    NUMBERING = "numbering"


class Images(StrEnum):
    """Which images of a case are made of one film."""

    NEEDLE_POST = "needle-post"
    PRE_POST = "pre-post"
    NEEDLE = "needle"
    POST = "post"


class GreyValues(StrEnum):
    """What the grey values of a picture file are."""

    DISPLAY = "display"
    LINEAR = "linear"
    LOG = "log"


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
    draw: Annotated[
        Draw, typer.Option("--draw", "--split", help="Random cases to tune on, or others to judge by.")
    ] = Draw.JUDGING,
    kind: Annotated[
        Kind,
        typer.Option(
            help="Random cases as they come, or each a run (cine), with contrast gone astray (aberrant), with other "
            "things in the way (clutter), or with four, six or transitional vertebrae (numbering)."
        ),
    ] = Kind.ORDINARY,
    anatomies: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Random cases on real people's bones from this folder.", show_default=False),
    ] = None,
    people: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="With --anatomies: only these people; they complete each other's bones first. One whose L3-L5 "
            "junctions are not all found only lends bones.",
            show_default=False,
        ),
    ] = None,
    film: Annotated[
        Path | None,
        typer.Option(
            "--implant", metavar="IMAGE", help="Put needles and contrast into this real film.", show_default=False
        ),
    ] = None,
    points: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --implant: a reader's points.", show_default=False)
    ] = None,
    images: Annotated[
        Images | None,
        typer.Option(help="With --implant: images made of the film (needle-post).", show_default=False),
    ] = None,
    relation: Annotated[
        GreyValues | None,
        typer.Option(help="With --implant: what a picture's grey values are (display).", show_default=False),
    ] = None,
    log_per_grey: Annotated[
        float | None,
        typer.Option(metavar="X", help="With --relation log: natural logs a grey value.", show_default=False),
    ] = None,
    spacing_mm: Annotated[
        float | None,
        typer.Option(metavar="MM", help="With --implant: pixel spacing at the spine (from L4).", show_default=False),
    ] = None,
    columns_towards: Annotated[
        ColumnsTowards | None,
        typer.Option(help="With --implant: where columns lead (patient-left).", show_default=False),
    ] = None,
    polarity: Annotated[
        Polarity | None, typer.Option(help="With --implant: how bone is stored.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="With --implant: other draws of the same numbers.", show_default=False)
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Print tracebacks of errors.")] = False,  # noqa: ARG001
) -> None:
    """Write simulated cases: DICOM images, case.toml and truth.json.

    **Examples**

    - `fluorospread simulate --out simulated` — one random case

    - `fluorospread simulate --out simulated --count 20 --first 100` — cases 100 to 119

    - `fluorospread simulate --out runs --kind cine --count 20` — runs, in half of which vessels carry contrast off

    - `fluorospread simulate --out sample_dicom --samples` — the sample cases

    - `fluorospread simulate --out sample_dicom --samples --check` — are they what this version writes?

    - `fluorospread simulate --out simulated --anatomies anatomy --count 10` — on bones of real people, see
    docs/anatomies.md

    - `fluorospread simulate --out implants --implant film.png --points film.json --count 5` — contrast and needles
    of known truth in a real film, at the junctions that a reader marked

    The same number gives the same case. Verify them with `fluorospread verify simulated`.
    """
    if check and not samples:
        raise UsageError("--check compares the sample cases; add --samples")
    about_film = {
        "points": points, "images": images, "relation": relation, "log-per-grey": log_per_grey,
        "spacing-mm": spacing_mm, "columns-towards": columns_towards, "polarity": polarity, "seed": seed,
    }  # fmt: skip
    if film is not None:
        if samples or anatomies is not None or points is None:
            raise UsageError("--implant needs --points, a reader's points on the film, and no --samples or --anatomies")
        _implants(out, range(first, first + count), draw, (film, points), about_film)
        return
    alone = [name for name, value in about_film.items() if value is not None]
    if alone:
        raise UsageError(f"--{alone[0]} is about a real film; add --implant IMAGE")
    if people is not None and anatomies is None:
        raise UsageError("--people names people of a folder of anatomies; add --anatomies DIR")
    if samples and anatomies is not None:
        raise UsageError("the sample cases have people of their own; leave out --anatomies")
    if samples:
        _samples(out, check)
    else:
        _random(out, range(first, first + count), (draw, kind), (anatomies, people))


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


def _random(out: Path, numbers: range, drawn: tuple[Draw, Kind], bones: tuple[Path | None, str | None]) -> None:
    """`bones`: a folder of anatomies and, comma by comma, the only people to take from it."""
    from fluorospread.pipeline.write_case import check_writable
    from fluorospread.pipeline.write_simulated_case import write_simulated_case
    from fluorospread.simulation import special_cases
    from fluorospread.simulation.anatomy.real_anatomy import AnatomyFolder, Spine
    from fluorospread.simulation.cases import Split, sample_split

    (draw, kind), (anatomies, names) = drawn, bones
    sample = {
        Kind.ORDINARY: sample_split,
        Kind.CINE: special_cases.sample_cine,
        Kind.ABERRANT: special_cases.sample_aberrant,
        Kind.CLUTTER: special_cases.sample_clutter,
        Kind.NUMBERING: special_cases.sample_numbering,
    }[kind]
    people = None if anatomies is None else AnatomyFolder.open(anatomies)
    only = [name.strip() for name in (names or "").split(",") if name.strip()]
    splits = list(Split)
    check_writable(out)
    with progress_bar("simulating", len(numbers)) as (bar, task):
        for number in numbers:
            recipe = sample(Split(draw.value), number)
            bar.update(task, description=recipe.case_id)
            anatomy = None
            if people is not None:
                spine = Spine(recipe.person.lumbar_count or 5, recipe.person.transitional)
                share = splits.index(Split(draw.value))
                anatomy = people.anatomy(recipe.person.seed, share, len(splits), only=only, spine=spine)
                recipe = replace(recipe, case_id=f"{recipe.case_id}-{anatomy.name}", title=f"bones of {anatomy.name}")
            write_simulated_case(recipe, out / recipe.case_id, anatomy)
            bar.advance(task)
            typer.echo(f"{out / recipe.case_id}")


def _implants(out: Path, numbers: range, draw: Draw, film: tuple[Path, Path], about_film: Mapping[str, Any]) -> None:
    from fluorospread.pipeline.implant_case import implant_case
    from fluorospread.pipeline.read_film import ImplantImages, ImplantOptions, Relation
    from fluorospread.pipeline.write_case import check_writable
    from fluorospread.simulation.cases import Split

    given = {name: None if value is None else str(value) for name, value in about_film.items()}
    options = ImplantOptions(
        images=ImplantImages(given["images"] or Images.NEEDLE_POST),
        seed=about_film["seed"] or 0,
        relation=None if given["relation"] is None else Relation(given["relation"]),
        log_per_grey=about_film["log-per-grey"],
        spacing_mm=about_film["spacing-mm"],
        columns_towards=about_film["columns-towards"],
        polarity=given["polarity"],
    )
    check_writable(out)
    with progress_bar("implanting", len(numbers)) as (bar, task):
        for number in numbers:
            case = implant_case(*film, out, Split(draw.value), number, options)
            bar.update(task, advance=1, description=case.recipe.case_id)
            typer.echo(f"{out / case.recipe.case_id}")
