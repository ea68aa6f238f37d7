"""A whole image to everything that the networks can tell about its spine, before any decision.

First the whole image is looked at, then regions along the chain found, twice: position by position and in
several sizes, each also mirrored. All looks are decoded together. Close-ups of the lowest vertebrae then
settle their centres and tell how far apart their pedicles are. Where two of them find one vertebra, the chain is
decoded anew through what they found; where the vertebra on S1 is S1 by its close-up, every name moves down by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from fluorospread.landmarks.decode_chain import (
    LAST_RIB,
    STEP_RATIO,
    STEP_SPREAD,
    Chain,
    Evidence,
    best_chain,
    candidate_points,
    evidence_of,
    lowered,
    votes,
)
from fluorospread.landmarks.network import MAP_CELLS, Maps, Pyramid, Region, look, peak
from fluorospread.model.radiograph import BoolImage, FloatImage

Points = npt.NDArray[np.float64]

RIB_CHANNEL = 6
"""Where the last rib sits in a person with five lumbar vertebrae: C6, the twelfth thoracic."""

# Position along the chain (as a share of its length, caudal 0) and size in pitches of the second looks.
_LOOKS = ((0.0, 6.0), (0.15, 7.5), (0.3, 6.2), (0.35, 9.5), (0.5, 8.0), (0.75, 7.0), (1.0, 7.5))
_CLOSE_UP_PITCHES = 3.0
# Lengths of a step that are tried, over the one last found.
_PITCHES = (0.7, 0.8, 0.9, 1.0, 1.12, 1.25, 1.45)
# Probability from which on a close-up of C1 that shows the first sacral vertebra lowers every name by one.
_SACRAL = 0.9
# Centres nearer to each other than this are one vertebra's.
_SAME_PITCHES = 0.45
CLOSE_UP_CHANNELS = (0, 1, 2, 3, 4)
RIB_LOOKS = (5, 6)
"""Channels whose close-ups are asked for a rib: L1 and T12 where there are five lumbar vertebrae."""


@dataclass(frozen=True)
class Anchors:
    """How surely each anchor is seen (0..1), and on which channel of the chain the last rib sits.

    rib_above: evidence that it sits on the vertebra above instead, as a share of the evidence for its own.
    lowered: the close-up of what was first taken for C1 showed the first sacral vertebra, so every name is one lower.
    """

    sacrum: float
    rib: float
    rib_channel: int | None
    rib_above: float = 0.0
    lowered: bool = False


@dataclass(frozen=True)
class CloseUps:
    """What close-ups of S1 and the lowest lumbar vertebrae say, one value a vertebra looked at.

    sure: probability of a vertebra's centre near where the chain has it; moved_pitches: how far off it is;
    pedicles_pitches: distance of the pedicles (lumbar only), NaN where either is not seen.
    transitional: probability that the last lumbar vertebra is one; ribs: that of a rib on each of RIB_LOOKS that is
    on the chain, by channel; sacral: that the vertebra looked at is the first of the sacrum, by channel; centres
    (n, 2) where they find the vertebrae, px.
    """

    sure: Points
    moved_pitches: Points
    pedicles_pitches: Points
    transitional: float = float("nan")
    ribs: Mapping[int, float] = field(default_factory=dict)
    sacral: Mapping[int, float] = field(default_factory=dict)
    centres: Points = field(default_factory=lambda: np.empty((0, 2)))


@dataclass(frozen=True)
class Reading:
    """Everything measured about one image: for decisions, calibration and tests.

    room_below, room_above: pitches of field of view beyond the chain's ends; votes: the shift that each
    region prefers by itself.
    """

    chain: Chain | None
    anchors: Anchors
    votes: tuple[int, ...]
    frontal: float
    close_ups: CloseUps | None = None
    room_below: float = 0.0
    room_above: float = 0.0


_NO_ANCHORS = Anchors(0.0, 0.0, None)


def whole_region(field: BoolImage) -> Region:
    """The square around the field of view, or around the image where the field is empty."""
    lit = field if field.any() else np.ones_like(field)
    rows, cols = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1], cols[0], cols[-1]
    return Region(((top + bottom) / 2, (left + right) / 2), float(max(bottom - top, right - left) + 1))


def _both_ways(regions: list[Region]) -> list[Region]:
    return [Region(r.centre, r.side_px, m) for r in regions for m in (False, True)]


def _rough_pitch(views: list[Maps], fallback_px: float) -> float:
    """Pitch from the distances of neighbouring channels' peaks, weighted by how sure both are."""
    lengths, weights = [], []
    for view in views:
        peaks = [peak(view, k) for k in range(8)]
        for lower, upper in pairwise(peaks):
            lengths.append(float(np.hypot(*(upper[0] - lower[0]))))
            weights.append(lower[1] * upper[1])
    order = np.argsort(lengths)
    total = np.cumsum(np.array(weights)[order])
    if total[-1] < 0.05:
        return fallback_px
    return float(np.array(lengths)[order][int(np.searchsorted(total, total[-1] / 2))])


