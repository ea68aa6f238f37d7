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


def follow_ridge(strip: Strip, reach_px: float, smooth_px: float) -> Vector:
    """Across-offset (px) of the ridge at every step along: the best smooth path, by dynamic programming.

    Bent needles leave the straight line by a few pixels; noise must not pull the path off.
    """
    from scipy import ndimage

    near = np.abs(strip.across_px) <= reach_px
    offsets = strip.across_px[near]
    blurred = ndimage.gaussian_filter1d(strip.values.astype(np.float64), smooth_px, axis=0)
    score = -ndimage.gaussian_filter1d(blurred, 1.5, axis=1, order=2)[:, near]
    score /= max(robust_sd(score), 1e-12)
    score = np.clip(score, -4.0, 4.0)
    bend = 6.0
    best = score[0].copy()
    back = np.zeros(score.shape, dtype=np.intp)
    moves = np.array([-1, 0, 1])
    for i in range(1, len(score)):
        padded = np.pad(best, 1, constant_values=-np.inf)
        options = np.stack([padded[1 + m : 1 + m + best.size] - bend * abs(m) for m in moves])
        choice = options.argmax(axis=0)
        back[i] = np.arange(best.size) + moves[choice]
        best = options.max(axis=0) + score[i]
    path = np.empty(len(score), dtype=np.intp)
    path[-1] = int(best.argmax())
    for i in range(len(score) - 1, 0, -1):
        path[i - 1] = back[i, path[i]]
    smoothed: Vector = ndimage.gaussian_filter1d(offsets[path], max(smooth_px, 1.0), mode="nearest")
    return smoothed


def straightened(strip: Strip, offset_px: Vector) -> FloatArray:
    """The strip's values with the followed ridge at across 0, (along, across)."""
    rows = [
        np.interp(strip.across_px + offset, strip.across_px, row)
        for row, offset in zip(strip.values, offset_px, strict=True)
    ]
    return np.asarray(rows, dtype=np.float32)


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


def run_end(height: Vector, from_index: int, step: int, plateau: float, level: float) -> tuple[float, bool]:
    """Index (sub-sample) to which a run of about `plateau` height reaches from `from_index`, going by `step`.

    The run ends where the evidence for it, summed outwards, is greatest: samples near the plateau count for it,
    others against it, so that neither a gap within nor a speckle beyond decides. The end is then put where the
    height crosses `level` nearby. The second value is False when the run reaches the end of the data.
    """
    outwards = height[from_index::step] if step > 0 else height[from_index::-1]
    evidence = np.clip(1.0 - ((outwards - plateau) / (0.45 * plateau)) ** 2, -2.0, 1.0)
    last = int(np.argmax(np.cumsum(evidence)))
    beyond = last + 1
    while beyond < len(outwards) and outwards[beyond] >= level and beyond - last < len(outwards) // 20:
        beyond += 1
    if beyond >= len(outwards):
        return float(from_index + step * last), False
    drop = float(outwards[beyond - 1] - outwards[beyond])
    share = float(np.clip((outwards[beyond - 1] - level) / drop, 0.0, 1.0)) if drop > 0 else 0.5
    return from_index + step * (beyond - 1 + share), True
