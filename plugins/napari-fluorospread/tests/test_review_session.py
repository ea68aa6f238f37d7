"""A session opens cases, times the reading, and has every step in the store before it goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import built_cases
import pytest
from PIL import Image

from fluorospread.errors import CaseFileError, MissingFileError, ProtocolError, ReviewError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.review import (
    CaseStatus,
    Confidence,
    EventKind,
    ImageQuality,
    JunctionReading,
    PunctureReading,
    Reading,
)
from fluorospread.model.spread import Answer
from fluorospread.pipeline.edit_case import FindingKind, FindingPlace, move_finding
from fluorospread.pipeline.review_cohort import find_case_files
from fluorospread.store.reader_key import open_reader_key
from fluorospread.store.review_store import ReviewStore
from fluorospread.store.verify_log import verify_log
from napari_fluorospread.finding_editor import EditedCase
from napari_fluorospread.open_case import open_case
from napari_fluorospread.reader import read_layers
from napari_fluorospread.review_session import ReviewSession

MakeSession = Callable[..., ReviewSession]


def reading(level: Level = Level.L5, comment: str = "seen otherwise") -> Reading:
    at_target = Answer.YES if level is Level.L5 else Answer.NO
    return Reading(
        tuple(PunctureReading(s, Level.L5, level, at_target, Confidence.HIGH) for s in (Side.LEFT, Side.RIGHT)),
        tuple(
            JunctionReading(junction, s, Answer.YES)
            for junction in (Level.L4, Level.L5)
            for s in (Side.LEFT, Side.RIGHT)
        ),
        Answer.NO,
        ImageQuality.GOOD,
        comment,
    )


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def session_of(tmp_path: Path, clock: Clock) -> Iterator[MakeSession]:
    cases = tmp_path / "cases"
    for number in (1, 2, 3):
        built_cases.write_case(cases, f"P1-0{number}")
    sessions: list[ReviewSession] = []

    def make(reader: str, read_only: bool = False) -> ReviewSession:
        store = ReviewStore(str(tmp_path / "reviews.sqlite"))
        key = open_reader_key(reader, tmp_path / "keys")
        session = ReviewSession(find_case_files(cases), store, key, clock, read_only=read_only)
        sessions.append(session)
        return session

    yield make
    for session in sessions:
        session.close()


def kinds(tmp_path: Path, case_id: str) -> list[EventKind]:
    with ReviewStore(str(tmp_path / "reviews.sqlite")) as store:
        assert verify_log(store).untouched
        return [logged.event.kind for logged in store.events(case_id)]


def test_a_case_is_read_revealed_and_signed(session_of: MakeSession, tmp_path: Path, clock: Clock) -> None:
    session = session_of("A")
    session.open("P1-01")
    assert not session.may_see_finding()
    clock.now += 30.0
    session.lock_and_reveal(reading())
    assert session.may_see_finding()
    clock.now += 12.5
    session.sign(reading())
    assert session.progress("P1-01").status is CaseStatus.SIGNED
    assert session.progress("P1-01").seconds == pytest.approx(42.5)
    assert kinds(tmp_path, "P1-01") == [
        EventKind.OPENED,
        EventKind.FIRST_READ,
        EventKind.REVEALED,
        EventKind.SIGNED,
    ]


def test_answers_changed_after_the_reveal_stand_beside_the_first(session_of: MakeSession, tmp_path: Path) -> None:
    session = session_of("A")
    session.open("P1-01")
    session.lock_and_reveal(reading(Level.L4))
    session.sign(reading(Level.L5))
    assert kinds(tmp_path, "P1-01")[-2:] == [EventKind.REVISED, EventKind.SIGNED]
    assert session.progress("P1-01").first == reading(Level.L4)


def test_a_refused_signature_records_nothing(session_of: MakeSession, tmp_path: Path) -> None:
    session = session_of("A")
    session.open("P1-01")
    session.lock_and_reveal(reading())
    with pytest.raises(ReviewError, match="a comment is needed"):
        session.sign(reading(Level.L4, comment=" "))
    assert kinds(tmp_path, "P1-01")[-1] is EventKind.REVEALED


def test_a_new_session_goes_on_where_the_last_one_stopped(session_of: MakeSession) -> None:
    session = session_of("A")
    first = session.next_open_case()
    assert first == session.order[0]
    session.open(first)
    session.lock_and_reveal(reading())
    session.sign(reading())
    again = session_of("A")
    assert again.next_open_case() == session.order[1]
    assert again.done_count() == 1
    assert [row.status for row in again.rows()] == [CaseStatus.SIGNED, CaseStatus.NEW, CaseStatus.NEW]


def test_the_next_case_is_read_ahead(session_of: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_of("A")
    session.open(session.order[0])
    session.prefetch()
    monkeypatch.setattr("napari_fluorospread.case_loader.make_ready", lambda _path: pytest.fail("read again"))
    assert session.open(session.order[1]).case.case_id == session.order[1]


def test_a_reader_goes_on_with_the_case_begun_last(session_of: MakeSession) -> None:
    session = session_of("A")
    first, second, third = session.order
    assert session.resume_case() == first
    session.open(first)
    session.open(third)
    again = session_of("A")
    assert again.resume_case() == third
    again.open(third)
    again.lock_and_reveal(reading())
    again.sign(reading())
    assert session_of("A").resume_case() == first
    assert second not in (first, third)


def test_a_read_only_session_shows_what_may_be_seen_and_records_nothing(
    session_of: MakeSession, tmp_path: Path
) -> None:
    session = session_of("A")
    session.open("P1-01")
    session.lock_and_reveal(reading())
    session.sign(reading())
    before = kinds(tmp_path, "P1-01")
    looking = session_of("A", read_only=True)
    looking.open("P1-01")
    assert looking.may_see_finding()
    looking.open("P1-02")
    assert not looking.may_see_finding()
    with pytest.raises(ReviewError, match="read-only session"):
        looking.lock_and_reveal(reading())
    assert kinds(tmp_path, "P1-01") == before
    assert kinds(tmp_path, "P1-02") == []


def test_findings_a_reader_corrected_are_kept_beside_the_case_and_named_in_the_signature(
    session_of: MakeSession, tmp_path: Path
) -> None:
    session = session_of("A")
    opened = session.open("P1-01")
    former = opened.path.read_bytes()
    session.lock_and_reveal(reading())
    edited = move_finding(opened.case, FindingPlace(0, FindingKind.JUNCTION, 0), (90.0, 70.0))
    session.sign(reading(), EditedCase(edited, opened.contrast_mask))
    saved = opened.path.parent / "corrected" / "1" / "case.json"
    again = open_case(saved)
    assert again.case.images[0].junctions[0].point_px == (90.0, 70.0)
    assert again.case.images[0].junctions[0].assigned_by == "person"
    assert again.case.overrides[-1].name == "post: junctions: L4 right"
    assert opened.path.read_bytes() == former
    with ReviewStore(str(tmp_path / "reviews.sqlite")) as store:
        signed = store.events("P1-01")[-1].event
    assert signed.why == (
        f"findings corrected: corrected/1/case.json, SHA-256 {hashlib.sha256(saved.read_bytes()).hexdigest()}"
    )
    # A second correction is written beside the first.
    assert "corrected/2/case.json" in session.save_edits(EditedCase(edited, None))


def test_the_report_is_written_with_the_signed_decision_and_not_before(session_of: MakeSession) -> None:
    session = session_of("Dr. Reader")
    session.open("P1-01")
    with pytest.raises(ReviewError, match="sign the case first"):
        session.report()
    session.lock_and_reveal(reading())
    session.sign(reading())
    page = session.report().read_text(encoding="utf-8")
    assert "Dr. Reader" in page
    assert session._events["P1-01"][-1].hash in page


def test_a_changed_image_is_refused_before_anything_is_recorded(session_of: MakeSession, tmp_path: Path) -> None:
    session = session_of("A")
    image = tmp_path / "cases" / "P1-01" / "post.png"
    with Image.open(image) as picture:
        changed = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    changed.save(image)
    with pytest.raises(CaseFileError, match="is not the image this case was computed from"):
        session.open("P1-01")
    assert kinds(tmp_path, "P1-01") == []
    assert "SHA-256" in session.row("P1-01").problem


def test_others_are_shown_only_after_the_own_signature(session_of: MakeSession) -> None:
    first = session_of("A")
    first.open("P1-01")
    first.lock_and_reveal(reading())
    first.sign(reading())
    second = session_of("B")
    second.open("P1-01")
    assert second.row("P1-01").others == ""
    assert second.readings_of_others() == ()
    second.lock_and_reveal(reading())
    second.sign(reading())
    assert second.row("P1-01").others == "A: left L5 ✓, right L5 ✓"
    assert [who for who, _ in second.readings_of_others()] == ["A"]


def test_what_others_record_meanwhile_is_taken_in_by_a_refresh(session_of: MakeSession) -> None:
    third = session_of("C")
    for reader, level in (("A", Level.L5), ("B", Level.L4)):
        session = session_of(reader)
        session.open("P1-03")
        session.lock_and_reveal(reading(level))
        session.sign(reading(level))
    assert third.row("P1-03").status is CaseStatus.NEW
    third.refresh_all()
    assert third.row("P1-03").status is CaseStatus.ADJUDICATE


def test_a_third_reader_is_led_to_the_disagreement(session_of: MakeSession) -> None:
    for reader, level in (("A", Level.L5), ("B", Level.L4)):
        session = session_of(reader)
        session.open("P1-02")
        session.lock_and_reveal(reading(level))
        session.sign(reading(level))
    third = session_of("C")
    assert third.row("P1-02").status is CaseStatus.ADJUDICATE
    third.open("P1-02")
    assert third.adjudicates()
    assert third.may_see_finding()
    assert len(third.readings_of_others()) == 2
    third.adjudicate(reading())
    assert third.progress("P1-02").status is CaseStatus.ADJUDICATED


def test_a_reader_who_knows_the_result_is_not_blind(session_of: MakeSession) -> None:
    session = session_of("A")
    session.open("P1-01")
    session.declare_result_seen("read the report")
    session.lock_and_reveal(reading())
    assert not session.progress("P1-01").blinded


def test_a_result_opened_as_a_file_is_known_to_later_sessions(session_of: MakeSession, tmp_path: Path) -> None:
    assert not session_of("A").result_was_shown("P1-01")
    read_layers(str(tmp_path / "cases" / "P1-01"))
    assert session_of("A").result_was_shown("P1-01")
    assert not session_of("A").result_was_shown("P1-02")


def test_a_case_that_cannot_be_opened_is_passed_over_and_says_why(session_of: MakeSession, tmp_path: Path) -> None:
    session = session_of("A")
    broken, good, _ = session.order
    (tmp_path / "cases" / broken / "post.png").unlink()
    with pytest.raises(MissingFileError):
        session.open(broken)
    assert session.opened is None
    assert session.next_open_case() == good
    assert "is not there" in session.row(broken).problem
    assert kinds(tmp_path, broken) == []


def test_a_case_of_an_unknown_protocol_is_not_begun(session_of: MakeSession, tmp_path: Path) -> None:
    session = session_of("A")
    path = tmp_path / "cases" / "P1-01" / "case.json"
    path.write_text(path.read_text().replace("total-dorsal-ramus-block-l4-l5", "our-own"))
    with pytest.raises(ProtocolError, match=r"give its \.toml file"):
        session.open("P1-01")
    assert kinds(tmp_path, "P1-01") == []


def test_a_case_locked_earlier_is_revealed_when_it_is_opened_again(session_of: MakeSession, tmp_path: Path) -> None:
    session = session_of("A")
    session.open("P1-01")
    session._record(EventKind.FIRST_READ, reading())
    again = session_of("A")
    again.open("P1-01")
    assert again.may_see_finding()
    assert kinds(tmp_path, "P1-01")[-2:] == [EventKind.OPENED, EventKind.REVEALED]


def test_a_reader_whose_screen_showed_the_result_is_not_blind(session_of: MakeSession, tmp_path: Path) -> None:
    session = session_of("A")
    session.open("P1-01", "its findings were open in the viewer")
    assert kinds(tmp_path, "P1-01") == [EventKind.OPENED, EventKind.RESULT_SEEN]
    assert not session.progress("P1-01").blinded
    session.lock_and_reveal(reading())
    session.open("P1-01", "its findings were open in the viewer")
    assert kinds(tmp_path, "P1-01")[-1] is EventKind.OPENED


def test_a_folder_without_cases_or_with_one_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaseFileError, match=r"no case\.json here"):
        find_case_files(tmp_path)
    path = built_cases.write_case(tmp_path, "P1-01")
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "case.json").write_text(path.read_text())
    with pytest.raises(CaseFileError, match="both case P1-01"):
        find_case_files(tmp_path)
