"""What readers decided follows from their signed answers by the protocol's rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fluorospread.errors import ReviewError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseResult
from fluorospread.model.review import EventKind, LoggedEvent, ReviewEvent
from fluorospread.model.spread import Answer, Coverage
from fluorospread.model.verdict import CriterionResult, Outcome, Puncture, PunctureSource, Verdict
from fluorospread.pipeline.apply_review import (
    apply_review,
    questions_of,
    reader_agreement,
    subject_of,
    verdict_of_reading,
)
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.pipeline.reading_protocol import comment_is_needed, departures, record_event
from fluorospread.store.reader_key import open_reader_key
from fluorospread.store.review_store import ReviewStore

PROTOCOL = load_protocol(DEFAULT_PROTOCOL)
WHOLE = (EventKind.OPENED, EventKind.FIRST_READ, EventKind.REVEALED, EventKind.SIGNED)


@pytest.fixture
def case(bare_case: CaseResult) -> CaseResult:
    """The software found everything at its target and covered."""
    return replace(
        bare_case,
        coverage=tuple(
            Coverage(level, side, Answer.YES, "inside")
            for level in (Level.L4, Level.L5)
            for side in PROTOCOL.target_sides
        ),
        punctures=tuple(
            Puncture(side, Level.L5, PunctureSource.NEEDLE_TIP, Answer.YES, "near") for side in PROTOCOL.target_sides
        ),
        verdict=Verdict(Outcome.VERIFIED, Outcome.VERIFIED, Outcome.VERIFIED, ()),
    )


def logged(events: list[ReviewEvent]) -> list[LoggedEvent]:
    return [LoggedEvent(event, i + 1, "", f"{i:064d}", "", "") for i, event in enumerate(events)]


def test_the_questions_are_the_protocols() -> None:
    asked = questions_of(PROTOCOL, None)
    assert asked.punctures == ((Side.LEFT, Level.L5), (Side.RIGHT, Level.L5))
    assert len(asked.junctions) == 4
    assert questions_of(PROTOCOL, False).junctions == ()


def test_a_reading_that_meets_everything_verifies(make_reading) -> None:
    verdict = verdict_of_reading(make_reading(), PROTOCOL, True)
    assert (verdict.outcome, verdict.puncture, verdict.coverage) == (Outcome.VERIFIED,) * 3
    assert len(verdict.criteria) == 6


def test_one_answer_not_met_fails_and_one_doubt_leaves_it_open(make_reading) -> None:
    wrong = verdict_of_reading(make_reading(left=(Level.L4, Answer.NO), covered=Answer.UNDETERMINED), PROTOCOL, True)
    assert (wrong.outcome, wrong.puncture, wrong.coverage) == (
        Outcome.NOT_VERIFIED,
        Outcome.NOT_VERIFIED,
        Outcome.UNDETERMINED,
    )
    assert verdict_of_reading(make_reading(covered=Answer.UNDETERMINED), PROTOCOL, True).outcome is Outcome.UNDETERMINED


def test_coverage_does_not_apply_where_no_contrast_was_given(make_reading) -> None:
    verdict = verdict_of_reading(make_reading(), PROTOCOL, False)
    assert verdict.coverage is Outcome.NOT_APPLICABLE
    assert verdict.outcome is Outcome.VERIFIED


def test_an_unanswered_question_is_undetermined(make_reading) -> None:
    reading = make_reading()
    half = type(reading)(reading.punctures[:1], reading.junctions, reading.aberrant_flow, reading.image_quality)
    verdict = verdict_of_reading(half, PROTOCOL, True)
    assert verdict.puncture is Outcome.UNDETERMINED
    assert verdict.criteria[1].result is CriterionResult.UNDETERMINED


def test_nothing_is_decided_before_somebody_signed(case, make_events) -> None:
    reviewed = apply_review(case, PROTOCOL, logged(make_events("A", WHOLE[:3])))
    assert reviewed.decision is None
    assert reviewed.verdict is None
    assert reviewed.head_hash == f"{2:064d}"
    assert apply_review(case, PROTOCOL, []).head_hash == ""


def test_two_who_agree_decide_together(case, make_events, make_reading) -> None:
    reviewed = apply_review(case, PROTOCOL, logged(make_events("A", WHOLE) + make_events("B", WHOLE)))
    assert reviewed.decided_by == ("A", "B")
    assert reviewed.decision == make_reading()
    assert reviewed.verdict is not None
    assert reviewed.verdict.outcome is Outcome.VERIFIED


def test_two_who_differ_decide_nothing_until_the_third_does(case, make_events, make_reading) -> None:
    other = make_reading(left=(Level.L4, Answer.NO))
    events = make_events("A", WHOLE) + make_events("B", WHOLE, other)
    open_case = apply_review(case, PROTOCOL, logged(events))
    assert open_case.decision is None
    assert open_case.disagreements == ("level seen, left (target L5)", "at target L5, left")
    settled = apply_review(case, PROTOCOL, logged(events + make_events("C", (EventKind.ADJUDICATED,), other)))
    assert settled.decided_by == ("C",)
    assert settled.disagreements == ()
    assert settled.verdict is not None
    assert settled.verdict.outcome is Outcome.NOT_VERIFIED


def test_a_decision_is_as_old_as_the_step_that_completed_it(case, make_events, make_reading) -> None:
    one = make_events("A", WHOLE)  # signed at 09:03
    assert apply_review(case, PROTOCOL, logged(one[:3])).decided_at is None
    alone = apply_review(case, PROTOCOL, logged(one))
    assert (alone.decided_at, alone.decided_on) == (one[-1].at, "b" * 64)
    other = make_reading(left=(Level.L4, Answer.NO))
    two = [*one, *make_events("B", WHOLE, other, result_sha256="c" * 64)]
    assert apply_review(case, PROTOCOL, logged(two)).decided_at is None
    settled = [*two, *make_events("C", (EventKind.ADJUDICATED,), other, result_sha256="d" * 64)]
    assert apply_review(case, PROTOCOL, logged(settled)).decided_on == "d" * 64


def test_departures_name_what_the_reader_sees_otherwise(case, make_reading) -> None:
    assert departures(make_reading(), case) == ()
    assert departures(make_reading(left=(Level.L4, Answer.NO)), case) == (
        "level seen, left: L4, software L5",
        "at target L5, left: no, software yes",
    )


def test_a_comment_is_needed_where_the_reader_doubts_or_contradicts(case, make_reading) -> None:
    assert not comment_is_needed(make_reading(), case)
    assert comment_is_needed(make_reading(covered=Answer.NO), case)
    assert comment_is_needed(make_reading(covered=Answer.UNDETERMINED), case)


def test_a_contradicting_signature_without_a_comment_is_not_recorded(case, tmp_path, make_events, make_reading) -> None:
    subject = subject_of(case)
    key = open_reader_key("A", tmp_path)

    def record(store, kind, reading) -> None:
        (event,) = make_events("A", (kind,), reading)
        event = ReviewEvent(subject, kind, "A", event.at, event.reading)
        record_event(store, key, case, event)

    silent = make_reading(covered=Answer.NO)
    with ReviewStore(str(tmp_path / "r.sqlite")) as store:
        for kind in WHOLE[:3]:
            record(store, kind, silent)
        with pytest.raises(ReviewError, match="a comment is needed"):
            record(store, EventKind.SIGNED, silent)
        record(store, EventKind.SIGNED, make_reading(covered=Answer.NO, comment="contrast ends below L4"))
        assert [e.event.kind for e in store.events("P1-01")] == list(WHOLE)


def test_the_subject_changes_with_the_result(case) -> None:
    from dataclasses import replace

    assert subject_of(case) == subject_of(case)
    changed = subject_of(replace(case, flags=(), punctures=()))
    assert changed.result_sha256 != subject_of(case).result_sha256
    assert changed.input_sha256 == subject_of(case).input_sha256


def test_agreement_counts_one_item_a_case_and_leaves_out_who_was_not_blind(make_events, make_reading) -> None:
    other = make_reading(left=(Level.L4, Answer.NO))
    cases = {
        "same": make_events("A", WHOLE) + make_events("B", WHOLE),
        "differ": make_events("A", WHOLE) + make_events("B", WHOLE, other),
        "seen": make_events("A", (EventKind.RESULT_SEEN, *WHOLE)) + make_events("B", WHOLE),
        "one reader": make_events("A", WHOLE),
    }
    by_question = {item.question: item for item in reader_agreement(cases, "A", "B")}
    left = by_question["at target L5, left"]
    assert (left.agreement.n, left.left_out) == (2, 1)
    assert left.agreement.agreement.value == 0.5
    assert by_question["at target L5, right"].agreement.agreement.value == 1.0
    level = by_question["level seen, left (target L5)"].agreement
    assert level.categories == ("L3", "L4", "L5", "S1", "can't tell")
    signed = {i.question: i for i in reader_agreement(cases, "A", "B", EventKind.SIGNED)}
    assert signed["at target L5, left"].agreement.n == 3
