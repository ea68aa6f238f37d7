"""Two workstations read into one PostgreSQL at the same time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluorospread.errors import StoreError
from fluorospread.store.review_store import ReviewStore
from fluorospread.store.verify_log import verify_log

READER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from fluorospread.model.review import EventKind, ReviewEvent, ReviewSubject
from fluorospread.store.reader_key import open_reader_key
from fluorospread.store.review_store import ReviewStore

url, reader, folder = sys.argv[1:]
key = open_reader_key(reader, Path(folder))
with ReviewStore(url) as store:
    for number in range(30):
        subject = ReviewSubject(f"P1-0{number % 3 + 1}", "fluorospread 0.1.0", "", "a" * 64, "b" * 64)
        store.append(ReviewEvent(subject, EventKind.OPENED, reader, datetime.now(UTC)), key)
"""


def _server_programs() -> Path | None:
    """Folder of initdb and postgres; Debian keeps them off the search path."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A PostgreSQL server of its own, reached through a socket in a temporary folder."""
    programs = _server_programs()
    if programs is None or not (programs / "initdb").exists():
        pytest.skip("the PostgreSQL server programs are not installed (Debian: postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="reviews-", dir="/tmp"))
    # The server refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "user": user, "cwd": folder}
    data = folder / "data"
    subprocess.run([programs / "initdb", "-D", data, "-U", "reader", "-A", "trust", "--no-sync"], check=True, **quiet)
    start = [programs / "pg_ctl", "-D", data, "-w", "-o", f"-c listen_addresses='' -k {folder}", "start"]
    subprocess.run(start, check=True, **quiet)
    try:
        yield f"postgresql://reader@/postgres?host={folder}"
    finally:
        subprocess.run([programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], check=True, **quiet)
        shutil.rmtree(folder)


def test_two_workstations_opening_a_new_store_and_reading_at_once_lose_nothing(url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", READER, url]
    readers = [subprocess.Popen([*command, name, str(tmp_path)]) for name in ("Dr. A", "Dr. B")]
    assert [reader.wait() for reader in readers] == [0, 0]
    with ReviewStore(url) as store:
        report = verify_log(store, store.heads())
        assert report.untouched, report.problems
        assert report.events == 60
        by_reader = [event.event.reader for events in store.all_events().values() for event in events]
        assert sorted(set(by_reader)) == ["Dr. A", "Dr. B"]
        assert by_reader.count("Dr. A") == 30


@pytest.mark.parametrize("statement", ["DELETE FROM review_events", "TRUNCATE reader_keys"])
def test_the_server_refuses_changes(url: str, statement: str) -> None:
    import psycopg

    ReviewStore(url).close()
    with (
        psycopg.connect(
            url.replace("postgresql://reader@/postgres?host=", "dbname=postgres user=reader host=")
        ) as session,
        pytest.raises(psycopg.errors.RaiseException, match="append-only"),
    ):
        session.execute(statement)


def test_a_server_that_is_not_there_is_a_named_error() -> None:
    with pytest.raises(StoreError, match="the review store cannot be opened"):
        ReviewStore("postgresql://reader@127.0.0.1:1/reviews")
