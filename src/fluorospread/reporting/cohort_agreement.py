"""Rows of a cohort in, how software and readers agree out: answers by question, lengths by measure, pair by pair.

Each case gives one item a question, so that sides of one patient are never pooled. Per cent agreement, kappa and AC1
stand side by side, because each of them misleads alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, JUNCTION_LEVELS, Level
from fluorospread.model.spread import Answer
from fluorospread.reporting.cohort_summary import SOFTWARE, Row
from fluorospread.reporting.cohort_tables import Cells, Table
from fluorospread.statistics.agreement import bland_altman, categorical_agreement, intraclass_correlation
from fluorospread.statistics.estimate import Estimate

_CANNOT_TELL = "can't tell"
# Bland-Altman's limits and the ICC need a spread of differences.
_FEWEST_MEASURED = 3


def agreement_tables(rows: Sequence[Row]) -> tuple[Table, ...]:
    """One table of answers and one of measures for each pair that has cases in common; none without readings."""
    sources = {source for row in rows for source in (*row.answers, *row.measures)}
    people = sorted(sources - {SOFTWARE})
    first = [(SOFTWARE, person) for person in people] if SOFTWARE in sources else []
    tables: list[Table | None] = []
    for pair in (*first, *combinations(people, 2)):
        tables += [_answers(rows, pair), _measures(rows, pair)]
    return tuple(table for table in tables if table is not None)


def _answers(rows: Sequence[Row], pair: tuple[str, str]) -> Table | None:
    by_question: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        mine, theirs = (row.answers.get(source, {}) for source in pair)
        for question in mine:
            if question in theirs:
                by_question.setdefault(question, []).append((mine[question], theirs[question]))
    if not by_question:
        return None
    lines: list[Cells] = []
    missing: list[str] = []
    for question, pairs in sorted(by_question.items()):
        found = categorical_agreement([a for a, _ in pairs], [b for _, b in pairs], _offered(question, pairs))
        same = sum(a == b for a, b in pairs)
        share = f"{same}/{found.n}{_range(found.agreement, 100, ' %')}"
        lines.append((question, share, _value(found.kappa), _value(found.ac1)))
        missing += [f"kappa {found.kappa.note}"] if found.kappa.low is None else []
        missing += [f"AC1: {found.ac1.note}"] if found.ac1.low is None else []
    left_out = sum(any(person in row.not_blind for person in pair) for row in rows)
    note = (
        "First readings made blind, one item a case. Intervals: Wilson for agreement, large-sample for kappa and AC1. "
        "“Can't tell” and undetermined are answers of their own."
        + (f" Not counted, as not read blind: {left_out} case(s)." if left_out else "")
        + (f" Where a number or interval is missing: {'; '.join(dict.fromkeys(missing))}." if missing else "")
    )
    headings = ("Question", "Same answer, 95 %", "Cohen's kappa, 95 %", "Gwet's AC1, 95 %")
    return Table(f"Agreement: {pair[0]} and {pair[1]}", headings, (28, 22, 27, 23), tuple(lines), note)


def _offered(question: str, pairs: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Every answer on offer: AC1 depends on their number, so levels nobody could have meant are not among them."""
    if not question.startswith("level seen"):
        return tuple(answer.value for answer in Answer)
    named = {Level(answer) for pair in pairs for answer in pair if answer != _CANNOT_TELL}
    return (*(level.value for level in CRANIAL_TO_CAUDAL if level in named | set(JUNCTION_LEVELS)), _CANNOT_TELL)


def _measures(rows: Sequence[Row], pair: tuple[str, str]) -> Table | None:
    by_measure: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        mine, theirs = (row.measures.get(source, {}) for source in pair)
        for name in mine:
            if name in theirs:
                by_measure.setdefault(name, []).append((mine[name], theirs[name]))
    if not by_measure:
        return None
    lines: list[Cells] = []
    for name, values in sorted(by_measure.items()):
        if len(values) < _FEWEST_MEASURED:
            lines.append((name, str(len(values)), f"needs {_FEWEST_MEASURED} cases", "", ""))
            continue
        found = bland_altman([a for a, _ in values], [b for _, b in values])
        limits = f"{_value(found.lower_limit)} to {_value(found.upper_limit)}"
        lines.append((name, str(found.n), _value(found.bias), limits, _value(intraclass_correlation(values))))
    note = (
        f"Differences are {pair[1]} minus {pair[0]}. Limits enclose 95 % of the differences if these are normal; in "
        "brackets exact 95 % intervals. Patients that differ much make an ICC high, so look at the limits first."
    )
    headings = ("Measure", "Cases", "Bias (95 %)", "Limits of agreement (95 %)", "ICC(2,1) (95 %)")
    return Table(f"Measures: {pair[0]} and {pair[1]}", headings, (27, 9, 18, 27, 19), tuple(lines), note)


def _value(estimate: Estimate) -> str:
    if estimate.value is None:
        return "undefined"
    return f"{estimate.value:.2f}{_range(estimate, 1, '') or ' (no interval)'}"


def _range(estimate: Estimate, factor: float, unit: str) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    digits = 0 if factor == 100 else 2
    return f" ({factor * estimate.low:.{digits}f} to {factor * estimate.high:.{digits}f}{unit})"
