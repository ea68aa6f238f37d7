"""Which frames of a run come before the contrast and which shows most of it, streaming frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.normalisation import BoolArray, FloatArray, robust_sd, shrink, shrink_mask, smooth

ReadFrame = Callable[[int], FloatArray]

# Side of the small frames the time curve is made from: enough to see a 1 cm2 pool.
_SMALL_SIDE_PX = 160
_MOST_AVERAGED = 6


@dataclass(frozen=True)
class InflowFrames:
    """Frames before inflow (`mask`), the frames to average around the peak (`filled`), and the peak itself.

    `curve` is the inflow measure per frame, in units of its own noise; `mask` is empty when contrast is there
    from the first frame on or nothing flows in.
    """

    mask: tuple[int, ...]
    filled: tuple[int, ...]
    peak: int
    curve: npt.NDArray[np.float64]
    flows_in: bool


def find_inflow(read: ReadFrame, count: int, valid: BoolArray, named_mask: Sequence[int] = ()) -> InflowFrames:
    """Find mask and filled frames of a run of `count` frames; `named_mask` are mask frames the file names.

    The measure of a frame is the top percent of its difference to the first frames less the bottom percent's
    size: iodine only adds attenuation, motion adds as much as it takes away.
    """
    factor = max(1, round(max(valid.shape) / _SMALL_SIDE_PX))
    inside = shrink_mask(valid, factor)
    if not inside.any():
        inside = np.ones_like(inside)
    small = np.stack([smooth(shrink(read(index), factor), 1.0) for index in range(count)])
    named = [index for index in named_mask if 0 <= index < count]
    first = named if named else list(range(max(1, min(4, count // 8))))
    baseline = np.mean(small[first], axis=0)
    curve = np.array([_imbalance(frame - baseline, inside) for frame in small])
    # Three frames' median: a single frame with a shutter flash or a cough must not become the peak.
    steady = np.array([np.median(curve[max(0, i - 1) : i + 2]) for i in range(count)])
    peak = int(np.argmax(steady))
    noise = max(robust_sd(np.diff(curve)), 1e-9)
    level = 0.1 * steady[peak]
    flows_in = bool(steady[peak] > 1.0 and steady[peak] > 6.0 * noise)
    before = [i for i in range(peak) if (steady[: i + 2] < max(level, 3.0 * noise)).all()]
    mask = named or before[:-1] or before
    around = range(max(0, peak - 1), min(count, peak + 2))
    return InflowFrames(
        tuple(mask[-_MOST_AVERAGED:]) if flows_in or named else (), tuple(around), peak, curve, flows_in
    )


def mean_frame(read: ReadFrame, indices: Sequence[int]) -> FloatArray:
    """Mean of the given frames, one in memory at a time."""
    total = np.array(read(indices[0]), dtype=np.float32)
    for index in indices[1:]:
        total += read(index)
    return total / np.float32(len(indices))


def _imbalance(change: FloatArray, inside: BoolArray) -> float:
    """Gain over loss in the extreme percent of pixels, in robust sds of the change; about 0 for motion."""
    values = change[inside]
    values = values - np.median(values)
    low, high = np.quantile(values, [0.01, 0.99])
    gained = float(values[values >= high].mean())
    lost = -float(values[values <= low].mean())
    scale = max(robust_sd(values), 1e-9)
    return (gained - lost) / scale
