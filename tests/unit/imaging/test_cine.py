"""Frames read once onto a coarse grid, and means of frames brought onto one another."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.imaging.cine import CoarseRun, mean_frame

SHAPE = (60, 80)


def frames(count: int) -> np.ndarray:
    return np.random.default_rng(6).normal(0, 1, (count, *SHAPE)).astype(np.float32)


def test_a_run_is_read_once_and_each_place_of_the_grid_is_the_mean_of_its_block():
    stack, read = frames(3), []

    def reader(index):
        read.append(index)
        return stack[index]

    valid = np.ones(SHAPE, dtype=bool)
    valid[:, :5] = False
    # 0.9 mm of 0.22 mm a pixel: four pixels.
    run = CoarseRun.read(reader, 3, valid, 0.22)
    assert read == [0, 1, 2]
    assert (run.factor, run.count, run.frames.shape) == (4, 3, (3, 15, 20))
    assert run.frames[1, 2, 3] == pytest.approx(stack[1, 8:12, 12:16].mean(), abs=1e-6)
    # The first five columns are closed: the first two blocks are not whole.
    assert not run.inside[:, :2].any()
    assert run.inside[:, 2:].all()


def test_the_mean_frame_reads_only_what_it_averages():
    stack, read = frames(6), []

    def reader(index):
        read.append(index)
        return stack[index]

    assert np.allclose(mean_frame(reader, (1, 4)), stack[[1, 4]].mean(axis=0), atol=1e-6)
    assert read == [1, 4]


def test_frames_are_moved_by_whole_pixels_before_they_are_averaged():
    first = frames(1)[0]
    # The second shows the same, three rows lower and two columns to the left.
    second = np.roll(first, (3, -2), axis=(0, 1))
    mean = mean_frame(lambda index: (first, second)[index], (0, 1), np.array([[0, 0], [-3, 2]]))
    assert np.allclose(mean[:-3, 2:], first[:-3, 2:], atol=1e-6)


def test_a_mean_of_no_frame_is_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        mean_frame(lambda index: frames(1)[index], ())
