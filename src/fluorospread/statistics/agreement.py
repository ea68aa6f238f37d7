"""How well two readers (or the software and a reader) agree, on categories and on measured lengths.

Per cent agreement, Cohen's kappa and Gwet's AC1 are always given together: near total agreement kappa is
undefined or close to zero although almost every answer is the same (Gwet 2008), so none of the three
stands alone. Both readers must have judged the same items, in the same order; items are taken as
independent, so pass one item per patient or say that sides cluster.

References
----------
Cohen J. Educ Psychol Meas 1960;20:37-46. Gwet KL. Br J Math Stat Psychol 2008;61:29-48.
Bland JM, Altman DG. Lancet 1986;327:307-310. Carkeet A. Optom Vis Sci 2015;92:e71-80.
Shrout PE, Fleiss JL. Psychol Bull 1979;86:420-428. McGraw KO, Wong SP. Psychol Methods 1996;1:30-46.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.statistics.estimate import Estimate
from fluorospread.statistics.intervals import wilson

# Limits of agreement enclose 95 % of the differences, as Bland and Altman define them.
_LIMIT_PROBABILITY = 0.975
_NO_DISAGREEMENT = "no disagreement was seen, so its spread cannot be estimated; see the interval of the agreement"


@dataclass(frozen=True)
class CategoricalAgreement:
    """Agreement of two readers on `n` items. `table[i][j]` counts items the first reader called
    `categories[i]` and the second `categories[j]`. Higher is better, 1 is total."""

    n: int
    categories: tuple[str, ...]
    table: tuple[tuple[int, ...], ...]
    agreement: Estimate
    kappa: Estimate
    ac1: Estimate


@dataclass(frozen=True)
class BlandAltman:
    """Differences second minus first, in the unit of the measures. `bias` nearer 0 and limits nearer
    each other are better; the limits enclose 95 % of future differences if these are normal."""

    n: int
    bias: Estimate
    lower_limit: Estimate
    upper_limit: Estimate
    sd: float


def categorical_agreement(
    first: Sequence[str], second: Sequence[str], categories: Sequence[str], confidence: float = 0.95
) -> CategoricalAgreement:
    """Per cent agreement (Wilson), Cohen's kappa and Gwet's AC1 of two readers.

    Parameters
    ----------
    first, second
        One answer per item, in the same order.
    categories
        Every answer that was *possible*, used or not: AC1 depends on how many there were.

    Raises
    ------
    ValueError
        No items, unequal lengths, fewer than two categories, or an answer outside them.
    """
    names = tuple(categories)
    if len(names) < 2 or len(set(names)) != len(names):
        raise ValueError(f"agreement needs at least two different categories, got {names}")
    if not first or len(first) != len(second):
        raise ValueError(f"both readers must judge the same items, got {len(first)} and {len(second)}")
    unknown = sorted((set(first) | set(second)) - set(names))
    if unknown:
        raise ValueError(f"answers outside the categories {names}: {unknown}")
    table = np.zeros((len(names), len(names)), dtype=np.int64)
    for a, b in zip(first, second, strict=True):
        table[names.index(a), names.index(b)] += 1
    n, same = len(first), int(np.trace(table))
    interval = wilson(same, n, confidence)
    return CategoricalAgreement(
        n=n,
        categories=names,
        table=tuple(tuple(int(count) for count in row) for row in table),
        agreement=Estimate(interval.value, interval.low, interval.high, confidence),
        kappa=_kappa(table, confidence),
        ac1=_gwet_ac1(table, confidence),
    )


def _kappa(table: npt.NDArray[np.int64], confidence: float) -> Estimate:
    share = table / table.sum()
    by_chance = float(share.sum(axis=0) @ share.sum(axis=1))
    if math.isclose(by_chance, 1.0):
        note = "undefined: both readers used one and the same category throughout"
        return Estimate(None, confidence=confidence, note=note)
    if int(np.trace(table)) == int(table.sum()):
        return Estimate(1.0, confidence=confidence, note=_NO_DISAGREEMENT)
    if 1.0 in share.sum(axis=0) or 1.0 in share.sum(axis=1):
        note = "zero by construction: one reader used a single category, so chance explains all agreement"
        return Estimate(0.0, confidence=confidence, note=note)
    from statsmodels.stats.inter_rater import cohens_kappa

    # Categories nobody used add empty rows, which the variance formula divides by; they do not change kappa.
    used = (table.sum(axis=0) + table.sum(axis=1)) > 0
    result = cohens_kappa(table[np.ix_(used, used)])
    half = _normal_quantile(confidence) * float(result.std_kappa)
    value = float(result.kappa)
    return Estimate(value, max(-1.0, value - half), min(1.0, value + half), confidence, "large-sample interval")


def _gwet_ac1(table: npt.NDArray[np.int64], confidence: float) -> Estimate:
    """Gwet 2008, equations for two readers and nominal categories; interval by Student's t with n - 1."""
    from scipy.stats import t as student

    n, size = int(table.sum()), table.shape[0]
    share = table / n
    observed = float(np.trace(share))
    mean_share = (share.sum(axis=0) + share.sum(axis=1)) / 2.0
    by_chance = float((mean_share * (1.0 - mean_share)).sum() / (size - 1))
    value = (observed - by_chance) / (1.0 - by_chance)
    if n < 2:
        return Estimate(value, confidence=confidence, note="one item gives no interval")
    if observed == 1.0:
        return Estimate(value, confidence=confidence, note=_NO_DISAGREEMENT)
    pairs = 1.0 - (mean_share[:, None] + mean_share[None, :]) / 2.0
    terms = share * (np.eye(size) - 2.0 * (1.0 - value) * pairs / (size - 1)) ** 2
    spread = float(terms.sum()) - (observed - 2.0 * (1.0 - value) * by_chance) ** 2
    standard_error = math.sqrt(max(spread, 0.0) / n) / (1.0 - by_chance)
    half = float(student.ppf((1.0 + confidence) / 2.0, n - 1)) * standard_error
    return Estimate(value, max(-1.0, value - half), min(1.0, value + half), confidence, "large-sample interval")


