"""Case results in, what a clinician reads in the terminal out: one case in full, several as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fluorospread.model.case import CaseResult
from fluorospread.model.verdict import STANDING_SENTENCE, Criterion, CriterionResult, Outcome, Puncture
from fluorospread.reporting.wording import OUTCOME_WORDS, RESULT_WORDS, statements
from fluorospread.statistics.intervals import clopper_pearson

# Words carry the meaning; colour only repeats it, and rich leaves it out where a terminal has none.
_STYLE = {
    Outcome.VERIFIED: "bold green",
    Outcome.NOT_VERIFIED: "bold red",
    Outcome.UNDETERMINED: "bold yellow",
    Outcome.NOT_APPLICABLE: "dim",
}
_RESULT_STYLE = {
    CriterionResult.MET: "green",
    CriterionResult.NOT_MET: "red",
    CriterionResult.UNDETERMINED: "yellow",
    CriterionResult.NOT_APPLICABLE: "dim",
}


def print_case(console: Console, result: CaseResult) -> None:
    """One case: verdict, every criterion with its reason, then what was assumed."""
    criteria = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    criteria.add_column(no_wrap=True)
    criteria.add_column(ratio=1)
    for criterion in result.verdict.criteria:
        criteria.add_row(
            Text(RESULT_WORDS[criterion.result], _RESULT_STYLE[criterion.result]),
            Group(Text(criterion.name, "bold"), Text(criterion.reason, "dim")),
        )
    assumed = Text("\n".join(f"• {sentence}" for sentence in statements(result)))
    body: list[RenderableType] = [_verdict_line(result), Text(""), criteria, Text(""), assumed, Text("")]
    body.append(Text(STANDING_SENTENCE, "bold"))
    title = Text(f"{result.case_id} · {result.protocol_name}")
    console.print(Panel(Group(*body), title=title, title_align="left", padding=(1, 2)))


def print_cases(console: Console, results: Sequence[CaseResult], failures: Sequence[tuple[str, str]] = ()) -> None:
    """Several cases as a table, what went wrong with others below it, then the counts over all cases.

    `failures` are (case id, message); a case that could not be verified is always listed.
    """
    table = Table(title="Cases", title_justify="left", title_style="bold", header_style="bold")
    for heading in ("case", "verdict", "levels", "puncture level", "junctions covered", "what to look at"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "verdict")
    for result in results:
        verdict = result.verdict
        table.add_row(
            Text(result.case_id),
            Text(OUTCOME_WORDS[verdict.outcome], _STYLE[verdict.outcome]),
            Text(_levels_words(result)),
            Text(_puncture_words(result)),
            Text(_coverage_words(result)),
            Text(_concerns(result)),
        )
    for case_id, message in failures:
        table.add_row(Text(case_id), Text("error", "bold red"), "", "", "", Text(message))
    console.print(table)
    for line in cohort_lines(results):
        console.print(Text(line))
    if failures:
        console.print(Text(f"{len(failures)} case(s) could not be read and count nowhere above.", "bold red"))
    console.print(Text(STANDING_SENTENCE, "bold"))


def cohort_lines(results: Sequence[CaseResult]) -> tuple[str, ...]:
    """Counts over all cases: patients whose puncture is verified, with an exact interval, and junctions
    covered where contrast was given. The patient is the unit, as two sides of one are not independent."""
    if not results:
        return ()
    right = sum(result.verdict.puncture is Outcome.VERIFIED for result in results)
    open_ = sum(result.verdict.puncture is Outcome.UNDETERMINED for result in results)
    interval = clopper_pearson(right, len(results))
    puncture = (
        f"Puncture level right: {right}/{len(results)} patients "
        f"(95 % Clopper-Pearson interval {100 * interval.low:.1f}-{100 * interval.high:.1f} %"
        f"{f'; {open_} undetermined, counted as not right' if open_ else ''})"
    )
    contrast = [r for r in results if r.verdict.coverage is not Outcome.NOT_APPLICABLE]
    if not contrast:
        return (puncture, "Junctions covered: not applicable, no case was given contrast")
    answers = [criterion.result for r in contrast for criterion in _coverage_criteria(r)]
    met, unclear = answers.count(CriterionResult.MET), answers.count(CriterionResult.UNDETERMINED)
    coverage = f"Junctions covered: {met}/{len(answers)} in {len(contrast)} case(s) not declared as without contrast"
    return puncture, coverage + (f" ({unclear} undetermined)" if unclear else "")


def _coverage_criteria(result: CaseResult) -> list[Criterion]:
    return [c for c in result.verdict.criteria if c.is_coverage]


def _verdict_line(result: CaseResult) -> Text:
    verdict = result.verdict
    line = Text(OUTCOME_WORDS[verdict.outcome].upper(), _STYLE[verdict.outcome])
    for name, outcome in (("puncture", verdict.puncture), ("coverage", verdict.coverage)):
        line.append(f"   {name} ", "default not bold")
        line.append(OUTCOME_WORDS[outcome], _STYLE[outcome])
    return line


def _levels_words(result: CaseResult) -> str:
    levels = None if result.reference_image is None else result.images[result.reference_image].levels
    return "not read" if levels is None else levels.status.value


def _puncture_words(result: CaseResult) -> str:
    if not result.punctures:
        return "no needle seen"
    return "\n".join(_puncture(item) for item in sorted(result.punctures, key=lambda item: item.side))


def _puncture(item: Puncture) -> str:
    level = item.level.value if item.level else "level open"
    if item.distance_mm is None or item.sigma_mm is None or item.level is None:
        return f"{item.side}: {level}"
    return f"{item.side}: {level}, {item.distance_mm:.1f} ± {item.sigma_mm:.1f} mm"


def _coverage_words(result: CaseResult) -> str:
    if result.verdict.coverage is Outcome.NOT_APPLICABLE:
        return "no contrast given"
    criteria = _coverage_criteria(result)
    met = sum(c.result is CriterionResult.MET for c in criteria)
    unclear = sum(c.result is CriterionResult.UNDETERMINED for c in criteria)
    return f"{met}/{len(criteria)}" + (f", {unclear} open" if unclear else "")


def _concerns(result: CaseResult) -> str:
    """Which criteria decided against verified, and how many flags there are; the reasons are in the results."""
    lines = []
    for kind in (CriterionResult.NOT_MET, CriterionResult.UNDETERMINED):
        names = [c.name for c in result.verdict.criteria if c.result is kind]
        if names:
            more = f" and {len(names) - 2} more" if len(names) > 2 else ""
            lines.append(f"{RESULT_WORDS[kind]}: {'; '.join(names[:2])}{more}")
    if result.flags:
        lines.append(f"{len(result.flags)} flag(s)")
    return "\n".join(lines)
