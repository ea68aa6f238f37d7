"""Numbers as a reader sees them: value, 1-sd uncertainty and unit, or the words for not knowing."""

from __future__ import annotations

import math

UNKNOWN = "not known"


def with_uncertainty(value: float | None, sd: float | None, unit: str) -> str:
    """E.g. "812 ± 40 mm²": the uncertainty to two figures, the value to the same decimals.

    A value without uncertainty says so, because a bare number would look exact.
    """
    if value is None:
        return UNKNOWN
    if sd is None:
        return f"{value:.1f} {unit} (uncertainty {UNKNOWN})"
    if sd <= 0.0:
        return f"{value:.1f} ± 0.0 {unit}"
    decimals = max(0, min(4, 1 - math.floor(math.log10(sd))))
    return f"{_plain(value, decimals)} ± {_plain(sd, decimals)} {unit}"


def percent(fraction: float | None) -> str:
    """A fraction as whole per cent; what is there and rounds to none is said to be under one."""
    if fraction is None:
        return UNKNOWN
    return "under 1 %" if 0 < fraction <= 0.005 else f"{100.0 * fraction:.0f} %"


def _plain(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text
