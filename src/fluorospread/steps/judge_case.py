"""Turns what was found in a case's images into puncture levels, criteria and a verdict.

Every comparison is made at 2 sd: what is closer than that to its limit is undetermined, never met.
Lengths are compared in the patient plane in mm where the image has a scale, else in pixels, and what
needs millimetres then stays undetermined.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, Level, Side
from fluorospread.model.findings import ContrastStatus, Junction, LevelLabels, LevelStatus, NeedleTip
from fluorospread.model.geometry import NO_SCALE, Geometry, GeometrySource, PointPx
from fluorospread.model.protocol import Protocol
from fluorospread.model.spread import Answer, Coverage
from fluorospread.model.verdict import (
    Criterion,
    CriterionResult,
    Outcome,
    Puncture,
    PunctureSource,
    Verdict,
    coverage_criterion_name,
    puncture_criterion_name,
)

# The rule of the decision pages: a difference counts from 2 combined sd on.
_DECISIVE_SD = 2.0
# A junction that was not located is expected one vertebral pitch from its neighbour. Junctions follow the
# pitch of the bodies within about 15 % (oblique view, lordosis); chosen on the wide side.
_EXPECTED_PITCH_SD = 0.15

# A finding more likely wrong than right decides nothing, and no puncture is called wrong on a needle tip less sure
# than this: true needles reach it in 19 of 20 cases (docs/evaluation.md), what passes for one by mistake seldom does.
_DOUBTFUL = 0.5
_SURE_TO_DENY = 0.9

_SOURCE_REMARK = {
    PunctureSource.NEEDLE_TIP: "",
    PunctureSource.CINE_ORIGIN: " (no needle seen; from where the contrast first appears, weaker evidence)",
    PunctureSource.CONTRAST_EPICENTRE: " (no needle seen; from the middle of the contrast, weaker evidence)",
    PunctureSource.NONE: "",
}


@dataclass(frozen=True)
class ImageEvidence:
    """What one frontal image says about punctures.

    Attributes
    ----------
    name
        How the reader knows the image.
    tips
        Needle tips, or what stands for them when `source` is not `needle-tip`. Tips without a side are
        counted, not judged.
    junctions_reason
        Why `junctions` is empty; empty when it is not.
    """

    name: str
    levels: LevelLabels
    junctions: tuple[Junction, ...]
    tips: tuple[NeedleTip, ...]
    source: PunctureSource = PunctureSource.NEEDLE_TIP
    geometry: Geometry = NO_SCALE
    junctions_reason: str = ""


@dataclass(frozen=True)
class CaseEvidence:
    """Everything a verdict rests on.

    Attributes
    ----------
    images
        One entry for each image (and kind of evidence) that can show a puncture.
    no_puncture_reason
        Why no tip was found, in words, for the sides that have none.
    contrast_given
        False only when the case declares that none was given; None when nobody said.
    coverage
        As measured, doubts about numbering and visibility already in its answers; empty when there was
        nothing to measure, with `contrast_reason` saying why.
    from_one_image
        Whether `coverage` rests on one image alone: what it says is shown to the reader and decides nothing.
    """

    images: tuple[ImageEvidence, ...]
    contrast_given: bool | None
    contrast_status: ContrastStatus
    contrast_reason: str = ""
    coverage: tuple[Coverage, ...] = ()
    from_one_image: bool = False
    no_puncture_reason: str = "no needle was found on this side"


def judge_case(protocol: Protocol, evidence: CaseEvidence) -> tuple[tuple[Puncture, ...], Verdict]:
    """Judge a case against its protocol.

    Returns
    -------
    The punctures in the order of the evidence, and the verdict: any applicable criterion not met makes
    it not-verified, else any undetermined one undetermined, else verified. Coverage is not-applicable
    only where the case declares that no contrast was given, or the protocol asks for none.
    """
    punctures = tuple(
        _judge_tip(protocol, image, tip, tip.side)
        for image in evidence.images
        for tip in image.tips
        if tip.side is not None
    )
    puncture_criteria = tuple(
        _puncture_criterion(protocol, evidence, punctures, level, side)
        for level in protocol.target_levels
        for side in protocol.target_sides
    )
    coverage_criteria = tuple(
        _coverage_criterion(evidence, level, side)
        for level in protocol.covered_levels
        for side in protocol.target_sides
    )
    puncture, coverage = _combine(puncture_criteria), _combine(coverage_criteria)
    outcome = _combine(puncture_criteria + coverage_criteria)
    return punctures, Verdict(outcome, puncture, coverage, puncture_criteria + coverage_criteria)


@dataclass(frozen=True)
class _Place:
    """Where a level's junction lies on one side, or is expected to lie."""

    level: Level
    point_px: PointPx
    uncertainty_px: float
    located: bool
    confidence: float = 1.0


