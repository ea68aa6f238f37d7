"""Finds needle tips in one frame: straight metal lines of needle width with one free end.

A needle is bright (attenuating), 0.3 to 0.8 mm wide, of even height along its shaft, and leads at one end to its
hub or out of the field; the other end is the tip. A false needle is worse than none: what fits only partly
is left out and named in the reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.normalisation import robust_sd, shrink, shrink_mask
from fluorospread.imaging.profiles import (
    Strip,
    follow_ridge,
    full_width_px,
    ridge_height,
    run_end,
    running_median,
    straightened,
    strip_along,
)
from fluorospread.imaging.ridges import Segment, ridge_points, straight_segments
from fluorospread.imaging.spots import Spot, compact_spots, ray_from
from fluorospread.model.anatomy import Side
from fluorospread.model.findings import LevelLabels, LevelStatus, NeedleTip, NotFound
from fluorospread.model.geometry import PointPx
from fluorospread.model.radiograph import BoolImage, FloatImage, Quantity, Radiograph


@dataclass(frozen=True)
class ShaftLimits:
    """What a line must be to pass as a shaft.

    Attributes
    ----------
    length_mm
        Least length between its ends.
    even
        Least share of it that reaches half its median height.
    unlikeness
        Greatest sum of its unevenness, width and background; see `_unlikeness`.
    """

    length_mm: float
    even: float
    unlikeness: float


@dataclass(frozen=True)
class NeedleSettings:
    """What passes for a needle. Chosen on tuning seeds and on films without needles; see docs/steps.

    Attributes
    ----------
    with_hub, without_hub
        Limits for a line that ends in a hub, and for one that only leaves the field of view.
    width_mm
        Full width at half height, smallest and largest, blur and magnification included.
    hub_over_shaft, least_hub_over_shaft
        Height of a hub, averaged over 1.6 mm, over the height of the shaft (which itself would give about a
        half): from the first a hub is certain, from the second it is likely, as display curves flatten metal.
    least_snr
        Height of the shaft over the noise along it.
    least_log_height, least_relative_height
        Height of the shaft in natural log (25 G behind twice as much scatter as primary gives 0.1), or as a
        share of the image's 1-99 % range.
    tip_level
        Height, as a share of the shaft's, taken for the tip; below a half because the bevel thins out.
    with_spot
        Limits for a line that ends in a dense spot of a hub's size, which bone edges hardly do.
    spot_sigma_mm, spot_over_least
        Scale of the dense spot that a hub makes, and its least strength over the least height of a shaft.
    end_on_over_least, end_on_height
        A needle seen along its shaft: least strength of its spot, and its least height above all lines through
        it, both over the least height of a shaft.
    end_on_lateral_mm
        Least and greatest distance of such a hub from the midline: the junctions lie 18 to 35 mm from it.
    end_on_beyond_mm
        Greatest distance of such a hub beyond the first and last body.
    alone_mm
        Least distance of such a hub from other dense spots: letters and teeth of bone come in rows.
    ray_mm
        Nearest and farthest end of a foreshortened shaft from the middle of its hub.
    most_needles
        More plausible lines than this mean clutter, and none is reported.
    least_lateral_mm
        A line that stays this close to the midline from end to end is a spinous process.
    largest_lateral_mm, largest_beyond_mm
        Tips farther from the spine's midline, or beyond its first and last body, belong to something else.
    assumed_field_mm
        Field width that sets filter sizes where neither the file nor the levels give a scale.
    """

    with_hub: ShaftLimits = field(default_factory=lambda: ShaftLimits(7.0, 0.9, 3.0))
    without_hub: ShaftLimits = field(default_factory=lambda: ShaftLimits(25.0, 0.92, 2.6))
    width_mm: tuple[float, float] = (0.4, 1.25)
    hub_over_shaft: float = 1.0
    least_hub_over_shaft: float = 0.62
    least_snr: float = 6.0
    least_log_height: float = 0.08
    least_relative_height: float = 0.07
    tip_level: float = 0.35
    with_spot: ShaftLimits = field(default_factory=lambda: ShaftLimits(4.0, 0.85, 3.9))
    spot_sigma_mm: float = 0.85
    spot_over_least: float = 1.2
    end_on_over_least: float = 1.9
    end_on_height: float = 3.0
    end_on_lateral_mm: tuple[float, float] = (15.0, 55.0)
    alone_mm: float = 12.0
    end_on_beyond_mm: float = 15.0
    ray_mm: tuple[float, float] = (1.8, 16.0)
    most_needles: int = 3
    least_lateral_mm: float = 9.0
    largest_lateral_mm: float = 75.0
    largest_beyond_mm: float = 45.0
    assumed_field_mm: float = 250.0


@dataclass(frozen=True)
class _Shaft:
    """A line that passed as a needle's shaft, in pixels of the searched frame."""

    tip: PointPx
    tail: PointPx
    direction: tuple[float, float] | None
    tip_sd_px: float
    score: float
    length_px: float


