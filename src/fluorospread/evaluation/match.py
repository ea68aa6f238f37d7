"""Sets findings beside truth: which vertebra got the right name, how far each point is off, mask overlap.

Everything here compares positions in the pixels of one image; millimetres follow from the image's true scale.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fluorospread.model.anatomy import Level
from fluorospread.model.findings import LevelLabels
from fluorospread.model.geometry import PointPx
from fluorospread.model.radiograph import BoolImage

# A found centre belongs to the true vertebra nearest to it; farther than half a vertebral pitch from any,
# it marks none of them.
_HALF_PITCH = 0.5


def distance_px(a: PointPx, b: PointPx) -> float:
    return math.hypot(a[0] - b[0], a[1] - b[1])


@dataclass(frozen=True)
class LevelMatch:
    """How the names of one image compare with the truth.

    Attributes
    ----------
    right, wrong
        True vertebrae in view that got their own name, or another's. A found centre on no vertebra is
        counted as wrong under the name it was given.
    missed
        True vertebrae in view that got no name.
    errors_px
        Distance of each rightly named centre from the true one.
    """

    right: tuple[Level, ...]
    wrong: tuple[Level, ...]
    missed: tuple[Level, ...]
    errors_px: tuple[float, ...]

    @property
    def any_wrong(self) -> bool:
        return bool(self.wrong)


def vertebral_pitch_px(centers: Mapping[Level, PointPx]) -> float:
    """Median distance of neighbouring true centres; needs two."""
    ordered = sorted(centers.values())
    if len(ordered) < 2:
        raise ValueError("a pitch needs at least two vertebrae")
    return float(np.median([distance_px(a, b) for a, b in itertools.pairwise(ordered)]))


def match_levels(labels: LevelLabels, truth: Mapping[Level, PointPx], scored: Sequence[Level]) -> LevelMatch:
    """Compare `labels` with the true centres.

    Parameters
    ----------
    truth
        Every true centre, also of levels that are not scored (a centre named L5 on S1 is wrong).
    scored
        Levels that count; a found vertebra counts when its name or its true level is among them.
    """
    reach_px = _HALF_PITCH * vertebral_pitch_px(truth)
    right: list[Level] = []
    wrong: list[Level] = []
    errors: list[float] = []
    named: set[Level] = set()
    for vertebra in labels.vertebrae:
        nearest = min(truth, key=lambda level: distance_px(truth[level], vertebra.center_px))
        off_px = distance_px(truth[nearest], vertebra.center_px)
        on_bone = off_px <= reach_px
        if vertebra.level not in scored and not (on_bone and nearest in scored):
            continue
        if on_bone and nearest is vertebra.level:
            right.append(nearest)
            named.add(nearest)
            errors.append(off_px)
        elif on_bone or vertebra.level in truth:
            wrong.append(vertebra.level)
            named.add(nearest if on_bone else vertebra.level)
    missed = tuple(level for level in scored if level in truth and level not in named)
    return LevelMatch(tuple(right), tuple(wrong), missed, tuple(errors))


@dataclass(frozen=True)
class PointMatch:
    """One-to-one match of found and true points: errors of the pairs, and what was left over; `found` gives the
    place of each pair's point among those found."""

    errors_px: tuple[float, ...]
    missed: int
    false: int
    found: tuple[int, ...] = ()


def match_points(found: Sequence[PointPx], truth: Sequence[PointPx], reach_px: float) -> PointMatch:
    """Pair points nearest first, within `reach_px`."""
    pairs = sorted(
        (distance_px(f, t), i, j)
        for i, f in enumerate(found)
        for j, t in enumerate(truth)
        if distance_px(f, t) <= reach_px
    )
    used_found: set[int] = set()
    used_truth: set[int] = set()
    errors: list[float] = []
    order: list[int] = []
    for error, i, j in pairs:
        if i not in used_found and j not in used_truth:
            used_found.add(i)
            used_truth.add(j)
            errors.append(error)
            order.append(i)
    return PointMatch(tuple(errors), len(truth) - len(used_truth), len(found) - len(used_found), tuple(order))


def dice(found: BoolImage, truth: BoolImage) -> float:
    """Dice overlap 0..1 (higher is better); 1 when both are empty."""
    total = int(found.sum()) + int(truth.sum())
    return 2.0 * float(np.logical_and(found, truth).sum()) / total if total else 1.0
