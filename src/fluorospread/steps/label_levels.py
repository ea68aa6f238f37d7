"""One radiograph to its numbered vertebrae, or to the reason why they cannot be numbered for certain.

Allowances: any field of view that shows at least two lumbar vertebrae, either polarity settled by the
reader, image rows towards head or feet, scoliosis, implants, contrast. Restrictions: frontal images (up to
about 20 degrees oblique); a numbering is *confident* only with an anchor (sacrum or twelfth rib) in view.
The rules are explained in docs/steps/label_levels.md.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fluorospread.landmarks.decode_chain import Chain
from fluorospread.landmarks.numbering_doubts import LUMBAR_CHANNELS, LabelSettings, decisive_anchors, doubts_of
from fluorospread.landmarks.read_spine import CLOSE_UP_CHANNELS, CloseUps, Reading, read_spine
from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, Level
from fluorospread.model.findings import Anchor, LevelAlternative, LevelLabels, LevelStatus, Vertebra
from fluorospread.model.geometry import PointPx, RowsTowards
from fluorospread.model.radiograph import Radiograph

FIVE_LUMBAR = "five lumbar vertebrae, counted from the sacrum"
COUNTED_FROM_RIB = "last rib is the twelfth; counted downwards from it"
LOWERED = "the vertebra that passes for L5 in the whole view is S1, as its close-up shows"

# Mean distance of neighbouring lumbar body centres L1-L5, mm (2,116 spines of the ImFusion VID key points; 8 %
# between people).
MEAN_PITCH_MM = 35.8
# Mean distance of the pedicles' centres, mm, by channel (L5, L4, L3): 29 public anatomies, 4, 6 and 10 % between
# people and independent of the pitch, so that both together halve the variance of the scale.
_PEDICLES_MM = {1: 40.1, 2: 38.4, 3: 34.4}

# 1 sd of a body centre's place as a share of the pitch: about 1.8 mm, from held-out simulated images.
CENTRE_SPREAD_PITCHES = 0.05

_CHANNEL_LEVELS = (Level.S1, Level.L5, Level.L4, Level.L3, Level.L2, Level.L1, Level.T12, Level.T11)


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


def _scale(chain: Chain, close_ups: CloseUps | None) -> float | None:
    """Millimetres per pixel from the lumbar pitch and the pedicles' distances, where two levels show them.

    None with fewer than two lumbar steps.
    """
    lumbar = [i for i, k in enumerate(chain.channels) if k in LUMBAR_CHANNELS]
    if len(lumbar) < 3:
        return None
    steps = np.hypot(*np.diff(chain.points[lumbar], axis=0).T)
    by_pitch = MEAN_PITCH_MM / float(np.mean(steps))
    if close_ups is None:
        return by_pitch
    looked_at = [k for k in chain.channels if k in CLOSE_UP_CHANNELS]
    by_pedicles = [
        _PEDICLES_MM[k] / (apart * chain.pitch_px)
        for k, apart in zip(looked_at, close_ups.pedicles_pitches, strict=False)
        if k in _PEDICLES_MM and np.isfinite(apart)
    ]
    return float(np.sqrt(by_pitch * np.median(by_pedicles))) if len(by_pedicles) >= 2 else by_pitch


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
        estimated_mm_per_px=_scale(chain, None),
    )  # fmt: skip


def decide(reading: Reading, settings: LabelSettings) -> LevelLabels:
    """The reading's numbering with its status, anchor, assumption and rivals."""
    chain, anchors = reading.chain, decisive_anchors(reading, settings)
    doubts = doubts_of(reading, settings)
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
    assumed = [{Anchor.SACRUM: FIVE_LUMBAR, Anchor.TWELFTH_RIB: COUNTED_FROM_RIB}.get(anchor, "")]
    assumed += [LOWERED] if anchors.lowered else []
    return LevelLabels(
        status,
        anchor,
        _vertebrae(chain),
        "; ".join(filter(None, assumed)),
        _alternatives(chain),
        "; ".join(doubts),
        _scale(chain, reading.close_ups),
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
    reading = read_spine(image, field, settings.sharpness)
    labels = _given(reading.chain, given) if given else decide(reading, settings)
    return _flipped(labels, rows) if upside_down else labels