@dataclass(frozen=True)
class _Frame:
    """The searched frame, shrunk by `factor`; `mm_per_px` and `least_height` are for its pixels."""

    image: FloatImage
    valid: BoolImage
    factor: int
    mm_per_px: float
    least_height: float
    levels: LevelLabels
    spots: tuple[Spot, ...] = ()

    def stored(self, point: PointPx) -> PointPx:
        """A point of the shrunk frame in stored pixels."""
        shift = (self.factor - 1) / 2.0
        return point[0] * self.factor + shift, point[1] * self.factor + shift

    def lateral_mm(self, point: PointPx) -> float:
        """Distance of a point of the shrunk frame from the spine's midline; 0 where no midline is known."""
        row, col = self.stored(point)
        midline = self.levels.midline_col(row)
        return 0.0 if midline is None else abs(col - midline) * self.mm_per_px / self.factor

    def right_of_midline(self, point: PointPx) -> bool:
        """Whether a point of the shrunk frame lies on the far-column side of the midline; False without one."""
        row, col = self.stored(point)
        midline = self.levels.midline_col(row)
        return midline is not None and col > midline

    def beyond_mm(self, point: PointPx) -> float:
        """How far a point lies above the first or below the last body; 0 between them or without any."""
        if not self.levels.vertebrae:
            return 0.0
        row = self.stored(point)[0]
        rows = [v.center_px[0] for v in self.levels.vertebrae]
        return max(min(rows) - row, row - max(rows), 0.0) * self.mm_per_px / self.factor


def locate_needles(
    radiograph: Radiograph,
    levels: LevelLabels,
    settings: NeedleSettings = NeedleSettings(),
    frame: int = 0,
) -> tuple[NeedleTip, ...] | NotFound:
    """Needle tips in `frame`, best first; sides need the spine's midline and, for the patient's, the orientation."""
    if not radiograph.field_of_view.any():
        return NotFound("needle", "nothing of the image lies inside the field of view")
    searched = _searched(radiograph, levels, settings, frame)
    reasons: list[str] = []
    shafts: list[_Shaft] = []
    for segment in _line_segments(searched, settings):
        shaft = _as_shaft(searched, segment, settings)
        if isinstance(shaft, str):
            reasons.append(shaft)
        elif (
            searched.lateral_mm(shaft.tip) > settings.largest_lateral_mm
            or searched.beyond_mm(shaft.tip) > settings.largest_beyond_mm
        ):
            reasons.append("lines end far from the spine")
        else:
            shafts.append(shaft)
    shafts = _one_each(shafts, searched.mm_per_px)
    shafts += _end_on(searched, shafts, settings)
    if not shafts:
        return NotFound("needle", _why_none(reasons))
    if len(shafts) > settings.most_needles:
        return NotFound("needle", f"{len(shafts)} lines look like needles; which is one cannot be told")
    return tuple(_tip(shaft, searched, radiograph) for shaft in shafts)


