"""Findings beside truth: names, points, overlap."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.evaluation.match import dice, match_levels, match_points, vertebral_pitch_px
from fluorospread.model.anatomy import Level
from fluorospread.model.findings import Anchor, LevelLabels, LevelStatus, Vertebra

TRUTH = {Level.L2: (0.0, 50.0), Level.L3: (100.0, 50.0), Level.L4: (200.0, 50.0), Level.L5: (300.0, 50.0)}
LUMBAR = (Level.L2, Level.L3, Level.L4, Level.L5)


def labels(**centers: tuple[float, float]) -> LevelLabels:
    vertebrae = tuple(Vertebra(Level(name), center, 0.9) for name, center in centers.items())
    return LevelLabels(LevelStatus.CONFIDENT, Anchor.SACRUM, vertebrae)


def test_a_name_on_its_own_vertebra_is_right_with_its_error() -> None:
    match = match_levels(labels(L3=(103.0, 54.0)), TRUTH, LUMBAR)
    assert match.right == (Level.L3,)
    assert match.errors_px == pytest.approx((5.0,))
    assert match.missed == (Level.L2, Level.L4, Level.L5)


def test_a_chain_slipped_by_one_is_wrong_everywhere() -> None:
    match = match_levels(labels(L2=(100.0, 50.0), L3=(200.0, 50.0), L4=(300.0, 50.0)), TRUTH, LUMBAR)
    assert match.right == ()
    assert match.wrong == (Level.L2, Level.L3, Level.L4)
    assert match.missed == (Level.L2,)


def test_a_name_between_two_bodies_belongs_to_neither_beyond_half_a_pitch() -> None:
    match = match_levels(labels(L3=(100.0, 120.0)), TRUTH, LUMBAR)
    assert match.wrong == (Level.L3,)


def test_a_vertebra_outside_the_scored_levels_does_not_count() -> None:
    match = match_levels(labels(L2=(2.0, 50.0), L3=(100.0, 50.0)), TRUTH, (Level.L3,))
    assert (match.right, match.wrong, match.missed) == ((Level.L3,), (), ())


def test_the_pitch_is_the_median_distance_of_neighbours() -> None:
    assert vertebral_pitch_px(TRUTH) == pytest.approx(100.0)
    with pytest.raises(ValueError, match="at least two"):
        vertebral_pitch_px({Level.L3: (0.0, 0.0)})


def test_points_pair_one_to_one_nearest_first() -> None:
    match = match_points([(0.0, 0.0), (0.0, 4.0), (90.0, 90.0)], [(0.0, 3.0), (50.0, 50.0)], reach_px=10.0)
    assert match.errors_px == pytest.approx((1.0,))
    assert (match.missed, match.false) == (1, 2)
    assert match.found == (1,)


def test_dice_of_half_overlapping_squares_is_one_half() -> None:
    a = np.zeros((10, 10), dtype=np.bool_)
    b = a.copy()
    a[:, :4] = True
    b[:, 2:6] = True
    assert dice(a, b) == pytest.approx(0.5)
    assert dice(~a & a, ~b & b) == 1.0
