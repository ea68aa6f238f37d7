"""Scores in, rates and quantiles out; an error said without reserve is never lost."""

from __future__ import annotations

import pytest

from fluorospread.evaluation.match import LevelMatch
from fluorospread.evaluation.metrics import (
    CaseScore,
    DecisionScore,
    ErrorSummary,
    ImageScore,
    IodineScore,
    Rate,
    summarise,
)
from fluorospread.model.anatomy import Level
from fluorospread.model.findings import LevelStatus
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import Outcome

RIGHT = LevelMatch((Level.L4, Level.L5), (), (), (1.0, 2.0))
SLIPPED = LevelMatch((), (Level.L4, Level.L5), (), ())


def image(levels: LevelMatch, status: LevelStatus = LevelStatus.CONFIDENT) -> ImageScore:
    return ImageScore("image", status, levels)


def test_a_confident_slip_is_a_silent_error_and_an_uncertain_one_is_not() -> None:
    confident = CaseScore("a", Outcome.VERIFIED, Outcome.UNDETERMINED, (image(SLIPPED),))
    uncertain = CaseScore("b", Outcome.VERIFIED, Outcome.UNDETERMINED, (image(SLIPPED, LevelStatus.UNCERTAIN),))
    assert confident.silent_errors == ("level names on image",)
    assert uncertain.silent_errors == ()


@pytest.mark.parametrize(
    ("found", "expected", "wrong"),
    [
        (Outcome.VERIFIED, Outcome.NOT_VERIFIED, True),
        (Outcome.VERIFIED, Outcome.UNDETERMINED, True),
        (Outcome.NOT_VERIFIED, Outcome.VERIFIED, True),
        (Outcome.UNDETERMINED, Outcome.VERIFIED, False),
        (Outcome.VERIFIED, Outcome.VERIFIED, False),
    ],
)
def test_a_decided_verdict_that_is_not_true_is_a_silent_error(found: Outcome, expected: Outcome, wrong: bool) -> None:
    assert bool(CaseScore("a", expected, found).silent_errors) is wrong


def test_an_undetermined_coverage_is_an_abstention_not_an_error() -> None:
    decisions = (
        DecisionScore("L4 left", Answer.YES, Answer.YES),
        DecisionScore("L4 right", Answer.UNDETERMINED, Answer.NO),
        DecisionScore("L5 left", Answer.YES, Answer.NO),
    )
    score = CaseScore("a", Outcome.NOT_VERIFIED, Outcome.UNDETERMINED, coverage=decisions)
    summary = summarise([score])
    assert (summary.coverage_right.count, summary.coverage_right.of) == (1, 2)
    assert (summary.coverage_undetermined.count, summary.coverage_undetermined.of) == (1, 3)
    assert summary.silent_error_list == ("a: coverage L5 left: said yes, true no",)


def test_a_broken_case_is_listed_and_leaves_the_rates_of_the_others() -> None:
    broken = CaseScore("x", Outcome.VERIFIED, failure="cannot be read")
    fine = CaseScore("y", Outcome.VERIFIED, Outcome.VERIFIED, (image(RIGHT),))
    summary = summarise([broken, fine])
    assert summary.failures == ("x: cannot be read",)
    assert (summary.verdict_right.count, summary.verdict_right.of) == (1, 1)


def test_a_rate_of_five_in_five_has_the_exact_interval() -> None:
    # Facts of the source study: 5/5 is 47.8-100 %.
    assert str(Rate.count_true([True] * 5)) == "5/5 = 100.0 % (47.8–100.0)"
    assert str(Rate.count_true([])) == "none"


def test_no_errors_have_no_quantiles() -> None:
    assert ErrorSummary.of([]) == ErrorSummary(0, None, None)
    assert ErrorSummary.of([1.0, 2.0, 3.0]).median_mm == 2.0


def test_only_a_searched_image_can_get_a_false_tip_and_each_tip_is_held_to_its_own_uncertainty() -> None:
    searched = ImageScore(
        "needle", LevelStatus.CONFIDENT, RIGHT, tips_false=2, tips_within_sigma=(True, False), searched=True
    )
    carried = ImageScore("post", LevelStatus.CONFIDENT, RIGHT)
    summary = summarise([CaseScore("a", Outcome.VERIFIED, Outcome.VERIFIED, (searched, carried))])
    assert (summary.tips_false, summary.images_with_false_tip.count, summary.images_with_false_tip.of) == (2, 1, 1)
    assert (summary.tips_within_sigma.count, summary.tips_within_sigma.of) == (1, 2)


def test_iodine_is_held_to_fifteen_per_cent_and_to_twice_its_own_uncertainty() -> None:
    # Off by 10, 20 and 40 % of 200 mg; 2 sd are 50 mg.
    masses = (IodineScore(220.0, 25.0, 200.0), IodineScore(160.0, 25.0, 200.0), IodineScore(280.0, 25.0, 200.0))
    scores = [CaseScore("a", Outcome.VERIFIED, Outcome.VERIFIED, iodine=mass) for mass in masses]
    summary = summarise([*scores, CaseScore("b", Outcome.VERIFIED, Outcome.VERIFIED)])
    assert summary.iodine_error_median == pytest.approx(0.2)
    assert (summary.iodine_near.count, summary.iodine_near.of) == (1, 3)
    assert (summary.iodine_within_two_sd.count, summary.iodine_within_two_sd.of) == (2, 3)
