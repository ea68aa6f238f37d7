"""Whatever is done to a log from outside is found, and the event it was done to is named."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from fluorospread.model.review import EventKind
from fluorospread.store.event_body import hash_of, text_to_body
from fluorospread.store.reader_key import ReaderKey, open_reader_key
from fluorospread.store.review_store import ReviewStore
from fluorospread.store.verify_log import verify_log

Tamper = Callable[..., None]


@pytest.fixture
def tamper(tmp_path: Path) -> Tamper:
    """Runs SQL on the store's file as somebody would who has it: the triggers are dropped first."""

    def run(statement: str, *values: object) -> None:
        connection = sqlite3.connect(tmp_path / "reviews.sqlite")
        for action in ("update", "delete"):
            for table in ("review_events", "reader_keys"):
                connection.execute(f"DROP TRIGGER IF EXISTS {table}_no_{action}")
        connection.execute(statement, values)
        connection.commit()
        connection.close()

    return run


@pytest.fixture
def three(store: ReviewStore, key: ReaderKey, make_event) -> ReviewStore:
    for minute, kind in enumerate((EventKind.OPENED, EventKind.FIRST_READ, EventKind.REVEALED)):
        store.append(make_event(kind=kind, minute=minute), key)
    return store


def test_an_untouched_log_has_no_problem(three: ReviewStore) -> None:
    report = verify_log(three, three.heads())
    assert report.untouched
    assert (report.cases, report.events) == (1, 3)


def test_an_empty_store_has_no_problem(store: ReviewStore) -> None:
    assert verify_log(store).untouched


def test_a_changed_answer_is_found(three: ReviewStore, tamper: Tamper) -> None:
    tamper("""UPDATE review_events SET body = replace(body, '"covered":"no"', '"covered":"yes"') WHERE sequence = 2""")
    assert [str(problem) for problem in verify_log(three).problems] == [
        "P1-01, event 2: the content does not fit its hash: it was changed"
    ]


def test_a_changed_answer_with_its_hash_made_anew_is_found(three: ReviewStore, tamper: Tamper) -> None:
    body = three.rows()[1].body.replace('"covered":"no"', '"covered":"yes"')
    tamper("UPDATE review_events SET body = ?, hash = ? WHERE sequence = 2", body, hash_of(body))
    assert [(p.sequence, p.what.split(":")[0]) for p in verify_log(three).problems] == [
        (3, "the link to the event before it is broken"),
        (2, "the signature is not that of Dr. Āda"),
    ]


def test_a_chain_made_anew_by_someone_without_the_key_is_found(
    store: ReviewStore, key: ReaderKey, make_event, tamper: Tamper, tmp_path: Path
) -> None:
    store.append(make_event(), key)
    forger = open_reader_key("Dr. Āda", tmp_path / "forged")
    body = store.rows()[0].body.replace(key.public.key_id, forger.public.key_id)
    digest = hash_of(body)
    tamper("UPDATE review_events SET body = ?, hash = ?, signature = ?", body, digest, forger.sign(digest))
    assert [p.what for p in verify_log(store).problems] == ["it was signed with another key than that of Dr. Āda"]


def test_a_removed_event_is_found(three: ReviewStore, tamper: Tamper) -> None:
    tamper("DELETE FROM review_events WHERE sequence = 2")
    assert [(p.sequence, p.what.split(":")[0]) for p in verify_log(three).problems] == [
        (3, "expected event 2 here"),
        (3, "the link to the event before it is broken"),
    ]


def test_a_log_cut_off_at_its_end_is_found_by_the_head_of_an_earlier_report(three, tamper: Tamper) -> None:
    heads = three.heads()
    tamper("DELETE FROM review_events WHERE sequence = 3")
    assert verify_log(three).untouched
    (problem,) = verify_log(three, heads).problems
    assert "cut off or rewritten" in problem.what


def test_an_older_head_is_still_good_after_more_events(three, key, make_event) -> None:
    heads = three.heads()
    three.append(make_event(kind=EventKind.SIGNED, minute=9), key)
    assert verify_log(three, heads).untouched


def test_an_event_moved_to_another_case_is_found(three: ReviewStore, tamper: Tamper) -> None:
    tamper("UPDATE review_events SET case_id = 'P1-02' WHERE sequence = 1")
    whats = [p.what for p in verify_log(three).problems if p.case_id == "P1-02"]
    assert whats == ["it was written as event 1 of P1-01: it was moved"]


def test_a_removed_key_is_found(three: ReviewStore, tamper: Tamper) -> None:
    tamper("DELETE FROM reader_keys")
    assert {p.what for p in verify_log(three).problems} == {
        "no usable public key of Dr. Āda is in the store, so the signature cannot be checked"
    }


def test_an_unreadable_event_is_named_and_the_rest_is_still_checked(three: ReviewStore, tamper: Tamper) -> None:
    tamper("UPDATE review_events SET body = '{}' WHERE sequence = 1")
    problems = verify_log(three).problems
    assert {p.sequence for p in problems} == {1}
    assert any("cannot be read" in p.what for p in problems)


def test_the_stored_text_holds_its_place_and_link(three: ReviewStore) -> None:
    first, second, _ = three.rows()
    body = text_to_body(second.body)
    assert (body.sequence, body.previous_hash) == (2, first.hash)
