"""`report` and `cohort` name what is wrong, end with the right code and never show a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fluorospread.cli.app import run
from fluorospread.cli.cohort import duration
from fluorospread.pipeline import verify_cohort
from fluorospread.pipeline.find_cohort import find_cohort
from fluorospread.pipeline.gather_case import CaseRequest
from fluorospread.pipeline.run_cohort_case import CaseRun, Status
from fluorospread.pipeline.verify_many import Failure


def test_report_of_what_is_not_a_case_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "case.json").write_text("{}")
    assert run(["report", str(tmp_path / "none.json")]) == 3
    assert "no such file" in capsys.readouterr().err
    assert run(["report", str(tmp_path)]) == 3
    assert "CaseFileError" in capsys.readouterr().err


def test_reports_that_would_overwrite_each_other_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [tmp_path / "a" / "case", tmp_path / "b" / "case"]
    for folder in folders:
        folder.mkdir(parents=True)
    assert run(["report", *map(str, folders), "--out", str(tmp_path / "out")]) == 2
    assert "share one" in capsys.readouterr().err


def test_a_cohort_of_failures_is_reported_and_ends_with_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / "in" / name).mkdir(parents=True)
    assert run(["cohort", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 3
    printed = capsys.readouterr()
    assert "2 cases: 0 done, 0 already done, 2 failed" in printed.out
    assert "a: CaseError" in printed.out
    assert (tmp_path / "out" / "cohort_report.html").is_file()
    assert "Traceback" not in printed.out + printed.err


def test_a_review_store_that_is_not_there_is_told_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    store = str(tmp_path / "none.sqlite")
    assert run(["cohort", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--reviews", store]) == 3
    assert "no such review store" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert run(["report", str(tmp_path), "--reviews", store]) == 3
    assert "no such review store" in capsys.readouterr().err


def test_the_sample_cohort_has_the_studys_five_cases() -> None:
    found = find_cohort(Path(__file__).parents[2] / "sample_dicom" / "protocol_1.toml")
    assert [case.case_id for case in found.cohort.cases] == [f"P1-0{i}" for i in range(1, 6)]
    assert [item.contrast_given for item in found.requests if isinstance(item, CaseRequest)] == [True, *[False] * 4]


def test_json_is_one_document_a_case(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    assert run(["cohort", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--json"]) == 3
    (line,) = capsys.readouterr().out.splitlines()
    document = json.loads(line)
    assert (document["case_id"], document["status"]) == ("a", "failed")
    assert document["error"].startswith("CaseError: ")


def test_a_cohort_that_is_not_there_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cohort", str(tmp_path / "none"), "--out", str(tmp_path)]) == 3
    assert "MissingFileError" in capsys.readouterr().err


@pytest.mark.parametrize(("seconds", "text"), [(40.2, "40 s"), (720.0, "12 min"), (12000.0, "3 h 20 min")])
def test_time_left_is_said_as_a_person_would(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_time_left_is_what_the_rest_takes_at_the_pace_so_far() -> None:
    told: list[verify_cohort.Progress] = []
    clock = verify_cohort._Clock(10, told.append)
    clock.start(2)
    clock.tell(CaseRun(0, "a", Status.REUSED, 0.01))
    assert told[-1].seconds_left is None
    clock.tell(CaseRun(1, "b", Status.VERIFIED, 4.0))
    clock.tell(CaseRun(2, "c", Status.VERIFIED, 2.0))
    # Seven cases left at three seconds each on two workers.
    assert told[-1].seconds_left == pytest.approx(7 * 3.0 / 2)
    clock.tell(CaseRun(3, "d", Status.FAILED, failure=Failure("d", "CaseError", "broken", 3)))
    assert told[-1].done == 4
