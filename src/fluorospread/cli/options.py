"""Option values that are more than one word: spacings and points, parsed and refused by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import Level
from fluorospread.model.geometry import PointPx


class Polarity(StrEnum):
    """How the file stores bone."""

    BONE_BRIGHT = "bone-bright"
    BONE_DARK = "bone-dark"


def spacing_option(text: str | None) -> tuple[float, float] | None:
    """`0.3` or `0.28,0.30` as (row, column) spacing in mm.

    Raises
    ------
    UsageError
        It is not one or two numbers between 0.01 and 5.
    """
    if text is None:
        return None
    numbers = _numbers(text)
    if numbers is None or len(numbers) not in (1, 2) or not all(0.01 <= value <= 5.0 for value in numbers):
        raise UsageError(f"--spacing-mm {text}: expected one or two numbers of 0.01 to 5 mm, e.g. 0.3 or 0.28,0.30")
    return numbers[0], numbers[-1]


def level_at_option(texts: Sequence[str] | None) -> Mapping[Level, PointPx]:
    """`L5=812,511` as {L5: (812, 511)}.

    Raises
    ------
    UsageError
        A value is not LEVEL=ROW,COL, or names a level twice.
    """
    found: dict[Level, PointPx] = {}
    for text in texts or ():
        name, _, point = text.partition("=")
        numbers = _numbers(point)
        if name.upper() not in Level.__members__ or numbers is None or len(numbers) != 2:
            raise UsageError(f"--level-at {text}: expected LEVEL=ROW,COL in stored pixels, e.g. L5=812,511")
        level = Level(name.upper())
        if level in found:
            raise UsageError(f"--level-at names {level} twice")
        found[level] = (numbers[0], numbers[1])
    return found


def _numbers(text: str) -> list[float] | None:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return None
    return numbers if all(math.isfinite(value) for value in numbers) else None
