"""Image strips along a line and the one-dimensional measures taken from them: ridge height, width, ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.normalisation import BoolArray, FloatArray, robust_sd

Vector = npt.NDArray[np.float64]
PointPx = tuple[float, float]


@dataclass(frozen=True)
class Strip:
    """An image resampled along a line.

    `values` is (along, across); `along_px` is the distance from the line's start (negative before it),
    `across_px` from its axis; `inside` is False beyond the field of view. `origin` and `direction` lead back.
    """

    values: FloatArray
    inside: BoolArray
    along_px: Vector
    across_px: Vector
    origin: PointPx
    direction: PointPx

    def point(self, along_px: float, across_px: float = 0.0) -> PointPx:
        """(row, col) of a place in the strip."""
        d_r, d_c = self.direction
        return (
            self.origin[0] + along_px * d_r - across_px * d_c,
            self.origin[1] + along_px * d_c + across_px * d_r,
        )


def strip_along(
    image: FloatArray, valid: BoolArray, ends: tuple[PointPx, PointPx], half_width_px: float, extend_px: float
) -> Strip:
    """Resample `image` along the line through `ends`, half a pixel apart across and one along."""
    from scipy import ndimage

    (r0, c0), (r1, c1) = ends
    length = float(np.hypot(r1 - r0, c1 - c0))
    if length == 0:
        raise ValueError("a strip needs two different ends")
    direction = ((r1 - r0) / length, (c1 - c0) / length)
    along = np.arange(-np.ceil(extend_px), np.ceil(length + extend_px) + 1.0)
    across = np.arange(-np.ceil(half_width_px), np.ceil(half_width_px) + 0.25, 0.5)
    rows = r0 + along[:, None] * direction[0] - across[None, :] * direction[1]
    cols = c0 + along[:, None] * direction[1] + across[None, :] * direction[0]
    values = ndimage.map_coordinates(image, [rows, cols], order=1, mode="nearest")
    near_r, near_c = np.rint(rows).astype(int), np.rint(cols).astype(int)
    inside = (near_r >= 0) & (near_c >= 0) & (near_r < image.shape[0]) & (near_c < image.shape[1])
    inside[inside] = valid[near_r[inside], near_c[inside]]
    return Strip(values, inside, along, across, (r0, c0), direction)


def follow_ridge(strip: Strip, reach_px: float, smooth_px: float, between_px: tuple[float, float]) -> Vector:
    """Across-offset (px) at every step along of the parabola through the ridge between two places along.

    A shaft bends by a few pixels, and evenly; what the fit is carried on to beyond it cannot pull it off,
    as the next bone edge would pull a path that follows the brightest pixels. The parabola goes on straight
    beyond `between_px`.
    """
    from scipy import ndimage

    near = np.abs(strip.across_px) <= reach_px
    offsets = strip.across_px[near]
    body = (strip.along_px >= between_px[0]) & (strip.along_px <= between_px[1])
    if body.sum() < 8:
        return np.zeros(len(strip.along_px))
    blurred = ndimage.gaussian_filter1d(strip.values.astype(np.float64), smooth_px, axis=0)
    curvature = -ndimage.gaussian_filter1d(blurred, 1.5, axis=1, order=2)[body][:, near]
    peak = curvature.argmax(axis=1)
    where, strength = offsets[peak], np.maximum(curvature[np.arange(len(peak)), peak], 0.0)
    # A stretch of strong bone must not outweigh the rest of the shaft.
    base_weight = np.minimum(strength, 1.5 * float(np.median(strength)) + 1e-12)
    path = _parabola_through(where, base_weight, strip.along_px, between_px, 0.5)
    return np.asarray(np.clip(path, -2.0 * reach_px, 2.0 * reach_px))


def _parabola_through(
    where: Vector, base_weight: Vector, along_px: Vector, between_px: tuple[float, float], floor_px: float
) -> Vector:
    """Robust parabola through `where`, given for the samples of `along_px` between two places; straight beyond them.

    What lies farther from it than four times the spread of the rest, at least `floor_px`, does not count.
    """
    body = (along_px >= between_px[0]) & (along_px <= between_px[1])
    middle, half = 0.5 * (between_px[0] + between_px[1]), max(0.5 * (between_px[1] - between_px[0]), 1.0)
    along = (along_px[body] - middle) / half
    design = np.stack([np.ones_like(along), along, along**2], axis=1)
    weight = base_weight.copy()
    fit = np.zeros(3)
    for _ in range(6):
        root = np.sqrt(weight)[:, None]
        fit = np.asarray(np.linalg.lstsq(design * root, where * root[:, 0], rcond=None)[0], dtype=np.float64)
        off = where - design @ fit
        scale = max(robust_sd(off), floor_px)
        weight = base_weight * np.clip(1.0 - (off / (4.0 * scale)) ** 2, 1e-6, None) ** 2
    everywhere = (along_px - middle) / half
    inner = np.clip(everywhere, -1.0, 1.0)
    path = fit[0] + fit[1] * inner + fit[2] * inner**2 + (fit[1] + 2.0 * fit[2] * inner) * (everywhere - inner)
    return np.asarray(path, dtype=np.float64)


def refined_ridge(
    strip: Strip, offset_px: Vector, reach_px: float, smooth_px: float, between_px: tuple[float, float]
) -> tuple[Vector, Vector, Vector]:
    """The followed ridge put through the middle of what stands out; how far that middle is off it; its 1 sd across.

    All (along,) in px. What stands out is taken above the straight line between the flanks at `reach_px`, weighted by
    its square, which finds the middle of a rod to a tenth of a pixel.
    """
    middle, spread = _middle_and_spread(strip, offset_px, reach_px, smooth_px)
    body = (strip.along_px >= between_px[0]) & (strip.along_px <= between_px[1])
    if body.sum() < 8:
        return offset_px, middle, spread
    shift = _parabola_through(middle[body], np.ones(int(body.sum())), strip.along_px, between_px, 0.1)
    shift = np.clip(shift, -0.5 * reach_px, 0.5 * reach_px)
    return offset_px + shift, middle - shift, spread


def _middle_and_spread(strip: Strip, offset_px: Vector, reach_px: float, smooth_px: float) -> tuple[Vector, Vector]:
    from scipy import ndimage

    near = np.abs(strip.across_px) <= reach_px
    across = strip.across_px[near]
    values = ndimage.gaussian_filter1d(straightened(strip, offset_px)[:, near].astype(np.float64), smooth_px, axis=0)
    left, right = values[:, :2].mean(axis=1, keepdims=True), values[:, -2:].mean(axis=1, keepdims=True)
    share = np.linspace(0.0, 1.0, len(across))[None, :]
    weight = np.maximum(values - left - share * (right - left), 0.0) ** 2
    total = weight.sum(axis=1) + 1e-12 * float(np.square(values).max() + 1e-30)
    middle = (weight * across).sum(axis=1) / total
    spread = np.sqrt((weight * (across[None, :] - middle[:, None]) ** 2).sum(axis=1) / total)
    return middle, spread


def straightened(strip: Strip, offset_px: Vector) -> FloatArray:
    """The strip's values with the followed ridge at across 0, (along, across); linear between samples."""
    step = float(strip.across_px[1] - strip.across_px[0])
    columns = len(strip.across_px)
    place = np.clip(np.arange(columns)[None, :] + offset_px[:, None] / step, 0.0, columns - 1.0)
    left = np.minimum(place.astype(np.intp), columns - 2)
    share = (place - left).astype(np.float32)
    lower = np.take_along_axis(strip.values, left, axis=1)
    upper = np.take_along_axis(strip.values, left + 1, axis=1)
    return np.asarray(lower + share * (upper - lower), dtype=np.float32)


