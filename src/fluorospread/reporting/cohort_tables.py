"""Rows of a cohort in, its tables out: plain text cells with counts, intervals and the unit of analysis.

A patient's sides are not independent. Every table per side says so, and gives an interval that resamples
patients beside the one that takes sides as independent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, JUNCTION_LEVELS, Side
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import Outcome
from fluorospread.reporting.cohort_summary import SPREAD_MEASURES, CohortSummary, Row
from fluorospread.reporting.exposure_summary import EXPOSURES, REPORT, Given
from fluorospread.reporting.wording import OUTCOME_WORDS
from fluorospread.statistics.estimate import Estimate
from fluorospread.statistics.intervals import Proportion, clopper_pearson, wilson
from fluorospread.statistics.resampling import cluster_bootstrap

Cells = tuple[str, ...]
# Iglewicz & Hoaglin, How to Detect and Handle Outliers (1993): modified z score above 3.5.
_OUTLIER_Z = 3.5
# Of a normal distribution, the median absolute deviation over the standard deviation (same source).
_MAD_PER_SD = 0.6745
_FEWEST_FOR_OUTLIERS = 8
_BOOTSTRAP_SEED = 20240501


@dataclass(frozen=True)
class Table:
    """A table as it stands in the report: `widths` in per cent, `note` below its title."""

    title: str
    headings: Cells
    widths: tuple[int, ...]
    rows: tuple[Cells, ...]
    note: str = ""


@dataclass(frozen=True)
class ForestRow:
    """One line of the forest plot: a proportion with its exact interval."""

    label: str
    proportion: Proportion


@dataclass(frozen=True)
class Outlier:
    """A case whose measure lies far from the others'. `z` is the modified z score."""

    row: Row
    what: str
    value: str
    z: float


@dataclass(frozen=True)
class FlowStep:
    """A box of the flow: what it holds, how many cases, and why, most frequent reason first."""

    name: str
    cases: int
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class CaseFlow:
    """Where every case of the cohort went (after STARD 2015, item 19). `steps` lead down, each with the step aside
    that takes cases out before the next one; `outcomes` are what the judged cases became."""

    steps: tuple[tuple[FlowStep, FlowStep | None], ...]
    outcomes: tuple[FlowStep, ...]


def case_flow(summary: CohortSummary) -> CaseFlow:
    """Every case of the cohort, excluded, failed and judged, with the reasons."""
    rows, judged = summary.rows, summary.judged
    excluded = Counter(row.case.excluded for row in rows if row.case.excluded)
    failed = Counter(_kind(row.failure) for row in rows if row.failure)
    outcomes = []
    for outcome in (Outcome.VERIFIED, Outcome.NOT_VERIFIED, Outcome.UNDETERMINED):
        these = [row for row in judged if row.outcome is outcome]
        why = Counter(name for row in these for name, _ in _deciding(row))
        outcomes.append(FlowStep(OUTCOME_WORDS[outcome].capitalize(), len(these), _reasons(why)))
    return CaseFlow(
        (
            (FlowStep("Cases in the cohort", len(rows)), FlowStep("Excluded", excluded.total(), _reasons(excluded))),
            (
                FlowStep("Eligible", len(rows) - excluded.total()),
                FlowStep("Could not be judged", failed.total(), _reasons(failed)),
            ),
            (FlowStep("Judged", len(judged)), None),
        ),
        tuple(outcomes),
    )


def _deciding(row: Row) -> tuple[tuple[str, str], ...]:
    """The criteria that the outcome rests on."""
    return row.unmet_criteria if row.outcome is Outcome.NOT_VERIFIED else row.open_criteria


def _kind(failure: str) -> str:
    """The kind of an error, without the file it names, so that equal reasons are counted together."""
    return failure.split(":", 1)[0]


def _reasons(counted: Counter[str]) -> tuple[str, ...]:
    return tuple(f"{reason} ({count})" for reason, count in sorted(counted.items(), key=lambda x: (-x[1], x[0])))


def patients_confirmed(rows: Sequence[Row]) -> Proportion | None:
    """Patients whose every judged case has its punctures verified; undetermined counts as not confirmed."""
    by_patient: dict[str, list[bool]] = {}
    for row in rows:
        by_patient.setdefault(row.case.patient, []).append(row.puncture is Outcome.VERIFIED)
    if not by_patient:
        return None
    return clopper_pearson(sum(all(confirmed) for confirmed in by_patient.values()), len(by_patient))


