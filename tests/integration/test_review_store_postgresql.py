"""Two workstations read into one PostgreSQL at the same time."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from fluorospread.errors import StoreError
from fluorospread.model.review import EventKind
from fluorospread.pipeline.review_cohort import find_case_files, review_cohort
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


SESSION = """
import sys, time
from pathlib import Path
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.review import Confidence, ImageQuality, PunctureReading, Reading
from fluorospread.model.spread import Answer
from fluorospread.pipeline.review_cohort import find_case_files
from fluorospread.store.reader_key import open_reader_key
from fluorospread.store.review_store import ReviewStore
from napari_fluorospread.review_session import ReviewSession

url, reader, folder, other = *sys.argv[1:3], Path(sys.argv[3]), Path(sys.argv[3]) / sys.argv[4]
level = Level.L4 if reader == "Dr. D" else Level.L5
punctures = tuple(
    PunctureReading(side, Level.L5, level, Answer.YES if level is Level.L5 else Answer.NO, Confidence.HIGH)
    for side in (Side.LEFT, Side.RIGHT)
)
reading = Reading(punctures, (), None, ImageQuality.GOOD, "as seen")
session = ReviewSession(find_case_files(folder / "cases"), ReviewStore(url), open_reader_key(reader, folder / "keys"))
(folder / reader).touch()
while not other.exists():
    time.sleep(0.01)
while (case_id := session.next_open_case()) is not None:
    session.open(case_id)
    session.lock_and_reveal(reading)
    session.sign(reading)
session.close()
"""


def _server_programs() -> Path | None:
    """Folder of initdb and postgres; Debian keeps them off the search path."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@pytest.fixture
def built_cases() -> ModuleType:
    """The viewer's hand-made cases."""
    path = Path(__file__).parents[2] / "plugins" / "napari-fluorospread" / "tests" / "built_cases.py"
    spec = importlib.util.spec_from_file_location("built_cases", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


def test_two_readers_at_two_workstations_sign_every_case_and_their_agreement_comes_out(
    url: str, tmp_path: Path, built_cases: ModuleType
) -> None:
    for number in range(1, 6):
        built_cases.write_case(tmp_path / "cases", f"W-0{number}", contrast_given=False)
    names = ("Dr. C", "Dr. D")
    readers = [
        subprocess.Popen([sys.executable, "-c", SESSION, url, name, str(tmp_path), other])
        for name, other in zip(names, reversed(names), strict=True)
    ]
    assert [reader.wait() for reader in readers] == [0, 0]
    with ReviewStore(url) as store:
        assert verify_log(store).untouched
        found = review_cohort(find_case_files(tmp_path / "cases"), store)
    assert sorted(found.cases) == [f"W-0{number}" for number in range(1, 6)]
    for case in found.cases.values():
        assert sorted(reader.reader for reader in case.readers if reader.signed is not None) == list(names)
        assert case.decision is None
    blind = next(pair for pair in found.agreement if pair.kind is EventKind.FIRST_READ)
    agreed = {item.question: item.agreement.agreement.value for item in blind.questions}
    assert agreed["at target L5, left"] == 0.0


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
