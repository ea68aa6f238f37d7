"""One reader at one work list: opens cases, times the reading, and records every step in the store.

Knows no Qt and no layers; the docks show what it says. Every step is in the store when a method returns,
so a program that dies afterwards loses none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from fluorospread.errors import CaseFileError, FluorospreadError, ProtocolError, ReviewError
from fluorospread.model.protocol import Protocol
from fluorospread.model.review import CaseStatus, EventKind, LoggedEvent, ReaderProgress, Reading, ReviewEvent
from fluorospread.pipeline.apply_review import Questions, questions_of, subject_of
from fluorospread.pipeline.protocols import load_protocol, protocol_names
from fluorospread.pipeline.reading_protocol import (
    check_comment,
    may_adjudicate,
    may_see_finding,
    may_see_others,
    progress_of,
    reading_order,
    record_event,
    signed_readings,
)
from fluorospread.store.reader_key import ReaderKey
from fluorospread.store.review_store import ReviewStore
from napari_fluorospread.open_case import CASE_JSON, OpenedCase, open_case

_DONE = (CaseStatus.SIGNED, CaseStatus.ADJUDICATED)


@dataclass(frozen=True)
class WorklistRow:
    """One line of the work list. `others` is empty as long as this reader may not see it; `problem` says
    why the case could not be opened."""

    case_id: str
    status: CaseStatus
    mine: str
    others: str
    problem: str = ""


def find_case_files(folder: Path) -> dict[str, Path]:
    """Every case.json in `folder` and in its folders, by the case's identifier.

    Raises
    ------
    CaseFileError
        There is none, one is not JSON with a case's identifier, or two have the same identifier.
    """
    found: dict[str, Path] = {}
    for path in sorted([*folder.glob(CASE_JSON), *folder.glob(f"*/{CASE_JSON}")]):
        try:
            case_id = json.loads(path.read_text(encoding="utf-8"))["case_id"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CaseFileError(f"{path}: expected a case.json ({error})") from error
        if case_id in found:
            raise CaseFileError(f"{path} and {found[case_id]} are both case {case_id}; a work list needs one of them")
        found[case_id] = path
    if not found:
        raise CaseFileError(f"{folder}: no {CASE_JSON} here or one folder below; verify the cases first")
    return found


class ReviewSession:
    """The work of one reader on the cases of one folder."""

    def __init__(
        self,
        case_files: Mapping[str, Path],
        store: ReviewStore,
        key: ReaderKey,
        clock: Callable[[], float] = monotonic,
        protocol: Protocol | None = None,
    ) -> None:
        """
        Parameters
        ----------
        protocol
            For cases whose protocol is not a built-in one.
        """
        self.reader = key.reader
        self._files = dict(case_files)
        self._store = store
        self._key = key
        self._clock = clock
        self._protocol = protocol
        self._since = clock()
        self._problems: dict[str, str] = {}
        self._events: dict[str, tuple[LoggedEvent, ...]] = {}
        self.refresh_all()
        self.order = reading_order(self._files, self.reader)
        self.opened: OpenedCase | None = None
        self._questions: Questions | None = None
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="next-case")
        self._next: tuple[str, Future[OpenedCase]] | None = None

    def close(self) -> None:
        self._loader.shutdown(wait=True, cancel_futures=True)
        self._store.close()

    def rows(self) -> list[WorklistRow]:
        """The work list in this reader's order."""
        return [self.row(case_id) for case_id in self.order]

    def row(self, case_id: str) -> WorklistRow:
        steps = self._steps(case_id)
        mine = progress_of(steps, self.reader)
        others = ""
        if may_see_others(steps, self.reader):
            signed = [(who, reading) for who, reading in signed_readings(steps) if who != self.reader]
            others = "; ".join(f"{who}: {in_words(reading)}" for who, reading in signed)
        return WorklistRow(case_id, mine.status, in_words(mine.latest), others, self._problems.get(case_id, ""))

    def done_count(self) -> int:
        return sum(self.progress(case_id).status in _DONE for case_id in self.order)

    def progress(self, case_id: str) -> ReaderProgress:
        return progress_of(self._steps(case_id), self.reader)

    def next_open_case(self) -> str | None:
        """The next case in the reader's order that waits for this reader, after the one that is open. A case
        that could not be opened is passed over."""
        start = self.order.index(self.opened.case.case_id) + 1 if self.opened is not None else 0
        for case_id in (*self.order[start:], *self.order[:start]):
            if self._waits(case_id) and case_id not in self._problems:
                return case_id
        return None

    def _waits(self, case_id: str) -> bool:
        status = self.progress(case_id).status
        if status is CaseStatus.ADJUDICATE:
            return may_adjudicate(self._steps(case_id), self.reader)
        return status not in _DONE

    def open(self, case_id: str, seen: str = "") -> OpenedCase:
        """Open a case, start its clock, and record that it was opened. Where the first reading was locked
        earlier and the finding not shown any more, it is shown now.

        Parameters
        ----------
        seen
            How this reader has already come to see the result, where that is so: a reader who may not see
            it yet is recorded as not blind.

        Raises
        ------
        FluorospreadError
            The case, its images or its protocol cannot be read, or are not those read before, or the store
            fails. The case opened before stays open.
        """
        try:
            opened = self._load(case_id)
            questions = questions_of(self._protocol_of(opened), opened.case.contrast_given)
            self._record(opened, EventKind.OPENED)
            progress = self.progress(case_id)
            if progress.status is CaseStatus.BLIND_READ:
                self._record(opened, EventKind.REVEALED)
            elif progress.status is CaseStatus.READING and progress.blinded and seen:
                self._record(opened, EventKind.RESULT_SEEN, why=seen)
        except FluorospreadError as error:
            self._problems[case_id] = str(error)
            raise
        self._problems.pop(case_id, None)
        self.opened, self._questions = opened, questions
        self._since = self._clock()
        return opened

    def prefetch(self) -> None:
        """Read the next case in the background, so that it is there when this one is done."""
        case_id = self.next_open_case()
        if case_id is not None and (self._next is None or self._next[0] != case_id):
            self._next = (case_id, self._loader.submit(open_case, self._files[case_id]))

    @property
    def questions(self) -> Questions:
        """What the open case asks."""
        if self._questions is None:
            raise ReviewError("no case is open; choose one from the work list")
        return self._questions

    def may_see_finding(self) -> bool:
        return may_see_finding(self._steps(self._open.case.case_id), self.reader)

    def adjudicates(self) -> bool:
        return may_adjudicate(self._steps(self._open.case.case_id), self.reader)

    def readings_of_others(self) -> tuple[tuple[str, Reading], ...]:
        """Signed readings of others in the open case, where this reader may see them."""
        steps = self._steps(self._open.case.case_id)
        if not may_see_others(steps, self.reader):
            return ()
        return tuple((who, reading) for who, reading in signed_readings(steps) if who != self.reader)

    def declare_result_seen(self, why: str) -> None:
        """Record that this reader knows the result from elsewhere."""
        self._record(self._open, EventKind.RESULT_SEEN, why=why)

    def lock_and_reveal(self, reading: Reading) -> None:
        """Lock the first reading with its time, then record that the finding is shown. Once locked, the
        first reading stays, also where recording the second step failed and is tried again."""
        if self.progress(self._open.case.case_id).first is None:
            self._record(self._open, EventKind.FIRST_READ, reading, timed=True)
        self._record(self._open, EventKind.REVEALED)

    def sign(self, reading: Reading) -> None:
        """Sign. Answers changed since the first reading are recorded beside it first."""
        check_comment(reading, self._open.case)
        latest = self.progress(self._open.case.case_id).latest
        if latest is not None and replace(reading, comment="") != replace(latest, comment=""):
            self._record(self._open, EventKind.REVISED, reading)
        self._record(self._open, EventKind.SIGNED, reading, timed=True)

    def adjudicate(self, reading: Reading) -> None:
        """Settle a disagreement of two other readers."""
        self._record(self._open, EventKind.ADJUDICATED, reading, timed=True)

    def refresh(self, case_id: str) -> None:
        """Take in what other workstations recorded about one case."""
        self._events[case_id] = self._store.events(case_id)

    def refresh_all(self) -> None:
        """Take in what other workstations recorded, and try cases again that could not be opened."""
        # The store may hold cases that are not in this folder; they do not belong on this list.
        logged = self._store.all_events()
        self._events = {name: logged.get(name, ()) for name in self._files}
        self._problems.clear()

    @property
    def _open(self) -> OpenedCase:
        if self.opened is None:
            raise ReviewError("no case is open; choose one from the work list")
        return self.opened

    def _load(self, case_id: str) -> OpenedCase:
        waiting, self._next = self._next, None
        if waiting is not None and waiting[0] == case_id:
            return waiting[1].result()
        return open_case(self._files[case_id])

    def _protocol_of(self, opened: OpenedCase) -> Protocol:
        case = opened.case
        known = self._protocol
        if known is None and case.protocol_name in protocol_names():
            known = load_protocol(case.protocol_name)
        if known is None or known.sha256 != case.protocol_sha256:
            raise ProtocolError(
                f"{opened.path}: its protocol {case.protocol_name!r} is not the built-in one; give its .toml file"
            )
        return known

    def _steps(self, case_id: str) -> list[ReviewEvent]:
        return [logged.event for logged in self._events[case_id]]

    def _record(
        self,
        opened: OpenedCase,
        kind: EventKind,
        reading: Reading | None = None,
        why: str = "",
        timed: bool = False,
    ) -> None:
        now = self._clock()
        seconds = now - self._since if timed else None
        event = ReviewEvent(subject_of(opened.case), kind, self.reader, datetime.now(UTC), reading, why, seconds)
        record_event(self._store, self._key, opened.case, event)
        if timed:
            self._since = now
        self.refresh(opened.case.case_id)


def in_words(reading: Reading | None) -> str:
    """A reading in one line, e.g. `left L5 yes, right ? no`."""
    if reading is None:
        return ""
    marks = {"yes": "✓", "no": "✗", "undetermined": "?"}
    return ", ".join(f"{p.side} {p.level_seen or '?'} {marks[p.at_target]}" for p in reading.punctures)
