"""The chain decoder on probability maps made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.landmarks.decode_chain import (
    CHAIN_CHANNELS,
    LAST_RIB,
    STEP_RATIO,
    Chain,
    best_chain,
    candidate_points,
    evidence_of,
    gather,
    lowered,
    votes,
)
from fluorospread.landmarks.network import LEVEL_CHANNELS, MAP_CELLS, Maps, Region

REGION = Region((500.0, 400.0), 960.0)  # 20 px a cell
PITCH = 100.0


def spine(count: int = 8, lowest: float = 900.0, col: float = 400.0) -> np.ndarray:
    """Body centres S1, C1 ... upwards, spaced as expected."""
    rows = lowest - PITCH * np.concatenate([[0.0], np.cumsum(STEP_RATIO)])
    return np.column_stack([rows, np.full(8, col)])[:count]


def maps_of(places: dict[int, list[tuple[np.ndarray, float]]], region: Region = REGION) -> Maps:
    """Maps with the given (point, probability) per channel; the rest of each channel is "absent"."""
    maps = np.zeros((len(LEVEL_CHANNELS), MAP_CELLS, MAP_CELLS), dtype=np.float32)
    for channel, spots in places.items():
        for point, probability in spots:
            r, c = np.rint(region.to_cells(point)).astype(int)
            maps[channel, r, c] += probability
    return Maps(region, maps, (1 - maps.sum(axis=(1, 2))).astype(np.float32), 0.99)


def decode(views: list[Maps]):
    points = candidate_points(views, 0.3 * PITCH)
    return best_chain(evidence_of(views, points, 0.33 * PITCH), [0.8 * PITCH, PITCH, 1.25 * PITCH])


def test_a_clear_spine_is_numbered_from_the_sacrum() -> None:
    truth = spine()
    chain = decode([maps_of({k: [(truth[k], 0.9)] for k in range(8)})])
    assert chain is not None
    assert chain.channels == tuple(range(8))
    # Points are known to half a cell of 20 px.
    assert np.abs(chain.points - truth).max() <= 10.0
    assert chain.shifts[0] > 0.99
    assert chain.pitch_px == pytest.approx(PITCH, rel=0.06)


def test_a_spine_cut_by_the_field_leaves_the_channels_beyond_it_out() -> None:
    truth = spine()
    chain = decode([maps_of({k: [(truth[k], 0.9)] for k in (0, 1, 2, 3)})])
    assert chain is not None
    assert chain.channels == (0, 1, 2, 3)


def test_the_chain_has_no_gap_even_where_one_vertebra_is_faint() -> None:
    truth = spine()
    places = {k: [(truth[k], 0.9)] for k in range(6)}
    places[3] = [(truth[3], 0.08)]
    chain = decode([maps_of(places)])
    assert chain is not None
    assert chain.channels == tuple(range(6))


def test_a_strong_false_peak_off_the_line_is_passed_over() -> None:
    truth = spine()
    places = {k: [(truth[k], 0.9)] for k in range(8)}
    places[3] = [(np.array([truth[3][0], 750.0]), 0.6), (truth[3], 0.3)]
    chain = decode([maps_of(places)])
    assert chain is not None
    assert np.abs(chain.points[3] - truth[3]).max() <= 10.0


def test_two_numberings_equally_likely_share_the_probability() -> None:
    truth = spine()
    places = {k: [(truth[k], 0.45), (truth[k + 1], 0.45)] for k in range(1, 6)}
    chain = decode([maps_of(places)])
    assert chain is not None
    assert max(chain.shifts.values()) < 0.95
    assert chain.margin < 3.0


def test_the_last_rib_settles_which_of_two_numberings_that_fit_equally_well_is_likelier() -> None:
    truth = spine()
    # No sacrum in view; every vertebra is as much the k-th as the next one. The rib sits on point 6.
    unsure = {k: [(truth[k], 0.48), (truth[k - 1], 0.47)] for k in range(3, 8)}
    without = decode([maps_of(unsure)])
    high = decode([maps_of({**unsure, LAST_RIB: [(truth[6], 0.9)]})])
    low = decode([maps_of({**unsure, LAST_RIB: [(truth[5], 0.9)]})])
    assert without is not None
    assert high is not None
    assert low is not None
    # A rib at point 6 makes that point C6; one at point 5 makes it C7.
    assert high.channels[np.abs(high.points - truth[6]).sum(axis=1).argmin()] == 6
    assert low.channels[np.abs(low.points - truth[6]).sum(axis=1).argmin()] == 7
    assert high.margin > without.margin


def test_one_vertebra_alone_is_no_chain() -> None:
    assert decode([maps_of({0: [(spine()[0], 0.9)]})]) is None
    assert decode([maps_of({})]) is None


def test_points_outside_a_region_count_as_absence_from_it() -> None:
    truth = spine()
    small = Region((850.0, 400.0), 300.0)
    view = maps_of({0: [(truth[0], 0.8)]}, small)
    at, missing = gather([view], truth, 33.0)
    assert at[0, 0, 0] == pytest.approx(np.log(0.8 + 0.01), abs=1e-4)
    assert at[0, 5, 7] == pytest.approx(missing[0, 5])


def test_a_region_that_prefers_another_numbering_votes_for_it() -> None:
    truth = spine()
    good = maps_of({k: [(truth[k], 0.9)] for k in range(8)} | {LAST_RIB: [(truth[6], 0.9)]})
    moved = maps_of({k - 1: [(truth[k], 0.9)] for k in range(1, 8)})
    chain = decode([good, good, good])
    assert chain is not None
    assert votes([good, moved], chain) == [0, -1]


def test_a_region_with_too_little_in_view_does_not_vote() -> None:
    truth = spine()
    views = [maps_of({k: [(truth[k], 0.9)] for k in range(8)})]
    chain = decode(views)
    assert chain is not None
    corner = Region((truth[0][0], 400.0), 120.0)
    assert votes([maps_of({0: [(truth[0], 0.9)]}, corner)], chain) == []


def test_crowded_vertebrae_show_in_the_steps() -> None:
    truth = spine()
    truth[0, 0] -= 0.4 * PITCH  # S1 moves up towards C1
    chain = decode([maps_of({k: [(truth[k], 0.9)] for k in range(CHAIN_CHANNELS)})])
    assert chain is not None
    assert chain.steps[0] < -1.5
    assert np.abs(chain.steps[2:]).max() < 1.0


def test_a_lowered_chain_loses_its_s1_and_keeps_the_former_numbering_as_its_rival() -> None:
    points = np.column_stack([1000.0 - np.array([0, 50, 138, 238, 338, 437]), np.zeros(6)])
    former = Chain(tuple(range(6)), points, -0.1 * np.arange(6), 90.0, {0: 0.97, 1: 0.02, -1: 0.01}, 8.0, np.ones(5))
    new = lowered(former, 0.99)
    assert new.channels == (0, 1, 2, 3, 4)
    assert new.points == pytest.approx(points[1:])
    assert new.log_p == pytest.approx(former.log_p[1:])
    assert new.shifts == pytest.approx({0: 0.97 * 0.99, -1: 0.01 * 0.99, 1: 0.01})
    # Spaced as S1 to L2 are, so nothing departs from what is expected.
    assert new.pitch_px == pytest.approx(100.0)
    assert new.steps == pytest.approx(np.zeros(4), abs=0.01)
