"""What was read of a spine to every reason not to be sure of its numbering, in words.

The rules are explained in docs/steps/label_levels.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fluorospread.landmarks.decode_chain import Chain
from fluorospread.landmarks.read_spine import RIB_CHANNEL, Anchors, Reading

LUMBAR_CHANNELS = range(1, 6)
# Mean log probability above which a vertebra counts as seen.
_SEEN = float(np.log(0.4))
# Pitches beyond the chain in which one more vertebra would be seen whole.
_ROOM_FOR_A_VERTEBRA = 1.5


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
    least_name, least_single_name
        Geometric mean probability of the lumbar vertebrae's names, and that of the least sure one (0..1).
    least_name_between, least_single_name_between, least_votes_between
        The same, and votes, where the vertebrae lie between a sacrum that is seen and a rib on T12 that close-ups
        confirm: their number is then counted, not only recognised.
    least_anchor
        Probability that an anchor is in view (0..1).
    most_rib_above
        Evidence that the last rib sits one vertebra higher, over the evidence for its place; a sixth lumbar
        vertebra shows so.
    most_misfit
        Root mean square departure of the spacing from the expected, in sd.
    most_crowding
        How much closer than expected S1, C1 and C2 may lie, as the sum of their two steps' departures in sd.
    most_curve_deg
        Greatest difference of direction between two steps of the chain; beyond it the numbering of a
        scoliotic spine is left to a person.
    least_frontal
        Probability of a frontal view of the lumbar spine (0..1).
    most_transitional
        Probability by its close-up that the last lumbar vertebra is transitional (0..1).
    most_sacral_above
        Probability by its close-up that the vertebra on S1 is itself the first of the sacrum (0..1).
    most_rib_on_l1, least_rib_on_t12
        Probability of a rib by the close-ups of the vertebrae counted as L1 and as T12 (0..1).
    most_rib_confirming, least_rib_confirming
        The same, for close-ups that by themselves settle where the last rib is.
    least_centre
        Probability of a vertebra's centre in its close-up, the worst of the lowest five (0..1).
    most_moved
        Largest distance of a close-up's centre from the chain's, in pitches.
    pedicles_pitches
        Least and greatest mean distance of a vertebra's pedicles, in pitches.
    anchor_room
        An anchor that lies this many pitches inside the field and is not recognised casts doubt.
    sharpness
        Nats of truth a nat of averaged evidence is worth.
    """

    least_probability: float = 0.99
    least_margin: float = 1.2
    least_votes: float = 0.8
    least_name: float = 0.6
    least_single_name: float = 0.45
    least_name_between: float = 0.4
    least_single_name_between: float = 0.2
    least_votes_between: float = 0.7
    least_anchor: float = 0.75
    most_rib_above: float = 0.55
    most_misfit: float = 1.5
    most_crowding: float = 2.7
    most_curve_deg: float = 30.0
    least_frontal: float = 0.6
    most_transitional: float = 0.99
    most_sacral_above: float = 0.5
    most_rib_on_l1: float = 0.5
    least_rib_on_t12: float = 0.2
    most_rib_confirming: float = 0.3
    least_rib_confirming: float = 0.2
    least_centre: float = 0.3
    most_moved: float = 0.3
    pedicles_pitches: tuple[float, float] = (0.72, 1.5)
    anchor_room: float = 0.6
    sharpness: float = 1.0


def decisive_anchors(reading: Reading, settings: LabelSettings) -> Anchors:
    """The reading's anchors, with the last rib where close-ups settle it, and without one that the edge of the field
    only makes seem too low.

    Close-ups settle it that show a rib on the vertebra counted as T12 and none on L1. Where the vertebra above the
    rib's is not seen, the rib may belong to that one, so it neither numbers the spine nor contradicts the sacrum
    unless it sits where the names put it.
    """
    chain, anchors = reading.chain, reading.anchors
    if ribs_confirm(reading, settings):
        seen = max(anchors.rib, reading.close_ups.ribs[RIB_CHANNEL] if reading.close_ups else 0.0)
        return replace(anchors, rib=seen, rib_channel=RIB_CHANNEL, rib_above=0.0)
    if chain is None or anchors.rib_channel is None or anchors.rib_channel >= RIB_CHANNEL:
        return anchors
    seen_above = any(
        k > anchors.rib_channel and log_p > _SEEN for k, log_p in zip(chain.channels, chain.log_p, strict=True)
    )
    if seen_above or reading.room_above >= _ROOM_FOR_A_VERTEBRA:
        return anchors
    return replace(anchors, rib=0.0, rib_channel=None, rib_above=0.0)


def ribs_confirm(reading: Reading, settings: LabelSettings) -> bool:
    """Whether close-ups show a rib on the vertebra counted as T12 and none on the one counted as L1."""
    ribs = {} if reading.close_ups is None else reading.close_ups.ribs
    return (
        ribs.get(RIB_CHANNEL, 0.0) >= settings.least_rib_confirming
        and ribs.get(RIB_CHANNEL - 1, 1.0) <= settings.most_rib_confirming
    )


