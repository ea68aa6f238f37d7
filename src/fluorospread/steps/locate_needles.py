"""Finds needle tips in one frame: straight metal lines of needle width with one free end.

A needle is bright (attenuating), 0.3 to 0.8 mm wide, of even height along its shaft, and leads at one end to its
hub or out of the field; the other end is the tip. A false needle is worse than none: what fits only partly
is left out and named in the reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.normalisation import robust_sd, shrink, shrink_mask
from fluorospread.imaging.profiles import (
    Strip,
    falling_end,
    follow_ridge,
    full_width_px,
    ridge_height,
    straightened,
    strip_along,
)
from fluorospread.imaging.ridges import Segment, ridge_points, straight_segments
from fluorospread.model.anatomy import Side
from fluorospread.model.findings import LevelLabels, LevelStatus, NeedleTip, NotFound
from fluorospread.model.geometry import PointPx
from fluorospread.model.radiograph import BoolImage, FloatImage, Quantity, Radiograph


@dataclass(frozen=True)
class NeedleSettings:
    """What passes for a needle.

    Attributes
    ----------
    width_mm
        Full width at half height, smallest and largest, blur and magnification included.
    least_length_mm
        Shorter lines are not told from bone edges.
    least_snr
        Height of the shaft over the noise of a 1 mm step along it.
    least_even
        Share of the shaft that reaches half its median height.
    largest_scatter, largest_step
        Robust sd of the height along the shaft, and the typical step of the background from one flank to the
        other, both over the height: a rod of metal is even and adds itself to both sides alike.
    least_log_height, least_relative_height
        Height of the shaft in natural log (25 G behind twice as much scatter as primary gives 0.1), or as a
        share of the image's 1-99 % range.
    tip_level
        Height, as a share of the shaft's, taken for the tip; below a half because the bevel thins out.
    most_needles
        More plausible lines than this mean clutter, and none is reported.
    assumed_field_mm
        Field width that sets filter sizes where neither the file nor the levels give a scale.
    """

    width_mm: tuple[float, float] = (0.35, 1.35)
    least_length_mm: float = 14.0
    least_snr: float = 4.0
    least_even: float = 0.85
    largest_scatter: float = 0.35
    largest_step: float = 0.6
    least_log_height: float = 0.08
    least_relative_height: float = 0.07
    tip_level: float = 0.35
    most_needles: int = 3
    assumed_field_mm: float = 250.0


@dataclass(frozen=True)
class _Shaft:
    """A line that passed as a needle's shaft, in pixels of the searched frame."""

    tip: PointPx
    tail: PointPx
    direction: tuple[float, float]
    tip_sd_px: float
    score: float
    length_px: float


def locate_needles(
    radiograph: Radiograph,
    levels: LevelLabels,
    settings: NeedleSettings = NeedleSettings(),
    frame: int = 0,
) -> tuple[NeedleTip, ...] | NotFound:
    """Needle tips in `frame`, best first; sides need the spine's midline and, for the patient's, the orientation."""
    valid = radiograph.field_of_view
    if not valid.any():
        return NotFound("needle", "nothing of the image lies inside the field of view")
    mm_per_px = radiograph.geometry.mm_per_px or levels.estimated_mm_per_px
    if mm_per_px is None:
        mm_per_px = settings.assumed_field_mm / max(radiograph.shape)
    image = radiograph.pixels(frame)
    # Below 0.18 mm a pixel the shaft only gets wider in pixels, not clearer.
    factor = max(1, int(0.36 / mm_per_px / 1.0)) if mm_per_px < 0.18 else 1
    image, valid = shrink(image, factor), shrink_mask(valid, factor)
    scale = mm_per_px * factor
    least_height = settings.least_log_height
    if radiograph.quantity is not Quantity.NATURAL_LOG:
        low, high = np.quantile(image[valid][::5], [0.01, 0.99])
        least_height = settings.least_relative_height * float(high - low)
    segments = _line_segments(image, valid, scale, settings)
    reasons: list[str] = []
    shafts: list[_Shaft] = []
    for segment in segments:
        shaft = _as_shaft(image, valid, segment, (scale, least_height), settings)
        if isinstance(shaft, str):
            reasons.append(shaft)
        elif not any(_same_line(shaft, other, scale) for other in shafts):
            shafts.append(shaft)
    if not shafts:
        return NotFound("needle", _why_none(reasons))
    if len(shafts) > settings.most_needles:
        return NotFound("needle", f"{len(shafts)} lines look like needles; which is one cannot be told")
    shafts.sort(key=lambda s: -s.score)
    return tuple(_tip(shaft, factor, radiograph, levels) for shaft in shafts)


