"""One radiograph to its numbered vertebrae, or to the reason why they cannot be numbered for certain.

Allowances: any field of view that shows at least two lumbar vertebrae, either polarity settled by the
reader, image rows towards head or feet, scoliosis, implants, contrast. Restrictions: frontal images (up to
about 20 degrees oblique); a numbering is *confident* only with an anchor (sacrum or twelfth rib) in view.
The rules are explained in docs/steps/label_levels.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.landmarks.decode_chain import (
    LAST_RIB,
    Chain,
    Evidence,
    best_chain,
    candidate_points,
    evidence_of,
    votes,
)
from fluorospread.landmarks.network import Maps, Pyramid, Region, look, peak
from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, Level
from fluorospread.model.findings import Anchor, LevelAlternative, LevelLabels, LevelStatus, Vertebra
from fluorospread.model.geometry import PointPx, RowsTowards
from fluorospread.model.radiograph import BoolImage, FloatImage, Radiograph

FIVE_LUMBAR = "five lumbar vertebrae, counted from the sacrum"
COUNTED_FROM_RIB = "last rib is the twelfth; counted downwards from it"

# Mean distance of neighbouring lumbar body centres L1-L5, mm, and its spread over people as a fraction
# (2,116 spines of the ImFusion VID key points).
MEAN_PITCH_MM = 35.8
PITCH_SPREAD = 0.08

# 1 sd of a body centre's place as a share of the pitch: about 1.8 mm, from held-out simulated images.
CENTRE_SPREAD_PITCHES = 0.05

_CHANNEL_LEVELS = (Level.S1, Level.L5, Level.L4, Level.L3, Level.L2, Level.L1, Level.T12, Level.T11)
_LUMBAR = range(1, 6)
_RIB_CHANNEL = 6


@dataclass(frozen=True)
class LabelSettings:
    """Thresholds of the decision *confident*; chosen on simulated images, see docs/steps/label_levels.md.

    Attributes
    ----------
    least_probability
        Probability of the numbering over its rivals (0..1).
    least_margin
        Lead over the best rival in nats of averaged evidence, per lumbar vertebra seen.
    least_votes
        Share of regions, each judged alone, that prefer this numbering (0..1).
    least_name
        Geometric mean probability of the lumbar vertebrae's names (0..1).
    least_anchor
        Probability that an anchor is in view (0..1).
    most_misfit
        Root mean square departure of the spacing from the expected, in sd.
    least_frontal
        Probability of a frontal view of the lumbar spine (0..1).
    sharpness
        Nats of truth a nat of averaged evidence is worth.
    """

    least_probability: float = 0.97
    least_margin: float = 0.8
    least_votes: float = 0.85
    least_name: float = 0.55
    least_anchor: float = 0.6
    most_misfit: float = 1.7
    least_frontal: float = 0.5
    sharpness: float = 1.0


@dataclass(frozen=True)
class Anchors:
    """How surely each anchor is seen, and where along the chain the last rib sits (channel, probability)."""

    sacrum: float
    rib: float
    rib_channel: int | None


@dataclass(frozen=True)
class Reading:
    """Everything measured about one image before a decision: for thresholds, calibration and tests."""

    chain: Chain | None
    anchors: Anchors
    votes: tuple[int, ...]
    frontal: float
    tight: tuple[Maps, ...] = ()


def _whole(field: BoolImage) -> Region:
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
        for lower, upper in zip(peaks[:-1], peaks[1:], strict=True):
            lengths.append(float(np.hypot(*(upper[0] - lower[0]))))
            weights.append(lower[1] * upper[1])
    order = np.argsort(lengths)
    total = np.cumsum(np.array(weights)[order])
    if total[-1] < 0.05:
        return fallback_px
    return float(np.array(lengths)[order][int(np.searchsorted(total, total[-1] / 2))])


def _decode(views: list[Maps], pitch_px: float, sharpness: float) -> tuple[Chain | None, Evidence]:
    points = candidate_points(views, 0.3 * pitch_px)
    if len(points) < 2:
        return None, Evidence(points, np.zeros((8, 0)), np.zeros(8), np.zeros(0), 0.0)
    evidence = evidence_of(views, points, 0.33 * pitch_px)
    return best_chain(evidence, [pitch_px * f for f in (0.8, 0.9, 1.0, 1.12, 1.25)], sharpness), evidence


def _along(chain: Chain, channel: float) -> npt.NDArray[np.float64]:
    """Point on the chain at a (fractional) channel, extended straight beyond its ends."""
    channels, points = np.array(chain.channels, dtype=float), chain.points
    inner = np.array([np.interp(channel, channels, points[:, axis]) for axis in (0, 1)])
    if channel > channels[-1]:
        inner = points[-1] + (points[-1] - points[-2]) * (channel - channels[-1])
    elif channel < channels[0]:
        inner = points[0] - (points[1] - points[0]) * (channels[0] - channel)
    return np.asarray(inner)


def _crops(chain: Chain, whole: Region) -> list[Region]:
    """Regions of about 7.5 and 6 pitches along the chain, kept within reach of the image."""
    low, high = chain.channels[0], chain.channels[-1]
    regions = []
    for channel, pitches in ((low + 1.5, 7.5), (low + 2.5, 6.2), ((low + high) / 2, 8.5), (high - 1.5, 7.0)):
        at = _along(chain, float(np.clip(channel, low - 0.5, high + 0.5)))
        side = min(pitches * chain.pitch_px, 1.15 * whole.side_px)
        regions.append(Region((float(at[0]), float(at[1])), float(side)))
    return regions


def _anchors(chain: Chain, views: list[Maps], evidence: Evidence) -> Anchors:
    """The sacrum needs S1 on the chain, the rib a vertebra of the chain."""
    sacrum = 0.0
    s1 = chain.point_of(0)
    if s1 is not None:
        seeing = [v for v in views if (abs(v.region.to_cells(s1) - 23.5) < 22).all()]
        sacrum = float(np.mean([1 - v.absent[0] for v in seeing])) if seeing else 0.0
    nearest = [int(np.hypot(*(evidence.points - p).T).argmin()) for p in chain.points]
    at_chain = np.exp(evidence.rib[nearest])
    present = float(np.mean([1 - v.absent[LAST_RIB] for v in views if v.absent[LAST_RIB] < 0.5] or [0.0]))
    seen = np.mean([v.absent[LAST_RIB] < 0.5 for v in views])
    if seen < 0.25 or at_chain.max() < 0.15:
        return Anchors(sacrum, 0.0, None)
    return Anchors(sacrum, present, chain.channels[int(at_chain.argmax())])


def read_levels(image: FloatImage, field: BoolImage, settings: LabelSettings) -> Reading:
    """Run the network over the whole image and crops along the spine, and decode the chain."""
    pyramid = Pyramid(image, field)
    whole = _whole(field)
    wider = Region(whole.centre, 1.2 * whole.side_px)
    first = look("levels", pyramid, _both_ways([whole, wider]))
    frontal = float(np.mean([v.frontal for v in first]))
    pitch = _rough_pitch(first, whole.side_px / 9)
    chain, evidence = _decode(first, pitch, settings.sharpness)
    if chain is None:
        return Reading(None, Anchors(0.0, 0.0, None), (), frontal)
    views = first
    for _ in range(2):
        closer = look("levels", pyramid, _both_ways(_crops(chain, whole)))
        views = first[:2] + closer
        again, evidence = _decode(views, chain.pitch_px, settings.sharpness)
        if again is None:
            return Reading(None, Anchors(0.0, 0.0, None), (), frontal)
        settled = len(again.channels) == len(chain.channels) and again.channels == chain.channels
        chain = again
        if settled:
            break
    frontal = float(np.mean([v.frontal for v in views]))
    return Reading(chain, _anchors(chain, views, evidence), tuple(votes(views, chain)), frontal, tuple(views))


def _doubts(reading: Reading, settings: LabelSettings) -> list[str]:
    """Every reason not to be confident, in words; empty when there is none."""
    chain, anchors = reading.chain, reading.anchors
    if chain is None:
        return ["no chain of vertebrae was found"]
    lumbar = [i for i, k in enumerate(chain.channels) if k in _LUMBAR]
    doubts = []
    if len(lumbar) < 2:
        doubts.append(f"only {len(lumbar)} lumbar vertebra{'e' if len(lumbar) != 1 else ''} in view")
    if anchors.sacrum < settings.least_anchor and anchors.rib < settings.least_anchor:
        doubts.append("neither sacrum nor twelfth rib is surely seen")
    if anchors.rib_channel is not None and anchors.sacrum >= settings.least_anchor and anchors.rib_channel != 6:
        doubts.append(f"ribs and sacrum enclose {anchors.rib_channel - 1} lumbar vertebrae, not five")
    elif anchors.rib_channel is not None and anchors.rib_channel != _RIB_CHANNEL:
        doubts.append("the last rib does not sit where the names put it")
    if chain.shifts[0] < settings.least_probability or chain.margin < settings.least_margin * max(len(lumbar), 1):
        doubts.append("a numbering moved by one fits nearly as well")
    if reading.votes and np.mean([v == 0 for v in reading.votes]) < settings.least_votes:
        doubts.append("regions of the image disagree on the numbering")
    if not reading.votes:
        doubts.append("no region of the image shows enough to check the numbering")
    if lumbar and float(np.exp(chain.log_p[lumbar].mean())) < settings.least_name:
        doubts.append("the vertebrae are hard to tell apart")
    if chain.misfit > settings.most_misfit:
        doubts.append("the vertebrae are unevenly spaced")
    return doubts


def _name(channel: int, shift: int) -> Level | None:
    """Level of a channel whose vertebra is `shift` nearer to the feet than assumed (+1: L4 is called L5).

    The sacrum keeps its name when the vertebra on it turns out to be an L6; otherwise it moves along.
    """
    if channel == 0 and shift >= 0:
        return Level.S1
    place = channel - shift
    if place == 0:
        return Level.L6 if shift > 0 else Level.S1
    return _CHANNEL_LEVELS[place] if 0 < place < len(_CHANNEL_LEVELS) else None


def _vertebrae(chain: Chain, shift: int = 0) -> tuple[Vertebra, ...]:
    found = []
    for channel, point, log_p in zip(chain.channels, chain.points, chain.log_p, strict=True):
        level = _name(channel, shift)
        if level is not None:
            confidence = float(np.clip(np.exp(log_p), 0, 1)) if shift == 0 else 1.0
            at = (float(point[0]), float(point[1]))
            found.append(Vertebra(level, at, confidence, CENTRE_SPREAD_PITCHES * chain.pitch_px))
    return tuple(reversed(found))


def _alternatives(chain: Chain) -> tuple[LevelAlternative, ...]:
    # Names moved up by one channel (C4 for what was called C3) move towards the head: shift -1.
    rivals = [LevelAlternative(-s, p) for s, p in chain.shifts.items() if s != 0 and p >= 0.001]
    return tuple(sorted(rivals, key=lambda a: -a.probability))


def _scale(chain: Chain) -> float | None:
    """Millimetres per pixel from the lumbar pitch; None with fewer than two lumbar steps."""
    lumbar = [i for i, k in enumerate(chain.channels) if k in _LUMBAR]
    if len(lumbar) < 3:
        return None
    steps = np.hypot(*np.diff(chain.points[lumbar], axis=0).T)
    return MEAN_PITCH_MM / float(np.mean(steps))


def _flipped(labels: LevelLabels, rows: int) -> LevelLabels:
    """Labels of an upside-down image in its stored rows."""
    turned = tuple(
        Vertebra(v.level, (rows - 1 - v.center_px[0], v.center_px[1]), v.confidence, v.uncertainty_px)
        for v in labels.vertebrae
    )
    return LevelLabels(
        labels.status, labels.anchor, turned, labels.numbering_assumption, labels.alternatives, labels.reason,
        labels.estimated_mm_per_px,
    )  # fmt: skip


def _given(chain: Chain | None, given: Mapping[Level, PointPx]) -> LevelLabels:
    """Labels that a person settled: the chain renumbered so that the given points carry the given names."""
    own = tuple(Vertebra(level, given[level], 1.0, 1.0) for level in sorted(given, key=CRANIAL_TO_CAUDAL.index))
    if chain is None:
        return LevelLabels(LevelStatus.CONFIDENT, Anchor.GIVEN, own, "levels given by a person")
    shifts = set()
    for level, point in given.items():
        gaps = np.hypot(*(chain.points - np.array(point)).T)
        near = int(gaps.argmin())
        fits = [s for s in (-2, -1, 0, 1, 2) if _name(chain.channels[near], s) is level]
        if gaps[near] > 0.5 * chain.pitch_px or not fits:
            return LevelLabels(
                LevelStatus.UNCERTAIN, Anchor.GIVEN, own, "levels given by a person",
                reason=f"no vertebra that could be {level.value} was found at the point given for it",
            )  # fmt: skip
        shifts.add(min(fits, key=abs))
    if len(shifts) > 1:
        return LevelLabels(
            LevelStatus.UNCERTAIN, Anchor.GIVEN, own, "levels given by a person",
            reason="the levels given do not fit one consecutive numbering of the vertebrae found",
        )  # fmt: skip
    return LevelLabels(
        LevelStatus.CONFIDENT, Anchor.GIVEN, _vertebrae(chain, shifts.pop()), "levels given by a person",
        estimated_mm_per_px=_scale(chain),
    )  # fmt: skip


def decide(reading: Reading, settings: LabelSettings) -> LevelLabels:
    """The reading's numbering with its status, anchor, assumption and rivals."""
    chain, anchors = reading.chain, reading.anchors
    doubts = _doubts(reading, settings)
    if reading.frontal < settings.least_frontal:
        reason = "not recognised as a frontal image of the lumbar spine"
        return LevelLabels(LevelStatus.INDETERMINATE, Anchor.NONE, (), reason=reason)
    if chain is None:
        return LevelLabels(LevelStatus.INDETERMINATE, Anchor.NONE, (), reason=doubts[0])
    sacrum, rib = anchors.sacrum >= settings.least_anchor, anchors.rib >= settings.least_anchor
    anchor = {(True, True): Anchor.BOTH, (True, False): Anchor.SACRUM, (False, True): Anchor.TWELFTH_RIB}.get(
        (sacrum, rib), Anchor.NONE
    )
    status = LevelStatus.CONFIDENT if not doubts else LevelStatus.UNCERTAIN
    if anchor is Anchor.NONE:
        status = LevelStatus.INDETERMINATE
    assumption = {Anchor.SACRUM: FIVE_LUMBAR, Anchor.TWELFTH_RIB: COUNTED_FROM_RIB}.get(anchor, "")
    return LevelLabels(
        status, anchor, _vertebrae(chain), assumption, _alternatives(chain), "; ".join(doubts), _scale(chain)
    )


