"""Straight lines of the searched frame, and what each shows of a needle: its run, its two ends, its place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fluorospread.imaging.line_profile import End, LineProfile, Run, line_profile, run_between
from fluorospread.imaging.normalisation import robust_sd
from fluorospread.imaging.ridges import Segment, ridge_points, straight_segments
from fluorospread.imaging.spots import Spot
from fluorospread.model.geometry import PointPx
from fluorospread.steps.locate_needles.searched import SearchedFrame
from fluorospread.steps.locate_needles.settings import NeedleSettings

# Pieces of one shaft, broken where bone hides it, lie in line like this.
_IN_LINE_DEG, _IN_LINE_MM, _GAP_MM = 3.0, 1.5, 30.0


@dataclass(frozen=True)
class EndDisc:
    """The most salient disc in which a line ends: strength over the line's height, and salience; 0 without."""

    strength: float = 0.0
    salience: float = 0.0


@dataclass(frozen=True)
class Line:
    """A line as measured. Pairs are of its two ends, first to last.

    Attributes
    ----------
    leaves
        Whether it runs out of the field of view there.
    hubs
        Height of what lies there, averaged over 1.6 mm of width, over the line's own: about a half of a bare end.
    spots
        Strength, over the least height of a shaft, of the dense spot in which it ends; 0 without.
    discs
        What may be its hub, for all that is weaker than that, too.
    wander_mm, spread_mm
        How far, as 1 robust sd, the middle of what stands out leaves the line; 1 sd across of what stands out.
    places, lateral_mm
        Where the ends lie in the searched frame, and how far from the midline (0 where none is known).
    votes
        Weight of its ridge points.
    least_height
        Of a shaft in this image.
    """

    profile: LineProfile
    run: Run
    ends: tuple[End, End]
    leaves: tuple[bool, bool]
    hubs: tuple[float, float]
    spots: tuple[float, float]
    discs: tuple[EndDisc, EndDisc]
    wander_mm: float
    spread_mm: float
    places: tuple[PointPx, PointPx]
    lateral_mm: tuple[float, float]
    votes: float
    least_height: float

    @property
    def first(self) -> int:
        return round(self.ends[0][0])

    @property
    def last(self) -> int:
        return round(self.ends[1][0])

    @property
    def length_mm(self) -> float:
        return (self.ends[1][0] - self.ends[0][0]) * self.profile.mm_per_px


def line_segments(frame: SearchedFrame, settings: NeedleSettings) -> list[Segment]:
    """Straight runs of ridge points, and what pieces in line make together."""
    from scipy import ndimage

    scale = frame.mm_per_px
    inner = ndimage.binary_erosion(frame.valid, iterations=max(2, round(1.0 / scale)), border_value=0)
    ridges = ridge_points(frame.image, inner, max(1.0, 0.38 / scale), 5.0 / scale)
    rows, cols = frame.image.shape
    found = straight_segments(ridges, (rows, cols), settings.least_length_mm / scale, 3.5 / scale)
    return found + _joined(found, scale)


def _joined(segments: list[Segment], mm_per_px: float) -> list[Segment]:
    """Every two segments in line as one, from the outermost end to the other."""
    joined = []
    for index, one in enumerate(segments):
        for other in segments[index + 1 :]:
            long, short = (one, other) if one.length_px >= other.length_px else (other, one)
            way = np.subtract(long.end, long.start) / long.length_px
            turn = np.subtract(short.end, short.start) / short.length_px
            if abs(float(way @ turn)) < math.cos(math.radians(_IN_LINE_DEG)):
                continue
            away = np.array([np.subtract(end, long.start) for end in (short.start, short.end)])
            off_mm = np.abs(away[:, 0] * way[1] - away[:, 1] * way[0]) * mm_per_px
            along = np.sort(away @ way)
            gap_mm = max(along[0] - long.length_px, -along[1]) * mm_per_px
            if off_mm.max() > _IN_LINE_MM or not 0.0 < gap_mm < _GAP_MM:
                continue
            ends = sorted((long.start, long.end, short.start, short.end), key=lambda end: float(np.dot(end, way)))
            density = 0.5 * (one.density + other.density)
            joined.append(Segment(ends[0], ends[-1], one.weight + other.weight, density))
    return joined


def measured_line(frame: SearchedFrame, segment: Segment, settings: NeedleSettings) -> Line | str:
    """What the line along a segment shows, or in words why it is not looked at any further."""
    profile = line_profile(frame.image, frame.valid, (segment.start, segment.end), frame.mm_per_px)
    if profile.plateau < frame.least_height:
        return "lines are too faint for metal"
    if not settings.width_mm[0] <= profile.width_mm <= settings.width_mm[1]:
        return "lines are not of a needle's width"
    (start, start_closed), (stop, stop_closed) = profile.ends(settings.tip_level)
    ends: tuple[End, End] = ((start, -1), (stop, 1))
    length_mm = (stop - start) * frame.mm_per_px
    if length_mm < settings.least_length_mm:
        return "lines are too short"
    places = (profile.point(start), profile.point(stop))
    within = slice(round(start), round(stop) + 1)
    return Line(
        profile=profile,
        run=run_between(profile, round(start), round(stop)),
        ends=ends,
        leaves=(not start_closed or profile.at_field_edge(ends[0]), not stop_closed or profile.at_field_edge(ends[1])),
        hubs=(_hub(profile, ends[0], length_mm), _hub(profile, ends[1], length_mm)),
        spots=(_spot_at(frame, profile, ends[0]), _spot_at(frame, profile, ends[1])),
        discs=(_disc_at(frame, profile, ends[0]), _disc_at(frame, profile, ends[1])),
        wander_mm=robust_sd(profile.astray_mm[within]),
        spread_mm=float(np.median(profile.spread_mm[within])),
        places=places,
        lateral_mm=(frame.lateral_mm(places[0]), frame.lateral_mm(places[1])),
        votes=segment.weight,
        least_height=frame.least_height,
    )


def _hub(profile: LineProfile, end: End, length_mm: float) -> float:
    return profile.broad_height(end, length_mm) / profile.plateau


# A line runs through the hub or ends before it: how far within and beyond its end, and beside it, a hub's disc lies.
_WITHIN_MM, _BEYOND_MM = 4.0, 3.5


def _spot_at(frame: SearchedFrame, profile: LineProfile, end: End) -> float:
    """Strength, over the least height of a shaft, of the spot in which a line's end lies; 0 without."""
    found = _at_end(frame.spots, frame, profile, end, 1.5)
    return max((spot.strength for spot in found), default=0.0) / frame.least_height


def _disc_at(frame: SearchedFrame, profile: LineProfile, end: End) -> EndDisc:
    found = _at_end(frame.discs, frame, profile, end, 1.2)
    if not found:
        return EndDisc()
    disc = max(found, key=lambda one: one.salience)
    return EndDisc(disc.strength / profile.plateau, disc.salience)


def _at_end(
    spots: Sequence[Spot], frame: SearchedFrame, profile: LineProfile, end: End, beside_mm: float
) -> list[Spot]:
    place, scale = profile.point(end[0]), frame.mm_per_px
    direction = profile.strip.direction
    found = []
    for spot in spots:
        away = (spot.centre[0] - place[0], spot.centre[1] - place[1])
        along_mm = end[1] * (away[0] * direction[0] + away[1] * direction[1]) * scale
        off_mm = abs(away[1] * direction[0] - away[0] * direction[1]) * scale
        if -_WITHIN_MM <= along_mm <= _BEYOND_MM and off_mm <= beside_mm:
            found.append(spot)
    return found