def _sides(rows: Sequence[Row]) -> list[tuple[str, Side, Answer]]:
    """Patient, side and whether the target was reached, for every puncture judged."""
    return [(row.case.patient, side, answer) for row in rows for side, _, answer, _ in row.punctures]


def puncture_table(summary: CohortSummary) -> Table | None:
    """Puncture accuracy per patient and per side, with both intervals and the bootstrap by patient."""
    patients = patients_confirmed(summary.judged)
    if patients is None:
        return None
    lines = [_proportion_cells("Patients, every target side at the target", patients, "not needed: one per patient")]
    sides = _sides(summary.judged)
    groups: list[tuple[str, list[tuple[str, Side, Answer]]]] = [("Sides, all", sides)]
    groups += [(f"Sides, {side.value}", [s for s in sides if s[1] is side]) for side in (Side.LEFT, Side.RIGHT)]
    for name, members in groups:
        if members:
            reached = [answer is Answer.YES for _, _, answer in members]
            boot = _by_patient([float(value) for value in reached], [patient for patient, _, _ in members])
            lines.append(_proportion_cells(name, clopper_pearson(sum(reached), len(reached)), _interval(boot, 100)))
    undetermined = sum(answer is Answer.UNDETERMINED for _, _, answer in sides)
    note = (
        f"Undetermined punctures ({undetermined} of {len(sides)} sides) count as not confirmed. Clopper–Pearson and "
        "Wilson take sides as independent, which sides of one patient are not; the bootstrap resamples patients."
    )
    headings = ("Unit", "At the target", "Clopper–Pearson 95 %", "Wilson 95 %", "Bootstrap by patient 95 %")
    return Table("Puncture at the target", headings, (28, 16, 18, 18, 20), tuple(lines), note)


def coverage_table(summary: CohortSummary) -> Table | None:
    """Coverage of each junction, level by side."""
    found = [(level, side, answer, row.case.patient) for row in summary.judged for level, side, answer in row.coverage]
    if not found:
        return None
    lines: list[Cells] = []
    for level in CRANIAL_TO_CAUDAL:
        for side in Side:
            answers = [a for lv, s, a, _ in found if lv is level and s is side]
            if not answers:
                if level in JUNCTION_LEVELS and side.of_patient:
                    lines.append((level.value, side.value, "0", "0", "0", "0", "not assessed"))
                continue
            yes, no, open_ = (answers.count(kind) for kind in (Answer.YES, Answer.NO, Answer.UNDETERMINED))
            exact = clopper_pearson(yes, len(answers))
            lines.append((level.value, side.value, str(len(answers)), str(yes), str(no), str(open_), _range(exact)))
    headings = ("Level", "Side", "Assessed", "Covered", "Not covered", "Undetermined", "Covered, 95 %")
    note = "Cases with measurable contrast only. Clopper–Pearson; undetermined counts as not covered."
    return Table("Coverage of the SAP–TP junctions", headings, (9, 13, 14, 13, 15, 18, 18), tuple(lines), note)


def spread_table(summary: CohortSummary) -> Table | None:
    """Median and quartiles of each measure by side."""
    lines: list[Cells] = []
    for name, (label, unit) in SPREAD_MEASURES.items():
        for side in Side:
            values = [v for row in summary.judged for s, n, v in row.spread if s is side and n == name]
            if values:
                low, middle, high = np.percentile(values, [25, 50, 75])
                span = f"{min(values):.1f} to {max(values):.1f}"
                quartiles = f"{low:.1f} to {high:.1f}"
                lines.append((f"{label} ({unit})", side.value, str(len(values)), f"{middle:.1f}", quartiles, span))
    if not lines:
        return None
    headings = ("Measure", "Side", "n", "Median", "Quartiles", "Range")
    return Table("Spread by side", headings, (30, 16, 8, 12, 18, 16), tuple(lines))


