"""`fluorospread review`: starts the viewer as a process, and tells decisions, agreement and tampering."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from fluorospread.cli import review as module
from fluorospread.cli.app import run
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseResult, ContrastResult, SoftwareVersion
from fluorospread.model.findings import ContrastMethod, ContrastStatus
from fluorospread.model.review import Confidence, EventKind, ImageQuality, PunctureReading, Reading, ReviewEvent
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import Outcome, Verdict
from fluorospread.pipeline.apply_review import subject_of
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.reporting.case_json import dump_case_json
from fluorospread.store.reader_key import open_reader_key
from fluorospread.store.review_store import ReviewStore

PROTOCOL = load_protocol(DEFAULT_PROTOCOL)
STEPS = (EventKind.OPENED, EventKind.FIRST_READ, EventKind.REVEALED, EventKind.SIGNED)


def case(case_id: str) -> CaseResult:
    """A case without images, whose verdict is open."""
    return CaseResult(
        case_id=case_id,
        software=SoftwareVersion("fluorospread", "0.1.0", "a" * 64),
        protocol_name=PROTOCOL.name,
        protocol_sha256=PROTOCOL.sha256,
        contrast_given=False,
        images=(),
        reference_image=None,
        contrast=ContrastResult(ContrastStatus.NOT_GIVEN, ContrastMethod.NONE, "none was given"),
        coverage=(),
        punctures=(),
        flags=(),
        verdict=Verdict(Outcome.UNDETERMINED, Outcome.UNDETERMINED, Outcome.NOT_APPLICABLE, ()),
    )


def reading(left: Level) -> Reading:
    punctures = tuple(
        PunctureReading(side, Level.L5, level, Answer.YES if level is Level.L5 else Answer.NO, Confidence.HIGH)
        for side, level in ((Side.LEFT, left), (Side.RIGHT, Level.L5))
    )
    return Reading(punctures, (), None, ImageQuality.GOOD, "seen")


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Three cases; two readers signed two of them and differ in the second."""
    for number in (1, 2, 3):
        folder = tmp_path / f"P1-0{number}"
        folder.mkdir()
        (folder / "case.json").write_text(dump_case_json(case(folder.name)), encoding="utf-8")
    with ReviewStore(str(tmp_path / "reviews.sqlite")) as store:
        for reader in ("Dr. A", "Dr. B"):
            key = open_reader_key(reader, tmp_path / "keys")
            for name in ("P1-01", "P1-02"):
                said = reading(Level.L4 if (reader, name) == ("Dr. B", "P1-02") else Level.L5)
                for step in STEPS:
                    answers = said if step.carries_reading else None
                    store.append(ReviewEvent(subject_of(case(name)), step, reader, datetime.now(UTC), answers), key)
    return tmp_path


def test_decisions_and_agreement_are_printed(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["review", str(cohort), "--summary"]) == 0
    out = capsys.readouterr().out
    assert "readers differ" in out
    assert "verified" in out
    assert "Not opened by anybody: P1-03" in out
    assert "Dr. A and Dr. B: blind readings" in out
    assert "Research use only" in out


def test_the_summary_as_json_holds_per_cent_kappa_and_ac1(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["review", str(cohort), "--summary", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cases"]["P1-01"]["outcome"] == "verified"
    assert found["cases"]["P1-02"]["outcome"] is None
    (left,) = [a for a in found["agreement"] if a["question"] == "at target L5, left" and a["of"] == "first-read"]
    # One of two cases alike; Gwet's chance agreement of ratings (yes 3/4, no 1/4) over three answers is
    # (3/16 + 3/16) / 2 = 3/16, so AC1 = (1/2 - 3/16) / (1 - 3/16) = 5/13. Kappa's chance agreement is 1/2.
    assert left["agreement"] == 0.5
    assert left["kappa"] == pytest.approx(0.0)
    assert left["ac1"] == pytest.approx(5 / 13)


def test_an_untouched_log_is_verified_and_its_heads_noted(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heads = cohort / "heads.json"
    assert run(["review", str(cohort), "--verify-log", "--heads", str(heads)]) == 0
    assert "16 events of 2 cases, untouched" in capsys.readouterr().out
    assert sorted(json.loads(heads.read_text())) == ["P1-01", "P1-02"]
    assert run(["review", str(cohort), "--verify-log", "--heads", str(heads)]) == 0
    assert "2 noted head(s) found" in capsys.readouterr().out


def test_a_log_cut_short_shows_against_the_noted_heads(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heads = cohort / "heads.json"
    run(["review", str(cohort), "--verify-log", "--heads", str(heads)])
    with sqlite3.connect(cohort / "reviews.sqlite") as database:
        database.execute("DROP TRIGGER review_events_no_delete")
        database.execute("DELETE FROM review_events WHERE case_id = 'P1-02' AND sequence = 8")
    database.close()
    assert run(["review", str(cohort), "--verify-log"]) == 0
    assert run(["review", str(cohort), "--verify-log", "--heads", str(heads)]) == 3
    assert "was cut off or rewritten" in capsys.readouterr().err
    assert json.loads(heads.read_text())["P1-02"]


def test_a_changed_event_is_named_and_ends_with_3(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(cohort / "reviews.sqlite") as database:
        database.execute("DROP TRIGGER review_events_no_update")
        database.execute("UPDATE review_events SET body = replace(body, '\"no\"', '\"yes\"') WHERE case_id = 'P1-02'")
    database.close()
    assert run(["review", str(cohort), "--verify-log"]) == 3
    assert "P1-02, event 6: the content does not fit its hash" in capsys.readouterr().err


@pytest.mark.parametrize(("form", "holds"), [("json", '"reader_keys"'), ("csv", "case_id,sequence")])
def test_the_log_is_exported(cohort: Path, form: str, holds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["review", str(cohort), "--export", form]) == 0
    path = cohort / f"reviews.{form}"
    assert capsys.readouterr().out.strip() == str(path)
    assert holds in path.read_text(encoding="utf-8")
    assert run(["review", str(cohort), "--export", form]) == 3
    assert "never overwrites" in capsys.readouterr().err


def test_looking_at_reviews_makes_no_store(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = cohort / "none.sqlite"
    assert run(["review", str(cohort), "--verify-log", "--store", str(missing)]) == 3
    assert "no review store there" in capsys.readouterr().err
    assert not missing.exists()


def test_the_viewer_is_started_as_a_process_with_what_was_given(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    def start(command: list[str], check: bool) -> SimpleNamespace:
        started.append(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", start)
    assert run(["review", str(cohort), "--reader", "Dr. A", "--store", "postgresql://host/reviews", "--read-only"]) == 0
    assert started[0][1:] == [
        *("-m", "napari_fluorospread", str(cohort)),
        *("--reader", "Dr. A", "--store", "postgresql://host/reviews", "--read-only"),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "needs the name of its reader"),
        (["--summary", "--verify-log"], 2, "different tasks"),
    ],
)
def test_what_does_not_make_sense_is_refused(
    cohort: Path, arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["review", str(cohort), *arguments]) == code
    assert message in capsys.readouterr().err


def test_a_folder_without_results_and_a_missing_plugin_are_said(
    cohort: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run(["review", str(tmp_path_factory.mktemp("raw")), "--reader", "A"]) == 3
    assert "verify the cases first" in capsys.readouterr().err
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    assert run(["review", str(cohort), "--reader", "A"]) == 2
    assert "the viewer is not installed" in capsys.readouterr().err
