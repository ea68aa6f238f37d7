"""Tests of differences against R's documented examples and the source study's own numbers."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.statistics.group_comparisons import (
    Comparison,
    HypothesisTest,
    VasScale,
    compare_responders,
    count_responders,
    paired_comparison,
    paired_t_from_summary,
    unpaired_comparison,
)

# R, datasets::sleep (Student 1908): extra hours of sleep, ten patients, two drugs.
DRUG_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
DRUG_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
# R, example(wilcox.test): Hamilton depression scale, Hollander & Wolfe (1973).
FIRST_VISIT = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
SECOND_VISIT = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]


def _test(comparison: Comparison, name: str) -> HypothesisTest:
    return next(test for test in comparison.tests if test.name == name)


def test_paired_t_matches_r_on_the_sleep_data() -> None:
    result = paired_comparison(DRUG_1, DRUG_2)
    test = _test(result, "paired t")
    assert test.statistic == pytest.approx(4.0621, abs=5e-5)
    assert test.df == 9
    assert test.p == pytest.approx(0.002833, abs=5e-7)
    assert result.difference.low == pytest.approx(0.7001142, abs=5e-8)
    assert result.difference.high == pytest.approx(2.4598858, abs=5e-8)


def test_unpaired_t_matches_r_on_the_sleep_data() -> None:
    result = unpaired_comparison(DRUG_1, DRUG_2)
    welch, pooled = _test(result, "Welch t"), _test(result, "unpaired t")
    assert welch.statistic == pytest.approx(1.8608, abs=5e-5)
    assert welch.df == pytest.approx(17.776, abs=5e-4)
    assert welch.p == pytest.approx(0.07939, abs=5e-6)
    assert (pooled.df, pooled.p) == (18, pytest.approx(0.07919, abs=5e-6))
    assert result.difference.low == pytest.approx(-0.2054832, abs=5e-8)
    assert result.difference.high == pytest.approx(3.3654832, abs=5e-8)


def test_wilcoxon_matches_r_on_the_depression_scale() -> None:
    test = _test(paired_comparison(FIRST_VISIT, SECOND_VISIT), "Wilcoxon signed rank")
    # R documents V = 40 and a one-sided p of 0.01953; scipy's W is the smaller sum, 45 - 40.
    assert test.statistic == 5
    assert test.p == pytest.approx(2 * 0.01953, abs=1e-5)


def test_exact_wilcoxon_of_five_patients_cannot_be_significant() -> None:
    test = _test(paired_comparison([70, 65, 80, 50, 66], [20, 24, 31, 18, 22]), "Wilcoxon signed rank")
    assert test.p == pytest.approx(0.0625)
    assert "0.062" in test.note


def test_wilcoxon_stays_exact_with_ties() -> None:
    # All five changes equal in size and direction: 2 of the 32 sign patterns are as extreme.
    test = _test(paired_comparison([5.0, 6.0, 7.0, 8.0, 9.5], [3.0, 4.0, 5.0, 6.0, 7.0]), "Wilcoxon signed rank")
    assert test.p == pytest.approx(0.0625)


def test_wilcoxon_says_when_it_approximates() -> None:
    rng = np.random.default_rng(0)
    many, few = rng.normal(1.0, 1.0, 60), np.round(rng.normal(1.0, 1.0, 20))
    for change in (many, few):
        test = _test(paired_comparison([0.0] * change.size, list(change)), "Wilcoxon signed rank")
        assert test.note == "normal approximation"
        assert test.p is not None


def test_no_change_at_all_gives_no_p_value() -> None:
    result = paired_comparison([5.0, 6.0, 7.0], [5.0, 6.0, 7.0])
    assert [test.p for test in result.tests] == [None, None]
    assert result.difference.low is None


@pytest.mark.parametrize(("correlation", "p"), [(0.0, 0.012), (0.5, 0.0044), (0.9, 0.0008)])
def test_the_studys_paired_p_depends_on_a_correlation_it_does_not_print(correlation: float, p: float) -> None:
    _, value = paired_t_from_summary((66.0, 18.2), (25.0, 10.0), 5, correlation)
    assert value == pytest.approx(p, rel=0.06)  # the facts give two digits


def test_summary_t_agrees_with_the_t_of_the_patients_themselves() -> None:
    correlation = float(np.corrcoef(DRUG_1, DRUG_2)[0, 1])
    summary = [(float(np.mean(x)), float(np.std(x, ddof=1))) for x in (DRUG_1, DRUG_2)]
    t_value, p = paired_t_from_summary(summary[0], summary[1], 10, correlation)
    assert (t_value, p) == (pytest.approx(4.0621, abs=5e-5), pytest.approx(0.002833, abs=5e-7))


def test_the_studys_responders_do_not_differ() -> None:
    result = compare_responders((11, 10), (19, 18))
    assert result.fisher.p == pytest.approx(1.0)
    assert result.sample_odds_ratio == pytest.approx(1.10)
    assert result.difference.value == pytest.approx(11 / 19 - 10 / 18)
    assert result.difference.low is not None
    assert result.difference.high is not None
    assert result.difference.low < 0 < result.difference.high


def test_fisher_and_the_odds_ratio_match_r_on_the_twins_convictions() -> None:
    # R, example(fisher.test), Convictions (Fisher 1962): 2 of 17 against 10 of 13; R gives one-sided
    # p = 0.0004652 and OR 0.04693661; two-sided p = 0.0005367, 95 % 0.003325764 to 0.363182271.
    result = compare_responders((2, 10), (17, 13))
    assert result.fisher.p == pytest.approx(0.0005367, abs=5e-8)
    assert result.odds_ratio.value == pytest.approx(0.04693661, abs=1e-6)
    assert result.odds_ratio.low == pytest.approx(0.003325764, abs=1e-5)
    assert result.odds_ratio.high == pytest.approx(0.363182271, abs=1e-5)


def test_risk_difference_matches_newcombes_published_interval() -> None:
    # Newcombe 1998, table II (a): 56/70 against 48/80, method 10: 0.0524 to 0.3339.
    result = compare_responders((56, 48), (70, 80))
    assert (result.difference.low, result.difference.high) == (
        pytest.approx(0.0524, abs=5e-5),
        pytest.approx(0.3339, abs=5e-5),
    )


def test_groups_that_all_respond_have_no_odds_ratio() -> None:
    result = compare_responders((5, 4), (5, 4))
    assert result.odds_ratio.value is None
    assert result.sample_odds_ratio is None
    assert result.fisher.p == 1.0


def test_a_response_is_four_of_ten_on_either_scale() -> None:
    assert count_responders([7.3, 7.0, 5.0], [3.3, 3.5, 1.0], VasScale(10.0)) == 2
    assert count_responders([73, 70, 50], [33, 35, 10], VasScale(100.0)) == 2


def test_scores_in_millimetres_declared_as_0_to_10_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must lie in 0\.\.10"):
        count_responders([66.0, 70.0], [25.0, 20.0], VasScale(10.0))


@pytest.mark.parametrize(
    ("counts", "totals"), [((1, 2), (0, 5)), ((6, 2), (5, 5)), ((-1, 2), (5, 5))], ids=["empty", "more", "negative"]
)
def test_impossible_counts_are_refused(counts: tuple[int, int], totals: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="responders <= patients"):
        compare_responders(counts, totals)


def test_pairs_of_different_patients_are_refused() -> None:
    with pytest.raises(ValueError, match="same patients"):
        paired_comparison([1.0, 2.0], [1.0, 2.0, 3.0])
