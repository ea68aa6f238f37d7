"""The log of reviews in a database: events are added, never changed and never removed.

Each case has a chain of its own: an event holds the hash of the one before it. The database itself refuses
to change or delete a row (triggers), two workstations cannot add the same place in a chain (unique key),
and a transaction is on disk before `append` returns. What got in some other way is found by `verify_log`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from fluorospread.errors import FluorospreadError, StoreError
from fluorospread.model.review import LoggedEvent, ReviewEvent
from fluorospread.store.event_body import NO_PREVIOUS, EventBody, body_to_text, hash_of, text_to_body
from fluorospread.store.reader_key import PublicKey, ReaderKey

# Another workstation may add to the same case between reading its head and writing; each try sees a new head.
_TRIES = 8
_LOCK_WAIT_S = 20

_METADATA = sa.MetaData()
REVIEW_EVENTS = sa.Table(
    "review_events",
    _METADATA,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("signature", sa.Text, nullable=False),
)
READER_KEYS = sa.Table(
    "reader_keys",
    _METADATA,
    sa.Column("reader", sa.Text, primary_key=True),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("registered_at", sa.Text, nullable=False),
)


def _forbid_changes(table: sa.Table) -> None:
    refusal = f"{table.name} is append-only"
    statements = {
        "sqlite": [
            f"CREATE TRIGGER {table.name}_no_{action.lower()} BEFORE {action} ON {table.name} "
            f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            for action in ("UPDATE", "DELETE")
        ],
        "postgresql": [
            f"CREATE OR REPLACE FUNCTION {table.name}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{refusal}'; END $$",
            f"CREATE TRIGGER {table.name}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table.name} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {table.name}_refuse()",
        ],
    }
    for dialect, texts in statements.items():
        for text in texts:
            ddl = sa.DDL(text)  # type: ignore[no-untyped-call]
            sa.event.listen(table, "after_create", ddl.execute_if(dialect=dialect))


_forbid_changes(REVIEW_EVENTS)
_forbid_changes(READER_KEYS)

Check = Callable[[Sequence[ReviewEvent]], None]


class StoredRow:
    """One row as it stands in the database, before anything in it is believed."""

    __slots__ = ("body", "case_id", "hash", "sequence", "signature")

    def __init__(self, case_id: str, sequence: int, body: str, hash_: str, signature: str) -> None:
        self.case_id, self.sequence, self.body, self.hash, self.signature = case_id, sequence, body, hash_, signature


# Any number that no other program on the database uses for its own locks; "fluo" in ASCII.
_CREATION_LOCK = 0x666C756F


class ReviewStore:
    """An open store. Use it as a context manager, or call `close`."""

    def __init__(self, url: str) -> None:
        """Open the store at `url`, and make it where there is none.

        Parameters
        ----------
        url
            A path of an SQLite file, or a database URL such as `postgresql://host/reviews`.

        Raises
        ------
        StoreError
            The database cannot be opened, or its driver is not installed.
        """
        self.shown_url = url
        try:
            parsed = sa.make_url(url) if "://" in url else sa.URL.create("sqlite", database=str(Path(url)))
            self.shown_url = parsed.render_as_string(hide_password=True)
            self._engine = _engine(parsed)
            self._create_tables()
        except (SQLAlchemyError, ImportError) as error:
            raise StoreError(f"{self.shown_url}: the review store cannot be opened ({_first_line(error)})") from error

    def __enter__(self) -> ReviewStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._engine.dispose()

    def append(self, event: ReviewEvent, key: ReaderKey, check: Check | None = None) -> LoggedEvent:
        """Add `event` to the log of its case, signed with `key`; it is on disk when this returns.

        Parameters
        ----------
        check
            Called with the case's events so far, inside the transaction that adds the new one; what it
            raises leaves the log as it was. So a rule holds against what other workstations just added.

        Raises
        ------
        StoreError
            The key is another reader's, the reader is known with another key, or the database fails.
        """
        if key.reader != event.reader:
            raise StoreError(f"an event of {event.reader} cannot be signed with the key of {key.reader}")
        for _ in range(_TRIES):
            try:
                with self._connected(only_reads=False) as connection:
                    self._register(connection, key)
                    return self._add(connection, event, key, check)
            except IntegrityError:
                continue
        raise StoreError(f"{self.shown_url}: other workstations keep adding to {event.subject.case_id}; try again")

    def events(self, case_id: str) -> tuple[LoggedEvent, ...]:
        """Events of one case, oldest first.

        Raises
        ------
        StoreError
            The database fails, or an event in it cannot be read.
        """
        return tuple(_logged(row) for row in self.rows(case_id))

    def all_events(self) -> dict[str, tuple[LoggedEvent, ...]]:
        """Events of every case by its identifier, oldest first."""
        found: dict[str, list[LoggedEvent]] = {}
        for row in self.rows():
            found.setdefault(row.case_id, []).append(_logged(row))
        return {case_id: tuple(events) for case_id, events in found.items()}

    def heads(self) -> dict[str, str]:
        """Hash of the newest event of every case, to be printed in its report: a log that was rewritten or
        shortened later no longer contains it."""
        return {row.case_id: row.hash for row in self.rows()}

    def rows(self, case_id: str | None = None) -> list[StoredRow]:
        """Rows of one case or of all, by case and place, as they stand."""
        query = sa.select(REVIEW_EVENTS).order_by(REVIEW_EVENTS.c.case_id, REVIEW_EVENTS.c.sequence)
        if case_id is not None:
            query = query.where(REVIEW_EVENTS.c.case_id == case_id)
        with self._connected(only_reads=True) as connection:
            return [StoredRow(*row) for row in connection.execute(query)]

    def reader_keys(self) -> dict[str, str]:
        """Public key (DER, hexadecimal) of every reader who ever added an event."""
        with self._connected(only_reads=True) as connection:
            return {row.reader: row.public_key for row in connection.execute(sa.select(READER_KEYS))}

    def _add(self, connection: sa.Connection, event: ReviewEvent, key: ReaderKey, check: Check | None) -> LoggedEvent:
        query = sa.select(REVIEW_EVENTS).where(REVIEW_EVENTS.c.case_id == event.subject.case_id)
        rows = [StoredRow(*row) for row in connection.execute(query.order_by(REVIEW_EVENTS.c.sequence))]
        if check is not None:
            check([_logged(row).event for row in rows])
        previous = rows[-1].hash if rows else NO_PREVIOUS
        body = EventBody(event, len(rows) + 1, previous, key.public.key_id)
        text = body_to_text(body)
        digest = hash_of(text)
        signature = key.sign(digest)
        connection.execute(
            sa.insert(REVIEW_EVENTS).values(
                case_id=event.subject.case_id, sequence=body.sequence, body=text, hash=digest, signature=signature
            )
        )
        return LoggedEvent(event, body.sequence, previous, digest, key.public.key_id, signature)

    def _register(self, connection: sa.Connection, key: ReaderKey) -> None:
        known = connection.scalar(sa.select(READER_KEYS.c.public_key).where(READER_KEYS.c.reader == key.reader))
        if known is None:
            now = datetime.now(UTC).isoformat()
            values = {"reader": key.reader, "public_key": key.public.text, "registered_at": now}
            connection.execute(sa.insert(READER_KEYS).values(**values))
        elif known != key.public.text:
            raise StoreError(
                f"{key.reader} is known here with another key ({PublicKey(known).key_id[:12]}); "
                "read with the key file made first, or under a name of your own"
            )

    def _create_tables(self) -> None:
        with self._engine.connect().execution_options(only_reads=False) as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                # Two workstations may open a new store at once; IF NOT EXISTS does not settle that race.
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CREATION_LOCK)))
            _METADATA.create_all(connection)

    @contextmanager
    def _connected(self, only_reads: bool) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect().execution_options(only_reads=only_reads) as connection, connection.begin():
                yield connection
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise StoreError(f"{self.shown_url}: the review store failed ({_first_line(error)})") from error


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        # Without a driver's name SQLAlchemy's choice depends on its version; ours is psycopg.
        driver = "postgresql+psycopg" if url.drivername == "postgresql" else url.drivername
        return sa.create_engine(url.set(drivername=driver), pool_pre_ping=True)
    engine = sa.create_engine(url, connect_args={"timeout": _LOCK_WAIT_S})

    @sa.event.listens_for(engine, "connect")
    def _settle(connection: Any, _record: object) -> None:
        # The driver's own transactions begin too late to keep two writers apart; ours begin below.
        connection.isolation_level = None
        # EXTRA also survives a power cut right after the rollback journal is deleted.
        connection.execute("PRAGMA synchronous=EXTRA")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A writer takes the lock at once: a transaction that reads first and writes later can be refused.
        only_reads = connection.get_execution_options().get("only_reads", False)
        connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")

    return engine


def _logged(row: StoredRow) -> LoggedEvent:
    try:
        body = text_to_body(row.body)
    except (ValueError, KeyError, TypeError, FluorospreadError) as error:
        place = f"{row.case_id}, event {row.sequence}"
        raise StoreError(
            f"{place}: this event cannot be read, so the log was changed from outside ({error})"
        ) from error
    return LoggedEvent(body.event, body.sequence, body.previous_hash, row.hash, body.key_id, row.signature)


def _first_line(error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return str(cause).strip().split("\n")[0]
