"""Group x time against R's ToothGrowth, and what the mixed model adds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import ttest_ind

from fluorospread.statistics.longitudinal import GroupByTime, Score, group_by_time

# R, datasets::ToothGrowth: length by supplement and dose; dose stands in for time here.
TOOTH = {
    ("VC", 0.5): [4.2, 11.5, 7.3, 5.8, 6.4, 10, 11.2, 11.2, 5.2, 7],
    ("VC", 1.0): [16.5, 16.5, 15.2, 17.3, 22.5, 17.3, 13.6, 14.5, 18.8, 15.5],
    ("VC", 2.0): [23.6, 18.5, 33.9, 25.5, 26.4, 32.5, 26.7, 21.5, 23.3, 29.5],
    ("OJ", 0.5): [15.2, 21.5, 17.6, 9.7, 14.5, 10, 8.2, 9.4, 16.5, 9.7],
    ("OJ", 1.0): [19.7, 23.3, 23.6, 26.4, 20, 25.2, 25.8, 21.2, 14.5, 27.3],
    ("OJ", 2.0): [25.5, 26.4, 22.4, 24.5, 24.8, 30.9, 26.4, 27.3, 29.4, 23],
}


def _tooth() -> list[Score]:
    return [Score(f"{g}{t}{i}", g, t, v) for (g, t), values in TOOTH.items() for i, v in enumerate(values)]


def _study(seed: int, effect: float, patient_sd: float = 1.5) -> list[Score]:
    """19 against 18 patients at the study's times; both improve, the second group by `effect` more."""
    rng = np.random.default_rng(seed)
    scores = []
    for group, size, gain in (("fluoroscopy", 18, 0.0), ("ultrasound", 19, effect)):
        for i in range(size):
            level = 6.0 + rng.normal(0.0, patient_sd)
            for time in (0.0, 0.5, 3.0, 12.0, 24.0, 72.0, 120.0, 168.0):
                score = level - (time > 0) * (3.0 + gain) + rng.normal(0.0, 0.8)
                scores.append(Score(f"{group}{i}", group, time, float(score)))
    return scores


def _p(result: GroupByTime, model: str, name: str) -> float:
    p = next(test.p for test in getattr(result, model) if test.name == name)
    assert p is not None
    return float(p)


def test_two_way_anova_matches_r_on_tooth_growth() -> None:
    result = group_by_time(_tooth())
    # summary(aov(len ~ supp * factor(dose))): F 15.572, 92.000, 4.107; p 0.000231, < 2e-16, 0.021860.
    assert [test.statistic for test in result.anova] == [
        pytest.approx(value, abs=5e-4) for value in (15.572, 92.000, 4.107)
    ]
    assert _p(result, "anova", "group") == pytest.approx(0.000231, abs=5e-7)
    assert _p(result, "anova", "group x time") == pytest.approx(0.021860, abs=5e-7)


def test_least_significant_difference_is_t_times_the_pooled_error() -> None:
    result = group_by_time(_tooth())
    low_dose = next(c for c in result.contrasts if c.of == "VC at 0.5 h" and c.against == "OJ at 0.5 h")
    # Residual mean square 712.106/54 = 13.187 in R's table; t(0.975, 54) = 2.00488; ten animals a cell.
    lsd = 2.00488 * np.sqrt(13.187 * 2 / 10)
    assert low_dose.difference.value == pytest.approx(7.98 - 13.23)
    assert low_dose.difference.low == pytest.approx(-5.25 - lsd, abs=1e-3)


def test_contrasts_are_withheld_without_a_significant_f() -> None:
    # The same six scores in every cell, in another order at the second time: every F is zero.
    scores = [Score(f"{g}{i}", g, t, float((i + 3 * t) % 6)) for g in "ab" for i in range(6) for t in (0.0, 1.0)]
    result = group_by_time(scores)
    assert [test.p for test in result.anova] == [pytest.approx(1.0)] * 3
    assert result.contrasts == ()
    assert "groups at each time" in result.protection
    assert "times within groups" in result.protection