def ridge_height(
    values: FloatArray, across_px: Vector, core_px: float, flank_px: tuple[float, float]
) -> tuple[Vector, Vector]:
    """Per step along: height of the core above the mean of its two flanks, and the right flank less the left."""
    core = values[:, np.abs(across_px) <= core_px].mean(axis=1)
    left = values[:, (across_px <= -flank_px[0]) & (across_px >= -flank_px[1])].mean(axis=1)
    right = values[:, (across_px >= flank_px[0]) & (across_px <= flank_px[1])].mean(axis=1)
    return (core - 0.5 * (left + right)).astype(np.float64), (right - left).astype(np.float64)


def full_width_px(values: FloatArray, across_px: Vector, flank_px: float) -> float:
    """Full width at half height of the mean profile, inf where it does not come down within the flanks."""
    profile = values.mean(axis=0).astype(np.float64)
    flanks = np.abs(across_px) >= flank_px
    slope, base = np.polyfit(across_px[flanks], profile[flanks], 1)
    profile = profile - (slope * across_px + base)
    middle = int(np.argmin(np.abs(across_px)))
    half = 0.5 * profile[middle - 1 : middle + 2].max()
    if half <= 0:
        return float("inf")
    width = 0.0
    for step in (-1, 1):
        index = middle
        while 0 < index < len(profile) - 1 and profile[index] > half:
            index += step
        if profile[index] > half:
            return float("inf")
        inner = index - step
        share = (profile[inner] - half) / max(profile[inner] - profile[index], 1e-12)
        width += abs(across_px[inner]) + share * abs(across_px[index] - across_px[inner])
    return float(width)