def _anchor_doubts(reading: Reading, chain: Chain, settings: LabelSettings) -> list[str]:
    """Doubts about what numbers the spine: an anchor missing where it should be seen, or two that disagree."""
    anchors = decisive_anchors(reading, settings)
    sacrum, rib = anchors.sacrum >= settings.least_anchor, anchors.rib >= settings.least_anchor
    if not sacrum and not rib:
        return ["neither sacrum nor twelfth rib is surely seen"]
    doubts = []
    if anchors.rib_channel is not None and anchors.rib_channel != RIB_CHANNEL:
        doubts.append(
            f"ribs and sacrum enclose {anchors.rib_channel - 1} lumbar vertebrae, not five"
            if sacrum
            else "the last rib does not sit where the names put it"
        )
    if rib and anchors.rib_above > settings.most_rib_above:
        doubts.append("the last rib may belong to the vertebra above")
    if anchors.lowered and not ribs_confirm(reading, settings):
        doubts.append("which vertebra is the first of the sacrum is told by a close-up alone, against the whole view")
    doubts += _close_up_doubts(reading, settings)
    # What alone numbers the spine must itself be named for sure.
    alone = None if sacrum and rib else 0 if sacrum else RIB_CHANNEL
    if alone in chain.channels and np.exp(chain.log_p[chain.channels.index(alone)]) < settings.least_name:
        doubts.append("the vertebra that numbers the others is not surely recognised")
    # Steps from the chain's lower end to S1: the sacrum is in the field if there is that much room.
    if not sacrum and reading.room_below > chain.channels[0] + settings.anchor_room:
        doubts.append("the sacrum should be in view but is not recognised")
    if not rib and reading.room_above > RIB_CHANNEL - chain.channels[-1] + settings.anchor_room:
        doubts.append("the twelfth rib should be in view but is not recognised")
    return doubts


def _close_up_doubts(reading: Reading, settings: LabelSettings) -> list[str]:
    """Doubts about ribs and sacrum from close-ups of the vertebrae that decide the numbering."""
    close_ups = reading.close_ups
    if close_ups is None:
        return []
    doubts = []
    if close_ups.transitional > settings.most_transitional:
        doubts.append("the last lumbar vertebra may be transitional, in part joined to the sacrum")
    if close_ups.sacral.get(1, 0.0) > settings.most_sacral_above:
        doubts.append("the vertebra counted as L5 may be the first of the sacrum")
    if close_ups.ribs.get(RIB_CHANNEL - 1, 0.0) > settings.most_rib_on_l1:
        doubts.append("a rib may be on the vertebra counted as L1")
    if close_ups.ribs.get(RIB_CHANNEL, 1.0) < settings.least_rib_on_t12:
        doubts.append("no rib is seen on the vertebra counted as T12")
    return doubts


def _shape_doubts(reading: Reading, chain: Chain, settings: LabelSettings) -> list[str]:
    """Doubts about the vertebrae's places: spacing, close-ups, proportions."""
    doubts = []
    low = [step for k, step in zip(chain.channels[:-1], chain.steps, strict=True) if k in (0, 1)]
    if chain.misfit > settings.most_misfit or sum(low) < -settings.most_crowding:
        doubts.append("the vertebrae are unevenly spaced")
    gaps = np.diff(chain.points, axis=0)
    lean = np.degrees(np.arctan2(gaps[:, 1], -gaps[:, 0]))
    if float(np.ptp(lean)) > settings.most_curve_deg:
        doubts.append(f"the spine is curved by {float(np.ptp(lean)):.0f} degrees (marked curve)")
    close_ups = reading.close_ups
    if close_ups is None or not len(close_ups.sure):
        return doubts
    moved = close_ups.moved_pitches[np.isfinite(close_ups.moved_pitches)]
    if close_ups.sure.min() < settings.least_centre or (len(moved) and moved.max() > settings.most_moved):
        doubts.append("close-ups do not confirm every vertebra's place")
    apart = close_ups.pedicles_pitches[np.isfinite(close_ups.pedicles_pitches)]
    least, most = settings.pedicles_pitches
    if len(apart) and not least <= float(np.median(apart)) <= most:
        doubts.append("the vertebrae's distances do not fit their widths")
    return doubts


def doubts_of(reading: Reading, settings: LabelSettings) -> list[str]:
    """Every reason not to be confident, in words; empty when there is none."""
    chain = reading.chain
    if chain is None:
        return ["no chain of vertebrae was found"]
    lumbar = [i for i, k in enumerate(chain.channels) if k in LUMBAR_CHANNELS]
    doubts = _anchor_doubts(reading, chain, settings)
    if len(lumbar) < 2:
        doubts.append("fewer than two lumbar vertebrae in view")
    if chain.shifts[0] < settings.least_probability or chain.margin < settings.least_margin * max(len(lumbar), 1):
        doubts.append("a numbering moved by one fits nearly as well")
    between = reading.anchors.sacrum >= settings.least_anchor and ribs_confirm(reading, settings)
    votes, typical, single = (
        (settings.least_votes_between, settings.least_name_between, settings.least_single_name_between)
        if between
        else (settings.least_votes, settings.least_name, settings.least_single_name)
    )
    if not reading.votes or np.mean([v == 0 for v in reading.votes]) < votes:
        doubts.append("regions of the image do not agree on the numbering")
    names = np.exp(chain.log_p[lumbar])
    if lumbar and (float(names.prod()) ** (1 / len(names)) < typical or names.min() < single):
        doubts.append("the vertebrae are hard to tell apart")
    return doubts + _shape_doubts(reading, chain, settings)
