"""A cohort's pain scores and patients in, outcome tables out, each test with what it assumes.

Every table names its scale. p values are two-sided and not adjusted for how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fluorospread.model.cohort import Cohort, CohortCase
from fluorospread.reporting.cohort_tables import Cells, Table
from fluorospread.statistics.estimate import Estimate
from fluorospread.statistics.group_comparisons import (
    Comparison,
    HypothesisTest,
    VasScale,
    compare_responders,
    count_responders,
    paired_comparison,
    unpaired_comparison,
)
from fluorospread.statistics.intervals import clopper_pearson
from fluorospread.statistics.longitudinal import GroupByTime, Score, group_by_time

_TEST_HEADINGS = ("Comparison", "n", "Mean ± sd", "Difference, 95 %", "Tests", "Do the data look normal?")
_TEST_WIDTHS = (15, 7, 14, 16, 26, 22)


def patient_table(cohort: Cohort) -> Table | None:
    """Age, sex and complications by group, from the manifest alone; None where it says nothing of them."""
    cases = _first_of_each_patient(cohort)
    if not any(case.age_years is not None or case.sex or case.complications is not None for case in cases):
        return None
    lines: list[Cells] = []
    for group in _groups(cases):
        members = [case for case in cases if case.group == group]
        everything = [case for case in cohort.cases if case.group == group and not case.excluded]
        ages = [case.age_years for case in members if case.age_years is not None]
        sexes = ", ".join(
            f"{count} {sex}" for sex in ("female", "male", "other") if (count := sum(c.sex == sex for c in members))
        )
        lines.append(
            (group or "all", str(len(members)), _mean_sd(ages, "years"), sexes or "not recorded", _harm(everything))
        )
    headings = ("Group", "Patients", "Age, mean ± sd (range)", "Sex", "Procedures with a complication, 95 %")
    return Table(
        "Patients", headings, (16, 12, 24, 20, 28), tuple(lines), "As the manifest declares; exclusions left out."
    )


def _harm(cases: Sequence[CohortCase]) -> str:
    recorded = [case for case in cases if case.complications is not None]
    if not recorded:
        return "not recorded"
    count = sum(bool(case.complications) for case in recorded)
    exact = clopper_pearson(count, len(recorded))
    kinds = sorted({name for case in recorded for name in case.complications or ()})
    named = f": {', '.join(kinds)}" if kinds else ""
    return f"{count}/{len(recorded)} ({100 * exact.low:.1f}–{100 * exact.high:.1f} %){named}"


def outcome_tables(cohort: Cohort) -> tuple[Table, ...]:
    """Before and after, between groups, over time, and responders, for each occasion with scores."""
    if cohort.vas_maximum is None:
        return ()
    scale = VasScale(cohort.vas_maximum)
    cases = _first_of_each_patient(cohort)
    occasions = sorted({occasion for case in cases for occasion in case.vas})
    tables: list[Table | None] = []
    for occasion in occasions:
        scored = [case for case in cases if occasion in case.vas]
        tables += [
            _before_after(occasion, scored, scale),
            _between_groups(occasion, scored, scale),
            _over_time(occasion, scored, scale),
            _responders(occasion, scored, scale),
        ]
    return tuple(table for table in tables if table is not None)


def _first_of_each_patient(cohort: Cohort) -> list[CohortCase]:
    """One procedure a patient, the first of the manifest, so that no patient counts twice."""
    seen: dict[str, CohortCase] = {}
    for case in cohort.cases:
        if not case.excluded:
            seen.setdefault(case.patient, case)
    return list(seen.values())


def _groups(cases: Sequence[CohortCase]) -> list[str]:
    return sorted({case.group for case in cases})


def _unit(scale: VasScale) -> str:
    return f"VAS 0–{scale.maximum:g}, lower is less pain; 0 h is before the block."


def _times(cases: Sequence[CohortCase], occasion: str) -> list[float]:
    return sorted({time for case in cases for time in case.vas[occasion]})


def _pairs(cases: Sequence[CohortCase], occasion: str, time: float) -> tuple[list[float], list[float]]:
    scores = [case.vas[occasion] for case in cases if 0.0 in case.vas[occasion] and time in case.vas[occasion]]
    return [score[0.0] for score in scores], [score[time] for score in scores]


def _before_after(occasion: str, cases: Sequence[CohortCase], scale: VasScale) -> Table | None:
    found: list[tuple[str, Comparison]] = []
    for group in _groups(cases):
        members = [case for case in cases if case.group == group]
        for time in _times(members, occasion):
            before, after = _pairs(members, occasion, time)
            if time > 0.0 and len(before) >= 2:
                name = f"{group + ': ' if group else ''}{time:g} h against before"
                found.append((name, paired_comparison(before, after)))
    return _comparison_table(f"VAS {occasion}: before and after", found, scale)


def _between_groups(occasion: str, cases: Sequence[CohortCase], scale: VasScale) -> Table | None:
    groups = _groups(cases)
    if len(groups) != 2:
        return None
    found: list[tuple[str, Comparison]] = []
    for time in _times(cases, occasion):
        first, second = (
            [case.vas[occasion][time] for case in cases if case.group == group and time in case.vas[occasion]]
            for group in groups
        )
        if min(len(first), len(second)) >= 2:
            found.append((f"{time:g} h", unpaired_comparison(first, second)))
    return _comparison_table(f"VAS {occasion}: {groups[1]} against {groups[0]}", found, scale)


def _over_time(occasion: str, cases: Sequence[CohortCase], scale: VasScale) -> Table | None:
    """The study's two-way ANOVA and the mixed model; why there is none, where the scores do not allow one."""
    if len(_groups(cases)) < 2:
        return None
    scores = [
        Score(case.patient, case.group, time, score) for case in cases for time, score in case.vas[occasion].items()
    ]
    title = f"VAS {occasion}: group and time"
    headings = ("Effect", "Two-way ANOVA (as in the study)", "Mixed model, intercept per patient")
    try:
        result = group_by_time(scores)
    except ValueError as error:
        return Table(title, headings, (20, 40, 40), (), f"Not computed: {error}.")
    lines = [(a.name, _statistic(a), _statistic(m)) for a, m in zip(result.anova, result.mixed, strict=True)]
    lines += [(f"{c.of} against {c.against}", f"{_estimate(c.difference)}, p {_p(c.p)}", "") for c in result.contrasts]
    return Table(title, headings, (34, 33, 33), tuple(lines), f"{_unit(scale)} {_model_note(result)}")


