"""Evaluations in, tables for the terminal and plain documents for scripts out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fluorospread.evaluation.metrics import CaseScore, ErrorSummary, Rate, Summary, summarise
from fluorospread.evaluation.real_films import FilmOutcome, FilmScore
from fluorospread.evaluation.run_evaluation import Evaluation, FilmFailure
from fluorospread.model.findings import ContrastMethod
from fluorospread.model.verdict import STANDING_SENTENCE, Outcome
from fluorospread.reporting.terminal import cohort_lines

# Sample cases of the study's protocol are named so; only they make up its table.
PROTOCOL_1_PREFIX = "P1-"


def print_evaluation(evaluation: Evaluation) -> None:
    """Per-case verdicts against truth, then scores step by step."""
    console = Console()
    if len(evaluation.scores) <= 30:
        console.print(_case_table(evaluation.scores))
    protocol_1 = [result for result in evaluation.results if result.case_id.startswith(PROTOCOL_1_PREFIX)]
    if protocol_1:
        console.print(Text(f"Protocol 1 ({len(protocol_1)} simulated cases)", "bold"))
        for line in cohort_lines(protocol_1):
            console.print(Text(f"  {line}"))
        console.print()
    for kind, scores in _by_kind(evaluation.scores):
        console.print(_summary_table(kind, summarise(scores)))
    for line in evaluation.summary.failures:
        console.print(Text(f"could not be verified: {line}", "bold red"))
    for line in evaluation.summary.silent_error_list:
        console.print(Text(f"wrong without reserve: {line}", "bold red"))
    console.print(Text("Intervals are 95 % Clopper-Pearson."))
    console.print(Text(STANDING_SENTENCE, "bold"))


def _by_kind(scores: Sequence[CaseScore]) -> list[tuple[str, list[CaseScore]]]:
    """Simulated images, simulated runs and those implanted in real films, never in one number; kinds without a case
    left out."""
    run = ContrastMethod.CINE.value
    kinds = (
        ("simulated images", [score for score in scores if not score.implanted and score.method != run]),
        ("simulated runs", [score for score in scores if not score.implanted and score.method == run]),
        ("needles and contrast implanted in real films", [score for score in scores if score.implanted]),
    )
    return [(kind, members) for kind, members in kinds if members]


def _case_table(scores: Sequence[CaseScore]) -> Table:
    table = Table(title="Verdict against truth", title_justify="left", title_style="bold", header_style="bold")
    for heading in ("case", "true outcome", "found", "agreement"):
        table.add_column(heading, overflow="fold")
    for score in scores:
        found = score.found.value if score.found is not None else "error"
        table.add_row(score.case_id, score.expected.value, found, _agreement(score))
    return table


def _agreement(score: CaseScore) -> Text:
    if score.failure:
        return Text(score.failure, "bold red")
    if score.silent_errors:
        return Text("WRONG: " + "; ".join(score.silent_errors), "bold red")
    if score.found is score.expected:
        return Text("as it should be", "green")
    if score.found is Outcome.UNDETERMINED:
        return Text("abstained", "yellow")
    return Text("differs", "bold red")


def _error(error: ErrorSummary) -> str:
    if error.median_mm is None or error.p95_mm is None:
        return "none measured"
    return f"median {error.median_mm:.2f} mm, 95th percentile {error.p95_mm:.2f} mm (n = {error.count})"


def summary_lines(summary: Summary) -> tuple[tuple[str, str], ...]:
    """What was scored and its value in words, in the order of the steps."""

    def share(value: float | None) -> str:
        return "none" if value is None else f"{value:.3f}"

    rows: list[tuple[str, str | Rate]] = [
        ("cases", str(summary.cases)),
        ("levels: images called confident", summary.images_confident),
        ("levels: images abstained", summary.images_abstained),
        ("levels: vertebrae in view named right", summary.vertebrae_right),
        ("levels: the same where confident", summary.vertebrae_right_when_confident),
        ("levels: silent errors (images)", summary.silent_level_errors),
        ("levels: centre error", _error(summary.center_error)),
        ("junctions: error", _error(summary.junction_error)),
        ("junctions: error within the stated uncertainty", summary.junctions_within_sigma),
        ("needles: tip error", _error(summary.tip_error)),
        ("needles: tips missed", summary.tips_missed),
        ("needles: false tips", str(summary.tips_false)),
        ("needles: images searched that got a false tip", summary.images_with_false_tip),
        ("needles: tip error within the stated uncertainty", summary.tips_within_sigma),
        ("contrast: Dice, median / 5th percentile", f"{share(summary.dice_median)} / {share(summary.dice_p5)}"),
        ("contrast: area, median error", share(summary.area_error_median)),
        ("iodine: mass, median error", share(summary.iodine_error_median)),
        ("iodine: mass within 15 % (cases)", summary.iodine_near),
        ("iodine: mass within twice its stated uncertainty (cases)", summary.iodine_within_two_sd),
        ("contrast: there and not found (cases)", summary.contrast_missed),
        ("contrast: found where none is (cases)", summary.contrast_false),
        *(
            row
            for rates in summary.flags
            for row in (
                (f"flags: {rates.kind}, suspected where it is (cases)", rates.found),
                (f"flags: {rates.kind}, not suspected where it is not (cases)", rates.spared),
            )
        ),
        ("coverage: right where decided", summary.coverage_right),
        ("coverage: undetermined", summary.coverage_undetermined),
        ("coverage at the true junctions: right where decided", summary.coverage_true_junctions_right),
        ("coverage at the true junctions: undetermined", summary.coverage_true_junctions_undetermined),
        ("punctures: right where decided", summary.punctures_right),
        ("punctures: undetermined", summary.punctures_undetermined),
        ("verdict: right where decided", summary.verdict_right),
        ("verdict: undetermined", summary.verdict_undetermined),
        ("silent errors of any kind (cases)", summary.silent_errors),
    ]
    return tuple((name, str(value)) for name, value in rows)


def _summary_table(kind: str, summary: Summary) -> Table:
    table = Table(title=f"Step by step: {kind}", title_justify="left", title_style="bold", header_style="bold")
    table.add_column("what", overflow="fold")
    table.add_column("score", overflow="fold")
    for name, value in summary_lines(summary):
        table.add_row(name, value)
    return table


def print_films(scores: Sequence[FilmScore | FilmFailure]) -> None:
    """One row a real film, then the counts for films in scope."""
    console = Console()
    table = Table(title="Real films against their reader", title_justify="left", title_style="bold")
    table.add_column("film", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    table.add_column("named right", no_wrap=True)
    table.add_column("junctions, median", no_wrap=True)
    table.add_column("why not confident", overflow="fold")
    style = {FilmOutcome.RIGHT: "green", FilmOutcome.WRONG: "bold red", FilmOutcome.ABSTAINED: "yellow"}
    for score in scores:
        if isinstance(score, FilmFailure):
            table.add_row(score.name, Text("error", "bold red"), "", "", score.reason)
            continue
        errors = ErrorSummary.of(score.junction_errors_mm)
        junctions = "" if errors.median_mm is None else f"{errors.median_mm:.1f} mm (n = {errors.count})"
        levels = score.levels
        names = f"{len(levels.right)} of {len(levels.right) + len(levels.wrong) + len(levels.missed)}"
        film = score.name if score.in_scope else f"{score.name} *"
        table.add_row(film, Text(score.outcome.value, style[score.outcome]), names, junctions, score.reason)
    if any(isinstance(score, FilmScore) and not score.in_scope for score in scores):
        table.caption = "* out of scope: a child or severe deformity"
        table.caption_justify = "left"
    console.print(table)
    for name, value in film_lines(scores):
        console.print(Text(f"{name}: {value}"))
    console.print(Text(STANDING_SENTENCE, "bold"))


def film_lines(scores: Sequence[FilmScore | FilmFailure]) -> tuple[tuple[str, str], ...]:
    """Counts over the films in scope, and over the others; the reader's own error is in every distance."""
    films = [score for score in scores if isinstance(score, FilmScore)]
    lines: list[tuple[str, str]] = []
    for title, members in (
        ("in scope", [f for f in films if f.in_scope]),
        ("out of scope", [f for f in films if not f.in_scope]),
    ):
        counts = ", ".join(f"{sum(f.outcome is o for f in members)} {o.value}" for o in FilmOutcome)
        lines.append((f"{title} ({len(members)} films)", counts))
    right = [f for f in films if f.in_scope and f.names_right]
    error = ErrorSummary.of(e for f in right for e in f.junction_errors_mm)
    lines.append(("junctions, films in scope with every name right", _error(error)))
    return tuple(lines)