def _through(points: Points, views: list[Maps], pitch_px: float, sharpness: float) -> tuple[Chain | None, Evidence]:
    """The best chain through some of these points (n, 2) and no others."""
    evidence = evidence_of(views, points, 0.33 * pitch_px)
    return best_chain(evidence, [pitch_px * f for f in _PITCHES], sharpness), evidence


def _decode(views: list[Maps], pitch_px: float, sharpness: float) -> tuple[Chain | None, Evidence]:
    return _through(candidate_points(views, 0.3 * pitch_px), views, pitch_px, sharpness)


def along(chain: Chain, channel: float) -> Points:
    """Point on the chain at a (fractional) channel, extended straight beyond its ends."""
    channels, points = np.array(chain.channels, dtype=float), chain.points
    if channel > channels[-1]:
        return np.asarray(points[-1] + (points[-1] - points[-2]) * (channel - channels[-1]))
    if channel < channels[0]:
        return np.asarray(points[0] - (points[1] - points[0]) * (channels[0] - channel))
    return np.array([np.interp(channel, channels, points[:, axis]) for axis in (0, 1)])


def _closer(chain: Chain, whole: Region) -> list[Region]:
    low, high = chain.channels[0], chain.channels[-1]
    regions = []
    for share, pitches in _LOOKS:
        at = along(chain, low + share * (high - low))
        side = min(pitches * chain.pitch_px, 1.15 * whole.side_px)
        regions.append(Region((float(at[0]), float(at[1])), float(side)))
    return regions


def _anchors(chain: Chain, views: list[Maps], evidence: Evidence) -> Anchors:
    """The sacrum needs S1 on the chain, the rib a vertebra of the chain."""
    sacrum = 0.0
    s1 = chain.point_of(0)
    if s1 is not None:
        middle = (MAP_CELLS - 1) / 2
        seeing = [v for v in views if (abs(v.region.to_cells(s1) - middle) < middle - 1.5).all()]
        sacrum = float(np.mean([1 - v.absent[0] for v in seeing])) if seeing else 0.0
    nearest = [int(np.hypot(*(evidence.points - p).T).argmin()) for p in chain.points]
    at_chain = np.exp(evidence.rib[nearest])
    present = [1 - v.absent[LAST_RIB] for v in views if v.absent[LAST_RIB] < 0.5]
    if len(present) < 0.2 * len(views) or at_chain.max() < 0.1:
        return Anchors(sacrum, 0.0, None)
    best = int(at_chain.argmax())
    above = float(at_chain[best + 1] / at_chain[best]) if best + 1 < len(at_chain) else 0.0
    return Anchors(sacrum, float(np.mean(present)), chain.channels[best], above)


def _room(chain: Chain, field: BoolImage, outwards: int) -> float:
    """Pitches from the chain's upper (+1) or lower (-1) end to the edge of the field, straight on, up to 4."""
    end = chain.channels[-1] if outwards > 0 else chain.channels[0]
    for distance in np.arange(0.25, 4.01, 0.25):
        row, col = np.rint(along(chain, end + outwards * float(distance))).astype(int)
        if not (0 <= row < field.shape[0] and 0 <= col < field.shape[1] and field[row, col]):
            return float(distance) - 0.25
    return 4.0


def _crowds(chain: Chain, place: int, centre: Points) -> bool:
    """Whether S1, put at `centre`, would lie closer to L5 than nearly all sacra do (2 sd of the chain's own
    prior): its close-up then shows L5's disc or arch. Other vertebrae have neighbours on both sides to hold them."""
    if chain.channels[place] != 0 or place + 1 >= len(chain.points):
        return False
    step = float(np.hypot(*(chain.points[place + 1] - centre)))
    return bool(np.log(step / (chain.pitch_px * STEP_RATIO[0])) < -2.0 * STEP_SPREAD[0])


def _close_up(chain: Chain, pyramid: Pyramid) -> tuple[Chain, CloseUps]:
    """The chain with the centres of S1 and the lowest lumbar vertebrae settled by close-ups."""
    places = [i for i, k in enumerate(chain.channels) if k in CLOSE_UP_CHANNELS]
    looks = places + [i for i, k in enumerate(chain.channels) if k in RIB_LOOKS]
    regions = [
        Region((float(chain.points[i][0]), float(chain.points[i][1])), _CLOSE_UP_PITCHES * chain.pitch_px)
        for i in looks
    ]
    views = look("close-ups", pyramid, _both_ways(regions))
    told = {chain.channels[i]: views[2 * n : 2 * n + 2] for n, i in enumerate(looks)}
    transitional = float(np.mean([view.transitional for view in told[1]])) if 1 in told else float("nan")
    ribs = {k: float(np.mean([view.rib for view in pair])) for k, pair in told.items() if k in RIB_LOOKS}
    sacral = {k: float(np.mean([view.sacral for view in pair])) for k, pair in told.items() if k in CLOSE_UP_CHANNELS}
    points = chain.points.copy()
    sure, moved, apart, centres = [], [], [], []
    for n, i in enumerate(places):
        pair = views[2 * n : 2 * n + 2]
        found = [[peak(view, channel) for view in pair] for channel in range(5)]
        centre = np.mean([f[0] for f in found[4]], axis=0)
        mass = float(np.mean([f[1] for f in found[4]]))
        offset = float(np.hypot(*(centre - chain.points[i]))) / chain.pitch_px
        sure.append(mass)
        crowds = _crowds(chain, i, centre)
        # What looks sacral in its middle is S1 all the same.
        is_s1 = chain.channels[i] == 0 and sacral[0] >= 0.5
        moved.append(offset if mass > 0.3 and not (crowds and is_s1) else np.nan)
        centres.append(centre if mass > 0.5 else chain.points[i])
        if mass > 0.5 and offset < 0.3 and not crowds:
            points[i] = centre
        seen = min(f[1] for channel in (2, 3) for f in found[channel]) > 0.3 and chain.channels[i] > 0
        gap = np.mean([f[0] for f in found[2]], axis=0) - np.mean([f[0] for f in found[3]], axis=0)
        apart.append(float(np.hypot(*gap)) / chain.pitch_px if seen else np.nan)
    found_out = CloseUps(
        np.array(sure), np.array(moved), np.array(apart), transitional, ribs, sacral, np.array(centres)
    )
    return replace(chain, points=points), found_out


