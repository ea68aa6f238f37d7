"""Agreement against published data sets, and at the edges where coefficients are undefined."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.statistics.agreement import bland_altman, categorical_agreement, intraclass_correlation

ANSWERS = ("yes", "no")
# Gwet, Handbook of Inter-Rater Reliability (2014): 100 pregnancies by two abstractors, and what the
# R package irrCAC 1.0 documents for it (overview vignette).
ABSTRACTORS = {("E", "E"): 13, ("A", "A"): 20, ("A", "N"): 7, ("N", "A"): 4, ("N", "N"): 56}
# Shrout & Fleiss 1979, table 2: six targets by four judges.
JUDGES = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
# Bland & Altman 1986, first readings of peak expiratory flow in l/min.
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]


def _abstractors() -> tuple[list[str], list[str]]:
    first = [a for (a, _), count in ABSTRACTORS.items() for _ in range(count)]
    second = [b for (_, b), count in ABSTRACTORS.items() for _ in range(count)]
    return first, second


def test_agreement_kappa_and_ac1_match_the_values_r_documents_for_the_abstractors() -> None:
    result = categorical_agreement(*_abstractors(), categories=("E", "A", "N"))
    assert result.table == ((13, 0, 0), (0, 20, 7), (0, 4, 56))
    assert result.agreement.value == pytest.approx(0.89)
    assert result.kappa.value == pytest.approx(0.7964094, abs=1e-7)
    # irrCAC gives SE 0.05891 by Gwet's variance; statsmodels uses Fleiss', which differs in the third digit.
    assert result.kappa.low == pytest.approx(0.680, abs=0.003)
    assert result.kappa.high == pytest.approx(0.913, abs=0.003)
    assert result.ac1.value == pytest.approx(0.8493305, abs=1e-7)
    assert (result.ac1.low, result.ac1.high) == (pytest.approx(0.76358, abs=1e-5), pytest.approx(0.93508, abs=1e-5))


def test_nine_of_ten_agreeing_gives_zero_kappa_but_high_ac1() -> None:
    result = categorical_agreement(["yes"] * 10, ["yes"] * 9 + ["no"], ANSWERS)
    assert result.agreement.value == pytest.approx(0.9)
    assert result.kappa.value == pytest.approx(0.0)
    assert result.ac1.value == pytest.approx(0.89, abs=0.005)


def test_one_answer_throughout_leaves_kappa_undefined_and_says_why() -> None:
    result = categorical_agreement(["yes"] * 5, ["yes"] * 5, ANSWERS)
    assert result.kappa.value is None
    assert "one and the same category" in result.kappa.note
    assert result.agreement.low == pytest.approx(0.566, abs=0.001)  # Wilson, 5 of 5
    assert result.ac1.value == 1.0
    assert result.ac1.low is None


def test_total_agreement_on_two_answers_gets_no_interval_of_zero_width() -> None:
    result = categorical_agreement(["yes", "no", "yes"], ["yes", "no", "yes"], ANSWERS)
    assert (result.kappa.value, result.kappa.low) == (1.0, None)
    assert "no disagreement" in result.kappa.note


def test_a_category_nobody_used_changes_ac1_but_not_kappa() -> None:
    first, second = ["yes", "yes", "no", "no"], ["yes", "no", "no", "no"]
    two = categorical_agreement(first, second, ANSWERS)
    three = categorical_agreement(first, second, (*ANSWERS, "undetermined"))
    assert three.kappa == two.kappa
    assert three.ac1.value is not None
    assert two.ac1.value is not None
    assert three.ac1.value > two.ac1.value


@pytest.mark.parametrize(
    ("first", "second", "categories", "message"),
    [
        ([], [], ANSWERS, "same items"),
        (["yes"], ["yes", "no"], ANSWERS, "same items"),
        (["maybe"], ["yes"], ANSWERS, "outside the categories"),
        (["yes"], ["yes"], ("yes",), "at least two"),
    ],
)
def test_items_that_cannot_be_compared_are_refused(
    first: list[str], second: list[str], categories: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        categorical_agreement(first, second, categories)


def test_bland_altman_matches_the_peak_flow_example() -> None:
    result = bland_altman(MINI, WRIGHT)
    assert result.n == 17
    assert result.bias.value == pytest.approx(-2.1, abs=0.05)
    assert result.sd == pytest.approx(38.8, abs=0.05)
    assert (result.bias.low, result.bias.high) == (pytest.approx(-22.0, abs=0.1), pytest.approx(17.8, abs=0.1))
    # The paper multiplies by 2, not 1.96: -79.7 and 75.5.
    assert result.lower_limit.value == pytest.approx(-2.1 - 1.96 * 38.8, abs=0.1)
    assert result.upper_limit.value == pytest.approx(-2.1 + 1.96 * 38.8, abs=0.1)


def test_exact_interval_of_a_limit_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(400):
        difference = rng.normal(0.0, 1.0, 8)
        limit = bland_altman([0.0] * 8, list(difference)).upper_limit
        assert limit.low is not None
        assert limit.high is not None
        hits += limit.low <= 1.959964 <= limit.high
    # 400 draws at 95 %: the standard deviation of the count is 4.4; three of them.
    assert abs(hits - 380) <= 13


def test_equal_differences_have_a_bias_but_no_interval() -> None:
    result = bland_altman([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    assert result.bias.value == 1.0
    assert result.bias.low is None


def test_icc_matches_shrout_and_fleiss() -> None:
    result = intraclass_correlation(JUDGES)
    assert result.value == pytest.approx(0.29, abs=0.005)
    # R's psych package documents 0.02 to 0.76 for this table.
    assert (result.low, result.high) == (pytest.approx(0.019, abs=0.001), pytest.approx(0.761, abs=0.001))


def test_a_constant_offset_between_readers_lowers_the_icc() -> None:
    truth = [1.0, 5.0, 9.0, 13.0]
    # Between-item mean square 2*80/3, between-reader 2*4, residual 0: ICC = B / (B + 2*R/4).
    result = intraclass_correlation([[v, v + 2.0] for v in truth])
    between = 2.0 * 80.0 / 3.0
    assert result.value == pytest.approx(between / (between + 2.0 * 8.0 / 4.0))
    assert result.low is None


def test_items_that_do_not_differ_have_no_icc() -> None:
    assert intraclass_correlation([[2.0, 2.0]] * 4).value is None
