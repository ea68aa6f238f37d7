"""Hand-made review events, keys and a store of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

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
from fluorospread.store.reader_key import ReaderKey, open_reader_key
from fluorospread.store.review_store import ReviewStore

READING = Reading(
    punctures=(
        PunctureReading(Side.LEFT, Level.L5, Level.L5, Answer.YES, Confidence.HIGH, (146.5, 128.25)),
        PunctureReading(Side.RIGHT, Level.L5, None, Answer.UNDETERMINED, Confidence.LOW),
    ),
    junctions=(JunctionReading(Level.L4, Side.LEFT, Answer.NO),),
    aberrant_flow=Answer.UNDETERMINED,
    image_quality=ImageQuality.LIMITED,
    comment="Schräger Strahlengang, links\n„sicher“",
)

MakeEvent = Callable[..., ReviewEvent]


@pytest.fixture
def make_event() -> MakeEvent:
    def make(
        case_id: str = "P1-01", kind: EventKind = EventKind.FIRST_READ, reader: str = "Dr. Āda", minute: int = 0
    ) -> ReviewEvent:
        return ReviewEvent(
            subject=ReviewSubject(case_id, "fluorospread 0.1.0", "", "a" * 64, "b" * 64),
            kind=kind,
            reader=reader,
            at=datetime(2026, 3, 1, 9, minute, tzinfo=UTC),
            reading=READING if kind.carries_reading else None,
            reading_seconds=41.5 if kind.carries_reading else None,
        )

    return make


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ReviewStore]:
    with ReviewStore(str(tmp_path / "reviews.sqlite")) as opened:
        yield opened


@pytest.fixture
def key(tmp_path: Path) -> ReaderKey:
    return open_reader_key("Dr. Āda", tmp_path / "keys")
