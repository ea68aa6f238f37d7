"""The rules of reading: what a reader may do and see next, given a case's events so far.

A reader answers before seeing the software's finding (`first-read`); only then is it revealed, and what
changes after that is kept beside the first answers. Blind first costs nothing: shown before or after the
reader's own decision, a label helps equally, but shown before it anchors (Manbachi et al. 2018, LevelCheck).
A second reader works independently, and a third settles what the two see differently. All functions but
`record_event` are pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from fluorospread.errors import ReviewError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseResult
from fluorospread.model.review import (
    CaseStatus,
    EventKind,
    LoggedEvent,
    ReaderProgress,
    Reading,
    ReviewEvent,
)
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import Puncture
from fluorospread.store.reader_key import ReaderKey
from fluorospread.store.review_store import ReviewStore

Events = Sequence[ReviewEvent]


def reading_order(case_ids: Iterable[str], reader: str, seed: str = "") -> tuple[str, ...]:
    """The cases in an order of the reader's own, the same at every start.

    Each place depends on the case and the reader alone, so a case added later moves no other two cases
    relative to each other, and no reader can infer another's order.
    """

    def place(case_id: str) -> str:
        return hashlib.sha256(f"{seed}\0{reader}\0{case_id}".encode()).hexdigest()

    return tuple(sorted(set(case_ids), key=place))


def progress_of(events: Events, reader: str) -> ReaderProgress:
    """Where `reader` stands with the case that `events` belong to, oldest first."""
    progress = ReaderProgress(reader, CaseStatus.NEW)
    for event in events:
        if event.reader == reader:
            progress = _after(progress, event)
    if any(event.kind is EventKind.ADJUDICATED for event in events):
        return replace(progress, status=CaseStatus.ADJUDICATED)
    # Someone in the middle of an own reading finishes that first.
    if (progress.first is None or progress.signed is not None) and adjudication_due(events):
        return replace(progress, status=CaseStatus.ADJUDICATE)
    return progress


def _after(progress: ReaderProgress, event: ReviewEvent) -> ReaderProgress:
    progress = replace(progress, seconds=progress.seconds + (event.reading_seconds or 0.0))
    match event.kind:
        case EventKind.OPENED:
            opened = CaseStatus.READING if progress.status is CaseStatus.NEW else progress.status
            return replace(progress, status=opened)
        case EventKind.RESULT_SEEN:
            return replace(progress, blinded=progress.blinded and progress.first is not None)
        case EventKind.FIRST_READ:
            return replace(progress, status=CaseStatus.BLIND_READ, first=event.reading, latest=event.reading)
        case EventKind.REVEALED:
            return replace(progress, status=CaseStatus.OPEN)
        case EventKind.REVISED:
            return replace(progress, latest=event.reading)
        case EventKind.SIGNED:
            return replace(progress, status=CaseStatus.SIGNED, latest=event.reading, signed=event.reading)
        case EventKind.ADJUDICATED:
            return replace(progress, latest=event.reading)


def readers_of(events: Events) -> tuple[str, ...]:
    """Everyone with an event in the case, in the order of beginning."""
    return tuple(dict.fromkeys(event.reader for event in events))


def signed_readings(events: Events) -> tuple[tuple[str, Reading], ...]:
    """Signed readings with their readers, in the order of signing."""
    return tuple((e.reader, e.reading) for e in events if e.kind is EventKind.SIGNED and e.reading is not None)


def disagreements(first: Reading, second: Reading) -> tuple[str, ...]:
    """Questions answered differently, in words. Confidence, image quality and comment are not compared."""
    different: list[str] = []
    theirs = {(p.side, p.target): p for p in second.punctures}
    for mine in first.punctures:
        other = theirs.get((mine.side, mine.target))
        if other is None or mine.level_seen is not other.level_seen:
            different.append(f"level seen, {mine.side} (target {mine.target})")
        if other is None or mine.at_target is not other.at_target:
            different.append(f"at target {mine.target}, {mine.side}")
    covered = {(j.level, j.side): j.covered for j in second.junctions}
    different += [
        f"{j.level} covered, {j.side}" for j in first.junctions if covered.get((j.level, j.side)) is not j.covered
    ]
    if first.aberrant_flow is not second.aberrant_flow:
        different.append("aberrant flow")
    return tuple(different)


def adjudication_due(events: Events) -> bool:
    """Whether the first two signed readings differ and nobody has adjudicated."""
    signed = signed_readings(events)
    if len(signed) < 2 or any(event.kind is EventKind.ADJUDICATED for event in events):
        return False
    return bool(disagreements(signed[0][1], signed[1][1]))


def may_adjudicate(events: Events, reader: str) -> bool:
    """Whether `reader` may settle this case: a disagreement is open, and the reader has no part in it."""
    progress = progress_of(events, reader)
    return adjudication_due(events) and progress.first is None


def may_see_finding(events: Events, reader: str) -> bool:
    """Whether the software's finding may be shown: after the reader's own first reading was locked and the
    finding revealed, or to settle a disagreement."""
    progress = progress_of(events, reader)
    revealed = any(e.kind is EventKind.REVEALED and e.reader == reader for e in events)
    return (
        (progress.first is not None and revealed) or may_adjudicate(events, reader) or _adjudicated_by(events, reader)
    )


def may_see_others(events: Events, reader: str) -> bool:
    """Whether other readers' answers may be shown: after the reader's own signature, or to adjudicate."""
    signed = progress_of(events, reader).signed is not None
    return signed or may_adjudicate(events, reader) or _adjudicated_by(events, reader)


def _adjudicated_by(events: Events, reader: str) -> bool:
    return any(e.kind is EventKind.ADJUDICATED and e.reader == reader for e in events)


def check_event(events: Events, event: ReviewEvent) -> None:
    """Refuse a step that the rules do not allow after `events`.

    Raises
    ------
    ReviewError
        The step comes too early or too late, is not this reader's to take, or is about other images or
        another result than the steps before it.
    """
    case_id, reader = event.subject.case_id, event.reader
    if any(e.subject.input_sha256 != event.subject.input_sha256 for e in events):
        raise ReviewError(f"{case_id}: the images are not those read before (their hash differs); nothing is recorded")
    if event.kind in (EventKind.OPENED, EventKind.RESULT_SEEN):
        return
    if any(e.kind is EventKind.ADJUDICATED for e in events):
        raise ReviewError(f"{case_id} was adjudicated and is read-only")
    progress = progress_of(events, reader)
    if event.kind is EventKind.ADJUDICATED:
        if not adjudication_due(events):
            raise ReviewError(f"{case_id}: there is nothing to adjudicate; it takes two signed readings that differ")
        if not may_adjudicate(events, reader):
            raise ReviewError(f"{case_id}: {reader} read this case; a reader who did not read it adjudicates")
        return
    if progress.signed is not None:
        raise ReviewError(f"{case_id} was signed by {reader} and is read-only")
    if event.kind is EventKind.FIRST_READ:
        if progress.first is not None:
            raise ReviewError(f"{case_id}: the first reading of {reader} is locked; changes are recorded beside it")
    elif progress.first is None:
        raise ReviewError(f"{case_id}: {reader} has to lock a first reading before the finding is shown")
    elif event.kind in (EventKind.REVISED, EventKind.SIGNED):
        _check_what_was_revealed(events, event)


def _check_what_was_revealed(events: Events, event: ReviewEvent) -> None:
    revealed = [e for e in events if e.kind is EventKind.REVEALED and e.reader == event.reader]
    if not revealed:
        raise ReviewError(f"{event.subject.case_id}: the finding has to be shown before it is confirmed or changed")
    if revealed[-1].subject.result_sha256 != event.subject.result_sha256:
        raise ReviewError(f"{event.subject.case_id}: the result was computed anew since it was shown; show it again")


def departures(reading: Reading, case: CaseResult) -> tuple[str, ...]:
    """Where a reading differs from the software's finding, in words."""
    different: list[str] = []
    for mine in reading.punctures:
        found = finding_for(mine.side, mine.target, case)
        level, at_target = (found.level, found.at_target) if found is not None else (None, Answer.UNDETERMINED)
        if mine.level_seen is not level:
            different.append(f"level seen, {mine.side}: {mine.level_seen or 'cannot tell'}, software {level or 'none'}")
        if mine.at_target is not at_target:
            different.append(f"at target {mine.target}, {mine.side}: {mine.at_target}, software {at_target}")
    covered = {(c.level, c.side): c.covered for c in case.coverage}
    for junction in reading.junctions:
        theirs = covered.get((junction.level, junction.side), Answer.UNDETERMINED)
        if junction.covered is not theirs:
            different.append(f"{junction.level} covered, {junction.side}: {junction.covered}, software {theirs}")
    return tuple(different)


