"""A run in, when contrast arrived at each place, how much came and how much of it cleared again out.

Frames are read once, one after the other, and kept only on a coarse grid: a run of 120 frames of 1024 x 1024
needs some 60 MB. Each frame is moved onto the mask (whole body only) and matched to it in brightness first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.background import enlarged
from fluorospread.imaging.cine import ReadFrame
from fluorospread.imaging.normalisation import (
    BoolArray,
    FloatArray,
    robust_sd,
    shrink,
    shrink_mask,
    slow_background,
    smooth,
)
from fluorospread.imaging.outlines import regions

# Frames averaged before a maximum is taken, so that noise alone does not make peaks.
_AVERAGED = 3
# Fine and coarse Gaussian sds (px of the coarse grid) of what frames are aligned by, and the farthest shift.
_FINE_PX, _COARSE_PX, _REACH_PX = 1.0, 5.0, 12
_SMOOTH_PX = 0.8
# A surface of second order needs few points.
_SLOW_FACTOR = 8
# Contrast that cleared: its peak in noise sds, and the most of it that may be left. Chosen on tuning runs.
_CLEAR_SD, _MOST_LEFT = 8.0, 0.5


@dataclass(frozen=True)
class TimeMaps:
    """Per place of the coarse grid, each (rows, cols).

    Attributes
    ----------
    factor
        Pixels of the frame along one pixel of the grid.
    arrival
        Index of the frame at which half of the peak has come, float32; NaN where nothing came.
    peak
        Highest signal over the mask, mean of three frames, float32.
    left_over
        Share of the peak still there in the last three frames: near 1 for a depot, near 0 for a vessel.
    noise
        1 sd of a mean of three frames against the mask, from the mask frames' own scatter.
    restless
        True where the signal moved as much before the inflow, fell below the mask, or came more than once: gas, or
        an edge that breathing moves.
    """

    factor: int
    arrival: FloatArray
    peak: FloatArray
    left_over: FloatArray
    noise: float
    restless: BoolArray


def time_maps(
    read: ReadFrame, count: int, mask_frames: Sequence[int], valid: BoolArray, mm_per_px: float, grid_mm: float = 0.9
) -> TimeMaps:
    """Arrival, peak and wash-out of a run of `count` frames of line-integral-like pixels."""
    factor = max(1, round(grid_mm / mm_per_px))
    inside = shrink_mask(valid, factor)
    reference = np.mean([shrink(read(i), factor) for i in mask_frames], axis=0).astype(np.float32)
    stack = np.empty((count, *reference.shape), dtype=np.float32)
    target = _Target.of(reference, inside)
    for index in range(count):
        frame = target.aligned(shrink(read(index), factor))
        change = np.where(inside, frame - reference, np.float32(0)).astype(np.float32)
        stack[index] = smooth(change - _slow(change, inside), _SMOOTH_PX)
    return _maps(stack, [int(index) for index in mask_frames], inside, factor)


def cleared(maps: TimeMaps, mm_per_px: float, least_length_mm: float = 15.0) -> BoolArray:
    """Where contrast came and mostly cleared again within the run, in areas at least so long (coarse grid).

    A depot only fills; what a vessel carries off washes out.
    """
    washed = (maps.peak > _CLEAR_SD * maps.noise) & (maps.left_over < _MOST_LEFT) & ~maps.restless
    kept = np.zeros_like(washed)
    for region in regions(washed):
        rows, cols = np.nonzero(region.pixels)
        if float(np.hypot(np.ptp(rows), np.ptp(cols))) * mm_per_px * maps.factor >= least_length_mm:
            region.paint(kept)
    return kept


def _running_mean(stack: FloatArray) -> FloatArray:
    width = min(_AVERAGED, len(stack))
    total = np.array(stack[: len(stack) - width + 1])
    for shift in range(1, width):
        total += stack[shift : len(stack) - width + 1 + shift]
    return total / np.float32(width)


def _maps(stack: FloatArray, mask_frames: list[int], inside: BoolArray, factor: int) -> TimeMaps:
    """`stack` holds each frame's change against the mean of the mask frames."""
    mean = _running_mean(stack)
    before, used = stack[mask_frames], len(mask_frames)
    # A mask frame is part of the mean it is compared with, a later one is not.
    single = max(robust_sd(before[:, inside]) / float(np.sqrt(max(1.0 - 1.0 / used, 0.5))), 1e-9)
    noise = single * float(np.sqrt(1.0 / min(_AVERAGED, len(stack)) + 1.0 / used))
    peak = np.where(inside, mean.max(axis=0), np.float32(0)).astype(np.float32)
    came = peak > 5.0 * noise
    half = np.argmax(mean >= 0.5 * peak[None], axis=0).astype(np.float32) + np.float32((_AVERAGED - 1) / 2)
    moved = np.abs(before).max(axis=0) > np.maximum(0.4 * peak, 5.0 * single)
    lost = mean.min(axis=0) < -np.maximum(0.6 * peak, 5.0 * noise)
    high = mean >= 0.5 * peak[None]
    # Contrast comes once; what breathing moves comes with every breath.
    again = (high[1:] & ~high[:-1]).sum(axis=0) > 1
    return TimeMaps(
        factor,
        np.where(came, half, np.float32(np.nan)),
        peak,
        np.where(came, np.clip(mean[-1], 0.0, None) / np.maximum(peak, 1e-12), np.float32(1)).astype(np.float32),
        noise,
        moved | lost | again,
    )