def _normal_quantile(confidence: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf((1.0 + confidence) / 2.0))


def _paired_measures(
    first: Sequence[float], second: Sequence[float], at_least: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or a.size < at_least:
        raise ValueError(f"expected the same {at_least} or more items from both, got {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("measures must be finite; leave out items that one of the two did not measure")
    return a, b


def bland_altman(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> BlandAltman:
    """Bias and 95 % limits of agreement, differences second minus first.

    The limits' intervals are exact for normal differences (Carkeet 2015, non-central t): at the sizes of
    a case series the usual approximation is too narrow outwards.

    Raises
    ------
    ValueError
        Fewer than three items, unequal lengths or a value that is not finite.
    """
    from scipy.stats import nct, norm
    from scipy.stats import t as student

    a, b = _paired_measures(first, second, at_least=3)
    difference = b - a
    n = difference.size
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    reach = float(norm.ppf(_LIMIT_PROBABILITY))
    if sd == 0.0:
        none = "every difference is the same, so no interval can be given"
        fixed = Estimate(bias, confidence=confidence, note=none)
        return BlandAltman(n, fixed, fixed, fixed, 0.0)
    per_root = sd / math.sqrt(n)
    half = float(student.ppf((1.0 + confidence) / 2.0, n - 1)) * per_root
    tails = ((1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0)
    inner, outer = (float(nct.ppf(tail, n - 1, reach * math.sqrt(n))) * per_root for tail in tails)
    return BlandAltman(
        n=n,
        bias=Estimate(bias, bias - half, bias + half, confidence),
        lower_limit=Estimate(bias - reach * sd, bias - outer, bias - inner, confidence),
        upper_limit=Estimate(bias + reach * sd, bias + inner, bias + outer, confidence),
        sd=sd,
    )


def intraclass_correlation(ratings: Sequence[Sequence[float]], confidence: float = 0.95) -> Estimate:
    """ICC(2,1): absolute agreement of one measurement, readers taken as a sample of readers.

    Parameters
    ----------
    ratings
        One row per item, one column per reader; complete. Higher is better, 1 is total agreement.

    Raises
    ------
    ValueError
        Fewer than three items or two readers, or a value that is missing.
    """
    from scipy.stats import f as fisher

    values = np.asarray(ratings, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] < 3 or values.shape[1] < 2 or not np.isfinite(values).all():
        raise ValueError(f"expected a complete table of 3 or more items by 2 or more readers, got {values.shape}")
    items, readers = values.shape
    between, among, error = _mean_squares(values)
    scale = between + (readers - 1) * error + readers * (among - error) / items
    if np.ptp(values) == 0.0 or scale <= 0.0:
        return Estimate(None, confidence=confidence, note="undefined: the items do not differ")
    value = (between - error) / scale
    if error <= 1e-12 * between:
        note = "the readers differ by a constant only, so no interval can be given"
        return Estimate(value, confidence=confidence, note=note)
    # McGraw & Wong 1996, table 7, case 2 (A,1); their a and b weigh readers against residual error.
    a = readers * value / (items * (1.0 - value))
    b = 1.0 + readers * value * (items - 1) / (items * (1.0 - value))
    weight = (a * among + b * error) ** 2 / (
        (a * among) ** 2 / (readers - 1) + (b * error) ** 2 / ((items - 1) * (readers - 1))
    )
    tail = (1.0 + confidence) / 2.0
    upper_f, lower_f = float(fisher.ppf(tail, items - 1, weight)), float(fisher.ppf(tail, weight, items - 1))
    pooled = readers * among + (readers * items - readers - items) * error
    low = items * (between - upper_f * error) / (upper_f * pooled + items * between)
    high = items * (lower_f * between - error) / (pooled + items * lower_f * between)
    return Estimate(value, low, high, confidence)


def _mean_squares(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean squares between items, between readers and residual, of the two-way layout."""
    import pandas as pd
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    items, readers = values.shape
    frame = pd.DataFrame(
        {
            "score": values.ravel(),
            "item": np.repeat(np.arange(items), readers),
            "reader": np.tile(np.arange(readers), items),
        }
    )
    squares = anova_lm(ols("score ~ C(item) + C(reader)", data=frame).fit())["mean_sq"]
    return float(squares["C(item)"]), float(squares["C(reader)"]), float(squares["Residual"])