def running_median(values: Vector, window: int) -> Vector:
    """Median within a window of samples about each, the window shifted inwards at both ends."""
    window = min(window, len(values))
    medians = np.median(np.lib.stride_tricks.sliding_window_view(values, window), axis=1)
    return np.asarray(medians[np.clip(np.arange(len(values)) - window // 2, 0, len(medians) - 1)])


def run_end(
    height: Vector,
    from_index: int,
    step: int,
    plateau: float,
    level: float,
    reach: int = 4,
    straying: Vector | None = None,
) -> tuple[float, bool]:
    """Index (sub-sample) to which a run of about `plateau` height reaches from `from_index`, going by `step`.

    The run ends where the evidence for it, summed outwards, is greatest: samples near the plateau count for it,
    others against it, and a step down counts where it is, so that neither a gap within nor a speckle beyond
    decides. The plateau follows the
    median of the last ten `reach` samples, between half and twice its start, as bone behind metal and display
    curves change its height. The end is then put where the height crosses `level` of the plateau's start, at
    most `reach` samples farther. The second value is False when the run reaches the end of the data. `straying`
    is evidence against each sample besides its height, negative where it speaks for it.
    """
    outwards = _outwards(height, from_index, step)
    against = None if straying is None else _outwards(straying, from_index, step)
    last = int(np.argmax(_end_evidence(outwards, plateau, reach, against)))
    beyond = last + 1
    while beyond < len(outwards) and outwards[beyond] >= level and beyond - last <= reach:
        beyond += 1
    if beyond >= len(outwards):
        return float(from_index + step * last), False
    drop = float(outwards[beyond - 1] - outwards[beyond])
    share = float(np.clip((outwards[beyond - 1] - level) / drop, 0.0, 1.0)) if drop > 0 else 0.5
    return from_index + step * (beyond - 1 + share), True


def end_spread(
    height: Vector, from_index: int, step: int, plateau: float, reach: int = 4, straying: Vector | None = None
) -> float:
    """1 sd in samples of where a run ends, over all places where it might: how sure `run_end` can be.

    Evidence is taken for a log-likelihood, as if every `reach` samples were one measurement.
    """
    against = None if straying is None else _outwards(straying, from_index, step)
    evidence = _end_evidence(_outwards(height, from_index, step), plateau, reach, against)
    share = np.exp((evidence - evidence.max()) / reach)
    share /= share.sum()
    places = np.arange(len(share))
    return float(np.sqrt((share * (places - int(np.argmax(evidence))) ** 2).sum()))


def _outwards(height: Vector, from_index: int, step: int) -> Vector:
    return height[from_index::step] if step > 0 else height[from_index::-1]


def _end_evidence(outwards: Vector, plateau: float, reach: int, against: Vector | None) -> Vector:
    """Evidence that a run ends at each sample, going outwards."""
    memory = 10 * reach
    before = np.concatenate([np.full(memory, plateau), outwards[:-1]])
    local = np.median(np.lib.stride_tricks.sliding_window_view(before, memory), axis=1)
    local = np.clip(local, 0.5 * plateau, 2.0 * plateau)
    off = (outwards - local) / local
    evidence = np.clip(1.0 - (off / np.where(off < 0, 0.42, 0.7)) ** 2, -2.0, 1.0)
    if against is not None:
        evidence = np.clip(evidence - against, -2.0, 1.0)
    # A shaft ends in a step; bone in line with it only fades.
    side = max(2, 5 * reach // 2)
    sums = np.cumsum(np.concatenate([[0.0], np.full(side, outwards[0]), outwards, np.full(side, outwards[-1])]))
    inner_then_outer = (sums[side:] - sums[:-side]) / side
    drop_there = (inner_then_outer[1 : 1 + len(outwards)] - inner_then_outer[1 + side :][: len(outwards)]) / plateau
    return np.asarray(np.cumsum(evidence) + side * np.clip(drop_there, 0.0, 1.5))