def label_levels(
    radiograph: Radiograph,
    given: Mapping[Level, PointPx] | None = None,
    settings: LabelSettings = LabelSettings(),
    frame: int = 0,
) -> LevelLabels:
    """Number the vertebrae of one frame.

    Parameters
    ----------
    given
        Levels that a person settled, with a point (row, col) on each; they renumber the chain found.

    Returns
    -------
    LevelLabels
        *confident* only with an anchor in view and no rival numbering; else *uncertain* or, without any
        anchor or frontal lumbar spine, *indeterminate*, with the reason in words.

    Raises
    ------
    WeightsError
        When the network's weights are missing or not the recorded ones.
    """
    image, field = radiograph.pixels(frame), radiograph.field_of_view
    upside_down = radiograph.orientation.rows_towards is RowsTowards.HEAD
    rows = image.shape[0]
    if radiograph.view in ("lateral", "oblique") and not given:
        reason = f"the file says that the view is {radiograph.view}; levels are read on frontal images"
        return LevelLabels(LevelStatus.INDETERMINATE, Anchor.NONE, (), reason=reason)
    if upside_down:
        image, field = image[::-1], field[::-1]
        given = {level: (rows - 1 - p[0], p[1]) for level, p in given.items()} if given else None
    reading = read_levels(image, field, settings)
    labels = _given(reading.chain, given) if given else decide(reading, settings)
    return _flipped(labels, rows) if upside_down else labels
