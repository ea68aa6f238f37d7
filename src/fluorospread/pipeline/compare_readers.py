"""A finished case and its review log in, what software and each blind reader answered and measured out, by question.

Only first readings made blind count: a reader who saw the finding first agrees with it more than the image warrants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fluorospread.model.case import CaseImage, CaseResult
from fluorospread.model.review import Reading, ReviewedCase
from fluorospread.model.spread import Answer
from fluorospread.pipeline.apply_review import CANNOT_TELL, answers_of, questions_of
from fluorospread.pipeline.case_reviews import CaseReviews
from fluorospread.pipeline.reading_protocol import finding_for
from fluorospread.reporting.cohort_summary import SOFTWARE
from fluorospread.reporting.wording import OUTCOME_WORDS


@dataclass(frozen=True)
class CaseReadings:
    """Answers and lengths in mm by who gave them and what was asked; `not_blind` readers are left out of both.

    `decision` is the readers' in words, empty without one.
    """

    answers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    measures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    not_blind: tuple[str, ...] = ()
    decision: str = ""


def case_readings(result: CaseResult, reviews: CaseReviews) -> CaseReadings:
    """What software and readers said of one case; nothing where nobody read it.

    Raises
    ------
    UsageError
        The protocol the case was judged by is not at hand.
    """
    reviewed = reviews.of(result)
    if reviewed is None:
        return CaseReadings()
    first = {reader.reader: reader for reader in reviewed.readers if reader.first is not None}
    blind = {name: reader.first for name, reader in first.items() if reader.blinded and reader.first is not None}
    answers = {name: answers_of(reading) for name, reading in blind.items()}
    measures = {name: _marked(result, reading) for name, reading in blind.items()}
    if blind:
        answers[SOFTWARE] = _software_answers(result, reviews)
        measures[SOFTWARE] = _located(result, list(blind.values()))
    return CaseReadings(answers, measures, tuple(sorted(first.keys() - blind.keys())), _decision(reviewed))


def _decision(reviewed: ReviewedCase) -> str:
    if reviewed.verdict is None:
        return "readers differ" if reviewed.disagreements else ""
    return f"{OUTCOME_WORDS[reviewed.verdict.outcome]} ({', '.join(reviewed.decided_by)})"


def _software_answers(result: CaseResult, reviews: CaseReviews) -> dict[str, str]:
    """The finding as answers to the readers' questions; a finding that is not there is undetermined."""
    asked = questions_of(reviews.protocol_of(result), result.contrast_given)
    answers: dict[str, str] = {}
    for side, target in asked.punctures:
        found = finding_for(side, target, result)
        level = None if found is None else found.level
        answers[f"level seen, {side} (target {target})"] = CANNOT_TELL if level is None else level.value
        answers[f"at target {target}, {side}"] = (Answer.UNDETERMINED if found is None else found.at_target).value
    covered = {(item.level, item.side): item.covered for item in result.coverage}
    for level, side in asked.junctions:
        answers[f"{level} covered, {side}"] = covered.get((level, side), Answer.UNDETERMINED).value
    return answers


def _image(result: CaseResult) -> CaseImage | None:
    """The image that readers mark in."""
    if not result.images:
        return None
    return result.images[0 if result.reference_image is None else result.reference_image]


def _marked(result: CaseResult, reading: Reading) -> dict[str, float]:
    """Where a reader marked the target's junction along the image's rows; only where the reader saw that level."""
    image = _image(result)
    spacing = None if image is None else image.geometry.spacing_patient_mm
    if spacing is None:
        return {}
    return {
        f"row of the {p.target} junction, {p.side} (mm)": p.marked_px[0] * spacing[0]
        for p in reading.punctures
        if p.marked_px is not None and p.level_seen is p.target
    }


def _located(result: CaseResult, readings: list[Reading]) -> dict[str, float]:
    """Where the software has the junctions that readers were asked to mark."""
    image = _image(result)
    spacing = None if image is None else image.geometry.spacing_patient_mm
    if image is None or spacing is None:
        return {}
    asked = {(p.target, p.side) for reading in readings for p in reading.punctures}
    return {
        f"row of the {junction.level} junction, {junction.side} (mm)": junction.point_px[0] * spacing[0]
        for junction in image.junctions
        if (junction.level, junction.side) in asked
    }
