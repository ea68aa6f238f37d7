"""Blind first, locked, revealed, signed; independent second reader; a third adjudicates."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fluorospread.errors import ReviewError
from fluorospread.model.anatomy import Level
from fluorospread.model.review import CaseStatus, EventKind
from fluorospread.model.spread import Answer
from fluorospread.pipeline.reading_protocol import (
    adjudication_due,
    check_event,
    disagreements,
    may_adjudicate,
    may_see_finding,
    may_see_others,
    progress_of,
    reading_order,
)

OPENED, SEEN, FIRST = EventKind.OPENED, EventKind.RESULT_SEEN, EventKind.FIRST_READ
REVEALED, REVISED, SIGNED, ADJUDICATED = (
    EventKind.REVEALED,
    EventKind.REVISED,
    EventKind.SIGNED,
    EventKind.ADJUDICATED,
)
WHOLE = (OPENED, FIRST, REVEALED, SIGNED)


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        ((), CaseStatus.NEW),
        ((OPENED,), CaseStatus.READING),
        ((OPENED, FIRST), CaseStatus.BLIND_READ),
        ((OPENED, FIRST, REVEALED), CaseStatus.OPEN),
        ((OPENED, FIRST, REVEALED, REVISED), CaseStatus.OPEN),
        (WHOLE, CaseStatus.SIGNED),
        ((*WHOLE, OPENED), CaseStatus.SIGNED),
    ],
)
def test_the_status_follows_the_steps(make_events, kinds, status) -> None:
    events = make_events("A", kinds)
    assert progress_of(events, "A").status is status
    assert progress_of(events, "B").status is CaseStatus.NEW


def test_reading_time_adds_up(make_events) -> None:
    assert progress_of(make_events("A", WHOLE), "A").seconds == 20.0


def test_a_reader_who_saw_the_result_first_is_unblinded(make_events) -> None:
    assert not progress_of(make_events("A", (SEEN, OPENED, FIRST)), "A").blinded
    assert progress_of(make_events("A", (OPENED, FIRST, SEEN)), "A").blinded
    assert progress_of(make_events("B", (SEEN,)) + make_events("A", (OPENED, FIRST)), "A").blinded


def test_a_change_after_the_reveal_is_kept_beside_the_first_reading(make_events, make_reading) -> None:
    changed = make_reading(covered=Answer.NO)
    events = make_events("A", (OPENED, FIRST, REVEALED)) + make_events("A", (REVISED,), changed)
    progress = progress_of(events, "A")
    assert progress.first == make_reading()
    assert progress.latest == changed


def test_the_finding_is_hidden_until_the_first_reading_is_locked_and_it_is_revealed(make_events) -> None:
    for kinds in ((), (OPENED,), (SEEN, OPENED), (OPENED, FIRST)):
        assert not may_see_finding(make_events("A", kinds), "A")
    assert may_see_finding(make_events("A", (OPENED, FIRST, REVEALED)), "A")


def test_what_one_reader_revealed_stays_hidden_from_another(make_events) -> None:
    assert not may_see_finding(make_events("A", WHOLE), "B")


def test_others_answers_are_hidden_until_the_own_signature(make_events) -> None:
    events = make_events("A", WHOLE) + make_events("B", (OPENED, FIRST, REVEALED))
    assert not may_see_others(events, "B")
    assert may_see_others(events, "A")


@pytest.mark.parametrize(
    ("before", "step", "message"),
    [
        ((OPENED, FIRST), FIRST, "is locked"),
        ((OPENED,), REVEALED, "has to lock a first reading"),
        ((OPENED,), SIGNED, "has to lock a first reading"),
        ((OPENED, FIRST), SIGNED, "has to be shown before"),
        ((OPENED, FIRST), REVISED, "has to be shown before"),
        (WHOLE, REVISED, "read-only"),
        (WHOLE, SIGNED, "read-only"),
        (WHOLE, ADJUDICATED, "nothing to adjudicate"),
    ],
)
def test_a_step_out_of_turn_is_refused(make_events, before, step, message) -> None:
    (event,) = make_events("A", (step,))
    with pytest.raises(ReviewError, match=message):
        check_event(make_events("A", before), event)


def test_every_step_in_turn_is_allowed(make_events) -> None:
    steps = make_events("A", (OPENED, FIRST, REVEALED, REVISED, REVISED, SIGNED, OPENED))
    for place, step in enumerate(steps):
        check_event(steps[:place], step)


def test_changed_images_are_noticed(make_events) -> None:
    (event,) = make_events("A", (FIRST,), input_sha256="c" * 64)
    with pytest.raises(ReviewError, match="not those read before"):
        check_event(make_events("A", (OPENED,)), event)


def test_a_result_computed_anew_after_the_reveal_is_shown_again_before_signing(make_events) -> None:
    before = make_events("A", (OPENED, FIRST, REVEALED))
    (signing,) = make_events("A", (SIGNED,), result_sha256="d" * 64)
    with pytest.raises(ReviewError, match="computed anew"):
        check_event(before, signing)
    (again,) = make_events("A", (REVEALED,), result_sha256="d" * 64)
    check_event([*before, again], signing)


def test_readings_differ_in_what_was_seen_not_in_confidence_or_comment(make_reading) -> None:
    assert disagreements(make_reading(), make_reading(comment="other words")) == ()
    assert disagreements(make_reading(), replace(make_reading(), aberrant_flow=Answer.YES)) == ("aberrant flow",)
    assert disagreements(make_reading(), make_reading(left=(Level.L4, Answer.NO), covered=Answer.NO)) == (
        "level seen, left (target L5)",
        "at target L5, left",
        "L4 covered, left",
        "L5 covered, left",
    )


@pytest.fixture
def differing(make_events, make_reading):
    return make_events("A", WHOLE) + make_events("B", WHOLE, make_reading(left=(Level.L4, Answer.NO)))


def test_two_signed_readings_that_differ_wait_for_a_third_reader(differing) -> None:
    assert adjudication_due(differing)
    assert [progress_of(differing, reader).status for reader in "ABC"] == [CaseStatus.ADJUDICATE] * 3
    assert [may_adjudicate(differing, reader) for reader in "ABC"] == [False, False, True]
    assert may_see_finding(differing, "C")
    assert may_see_others(differing, "C")


def test_readers_who_agree_need_no_third(make_events) -> None:
    events = make_events("A", WHOLE) + make_events("B", WHOLE)
    assert not adjudication_due(events)
    assert progress_of(events, "C").status is CaseStatus.NEW


def test_only_a_reader_without_a_part_in_it_adjudicates(differing, make_events) -> None:
    (own,) = make_events("B", (ADJUDICATED,))
    with pytest.raises(ReviewError, match="did not read it adjudicates"):
        check_event(differing, own)
    (third,) = make_events("C", (ADJUDICATED,))
    check_event(differing, third)


def test_an_adjudicated_case_is_read_only_for_all(differing, make_events) -> None:
    done = differing + make_events("C", (ADJUDICATED,))
    assert {progress_of(done, reader).status for reader in "ABCD"} == {CaseStatus.ADJUDICATED}
    (late,) = make_events("D", (FIRST,))
    with pytest.raises(ReviewError, match="adjudicated and is read-only"):
        check_event(done, late)


def test_each_reader_has_an_order_of_their_own_that_stays(make_events) -> None:
    cases = [f"P1-{number:02d}" for number in range(20)]
    order = reading_order(cases, "A")
    assert sorted(order) == cases
    assert order != tuple(cases)
    assert order == reading_order(reversed(cases), "A")
    assert order != reading_order(cases, "B")
    without_last = [case for case in order if case != "P1-19"]
    assert tuple(without_last) == reading_order(cases[:-1], "A")