@dataclass(frozen=True)
class _Reach:
    """A place and how far the tip is from it, in the unit of the image (mm, or px without a scale)."""

    place: _Place
    distance: float


def _judge_tip(protocol: Protocol, image: ImageEvidence, tip: NeedleTip, side: Side) -> Puncture:
    """Level and target of one tip. The side is passed on its own because only tips with one are judged."""
    remark = _SOURCE_REMARK[image.source]
    reaches = sorted(
        (_Reach(place, _distance(image, tip.tip_px, place.point_px)) for place in _places(image, side)),
        key=lambda reach: reach.distance,
    )
    located = [reach for reach in reaches if reach.place.located]
    if not located:
        reason = image.junctions_reason or "no junction was located on this side"
        return Puncture(side, None, image.source, Answer.UNDETERMINED, f"{image.name}: {reason}{remark}")
    nearest = located[0]
    level, level_reason = _nearest_level(image, tip, reaches)
    at_target, target_reason = _at_target(protocol, image, tip, level, reaches)
    if image.source is PunctureSource.CONTRAST_EPICENTRE and at_target is Answer.NO:
        at_target, target_reason = Answer.UNDETERMINED, "where contrast went does not deny where it was injected"
    if at_target is Answer.NO and tip.confidence < _SURE_TO_DENY:
        level, at_target = None, Answer.UNDETERMINED
        target_reason += f", but the needle tip is not sure enough to say so (confidence {tip.confidence:.2f})"
    known_mm = image.geometry.mm_per_px is not None
    return Puncture(
        side=side,
        level=level,
        source=image.source,
        at_target=at_target,
        reason=f"{image.name}: {level_reason}; {target_reason}{remark}",
        distance_mm=nearest.distance if known_mm else None,
        sigma_mm=_sigma(image, tip, nearest) if known_mm else None,
        distance_px=math.dist(tip.tip_px, nearest.place.point_px),
    )


def _places(image: ImageEvidence, side: Side) -> list[_Place]:
    """Junctions on this side, with the expected places of the neighbours that were not located, so that
    a tip beyond the last located junction is not ascribed to it."""
    located = {
        j.level: _Place(j.level, j.point_px, j.uncertainty_px, True, j.confidence)
        for j in image.junctions
        if j.side is side
    }
    expected: dict[Level, _Place] = {}
    for place in located.values():
        for step in (-1, 1):
            neighbour = _neighbour(image.levels, place.level, step)
            pitch = _pitch(image.levels, place.level, step)
            if neighbour is None or neighbour in located or pitch is None:
                continue
            point = (place.point_px[0] + pitch[0], place.point_px[1] + pitch[1])
            sigma = math.hypot(place.uncertainty_px, _EXPECTED_PITCH_SD * math.hypot(*pitch))
            if neighbour not in expected or sigma < expected[neighbour].uncertainty_px:
                expected[neighbour] = _Place(neighbour, point, sigma, False)
    return [*located.values(), *expected.values()]


def _neighbour(levels: LevelLabels, level: Level, step: int) -> Level | None:
    # L6 exists only where a count says so.
    chain = [name for name in CRANIAL_TO_CAUDAL if name is not Level.L6 or levels.vertebra(Level.L6)]
    index = chain.index(level) + step
    return chain[index] if 0 <= index < len(chain) else None


