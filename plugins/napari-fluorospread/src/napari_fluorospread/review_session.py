"""One reader at one work list: opens cases, times the reading, and records every step in the store.

Knows no Qt and no layers; the docks show what it says. Every step is in the store when a method returns,
so a program that dies afterwards loses none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from fluorospread.errors import FluorospreadError, ProtocolError, ReviewError
from fluorospread.model.protocol import Protocol
from fluorospread.model.review import (
    CaseStatus,
    EventKind,
    LoggedEvent,
    ReaderProgress,
    Reading,
    ReviewEvent,
    ReviewSubject,
)
from fluorospread.pipeline.apply_review import Questions, apply_review, questions_of
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
from fluorospread.pipeline.reopen_case import ReopenedCase
from fluorospread.pipeline.report_case import report_case
from fluorospread.pipeline.subtraction_view import SubtractionView
from fluorospread.pipeline.write_correction import write_correction
from fluorospread.store.reader_key import ReaderKey
from fluorospread.store.review_store import ReviewStore
from napari_fluorospread.case_loader import CaseLoader, ReadyCase
from napari_fluorospread.finding_editor import EditedCase
from napari_fluorospread.finding_layers import LayerData
from napari_fluorospread.open_case import OpenedCase
from napari_fluorospread.results_shown import was_shown

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


class ReviewSession:
    """The work of one reader on the cases of one folder."""

    def __init__(
        self,
        case_files: Mapping[str, Path],
        store: ReviewStore,
        key: ReaderKey,
        clock: Callable[[], float] = monotonic,
        protocol: Protocol | None = None,
        read_only: bool = False,
    ) -> None:
        """
        Parameters
        ----------
        protocol
            For cases whose protocol is not a built-in one.
        read_only
            Look and record nothing: what this reader may see is shown, nothing can be answered.
        """
        self.read_only = read_only
        self.reader = key.reader
        self._files = dict(case_files)
        self._store = store
        self._key = key
        self._clock = clock
        self._protocol = protocol
        self._since = clock()
        self._problems: dict[str, str] = {}
        self._events: dict[str, tuple[LoggedEvent, ...]] = {}
        self._progress: dict[str, ReaderProgress] = {}
        self.refresh_all()
        self.order = reading_order(self._files, self.reader)
        self._ready: ReadyCase | None = None
        self._questions: Questions | None = None
        self._loader = CaseLoader()

    @property
    def opened(self) -> OpenedCase | None:
        """The case that is open."""
        return None if self._ready is None else self._ready.opened

    @property
    def pictures(self) -> list[LayerData]:
        """Layers of its images; none without one."""
        return [] if self._ready is None else self._ready.pictures

    def close(self) -> None:
        self._loader.close()
        self._store.close()

    def rows(self) -> list[WorklistRow]:
        """The work list in this reader's order."""
        return [self.row(case_id) for case_id in self.order]

    def row(self, case_id: str) -> WorklistRow:
        steps = self._steps(case_id)
        mine = self.progress(case_id)
        others = ""
        if may_see_others(steps, self.reader):
            signed = [(who, reading) for who, reading in signed_readings(steps) if who != self.reader]
            others = "; ".join(f"{who}: {in_words(reading)}" for who, reading in signed)
        return WorklistRow(case_id, mine.status, in_words(mine.latest), others, self._problems.get(case_id, ""))

    def done_count(self) -> int:
        return sum(self.progress(case_id).status in _DONE for case_id in self.order)

    def progress(self, case_id: str) -> ReaderProgress:
        # A list of a thousand cases asks again and again.
        known = self._progress.get(case_id)
        if known is None:
            known = self._progress[case_id] = progress_of(self._steps(case_id), self.reader)
        return known

    def resume_case(self) -> str | None:
        """The case to begin with: the one this reader touched last, where it is not done yet, else the next one."""
        mine = [
            (event.at, case_id)
            for case_id in self.order
            for event in self._steps(case_id)
            if event.reader == self.reader
        ]
        waiting = [case_id for _, case_id in sorted(mine, reverse=True) if self._waits(case_id)]
        return waiting[0] if waiting else self.next_open_case()

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

    def result_was_shown(self, case_id: str) -> bool:
        """Whether the case's result was opened as a file on this computer, outside a review."""
        try:
            return was_shown(self._files[case_id])
        except OSError:
            # What cannot be read now is told when the case is opened.
            return False

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
            ready = self._loader.take(self._files[case_id])
            opened = ready.opened
            questions = questions_of(self._protocol_of(opened), opened.case.contrast_given)
            if self.read_only:
                self._check_unchanged(ready.subject)
            else:
                self._record_opening(ready, seen)
        except FluorospreadError as error:
            self._problems[case_id] = str(error)
            raise
        self._problems.pop(case_id, None)
        self._ready, self._questions = ready, questions
        self._loader.forget_open_case()
        self._since = self._clock()
        return opened

    def _record_opening(self, ready: ReadyCase, seen: str) -> None:
        self._record(EventKind.OPENED, ready=ready)
        progress = self.progress(ready.subject.case_id)
        if progress.status is CaseStatus.BLIND_READ:
            self._record(EventKind.REVEALED, ready=ready)
        elif progress.status is CaseStatus.READING and progress.blinded and seen:
            self._record(EventKind.RESULT_SEEN, why=seen, ready=ready)

    def _check_unchanged(self, subject: ReviewSubject) -> None:
        """What recording would have checked: the images are those that were read before.

        Raises
        ------
        ReviewError
            They are not.
        """
        if any(step.subject.input_sha256 != subject.input_sha256 for step in self._steps(subject.case_id)):
            raise ReviewError(f"{subject.case_id}: its images are not those that were read before")

    def prefetch(self) -> None:
        """Read the next case in the background, so that it is there when this one is done; then subtract the
        images of the open one."""
        case_id = self.next_open_case()
        if case_id is not None:
            self._loader.read_ahead(self._files[case_id])
        if self.opened is not None:
            self._loader.subtract(self.opened)

    @property
    def reads_ahead(self) -> bool:
        """Whether the next case is still being read."""
        return self._loader.reads_ahead

    def read_next(self) -> ReadyCase | None:
        """The next case, once it was read ahead and could be."""
        return self._loader.read()

    def subtraction(self) -> SubtractionView | None:
        """The difference of the open case's images, waited for where it is not there yet; None without one."""
        return self._loader.subtract(self._open).result()

    def prepare_edits(self) -> None:
        """Find again, in the background, what edits of the open case are measured with."""
        self._loader.reopen(self._open)

    def reopened(self) -> ReopenedCase:
        """What edits of the open case are measured with, waited for where it is not there yet."""
        return self._loader.reopen(self._open).result()

    @property
    def protocol(self) -> Protocol:
        """Protocol of the open case."""
        return self._protocol_of(self._open)

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
        self._record(EventKind.RESULT_SEEN, why=why)

    def lock_and_reveal(self, reading: Reading) -> None:
        """Lock the first reading with its time, then record that the finding is shown. Once locked, the
        first reading stays, also where recording the second step failed and is tried again."""
        if self.progress(self._open.case.case_id).first is None:
            self._record(EventKind.FIRST_READ, reading, timed=True)
        self._record(EventKind.REVEALED)

    def sign(self, reading: Reading, edited: EditedCase | None = None) -> None:
        """Sign. Answers changed since the first reading are recorded beside it first. Findings that the reader
        changed are written beside the case, and the signature names them by their hash."""
        check_comment(reading, self._open.case)
        why = "" if edited is None else self.save_edits(edited)
        latest = self.progress(self._open.case.case_id).latest
        if latest is not None and replace(reading, comment="") != replace(latest, comment=""):
            self._record(EventKind.REVISED, reading)
        self._record(EventKind.SIGNED, reading, why=why, timed=True)

    def adjudicate(self, reading: Reading, edited: EditedCase | None = None) -> None:
        """Settle a disagreement of two other readers."""
        why = "" if edited is None else self.save_edits(edited)
        self._record(EventKind.ADJUDICATED, reading, why=why, timed=True)

    def save_edits(self, edited: EditedCase) -> str:
        """Write the findings as changed to a folder of their own; what the log says of them."""
        path, sha256 = write_correction(self._open.path, edited.case, edited.mask, self._open.radiographs)
        return f"findings corrected: {path.relative_to(self._open.path.parent).as_posix()}, SHA-256 {sha256}"

    def report(self, pdf: bool = False) -> Path:
        """Write the QA report of the open case beside it, with what its readers decided; the report's path.

        Raises
        ------
        ReviewError
            This reader has not signed the case: the report shows the finding.
        OutputError
            It cannot be written.
        """
        opened = self._open
        if not self.progress(opened.case.case_id).read_only:
            raise ReviewError(f"{opened.case.case_id}: sign the case first; its report shows the finding")
        reviewed = apply_review(opened.case, self.protocol, self._events[opened.case.case_id])
        return report_case(opened.path, pdf=pdf, review=reviewed)[0]

    def refresh(self, case_id: str) -> None:
        """Take in what other workstations recorded about one case."""
        self._events[case_id] = self._store.events(case_id)
        self._progress.pop(case_id, None)

    def refresh_all(self) -> None:
        """Take in what other workstations recorded, and try cases again that could not be opened."""
        # The store may hold cases that are not in this folder; they do not belong on this list.
        logged = self._store.all_events()
        self._events = {name: logged.get(name, ()) for name in self._files}
        self._progress.clear()
        self._problems.clear()

    @property
    def _shown(self) -> ReadyCase:
        if self._ready is None:
            raise ReviewError("no case is open; choose one from the work list")
        return self._ready

    @property
    def _open(self) -> OpenedCase:
        return self._shown.opened

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
        kind: EventKind,
        reading: Reading | None = None,
        why: str = "",
        timed: bool = False,
        ready: ReadyCase | None = None,
    ) -> None:
        """Record a step about the open case, or about one that is being opened."""
        if self.read_only:
            raise ReviewError("this is a read-only session; nothing is recorded")
        case, subject = (ready or self._shown).opened.case, (ready or self._shown).subject
        now = self._clock()
        seconds = now - self._since if timed else None
        event = ReviewEvent(subject, kind, self.reader, datetime.now(UTC), reading, why, seconds)
        record_event(self._store, self._key, case, event)
        if timed:
            self._since = now
        self.refresh(subject.case_id)


def in_words(reading: Reading | None) -> str:
    """A reading in one line, e.g. `left L5 ✓, right ? ✗`."""
    if reading is None:
        return ""
    marks = {"yes": "✓", "no": "✗", "undetermined": "?"}
    return ", ".join(f"{p.side} {p.level_seen or '?'} {marks[p.at_target]}" for p in reading.punctures)