def exposure_table(summary: CohortSummary) -> Table | None:
    """Fluoroscopy time and dose by group, from tags and dose reports; None where no case tells any."""
    judged = summary.judged
    groups = sorted({row.case.group for row in judged})
    lines: list[Cells] = []
    for name, label, unit in EXPOSURES:
        if all(getattr(row.exposure, name) is None for row in judged):
            continue
        for group in groups:
            members = [row for row in judged if row.case.group == group]
            given: list[Given] = [value for row in members if (value := getattr(row.exposure, name)) is not None]
            from_reports = sum(one.source == REPORT for one in given)
            known = f"{len(given)} of {len(members)}" + (f" ({from_reports} by report)" if from_reports else "")
            head = (f"{label} ({unit})", group or "all", known)
            if not given:
                lines.append((*head, "not known", "", ""))
                continue
            values = [one.value for one in given]
            low, middle, high = np.percentile(values, [25, 50, 75])
            span = f"{min(values):.2f} to {max(values):.2f}"
            lines.append((*head, f"{middle:.2f}", f"{low:.2f} to {high:.2f}", span))
    if not lines:
        return None
    headings = ("What", "Group", "Cases that tell it", "Median", "Quartiles", "Range")
    note = (
        "From the images' tags; where they leave it out, from the device's dose report of the study (by report). Time "
        "and entrance dose are the totals of the procedure step. The dose-area product is that of the images kept in "
        "the case and of the fluoroscopy that prepared them, by report that of the whole procedure. The reference "
        "point is the device's and not the patient's surface."
    )
    return Table("Fluoroscopy time and dose", headings, (27, 14, 19, 10, 15, 15), tuple(lines), note)


def forest_rows(summary: CohortSummary) -> tuple[ForestRow, ...]:
    """Proportions for the forest plot: punctures by group and side, then coverage by junction."""
    rows: list[ForestRow] = []
    judged = summary.judged
    overall = patients_confirmed(judged)
    if overall is not None:
        rows.append(ForestRow("Puncture, patients", overall))
    groups = sorted({row.case.group for row in judged if row.case.group})
    for group in groups if len(groups) > 1 else ():
        part = patients_confirmed([row for row in judged if row.case.group == group])
        if part is not None:
            rows.append(ForestRow(f"Puncture, patients, {group}", part))
    for side in (Side.LEFT, Side.RIGHT):
        answers = [answer for _, s, answer in _sides(judged) if s is side]
        if answers:
            rows.append(
                ForestRow(f"Puncture, {side.value} side", clopper_pearson(answers.count(Answer.YES), len(answers)))
            )
    for level in CRANIAL_TO_CAUDAL:
        for side in (Side.LEFT, Side.RIGHT):
            covered = [a for row in judged for lv, s, a in row.coverage if lv is level and s is side]
            if covered:
                label = f"Coverage, {level.value} {side.value}"
                rows.append(ForestRow(label, clopper_pearson(covered.count(Answer.YES), len(covered))))
    return tuple(rows)


def find_outliers(summary: CohortSummary) -> tuple[Outlier, ...]:
    """Cases far from the cohort's median in a measure, farthest first.

    Empty for measures with fewer than eight values or no spread, where nothing can stand out.
    """
    measured: dict[tuple[str, str], list[tuple[Row, str, float]]] = {}
    for row in summary.judged:
        for side, name, value in row.spread:
            label, unit = SPREAD_MEASURES[name]
            measured.setdefault((label, unit), []).append((row, side.value, value))
        for tip_side, _, _, distance in row.punctures:
            if distance is not None:
                measured.setdefault(("Needle to junction", "mm"), []).append((row, tip_side.value, distance))
    outliers = []
    for (label, unit), values in measured.items():
        numbers = np.array([value for _, _, value in values])
        middle = float(np.median(numbers))
        deviation = float(np.median(np.abs(numbers - middle)))
        if numbers.size < _FEWEST_FOR_OUTLIERS or deviation == 0.0:
            continue
        for row, where, value in values:
            z = _MAD_PER_SD * (value - middle) / deviation
            if abs(z) > _OUTLIER_Z:
                text = f"{value:.1f} {unit} (median {middle:.1f})"
                outliers.append(Outlier(row, f"{label}, {where}", text, z))
    return tuple(sorted(outliers, key=lambda found: -abs(found.z)))


def _by_patient(values: list[float], patients: list[str]) -> Estimate:
    return cluster_bootstrap(values, patients, np.mean, np.random.default_rng(_BOOTSTRAP_SEED))


def _proportion_cells(name: str, exact: Proportion, bootstrap: str) -> Cells:
    score = wilson(exact.successes, exact.trials)
    count = f"{exact.successes}/{exact.trials} ({100 * exact.value:.1f} %)"
    return name, count, _range(exact), _range(score), bootstrap


def _range(proportion: Proportion) -> str:
    return f"{100 * proportion.low:.1f}–{100 * proportion.high:.1f} %"


def _interval(estimate: Estimate, factor: float) -> str:
    if estimate.low is None or estimate.high is None:
        return f"none: {estimate.note}"
    return f"{factor * estimate.low:.1f}–{factor * estimate.high:.1f} %"
