"""Events are added, kept as they were, chained per case, and never changed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fluorospread.errors import ReviewError, StoreError
from fluorospread.model.review import EventKind
from fluorospread.store.reader_key import ReaderKey, open_reader_key
from fluorospread.store.review_store import ReviewStore
from fluorospread.store.verify_log import verify_log


def test_an_event_comes_back_as_it_was(store: ReviewStore, key: ReaderKey, make_event) -> None:
    event = make_event()
    logged = store.append(event, key)
    assert store.events("P1-01") == (logged,)
    assert logged.event == event
    assert logged.sequence == 1
    assert logged.previous_hash == "0" * 64


def test_each_event_holds_the_hash_of_the_one_before_it_in_its_case(store, key, make_event) -> None:
    first = store.append(make_event("A", EventKind.OPENED), key)
    other = store.append(make_event("B", EventKind.OPENED), key)
    second = store.append(make_event("A"), key)
    assert second.previous_hash == first.hash
    assert (second.sequence, other.sequence) == (2, 1)
    assert store.heads() == {"A": second.hash, "B": other.hash}
    assert store.all_events() == {"A": (first, second), "B": (other,)}


def test_a_reopened_store_goes_on_where_it_was(tmp_path: Path, key: ReaderKey, make_event) -> None:
    path = str(tmp_path / "kept.sqlite")
    with ReviewStore(path) as once:
        first = once.append(make_event(kind=EventKind.OPENED), key)
    with ReviewStore(path) as again:
        assert again.append(make_event(), key).previous_hash == first.hash


@pytest.mark.parametrize("table", ["review_events", "reader_keys"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET rowid = rowid + 1"])
def test_the_database_itself_refuses_changes(store, key, make_event, tmp_path: Path, table: str, change: str) -> None:
    store.append(make_event(), key)
    connection = sqlite3.connect(tmp_path / "reviews.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(change.format(table))
    connection.close()


def test_a_failing_check_leaves_the_log_as_it_was(store: ReviewStore, key: ReaderKey, make_event) -> None:
    store.append(make_event(kind=EventKind.OPENED), key)

    def refuse(events) -> None:
        assert [event.kind for event in events] == [EventKind.OPENED]
        raise ReviewError("already signed")

    with pytest.raises(ReviewError, match="already signed"):
        store.append(make_event(), key, refuse)
    assert len(store.events("P1-01")) == 1


def test_an_event_is_signed_by_its_own_reader_only(store: ReviewStore, key: ReaderKey, make_event) -> None:
    with pytest.raises(StoreError, match="cannot be signed with the key of"):
        store.append(make_event(reader="Dr. B"), key)


def test_a_reader_known_with_one_key_is_refused_with_another(store, key, make_event, tmp_path: Path) -> None:
    store.append(make_event(), key)
    with pytest.raises(StoreError, match="known here with another key"):
        store.append(make_event(), open_reader_key("Dr. Āda", tmp_path / "another computer"))
    assert len(store.events("P1-01")) == 1


def test_two_readers_writing_at_once_both_get_in(tmp_path: Path, make_event) -> None:
    path = str(tmp_path / "shared.sqlite")
    failures: list[BaseException] = []

    def read(reader: str) -> None:
        try:
            with ReviewStore(path) as own:
                for minute in range(20):
                    own.append(make_event(reader=reader, minute=minute), open_reader_key(reader, tmp_path))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read, args=(name,)) for name in ("A", "B")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with ReviewStore(path) as store:
        assert [event.sequence for event in store.events("P1-01")] == list(range(1, 41))
        assert verify_log(store).untouched


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from fluorospread.model.review import EventKind, ReviewEvent, ReviewSubject
from fluorospread.store.reader_key import open_reader_key
from fluorospread.store.review_store import ReviewStore

folder = Path(sys.argv[1])
subject = ReviewSubject("P1-01", "fluorospread 0.1.0", "", "a" * 64, "b" * 64)
with ReviewStore(str(folder / "killed.sqlite")) as store:
    while True:
        event = ReviewEvent(subject, EventKind.OPENED, "A", datetime.now(UTC))
        print(store.append(event, open_reader_key("A", folder)).hash, flush=True)
"""


def test_a_program_killed_in_the_middle_loses_nothing_it_had_added(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    added = [process.stdout.readline().strip() for _ in range(10)]
    os.kill(process.pid, signal.SIGKILL)
    added += process.stdout.read().split("\n")[:-1]
    process.stdout.close()
    process.wait()
    with ReviewStore(str(tmp_path / "killed.sqlite")) as store:
        kept = [event.hash for event in store.events("P1-01")]
        # The one being written when the program was killed may be there, too.
        assert kept[: len(added)] == added
        assert verify_log(store).untouched


def test_a_store_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("this is not a database, and it is long enough to be told from an empty one" * 20)
    with pytest.raises(StoreError, match=r"notes\.txt: the review store"):
        ReviewStore(str(path))


def test_a_password_in_the_url_is_not_shown() -> None:
    with pytest.raises(StoreError) as caught:
        ReviewStore("postgresql://reader:secret@127.0.0.1:1/reviews")
    assert "secret" not in str(caught.value)
