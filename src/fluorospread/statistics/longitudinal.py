"""Scores over time in groups: the study's two-way ANOVA with Fisher's protected LSD, a mixed model beside it.

The two-way ANOVA (group x time) takes every score as independent, although each patient is measured
many times; it is given because the source study reports it. The mixed model has a random intercept per
patient and is the one to trust where the two differ.

References
----------
Fisher RA. The Design of Experiments, 1935 (least significant difference after a significant F).
Laird NM, Ware JH. Biometrics 1982;38:963-974 (random effects for repeated measures).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fluorospread.statistics.estimate import Estimate
from fluorospread.statistics.group_comparisons import HypothesisTest

_ANOVA_ASSUMES = "independent normal scores with equal variance; repeated scores of one patient are not independent"
_MIXED_ASSUMES = (
    "normal residuals, equally correlated within a patient; missing scores missing at random; "
    "chi-square for many patients, so too optimistic with few"
)


@dataclass(frozen=True)
class Score:
    """One patient's score at one time, e.g. VAS at 12 h."""

    patient: str
    group: str
    time_h: float
    score: float


@dataclass(frozen=True)
class Contrast:
    """A pairwise difference after a significant F, not adjusted beyond that protection.
    `of` and `against` name the cells, e.g. "ultrasound at 12 h"."""

    of: str
    against: str
    difference: Estimate
    p: float


@dataclass(frozen=True)
class GroupByTime:
    """Tests of group, time and group x time by both models.

    `contrasts` holds Fisher's LSD: groups at each time, when group or interaction is significant, and
    each time against the first within each group, when time or interaction is. `protection` says which
    were withheld and why. Mixed-model tests are Wald chi-square, or carry a note instead of p when the
    model did not converge or patients were scored only once.
    """

    anova: tuple[HypothesisTest, ...]
    contrasts: tuple[Contrast, ...]
    protection: str
    mixed: tuple[HypothesisTest, ...]
    patient_sd: float | None
    residual_sd: float | None


def group_by_time(scores: Sequence[Score], alpha: float = 0.05) -> GroupByTime:
    """Two-way ANOVA (type II), Fisher's protected LSD at `alpha`, and the mixed model.

    Raises
    ------
    ValueError
        Fewer than two groups or times, an empty cell, a patient in two groups or scored twice at one
        time, a score that is not finite, or no spread within cells.
    """
    import pandas as pd
    from statsmodels.formula.api import ols

    _check(scores)
    frame = pd.DataFrame([(s.patient, s.group, s.time_h, s.score) for s in scores], columns=list(_COLUMNS))
    fit = ols("score ~ C(group, Sum) * C(time_h, Sum)", data=frame).fit()
    if fit.df_resid < 1 or fit.mse_resid <= 1e-12 * max(frame["score"].var(), 1e-300):
        raise ValueError("scores do not vary within group and time, so nothing can be tested")
    anova = _anova(fit)
    contrasts, protection = _protected_lsd(frame, fit, anova, alpha)
    mixed, patient_sd, residual_sd = _mixed_model(frame)
    return GroupByTime(anova, contrasts, protection, mixed, patient_sd, residual_sd)


_COLUMNS = ("patient", "group", "time_h", "score")
_EFFECTS = {
    "group": "C(group, Sum)",
    "time": "C(time_h, Sum)",
    "group x time": "C(group, Sum):C(time_h, Sum)",
}


def _check(scores: Sequence[Score]) -> None:
    groups, times = {s.group for s in scores}, {s.time_h for s in scores}
    if len(groups) < 2 or len(times) < 2:
        raise ValueError(f"expected two or more groups and times, got {sorted(groups)} at {sorted(times)} h")
    if not all(math.isfinite(s.score) and math.isfinite(s.time_h) for s in scores):
        raise ValueError("scores and times must be finite; leave out scores that were not taken")
    if len({(s.patient, s.time_h) for s in scores}) < len(scores):
        raise ValueError("a patient is scored twice at one time")
    if len({(s.patient, s.group) for s in scores}) > len({s.patient for s in scores}):
        raise ValueError("a patient belongs to two groups")
    cells = {(s.group, s.time_h) for s in scores}
    empty = sorted((g, t) for g in groups for t in times if (g, t) not in cells)
    if empty:
        raise ValueError(f"no score at all for {empty}; group x time cannot be tested")


