"""A number estimated from patients, with its confidence interval or the reason why it has none."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A point estimate with its interval.

    Attributes
    ----------
    value
        None where the number is undefined for these data; `note` then says why.
    low, high
        Ends of the interval at `confidence`; None where none can honestly be given.
    note
        Why the value or the interval is missing, or what the interval assumes; may be empty.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    note: str = ""

    def __post_init__(self) -> None:
        numbers = (self.value, self.low, self.high)
        if any(number is not None and math.isnan(number) for number in numbers):
            raise ValueError("an estimate that is not a number is None with a note, never NaN")
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has both ends or none")
        if self.low is None and not self.note:
            raise ValueError("an estimate without an interval needs a note that says why")
        if not 0.5 < self.confidence < 1.0:
            raise ValueError(f"confidence must lie between 0.5 and 1, got {self.confidence}")
