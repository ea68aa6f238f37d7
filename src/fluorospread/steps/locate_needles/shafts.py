"""Straight lines of metal, and which of their ends is the tip."""

from __future__ import annotations

import numpy as np

from fluorospread.imaging.line_profile import End, LineProfile, Run, line_profile, run_between
from fluorospread.imaging.ridges import Segment, ridge_points, straight_segments
from fluorospread.model.geometry import PointPx
from fluorospread.steps.locate_needles.searched import SearchedFrame, Shaft, apart_px
from fluorospread.steps.locate_needles.settings import NeedleSettings, ShaftLimits

# Indices of a line's two ends, and the step that leads outwards at each.
_OUTWARDS = (-1, 1)


def line_segments(frame: SearchedFrame, settings: NeedleSettings) -> list[Segment]:
    from scipy import ndimage

    scale = frame.mm_per_px
    inner = ndimage.binary_erosion(frame.valid, iterations=max(2, round(1.0 / scale)), border_value=0)
    ridges = ridge_points(frame.image, inner, max(1.0, 0.38 / scale), 5.0 / scale)
    rows, cols = frame.image.shape
    return straight_segments(ridges, (rows, cols), settings.with_hub.length_mm / scale, 3.5 / scale)


def as_shaft(frame: SearchedFrame, segment: Segment, settings: NeedleSettings) -> Shaft | str:
    """The segment as a needle's shaft, or in words why it is none."""
    profile = line_profile(frame.image, frame.valid, (segment.start, segment.end), frame.mm_per_px)
    if profile.plateau < frame.least_height:
        return "lines are too faint for metal"
    if not settings.width_mm[0] <= profile.width_mm <= settings.width_mm[1]:
        return "lines are not of a needle's width"
    found = profile.ends(settings.tip_level)
    ends = [(index, way) for (index, _), way in zip(found, _OUTWARDS, strict=True)]
    leaves = [not closed or profile.at_field_edge(end) for (_, closed), end in zip(found, ends, strict=True)]
    length_mm = (ends[1][0] - ends[0][0]) * frame.mm_per_px
    hubs = [profile.broad_height(end, length_mm) / profile.plateau for end in ends]
    spots = [_spot_at(frame, profile, end, settings.spot_beyond_mm) for end in ends]
    places = [profile.point(index) for index, _ in ends]
    lateral_mm = [frame.lateral_mm(place) for place in places]
    tail = _tail_end(leaves, (hubs, spots), lateral_mm, settings)
    if isinstance(tail, str):
        return tail
    if frame.levels.vertebrae and max(lateral_mm) < settings.least_lateral_mm:
        return "lines run along the midline, as spinous processes do"
    if max(spots) == 0 and not any(leaves) and _meets_midline(frame, places, tail):
        return "lines cross the midline or come from it, as no needle does"
    limits = settings.with_hub if hubs[tail] > settings.least_hub_over_shaft else settings.without_hub
    if spots[tail] > 0 and (lateral_mm[tail] >= lateral_mm[1 - tail] or not frame.levels.vertebrae):
        limits = settings.with_spot
    elif spots[tail] == 0 and any(
        profile.goes_on(e) for e, leaves_here in zip(ends, leaves, strict=True) if not leaves_here
    ):
        return "lines go on beyond what looked like a tip, as wires and catheters do"
    return _measured(profile, ends, tail, (limits, settings.least_snr))


def _measured(profile: LineProfile, ends: list[End], tail: int, limits: tuple[ShaftLimits, float]) -> Shaft | str:
    """A line with its tail at one end as a shaft, or why it is none (`limits`: of shape, of height over noise)."""
    shape, least_snr = limits
    first, last = round(ends[0][0]), round(ends[1][0])
    if (last - first) * profile.mm_per_px < shape.length_mm:
        return "lines are too short"
    run = run_between(profile, first, last)
    unlike = _unlikeness(run, profile.width_mm, shape)
    if unlike > shape.unlikeness:
        return "lines are uneven, or edges of something wider, as bone is"
    if profile.plateau < least_snr * run.noise:
        return "lines do not stand out from noise"
    tip, hub = profile.point(ends[1 - tail][0]), profile.point(ends[tail][0])
    # The last centimetre gives the direction, as the shaft may be bent.
    way = _OUTWARDS[tail] * min(10.0 / profile.mm_per_px, float(last - first))
    back = profile.point(ends[1 - tail][0] + way)
    apart = max(apart_px(tip, back), 1e-9)
    # Half where the next bone edge would be let in; the unlikeness of most needles gives 0.8 to 0.98.
    score = 1.0 / (1.0 + float(np.exp(1.6 * (unlike - 3.6))))
    return Shaft(
        tip,
        hub,
        ((tip[0] - back[0]) / apart, (tip[1] - back[1]) / apart),
        float(np.hypot(0.5 / profile.mm_per_px, run.noise / profile.plateau)),
        score,
        float(last - first),
    )


def _meets_midline(frame: SearchedFrame, ends: list[PointPx], tail: int) -> bool:
    """Whether a line has its ends on both sides of the midline, or its tail on it; False without a midline."""
    if not frame.levels.vertebrae:
        return False
    least_mm = 6.0
    lateral_mm = [frame.lateral_mm(end) for end in ends]
    crosses = frame.right_of_midline(ends[0]) != frame.right_of_midline(ends[1])
    return (crosses and min(lateral_mm) > least_mm) or lateral_mm[tail] < least_mm


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


def _unlikeness(run: Run, width_mm: float, limits: ShaftLimits) -> float:
    """How little a line is like a shaft: about 1.5 for needles, above 3 for bone (lower is better).

    A rod of metal is even, thin, and adds itself to both sides alike. The four weights are about the 90th
    percentiles of true shafts; chosen on seeds 0-33 of the tuning set and on films without needles.
    """
    if run.filled < limits.even:
        return float("inf")
    return run.scatter / 0.2 + run.background / 0.3 + max(width_mm - 0.7, 0.0) / 0.4 + max(run.lowest, 0.0) / 0.35


def _spot_at(frame: SearchedFrame, profile: LineProfile, end: End, beyond_mm: float) -> float:
    """Strength, over the least height of a shaft, of the spot in which a line's end lies; 0 without."""
    place, scale = profile.point(end[0]), frame.mm_per_px
    direction = profile.strip.direction
    strongest = 0.0
    for spot in frame.spots:
        away = (spot.centre[0] - place[0], spot.centre[1] - place[1])
        along = end[1] * (away[0] * direction[0] + away[1] * direction[1])
        beside = abs(away[1] * direction[0] - away[0] * direction[1])
        if -4.0 <= along * scale <= beyond_mm and beside * scale <= 1.5:
            strongest = max(strongest, spot.strength / frame.least_height)
    return strongest