def _anova(fit: Any) -> tuple[HypothesisTest, ...]:
    from statsmodels.stats.anova import anova_lm

    table = anova_lm(fit, typ=2)
    return tuple(
        HypothesisTest(name, float(row["F"]), float(row["df"]), float(row["PR(>F)"]), _ANOVA_ASSUMES)
        for name, row in ((name, table.loc[term]) for name, term in _EFFECTS.items())
    )


def _protected_lsd(
    frame: Any, fit: Any, anova: tuple[HypothesisTest, ...], alpha: float
) -> tuple[tuple[Contrast, ...], str]:
    significant = {test.name: test.p is not None and test.p < alpha for test in anova}
    cells = {key: (len(s), float(s.mean())) for key, s in frame.groupby(["group", "time_h"])["score"]}
    groups, times = sorted(frame["group"].unique()), sorted(frame["time_h"].unique())
    pairs: list[tuple[tuple[str, float], tuple[str, float]]] = []
    withheld: list[str] = []
    if significant["group"] or significant["group x time"]:
        pairs += [((b, t), (a, t)) for t in times for i, a in enumerate(groups) for b in groups[i + 1 :]]
    else:
        withheld.append(f"groups at each time (neither group nor group x time has p < {alpha:g})")
    if significant["time"] or significant["group x time"]:
        pairs += [((g, t), (g, times[0])) for g in groups for t in times[1:]]
    else:
        withheld.append(f"times within groups (neither time nor group x time has p < {alpha:g})")
    contrasts = tuple(_contrast(of, against, cells, fit, alpha) for of, against in pairs)
    return contrasts, "; ".join(f"not compared: {item}" for item in withheld)


def _contrast(
    of: tuple[str, float],
    against: tuple[str, float],
    cells: dict[tuple[str, float], tuple[int, float]],
    fit: Any,
    alpha: float,
) -> Contrast:
    """A difference of two cell means against the ANOVA's residual mean square."""
    from scipy.stats import t as student

    (n, mean), (m, other) = cells[of], cells[against]
    error = math.sqrt(float(fit.mse_resid) * (1.0 / n + 1.0 / m))
    df = float(fit.df_resid)
    value = mean - other
    half = float(student.ppf(1.0 - alpha / 2.0, df)) * error
    p = 2.0 * float(student.sf(abs(value) / error, df))
    names = (f"{of[0]} at {of[1]:g} h", f"{against[0]} at {against[1]:g} h")
    return Contrast(names[0], names[1], Estimate(value, value - half, value + half, 1.0 - alpha), p)


def _mixed_model(frame: Any) -> tuple[tuple[HypothesisTest, ...], float | None, float | None]:
    """Random intercept per patient, REML; Wald tests of each effect."""
    if frame["patient"].is_unique:
        note = "every patient was scored once, so patients and residuals cannot be told apart"
        return tuple(HypothesisTest(name, None, None, None, _MIXED_ASSUMES, note) for name in _EFFECTS), None, None
    from statsmodels.formula.api import mixedlm
    from statsmodels.tools.sm_exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = mixedlm("score ~ C(group, Sum) * C(time_h, Sum)", frame, groups=frame["patient"]).fit(reml=True)
    doubts = sorted({str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)})
    if not fit.converged:
        note = "the model did not converge: " + "; ".join(doubts)
        return tuple(HypothesisTest(name, None, None, None, _MIXED_ASSUMES, note) for name in _EFFECTS), None, None
    # At the boundary patients differ no more than chance explains; the fixed effects stay valid there.
    note = "patients differ no more than chance explains" if doubts else ""
    wald = fit.wald_test_terms(scalar=True).table
    tests = tuple(
        HypothesisTest(
            name, float(row["statistic"]), float(row["df_constraint"]), float(row["pvalue"]), _MIXED_ASSUMES, note
        )
        for name, row in ((name, wald.loc[term]) for name, term in _EFFECTS.items())
    )
    return tests, math.sqrt(max(float(fit.cov_re.iloc[0, 0]), 0.0)), math.sqrt(float(fit.scale))