def _line_segments(image: FloatImage, valid: BoolImage, mm_per_px: float, settings: NeedleSettings) -> list[Segment]:
    from scipy import ndimage

    inner = ndimage.binary_erosion(valid, iterations=max(2, round(1.0 / mm_per_px)), border_value=0)
    ridges = ridge_points(image, inner, max(1.0, 0.38 / mm_per_px), 5.0 / mm_per_px)
    return straight_segments(ridges, image.shape, settings.least_length_mm / mm_per_px, 3.5 / mm_per_px)


def _as_shaft(
    image: FloatImage, valid: BoolImage, segment: Segment, scale: tuple[float, float], settings: NeedleSettings
) -> _Shaft | str:
    """The segment as a needle's shaft, or in words why it is none. `scale` is (mm per px, least height)."""
    mm_per_px, least_height = scale
    strip = strip_along(image, valid, (segment.start, segment.end), 7.0 / mm_per_px, 25.0 / mm_per_px)
    offset = follow_ridge(strip, 1.2 / mm_per_px, 2.0 / mm_per_px)
    values = straightened(strip, offset)
    height, step = ridge_height(values, strip.across_px, 0.3 / mm_per_px, (1.1 / mm_per_px, 2.2 / mm_per_px))
    inside = strip.inside[:, len(strip.across_px) // 2]
    height = np.where(inside, height, 0.0)
    body = (strip.along_px >= 0) & (strip.along_px <= segment.length_px)
    shaft = float(np.median(height[body]))
    if shaft < least_height:
        return "lines are too faint for metal"
    noise = robust_sd(np.diff(height[body])) / np.sqrt(2.0) * np.sqrt(min(1.0, mm_per_px))
    if shaft < settings.least_snr * noise or float((height[body] > 0.5 * shaft).mean()) < settings.least_even:
        return "lines are uneven along their length, as bone edges are"
    if robust_sd(height[body]) > settings.largest_scatter * shaft:
        return "lines are uneven along their length, as bone edges are"
    if float(np.median(np.abs(step[body]))) > settings.largest_step * shaft:
        return "lines are edges of something wider"
    width_mm = full_width_px(values[body], strip.across_px, 2.5 / mm_per_px) * mm_per_px
    if not settings.width_mm[0] <= width_mm <= settings.width_mm[1]:
        return "lines are not of a needle's width"
    return _with_tip(strip, offset, values, (height, inside, shaft), mm_per_px, settings)


def _with_tip(
    strip: Strip,
    offset: npt.NDArray[np.float64],
    values: FloatImage,
    along: tuple[npt.NDArray[np.float64], BoolImage, float],
    mm_per_px: float,
    settings: NeedleSettings,
) -> _Shaft | str:
    """Follow the shaft to both ends and tell the tip from the tail."""
    from scipy import ndimage

    height, inside, shaft = along
    even = ndimage.gaussian_filter1d(height, 0.5 / mm_per_px)
    middle = int(np.argmin(np.abs(strip.along_px - 0.5 * strip.along_px[-1] - 0.5 * strip.along_px[0])))
    gap = int(np.ceil(4.0 / mm_per_px))
    level = settings.tip_level * shaft
    ends = [falling_end(even, middle, step, level, gap) for step in (-1, 1)]
    length_px = ends[1][0] - ends[0][0]
    if length_px * mm_per_px < settings.least_length_mm:
        return "lines are too short"
    leaves = [_leaves_field(inside, end, step, mm_per_px) for end, step in zip(ends, (-1, 1), strict=True)]
    if all(leaves):
        return "a line crosses the whole field, as a wire or catheter does"
    hubs = [_hub_height(values, strip, end[0], step, mm_per_px) for end, step in zip(ends, (-1, 1), strict=True)]
    tails = [leave or hub > shaft for leave, hub in zip(leaves, hubs, strict=True)]
    if all(tails) and not any(leaves):
        # Both ends run into something bright; the hub is the one that clearly outshines the other.
        tails = [hubs[0] > 1.5 * hubs[1], hubs[1] > 1.5 * hubs[0]]
    if not any(tails) or all(tails):
        return "the tip of a line cannot be told from its other end"
    at = ends[1][0] if tails[0] else ends[0][0]
    tail_at = ends[0][0] if tails[0] else ends[1][0]
    tip = _place(strip, offset, at)
    # The last centimetre gives the direction, as the shaft may be bent.
    behind = at + np.sign(tail_at - at) * min(10.0 / mm_per_px, abs(tail_at - at))
    back = _place(strip, offset, behind)
    run = float(np.hypot(tip[0] - back[0], tip[1] - back[1]))
    direction = ((tip[0] - back[0]) / run, (tip[1] - back[1]) / run)
    body = even[int(min(at, tail_at)) : int(max(at, tail_at)) + 1]
    contrast = shaft / max(robust_sd(np.diff(height)) / np.sqrt(2.0), 1e-9)
    evenness = float((body > 0.6 * shaft).mean())
    score = evenness * float(np.clip(contrast / 8.0, 0.3, 1.0)) * float(np.clip(length_px * mm_per_px / 30.0, 0.5, 1.0))
    tip_sd_px = float(np.hypot(0.6 / mm_per_px, 1.0 / max(contrast, 1e-3)))
    return _Shaft(tip, _place(strip, offset, tail_at), direction, tip_sd_px, score, length_px)


def _leaves_field(inside: BoolImage, end: tuple[float, bool], step: int, mm_per_px: float) -> bool:
    """True where the line's end lies at the edge of the field of view."""
    index, closed = end
    ahead = np.arange(0, round(3.0 / mm_per_px) + 1) * step + round(index)
    within = (ahead >= 0) & (ahead < len(inside))
    return not closed or not within.all() or not bool(inside[ahead].all())


def _hub_height(values: FloatImage, strip: Strip, index: float, step: int, mm_per_px: float) -> float:
    """Height of what lies at a line's end over 1.6 mm width: a thin shaft gives half its own, a hub's ring twice."""
    from scipy import ndimage

    core = values[:, np.abs(strip.across_px) <= 0.8 / mm_per_px].mean(axis=1)
    apart = np.abs(strip.across_px)
    beside = (apart >= 1.8 / mm_per_px) & (apart <= 3.2 / mm_per_px)
    left = values[:, beside & (strip.across_px < 0)].mean(axis=1)
    right = values[:, beside & (strip.across_px > 0)].mean(axis=1)
    height = ndimage.uniform_filter1d(core - np.maximum(left, right), max(1, round(2.5 / mm_per_px)))
    around = np.arange(round(-6.0 / mm_per_px), round(8.0 / mm_per_px)) * step + round(index)
    around = around[(around >= 0) & (around < len(height))]
    return float(height[around].max()) if around.size else 0.0


def _place(strip: Strip, offset: npt.NDArray[np.float64], index: float) -> PointPx:
    along = float(np.interp(index, np.arange(len(strip.along_px)), strip.along_px))
    return strip.point(along, float(np.interp(index, np.arange(len(offset)), offset)))


def _same_line(a: _Shaft, b: _Shaft, mm_per_px: float) -> bool:
    """True for two finds on one needle: parallel, and one's tip close to the other's axis."""
    parallel = abs(a.direction[0] * b.direction[0] + a.direction[1] * b.direction[1]) > np.cos(np.deg2rad(12.0))
    away = (a.tip[0] - b.tip[0], a.tip[1] - b.tip[1])
    off_axis = abs(away[0] * b.direction[1] - away[1] * b.direction[0])
    return bool(parallel and off_axis < 3.0 / mm_per_px)


def _tip(shaft: _Shaft, factor: int, radiograph: Radiograph, levels: LevelLabels) -> NeedleTip:
    shift = (factor - 1) / 2.0
    tip = (shaft.tip[0] * factor + shift, shaft.tip[1] * factor + shift)
    sd = shaft.tip_sd_px * factor
    return NeedleTip(
        _side(tip, sd, radiograph, levels), tip, sd, float(np.clip(shaft.score, 0.0, 1.0)), shaft.direction
    )


def _side(tip: PointPx, sd_px: float, radiograph: Radiograph, levels: LevelLabels) -> Side | None:
    """Side of the spine's midline, None within 2 sd of it or where no midline is known."""
    midline = levels.midline_col(tip[0])
    if midline is None or levels.status is LevelStatus.INDETERMINATE:
        return None
    own = [v.uncertainty_px for v in levels.vertebrae if v.uncertainty_px is not None]
    sigma = float(np.hypot(sd_px, np.median(own) if own else 0.0))
    if abs(tip[1] - midline) < 2.0 * sigma:
        return None
    return radiograph.orientation.side_at(tip[1], midline)


def _why_none(reasons: list[str]) -> str:
    if not reasons:
        return "no straight line of metal stands out"
    most = max(set(reasons), key=reasons.count)
    return f"no line passes as a needle: {most}"
