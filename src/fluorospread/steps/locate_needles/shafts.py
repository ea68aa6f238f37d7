"""Lines that pass as a needle's shaft, and where its tip is."""

from __future__ import annotations

import numpy as np

from fluorospread.imaging.ridges import Segment
from fluorospread.model.geometry import PointPx
from fluorospread.steps.locate_needles.likeness import shaft_log_odds, tail_log_odds
from fluorospread.steps.locate_needles.lines import Line, measured_line
from fluorospread.steps.locate_needles.searched import SearchedFrame, Shaft, apart_px
from fluorospread.steps.locate_needles.settings import NeedleSettings

# Indices of a line's two ends, and the step that leads outwards at each.
_OUTWARDS = (-1, 1)


def as_shaft(frame: SearchedFrame, segment: Segment, settings: NeedleSettings) -> Shaft | str:
    """The segment as a needle's shaft, or in words why it is none."""
    line = measured_line(frame, segment, settings)
    return line if isinstance(line, str) else _shaft(frame, line, settings)


def _shaft(frame: SearchedFrame, line: Line, settings: NeedleSettings) -> Shaft | str:
    known = bool(frame.levels.vertebrae)
    if all(line.leaves):
        return "a line crosses the whole field, as a wire or catheter does"
    if known and max(line.lateral_mm) < settings.least_lateral_mm:
        return "lines run along the midline, as spinous processes and catheters do"
    if line.run.filled < settings.least_filled:
        return "lines are interrupted"
    shaft = shaft_log_odds(line, known)
    if shaft < settings.least_log_odds:
        return "lines are uneven, or edges of something wider, as bone is"
    towards_last = tail_log_odds(line, known)
    if abs(towards_last) < settings.least_tail_log_odds:
        return "the tip of a line cannot be told from its other end"
    tail = 1 if towards_last > 0 else 0
    with_hub = line.spots[tail] > 0 or line.hubs[tail] >= settings.hub_over_shaft
    if not with_hub:
        if not any(line.leaves) and _meets_midline(frame, line, tail):
            return "lines cross the midline or come from it, as no needle does"
        if any(line.profile.goes_on(e) for e, leaves in zip(line.ends, line.leaves, strict=True) if not leaves):
            return "lines go on beyond what looked like a tip, as wires and catheters do"
    return _tipped(line, tail, with_hub, float(1.0 / (1.0 + np.exp(-shaft))), settings)


def _tipped(line: Line, tail: int, with_hub: bool, score: float, settings: NeedleSettings) -> Shaft:
    """The shaft whose tail is at one end of a line."""
    profile = line.profile
    tip_end, tail_end = line.ends[1 - tail], line.ends[tail]
    place = tip_end[0] + tip_end[1] * settings.bevel_mm / profile.mm_per_px
    tip = profile.point(place)
    # The last centimetre gives the direction, as the shaft may be bent.
    back = profile.point(tip_end[0] + _OUTWARDS[tail] * min(10.0 / profile.mm_per_px, float(line.last - line.first)))
    apart = max(apart_px(tip, back), 1e-9)
    spread_mm = profile.end_spread_mm(tip_end)
    sd_mm = float(np.hypot(settings.least_tip_sd_mm, settings.spread_share * spread_mm))
    if spread_mm > settings.ambiguous_spread_mm:
        # An end plate in line with the shaft leaves ends far apart about as likely as each other.
        sd_mm = 2.0 * spread_mm
    if profile.rise_beyond(tip_end) > settings.hidden_rise:
        sd_mm = max(sd_mm, settings.hidden_tip_sd_mm)
    return Shaft(
        tip,
        profile.point(tail_end[0]),
        ((tip[0] - back[0]) / apart, (tip[1] - back[1]) / apart),
        sd_mm / profile.mm_per_px,
        score,
        float(line.last - line.first),
        with_hub,
    )


def _meets_midline(frame: SearchedFrame, line: Line, tail: int) -> bool:
    """Whether a line has its ends on both sides of the midline, or its tail on it; False without a midline."""
    if not frame.levels.vertebrae:
        return False
    least_mm = 6.0
    sides: list[PointPx] = list(line.places)
    crosses = frame.right_of_midline(sides[0]) != frame.right_of_midline(sides[1])
    return (crosses and min(line.lateral_mm) > least_mm) or line.lateral_mm[tail] < least_mm
