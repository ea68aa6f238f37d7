"""k successes of n in, a confidence interval for the proportion out.

The unit of analysis is the caller's to state: sides of one patient are not independent.
`scipy.special` is used directly because importing `scipy.stats` costs over half a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Proportion:
    """k of n with a two-sided confidence interval, fractions 0..1."""

    successes: int
    trials: int
    low: float
    high: float
    confidence: float

    @property
    def value(self) -> float:
        return self.successes / self.trials


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> Proportion:
    """Exact interval from beta quantiles; never covers less than `confidence`.

    Raises
    ------
    ValueError
        Unless 0 <= successes <= trials, trials >= 1 and 0 < confidence < 1.

    References
    ----------
    Clopper and Pearson, Biometrika 26 (1934) 404-413.
    """
    _check(successes, trials, confidence)
    from scipy.special import betaincinv

    tail = (1.0 - confidence) / 2.0
    failures = trials - successes
    low = 0.0 if successes == 0 else float(betaincinv(successes, failures + 1, tail))
    high = 1.0 if failures == 0 else float(betaincinv(successes + 1, failures, 1.0 - tail))
    return Proportion(successes, trials, low, high, confidence)


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Proportion:
    """Score interval without continuity correction; closer to nominal than the exact one, not conservative.

    Raises
    ------
    ValueError
        Unless 0 <= successes <= trials, trials >= 1 and 0 < confidence < 1.

    References
    ----------
    Wilson, J Am Stat Assoc 22 (1927) 209-212.
    """
    _check(successes, trials, confidence)
    from scipy.special import ndtri

    z = float(ndtri(1.0 - (1.0 - confidence) / 2.0))
    share = successes / trials
    shrink = 1.0 + z * z / trials
    middle = (share + z * z / (2 * trials)) / shrink
    half = z / shrink * math.sqrt(share * (1.0 - share) / trials + z * z / (4 * trials * trials))
    # At 0 and n of n the formula's own bound is exactly 0 and 1 but for rounding.
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == trials else min(1.0, middle + half)
    return Proportion(successes, trials, low, high, confidence)


def _check(successes: int, trials: int, confidence: float) -> None:
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"expected 0 <= successes <= trials and trials >= 1, got {successes} of {trials}")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
