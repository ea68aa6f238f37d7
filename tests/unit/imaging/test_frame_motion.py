"""A noisy body that moves by known shifts under a collimator that stands still, with exposure that drifts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from fluorospread.imaging.cine import CoarseRun
from fluorospread.imaging.frame_motion import steadied

SHAPE = (120, 130)
SHIFTS = ((0.0, 0.0), (0.0, 0.0), (3.0, -2.0), (-1.5, 1.0), (0.5, 0.25))


def run(collimated: bool, gain: float = 0.0) -> CoarseRun:
    rng = np.random.default_rng(2)
    body = 2.0 * ndimage.gaussian_filter(rng.normal(size=(200, 210)), 2)
    rows, cols = np.indices(SHAPE)
    frames = []
    for index, (down, right) in enumerate(SHIFTS):
        moved = ndimage.shift(body, (down, right), order=3)[40:160, 40:170]
        image = moved + gain * index * (rows / 120.0) ** 2 + 0.01 * rng.normal(size=SHAPE)
        if collimated:
            image[(rows < 14) | (cols > 116)] = 0.6
        frames.append(image.astype(np.float32))
    return CoarseRun(4, np.array(frames), np.ones(SHAPE, dtype=bool))


@pytest.mark.parametrize("collimated", [False, True])
def test_frames_are_found_where_the_body_moved_though_the_collimator_stands_still(collimated):
    steady = steadied(run(collimated), (0, 1))
    # A fifth of a pixel of the grid, of four pixels of the frame each; the standing edges cost half a one.
    assert steady.off_px == pytest.approx(4.0 * np.array(SHIFTS), abs=2.4 if collimated else 0.8)
    if not collimated:
        assert np.abs(steady.change[2, 15:-15, 15:-15]).mean() < 0.2 * run(False).frames[2].std()


def test_moves_bring_frames_onto_one_another():
    steady = steadied(run(False), (0, 1))
    # Whole pixels of the frame; the shifts themselves are found to a fifth of a pixel of the grid, of four each.
    assert steady.moves_onto(2, (0, 2, 3)) == pytest.approx(np.array([[12, -8], [0, 0], [18, -12]]), abs=1)


def test_what_exposure_changes_slowly_over_the_field_is_taken_out():
    still = CoarseRun(1, run(False, gain=0.5).frames[:2], np.ones(SHAPE, dtype=bool))
    steady = steadied(still, (0,))
    # 0.5 at the last row without; noise alone with.
    assert np.abs(steady.change[1].mean(axis=1)).max() < 0.02


def test_contrast_is_not_taken_for_something_slow():
    frames = run(False).frames[:2].copy()
    frames[1] = frames[0]
    frames[1, 40:60, 40:60] += 0.4
    steady = steadied(CoarseRun(1, frames, np.ones(SHAPE, dtype=bool)), (0,))
    assert steady.change[1, 45:55, 45:55].mean() == pytest.approx(0.4, abs=0.02)


def test_what_moved_frames_bring_in_from_outside_is_not_told_from_contrast():
    steady = steadied(run(False), (0, 1))
    # The farthest shift, 3 pixels of the grid, and 1.6 that smoothing mixes in.
    assert not steady.inside[:4].any()
    assert not steady.inside[:, -4:].any()
    assert steady.inside[6:-6, 6:-6].all()
    assert not steady.change[:, ~steady.inside].any()
