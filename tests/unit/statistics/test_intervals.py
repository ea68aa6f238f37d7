import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluorospread.statistics.intervals import clopper_pearson, wilson


def test_five_of_five_gives_the_published_clopper_pearson_interval():
    result = clopper_pearson(5, 5)
    # By hand: the lower bound is (alpha/2)^(1/5) = 0.025^0.2.
    assert result.low == pytest.approx(0.025**0.2, abs=1e-12)
    assert result.low == pytest.approx(0.478, abs=5e-4)
    assert result.high == 1.0


def test_ten_of_ten_gives_69_2_percent():
    assert clopper_pearson(10, 10).low == pytest.approx(0.692, abs=5e-4)


def test_none_of_n_mirrors_all_of_n():
    assert clopper_pearson(0, 7).high == pytest.approx(1 - clopper_pearson(7, 7).low, abs=1e-12)
    assert clopper_pearson(0, 7).low == 0.0


def test_five_of_five_gives_the_published_wilson_interval():
    result = wilson(5, 5)
    # By hand: n / (n + z^2) with z = 1.959964.
    assert result.low == pytest.approx(5 / (5 + 1.959964**2), abs=1e-6)
    assert result.low == pytest.approx(0.566, abs=5e-4)
    assert result.high == 1.0


@settings(deadline=None, max_examples=50)  # the first call imports scipy.stats
@given(
    st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95, 0.99])
)
def test_both_agree_with_scipy_stats(counts: tuple[int, int], confidence: float):
    from scipy.stats import binomtest

    successes, trials = counts
    for ours, method in ((clopper_pearson, "exact"), (wilson, "wilson")):
        theirs = binomtest(successes, trials).proportion_ci(confidence, method)
        result = ours(successes, trials, confidence)
        assert (result.low, result.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
        assert result.low <= result.value <= result.high


@pytest.mark.parametrize(("successes", "trials"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_are_refused(successes: int, trials: int):
    with pytest.raises(ValueError, match="successes"):
        clopper_pearson(successes, trials)


def test_a_confidence_of_one_is_refused():
    with pytest.raises(ValueError, match="confidence"):
        wilson(1, 2, confidence=1.0)
