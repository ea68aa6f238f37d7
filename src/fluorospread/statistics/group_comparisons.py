"""Outcomes within and between groups: before and after, group against group, responders.

Each test comes with what it assumes in words, beside a rank test that assumes less; p values are
two-sided and not adjusted for the number of tests. `statistics/longitudinal.py` holds scores over time.

References
----------
Source study: unpaired and paired t tests, responders at an improvement of 4 on a 0-10 scale.
Newcombe RG. Stat Med 1998;17:873-890 (interval of a difference of proportions).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.statistics.estimate import Estimate

# Source: the study's protocol 2, "VAS improvement >= 4" on the 0-10 scale.
STUDY_MCID_OF_TEN = 4.0
_SMALL = 10
# Patients up to whom Wilcoxon's p is exact: by enumeration with ties, by scipy's tables without.
_MOST_TIED, _MOST_EXACT = 13, 50


@dataclass(frozen=True)
class VasScale:
    """The pain scale a table declares: 10 (numbers 0-10, or cm) or 100 (mm). Lower is less pain."""

    maximum: float

    def __post_init__(self) -> None:
        if self.maximum not in (10.0, 100.0):
            raise ValueError(f"a VAS runs to 10 or to 100, got {self.maximum}")

    def check(self, scores: npt.NDArray[np.float64]) -> None:
        """Refuse scores that cannot lie on this scale."""
        if not np.isfinite(scores).all() or scores.min() < 0 or scores.max() > self.maximum:
            raise ValueError(f"VAS scores must lie in 0..{self.maximum:g}, got {scores.min()} to {scores.max()}")

    @property
    def responder_improvement(self) -> float:
        """The study's smallest improvement that counts as a response, on this scale."""
        return STUDY_MCID_OF_TEN * self.maximum / 10.0


@dataclass(frozen=True)
class HypothesisTest:
    """One test. `statistic` is t, W, U, F or chi-square as `name` says; `p` is None where it cannot be
    computed and `note` says why. `check` is how far the data bear out what the test assumes."""

    name: str
    statistic: float | None
    df: float | None
    p: float | None
    assumes: str
    note: str = ""
    check: str = ""


@dataclass(frozen=True)
class Comparison:
    """Difference of means, in the unit of the values, with its tests, the study's own first."""

    n: tuple[int, ...]
    means: tuple[float, float]
    sds: tuple[float, float]
    difference: Estimate
    tests: tuple[HypothesisTest, ...]


@dataclass(frozen=True)
class Responders:
    """Responders of two groups. The odds ratio is conditional maximum likelihood, as R's fisher.test
    gives it; `sample_odds_ratio` is the cross product, None where a cell is empty."""

    counts: tuple[int, int]
    totals: tuple[int, int]
    difference: Estimate
    odds_ratio: Estimate
    sample_odds_ratio: float | None
    fisher: HypothesisTest


def _finite(values: Sequence[float], name: str) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size < 2 or not np.isfinite(array).all():
        raise ValueError(f"{name}: expected two or more finite values, got {array.size}")
    return array


def paired_comparison(before: Sequence[float], after: Sequence[float], confidence: float = 0.95) -> Comparison:
    """Change from before to after in the same patients: paired t beside Wilcoxon's signed ranks.

    Parameters
    ----------
    before, after
        One value per patient, in the same order; the difference is after minus before.

    Raises
    ------
    ValueError
        Fewer than two patients, unequal lengths, or a value that is not finite.
    """
    from scipy.stats import ttest_rel

    a, b = _finite(before, "before"), _finite(after, "after")
    if a.size != b.size:
        raise ValueError(f"paired values need the same patients, got {a.size} before and {b.size} after")
    change = b - a
    assumes, check = "patients' differences are normal", _normality("differences", change)
    if np.ptp(change) == 0.0:
        none = "every patient changed by the same amount"
        difference = Estimate(float(change.mean()), confidence=confidence, note=none)
        t_test = HypothesisTest("paired t", None, a.size - 1.0, None, assumes, none)
    else:
        result = ttest_rel(b, a)
        interval = result.confidence_interval(confidence)
        difference = Estimate(float(change.mean()), float(interval.low), float(interval.high), confidence)
        t_test = HypothesisTest(
            "paired t", float(result.statistic), float(result.df), float(result.pvalue), assumes, check=check
        )
    return Comparison(
        n=(int(a.size),),
        means=(float(a.mean()), float(b.mean())),
        sds=(float(a.std(ddof=1)), float(b.std(ddof=1))),
        difference=difference,
        tests=(t_test, _wilcoxon(change)),
    )


