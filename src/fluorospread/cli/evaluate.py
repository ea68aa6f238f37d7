"""`fluorospread evaluate`: cases with known truth in, per-step scores with intervals out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fluorospread.cli.progress import progress_bar
from fluorospread.errors import UsageError

if TYPE_CHECKING:
    from fluorospread.evaluation.real_films import FilmScore
    from fluorospread.evaluation.run_evaluation import Evaluation, FilmFailure
    from fluorospread.evaluation.without_contrast import FalseContrastScore

DIFFERS_FROM_TRUTH = 4


class Draw(StrEnum):
    """Which people and contrast families random cases are drawn from."""

    TUNING = "tuning"
    JUDGING = "judging"


def evaluate(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]", help="Folder of case folders with truth, e.g. sample_dicom.", show_default=False
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--simulate", metavar="N", min=1, max=100_000, help="Make and score N random cases instead."),
    ] = None,
    first: Annotated[int, typer.Option(min=0, help="Number of the first random case.")] = 0,
    draw: Annotated[
        Draw, typer.Option(help="People and contrast families to tune on, or others to judge by.")
    ] = Draw.JUDGING,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; by default one a processor.", show_default=False)
    ] = None,
    real: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Score real films instead; needs --annotations.")
    ] = None,
    annotations: Annotated[Path | None, typer.Option(metavar="DIR", help="A reader's points, one JSON a film.")] = None,
    empty: Annotated[
        int | None,
        typer.Option(
            "--without-contrast",
            metavar="N",
            min=1,
            max=100_000,
            help="Count false contrast in N simulated single images without any.",
            show_default=False,
        ),
    ] = None,
    empty_pictures: Annotated[
        Path | None,
        typer.Option(
            "--pictures-without-contrast", metavar="DIR", help="The same in a folder of pictures.", show_default=False
        ),
    ] = None,
    pairs: Annotated[
        bool,
        typer.Option(
            "--pairs",
            help="With --without-contrast: pairs instead, compared with each other; with --real DIR made of pictures.",
            show_default=False,
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep case.json and pictures there.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print scores as JSON.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print tracebacks of errors.")] = False,  # noqa: ARG001
) -> None:
    """Compare what is found with what is true.

    **Examples**

    - `fluorospread evaluate sample_dicom --out runs/demo` — the sample cases, pictures kept

    - `fluorospread evaluate --simulate 100` — a hundred unseen simulated cases

    - `fluorospread evaluate --real films --annotations films/annotations --out runs/films`

    - `fluorospread evaluate --without-contrast 300` — false contrast in images into which nothing was injected

    - `fluorospread evaluate --without-contrast 300 --pairs` — the same in pairs of images, one compared with the other

    - `fluorospread evaluate --without-contrast 130 --pairs --real films --annotations films/annotations` — in pairs
    made of real films, moved and with another gain; needles where a reader marked targets

    Simulated and real images are scored apart. Exit code 4 when a verdict was stated that is not the true one,
    or a real film was named wrongly with confidence; abstentions do not count as such.
    """
    if pairs and empty is not None:
        if folder is not None or count is not None or empty_pictures is not None:
            raise UsageError(
                "pairs without contrast are simulated, or made of the pictures of --real DIR; name no other source"
            )
        _pairs_without_contrast((draw, range(first, first + empty)), (real, annotations), workers, out, as_json)
        return
    if pairs:
        raise UsageError("--pairs is about --without-contrast N; see fluorospread evaluate --help")
    given = [source is not None for source in (folder, count, real, empty, empty_pictures)]
    if sum(given) != 1:
        raise UsageError(
            "give one of DIR, --simulate N, --real DIR or one --…without-contrast; see fluorospread evaluate --help"
        )
    if (real is None) != (annotations is None):
        raise UsageError("--real and --annotations go together")
    if out is not None:
        from fluorospread.pipeline.write_case import check_writable

        check_writable(out)
    if real is not None and annotations is not None:
        _films(real, annotations, workers, out, as_json)
        return
    if empty is not None or empty_pictures is not None:
        numbers = range(first, first + (empty or 0))
        _without_contrast(empty_pictures, (draw, numbers), workers, out, as_json)
        return
    from fluorospread.evaluation.run_evaluation import count_cases, evaluate_folder, evaluate_simulated
    from fluorospread.simulation.cases import Split

    total = count_cases(folder) if folder is not None else count or 0
    with progress_bar("evaluating", total) as (bar, task):

        def report(name: str) -> None:
            bar.update(task, advance=1, description=name)

        if folder is not None:
            evaluation = evaluate_folder(folder, out, report, workers)
        else:
            evaluation = evaluate_simulated(Split(draw.value), range(first, first + total), workers, out, report)
    _print(evaluation, out, as_json)
    if evaluation.summary.silent_error_list:
        raise typer.Exit(DIFFERS_FROM_TRUTH)


def _films(real: Path, annotations: Path, workers: int | None, out: Path | None, as_json: bool) -> None:
    from fluorospread.evaluation.real_films import FilmOutcome, FilmScore
    from fluorospread.evaluation.run_evaluation import count_films, evaluate_films
    from fluorospread.evaluation.tables import film_document, print_films

    with progress_bar("labelling films", count_films(real, annotations)) as (bar, task):

        def report(name: str) -> None:
            bar.update(task, advance=1, description=name)

        scores: tuple[FilmScore | FilmFailure, ...] = evaluate_films(real, annotations, out, report, workers)
    if as_json:
        typer.echo(json.dumps(film_document(scores), ensure_ascii=False))
    else:
        print_films(scores)
    if any(isinstance(s, FilmScore) and s.outcome is FilmOutcome.WRONG for s in scores):
        raise typer.Exit(DIFFERS_FROM_TRUTH)


def _without_contrast(
    pictures: Path | None, drawn: tuple[Draw, range], workers: int | None, out: Path | None, as_json: bool
) -> None:
    from fluorospread.evaluation.without_contrast import (
        evaluate_pictures_without_contrast,
        evaluate_without_contrast,
        pictures_in,
    )
    from fluorospread.simulation.cases import Split

    draw, numbers = drawn
    total = len(numbers) if pictures is None else len(pictures_in(pictures))
    with progress_bar("searching", total) as (bar, task):

        def report(name: str) -> None:
            bar.update(task, advance=1, description=name)

        if pictures is not None:
            scores = evaluate_pictures_without_contrast(pictures, out, report, workers)
        else:
            scores = evaluate_without_contrast(Split(draw.value), numbers, workers, out, report)
    _print_false_contrast(scores, pictures is None, as_json)


def _pairs_without_contrast(
    drawn: tuple[Draw, range],
    films: tuple[Path | None, Path | None],
    workers: int | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """`films`: a folder of real pictures to make the pairs of, and a reader's points on them."""
    from fluorospread.evaluation.pairs_without_contrast import (
        evaluate_film_pairs_without_contrast,
        evaluate_pairs_without_contrast,
    )
    from fluorospread.pipeline.write_case import check_writable
    from fluorospread.simulation.cases import Split

    (draw, numbers), (pictures, annotations) = drawn, films
    if out is not None:
        check_writable(out)
    with progress_bar("searching", len(numbers)) as (bar, task):

        def report(name: str) -> None:
            bar.update(task, advance=1, description=name)

        if pictures is not None:
            scores = evaluate_film_pairs_without_contrast(pictures, annotations, numbers, out, report, workers)
        else:
            scores = evaluate_pairs_without_contrast(Split(draw.value), numbers, workers, out, report)
    _print_false_contrast(scores, pictures is None, as_json)


def _print_false_contrast(scores: Sequence[FalseContrastScore], simulated: bool, as_json: bool) -> None:
    from fluorospread.evaluation.without_contrast import false_contrast_document, false_contrast_rates

    if as_json:
        typer.echo(json.dumps(false_contrast_document(scores, simulated=simulated), ensure_ascii=False))
    else:
        for name, rate in false_contrast_rates(scores).items():
            typer.echo(f"{name}: {rate}")
        for score in scores:
            if score.found or score.failure:
                typer.echo(f"{score.name}: {score.failure or 'false contrast'}")
    if any(score.found for score in scores):
        raise typer.Exit(DIFFERS_FROM_TRUTH)


def _print(evaluation: Evaluation, out: Path | None, as_json: bool) -> None:
    from fluorospread.evaluation.tables import evaluation_document, print_evaluation

    if as_json:
        typer.echo(json.dumps(evaluation_document(evaluation), ensure_ascii=False))
        return
    print_evaluation(evaluation)
    if out is not None:
        typer.echo(f"Pictures and case.json of each case are in {out}")
