"""Cases with known truth in, scored and summarised out: written samples, fresh simulated ones, real films.

Simulated and real images are never mixed in one number. Random cases are drawn from a *split*: judging draws
people and plume families that tuning never sees.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fluorospread.atomic_files import write_atomically
from fluorospread.errors import MissingFileError
from fluorospread.evaluation.film_diagram import film_diagram
from fluorospread.evaluation.metrics import CaseScore, Summary, summarise
from fluorospread.evaluation.processes import Report, in_processes
from fluorospread.evaluation.real_films import FilmScore, score_film
from fluorospread.evaluation.score_case import score_case
from fluorospread.evaluation.truth_files import TrueCase, read_truth
from fluorospread.model.case import CaseResult
from fluorospread.model.verdict import Outcome
from fluorospread.pipeline.film_points import FilmTruth, read_film_truth
from fluorospread.pipeline.gather_case import CaseOverrides, gather_case
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.pipeline.verify_case import VerifiedCase, verify_case
from fluorospread.pipeline.write_case import write_case
from fluorospread.pipeline.write_simulated_case import TRUTH_FILE, write_simulated_case
from fluorospread.simulation.cases import Split, sample_split

_Scored = tuple[CaseScore, CaseResult | None]

TRUTH_FOLDER = "truth"
FILM_DIAGRAM = "films.svg"
_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm")


def _silent(_name: str) -> None:
    return


@dataclass(frozen=True)
class Evaluation:
    """Scores of a set of cases, in order, with the results of those that ran."""

    scores: tuple[CaseScore, ...]
    results: tuple[CaseResult, ...]
    summary: Summary


@dataclass(frozen=True)
class FilmFailure:
    """A film that could not be measured, and why."""

    name: str
    reason: str


def count_cases(folder: Path) -> int:
    """How many cases below `folder` have a truth."""
    return sum(1 for _ in _cases_with_truth(folder))


def count_films(images: Path, annotations: Path) -> int:
    """How many annotations have their film."""
    return len(_films_with_annotation(images, annotations))


def evaluate_folder(
    folder: Path, out: Path | None = None, report: Report = _silent, workers: int | None = 1
) -> Evaluation:
    """Verify every case below `folder` that has a truth and compare the two.

    A case is a subfolder; its truth is `truth.json` in it, or `<case id>.json` in `folder`/truth. With `out`
    the results go to `out`/<case id>/.

    Parameters
    ----------
    workers
        Processes; None: one for each processor.

    Raises
    ------
    MissingFileError
        When no case with a truth is there.
    """
    pairs = list(_cases_with_truth(folder))
    if not pairs:
        raise MissingFileError(
            f"{folder} holds no case with a truth: expected folders with {TRUTH_FILE}, or {TRUTH_FOLDER}/<case id>.json"
        )
    return _collect(in_processes(partial(_evaluate_written, out), pairs, workers, partial(_report_case, report)))


def evaluate_simulated(
    split: Split, numbers: Sequence[int], workers: int | None = None, out: Path | None = None, report: Report = _silent
) -> Evaluation:
    """Render, verify and score random cases of a split.

    Parameters
    ----------
    numbers
        Which cases; the same number is the same case.
    workers
        Processes; by default one for each processor.
    out
        Where cases and results are kept; by default they are thrown away.
    """
    evaluate = partial(_evaluate_random, split, out)
    return _collect(in_processes(evaluate, numbers, workers, partial(_report_case, report)))


def evaluate_films(
    images: Path, annotations: Path, out: Path | None = None, report: Report = _silent, workers: int | None = 1
) -> tuple[FilmScore | FilmFailure, ...]:
    """Label every annotated real film and compare it with its reader's points.

    Parameters
    ----------
    workers
        Processes; None: one for each processor.

    Raises
    ------
    MissingFileError
        When no annotation has its image.
    CaseFileError
        When an annotation is none.
    """
    pairs = _films_with_annotation(images, annotations)
    if not pairs:
        raise MissingFileError(f"no annotation in {annotations} has an image of the same name in {images}")
    marked = [(film, read_film_truth(annotation)) for film, annotation in pairs]
    scores = in_processes(partial(_evaluate_film, out), marked, workers, lambda score: report(score.name))
    if out is not None:
        write_atomically(out / FILM_DIAGRAM, film_diagram([s for s in scores if isinstance(s, FilmScore)]))
    return tuple(scores)


def _films_with_annotation(images: Path, annotations: Path) -> list[tuple[Path, Path]]:
    return [
        (film, path)
        for path in sorted(annotations.glob("*.json"))
        if (film := next((f for s in _PICTURES if (f := images / f"{path.stem}{s}").is_file()), None)) is not None
    ]


def _cases_with_truth(folder: Path) -> Iterator[tuple[Path, TrueCase]]:
    for case in sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else ():
        for truth in (case / TRUTH_FILE, folder / TRUTH_FOLDER / f"{case.name}.json"):
            if truth.is_file():
                yield case, read_truth(truth)
                break


def _verify(path: Path, out: Path | None) -> VerifiedCase:
    request = gather_case(path, None, CaseOverrides())
    verified = verify_case(request, load_protocol(DEFAULT_PROTOCOL))
    if out is not None:
        write_case(verified, out)
    return verified


def _report_case(report: Report, scored: _Scored) -> None:
    report(scored[0].case_id)


def _evaluate_written(out: Path | None, case_and_truth: tuple[Path, TrueCase]) -> _Scored:
    case, truth = case_and_truth
    return _evaluate_case(case, truth, None if out is None else out / truth.case_id)


def _evaluate_case(case: Path, truth: TrueCase, out: Path | None) -> _Scored:
    protocol = load_protocol(DEFAULT_PROTOCOL)
    try:
        verified = _verify(case, out)
    except Exception as error:  # one broken case never stops the others, and is listed
        return CaseScore(truth.case_id, truth.outcome, failure=_words(error)), None
    return score_case(verified, truth, protocol.tolerance_mm, protocol.target_level), verified.result


def _evaluate_random(split: Split, out: Path | None, number: int) -> _Scored:
    recipe = sample_split(split, number)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            case = (Path(scratch) if out is None else out / "cases") / recipe.case_id
            write_simulated_case(recipe, case)
            truth = read_truth(case / TRUTH_FILE)
            return _evaluate_case(case, truth, None if out is None else out / "results" / recipe.case_id)
    except Exception as error:
        return CaseScore(recipe.case_id, Outcome.UNDETERMINED, failure=_words(error)), None


def _evaluate_film(out: Path | None, film_and_truth: tuple[Path, FilmTruth]) -> FilmScore | FilmFailure:
    film, truth = film_and_truth
    try:
        return score_film(_verify(film, None if out is None else out / truth.name).result.images[0], truth)
    except Exception as error:
        return FilmFailure(truth.name, _words(error))


def _words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _collect(done: Sequence[_Scored]) -> Evaluation:
    scores = tuple(score for score, _ in done)
    return Evaluation(scores, tuple(result for _, result in done if result is not None), summarise(scores))
