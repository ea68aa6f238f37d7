"""Agreement in the cohort report: pair by pair, each question beside its three coefficients, measures beside limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from fluorospread.model.case import CaseResult
from fluorospread.model.cohort import Cohort, CohortCase
from fluorospread.reporting.cohort_agreement import agreement_tables
from fluorospread.reporting.cohort_report import cohort_report_html
from fluorospread.reporting.cohort_summary import SOFTWARE, CohortEntry, Row, summarise_cohort
from fluorospread.reporting.cohort_tables import Table

QUESTION = "at target L5, left"


def _rows(answers: Sequence[Mapping[str, str]], measures: Sequence[Mapping[str, float]] = ()) -> list[Row]:
    """One case each; values by who gave them."""
    return [
        Row(
            CohortCase(f"c{i}", f"c{i}"),
            "",
            "",
            answers={who: {QUESTION: answer} for who, answer in given.items()},
            measures={who: {"Area, left (mm²)": value} for who, value in (measures[i] if measures else {}).items()},
        )
        for i, given in enumerate(answers)
    ]


def _table(tables: Sequence[Table], title: str) -> Table:
    return next(table for table in tables if table.title == title)


def test_nine_of_ten_alike_have_no_kappa_but_a_high_ac1() -> None:
    # The classic paradox: 9 of 10 cases "yes" by both, one "no" by the second; kappa is 0.
    answers = [{SOFTWARE: "yes", "A": "yes"}] * 9 + [{SOFTWARE: "yes", "A": "no"}]
    (row,) = _table(agreement_tables(_rows(answers)), "Agreement: software and A").rows
    assert row[0] == QUESTION
    assert row[1] == "9/10 (60 to 98 %)"  # Wilson: 0.596 to 0.982
    assert row[2] == "0.00 (no interval)"
    # Gwet with three categories on offer: pe = (.95*.05 + .05*.95) / 2 = .0475, (.9 - .0475) / (1 - .0475) = 0.895.
    assert row[3].startswith("0.90 (") or row[3].startswith("0.89 (")


def test_every_pair_has_its_own_table() -> None:
    tables = agreement_tables(_rows([{SOFTWARE: "yes", "B": "yes", "A": "no"}, {SOFTWARE: "no", "A": "no"}]))
    assert [table.title for table in tables] == [
        "Agreement: software and A",
        "Agreement: software and B",
        "Agreement: A and B",
    ]
    assert _table(tables, "Agreement: software and A").rows[0][1].startswith("1/2")
    assert _table(tables, "Agreement: A and B").rows[0][1].startswith("0/1")


def test_cases_not_read_blind_are_counted_and_left_out() -> None:
    rows = _rows([{SOFTWARE: "yes", "A": "yes"}] * 2)
    rows.append(Row(CohortCase("seen", "seen"), "", "", not_blind=("A",)))
    assert "as not read blind: 1 case" in agreement_tables(rows)[0].note


def test_measures_have_bias_and_limits_of_the_second_minus_the_first() -> None:
    values = [(100.0, 103.0), (200.0, 201.0), (300.0, 305.0)]
    rows = _rows([{}] * 3, [{SOFTWARE: a, "A": b} for a, b in values])
    (row,) = _table(agreement_tables(rows), "Measures: software and A").rows
    # Differences 3, 1, 5: mean 3, sd 2, limits 3 -+ 1.96 * 2.
    assert row[1] == "3"
    assert row[2].startswith("3.00 (")
    assert row[3].startswith("-0.92 (")
    assert " to 6.92 (" in row[3]
    # Mean squares 20354.17 (items), 13.5 (readers), 2 (residual): (20354.17 - 2) / (20354.17 + 2 + 2/3 * 11.5).
    assert row[4].startswith("1.00 (")


def test_two_measured_cases_are_too_few_and_said_to_be() -> None:
    rows = _rows([{}] * 2, [{SOFTWARE: 1.0, "A": 2.0}] * 2)
    assert agreement_tables(rows)[0].rows[0][2] == "needs 3 cases"


def test_without_readers_there_is_no_table() -> None:
    assert agreement_tables(_rows([{}, {}])) == ()


def test_a_manifests_measures_are_compared_with_the_softwares(full_case: CaseResult) -> None:
    measured = {"A": {"craniocaudal_mm": {"left": 60.0, "right": 55.0}}}
    case = CohortCase("a", "a", measured=measured)
    (row,) = summarise_cohort([CohortEntry(case, full_case)]).rows
    assert row.measures["A"] == {"Craniocaudal extent, left (mm)": 60.0, "Craniocaudal extent, right (mm)": 55.0}
    assert row.measures[SOFTWARE]["Craniocaudal extent, left (mm)"] == 61.0


@pytest.mark.parametrize("name", ["A", "A" * 200, "<b>A</b>"])
def test_readers_of_any_name_stand_in_the_report(full_case: CaseResult, name: str) -> None:
    said = {SOFTWARE: {QUESTION: "yes"}, name: {QUESTION: "yes"}}
    entry = CohortEntry(CohortCase("a", "a"), full_case, answers=said, decision=f"verified ({name})")
    page = cohort_report_html(Cohort("n", (entry.case,)), summarise_cohort([entry]))
    assert "Agreement: software and " in page
    assert "<b>A</b>" not in page
