"""A run read once onto a coarse grid, and means of its frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.normalisation import BoolArray, FloatArray, shrink, shrink_mask

ReadFrame = Callable[[int], FloatArray]


@dataclass(frozen=True)
class CoarseRun:
    """Every frame of a run on a coarse grid: 120 frames of 1024 x 1024 take some 30 MB.

    Attributes
    ----------
    factor
        Pixels of the frame along one pixel of the grid.
    frames
        (count, rows, cols) float32.
    inside
        (rows, cols), True where every pixel of the block may be used.
    """

    factor: int
    frames: FloatArray = field(repr=False)
    inside: BoolArray = field(repr=False)

    @property
    def count(self) -> int:
        return int(self.frames.shape[0])

    @classmethod
    def read(cls, read: ReadFrame, count: int, valid: BoolArray, mm_per_px: float, grid_mm: float = 0.9) -> CoarseRun:
        """Read each of `count` frames once, one in memory at a time; `mm_per_px` is the frame's scale."""
        factor = max(1, round(grid_mm / mm_per_px))
        inside = shrink_mask(valid, factor)
        frames = np.empty((count, *inside.shape), dtype=np.float32)
        for index in range(count):
            frames[index] = shrink(read(index), factor)
        return cls(factor, frames, inside)


def mean_frame(read: ReadFrame, indices: Sequence[int], moves_px: npt.NDArray[np.integer] | None = None) -> FloatArray:
    """Mean of the given frames, one in memory at a time.

    `moves_px` (n, 2) moves each frame by whole rows and columns first; what comes in from outside repeats the edge.
    """
    total: FloatArray | None = None
    for place, index in enumerate(indices):
        frame = read(index)
        if moves_px is not None:
            frame = _moved(frame, int(moves_px[place][0]), int(moves_px[place][1]))
        total = np.array(frame, dtype=np.float32) if total is None else total + frame
    if total is None:
        raise ValueError("a mean needs at least one frame")
    return total / np.float32(len(indices))


def _moved(frame: FloatArray, rows: int, cols: int) -> FloatArray:
    if rows == cols == 0:
        return frame
    from_row = np.clip(np.arange(frame.shape[0]) - rows, 0, frame.shape[0] - 1)
    from_col = np.clip(np.arange(frame.shape[1]) - cols, 0, frame.shape[1] - 1)
    return frame[from_row][:, from_col]
