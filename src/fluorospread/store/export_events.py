"""The log as files for others: JSON with everything needed to verify it, CSV with one answer a row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from fluorospread.errors import OutputError
from fluorospread.model.review import LoggedEvent
from fluorospread.store.event_body import event_to_json
from fluorospread.store.review_store import ReviewStore

LOG_FORMAT = "fluorospread/review-log/1"

CSV_COLUMNS = (
    "case_id",
    "sequence",
    "at_utc",
    "reader",
    "step",
    "question",
    "side",
    "level",
    "answer",
    "confidence",
    "reading_seconds",
    "comment",
    "hash",
)


def export_json(store: ReviewStore, path: Path) -> None:
    """Write every event with its hash, link and signature, and the readers' public keys.

    Raises
    ------
    OutputError
        `path` exists already, or cannot be written.
    """
    events = [event for case in store.all_events().values() for event in case]
    document = {
        "format": LOG_FORMAT,
        "reader_keys": store.reader_keys(),
        "events": [
            event_to_json(logged.event)
            | {
                "sequence": logged.sequence,
                "previous_hash": logged.previous_hash,
                "hash": logged.hash,
                "key_id": logged.key_id,
                "signature": logged.signature,
            }
            for logged in events
        ],
    }
    _write_once(path, json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def export_csv(store: ReviewStore, path: Path) -> None:
    """Write one row an answer (one row a step for steps without answers), for a statistics program.

    Raises
    ------
    OutputError
        `path` exists already, or cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, CSV_COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for events in store.all_events().values():
        writer.writerows(_answers(events))
    _write_once(path, text.getvalue())


def _answers(events: Sequence[LoggedEvent]) -> Iterator[dict[str, object]]:
    for logged in events:
        event, reading = logged.event, logged.event.reading
        common = {
            "case_id": event.subject.case_id,
            "sequence": logged.sequence,
            "at_utc": event.at.isoformat(),
            "reader": event.reader,
            "step": event.kind.value,
            "reading_seconds": "" if event.reading_seconds is None else event.reading_seconds,
            "comment": event.why if reading is None else reading.comment,
            "hash": logged.hash,
        }
        if reading is None:
            yield common
            continue
        for p in reading.punctures:
            place = {"side": p.side.value, "level": p.target.value, "confidence": p.confidence.value}
            yield common | place | {"question": "level seen", "answer": p.level_seen or "can't tell"}
            yield common | place | {"question": "at target", "answer": p.at_target.value}
        for j in reading.junctions:
            yield common | {
                "question": "covered",
                "side": j.side.value,
                "level": j.level.value,
                "answer": j.covered.value,
            }
        if reading.aberrant_flow is not None:
            yield common | {"question": "aberrant flow", "answer": reading.aberrant_flow.value}
        yield common | {"question": "image quality", "answer": reading.image_quality.value}


def _write_once(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError as error:
        raise OutputError(f"{path}: exists already; an export never overwrites a file") from error
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
