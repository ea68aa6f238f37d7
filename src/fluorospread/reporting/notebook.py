"""A case or a cohort in, a piece of HTML out that a notebook shows in place of the object: picture, verdict, reasons.

Everything is escaped and the picture is embedded, so the piece runs nothing and fetches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from fluorospread.model.case import CaseResult
from fluorospread.model.verdict import STANDING_SENTENCE
from fluorospread.reporting.report_page import png_data_uri, render
from fluorospread.reporting.wording import OUTCOME_WORDS, RESULT_WORDS, statements

# A notebook cell that lists hundreds of failures hides what stands above it; the report has them all.
_MOST_FAILURES = 20


def case_fragment(result: CaseResult, picture_png: bytes | None) -> str:
    """Verdict, annotated picture where there is one, every criterion, and what was assumed.

    Raises
    ------
    OutputError
        The picture is not a PNG, or too large to embed.
    """
    verdict = result.verdict
    return render(
        "notebook_case.html.jinja",
        case_id=result.case_id,
        outcome=OUTCOME_WORDS[verdict.outcome],
        puncture=OUTCOME_WORDS[verdict.puncture],
        coverage=OUTCOME_WORDS[verdict.coverage],
        protocol=result.protocol_name,
        picture=None if picture_png is None else png_data_uri(picture_png, result.case_id),
        criteria=[(c.name, RESULT_WORDS[c.result], c.reason) for c in verdict.criteria],
        statements=statements(result),
        standing_sentence=STANDING_SENTENCE,
    )


def cohort_fragment(
    name: str, counts: Sequence[tuple[str, int]], failures: Sequence[tuple[str, str]], report: str
) -> str:
    """How many cases went where, the first failures with their reasons, and where the report is."""
    shown = list(failures[:_MOST_FAILURES])
    if len(failures) > len(shown):
        shown.append((f"{len(failures) - len(shown)} more", "see the report"))
    return render(
        "notebook_cohort.html.jinja",
        name=name,
        counts=counts,
        failures=shown,
        report=report,
        standing_sentence=STANDING_SENTENCE,
    )