def finding_for(side: Side | None, target: Level | None, case: CaseResult) -> Puncture | None:
    """The software's puncture that a question is about: on that side, at that target if there are several;
    None where the software found none."""
    on_side = [p for p in case.punctures if p.side is side]
    at_target = [p for p in on_side if p.level is target]
    if at_target:
        return at_target[0]
    return on_side[0] if len(on_side) == 1 else None


def comment_is_needed(reading: Reading, case: CaseResult) -> bool:
    """Whether the reader owes a reason: something cannot be told, or the finding is contradicted."""
    return reading.has_doubt or bool(departures(reading, case))


def check_comment(reading: Reading, case: CaseResult) -> None:
    """Refuse to sign without the comment that `comment_is_needed` asks for.

    Raises
    ------
    ReviewError
        The comment is missing.
    """
    if not reading.comment.strip() and comment_is_needed(reading, case):
        raise ReviewError(
            f"{case.case_id}: a comment is needed, as the reading differs from the finding or cannot tell; "
            "say in a few words why"
        )


def record_event(store: ReviewStore, key: ReaderKey, case: CaseResult, event: ReviewEvent) -> LoggedEvent:
    """Add `event` to the store if the rules allow it at that moment, whatever others just added.

    Raises
    ------
    ReviewError
        The rules do not allow it, or a signature lacks the comment it needs.
    StoreError
        The store fails.
    """
    if event.kind in (EventKind.SIGNED, EventKind.ADJUDICATED) and event.reading is not None:
        check_comment(event.reading, case)
    return store.append(event, key, lambda events: check_event(events, event))