def _slow(change: FloatArray, inside: BoolArray) -> FloatArray:
    """What exposure control and scatter change over the field; found on a grid coarser still."""
    coarse = slow_background(shrink(change, _SLOW_FACTOR), shrink_mask(inside, _SLOW_FACTOR))
    return enlarged(coarse, _SLOW_FACTOR, (change.shape[0], change.shape[1]))


@dataclass(frozen=True)
class _Target:
    """What frames are moved onto: the spectrum of the mask's band, made once for all of them."""

    spectrum: npt.NDArray[np.complexfloating]
    shape: tuple[int, ...]
    inside: BoolArray

    @classmethod
    def of(cls, reference: FloatArray, inside: BoolArray) -> _Target:
        from scipy import fft

        shape = tuple(fft.next_fast_len(n + _REACH_PX, real=True) for n in reference.shape)
        return cls(np.conj(fft.rfft2(_band(reference, inside), shape)), shape, inside)

    def aligned(self, frame: FloatArray) -> FloatArray:
        """The frame moved by whole-body shift onto the mask, to a tenth of a pixel."""
        from scipy import fft, ndimage

        surface = fft.irfft2(self.spectrum * fft.rfft2(_band(frame, self.inside), self.shape), self.shape)
        reach = np.arange(-_REACH_PX, _REACH_PX + 1)
        near = surface[np.ix_(reach, reach)]
        row, col = (int(v) for v in np.unravel_index(int(np.argmax(near)), near.shape))
        shift = (_vertex(near[:, col], row) - _REACH_PX, _vertex(near[row], col) - _REACH_PX)
        if max(abs(shift[0]), abs(shift[1])) < 0.05:
            return frame
        moved: FloatArray = ndimage.shift(frame, (-shift[0], -shift[1]), order=1, mode="nearest")
        return moved


def _band(image: FloatArray, inside: BoolArray) -> FloatArray:
    known = image[inside]
    # Twenty thousand values give the median well enough for what fills the outside of the field.
    level = np.float32(np.median(known[:: max(1, known.size // 20_000)]))
    filled = np.where(inside, image, level)
    band = smooth(filled, _FINE_PX) - smooth(filled, _COARSE_PX)
    strength = band[inside]
    limit = 4.0 * max(robust_sd(strength[:: max(1, strength.size // 20_000)]), 1e-9)
    return np.clip(np.where(inside, band, np.float32(0)), -limit, limit).astype(np.float32)


def _vertex(values: npt.NDArray[np.floating], at: int) -> float:
    """Place of the parabola's top through three samples."""
    if not 0 < at < len(values) - 1:
        return float(at)
    low, top, high = (float(v) for v in values[at - 1 : at + 2])
    bend = low - 2.0 * top + high
    return at + 0.5 * (low - high) / bend if bend < 0 else float(at)
