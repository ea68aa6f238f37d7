"""What lies along a thin bright line: its height over both flanks, its width, its ends, and what is at them.

Points are (row, col) px; an *index* is a place along the line in samples of the profile, a pixel apart; an
*end* is an index and the step (-1 or 1) that leads outwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.normalisation import BoolArray, FloatArray, robust_sd
from fluorospread.imaging.profiles import (
    Strip,
    Vector,
    end_spread,
    follow_ridge,
    full_width_px,
    refined_ridge,
    ridge_height,
    run_end,
    running_median,
    straightened,
    strip_along,
)

PointPx = tuple[float, float]
End = tuple[float, int]

# Half width of the strip looked at, and how far it goes on beyond the line's ends.
_BESIDE_MM, _BEYOND_MM = 7.0, 25.0
# Flanks of a height that takes in slow changes beside the line, and of one that only thin lines have: an end plate
# or a rim in line with a shaft is wider than it.
_FLANKS_MM, _NEAR_FLANKS_MM = (1.1, 2.2), (0.8, 1.25)


# From these on, of its place and as a share of its width, what lies in line with a rod speaks against being it.
_STRAY_MM, _STRAY_WIDTH, _MOST_STRAYING = 0.2, 0.35, 1.5
# Within these it speaks for being it, by so much.
_TRUE_MM, _TRUE_WIDTH, _FOR_TRUE = 0.1, 0.2, 1.0


@dataclass(frozen=True)
class LineProfile:
    """A line resampled along the ridge that it follows.

    Attributes
    ----------
    values
        (along, across), the ridge at across 0.
    height, step
        (along,) of its core above the mean of its flanks (0 outside the field of view), and of the right flank
        above the left, in units of the image.
    thin_height, thin_step
        The same two with flanks so near that only a line of this width has such a height, scaled to the plateau.
    astray_mm, spread_mm
        (along,) how far the middle of what stands out lies from the line, and its 1 sd across: a rod of metal keeps
        to 0.05 mm of its line and to its width, bone does not.
    given
        First and last sample between the ends that were given.
    plateau
        Median height between the ends that were given.
    width_mm
        Full width at half height, inf where it does not come down.
    """

    strip: Strip
    offset_px: Vector
    values: FloatArray
    height: Vector
    step: Vector
    thin_height: Vector
    thin_step: Vector
    astray_mm: Vector
    spread_mm: Vector
    given: tuple[int, int]
    plateau: float
    width_mm: float
    mm_per_px: float

    def point(self, index: float) -> PointPx:
        """(row, col) of a place along the line."""
        samples = np.arange(len(self.offset_px))
        along = float(np.interp(index, samples, self.strip.along_px))
        return self.strip.point(along, float(np.interp(index, samples, self.offset_px)))

    def ends(self, level: float) -> tuple[tuple[float, bool], tuple[float, bool]]:
        """Index (sub-sample) of both ends at a share `level` of the plateau, and whether the line really ends there."""
        reach, middle = self._reach(), len(self.height) // 2
        even, straying = self._even(), self._straying()
        first = run_end(even, middle, -1, self.plateau, level * self.plateau, reach, straying)
        return first, run_end(even, middle, 1, self.plateau, level * self.plateau, reach, straying)

    def end_spread_mm(self, end: End) -> float:
        """1 sd of where the line ends, by how much less the evidence is for its other possible ends on that side."""
        middle = len(self.height) // 2
        spread = end_spread(self._even(), middle, end[1], self.plateau, self._reach(), self._straying())
        return spread * self.mm_per_px

    def _even(self) -> Vector:
        """Height over both flanks, or, where bone beside one of them hides it, up to the plateau over the lower one."""
        from scipy import ndimage

        height = ndimage.gaussian_filter1d(self.thin_height, 0.3 / self.mm_per_px)
        step = ndimage.gaussian_filter1d(self.thin_step, 0.6 / self.mm_per_px)
        return np.asarray(np.maximum(height, np.minimum(height + 0.5 * np.abs(step), self.plateau)))

    def _straying(self) -> Vector:
        """Evidence against a rod in every sample: how far its middle and its width are off, over what is usual here.

        Negative, for it, where both are as they should be: a display curve or bone takes height away, but not that.
        """
        body = slice(self.given[0], self.given[1] + 1)
        width_mm = max(float(np.median(self.spread_mm[body])), 1e-6)
        place_limit_mm = max(_STRAY_MM, 3.0 * robust_sd(self.astray_mm[body]))
        width_limit_mm = max(_STRAY_WIDTH * width_mm, 3.0 * robust_sd(self.spread_mm[body]))
        off = (self.astray_mm / place_limit_mm) ** 2 + ((self.spread_mm - width_mm) / width_limit_mm) ** 2
        true = (np.abs(self.astray_mm) < _TRUE_MM) & (np.abs(self.spread_mm - width_mm) < _TRUE_WIDTH * width_mm)
        return np.asarray(np.clip(off, 0.0, _MOST_STRAYING) - _FOR_TRUE * true)

    def _reach(self) -> int:
        return max(2, round(0.8 / self.mm_per_px))

    def rise_beyond(self, end: End) -> float:
        """Level of the image 1 to 5 mm beyond an end less that within it, over the plateau: above 1 where something
        denser than the line begins."""
        core = self.values[:, np.abs(self.strip.across_px) <= 0.4 / self.mm_per_px].mean(axis=1)
        beyond, within = self._beside_end(core, end, (1.0, 5.0))
        return float((np.median(beyond) - np.median(within)) / self.plateau) if beyond.size and within.size else 0.0

    def drop_at(self, end: End) -> float:
        """Height within 0.8 to 3.5 mm of an end less that as far beyond it, over the plateau: about 1 at a tip."""
        beyond, within = self._beside_end(self.height, end, (0.8, 3.5))
        return float((within.mean() - beyond.mean()) / self.plateau) if beyond.size and within.size else 0.0

    def _beside_end(
        self, along: npt.NDArray[np.floating], end: End, between_mm: tuple[float, float]
    ) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
        """What lies so far beyond an end and what so far within it, cut at the ends of the data."""
        first, last = (round(mm / self.mm_per_px) for mm in between_mm)
        away = np.arange(first, last) * end[1]
        beyond, within = round(end[0]) + away, round(end[0]) - away
        return (along[beyond[(beyond >= 0) & (beyond < len(along))]],
                along[within[(within >= 0) & (within < len(along))]])  # fmt: skip

    def bend_mm(self, first: int, last: int) -> float:
        """How far the line's ridge lies off the straight way in the middle between two samples."""
        offset = self.offset_px
        return float(abs(offset[first] + offset[last] - 2.0 * offset[(first + last) // 2]) * self.mm_per_px)

    def at_field_edge(self, end: End) -> bool:
        """Whether the field of view ends within 3 mm outwards of an end."""
        ahead = np.arange(0, round(3.0 / self.mm_per_px) + 1) * end[1] + round(end[0])
        middle = self.strip.inside[:, len(self.strip.across_px) // 2]
        within = (ahead >= 0) & (ahead < len(middle))
        return not within.all() or not bool(middle[ahead].all())

    def goes_on(self, end: End) -> bool:
        """Whether the line, bent or fainter, is found again in the 15 mm beyond an end.

        Looked for in a fan of straight ways out of the end: 20 degrees to either side, from up to 1 mm beside it,
        1 to 15 mm beyond. Found where seven tenths of a way stand out by half the plateau over both flanks.
        """
        from scipy import ndimage

        scale = self.mm_per_px
        middle = len(self.strip.across_px) // 2
        beyond = np.arange(1.0, 15.0, 0.25) / scale
        turn = np.tan(np.deg2rad(np.arange(-20.0, 20.5, 1.0)))[:, None, None]
        beside = (np.arange(-1.0, 1.1, 0.25) / scale)[None, :, None]
        across_step = float(self.strip.across_px[1] - self.strip.across_px[0])
        rows = np.broadcast_to(end[0] + end[1] * beyond, (turn.shape[0], beside.shape[1], len(beyond)))
        centre = beside + turn * beyond

        def at(offset_mm: float) -> FloatArray:
            cols = middle + (centre + offset_mm / scale) / across_step
            return np.asarray(ndimage.map_coordinates(self.values, [rows, cols], order=1, mode="nearest"))

        core = (at(-0.2) + at(0.0) + at(0.2)) / 3.0
        flanks = np.maximum((at(-1.2) + at(-1.6)) / 2.0, (at(1.2) + at(1.6)) / 2.0)
        height = ndimage.uniform_filter1d(core - flanks, 5, axis=2)
        found = (height > 0.5 * self.plateau).mean(axis=2)
        return bool(found.max() >= 0.7)

    def broad_height(self, end: End, run_mm: float) -> float:
        """Height of what lies at an end, averaged over 1.6 mm of width, 0 without any.

        A thin line gives half its own height, a ring or disc of a few mm twice. Of a line of `run_mm` the part
        next to the other end does not count.
        """
        from scipy import ndimage

        index, step = end
        across, mm_per_px = self.strip.across_px, self.mm_per_px
        core = self.values[:, np.abs(across) <= 0.8 / mm_per_px].mean(axis=1)
        beside = (np.abs(across) >= 1.8 / mm_per_px) & (np.abs(across) <= 3.2 / mm_per_px)
        left = self.values[:, beside & (across < 0)].mean(axis=1)
        right = self.values[:, beside & (across > 0)].mean(axis=1)
        height = ndimage.uniform_filter1d(core - np.maximum(left, right), max(1, round(2.5 / mm_per_px)))
        around = np.arange(-round(min(6.0, 0.3 * run_mm) / mm_per_px), round(8.0 / mm_per_px)) * step + round(index)
        around = around[(around >= 0) & (around < len(height))]
        return float(height[around].max()) if around.size else 0.0


def line_profile(image: FloatArray, valid: BoolArray, ends: tuple[PointPx, PointPx], mm_per_px: float) -> LineProfile:
    """The profile along the line between two places, carried on beyond both.

    Raises
    ------
    ValueError
        When both ends are the same.
    """
    (r0, c0), (r1, c1) = ends
    length_px = float(np.hypot(r1 - r0, c1 - c0))
    strip = strip_along(image, valid, ends, _BESIDE_MM / mm_per_px, _BEYOND_MM / mm_per_px)
    offset = follow_ridge(strip, 1.2 / mm_per_px, 2.0 / mm_per_px, (0.0, length_px))
    offset, astray, spread = refined_ridge(strip, offset, 1.3 / mm_per_px, 0.5 / mm_per_px, (0.0, length_px))
    values = straightened(strip, offset)
    body = (strip.along_px >= 0) & (strip.along_px <= length_px)
    width_mm = full_width_px(values[body], strip.across_px, 2.5 / mm_per_px) * mm_per_px
    height, step = _height(strip, values, _FLANKS_MM, mm_per_px)
    plateau = float(np.median(height[body]))
    thin, thin_step = _height(strip, values, _NEAR_FLANKS_MM, mm_per_px)
    to_plateau = plateau / max(float(np.median(thin[body])), 1e-9)
    given = np.flatnonzero(body)
    return LineProfile(
        strip=strip,
        offset_px=offset,
        values=values,
        height=height,
        step=step,
        thin_height=thin * to_plateau,
        thin_step=thin_step * to_plateau,
        astray_mm=astray * mm_per_px,
        spread_mm=spread * mm_per_px,
        given=(int(given[0]), int(given[-1])),
        plateau=plateau,
        width_mm=width_mm,
        mm_per_px=mm_per_px,
    )


def _height(
    strip: Strip, values: FloatArray, flanks_mm: tuple[float, float], mm_per_px: float
) -> tuple[Vector, Vector]:
    """Height of the core over flanks, 0 outside the field of view, and the right flank less the left."""
    flanks = (flanks_mm[0] / mm_per_px, flanks_mm[1] / mm_per_px)
    height, step = ridge_height(values, strip.across_px, 0.3 / mm_per_px, flanks)
    return np.where(strip.inside[:, len(strip.across_px) // 2], height, 0.0), step


@dataclass(frozen=True)
class Run:
    """What speaks for a rod of metal in a stretch of a line; `unevenness` and the rest are over its own height.

    Attributes
    ----------
    noise
        1 sd of the height from sample to sample, in units of the image.
    filled
        Share of the stretch that reaches half the slowly changing height.
    scatter, background, lowest
        1 robust sd of the height; median difference of the flanks; how far its lowest tenth falls short.
    """

    noise: float
    filled: float
    scatter: float
    background: float
    lowest: float


def run_between(profile: LineProfile, first: int, last: int) -> Run:
    """The stretch from sample `first` to `last`, both included."""
    stretch = profile.height[first : last + 1]
    # Bone behind metal and display curves change a rod's height slowly; unevenness is what is quicker.
    slow = running_median(stretch, max(3, round(10.0 / profile.mm_per_px)))
    slow = np.clip(slow, 0.5 * profile.plateau, 2.0 * profile.plateau)
    even: npt.NDArray[np.float64] = stretch / slow
    return Run(
        noise=max(robust_sd(np.diff(stretch)) / float(np.sqrt(2.0)), 1e-9),
        filled=float((even > 0.5).mean()),
        scatter=robust_sd(even),
        background=float(np.median(np.abs(profile.step[first : last + 1] / slow))),
        lowest=1.0 - float(np.quantile(even, 0.1)),
    )