def _pitch(levels: LevelLabels, level: Level, step: int) -> tuple[float, float] | None:
    """Step (row, col) from this body's centre to its neighbour's; from the other neighbour's, mirrored,
    where the wanted one is out of view; None when this level has no labelled neighbour."""
    this = levels.vertebra(level)
    for direction, sign in ((step, 1.0), (-step, -1.0)):
        name = _neighbour(levels, level, direction)
        other = levels.vertebra(name) if name is not None else None
        if this is not None and other is not None:
            rows, cols = (sign * (b - a) for a, b in zip(this.center_px, other.center_px, strict=True))
            return rows, cols
    return None


def _distance(image: ImageEvidence, a: PointPx, b: PointPx) -> float:
    in_mm = image.geometry.distance_mm(a, b)
    return math.dist(a, b) if in_mm is None else in_mm


def _sigma(image: ImageEvidence, tip: NeedleTip, reach: _Reach) -> float:
    """1 sd of a tip-to-junction distance: both points, and the scale in proportion to the distance."""
    points = math.hypot(tip.uncertainty_px, reach.place.uncertainty_px) * (image.geometry.mm_per_px or 1.0)
    return math.hypot(points, reach.distance * (image.geometry.relative_uncertainty or 0.0))


def _sigma_of_difference(image: ImageEvidence, tip: NeedleTip, near: _Reach, far: _Reach) -> float:
    """1 sd of (far distance - near distance), first order: moving the tip changes both at once, by up to
    twice its own error when it lies between the two. The scale moves both alike and cancels."""
    units = []
    for reach in (near, far):
        rows = reach.place.point_px[0] - tip.tip_px[0]
        cols = reach.place.point_px[1] - tip.tip_px[1]
        length = math.hypot(rows, cols)
        units.append((rows / length, cols / length) if length > tip.uncertainty_px else None)
    # On top of a junction the direction to it is unknown: take the worst.
    lever = 2.0 if units[0] is None or units[1] is None else math.dist(units[0], units[1])
    points = math.hypot(lever * tip.uncertainty_px, near.place.uncertainty_px, far.place.uncertainty_px)
    return points * (image.geometry.mm_per_px or 1.0)


def _nearest_level(image: ImageEvidence, tip: NeedleTip, reaches: list[_Reach]) -> tuple[Level | None, str]:
    nearest = reaches[0]
    name = nearest.place.level.value
    if image.levels.status is not LevelStatus.CONFIDENT:
        return None, f"the levels are {image.levels.status.value} ({image.levels.reason})"
    if len(reaches) == 1:
        return None, f"only the {name} junction was located on this side, with none to compare it with"
    if tip.confidence < _DOUBTFUL:
        return None, f"the needle tip is doubtful (confidence {tip.confidence:.2f})"
    if nearest.place.confidence < _DOUBTFUL:
        return None, f"the {name} junction is doubtful (confidence {nearest.place.confidence:.2f})"
    second = reaches[1]
    lead = second.distance - nearest.distance
    if lead < _DECISIVE_SD * _sigma_of_difference(image, tip, nearest, second):
        return None, f"between the junctions of {name} and {second.place.level.value}, too close to tell"
    if not nearest.place.located:
        return None, f"nearest to where the {name} junction is expected, which was not located"
    return nearest.place.level, f"nearest to the {name} junction, {_length(image, tip, nearest)} away"


def _at_target(
    protocol: Protocol, image: ImageEvidence, tip: NeedleTip, level: Level | None, reaches: list[_Reach]
) -> tuple[Answer, str]:
    targets = " or ".join(name.value for name in protocol.target_levels)
    if image.levels.status is not LevelStatus.CONFIDENT:
        return Answer.UNDETERMINED, f"whether it is at {targets} rests on the levels"
    if level is not None and level not in protocol.target_levels:
        return Answer.NO, f"that is not the target ({targets})"
    if tip.confidence < _DOUBTFUL:
        return Answer.UNDETERMINED, f"whether it is at {targets} rests on that tip"
    if image.geometry.mm_per_px is None:
        return Answer.UNDETERMINED, f"without a scale, {protocol.tolerance_mm:g} mm cannot be told"
    limit = protocol.tolerance_mm
    at_targets = [reach for reach in reaches if reach.place.level in protocol.target_levels]
    if level is not None:
        at_targets = [reach for reach in at_targets if reach.place.level is level]
    if not at_targets:
        return Answer.UNDETERMINED, f"the {targets} junction was not located"
    margins = [(reach, _DECISIVE_SD * _sigma(image, tip, reach)) for reach in at_targets]
    if all(reach.distance - margin > limit for reach, margin in margins):
        return Answer.NO, f"farther than {limit:g} mm from the target ({targets})"
    if level is not None and all(reach.distance + margin <= limit for reach, margin in margins):
        return Answer.YES, f"within {limit:g} mm of the target"
    return Answer.UNDETERMINED, f"within {limit:g} mm of the target ({targets}) or not cannot be told at 2 sd"


