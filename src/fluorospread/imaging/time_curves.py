"""A run in, when contrast arrived at each place, how much came and how much of it cleared again out.

The frames before the inflow are found first: contrast only ever adds, and what it adds grows as it is injected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.frame_motion import SteadyRun
from fluorospread.imaging.normalisation import BoolArray, FloatArray, robust_sd
from fluorospread.imaging.outlines import hysteresis, regions

Floats = npt.NDArray[np.float64]

# Frames averaged before a maximum is taken, so that noise alone does not make peaks.
_AVERAGED = 3
# What came: signal in noise sds, and how much more there must be of it than of what went. Chosen on tuning runs.
_CAME_SD, _MORE_THAN_LOST, _LEAST_CAME_PX = 6.0, 1.5, 30
# The inflow begins where this share of all contrast has come.
_BEGUN = 0.03
# Mask frames beyond these add little: the noise of the filled frames remains.
_MOST_MASK_FRAMES, _FEW_MASK_FRAMES = 10, 3
# Contrast that cleared: its peak in noise sds, somewhere and everywhere, and the most of it that may be left. Chosen on
# tuning runs, in which no other area came near the least length (docs/evaluation.md).
_CLEAR_SD, _CLEAR_FOOT_SD, _MOST_LEFT = 6.0, 4.0, 0.5
# Signal has come above the one and gone below the other of these shares of its peak.
_RISEN, _FALLEN = 0.65, 0.4
# Frames at the end count as alike while what lasts differs by no more than this share from the last ones.
_ALIKE = 0.05
_MOST_LAST_FRAMES = 10


@dataclass(frozen=True)
class Inflow:
    """Frames before the inflow (`mask`) and the frame of most contrast (`peak`).

    `curve` is the share of all contrast that each frame shows (count,); `mask` is empty when contrast is there
    from the first frame on or nothing flows in.
    """

    mask: tuple[int, ...]
    peak: int
    curve: Floats
    flows_in: bool


@dataclass(frozen=True)
class TimeMaps:
    """Per place of the coarse grid, each (rows, cols).

    Attributes
    ----------
    arrival
        Index of the frame at which half of the peak has come, float32; NaN where nothing came.
    peak
        Highest signal over the mask, mean of three frames, float32.
    left_over
        Share of the peak still there in the last three frames: near 1 for a depot, near 0 for a vessel.
    fullest
        Index of the frame of the highest signal, int64.
    noise
        1 sd of a mean of three frames against the mask, from how neighbouring frames differ.
    restless
        True where the signal moved as much before the inflow, fell below the mask, or came more than once: gas, or
        an edge that breathing moves.
    last
        Frames at the end of the run, in order, that show the same amount of what lasts.
    """

    arrival: FloatArray
    peak: FloatArray
    left_over: FloatArray
    fullest: npt.NDArray[np.int64]
    noise: float
    restless: BoolArray
    last: tuple[int, ...]


def first_frames(count: int, named_mask: Sequence[int] = ()) -> tuple[int, ...]:
    """Frames that others are compared with before the mask is known: those the file names, else the first few."""
    named = tuple(index for index in named_mask if 0 <= index < count)
    return named or tuple(range(max(1, min(4, count // 8))))


def find_inflow(steady: SteadyRun, named_mask: Sequence[int] = ()) -> Inflow:
    """Find the mask frames and the peak of a run; `named_mask` are mask frames the file names.

    A frame's measure is how much it shows of all that comes: its change, weighted by the highest change of each
    place (a matched filter), where something comes and nothing goes.
    """
    count, change = len(steady.change), steady.change
    named = tuple(index for index in named_mask if 0 <= index < count)
    mean = _running_mean(change)
    highest, lowest = mean.max(axis=0), mean.min(axis=0)
    noise = max(robust_sd(np.diff(change, axis=0)[:, steady.inside]) / float(np.sqrt(2.0 * _AVERAGED)), 1e-9)
    came = (highest > _CAME_SD * noise) & (highest > -2.0 * lowest) & steady.inside
    went = (lowest < -_CAME_SD * noise) & (-lowest > 2.0 * highest) & steady.inside
    flows_in = bool(came.sum() > max(_MORE_THAN_LOST * went.sum(), _LEAST_CAME_PX))
    if not flows_in:
        return Inflow(named[-_MOST_MASK_FRAMES:], count - 1, np.zeros(count), False)
    weight = highest[came].astype(np.float64)
    curve = change[:, came] @ weight / float(weight @ weight)
    # Three frames' median: a single frame with a shutter flash or a cough must not become the peak.
    steadied = np.array([np.median(curve[max(0, i - 1) : i + 2]) for i in range(count)])
    peak = int(np.argmax(steadied))
    begun = _BEGUN * steadied[peak] + 2.0 * robust_sd(np.diff(curve[: peak + 1])[: max(3, peak // 3)])
    over = curve[: peak + 1] > curve[list(first_frames(count, named))].mean() + begun
    # Two frames in a row: one alone is noise.
    late = np.flatnonzero(over[:-1] & over[1:])
    before = tuple(range(int(late[0]))) if late.size else ()
    # The last of them may already show a little; where there are few, each is needed against noise.
    before = before[:-1] if len(before) > _FEW_MASK_FRAMES else before
    return Inflow(named[-_MOST_MASK_FRAMES:] or before[-_MOST_MASK_FRAMES:], peak, curve, True)


def time_maps(steady: SteadyRun, mask_frames: Sequence[int]) -> TimeMaps:
    """Arrival, peak and wash-out of a run of line-integral-like frames."""
    mask, used, inside = [int(index) for index in mask_frames], len(mask_frames), steady.inside
    stack = steady.change - steady.change[mask].mean(axis=0)
    mean, before = _running_mean(stack), stack[mask]
    # From one frame to the next hardly anything but noise changes; a single mask frame says nothing of it.
    single = max(robust_sd(np.diff(stack, axis=0)[:, inside]) / float(np.sqrt(2.0)), 1e-9)
    noise = single * float(np.sqrt(1.0 / min(_AVERAGED, len(stack)) + 1.0 / used))
    peak = np.where(inside, mean.max(axis=0), np.float32(0)).astype(np.float32)
    came = peak > 5.0 * noise
    half = np.argmax(mean >= 0.5 * peak[None], axis=0).astype(np.float32) + np.float32((_AVERAGED - 1) / 2)
    moved = np.abs(before).max(axis=0) > np.maximum(0.4 * peak, 5.0 * single)
    lost = mean.min(axis=0) < -np.maximum(0.6 * peak, 5.0 * noise)
    return TimeMaps(
        np.where(came, half, np.float32(np.nan)),
        peak,
        np.where(
            peak > _CLEAR_FOOT_SD * noise, np.clip(mean[-1], 0.0, None) / np.maximum(peak, 1e-12), np.float32(1)
        ).astype(np.float32),
        mean.argmax(axis=0) + (_AVERAGED - 1) // 2,
        noise,
        # Contrast comes once; what breathing moves comes with every breath.
        moved | lost | (_rises(mean, peak) > 1),
        _last_frames(stack, mean[-1] > 5.0 * noise),
    )


def cleared(maps: TimeMaps, mm_per_px: float, least_length_mm: float = 15.0) -> BoolArray:
    """Where contrast came and mostly cleared again within the run, in areas at least so long.

    A depot only fills; what a vessel carries off washes out. `mm_per_px` is that of the coarse grid.
    """
    washed = (maps.left_over < _MOST_LEFT) & ~maps.restless & (maps.peak > _CLEAR_FOOT_SD * maps.noise)
    washed = hysteresis(washed & (maps.peak > _CLEAR_SD * maps.noise), washed)
    kept = np.zeros_like(washed)
    for region in regions(washed):
        rows, cols = np.nonzero(region.pixels)
        if float(np.hypot(np.ptp(rows), np.ptp(cols))) * mm_per_px >= least_length_mm:
            region.paint(kept)
    return kept


def _rises(mean: FloatArray, peak: FloatArray) -> npt.NDArray[np.int64]:
    """How often the signal of each place came; noise that crosses one level to and fro counts once."""
    up = np.zeros(peak.shape, dtype=np.bool_)
    count = np.zeros(peak.shape, dtype=np.int64)
    for frame in mean:
        rising = ~up & (frame >= _RISEN * peak)
        count += rising
        up = (up | rising) & (frame >= _FALLEN * peak)
    return count


def _running_mean(stack: FloatArray) -> FloatArray:
    width = min(_AVERAGED, len(stack))
    total = np.array(stack[: len(stack) - width + 1])
    for shift in range(1, width):
        total += stack[shift : len(stack) - width + 1 + shift]
    total /= np.float32(width)
    return total


def _last_frames(stack: FloatArray, lasting: BoolArray) -> tuple[int, ...]:
    """Frames from the end back while what lasts is as much as in the end."""
    count = len(stack)
    first = count - min(_AVERAGED, count)
    if not lasting.any():
        return tuple(range(first, count))
    curve = stack[:, lasting].mean(axis=1)
    final = float(curve[first:].mean())
    slack = max(_ALIKE * abs(final), 2.0 * robust_sd(np.diff(curve[-_MOST_LAST_FRAMES:])))
    while first > 0 and count - first < _MOST_LAST_FRAMES and abs(float(curve[first - 1]) - final) <= slack:
        first -= 1
    return tuple(range(first, count))
