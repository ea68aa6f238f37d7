"""Finds what was done to a log from outside: changed, reordered, removed, forged or cut off.

Without the head hashes of earlier reports, a log whose newest events were cut off still looks whole: a
chain proves what is in it, not what no longer is. Give them as `expected_heads`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from fluorospread.atomic_files import write_atomically
from fluorospread.errors import StoreError
from fluorospread.store.event_body import NO_PREVIOUS, hash_of
from fluorospread.store.reader_key import PublicKey
from fluorospread.store.review_store import ReviewStore, StoredRow

# Checking a signature releases the interpreter's lock, so two threads halve the time; more gain little.
_THREADS = 2


@dataclass(frozen=True)
class LogProblem:
    """Something wrong with a case's log; `sequence` is None where it concerns the log as a whole."""

    case_id: str
    sequence: int | None
    what: str

    def __str__(self) -> str:
        place = self.case_id if self.sequence is None else f"{self.case_id}, event {self.sequence}"
        return f"{place}: {self.what}"


@dataclass(frozen=True)
class LogReport:
    """What verifying found. Untouched exactly when there is no problem."""

    cases: int
    events: int
    problems: tuple[LogProblem, ...]

    @property
    def untouched(self) -> bool:
        return not self.problems


def verify_log(store: ReviewStore, expected_heads: Mapping[str, str] | None = None) -> LogReport:
    """Check every hash, link and signature in `store`.

    Parameters
    ----------
    expected_heads
        Head hash by case, as printed in an earlier report. Each must still be in the log of its case.

    Raises
    ------
    StoreError
        The database itself fails.
    """
    rows = store.rows()
    problems: list[LogProblem] = []
    hashes: dict[str, set[str]] = {}
    documents: list[dict[str, Any] | None] = []
    for case_id, group in groupby(rows, key=lambda row: row.case_id):
        chain = list(group)
        hashes[case_id] = {row.hash for row in chain}
        found, read = _check_chain(chain)
        problems += found
        documents += read
    problems += _check_signatures(store.reader_keys(), rows, documents)
    for case_id, head in (expected_heads or {}).items():
        if head not in hashes.get(case_id, set()):
            what = f"the event {head[:12]} that a report names is not in the log: it was cut off or rewritten"
            problems.append(LogProblem(case_id, None, what))
    return LogReport(len(hashes), len(rows), tuple(problems))


def _check_chain(chain: Sequence[StoredRow]) -> tuple[list[LogProblem], list[dict[str, Any] | None]]:
    """Places, hashes and links of one case; the events' contents where they can be read."""
    problems: list[LogProblem] = []
    documents: list[dict[str, Any] | None] = []
    previous, place = NO_PREVIOUS, 1
    for row in chain:

        def report(what: str, row: StoredRow = row) -> None:
            problems.append(LogProblem(row.case_id, row.sequence, what))

        if row.sequence != place:
            report(f"expected event {place} here: events are missing")
        if hash_of(row.body) != row.hash:
            report("the content does not fit its hash: it was changed")
        try:
            document = json.loads(row.body)
            link = document["previous_hash"]
            own_place = (document["subject"]["case_id"], document["sequence"])
        except (ValueError, KeyError, TypeError):
            documents.append(None)
            report("the content cannot be read")
        else:
            documents.append(document)
            if link != previous:
                report("the link to the event before it is broken: an event was changed, removed or put in")
            if own_place != (row.case_id, row.sequence):
                report(f"it was written as event {own_place[1]} of {own_place[0]}: it was moved")
        previous, place = row.hash, row.sequence + 1
    return problems, documents


def _check_signatures(
    keys: Mapping[str, str], rows: Sequence[StoredRow], documents: Sequence[dict[str, Any] | None]
) -> list[LogProblem]:
    public: dict[str, PublicKey | None] = {}
    for reader, text in keys.items():
        try:
            public[reader] = PublicKey(text)
        except StoreError:
            public[reader] = None

    def problem(pair: tuple[StoredRow, dict[str, Any] | None]) -> LogProblem | None:
        row, document = pair
        if document is None:
            return None
        reader = str(document.get("reader"))
        key = public.get(reader)
        if key is None:
            what = f"no usable public key of {reader} is in the store, so the signature cannot be checked"
        elif document.get("key_id") != key.key_id:
            what = f"it was signed with another key than that of {reader}"
        elif not key.verifies(row.signature, row.hash):
            what = f"the signature is not that of {reader}: it was forged or changed"
        else:
            return None
        return LogProblem(row.case_id, row.sequence, what)

    def problems(part: Sequence[tuple[StoredRow, dict[str, Any] | None]]) -> list[LogProblem]:
        return [found for pair in part if (found := problem(pair)) is not None]

    # One task a thread: a task an event would cost a third as much as checking it.
    pairs = list(zip(rows, documents, strict=True))
    size = -(-len(pairs) // _THREADS) or 1
    parts = [pairs[start : start + size] for start in range(0, len(pairs), size)]
    with ThreadPoolExecutor(_THREADS) as threads:
        return [found for part in threads.map(problems, parts) for found in part]


def note_heads(path: Path, heads: Mapping[str, str]) -> None:
    """Write the newest hash of every case to a JSON file, to be kept where the log's keeper cannot reach it.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    write_atomically(path, (json.dumps(dict(heads), indent=2, ensure_ascii=False) + "\n").encode("utf-8"))


def read_heads(path: Path) -> dict[str, str]:
    """What `note_heads` wrote.

    Raises
    ------
    StoreError
        The file cannot be read, or holds something else.
    """
    try:
        heads = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: expected the hashes noted by an earlier check ({error})") from error
    if not isinstance(heads, dict) or not all(isinstance(value, str) for value in heads.values()):
        raise StoreError(f"{path}: expected one hash a case, as noted by an earlier check")
    return heads