def _length(image: ImageEvidence, tip: NeedleTip, reach: _Reach) -> str:
    unit = "px" if image.geometry.mm_per_px is None else "mm"
    text = f"{reach.distance:.1f} ± {_sigma(image, tip, reach):.1f} {unit}"
    if image.geometry.source is GeometrySource.ESTIMATED_FROM_ANATOMY:
        text += " (scale estimated from anatomy)"
    return text


def _puncture_criterion(
    protocol: Protocol, evidence: CaseEvidence, punctures: tuple[Puncture, ...], level: Level, side: Side
) -> Criterion:
    name = puncture_criterion_name(level, side)
    unsided = [p for p in punctures if not p.side.of_patient]
    # A needle at another target of the protocol is that target's evidence, not this one's failure.
    others = {target for target in protocol.target_levels if target is not level}
    here = [p for p in punctures if p.side is side and p.level not in others]
    answers = {p.at_target for p in here}
    reasons = " | ".join(p.reason for p in here)
    if not here and unsided:
        seen = " | ".join(f"{p.side.value}: {p.reason}" for p in unsided)
        return _undetermined(name, f"which side is the patient's {side.value} is unknown; {seen}")
    if not here:
        loose = sum(tip.side is None for image in evidence.images for tip in image.tips)
        extra = f"; {loose} needle tip(s) too near the midline to have a side" if loose else ""
        return _undetermined(name, evidence.no_puncture_reason + extra)
    if answers == {Answer.YES}:
        return Criterion(name, CriterionResult.MET, reasons)
    if answers == {Answer.NO}:
        return Criterion(name, CriterionResult.NOT_MET, reasons)
    if answers == {Answer.YES, Answer.NO}:
        return _undetermined(name, f"needle tips on this side disagree: {reasons}")
    return _undetermined(name, reasons)


def _coverage_criterion(evidence: CaseEvidence, level: Level, side: Side) -> Criterion:
    name = coverage_criterion_name(level, side)
    if evidence.contrast_given is False:
        return Criterion(name, CriterionResult.NOT_APPLICABLE, "no contrast was given, as the case declares")
    if not evidence.coverage:
        return _undetermined(name, evidence.contrast_reason or f"contrast: {evidence.contrast_status.value}")
    found = next((c for c in evidence.coverage if c.level is level and c.side is side), None)
    if found is None:
        unsided = [c for c in evidence.coverage if c.level is level and not c.side.of_patient]
        if unsided:
            seen = " | ".join(f"{c.side.value}: {c.reason}" for c in unsided)
            return _undetermined(name, f"which side is the patient's {side.value} is unknown; {seen}")
        return _undetermined(name, f"the {level.value} junction was not located on this side")
    if evidence.from_one_image and found.covered is not Answer.UNDETERMINED:
        return _undetermined(
            name, f"{found.covered.value} from one image alone, which a reader must confirm: {found.reason}"
        )
    result = {
        Answer.YES: CriterionResult.MET,
        Answer.NO: CriterionResult.NOT_MET,
        Answer.UNDETERMINED: CriterionResult.UNDETERMINED,
    }[found.covered]
    return Criterion(name, result, found.reason)


def _undetermined(name: str, reason: str) -> Criterion:
    return Criterion(name, CriterionResult.UNDETERMINED, reason)


def _combine(criteria: tuple[Criterion, ...]) -> Outcome:
    results = {criterion.result for criterion in criteria} - {CriterionResult.NOT_APPLICABLE}
    if CriterionResult.NOT_MET in results:
        return Outcome.NOT_VERIFIED
    if CriterionResult.UNDETERMINED in results:
        return Outcome.UNDETERMINED
    return Outcome.VERIFIED if results else Outcome.NOT_APPLICABLE
