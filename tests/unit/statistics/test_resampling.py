"""The cluster bootstrap widens with clustering and invents no certainty."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.statistics.estimate import Estimate
from fluorospread.statistics.resampling import cluster_bootstrap


def _width(estimate: Estimate) -> float:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.high - estimate.low


def test_copies_of_a_patients_value_add_no_information() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(10.0, 2.0, 20)
    single = cluster_bootstrap(list(values), list(range(20)), np.mean, np.random.default_rng(7))
    repeated = cluster_bootstrap(
        list(np.repeat(values, 4)), list(np.repeat(np.arange(20), 4)), np.mean, np.random.default_rng(7)
    )
    assert _width(repeated) == pytest.approx(_width(single))


def test_interval_of_a_mean_of_single_values_is_near_the_normal_one() -> None:
    values = np.random.default_rng(2).normal(0.0, 1.0, 60)
    estimate = cluster_bootstrap(list(values), list(range(60)), np.mean, np.random.default_rng(3))
    # The bootstrap's standard error has ddof 0; 5 % covers that and 4000 resamples.
    assert _width(estimate) == pytest.approx(2 * 1.96 * values.std(ddof=1) / np.sqrt(60), rel=0.05)


def test_ten_of_ten_sides_get_no_interval_of_zero_width() -> None:
    estimate = cluster_bootstrap([1.0] * 10, [f"P{i // 2}" for i in range(10)], np.mean, np.random.default_rng(0))
    assert estimate.value == 1.0
    assert estimate.low is None
    assert "5 patients are alike" in estimate.note


def test_the_same_seed_gives_the_same_interval() -> None:
    values, patients = [1.0, 2.0, 4.0, 8.0, 3.0, 5.0], ["a", "a", "b", "b", "c", "c"]
    first, second = (cluster_bootstrap(values, patients, np.median, np.random.default_rng(5)) for _ in range(2))
    assert first == second


def test_one_patient_has_no_interval() -> None:
    assert cluster_bootstrap([1.0, 2.0], ["a", "a"], np.mean, np.random.default_rng(0)).low is None


def test_values_without_patients_are_refused() -> None:
    with pytest.raises(ValueError, match="one cluster per value"):
        cluster_bootstrap([1.0, 2.0], ["a"], np.mean, np.random.default_rng(0))


def test_an_estimate_without_an_interval_must_say_why() -> None:
    with pytest.raises(ValueError, match="needs a note"):
        Estimate(0.5)