def _searched(radiograph: Radiograph, levels: LevelLabels, settings: NeedleSettings, frame: int) -> _Frame:
    mm_per_px = radiograph.geometry.mm_per_px or levels.estimated_mm_per_px
    if mm_per_px is None:
        mm_per_px = settings.assumed_field_mm / max(radiograph.shape)
    # A shaft is 0.7 mm wide: below 0.18 mm a pixel it only gets wider in pixels, not clearer.
    factor = max(1, int(0.36 / mm_per_px))
    image = shrink(radiograph.pixels(frame), factor)
    valid = shrink_mask(radiograph.field_of_view, factor)
    least_height = settings.least_log_height
    if radiograph.quantity is not Quantity.NATURAL_LOG and valid.any():
        low, high = np.quantile(image[valid][::5], [0.01, 0.99])
        least_height = settings.least_relative_height * float(high - low)
    scale = mm_per_px * factor
    spots = compact_spots(
        image, valid, settings.spot_sigma_mm / scale, settings.spot_over_least * least_height, 5.0 / scale
    )
    return _Frame(image, valid, factor, scale, least_height, levels, tuple(spots))


def _line_segments(frame: _Frame, settings: NeedleSettings) -> list[Segment]:
    from scipy import ndimage

    scale = frame.mm_per_px
    inner = ndimage.binary_erosion(frame.valid, iterations=max(2, round(1.0 / scale)), border_value=0)
    ridges = ridge_points(frame.image, inner, max(1.0, 0.38 / scale), 5.0 / scale)
    rows, cols = frame.image.shape
    return straight_segments(ridges, (rows, cols), settings.with_hub.length_mm / scale, 3.5 / scale)


