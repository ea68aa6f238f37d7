"""Exports hold everything, and never overwrite a file."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from fluorospread.errors import OutputError
from fluorospread.model.review import EventKind
from fluorospread.store.event_body import json_to_event
from fluorospread.store.export_events import export_csv, export_json


def test_the_json_export_reads_back_to_the_same_events(store, key, make_event, tmp_path: Path) -> None:
    logged = [store.append(make_event(kind=kind), key) for kind in (EventKind.OPENED, EventKind.FIRST_READ)]
    export_json(store, tmp_path / "log.json")
    document = json.loads((tmp_path / "log.json").read_text(encoding="utf-8"))
    assert document["format"] == "fluorospread/review-log/1"
    assert [json_to_event(entry) for entry in document["events"]] == [entry.event for entry in logged]
    assert [entry["signature"] for entry in document["events"]] == [entry.signature for entry in logged]
    assert document["reader_keys"] == {"Dr. Āda": key.public.text}


def test_what_was_not_asked_has_no_row(store, key, make_event, tmp_path: Path) -> None:
    event = make_event()
    assert event.reading is not None
    reading = replace(event.reading, aberrant_flow=None, junctions=())
    logged = store.append(replace(event, reading=reading), key)
    assert store.events("P1-01") == (logged,)
    export_csv(store, tmp_path / "log.csv")
    text = (tmp_path / "log.csv").read_text(encoding="utf-8")
    assert "aberrant flow" not in text
    assert "image quality" in text


def test_the_csv_export_has_one_row_an_answer(store, key, make_event, tmp_path: Path) -> None:
    store.append(make_event(kind=EventKind.OPENED), key)
    store.append(make_event(), key)
    export_csv(store, tmp_path / "log.csv")
    with (tmp_path / "log.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["question"], r["side"], r["level"], r["answer"]) for r in rows] == [
        ("", "", "", ""),
        ("level seen", "left", "L5", "L5"),
        ("at target", "left", "L5", "yes"),
        ("level seen", "right", "L5", "can't tell"),
        ("at target", "right", "L5", "undetermined"),
        ("covered", "left", "L4", "no"),
        ("aberrant flow", "", "", "undetermined"),
        ("image quality", "", "", "limited"),
    ]
    assert rows[1]["comment"] == "Schräger Strahlengang, links\n„sicher“"
    assert rows[1]["at_utc"] == "2026-03-01T09:00:00+00:00"


@pytest.mark.parametrize("export", [export_json, export_csv])
def test_an_export_never_overwrites(store, tmp_path: Path, export) -> None:
    path = tmp_path / "log"
    path.write_text("mine")
    with pytest.raises(OutputError, match="never overwrites"):
        export(store, path)
    assert path.read_text() == "mine"
