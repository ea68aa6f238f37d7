"""A case with its review events in, what the readers decided out; and how far readers agree over cases."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, JUNCTION_LEVELS, Level, Side
from fluorospread.model.case import CaseResult
from fluorospread.model.protocol import Protocol
from fluorospread.model.review import EventKind, LoggedEvent, Reading, ReviewedCase, ReviewEvent, ReviewSubject
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import Criterion, CriterionResult, Outcome, Verdict
from fluorospread.pipeline.reading_protocol import (
    Events,
    adjudication_due,
    disagreements,
    progress_of,
    readers_of,
    signed_readings,
)
from fluorospread.reporting.case_json import dump_case_json
from fluorospread.statistics.agreement import CategoricalAgreement, categorical_agreement

CANNOT_TELL = "can't tell"

_RESULT_OF = {
    Answer.YES: CriterionResult.MET,
    Answer.NO: CriterionResult.NOT_MET,
    Answer.UNDETERMINED: CriterionResult.UNDETERMINED,
}


@dataclass(frozen=True)
class Questions:
    """What a reader is asked about a case: each puncture by side and target, each junction to be covered."""

    punctures: tuple[tuple[Side, Level], ...]
    junctions: tuple[tuple[Level, Side], ...]


@dataclass(frozen=True)
class ReaderAgreement:
    """Agreement of two readers on one question, one item a case. `left_out` cases were read by both but
    not by both of them blind."""

    question: str
    left_out: int
    agreement: CategoricalAgreement


def subject_of(case: CaseResult) -> ReviewSubject:
    """What a review of `case` is about: its images, its result, and the software that made it."""
    images = hashlib.sha256("\n".join(image.sha256 for image in case.images).encode("ascii"))
    return ReviewSubject(
        case_id=case.case_id,
        software=f"{case.software.name} {case.software.version}",
        weights_sha256=case.software.weights_sha256,
        input_sha256=images.hexdigest(),
        result_sha256=hashlib.sha256(dump_case_json(case).encode("utf-8")).hexdigest(),
    )


def questions_of(protocol: Protocol, contrast_given: bool | None) -> Questions:
    """The questions a protocol asks; coverage is not asked where the case declares that none was given."""
    punctures = tuple((side, level) for level in protocol.target_levels for side in protocol.target_sides)
    junctions = tuple((level, side) for level in protocol.covered_levels for side in protocol.target_sides)
    return Questions(punctures, () if contrast_given is False else junctions)


def apply_review(case: CaseResult, protocol: Protocol, events: Sequence[LoggedEvent]) -> ReviewedCase:
    """What the readers of `events` (one case's, oldest first) decided about `case`."""
    steps = [logged.event for logged in events]
    decision, decided_by = _decision(steps)
    signed = signed_readings(steps)
    last = _last_deciding(steps) if decision is not None else None
    return ReviewedCase(
        case_id=case.case_id,
        readers=tuple(progress_of(steps, reader) for reader in readers_of(steps)),
        disagreements=disagreements(signed[0][1], signed[1][1]) if adjudication_due(steps) else (),
        decision=decision,
        decided_by=decided_by,
        verdict=None if decision is None else verdict_of_reading(decision, protocol, case.contrast_given),
        head_hash=events[-1].hash if events else "",
        decided_at=None if last is None else last.at,
        decided_on="" if last is None else last.subject.result_sha256,
    )


def _last_deciding(steps: Events) -> ReviewEvent | None:
    """The step that completed the decision: the adjudication, else the second signature, else the only one."""
    adjudicated = [step for step in steps if step.kind is EventKind.ADJUDICATED]
    signed = [step for step in steps if step.kind is EventKind.SIGNED][:2]
    return next(iter(adjudicated[:1] or signed[-1:]), None)


def _decision(steps: Events) -> tuple[Reading | None, tuple[str, ...]]:
    for step in steps:
        if step.kind is EventKind.ADJUDICATED:
            return step.reading, (step.reader,)
    signed = signed_readings(steps)[:2]
    if not signed or adjudication_due(steps):
        return None, ()
    return signed[0][1], tuple(reader for reader, _ in signed)


def verdict_of_reading(reading: Reading, protocol: Protocol, contrast_given: bool | None) -> Verdict:
    """A reader's answers judged as the software's are: any criterion not met fails, any undetermined one
    leaves the outcome undetermined. A question that was not answered is undetermined."""
    asked = questions_of(protocol, contrast_given)
    at_target = {(p.side, p.target): p.at_target for p in reading.punctures}
    covered = {(j.level, j.side): j.covered for j in reading.junctions}
    punctures = tuple(
        _criterion(f"puncture at {level}, {side}", at_target.get((side, level))) for side, level in asked.punctures
    )
    junctions = tuple(
        _criterion(f"contrast covers {level}, {side}", covered.get((level, side))) for level, side in asked.junctions
    )
    coverage = _outcome(junctions) if junctions else Outcome.NOT_APPLICABLE
    return Verdict(_outcome(punctures + junctions), _outcome(punctures), coverage, punctures + junctions)


def _criterion(name: str, answer: Answer | None) -> Criterion:
    if answer is None:
        return Criterion(name, CriterionResult.UNDETERMINED, "the reader did not answer for it")
    return Criterion(name, _RESULT_OF[answer], f"the reader answered {answer}")


def _outcome(criteria: tuple[Criterion, ...]) -> Outcome:
    results = {criterion.result for criterion in criteria}
    if CriterionResult.NOT_MET in results:
        return Outcome.NOT_VERIFIED
    return Outcome.UNDETERMINED if CriterionResult.UNDETERMINED in results else Outcome.VERIFIED


def reader_agreement(
    cases: Mapping[str, Events], first_reader: str, second_reader: str, kind: EventKind = EventKind.FIRST_READ
) -> tuple[ReaderAgreement, ...]:
    """Per cent agreement, kappa and AC1 of two readers, question by question.

    Sides of one patient cluster, so every side is a question of its own and each case gives one item.

    Parameters
    ----------
    cases
        Events by case identifier.
    kind
        FIRST_READ compares blind readings (a case that either reader did not read blind is left out);
        SIGNED compares what was signed.
    """
    left_out = 0
    answers: dict[str, list[tuple[str, str]]] = {}
    for events in cases.values():
        pair = [_reading_of(events, reader, kind) for reader in (first_reader, second_reader)]
        if pair[0] is None or pair[1] is None:
            continue
        if kind is EventKind.FIRST_READ and not all(
            progress_of(events, reader).blinded for reader in (first_reader, second_reader)
        ):
            left_out += 1
            continue
        mine, theirs = answers_of(pair[0]), answers_of(pair[1])
        for question in mine.keys() & theirs.keys():
            answers.setdefault(question, []).append((mine[question], theirs[question]))
    return tuple(
        ReaderAgreement(
            question,
            left_out,
            categorical_agreement([a for a, _ in pairs], [b for _, b in pairs], possible_answers(question, pairs)),
        )
        for question, pairs in sorted(answers.items())
    )


def _reading_of(events: Events, reader: str, kind: EventKind) -> Reading | None:
    return next((e.reading for e in events if e.reader == reader and e.kind is kind), None)


def answers_of(reading: Reading) -> dict[str, str]:
    """Each answer under a name that is the same for every reader."""
    answers = {} if reading.aberrant_flow is None else {"aberrant flow": reading.aberrant_flow.value}
    for p in reading.punctures:
        answers[f"level seen, {p.side} (target {p.target})"] = p.level_seen or CANNOT_TELL
        answers[f"at target {p.target}, {p.side}"] = p.at_target.value
    for j in reading.junctions:
        answers[f"{j.level} covered, {j.side}"] = j.covered.value
    return answers


def possible_answers(question: str, pairs: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Every answer that was on offer to `question`, used or not, which AC1 depends on."""
    if not question.startswith("level seen"):
        return tuple(answer.value for answer in Answer)
    # AC1 grows with the number of answers on offer, so levels nobody could have meant are not counted.
    offered = set(JUNCTION_LEVELS) | {Level(answer) for pair in pairs for answer in pair if answer != CANNOT_TELL}
    return (*(level.value for level in CRANIAL_TO_CAUDAL if level in offered), CANNOT_TELL)