def evaluation_document(evaluation: Evaluation) -> dict[str, Any]:
    """Scores as plain values for `json.dumps`."""
    return {
        "schema": "fluorospread/evaluation/1",
        "simulated": True,
        "summary": {kind: dict(summary_lines(summarise(scores))) for kind, scores in _by_kind(evaluation.scores)},
        "silent_errors": list(evaluation.summary.silent_error_list),
        "failures": list(evaluation.summary.failures),
        "cases": [
            {**dataclasses.asdict(score), "silent_errors": list(score.silent_errors)} for score in evaluation.scores
        ],
    }


def film_document(scores: Sequence[FilmScore | FilmFailure]) -> dict[str, Any]:
    """Film scores as plain values for `json.dumps`."""
    return {
        "schema": "fluorospread/evaluation/1",
        "simulated": False,
        "summary": dict(film_lines(scores)),
        "films": [_film_values(score) for score in scores],
    }


def _film_values(score: FilmScore | FilmFailure) -> dict[str, Any]:
    values = dataclasses.asdict(score)
    if isinstance(score, FilmScore):
        # Keys of a level and a side are no JSON; the reader's file has names for them.
        points = score.truth.junctions.items()
        values["truth"]["junctions"] = {f"{level}_{side}".replace("-", "_"): point for (level, side), point in points}
    return values
