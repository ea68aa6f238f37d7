"""A review event to canonical text and back; the text is what is hashed, signed and stored.

Canonical means: JSON in UTF-8, keys sorted, no spaces, floats in their shortest exact form. The stored
text itself is hashed, so that a later version of this program need not reproduce it to verify it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.geometry import PointPx
from fluorospread.model.review import (
    Confidence,
    EventKind,
    ImageQuality,
    JunctionReading,
    PunctureReading,
    Reading,
    ReviewEvent,
    ReviewSubject,
)
from fluorospread.model.spread import Answer

EVENT_FORMAT = "fluorospread/review-event/1"
NO_PREVIOUS = "0" * 64
"""Previous hash of the first event of a case."""

Json = dict[str, Any]


@dataclass(frozen=True)
class EventBody:
    """An event with its place in the log of its case, and whose key signs it."""

    event: ReviewEvent
    sequence: int
    previous_hash: str
    key_id: str


def body_to_text(body: EventBody) -> str:
    """The canonical text of an event."""
    document = event_to_json(body.event) | {
        "format": EVENT_FORMAT,
        "sequence": body.sequence,
        "previous_hash": body.previous_hash,
        "key_id": body.key_id,
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def text_to_body(text: str) -> EventBody:
    """The event a canonical text was written from.

    Raises
    ------
    ValueError, KeyError, TypeError, FluorospreadError
        The text is not an event of this format: it was not written by this program, or was changed.
    """
    document = json.loads(text)
    if document["format"] != EVENT_FORMAT:
        raise ValueError(f"expected format {EVENT_FORMAT}, found {document['format']!r}")
    return EventBody(
        json_to_event(document), int(document["sequence"]), str(document["previous_hash"]), str(document["key_id"])
    )


def hash_of(text: str) -> str:
    """SHA-256 of a canonical text, 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def event_to_json(event: ReviewEvent) -> Json:
    """The event as plain JSON values."""
    return {
        "subject": asdict(event.subject),
        "kind": event.kind.value,
        "reader": event.reader,
        "at": event.at.isoformat(),
        "why": event.why,
        "reading_seconds": event.reading_seconds,
        "reading": None if event.reading is None else _reading_to_json(event.reading),
    }


def json_to_event(document: Json) -> ReviewEvent:
    """Undoes `event_to_json`."""
    seconds = document["reading_seconds"]
    return ReviewEvent(
        subject=ReviewSubject(**document["subject"]),
        kind=EventKind(document["kind"]),
        reader=document["reader"],
        at=datetime.fromisoformat(document["at"]),
        reading=None if document["reading"] is None else _json_to_reading(document["reading"]),
        why=document["why"],
        reading_seconds=None if seconds is None else float(seconds),
    )


def _reading_to_json(reading: Reading) -> Json:
    return {
        "punctures": [
            {
                "side": p.side.value,
                "target": p.target.value,
                "level_seen": None if p.level_seen is None else p.level_seen.value,
                "at_target": p.at_target.value,
                "confidence": p.confidence.value,
                "marked_px": None if p.marked_px is None else [float(v) for v in p.marked_px],
            }
            for p in reading.punctures
        ],
        "junctions": [
            {"level": j.level.value, "side": j.side.value, "covered": j.covered.value} for j in reading.junctions
        ],
        "aberrant_flow": None if reading.aberrant_flow is None else reading.aberrant_flow.value,
        "image_quality": reading.image_quality.value,
        "comment": reading.comment,
    }


def _json_to_reading(document: Json) -> Reading:
    flow = document["aberrant_flow"]
    return Reading(
        punctures=tuple(
            PunctureReading(
                side=Side(p["side"]),
                target=Level(p["target"]),
                level_seen=None if p["level_seen"] is None else Level(p["level_seen"]),
                at_target=Answer(p["at_target"]),
                confidence=Confidence(p["confidence"]),
                marked_px=_point(p["marked_px"]),
            )
            for p in document["punctures"]
        ),
        junctions=tuple(
            JunctionReading(Level(j["level"]), Side(j["side"]), Answer(j["covered"])) for j in document["junctions"]
        ),
        aberrant_flow=None if flow is None else Answer(flow),
        image_quality=ImageQuality(document["image_quality"]),
        comment=document["comment"],
    )


def _point(values: list[float] | None) -> PointPx | None:
    return None if values is None else (float(values[0]), float(values[1]))