def _as_shaft(frame: _Frame, segment: Segment, settings: NeedleSettings) -> _Shaft | str:
    """The segment as a needle's shaft, or in words why it is none."""
    image, valid, mm_per_px = frame.image, frame.valid, frame.mm_per_px
    strip = strip_along(image, valid, (segment.start, segment.end), 7.0 / mm_per_px, 25.0 / mm_per_px)
    offset = follow_ridge(strip, 1.2 / mm_per_px, 2.0 / mm_per_px, (0.0, segment.length_px))
    values = straightened(strip, offset)
    height, step = ridge_height(values, strip.across_px, 0.3 / mm_per_px, (1.1 / mm_per_px, 2.2 / mm_per_px))
    inside = strip.inside[:, len(strip.across_px) // 2]
    height = np.where(inside, height, 0.0)
    body = (strip.along_px >= 0) & (strip.along_px <= segment.length_px)
    shaft = float(np.median(height[body]))
    if shaft < frame.least_height:
        return "lines are too faint for metal"
    width_mm = full_width_px(values[body], strip.across_px, 2.5 / mm_per_px) * mm_per_px
    if not settings.width_mm[0] <= width_mm <= settings.width_mm[1]:
        return "lines are not of a needle's width"
    ends = _ends(height, shaft, settings, mm_per_px)
    leaves = [_leaves_field(inside, end, way, mm_per_px) for end, way in zip(ends, (-1, 1), strict=True)]
    length_mm = (ends[1][0] - ends[0][0]) * mm_per_px
    hubs = [
        _hub_height(values, strip, (end[0], way), length_mm, mm_per_px) / shaft
        for end, way in zip(ends, (-1, 1), strict=True)
    ]
    spots = [_spot_at(frame, strip, offset, (end[0], way)) for end, way in zip(ends, (-1, 1), strict=True)]
    lateral_mm = [frame.lateral_mm(_place(strip, offset, end[0])) for end in ends]
    tail = _tail_end(leaves, (hubs, spots), lateral_mm, settings)
    if isinstance(tail, str):
        return tail
    if frame.levels.vertebrae and max(lateral_mm) < settings.least_lateral_mm:
        return "lines run along the midline, as spinous processes do"
    if max(spots) == 0 and not any(leaves) and _meets_midline(frame, [_place(strip, offset, e[0]) for e in ends], tail):
        return "lines cross the midline or come from it, as no needle does"
    limits = settings.with_hub if hubs[tail] > settings.least_hub_over_shaft else settings.without_hub
    if spots[tail] > 0:
        limits = settings.with_spot
    first, last = round(ends[0][0]), round(ends[1][0])
    if (last - first) * mm_per_px < limits.length_mm:
        return "lines are too short"
    run = height[first : last + 1]
    # Bone behind metal and display curves change the shaft's height slowly; unevenness is what is quicker.
    slow = np.clip(running_median(run, max(3, round(10.0 / mm_per_px))), 0.5 * shaft, 2.0 * shaft)
    unlike = _unlikeness(run / slow, step[first : last + 1] / slow, width_mm, limits)
    if unlike > limits.unlikeness:
        return "lines are uneven, or edges of something wider, as bone is"
    noise = max(robust_sd(np.diff(height[first : last + 1])) / np.sqrt(2.0), 1e-9)
    tip, hub = _place(strip, offset, ends[1 - tail][0]), _place(strip, offset, ends[tail][0])
    # The last centimetre gives the direction, as the shaft may be bent.
    towards_hub = 1 if tail == 1 else -1
    back = _place(strip, offset, ends[1 - tail][0] + towards_hub * min(10.0 / mm_per_px, float(last - first)))
    apart = max(_apart(tip, back), 1e-9)
    if shaft < settings.least_snr * noise:
        return "lines do not stand out from noise"
    # Half where the next bone edge would be let in; the unlikeness of most needles gives 0.8 to 0.98.
    score = 1.0 / (1.0 + float(np.exp(1.6 * (unlike - 3.6))))
    return _Shaft(
        tip,
        hub,
        ((tip[0] - back[0]) / apart, (tip[1] - back[1]) / apart),
        float(np.hypot(0.5 / mm_per_px, noise / shaft)),
        score,
        float(last - first),
    )


def _meets_midline(frame: _Frame, ends: list[PointPx], tail: int) -> bool:
    """Whether a line has its ends on both sides of the midline, or its tail on it; False without a midline."""
    if not frame.levels.vertebrae:
        return False
    least_mm = 6.0
    lateral_mm = [frame.lateral_mm(end) for end in ends]
    crosses = frame.right_of_midline(ends[0]) != frame.right_of_midline(ends[1])
    return (crosses and min(lateral_mm) > least_mm) or lateral_mm[tail] < least_mm


def _ends(
    height: npt.NDArray[np.float64], plateau: float, settings: NeedleSettings, mm_per_px: float
) -> list[tuple[float, bool]]:
    """Index (sub-sample) of both ends, and whether the line really ends there."""
    from scipy import ndimage

    even = ndimage.gaussian_filter1d(height, 0.3 / mm_per_px)
    level, reach = settings.tip_level * plateau, max(2, round(0.8 / mm_per_px))
    return [run_end(even, len(height) // 2, way, plateau, level, reach) for way in (-1, 1)]


def _tail_end(
    leaves: list[bool], evidence: tuple[list[float], list[float]], lateral_mm: list[float], settings: NeedleSettings
) -> int | str:
    """Which end (0 or 1) is the needle's tail, or in words why that cannot be told.

    A hub is a dense spot and outshines the shaft (`evidence`: heights over the shaft's, strengths of spots);
    short of that, a shaft comes from lateral, as spinous processes are in the way of every other. `lateral_mm`
    is each end's distance from the midline, zero where no midline is known.
    """
    hubs, spots = evidence
    if all(leaves):
        return "a line crosses the whole field, as a wire or catheter does"
    lateral = 0.4 * float(np.tanh((lateral_mm[1] - lateral_mm[0]) / 10.0))
    if max(spots) > 0:
        return 1 if float(np.log((spots[1] + 0.3) / (spots[0] + 0.3))) + lateral > 0 else 0
    towards_second = float(np.log(max(hubs[1], 0.3) / max(hubs[0], 0.3))) + lateral
    end = 1 if towards_second > 0 else 0
    if any(leaves) and (max(hubs) < settings.hub_over_shaft or abs(towards_second) <= 0.25):
        return leaves.index(True)
    if max(hubs) > settings.least_hub_over_shaft and abs(towards_second) > 0.25 and (2 * end - 1) * lateral >= 0:
        return end
    return "the tip of a line cannot be told from its other end"


def _unlikeness(
    height: npt.NDArray[np.float64], step: npt.NDArray[np.float64], width_mm: float, limits: ShaftLimits
) -> float:
    """How little a line is like a shaft: about 1.5 for needles, above 3 for bone (lower is better).

    A rod of metal is even, thin, and adds itself to both sides alike. The four weights are about the 90th
    percentiles of true shafts; chosen on seeds 0-33 of the tuning set and on films without needles. `height`
    and `step` (of the flanks) are over the shaft's slowly changing height.
    """
    if float((height > 0.5).mean()) < limits.even:
        return float("inf")
    scatter = robust_sd(height)
    background = float(np.median(np.abs(step)))
    lowest = 1.0 - float(np.quantile(height, 0.1))
    return scatter / 0.2 + background / 0.3 + max(width_mm - 0.7, 0.0) / 0.4 + max(lowest, 0.0) / 0.35


def _end_on(frame: _Frame, shafts: list[_Shaft], settings: NeedleSettings) -> list[_Shaft]:
    """Needles seen almost along their shaft: the dense spot of a hub with a short shaft or none.

    At most one on each side of the midline, and none where a shaft was found on that side: a spot says less.
    """
    if not frame.levels.vertebrae:
        return []
    scale = frame.mm_per_px
    taken = {frame.right_of_midline(shaft.tip) for shaft in shafts}
    found: list[_Shaft] = []
    for spot in frame.spots:
        if frame.right_of_midline(spot.centre) in taken or frame.beyond_mm(spot.centre) > settings.end_on_beyond_mm:
            continue
        nearest, farthest = settings.end_on_lateral_mm
        if not nearest <= frame.lateral_mm(spot.centre) <= farthest:
            continue
        if any(0 < _apart(spot.centre, other.centre) * scale < settings.alone_mm for other in frame.spots):
            continue
        shaft = _foreshortened(frame, spot, settings)
        if shaft is not None and not any(_apart(spot.centre, s.tail) * scale < 12.0 for s in shafts):
            taken.add(frame.right_of_midline(spot.centre))
            found.append(shaft)
    return found


def _foreshortened(frame: _Frame, spot: Spot, settings: NeedleSettings) -> _Shaft | None:
    """The needle whose hub is this spot, None where neither a shaft nor its own density shows it to be one."""
    scale, least = frame.mm_per_px, frame.least_height
    reach = (settings.ray_mm[0] / scale, settings.ray_mm[1] / scale)
    ray = ray_from(frame.image, spot.centre, reach, scale, 1.3 * least)
    if ray is not None:
        tip = (spot.centre[0] + ray.end_px * ray.direction[0], spot.centre[1] + ray.end_px * ray.direction[1])
        return _Shaft(tip, spot.centre, ray.direction, 1.0 / scale, 0.7, ray.end_px)
    if spot.strength < settings.end_on_over_least * least or spot.height < settings.end_on_height * least:
        return None
    return _Shaft(spot.centre, spot.centre, None, 1.8 / scale, 0.6, 0.0)


def _apart(a: PointPx, b: PointPx) -> float:
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))


def _one_each(shafts: list[_Shaft], mm_per_px: float) -> list[_Shaft]:
    """Best first, with second finds on one needle left out."""
    kept: list[_Shaft] = []
    for shaft in sorted(shafts, key=lambda s: (-s.score, -s.length_px)):
        if not any(_same_line(shaft, other, mm_per_px) for other in kept):
            kept.append(shaft)
    return kept


def _leaves_field(inside: BoolImage, end: tuple[float, bool], step: int, mm_per_px: float) -> bool:
    """True where the line's end lies at the edge of the field of view."""
    index, closed = end
    ahead = np.arange(0, round(3.0 / mm_per_px) + 1) * step + round(index)
    within = (ahead >= 0) & (ahead < len(inside))
    return not closed or not within.all() or not bool(inside[ahead].all())


def _spot_at(frame: _Frame, strip: Strip, offset: npt.NDArray[np.float64], end: tuple[float, int]) -> float:
    """Strength, over the least height of a shaft, of the spot in which a line's end (index, step) lies; 0 without."""
    index, way = end
    place, reach = _place(strip, offset, index), 5.0 / frame.mm_per_px
    strongest = 0.0
    for spot in frame.spots:
        away = (spot.centre[0] - place[0], spot.centre[1] - place[1])
        along = way * (away[0] * strip.direction[0] + away[1] * strip.direction[1])
        beside = abs(away[1] * strip.direction[0] - away[0] * strip.direction[1])
        if -0.4 * reach <= along <= reach and beside <= 0.3 * reach:
            strongest = max(strongest, spot.strength / frame.least_height)
    return strongest


def _hub_height(values: FloatImage, strip: Strip, end: tuple[float, int], run_mm: float, mm_per_px: float) -> float:
    """Height of what lies at a line's end (index, step) over 1.6 mm width.

    A thin shaft gives half its own height, a hub's ring twice. The other end must not count on short shafts.
    """
    from scipy import ndimage

    index, step = end

    core = values[:, np.abs(strip.across_px) <= 0.8 / mm_per_px].mean(axis=1)
    apart = np.abs(strip.across_px)
    beside = (apart >= 1.8 / mm_per_px) & (apart <= 3.2 / mm_per_px)
    left = values[:, beside & (strip.across_px < 0)].mean(axis=1)
    right = values[:, beside & (strip.across_px > 0)].mean(axis=1)
    height = ndimage.uniform_filter1d(core - np.maximum(left, right), max(1, round(2.5 / mm_per_px)))
    around = np.arange(-round(min(6.0, 0.3 * run_mm) / mm_per_px), round(8.0 / mm_per_px)) * step + round(index)
    around = around[(around >= 0) & (around < len(height))]
    return float(height[around].max()) if around.size else 0.0


def _place(strip: Strip, offset: npt.NDArray[np.float64], index: float) -> PointPx:
    along = float(np.interp(index, np.arange(len(strip.along_px)), strip.along_px))
    return strip.point(along, float(np.interp(index, np.arange(len(offset)), offset)))


def _same_line(a: _Shaft, b: _Shaft, mm_per_px: float) -> bool:
    """True for two finds on one needle: parallel, and one's tip close to the other's axis."""
    if a.direction is None or b.direction is None:
        return _apart(a.tip, b.tip) < 3.0 / mm_per_px
    parallel = abs(a.direction[0] * b.direction[0] + a.direction[1] * b.direction[1]) > np.cos(np.deg2rad(12.0))
    away = (a.tip[0] - b.tip[0], a.tip[1] - b.tip[1])
    off_axis = abs(away[0] * b.direction[1] - away[1] * b.direction[0])
    return bool(parallel and off_axis < 3.0 / mm_per_px)


def _tip(shaft: _Shaft, frame: _Frame, radiograph: Radiograph) -> NeedleTip:
    tip, sd_px = frame.stored(shaft.tip), shaft.tip_sd_px * frame.factor
    side = _side(tip, sd_px, radiograph, frame.levels)
    return NeedleTip(side, tip, sd_px, float(np.clip(shaft.score, 0.0, 1.0)), shaft.direction)


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
