"""Intervals that respect clusters: sides and needles of one patient are resampled together.

Ten sides of five patients are not ten independent observations. The bootstrap draws whole patients
with replacement; what it cannot do is create variation that was not seen, and it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import numpy.typing as npt

from fluorospread.statistics.estimate import Estimate

Statistic = Callable[[npt.NDArray[np.float64]], float]
# Chosen so that the percentile ends of a proportion move by less than 0.5 % between seeds at 30 patients.
_RESAMPLES = 4000


def cluster_bootstrap(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    statistic: Statistic,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> Estimate:
    """Percentile interval of `statistic` with whole clusters resampled.

    Parameters
    ----------
    values, clusters
        One value per observation and the patient it belongs to, in the same order.
    statistic
        Of all observations together, e.g. `np.mean` or `np.median`.
    rng
        Source of the resamples; the same seed gives the same interval.

    Returns
    -------
    Estimate
        Without an interval for fewer than two patients or where no resample differs from the data.

    Raises
    ------
    ValueError
        No observations, unequal lengths, or a value that is not finite.
    """
    from scipy.stats import bootstrap

    data = np.asarray(values, dtype=np.float64)
    if data.ndim != 1 or data.size == 0 or data.size != len(clusters):
        raise ValueError(f"expected one cluster per value, got {data.size} values and {len(clusters)} clusters")
    if not np.isfinite(data).all():
        raise ValueError("values must be finite; leave out observations that were not measured")
    # Order of first appearance, so that the result does not depend on how the patients hash.
    names = list(dict.fromkeys(clusters))
    members = [data[[name == cluster for cluster in clusters]] for name in names]
    value = float(statistic(data))
    if len(names) < 2:
        return Estimate(value, confidence=confidence, note="one patient gives no interval")

    def of_drawn(drawn: npt.NDArray[np.int64]) -> float:
        return float(statistic(np.concatenate([members[i] for i in drawn])))

    result = bootstrap(
        (np.arange(len(names)),),
        of_drawn,
        n_resamples=_RESAMPLES,
        vectorized=False,
        confidence_level=confidence,
        method="percentile",
        rng=rng,
    )
    low, high = float(result.confidence_interval.low), float(result.confidence_interval.high)
    if np.ptp(result.bootstrap_distribution) == 0.0:
        note = f"all {len(names)} patients are alike, so resampling them gives no interval"
        return Estimate(value, confidence=confidence, note=note)
    return Estimate(value, low, high, confidence, f"percentile bootstrap over {len(names)} patients")
