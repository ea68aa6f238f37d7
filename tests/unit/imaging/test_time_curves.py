"""A depot that fills and stays, a vessel that fills and clears, and gas that comes and goes, drawn frame by frame."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from fluorospread.imaging.cine import CoarseRun
from fluorospread.imaging.frame_motion import SteadyRun, steadied
from fluorospread.imaging.time_curves import cleared, find_inflow, first_frames, time_maps

SHAPE, COUNT, MM_PER_PX = (150, 150), 30, 1.0
ROWS, COLS = np.indices(SHAPE).astype(float)
FIELD = np.ones(SHAPE, dtype=bool)
DEPOT = np.hypot(ROWS - 60, COLS - 50) <= 14
VESSEL = (np.abs(COLS - 110) <= 1.5) & (ROWS > 40) & (ROWS < 90)
FILLS_AT, STEP = 8, 0.15


def frames(vessel: bool, shift: float = 0.0) -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    body = 3.0 * ndimage.gaussian_filter(rng.normal(size=SHAPE), 3)
    run = []
    for index in range(COUNT):
        depot = STEP * np.clip((index - FILLS_AT) / 4.0, 0.0, 1.0)
        passing = STEP * np.exp(-0.5 * ((index - 14) / 2.5) ** 2) if vessel else 0.0
        image = body + depot * DEPOT + passing * VESSEL + 0.004 * rng.normal(size=SHAPE)
        run.append(ndimage.shift(image, (shift * (index % 3), 0.0), order=1, mode="nearest").astype(np.float32))
    return run


def steady(run: list[np.ndarray]) -> SteadyRun:
    return steadied(CoarseRun(1, np.array(run), FIELD), (0, 1, 2, 3))


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_a_depot_arrives_half_way_up_its_filling_and_stays(shift):
    run = frames(vessel=False, shift=shift)
    maps = time_maps(steady(run), (0, 1, 2, 3))
    inner = np.hypot(ROWS - 60, COLS - 50) <= 10
    # Half of the peak has come two frames after the start; means of three frames blur that by one.
    assert np.nanmedian(maps.arrival[inner]) == pytest.approx(FILLS_AT + 2, abs=1.0)
    assert np.median(maps.peak[inner]) == pytest.approx(STEP, rel=0.1)
    assert np.median(maps.left_over[inner]) > 0.9
    assert np.isnan(maps.arrival[100:135, 15:80]).mean() > 0.95


@pytest.mark.parametrize("vessel", [True, False])
def test_only_what_came_and_went_has_cleared(vessel):
    run = frames(vessel)
    found = cleared(time_maps(steady(run), (0, 1, 2, 3)), MM_PER_PX)
    assert found[VESSEL].mean() > 0.8 if vessel else not found.any()
    assert not found[DEPOT].any()


def test_gas_that_moves_to_and_fro_all_the_time_has_not_cleared():
    run = frames(vessel=False)
    for index, frame in enumerate(run):
        run[index] = frame - 0.3 * (np.hypot(ROWS - 100, COLS - 70 - 6 * np.sin(index)) <= 12).astype(np.float32)
    found = cleared(time_maps(steady(run), (0, 1, 2, 3)), MM_PER_PX)
    assert not found.any()


@pytest.mark.parametrize("vessel", [True, False])
def test_frames_before_the_inflow_are_the_mask_and_those_after_it_alike(vessel):
    run = frames(vessel)
    found = find_inflow(steady(run))
    assert found.flows_in
    assert found.mask
    # The depot begins to fill after frame 8, the vessel shows a little from frame 7 on.
    assert max(found.mask) in (5, 6, 7)
    assert found.peak >= 11
    # From frame 20 on the vessel is clear, from 12 on the depot full.
    last = time_maps(steady(run), found.mask).last
    assert last == tuple(range(20, 30))


def test_mask_frames_that_the_file_names_are_taken():
    assert find_inflow(steady(frames(False)), (2, 3, 99)).mask == (2, 3)
    assert first_frames(30, (2, 3, 99)) == (2, 3)


def test_nothing_flows_in_where_only_the_body_moves():
    run = frames(vessel=False, shift=1.0)[:8]
    found = find_inflow(steady(run))
    assert not found.flows_in
    assert found.mask == ()