def _model_note(result: GroupByTime) -> str:
    note = (
        f"ANOVA assumes {result.anova[0].assumes}. Mixed model assumes {result.mixed[0].assumes}. "
        "Pairs: Fisher's protected LSD"
    )
    return f"{note}; {result.protection}." if result.protection else f"{note}."


def _responders(occasion: str, cases: Sequence[CohortCase], scale: VasScale) -> Table | None:
    groups = _groups(cases)
    lines: list[Cells] = []
    for time in _times(cases, occasion):
        if time == 0.0:
            continue
        counts, totals = [], []
        for group in groups:
            before, after = _pairs([case for case in cases if case.group == group], occasion, time)
            totals.append(len(before))
            counts.append(count_responders(before, after, scale) if len(before) >= 2 else 0)
        if min(totals) < 2:
            continue
        shares = []
        for group, count, total in zip(groups, counts, totals, strict=True):
            exact = clopper_pearson(count, total)
            interval = f"{100 * exact.low:.1f}–{100 * exact.high:.1f} %"
            shares.append(f"{group + ': ' if group else ''}{count}/{total} ({interval})")
        compared = "one group" if len(groups) == 1 else "more than two groups"
        if len(groups) == 2:
            test = compare_responders((counts[0], counts[1]), (totals[0], totals[1]))
            compared = f"Fisher p {_p(test.fisher.p)}; odds ratio {_estimate(test.odds_ratio)}"
        lines.append((f"{time:g} h", "; ".join(shares), compared))
    if not lines:
        return None
    note = f"An improvement of at least {scale.responder_improvement:g} on VAS 0–{scale.maximum:g}, as in the study."
    headings = ("Time", "Responders, Clopper–Pearson 95 %", "Comparison")
    return Table(f"VAS {occasion}: responders", headings, (14, 50, 36), tuple(lines), note)


def _comparison_table(title: str, found: Sequence[tuple[str, Comparison]], scale: VasScale) -> Table | None:
    if not found:
        return None
    assumed = {test.name: test.assumes for _, comparison in found for test in comparison.tests}
    words = "; ".join(f"{name}, that {assumes}" for name, assumes in assumed.items())
    note = f"{_unit(scale)} Each test assumes something: {words}. p is two-sided, not adjusted for the number of tests."
    lines = tuple(_comparison_cells(name, comparison) for name, comparison in found)
    return Table(title, _TEST_HEADINGS, _TEST_WIDTHS, lines, note)


def _comparison_cells(name: str, found: Comparison) -> Cells:
    means = "; ".join(f"{mean:.1f} ± {sd:.1f}" for mean, sd in zip(found.means, found.sds, strict=True))
    tests = "; ".join(f"{test.name}: {_statistic(test)}" for test in found.tests)
    checks = "; ".join(dict.fromkeys(test.check for test in found.tests if test.check))
    return name, " and ".join(str(n) for n in found.n), means, _estimate(found.difference), tests, checks


def _statistic(test: HypothesisTest) -> str:
    if test.p is None:
        return f"none: {test.note}"
    value = "" if test.statistic is None else f"{test.statistic:.2f}, "
    return f"{value}p {_p(test.p)}" + (f" ({test.note})" if test.note else "")


def _p(p: float | None) -> str:
    if p is None:
        return "none"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _estimate(estimate: Estimate) -> str:
    if estimate.value is None:
        return f"none: {estimate.note}"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f} (no interval: {estimate.note})"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _mean_sd(values: Sequence[float], unit: str) -> str:
    if not values:
        return "not recorded"
    sd = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{sd} ({min(values):g}–{max(values):g}) {unit}"
