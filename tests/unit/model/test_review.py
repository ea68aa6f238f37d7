"""A reading that contradicts itself, or an event that says too little, cannot be made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from fluorospread.errors import ReviewError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.review import (
    Confidence,
    EventKind,
    ImageQuality,
    JunctionReading,
    PunctureReading,
    Reading,
    ReviewEvent,
    ReviewSubject,
)
from fluorospread.model.spread import Answer

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SUBJECT = ReviewSubject("P1-01", "fluorospread 0.1.0", "", "a" * 64, "b" * 64)
LEFT = PunctureReading(Side.LEFT, Level.L5, Level.L5, Answer.YES, Confidence.HIGH)
READING = Reading((LEFT,), (), Answer.NO, ImageQuality.GOOD)


@pytest.mark.parametrize("level", [Level.L4, None])
def test_at_target_at_another_level_contradicts_itself(level: Level | None) -> None:
    with pytest.raises(ReviewError, match="contradicts the level seen"):
        PunctureReading(Side.LEFT, Level.L5, level, Answer.YES, Confidence.HIGH)


def test_the_right_level_can_still_be_off_target() -> None:
    assert PunctureReading(Side.LEFT, Level.L5, Level.L5, Answer.NO, Confidence.LOW).at_target is Answer.NO


def test_no_question_is_answered_twice() -> None:
    with pytest.raises(ReviewError, match="puncture is answered twice"):
        Reading((LEFT, LEFT), (), Answer.NO, ImageQuality.GOOD)
    junction = JunctionReading(Level.L4, Side.LEFT, Answer.YES)
    with pytest.raises(ReviewError, match="junction is answered twice"):
        Reading((LEFT,), (junction, junction), Answer.NO, ImageQuality.GOOD)


def test_every_answer_that_cannot_tell_is_a_doubt() -> None:
    doubtful = PunctureReading(Side.LEFT, Level.L5, None, Answer.NO, Confidence.LOW)
    assert not READING.has_doubt
    assert Reading((doubtful,), (), Answer.NO, ImageQuality.GOOD).has_doubt
    assert Reading((LEFT,), (), Answer.UNDETERMINED, ImageQuality.GOOD).has_doubt
    junction = JunctionReading(Level.L4, Side.LEFT, Answer.UNDETERMINED)
    assert Reading((LEFT,), (junction,), Answer.NO, ImageQuality.GOOD).has_doubt


def test_a_step_with_answers_needs_them_and_one_without_has_none() -> None:
    with pytest.raises(ReviewError, match="needs a reading"):
        ReviewEvent(SUBJECT, EventKind.SIGNED, "A", NOW)
    with pytest.raises(ReviewError, match="has no reading"):
        ReviewEvent(SUBJECT, EventKind.OPENED, "A", NOW, READING)


@pytest.mark.parametrize("at", [datetime(2026, 3, 1), datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=9)))])
def test_the_time_of_an_event_is_utc(at: datetime) -> None:
    with pytest.raises(ReviewError, match="in UTC"):
        ReviewEvent(SUBJECT, EventKind.OPENED, "A", at)


def test_an_event_names_its_reader_and_its_images() -> None:
    with pytest.raises(ReviewError, match="name of its reader"):
        ReviewEvent(SUBJECT, EventKind.OPENED, " ", NOW)
    with pytest.raises(ReviewError, match="input_sha256"):
        ReviewSubject("P1-01", "fluorospread 0.1.0", "", "not a hash", "b" * 64)
