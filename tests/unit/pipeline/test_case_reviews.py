"""Reviews are shown only for the very images they are about, judged by the case's protocol, from an untouched log."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fluorospread.errors import StoreError, UsageError
from fluorospread.model.case import CaseImage, CaseResult, Role
from fluorospread.model.geometry import NO_SCALE, UNKNOWN_ORIENTATION
from fluorospread.model.radiograph import PolaritySource, Quantity
from fluorospread.model.review import EventKind, ReviewEvent
from fluorospread.model.verdict import Outcome
from fluorospread.pipeline.apply_review import subject_of
from fluorospread.pipeline.case_reviews import open_reviews
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.reporting.case_json import dump_case_json
from fluorospread.store.reader_key import open_reader_key
from fluorospread.store.review_store import ReviewStore

PROTOCOL = load_protocol(DEFAULT_PROTOCOL)


@pytest.fixture
def case(bare_case: CaseResult) -> CaseResult:
    return bare_case


def _image(sha256: str) -> CaseImage:
    return CaseImage(
        path="needle.png",
        sha256=sha256,
        role=Role.NEEDLE,
        role_source="file name",
        rows=8,
        cols=8,
        frames=1,
        sop_instance_uid="",
        geometry=NO_SCALE,
        orientation=UNKNOWN_ORIENTATION,
        quantity=Quantity.RELATIVE,
        polarity_source=PolaritySource.GIVEN,
    )


@pytest.fixture
def store(case: CaseResult, tmp_path: Path, make_events: Callable[..., list[ReviewEvent]]) -> Path:
    """One reader signed the case."""
    path, key = tmp_path / "reviews.sqlite", open_reader_key("A", tmp_path)
    with ReviewStore(str(path)) as opened:
        for event in make_events("A", (EventKind.OPENED, EventKind.FIRST_READ, EventKind.REVEALED, EventKind.SIGNED)):
            opened.append(replace(event, subject=subject_of(case)), key)
    return path


def test_a_signed_case_is_decided(case: CaseResult, store: Path, tmp_path: Path) -> None:
    (tmp_path / "case.json").write_text(dump_case_json(case), encoding="utf-8")
    with open_reviews(str(store)) as reviews:
        reviewed = reviews.of_folder(tmp_path)
    assert reviewed is not None
    assert reviewed.verdict is not None
    assert (reviewed.decided_by, reviewed.verdict.outcome) == (("A",), Outcome.VERIFIED)
    assert reviewed.decided_on == subject_of(case).result_sha256


def test_a_case_of_the_same_name_with_other_images_has_no_review(case: CaseResult, store: Path) -> None:
    with open_reviews(str(store)) as reviews:
        assert reviews.of(replace(case, images=(_image("1" * 64),))) is None
        assert reviews.of(replace(case, case_id="P1-02")) is None


def test_without_a_store_nothing_is_known(case: CaseResult, tmp_path: Path) -> None:
    with open_reviews(None) as reviews:
        assert reviews.of(case) is None
        assert reviews.of_folder(tmp_path / "none") is None


def test_answers_are_judged_by_no_other_protocol(case: CaseResult, store: Path) -> None:
    for changed in (replace(case, protocol_sha256="0" * 64), replace(case, protocol_name="my own")):
        with open_reviews(str(store)) as reviews, pytest.raises(UsageError, match="--protocol"):
            reviews.of(changed)


def test_a_log_that_was_changed_from_outside_is_not_reported(store: Path) -> None:
    with sqlite3.connect(store) as connection:
        connection.execute("DROP TRIGGER review_events_no_update")
        connection.execute("UPDATE review_events SET body = replace(body, 'high', 'low') WHERE sequence = 4")
    connection.close()
    with pytest.raises(StoreError, match="tampered"), open_reviews(str(store)):
        pass


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such review store"), open_reviews(str(tmp_path / "none.sqlite")):
        pass
    assert not (tmp_path / "none.sqlite").exists()
