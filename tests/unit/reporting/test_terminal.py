import io
from dataclasses import replace

import pytest
from rich.console import Console

from fluorospread.model.verdict import STANDING_SENTENCE, Criterion, CriterionResult, Outcome, Verdict
from fluorospread.reporting.terminal import cohort_lines, print_case, print_cases


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100, force_terminal=False)


def shown(console):
    return console.file.getvalue()


def case(full_case, case_id, puncture, coverage=Outcome.NOT_APPLICABLE, met=0, asked=0):
    criteria = tuple(
        Criterion(
            f"contrast over the L{n} junction, left", CriterionResult.MET if n < met else CriterionResult.NOT_MET, "r"
        )
        for n in range(asked)
    )
    return replace(full_case, case_id=case_id, verdict=Verdict(Outcome.UNDETERMINED, puncture, coverage, criteria))


def test_one_case_shows_every_criterion_with_its_reason(console, full_case):
    print_case(console, full_case)
    text = shown(console)
    assert "UNDETERMINED" in text
    for criterion in full_case.verdict.criteria:
        assert criterion.name in text
        assert criterion.reason in text
    assert "five lumbar, counted from the sacrum" in text
    assert STANDING_SENTENCE in text


def test_several_cases_are_a_table_and_a_failed_one_is_listed(console, full_case):
    print_cases(console, [full_case, replace(full_case, case_id="P1-02")], [("P1-03", "needle.dcm is truncated")])
    text = shown(console)
    for words in ("P1-01", "P1-02", "P1-03", "needle.dcm is", "1 case(s) could not be read"):
        assert words in text


def test_brackets_in_names_are_text_and_not_markup(console, full_case):
    print_cases(console, [replace(full_case, case_id="a[bold]b")], [("c[/]d", "bad [red] file")])
    text = shown(console)
    assert "a[bold]b" in text
    assert "c[/]d" in text
    assert "bad [red] file" in text


def test_the_cohort_line_counts_patients_with_the_exact_interval(full_case):
    cases = [case(full_case, f"P1-0{n}", Outcome.VERIFIED) for n in range(1, 6)]
    # 5/5: 0.025^(1/5) = 47.8 %.
    assert "5/5 patients (95 % Clopper-Pearson interval 47.8-100.0 %)" in cohort_lines(cases)[0]


def test_junctions_are_counted_only_where_contrast_was_asked_for(full_case):
    cases = [
        case(full_case, "P1-01", Outcome.VERIFIED, Outcome.VERIFIED, met=4, asked=4),
        case(full_case, "P1-02", Outcome.VERIFIED),
    ]
    assert "Junctions covered: 4/4 in 1 case(s)" in cohort_lines(cases)[1]
    assert "not applicable" in cohort_lines(cases[1:])[1]


def test_undetermined_patients_are_not_counted_as_right(full_case):
    cases = [case(full_case, "a", Outcome.VERIFIED), case(full_case, "b", Outcome.UNDETERMINED)]
    assert "1/2 patients" in cohort_lines(cases)[0]
    assert "1 undetermined, counted as not right" in cohort_lines(cases)[0]


def test_no_case_gives_no_counts():
    assert cohort_lines([]) == ()