def _doubled(close_ups: CloseUps, chain: Chain) -> bool:
    """Whether the close-ups of two neighbouring lumbar vertebrae find one and the same."""
    lumbar = [c for c, k in zip(close_ups.centres, chain.channels, strict=False) if k > 0]
    return any(np.hypot(*(upper - lower)) < _SAME_PITCHES * chain.pitch_px for lower, upper in pairwise(lumbar))


def _found(close_ups: CloseUps, chain: Chain) -> Points:
    """The lumbar centres that close-ups found, each once, and the chain's other vertebrae."""
    lumbar = [c for c, k in zip(close_ups.centres, chain.channels, strict=False) if k > 0]
    others = [p for p, k in zip(chain.points, chain.channels, strict=True) if k not in CLOSE_UP_CHANNELS[1:]]
    points: list[Points] = []
    for point in (*lumbar, *others):
        if all(np.hypot(*(point - kept)) > _SAME_PITCHES * chain.pitch_px for kept in points):
            points.append(point)
    return np.array(points)


def _worst(close_ups: CloseUps) -> float:
    """How far the farthest of the centres found lies from the chain, pitches."""
    found = close_ups.moved_pitches[np.isfinite(close_ups.moved_pitches)]
    return float(found.max()) if len(found) else float("inf")


def read_spine(image: FloatImage, field: BoolImage, sharpness: float = 1.0) -> Reading:
    """Look, decode, look closer, decode again.

    Parameters
    ----------
    image, field
        (rows, cols): line-integral-like grey values with the head towards row 0, and where they are valid.
    sharpness
        See `best_chain`.
    """
    pyramid = Pyramid(image, field)
    whole = whole_region(field)
    wider, nearer = Region(whole.centre, 1.2 * whole.side_px), Region(whole.centre, 0.8 * whole.side_px)
    first = look("levels", pyramid, _both_ways([whole, wider, nearer]))
    pitch = _rough_pitch(first, whole.side_px / 9)
    views = first
    chain, evidence = _decode(views, pitch, sharpness)

    def nearer_views(chain: Chain) -> list[Maps]:
        return first[:4] + look("levels", pyramid, _both_ways(_closer(chain, whole)))

    for _ in range(2):
        if chain is None:
            break
        views = nearer_views(chain)
        chain, evidence = _decode(views, chain.pitch_px, sharpness)
    if chain is None:
        return Reading(None, _NO_ANCHORS, (), float(np.mean([v.frontal for v in views])))
    settled, close_ups = _close_up(chain, pyramid)
    if _doubled(close_ups, chain):
        points = _found(close_ups, chain)
        other = _through(points, views, chain.pitch_px, sharpness)[0]
        if other is not None:
            views_anew = nearer_views(other)
            other, evidence_anew = _through(points, views_anew, other.pitch_px, sharpness)
        if other is not None:
            settled_anew, close_ups_anew = _close_up(other, pyramid)
            if _worst(close_ups_anew) < _worst(close_ups):
                chain, views, evidence = other, views_anew, evidence_anew
                settled, close_ups = settled_anew, close_ups_anew
    frontal = float(np.mean([v.frontal for v in views]))
    opinions = tuple(votes(views, chain))
    anchors = _anchors(chain, views, evidence)
    if close_ups.sacral.get(1, 0.0) >= _SACRAL and len(chain.points) > 2:
        one_lower, close_ups_lower = _close_up(lowered(chain, close_ups.sacral[1]), pyramid)
        if close_ups_lower.sacral.get(1, 0.0) < 1 - _SACRAL:
            settled, close_ups = one_lower, close_ups_lower
            rib = None if anchors.rib_channel is None else anchors.rib_channel - 1
            anchors = replace(anchors, sacrum=close_ups.sacral[0], rib_channel=rib, lowered=True)
    return Reading(settled, anchors, opinions, frontal, close_ups, _room(settled, field, -1), _room(settled, field, 1))
