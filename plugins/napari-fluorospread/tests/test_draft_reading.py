"""Single keys answer the questions one after another; what is missing or contradictory is said."""

from __future__ import annotations

import pytest

from fluorospread.errors import ReviewError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.review import Confidence, ImageQuality
from fluorospread.model.spread import Answer
from fluorospread.pipeline.apply_review import Questions
from napari_fluorospread.draft_reading import DraftReading, QuestionKind

ASKED = Questions(((Side.LEFT, Level.L5), (Side.RIGHT, Level.L5)), ((Level.L4, Side.LEFT),))
KEYS = ("5", "yes", "3", "4", "no", "2", "cannot_tell", "no", "1")


def answered(keys: tuple[str, ...] = KEYS) -> DraftReading:
    draft = DraftReading(ASKED)
    for key in keys:
        assert draft.takes(key)
        draft.answer(key)
    return draft


def test_one_key_an_answer_makes_a_reading() -> None:
    reading = answered().to_reading()
    left, right = reading.punctures
    assert (left.level_seen, left.at_target, left.confidence) == (Level.L5, Answer.YES, Confidence.HIGH)
    assert (right.level_seen, right.at_target, right.confidence) == (Level.L4, Answer.NO, Confidence.MODERATE)
    assert reading.junctions[0].covered is Answer.UNDETERMINED
    assert reading.aberrant_flow is Answer.NO
    assert reading.image_quality is ImageQuality.GOOD


def test_a_key_that_is_no_answer_to_the_question_is_not_taken() -> None:
    draft = DraftReading(ASKED)
    assert draft.question.kind is QuestionKind.LEVEL
    assert not draft.takes("yes")
    assert not draft.takes("9")


def test_an_unfinished_reading_names_what_is_missing() -> None:
    with pytest.raises(ReviewError, match="Left: L4 covered by contrast; Aberrant flow"):
        answered(KEYS[:6]).to_reading()


def test_contradicting_answers_are_refused() -> None:
    with pytest.raises(ReviewError, match="contradicts the level seen"):
        answered(("4", *KEYS[1:])).to_reading()


def test_answering_goes_on_to_the_next_open_question() -> None:
    draft = DraftReading(ASKED)
    draft.step(1)
    draft.answer("yes")
    assert draft.current == 2
    draft.answer("1")
    assert draft.current == 3
    draft.step(-3)
    draft.answer("5")
    assert draft.current == 3


def test_nothing_is_asked_about_contrast_that_was_not_given() -> None:
    draft = DraftReading(Questions(ASKED.punctures, ()))
    for key in ("5", "yes", "3", "5", "yes", "3", "1"):
        draft.answer(key)
    reading = draft.to_reading()
    assert reading.aberrant_flow is None
    assert reading.junctions == ()
    assert not reading.has_doubt


def test_a_draft_from_a_reading_holds_its_answers() -> None:
    reading = answered().to_reading()
    draft = DraftReading(ASKED, reading)
    assert draft.unanswered == ()
    assert draft.to_reading() == reading
