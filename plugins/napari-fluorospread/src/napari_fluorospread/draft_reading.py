"""The questions of one case as a list to be answered by single keys, and the reading they add up to.

Knows no Qt: the review dock shows a draft and passes keys to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fluorospread.errors import ReviewError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.geometry import PointPx
from fluorospread.model.review import Confidence, ImageQuality, JunctionReading, PunctureReading, Reading
from fluorospread.model.spread import Answer
from fluorospread.pipeline.apply_review import Questions


class QuestionKind(StrEnum):
    LEVEL = "level seen"
    AT_TARGET = "at target"
    CONFIDENCE = "confidence"
    COVERED = "covered"
    FLOW = "aberrant flow"
    QUALITY = "image quality"


@dataclass(frozen=True)
class Question:
    """One question. `level` is the target of a puncture's questions and the junction of a coverage question."""

    kind: QuestionKind
    side: Side | None = None
    level: Level | None = None

    @property
    def text(self) -> str:
        side = "" if self.side is None else str(self.side).capitalize()
        match self.kind:
            case QuestionKind.LEVEL:
                return f"{side}: level seen (target {self.level})"
            case QuestionKind.AT_TARGET:
                return f"{side}: at target {self.level}"
            case QuestionKind.CONFIDENCE:
                return f"{side}: confidence (target {self.level})"
            case QuestionKind.COVERED:
                return f"{side}: {self.level} covered by contrast"
            case QuestionKind.FLOW:
                return "Aberrant flow (vessel, epidural, other)"
            case QuestionKind.QUALITY:
                return "Image quality"


class Blank(StrEnum):
    """The answer "can't tell" to a question about a level."""

    CANNOT_TELL = "can't tell"


Value = Level | Blank | Answer | Confidence | ImageQuality

_YES_NO: Mapping[str, Value] = {"yes": Answer.YES, "no": Answer.NO, "cannot_tell": Answer.UNDETERMINED}
CHOICES: Mapping[QuestionKind, Mapping[str, Value]] = {
    # The digit of the level; S1 shares the 1 with L1, which lies out of these blocks' reach.
    QuestionKind.LEVEL: {
        "2": Level.L2,
        "3": Level.L3,
        "4": Level.L4,
        "5": Level.L5,
        "1": Level.S1,
        "cannot_tell": Blank.CANNOT_TELL,
    },
    QuestionKind.AT_TARGET: _YES_NO,
    QuestionKind.COVERED: _YES_NO,
    QuestionKind.FLOW: _YES_NO,
    QuestionKind.CONFIDENCE: {"1": Confidence.LOW, "2": Confidence.MODERATE, "3": Confidence.HIGH},
    QuestionKind.QUALITY: {"1": ImageQuality.GOOD, "2": ImageQuality.LIMITED, "3": ImageQuality.INADEQUATE},
}
"""Answers to each kind of question by the key that gives them: a digit, or the name of an action."""


def questions_in_order(asked: Questions) -> tuple[Question, ...]:
    """Each puncture's level, target and confidence, then each junction and the contrast's flow where contrast
    is asked about, then the image as a whole."""
    order = [
        Question(kind, side, target)
        for side, target in asked.punctures
        for kind in (QuestionKind.LEVEL, QuestionKind.AT_TARGET, QuestionKind.CONFIDENCE)
    ]
    order += [Question(QuestionKind.COVERED, side, level) for level, side in asked.junctions]
    order += [Question(QuestionKind.FLOW)] if asked.junctions else []
    return (*order, Question(QuestionKind.QUALITY))


def words(value: Value | None) -> str:
    """An answer as a reader says it."""
    if value is None:
        return ""
    return "can't tell" if value is Answer.UNDETERMINED else value.value


class DraftReading:
    """Answers so far, and the question the next key answers."""

    def __init__(self, asked: Questions, start: Reading | None = None) -> None:
        self._asked = asked
        self.questions = questions_in_order(asked)
        self.answers: dict[Question, Value] = {} if start is None else answers_of(start)
        self.marks: dict[tuple[Side, Level], PointPx] = {}
        self.comment = "" if start is None else start.comment
        self.current = 0
        if start is not None:
            self.marks = {(p.side, p.target): p.marked_px for p in start.punctures if p.marked_px is not None}

    @property
    def question(self) -> Question:
        return self.questions[self.current]

    @property
    def unanswered(self) -> tuple[Question, ...]:
        return tuple(question for question in self.questions if question not in self.answers)

    def step(self, by: int) -> None:
        """Go to the next (+1) or previous (-1) question, round the ends."""
        self.current = (self.current + by) % len(self.questions)

    def takes(self, key: str) -> bool:
        """Whether `key` (a digit or an action's name) answers the current question."""
        return key in CHOICES[self.question.kind]

    def answer(self, key: str) -> None:
        """Answer the current question by `key` and go to the next unanswered one."""
        self.answers[self.question] = CHOICES[self.question.kind][key]
        after = [*range(self.current + 1, len(self.questions)), *range(self.current)]
        self.current = next((i for i in after if self.questions[i] not in self.answers), self.current)

    def to_reading(self) -> Reading:
        """The finished reading.

        Raises
        ------
        ReviewError
            A question is unanswered, or two answers contradict each other.
        """
        missing = self.unanswered
        if missing:
            raise ReviewError(f"not answered yet: {'; '.join(question.text for question in missing)}")
        return Reading(
            punctures=tuple(self._puncture(side, target) for side, target in self._asked.punctures),
            junctions=tuple(
                JunctionReading(level, side, Answer(self._value(QuestionKind.COVERED, side, level)))
                for level, side in self._asked.junctions
            ),
            aberrant_flow=Answer(self._value(QuestionKind.FLOW)) if self._asked.junctions else None,
            image_quality=ImageQuality(self._value(QuestionKind.QUALITY)),
            comment=self.comment.strip(),
        )

    def _puncture(self, side: Side, target: Level) -> PunctureReading:
        level = self._value(QuestionKind.LEVEL, side, target)
        return PunctureReading(
            side=side,
            target=target,
            level_seen=level if isinstance(level, Level) else None,
            at_target=Answer(self._value(QuestionKind.AT_TARGET, side, target)),
            confidence=Confidence(self._value(QuestionKind.CONFIDENCE, side, target)),
            marked_px=self.marks.get((side, target)),
        )

    def _value(self, kind: QuestionKind, side: Side | None = None, level: Level | None = None) -> Value:
        return self.answers[Question(kind, side, level)]


def answers_of(reading: Reading) -> dict[Question, Value]:
    """A reading's answers by question."""
    answers: dict[Question, Value] = {}
    for p in reading.punctures:
        answers[Question(QuestionKind.LEVEL, p.side, p.target)] = p.level_seen or Blank.CANNOT_TELL
        answers[Question(QuestionKind.AT_TARGET, p.side, p.target)] = p.at_target
        answers[Question(QuestionKind.CONFIDENCE, p.side, p.target)] = p.confidence
    for j in reading.junctions:
        answers[Question(QuestionKind.COVERED, j.side, j.level)] = j.covered
    if reading.aberrant_flow is not None:
        answers[Question(QuestionKind.FLOW)] = reading.aberrant_flow
    answers[Question(QuestionKind.QUALITY)] = reading.image_quality
    return answers
