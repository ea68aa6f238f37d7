"""A viewer killed in mid-review loses nothing that was signed, and its reader goes on where it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import built_cases

from fluorospread.model.review import CaseStatus
from fluorospread.pipeline.review_cohort import find_case_files
from fluorospread.store.reader_key import open_reader_key
from fluorospread.store.review_store import ReviewStore
from fluorospread.store.verify_log import verify_log
from napari_fluorospread.review_session import ReviewSession

READER = """
import sys
from pathlib import Path
from fluorospread.model.review import ImageQuality, PunctureReading, Reading, Confidence
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.spread import Answer
from fluorospread.pipeline.review_cohort import find_case_files
from fluorospread.store.reader_key import open_reader_key
from fluorospread.store.review_store import ReviewStore
from napari_fluorospread.review_session import ReviewSession

folder = Path(sys.argv[1])
punctures = tuple(PunctureReading(s, Level.L5, Level.L5, Answer.YES, Confidence.HIGH) for s in (Side.LEFT, Side.RIGHT))
reading = Reading(punctures, (), None, ImageQuality.GOOD, "both seen")
key = open_reader_key("Dr. A", folder / "keys")
session = ReviewSession(find_case_files(folder / "cases"), ReviewStore(str(folder / "reviews.sqlite")), key)
for number, case_id in enumerate(session.order):
    session.open(case_id)
    session.prefetch()
    session.lock_and_reveal(reading)
    if number == 2:
        print("third case locked", flush=True)
        sys.stdin.read()
    session.sign(reading)
    print("signed", case_id, flush=True)
"""


def test_a_viewer_killed_in_mid_review_loses_nothing_signed_and_its_reader_goes_on_there(tmp_path: Path) -> None:
    for number in range(1, 5):
        built_cases.write_case(tmp_path / "cases", f"P1-0{number}", contrast_given=False)
    process = subprocess.Popen(
        [sys.executable, "-c", READER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    said = [process.stdout.readline().split() for _ in range(3)]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stdin.close()
    assert [words[0] for words in said] == ["signed", "signed", "third"]

    store = ReviewStore(str(tmp_path / "reviews.sqlite"))
    assert verify_log(store).untouched
    key = open_reader_key("Dr. A", tmp_path / "keys")
    session = ReviewSession(find_case_files(tmp_path / "cases"), store, key)
    try:
        first, second, third, fourth = session.order
        assert [words[1] for words in said[:2]] == [first, second]
        assert session.progress(first).status is session.progress(second).status is CaseStatus.SIGNED
        # The locked reading is there, and the finding stays shown.
        assert session.progress(third).status is CaseStatus.OPEN
        assert session.progress(third).first is not None
        assert session.progress(fourth).status is CaseStatus.NEW
        assert session.resume_case() == third
    finally:
        session.close()
