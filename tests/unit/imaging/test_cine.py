"""Frames before and after an inflow of known beginning."""

from __future__ import annotations

import numpy as np

from fluorospread.imaging.cine import find_inflow, mean_frame

SHAPE = (120, 120)
VIEW = np.ones(SHAPE, dtype=bool)


def frames(count: int, starts: int | None) -> np.ndarray:
    """Noise with a square that darkens the beam more and more from frame `starts` on."""
    rng = np.random.default_rng(6)
    stack = rng.normal(0, 0.02, (count, *SHAPE)).astype(np.float32)
    for index in range(count if starts is not None else 0):
        stack[index, 40:70, 50:75] += 0.3 * np.clip((index - starts + 1) / 5, 0, 1)
    return stack


def test_frames_before_the_inflow_are_the_mask():
    stack = frames(20, 8)
    found = find_inflow(lambda i: stack[i], 20, VIEW)
    assert found.flows_in
    assert found.mask
    assert max(found.mask) < 8
    assert found.peak >= 11
    assert set(found.filled) <= set(range(10, 20))


def test_mask_frames_that_the_file_names_are_taken():
    stack = frames(20, 8)
    assert find_inflow(lambda i: stack[i], 20, VIEW, (2, 3, 99)).mask == (2, 3)


def test_nothing_flows_in_where_nothing_does():
    stack = frames(15, None)
    found = find_inflow(lambda i: stack[i], 15, VIEW)
    assert not found.flows_in
    assert found.mask == ()


def test_the_mean_frame_reads_only_what_it_averages():
    stack, read = frames(6, None), []

    def reader(index):
        read.append(index)
        return stack[index]

    assert np.allclose(mean_frame(reader, (1, 4)), stack[[1, 4]].mean(axis=0), atol=1e-6)
    assert read == [1, 4]
