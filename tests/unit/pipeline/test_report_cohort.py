"""The cohort report takes results from disk, and brings each case's own report up to date with its readers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fluorospread.model.case import CaseResult
from fluorospread.model.cohort import Cohort, CohortCase
from fluorospread.model.review import EventKind, ReviewEvent
from fluorospread.pipeline.apply_review import subject_of
from fluorospread.pipeline.case_reviews import open_reviews
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.pipeline.report_cohort import report_cohort
from fluorospread.pipeline.run_cohort_case import CaseRun, Status
from fluorospread.reporting.case_json import dump_case_json
from fluorospread.store.reader_key import open_reader_key
from fluorospread.store.review_store import ReviewStore

PROTOCOL = load_protocol(DEFAULT_PROTOCOL)
COHORT = Cohort("study", (CohortCase("P1-01", "one"), CohortCase("P1-02", "two", excluded="child")))
RUNS = (CaseRun(0, "P1-01", Status.VERIFIED),)


@pytest.fixture
def case(bare_case: CaseResult, tmp_path: Path) -> CaseResult:
    """A judged case whose report knows of no reader."""
    folder = tmp_path / "out" / "P1-01"
    folder.mkdir(parents=True)
    (folder / "case.json").write_text(dump_case_json(bare_case), encoding="utf-8")
    (folder / "case_report.html").write_text("as it was verified")
    return bare_case


def test_a_case_that_was_read_since_gets_its_report_anew_and_only_then(
    case: CaseResult, tmp_path: Path, make_events: Callable[..., list[ReviewEvent]]
) -> None:
    out, report = tmp_path / "out", tmp_path / "out" / "P1-01" / "case_report.html"
    report_cohort(COHORT, RUNS, out)
    assert report.read_text() == "as it was verified"
    key = open_reader_key("A", tmp_path)
    with ReviewStore(str(tmp_path / "r.sqlite")) as store:
        for event in make_events("A", (EventKind.OPENED, EventKind.FIRST_READ, EventKind.REVEALED, EventKind.SIGNED)):
            head = store.append(replace(event, subject=subject_of(case)), key).hash
    with open_reviews(str(tmp_path / "r.sqlite")) as reviews:
        (page,) = report_cohort(COHORT, RUNS, out, reviews=reviews)
        shown = report.read_text(encoding="utf-8")
        assert head in shown
        assert "Verified by A, 2026-03-01 09:03 UTC." in shown
        assert "verified (A)" in page.read_text(encoding="utf-8")
        report.write_text(f"with {head}")
        report_cohort(COHORT, RUNS, out, reviews=reviews)
    assert report.read_text() == f"with {head}"


def test_a_case_without_a_report_is_not_linked_and_gets_none(case: CaseResult, tmp_path: Path) -> None:
    report = tmp_path / "out" / "P1-01" / "case_report.html"
    report.unlink()
    (page,) = report_cohort(COHORT, RUNS, tmp_path / "out")
    assert "case_report.html" not in page.read_text(encoding="utf-8")
    assert not report.exists()
