"""A review store and a finished case in, what its readers decided out, judged by the case's own protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fluorospread.errors import StoreError, UsageError
from fluorospread.model.case import CaseResult
from fluorospread.model.protocol import Protocol
from fluorospread.model.review import LoggedEvent, ReviewedCase
from fluorospread.pipeline.apply_review import apply_review, subject_of
from fluorospread.pipeline.protocols import load_protocol, protocol_names
from fluorospread.pipeline.write_case import CASE_JSON
from fluorospread.reporting.case_json import read_case_json
from fluorospread.store.review_store import ReviewStore
from fluorospread.store.verify_log import verify_log


@dataclass(frozen=True)
class CaseReviews:
    """What the reviews of an open store say. Without a store every case has none.

    `protocol` outranks the one a case names, which is then only looked for among those built in.
    """

    store: ReviewStore | None
    protocol: Protocol | None = None

    def events(self, result: CaseResult) -> tuple[LoggedEvent, ...]:
        """The log of this case, oldest first; empty where its events are about other images of the same name."""
        logged = () if self.store is None else self.store.events(result.case_id)
        about = subject_of(result).input_sha256
        return logged if all(item.event.subject.input_sha256 == about for item in logged) else ()

    def of(self, result: CaseResult) -> ReviewedCase | None:
        """What readers decided about a case; None where nobody opened it.

        Raises
        ------
        UsageError
            The protocol the case was judged by is not at hand.
        """
        logged = self.events(result)
        return apply_review(result, self.protocol_of(result), logged) if logged else None

    def of_folder(self, case_json: Path) -> ReviewedCase | None:
        """The same for a case.json or the folder that holds it; None without a store."""
        if self.store is None:
            return None
        return self.of(read_case_json(case_json / CASE_JSON if case_json.is_dir() else case_json))

    def protocol_of(self, result: CaseResult) -> Protocol:
        """The protocol by which readers' answers are judged: the very one of the case.

        Raises
        ------
        UsageError
            It is neither given nor built in, or has changed since.
        """
        found = self.protocol
        if found is None and result.protocol_name in protocol_names():
            found = load_protocol(result.protocol_name)
        if found is None or found.sha256 != result.protocol_sha256:
            which = "built in" if self.protocol is None else "the one given"
            raise UsageError(
                f"{result.case_id} was judged by protocol {result.protocol_name} with SHA-256 "
                f"{result.protocol_sha256[:12]}…, which is not {which}; name its file with --protocol"
            )
        return found

    def check_log(self, expected_heads: Sequence[tuple[str, str]] = ()) -> None:
        """Refuse a log that was changed from outside.

        Raises
        ------
        StoreError
            An event was changed, removed, put in or forged; the message names the first.
        """
        if self.store is None:
            return
        report = verify_log(self.store, dict(expected_heads))
        if not report.untouched:
            raise StoreError(
                f"{self.store.shown_url}: the log of reviews was tampered with and is not reported: "
                f"{report.problems[0]}{f' (and {len(report.problems) - 1} more)' if len(report.problems) > 1 else ''}"
            )


@contextmanager
def open_reviews(url: str | None, protocol: str | None = None) -> Iterator[CaseReviews]:
    """The reviews in a store, its log checked; `url` is a file or a database's address, None for no reviews.

    Raises
    ------
    StoreError
        There is no such file, the database cannot be opened, or its log was tampered with.
    """
    loaded = None if protocol is None else load_protocol(protocol)
    if url is None:
        yield CaseReviews(None, loaded)
        return
    if "://" not in url and not Path(url).is_file():
        raise StoreError(f"{url}: no such review store; give the file or address that the reading room writes to")
    with ReviewStore(url) as store:
        reviews = CaseReviews(store, loaded)
        reviews.check_log()
        yield reviews