def test_only_the_comparisons_an_f_protects_are_made() -> None:
    result = group_by_time(_study(seed=1, effect=0.0, patient_sd=0.1))
    assert _p(result, "anova", "time") < 1e-6
    assert _p(result, "anova", "group x time") > 0.05
    between = [c for c in result.contrasts if c.of.split(" at ")[1] == c.against.split(" at ")[1]]
    assert between == []
    assert len(result.contrasts) == 2 * 7


def test_mixed_model_of_two_times_equals_the_unpaired_t_of_the_changes() -> None:
    # With two times the interaction's Wald chi-square is the squared unpaired t of the changes (exact for REML).
    rng = np.random.default_rng(4)
    change = {g: rng.normal(-3.0, 1.0, 9) for g in ("a", "b")}
    level = {g: rng.normal(6.0, 2.0, 9) for g in ("a", "b")}
    scores = [
        Score(f"{g}{i}", g, t, float(level[g][i] + (change[g][i] if t else 0.0)))
        for g in ("a", "b")
        for i in range(9)
        for t in (0.0, 1.0)
    ]
    result = group_by_time(scores)
    t_value = float(ttest_ind(change["a"], change["b"]).statistic)
    interaction = next(test for test in result.mixed if test.name == "group x time")
    assert interaction.statistic == pytest.approx(t_value**2, rel=1e-3)
    assert result.patient_sd is not None


def test_the_mixed_model_tests_groups_on_patients_where_the_anova_tests_them_on_scores() -> None:
    # With every patient scored at every time, the group's Wald chi-square is the squared unpaired t of
    # the patients' means; the ANOVA takes 37 x 8 scores for independent and so claims far more.
    scores = _study(seed=2, effect=0.0)
    means: dict[str, dict[str, list[float]]] = {"fluoroscopy": {}, "ultrasound": {}}
    for s in scores:
        means[s.group].setdefault(s.patient, []).append(s.score)
    groups = [[float(np.mean(v)) for v in patients.values()] for patients in means.values()]
    on_patients = ttest_ind(groups[0], groups[1])
    result = group_by_time(scores)
    mixed = next(test for test in result.mixed if test.name == "group")
    assert mixed.statistic == pytest.approx(float(on_patients.statistic) ** 2, rel=1e-3)
    assert _p(result, "anova", "group") < 0.2 * _p(result, "mixed", "group")


def test_the_mixed_model_recovers_the_planted_spread() -> None:
    result = group_by_time(_study(seed=2, effect=2.0))
    assert result.patient_sd == pytest.approx(1.5, rel=0.35)  # 37 patients: 12 % standard error, three of them
    assert result.residual_sd == pytest.approx(0.8, rel=0.14)
    assert _p(result, "mixed", "group x time") < 0.05


def test_patients_scored_once_get_no_mixed_model() -> None:
    result = group_by_time(_tooth())
    assert all(test.p is None and "scored once" in test.note for test in result.mixed)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([Score("a", "x", 0.0, 1.0), Score("b", "x", 1.0, 2.0)], "two or more groups"),
        ([Score("a", "x", 0.0, 1.0), Score("b", "y", 0.0, 1.0), Score("a", "x", 1.0, 1.0)], "no score at all"),
        (
            [Score("a", "x", 0.0, 1.0), Score("a", "x", 0.0, 2.0), Score("b", "y", 1.0, 2.0)],
            "scored twice",
        ),
        ([Score("a", "x", 0.0, 1.0), Score("a", "y", 1.0, 2.0)], "two groups"),
        ([Score(f"{g}{i}", g, t, t) for g in "xy" for i in range(3) for t in (0.0, 1.0)], "do not vary"),
    ],
    ids=["one group", "empty cell", "twice", "switched group", "no spread"],
)
def test_scores_that_cannot_be_analysed_are_refused(scores: list[Score], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        group_by_time(scores)


def test_times_are_compared_in_order_with_the_first() -> None:
    result = group_by_time(_study(seed=5, effect=0.5))
    within = [c for c in result.contrasts if c.against == "fluoroscopy at 0 h" and c.of.startswith("fluoroscopy")]
    times = [float(c.of.removeprefix("fluoroscopy at ").removesuffix(" h")) for c in within]
    assert len(times) == 7
    assert all(a < b for a, b in pairwise(times))
