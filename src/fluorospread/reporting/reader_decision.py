"""What readers decided about a case in, the report's section on it out, beside what the software found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseResult
from fluorospread.model.review import ReaderProgress, Reading, ReviewedCase
from fluorospread.model.spread import Answer
from fluorospread.reporting.wording import OUTCOME_WORDS

CANNOT_TELL = "can't tell"
NOTHING_FOUND = "nothing found"
_ANSWER_WORDS = {Answer.YES: "yes", Answer.NO: "no", Answer.UNDETERMINED: CANNOT_TELL}


@dataclass(frozen=True)
class ReaderSection:
    """The section's parts, ready to be set: `headline` also stands beside the software's verdict.

    `properties`: name and value. `answers`: question, reader's answer, software's finding. `readers`: name, status,
    whether blind first, reading time.
    """

    headline: str
    warnings: tuple[str, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    answers: tuple[tuple[str, str, str], ...] = ()
    readers: tuple[tuple[str, str, str, str], ...] = ()
    head_hash: str = ""


def reader_section(result: CaseResult, review: ReviewedCase | None, case_json_sha256: str = "") -> ReaderSection:
    """The section for a case; `case_json_sha256` is the hash of the case.json that the report is made from."""
    if review is None or not review.readers:
        return ReaderSection("No reader's decision is attached.")
    readers = tuple(_reader(progress) for progress in review.readers)
    if review.decision is None or review.verdict is None:
        open_ = tuple(f"Readers differ, adjudication is due: {question}" for question in review.disagreements)
        return ReaderSection("No reader has decided yet.", open_, (), (), readers, review.head_hash)
    when = "" if review.decided_at is None else f", {review.decided_at:%Y-%m-%d %H:%M} UTC"
    headline = f"{OUTCOME_WORDS[review.verdict.outcome].capitalize()} by {' and '.join(review.decided_by)}{when}."
    warnings: tuple[str, ...] = ()
    if case_json_sha256 and review.decided_on not in ("", case_json_sha256):
        warnings = (f"The decision was made about another result of these images (SHA-256 {review.decided_on}).",)
    properties = (
        ("Decision", headline),
        ("Puncture; coverage", _parts(review)),
        ("Image quality", review.decision.image_quality.value),
        ("Comment", review.decision.comment.strip() or "none"),
    )
    return ReaderSection(headline, warnings, properties, _answers(result, review.decision), readers, review.head_hash)


def _parts(review: ReviewedCase) -> str:
    if review.verdict is None:
        return ""
    return f"{OUTCOME_WORDS[review.verdict.puncture]}; {OUTCOME_WORDS[review.verdict.coverage]}"


def _reader(progress: ReaderProgress) -> tuple[str, str, str, str]:
    blind = "not yet" if progress.first is None else "yes" if progress.blinded else "no"
    return progress.reader, progress.status.value, blind, f"{progress.seconds:.0f} s"


def _answers(result: CaseResult, reading: Reading) -> tuple[tuple[str, str, str], ...]:
    rows: list[tuple[str, str, str]] = []
    for puncture in reading.punctures:
        name = f"Puncture meant for {puncture.target}, {puncture.side}"
        mine = f"{_level(puncture.level_seen)}; at the target: {_ANSWER_WORDS[puncture.at_target]}"
        rows.append((name, f"{mine} ({puncture.confidence} confidence)", _found_puncture(result, puncture.side)))
    for junction in reading.junctions:
        name = f"Contrast over the {junction.level} junction, {junction.side}"
        rows.append((name, _ANSWER_WORDS[junction.covered], _found_coverage(result, junction.level, junction.side)))
    if reading.aberrant_flow is not None:
        flags = "; ".join(flag.code.replace("-", " ") for flag in result.flags) or "no flag"
        rows.append(("Aberrant flow", _ANSWER_WORDS[reading.aberrant_flow], flags))
    return tuple(rows)


def _level(level: Level | None) -> str:
    return "level: can't tell" if level is None else level.value


def _found_puncture(result: CaseResult, side: Side) -> str:
    found = [p for p in result.punctures if p.side is side]
    words: Sequence[str] = [f"{_level(p.level)}; at the target: {_ANSWER_WORDS[p.at_target]}" for p in found]
    return "; ".join(words) or NOTHING_FOUND


def _found_coverage(result: CaseResult, level: Level, side: Side) -> str:
    found = result.stated_coverage().get((level, side))
    return NOTHING_FOUND if found is None else _ANSWER_WORDS[found]
