"""Results in scripts: equal to what is on disk, shown with their picture, as data frames with nothing made up."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from fluorospread.errors import CaseFileError, UsageError
from fluorospread.model.case import CaseResult, ContrastResult, SoftwareVersion
from fluorospread.model.cohort import Cohort, CohortCase
from fluorospread.model.findings import ContrastMethod, ContrastStatus
from fluorospread.model.verdict import Criterion, CriterionResult, Outcome, Verdict
from fluorospread.pipeline.run_cohort_case import CaseRun, Status
from fluorospread.pipeline.shown_results import CohortResult, open_case, shown_case, to_dataframe
from fluorospread.pipeline.verify_many import Failure
from fluorospread.reporting.case_json import dump_case_json, read_case_json


def _result(case_id: str, reason: str = "1.5 mm away") -> CaseResult:
    criteria = (Criterion("puncture at L5, left", CriterionResult.MET, reason),)
    return CaseResult(
        case_id=case_id,
        software=SoftwareVersion("fluorospread", "0.1.0", ""),
        protocol_name="p",
        protocol_sha256="cd" * 32,
        contrast_given=False,
        images=(),
        reference_image=None,
        contrast=ContrastResult(ContrastStatus.NOT_GIVEN, ContrastMethod.NONE, "none was given"),
        coverage=(),
        punctures=(),
        flags=(),
        verdict=Verdict(Outcome.VERIFIED, Outcome.VERIFIED, Outcome.NOT_APPLICABLE, criteria),
    )


def _written(folder: Path, result: CaseResult, picture: bool = True) -> Path:
    folder.mkdir(parents=True)
    (folder / "case.json").write_text(dump_case_json(result), encoding="utf-8")
    if picture:
        Image.new("L", (8, 8)).save(folder / "annotated.png")
    return folder


@pytest.fixture
def cohort(tmp_path: Path) -> CohortResult:
    """Two judged cases of three, one more excluded."""
    _written(tmp_path / "a", _result("a"))
    _written(tmp_path / "b", _result("b"))
    cases = (
        CohortCase("a", "one", "ultrasound"),
        CohortCase("b", "two", "fluoroscopy"),
        CohortCase("c", "three"),
        CohortCase("d", "four", excluded="previous lumbar surgery"),
    )
    runs = (
        CaseRun(0, "a", Status.VERIFIED),
        CaseRun(1, "b", Status.REUSED),
        CaseRun(2, "c", Status.FAILED, failure=Failure("c", "CaseError", "<b>no</b> images", 3)),
    )
    return CohortResult(Cohort("study", cases), runs, tmp_path, tmp_path / "cohort_report.html")


def test_an_opened_case_equals_the_result_on_disk_both_ways(tmp_path: Path) -> None:
    folder = _written(tmp_path / "a", _result("a"))
    opened, plain = open_case(folder), read_case_json(folder / "case.json")
    assert opened == plain
    assert plain == opened
    assert hash(opened) == hash(plain)
    assert opened == open_case(folder / "case.json")
    assert opened != shown_case(_result("b"))
    assert pickle.loads(pickle.dumps(opened)) == plain


def test_a_notebook_shows_picture_verdict_and_reason_and_runs_nothing(tmp_path: Path) -> None:
    page = open_case(_written(tmp_path / "a", _result("a", "<script>alert(1)</script>")))._repr_html_()
    assert '<img src="data:image/png;base64,' in page
    assert "a: verified" in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "Research use only" in page


def test_a_case_without_its_picture_is_still_shown(tmp_path: Path) -> None:
    page = open_case(_written(tmp_path / "a", _result("a"), picture=False))._repr_html_()
    assert "<img" not in page
    assert "1.5 mm away" in page


def test_an_opened_case_is_not_saved_again(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="was opened from"):
        open_case(_written(tmp_path / "a", _result("a"))).save(tmp_path / "b")


def test_a_folder_without_a_case_is_named(tmp_path: Path) -> None:
    with pytest.raises(CaseFileError, match=r"case\.json"):
        open_case(tmp_path)


def test_a_cohort_has_a_row_for_every_case_and_says_why_one_has_no_result(cohort: CohortResult) -> None:
    table = cohort.to_dataframe()
    assert table["case_id"].to_list() == ["a", "b", "c", "d"]
    assert table["patient"].to_list() == ["one", "two", "three", "four"]
    assert table["failure"].to_list() == ["", "", "CaseError: <b>no</b> images", ""]
    assert table["excluded"].to_list()[3] == "previous lumbar surgery"
    assert table["outcome"].to_list()[:2] == ["verified", "verified"]
    assert table["outcome"].isna().to_list() == [False, False, True, True]
    assert cohort.to_dataframe("criterion")[["case_id", "group"]].to_numpy().tolist() == [
        ["a", "ultrasound"],
        ["b", "fluoroscopy"],
    ]


def test_a_cohort_hands_out_its_judged_cases_by_name_and_in_order(cohort: CohortResult) -> None:
    assert [case.case_id for case in cohort] == ["a", "b"]
    assert len(cohort) == 2
    assert cohort["b"].case_id == "b"
    with pytest.raises(KeyError, match="c"):
        cohort["c"]


def test_a_notebook_shows_the_cohorts_counts_and_failures(cohort: CohortResult) -> None:
    page = cohort._repr_html_()
    assert "&lt;b&gt;no&lt;/b&gt; images" in page
    assert "cohort_report.html" in page
    assert [int(n) for n in re.findall(r"right\">(\d+)<", page)] == [4, 1, 1, 2, 0, 0]


@pytest.mark.parametrize("unit", ["case", "puncture", "junction", "pool", "criterion"])
def test_a_table_of_nothing_has_its_columns(unit: str) -> None:
    table = to_dataframe([], unit)
    assert len(table) == 0
    assert next(iter(table)) == "case_id"
    assert list(table) == list(to_dataframe([_result("a")], unit))


def test_a_unit_nobody_has_is_refused() -> None:
    with pytest.raises(UsageError, match="choose case, puncture, junction, pool, criterion"):
        to_dataframe([], "needle")


def test_what_is_not_known_is_missing(tmp_path: Path) -> None:
    row = to_dataframe([replace(_result("a"), contrast_given=None)]).iloc[0]
    assert row[["contrast_given", "levels_status", "mm_per_px"]].isna().all()
