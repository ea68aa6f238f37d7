"""A folder of verified cases and their reviews in, the state of the review out: cases, decisions, agreement."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from fluorospread.errors import CaseFileError, StoreError
from fluorospread.model.protocol import Protocol
from fluorospread.model.review import EventKind, ReviewedCase
from fluorospread.pipeline.apply_review import ReaderAgreement, reader_agreement
from fluorospread.pipeline.case_reviews import CaseReviews
from fluorospread.pipeline.reading_protocol import readers_of
from fluorospread.pipeline.write_case import CASE_JSON
from fluorospread.reporting.case_json import read_case_json
from fluorospread.store.review_store import ReviewStore

STORE_FILE = "reviews.sqlite"
# The identifier stands at the head of a case.json; a thousand whole files need not be parsed for a list.
_HEAD_BYTES = 4096
_CASE_ID = re.compile(r'"case_id":\s*("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True)
class PairAgreement:
    """Agreement of two readers, question by question: of their blind readings, or of what they signed."""

    first: str
    second: str
    kind: EventKind
    questions: tuple[ReaderAgreement, ...]


@dataclass(frozen=True)
class CohortReview:
    """Where the review of a cohort stands. `cases` are those that somebody opened, by their identifiers."""

    cases: Mapping[str, ReviewedCase]
    not_opened: tuple[str, ...]
    agreement: tuple[PairAgreement, ...]


def holds_cases(folder: Path) -> bool:
    """Whether a folder holds case folders with results in them, and is no case itself."""
    return folder.is_dir() and not (folder / CASE_JSON).is_file() and any(folder.glob(f"*/{CASE_JSON}"))


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
            case_id = _case_id_in(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CaseFileError(f"{path}: expected a case.json ({error})") from error
        if case_id in found:
            raise CaseFileError(f"{path} and {found[case_id]} are both case {case_id}; a work list needs one of them")
        found[case_id] = path
    if not found:
        raise CaseFileError(
            f"{folder}: no {CASE_JSON} here or one folder below; verify the cases first: "
            f"`fluorospread verify {folder} --out results`, then review `results`"
        )
    return found


def _case_id_in(path: Path) -> str:
    with path.open("rb") as file:
        found = _CASE_ID.search(file.read(_HEAD_BYTES).decode("utf-8", errors="ignore"))
    if found is not None:
        return str(json.loads(found.group(1)))
    return str(json.loads(path.read_text(encoding="utf-8"))["case_id"])


def store_of(folder: Path, url: str = "") -> str:
    """The path or URL of a folder's review store: `url` where one is given."""
    return url or str(folder / STORE_FILE)


def open_existing_store(url: str) -> ReviewStore:
    """The store at `url`.

    Raises
    ------
    StoreError
        There is none: looking at reviews never makes one.
    """
    if "://" not in url and not Path(url).is_file():
        raise StoreError(f"{url}: no review store there; nobody has read these cases, or --store names another place")
    return ReviewStore(url)


def review_cohort(case_files: Mapping[str, Path], store: ReviewStore, protocol: Protocol | None = None) -> CohortReview:
    """What readers decided case by case, and how far every two of them agree.

    Raises
    ------
    CaseFileError
        A case.json cannot be read.
    UsageError
        The protocol a case was judged by is not at hand.
    """
    reviews = CaseReviews(store, protocol)
    reviewed = {case_id: reviews.of(read_case_json(path)) for case_id, path in case_files.items()}
    logged = store.all_events()
    events = {case_id: [item.event for item in logged.get(case_id, ())] for case_id in case_files}
    readers: Sequence[str] = sorted({reader for steps in events.values() for reader in readers_of(steps)})
    pairs = [
        PairAgreement(first, second, kind, questions)
        for first, second in combinations(readers, 2)
        for kind in (EventKind.FIRST_READ, EventKind.SIGNED)
        if (questions := reader_agreement(events, first, second, kind))
    ]
    opened = {case_id: case for case_id, case in reviewed.items() if case is not None}
    return CohortReview(opened, tuple(case_id for case_id in case_files if case_id not in opened), tuple(pairs))
