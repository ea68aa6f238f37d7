"""Outcomes of a cohort's run in, the cohort report out; each result is read from its folder when needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from fluorospread.model.cohort import Cohort
from fluorospread.model.review import ReviewedCase
from fluorospread.pipeline.case_reviews import CaseReviews
from fluorospread.pipeline.compare_readers import case_readings
from fluorospread.pipeline.report_case import report_case
from fluorospread.pipeline.run_cohort_case import REPORT_FILE, CaseRun
from fluorospread.pipeline.write_case import CASE_JSON
from fluorospread.reporting.case_json import read_case_json
from fluorospread.reporting.cohort_report import write_cohort_report
from fluorospread.reporting.cohort_summary import CohortEntry

NO_REVIEWS = CaseReviews(None)


def report_cohort(
    cohort: Cohort, runs: Sequence[CaseRun], out: Path, pdf: bool = False, reviews: CaseReviews = NO_REVIEWS
) -> tuple[Path, ...]:
    """Write the cohort report into `out`, where the cases' folders are; returns the files written.

    `reviews` are what readers said of the cases: they add the agreement tables and the readers' decisions, and each
    case's own report is written anew where its log has grown since.

    Raises
    ------
    UsageError
        A case that was read was judged by a protocol that is not at hand.
    CaseFileError
        A finished case's case.json was changed or removed meanwhile.
    OutputError
        `out` cannot be written, or the PDF needs Pango, which is missing.
    """
    return write_cohort_report(cohort, _entries(cohort, runs, out, reviews), out, pdf)


def _entries(cohort: Cohort, runs: Sequence[CaseRun], out: Path, reviews: CaseReviews) -> Iterator[CohortEntry]:
    by_index = {run.index: run for run in runs}
    for index, case in enumerate(cohort.cases):
        run = by_index.get(index)
        if run is None:
            yield CohortEntry(case)
        elif run.failure is not None:
            yield CohortEntry(case, failure=f"{run.failure.kind}: {run.failure.message}")
        else:
            folder = out / run.case_id
            link = f"{quote(run.case_id)}/{REPORT_FILE}" if (folder / REPORT_FILE).is_file() else ""
            result = read_case_json(folder / CASE_JSON)
            said = case_readings(result, reviews)
            if link:
                _show_decision(folder, reviews.of(result))
            yield CohortEntry(case, result, "", link, said.answers, said.measures, said.not_blind, said.decision)


def _show_decision(folder: Path, review: ReviewedCase | None) -> None:
    """Write the case's report anew unless it already ends with the newest event of the case's log."""
    if review is None or review.head_hash.encode() in (folder / REPORT_FILE).read_bytes():
        return
    report_case(folder, pdf=False, review=review)
