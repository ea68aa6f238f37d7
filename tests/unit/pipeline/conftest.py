"""A reader's answers and steps for the review's tests, made by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseResult, ContrastResult, SoftwareVersion
from fluorospread.model.findings import ContrastMethod, ContrastStatus
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
from fluorospread.model.verdict import Outcome, Verdict
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol

MakeReading = Callable[..., Reading]
MakeEvents = Callable[..., list[ReviewEvent]]


@pytest.fixture
def make_reading() -> MakeReading:
    """Both L5 punctures at target and L4, L5 covered; `left` and `covered` replace the left side's answers."""

    def make(
        left: tuple[Level | None, Answer] = (Level.L5, Answer.YES), covered: Answer = Answer.YES, comment: str = ""
    ) -> Reading:
        return Reading(
            punctures=(
                PunctureReading(Side.LEFT, Level.L5, *left, Confidence.HIGH),
                PunctureReading(Side.RIGHT, Level.L5, Level.L5, Answer.YES, Confidence.HIGH),
            ),
            junctions=tuple(
                JunctionReading(level, side, covered if side is Side.LEFT else Answer.YES)
                for level in (Level.L4, Level.L5)
                for side in (Side.LEFT, Side.RIGHT)
            ),
            aberrant_flow=Answer.NO,
            image_quality=ImageQuality.GOOD,
            comment=comment,
        )

    return make


@pytest.fixture
def make_events(make_reading: MakeReading) -> MakeEvents:
    """Steps of one reader in one case; those that need an answer get `reading`."""

    def make(
        reader: str,
        kinds: Sequence[EventKind],
        reading: Reading | None = None,
        input_sha256: str = "a" * 64,
        result_sha256: str = "b" * 64,
    ) -> list[ReviewEvent]:
        subject = ReviewSubject("P1-01", "fluorospread 0.1.0", "", input_sha256, result_sha256)
        return [
            ReviewEvent(
                subject,
                kind,
                reader,
                datetime(2026, 3, 1, 9, minute, tzinfo=UTC),
                (reading or make_reading()) if kind.carries_reading else None,
                reading_seconds=10.0 if kind.carries_reading else None,
            )
            for minute, kind in enumerate(kinds)
        ]

    return make


@pytest.fixture
def bare_case() -> CaseResult:
    """A judged case without images."""
    protocol = load_protocol(DEFAULT_PROTOCOL)
    return CaseResult(
        case_id="P1-01",
        software=SoftwareVersion("fluorospread", "0.1.0", "f" * 64),
        protocol_name=protocol.name,
        protocol_sha256=protocol.sha256,
        contrast_given=True,
        images=(),
        reference_image=None,
        contrast=ContrastResult(ContrastStatus.NOT_IMAGED, ContrastMethod.NONE, "built by hand"),
        coverage=(),
        punctures=(),
        flags=(),
        verdict=Verdict(Outcome.UNDETERMINED, Outcome.UNDETERMINED, Outcome.UNDETERMINED, ()),
    )
