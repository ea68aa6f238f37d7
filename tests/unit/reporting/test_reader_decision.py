"""What a reader decided stands beside what the software found, with its time and the hash of the log."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseResult
from fluorospread.model.review import (
    CaseStatus,
    Confidence,
    ImageQuality,
    JunctionReading,
    PunctureReading,
    ReaderProgress,
    Reading,
    ReviewedCase,
)
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import Outcome, Verdict
from fluorospread.reporting.case_report import case_report_html
from fluorospread.reporting.reader_decision import reader_section

HEAD = "9" * 64


@pytest.fixture
def review() -> ReviewedCase:
    reading = Reading(
        (
            PunctureReading(Side.LEFT, Level.L5, Level.L4, Answer.NO, Confidence.HIGH),
            PunctureReading(Side.RIGHT, Level.L5, None, Answer.UNDETERMINED, Confidence.LOW),
        ),
        (JunctionReading(Level.L4, Side.LEFT, Answer.NO), JunctionReading(Level.L5, Side.LEFT, Answer.YES)),
        Answer.NO,
        ImageQuality.LIMITED,
        "<script>one level up</script>",
    )
    return ReviewedCase(
        case_id="P1-01",
        readers=(ReaderProgress("Dr A", CaseStatus.SIGNED, True, reading, reading, reading, 83.6),),
        disagreements=(),
        decision=reading,
        decided_by=("Dr A",),
        verdict=Verdict(Outcome.NOT_VERIFIED, Outcome.NOT_VERIFIED, Outcome.UNDETERMINED, ()),
        head_hash=HEAD,
        decided_at=datetime(2026, 3, 1, 9, 3, tzinfo=UTC),
        decided_on="b" * 64,
    )


def test_each_answer_stands_beside_the_softwares_finding(full_case: CaseResult, review: ReviewedCase) -> None:
    section = reader_section(full_case, review, "b" * 64)
    assert section.headline == "Not verified by Dr A, 2026-03-01 09:03 UTC."
    assert section.warnings == ()
    answers = {question: (reader, software) for question, reader, software in section.answers}
    assert answers["Puncture meant for L5, left"] == (
        "L4; at the target: no (high confidence)",
        "L5; at the target: yes",
    )
    assert answers["Puncture meant for L5, right"][1] == "level: can't tell; at the target: can't tell"
    assert answers["Contrast over the L4 junction, left"] == ("no", "yes")
    assert answers["Contrast over the L5 junction, left"] == ("yes", "nothing found")
    assert section.readers == (("Dr A", "signed", "yes", "84 s"),)


def test_a_decision_about_an_earlier_result_is_said_to_be_that(full_case: CaseResult, review: ReviewedCase) -> None:
    (warning,) = reader_section(full_case, review, "c" * 64).warnings
    assert "another result" in warning
    assert "b" * 64 in warning


def test_readers_who_differ_have_not_decided(full_case: CaseResult, review: ReviewedCase) -> None:
    open_ = replace(review, decision=None, verdict=None, decided_by=(), disagreements=("L4 covered, left",))
    section = reader_section(full_case, open_)
    assert section.headline == "No reader has decided yet."
    assert section.warnings == ("Readers differ, adjudication is due: L4 covered, left",)
    assert section.answers == ()


def test_the_report_carries_decision_time_and_head_hash_and_runs_nothing(
    full_case: CaseResult, review: ReviewedCase
) -> None:
    page = case_report_html(full_case, [], reader_section(full_case, review, "b" * 64))
    assert page.count("Not verified by Dr A, 2026-03-01 09:03 UTC.") == 2  # beside the verdict, and in its section
    assert HEAD in page
    assert "&lt;script&gt;one level up" in page
    assert "<script" not in page


def test_a_report_without_a_review_says_so(full_case: CaseResult) -> None:
    assert "No reader&#39;s decision is attached." in case_report_html(full_case, [])
