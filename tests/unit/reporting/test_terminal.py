import io
from dataclasses import replace

import pytest
from rich.console import Console

from fluorospread.model.case import ContrastResult, Override
from fluorospread.model.findings import ContrastMethod, ContrastStatus
from fluorospread.model.verdict import STANDING_SENTENCE, Criterion, CriterionResult, Outcome, Verdict
from fluorospread.reporting.terminal import cohort_lines, print_case, print_cases
from fluorospread.reporting.wording import contrast_words


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


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (ContrastMethod.MASK_SUBTRACTION, "found in post.dcm, compared with an earlier image (mask subtraction)."),
        (ContrastMethod.CINE, "found in post.dcm, compared from frame to frame (cine)."),
        (
            ContrastMethod.SINGLE_IMAGE,
            "found in post.dcm, read from this image alone, not against one without contrast: the outline is "
            "provisional and decides no criterion.",
        ),
    ],
)
def test_the_contrast_line_says_against_what_it_was_found(console, full_case, method, words):
    print_case(console, replace(full_case, contrast=replace(full_case.contrast, method=method)))
    lines = [line.strip("│ ") for line in shown(console).splitlines()]
    assert f"• Contrast: {words}" in " ".join(lines)


def test_an_outline_that_a_person_drew_on_one_image_is_not_provisional(full_case):
    alone = replace(full_case.contrast, method=ContrastMethod.SINGLE_IMAGE)
    by_person = replace(full_case, contrast=alone, overrides=(Override("contrast", "outlined"),))
    assert "provisional" not in contrast_words(by_person)
    assert contrast_words(by_person).endswith("; outlined by a person")


def test_contrast_that_one_image_alone_does_not_show_keeps_its_reason(full_case):
    nothing = ContrastResult(ContrastStatus.NOT_FOUND, ContrastMethod.SINGLE_IMAGE, "no area is surely contrast", 1)
    said = contrast_words(replace(full_case, contrast=nothing))
    assert said.startswith("not found in post.dcm, read from this image alone")
    assert said.endswith("(no area is surely contrast)")
    assert "provisional" not in said


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