def _wilcoxon(change: npt.NDArray[np.float64]) -> HypothesisTest:
    from scipy.stats import PermutationMethod, wilcoxon

    name, assumes = "Wilcoxon signed rank", "differences are symmetric about their median"
    moved = change[change != 0.0]
    if moved.size == 0:
        return HypothesisTest(name, None, None, None, assumes, "no patient changed")
    n = moved.size
    tied = np.unique(np.abs(moved)).size < n
    if n > (_MOST_TIED if tied else _MOST_EXACT):
        result = wilcoxon(moved, method="asymptotic", correction=True)
        note = "normal approximation"
    elif tied:
        # With ties every assignment of signs is tried, which stays exact where tables do not.
        result = wilcoxon(moved, method=PermutationMethod(n_resamples=2**_MOST_TIED))
        note = "exact"
    else:
        result = wilcoxon(moved, method="exact")
        note = "exact"
    if 2.0 ** (1 - n) > 0.05:
        note += f"; no smaller p than {2.0 ** (1 - n):.2g} is possible with {n} patients"
    return HypothesisTest(name, float(result.statistic), None, float(result.pvalue), assumes, note)


def unpaired_comparison(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> Comparison:
    """Second group against first: Student's t as in the study, Welch's t and Mann-Whitney's U.

    The difference is second minus first; its interval is Welch's, which does not need equal variances.

    Raises
    ------
    ValueError
        Fewer than two patients in a group, or a value that is not finite.
    """
    from scipy.stats import mannwhitneyu, ttest_ind

    a, b = _finite(first, "first group"), _finite(second, "second group")
    value = float(b.mean() - a.mean())
    normal, equal = "both groups are normal", "both groups are normal, with equal variances"
    check = "; ".join((_normality("first group", a), _normality("second group", b)))
    if np.ptp(a) == 0.0 and np.ptp(b) == 0.0:
        none = "values do not vary within either group"
        difference = Estimate(value, confidence=confidence, note=none)
        tests: tuple[HypothesisTest, ...] = (
            HypothesisTest("unpaired t", None, a.size + b.size - 2.0, None, normal, none),
        )
    else:
        pooled, welch = ttest_ind(b, a), ttest_ind(b, a, equal_var=False)
        interval = welch.confidence_interval(confidence)
        difference = Estimate(value, float(interval.low), float(interval.high), confidence, "Welch")
        tests = (
            HypothesisTest(
                "unpaired t", float(pooled.statistic), float(pooled.df), float(pooled.pvalue), equal, check=check
            ),
            HypothesisTest(
                "Welch t", float(welch.statistic), float(welch.df), float(welch.pvalue), normal, check=check
            ),
        )
    ranks = mannwhitneyu(b, a)
    same_shape = "the groups differ in location only"
    rank_test = HypothesisTest("Mann-Whitney U", float(ranks.statistic), None, float(ranks.pvalue), same_shape)
    return Comparison(
        n=(int(a.size), int(b.size)),
        means=(float(a.mean()), float(b.mean())),
        sds=(float(a.std(ddof=1)), float(b.std(ddof=1))),
        difference=difference,
        tests=(*tests, rank_test),
    )


def _normality(what: str, values: npt.NDArray[np.float64]) -> str:
    """Shapiro-Wilk in words, with its weakness at small n."""
    from scipy.stats import shapiro

    if values.size < 3 or np.ptp(values) == 0.0:
        return f"{what}: too few different values to test normality"
    weak = ", which with so few patients hardly tests it" if values.size < _SMALL else ""
    return f"{what}: Shapiro-Wilk p = {float(shapiro(values).pvalue):.2g}{weak}"


def paired_t_from_summary(
    before: tuple[float, float], after: tuple[float, float], n: int, correlation: float
) -> tuple[float, float]:
    """(t, two-sided p) of a paired t test from published means and sds, for an *assumed* correlation.

    A paper that prints mean and sd only does not determine its paired test: t depends on how patients'
    values before and after correlate. Show p over a range of correlations, never at one.

    Parameters
    ----------
    before, after
        (mean, sd) of the same `n` patients.
    correlation
        Between before and after, -1..1.

    Raises
    ------
    ValueError
        Impossible n or correlation, or a difference without spread.
    """
    from scipy.stats import t as student

    if n < 2 or not -1.0 <= correlation <= 1.0:
        raise ValueError(f"expected n >= 2 and a correlation in -1..1, got {n} and {correlation}")
    variance = before[1] ** 2 + after[1] ** 2 - 2.0 * correlation * before[1] * after[1]
    if variance <= 0.0:
        raise ValueError("at this correlation the differences have no spread, so t is undefined")
    t_value = (after[0] - before[0]) / math.sqrt(variance / n)
    return t_value, 2.0 * float(student.sf(abs(t_value), n - 1))


def compare_responders(counts: tuple[int, int], totals: tuple[int, int], confidence: float = 0.95) -> Responders:
    """Responders of the first against the second group: risk difference (Newcombe), odds ratio, Fisher's exact.

    Raises
    ------
    ValueError
        An empty group, or more responders than patients.
    """
    from scipy.stats import fisher_exact
    from scipy.stats.contingency import odds_ratio
    from statsmodels.stats.proportion import confint_proportions_2indep

    if min(totals) < 1 or any(not 0 <= c <= t for c, t in zip(counts, totals, strict=True)):
        raise ValueError(f"expected 0 <= responders <= patients in both groups, got {counts} of {totals}")
    (a, b), (n, m) = counts, totals
    table = [[a, n - a], [b, m - b]]
    low, high = confint_proportions_2indep(a, n, b, m, method="newcomb", alpha=1.0 - confidence)
    fisher = HypothesisTest(
        "Fisher exact", None, None, float(fisher_exact(table).pvalue), "row and column totals are fixed"
    )
    if a + b in (0, n + m):
        ratio = Estimate(None, confidence=confidence, note="undefined: both groups answer all alike")
    else:
        conditional = odds_ratio(table)
        interval = conditional.confidence_interval(confidence)
        ratio = Estimate(
            float(conditional.statistic), float(interval.low), float(interval.high), confidence, "conditional"
        )
    return Responders(
        counts=counts,
        totals=totals,
        difference=Estimate(a / n - b / m, float(low), float(high), confidence, "Newcombe"),
        odds_ratio=ratio,
        sample_odds_ratio=a * (m - b) / ((n - a) * b) if (n - a) * b else None,
        fisher=fisher,
    )


def count_responders(
    before: Sequence[float], after: Sequence[float], scale: VasScale, improvement: float | None = None
) -> int:
    """How many patients improved by at least `improvement` (the study's MCID on this scale unless given).

    Raises
    ------
    ValueError
        Unequal lengths, or scores outside the declared scale.
    """
    a, b = _finite(before, "before"), _finite(after, "after")
    if a.size != b.size:
        raise ValueError(f"responders need both scores of each patient, got {a.size} and {b.size}")
    scale.check(np.concatenate([a, b]))
    least = scale.responder_improvement if improvement is None else improvement
    # Scores are given in tenths at most; 7.3 - 3.3 must count as 4.
    return int(np.count_nonzero(a - b >= least - 1e-9))
