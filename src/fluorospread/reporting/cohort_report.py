"""A cohort and its cases' results in, the cohort report out: tables, forest plot, atlas, outliers, every case.

One HTML file that works offline and, where each case has a report of its own, leads to it; a PDF of the same.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fluorospread.model.cohort import Cohort
from fluorospread.model.verdict import STANDING_SENTENCE
from fluorospread.reporting.cohort_agreement import agreement_tables
from fluorospread.reporting.cohort_outcomes import outcome_tables, patient_table
from fluorospread.reporting.cohort_summary import Atlas, CohortEntry, CohortSummary, Row, summarise_cohort
from fluorospread.reporting.cohort_tables import (
    ForestRow,
    case_flow,
    coverage_table,
    exposure_table,
    find_outliers,
    forest_rows,
    puncture_table,
    spread_table,
)
from fluorospread.reporting.report_page import drawing, png_data_uri, render, write_page
from fluorospread.reporting.spine_diagram import JUNCTION_MM, VIEW_MM, spine_drawing
from fluorospread.reporting.wording import OUTCOME_WORDS

HTML_FILE, PDF_FILE = "cohort_report.html", "cohort_report.pdf"


def cohort_report_html(cohort: Cohort, summary: CohortSummary) -> str:
    """The report as one page; the same cohort and results give the same bytes."""
    first = (
        patient_table(cohort),
        puncture_table(summary),
        coverage_table(summary),
        spread_table(summary),
        exposure_table(summary),
    )
    judged = summary.judged
    return render(
        "cohort_report.html.jinja",
        name=cohort.name,
        protocols=", ".join(sorted({row.protocol for row in judged})) or "none, as no case was judged",
        software="; ".join(sorted({row.software for row in judged})) or "none, as no case was judged",
        standing_sentence=STANDING_SENTENCE,
        flow=case_flow(summary),
        first_tables=[table for table in first if table is not None],
        forest=[_forest(row) for row in forest_rows(summary)],
        atlas=drawing(_atlas_drawing(summary.atlas)) if summary.atlas.drawn else None,
        atlas_drawn=summary.atlas.drawn,
        atlas_left_out=[f"{case_id} ({reason})" for case_id, reason in summary.atlas.left_out],
        later_tables=(*agreement_tables(judged), *outcome_tables(cohort)),
        outliers=[
            {
                "case_id": found.row.case.case_id,
                "link": found.row.link,
                "what": found.what,
                "value": found.value,
                "z": f"{found.z:+.1f}",
            }
            for found in find_outliers(summary)
        ],
        cases=[_case(row) for row in summary.rows],
    )


def write_cohort_report(
    cohort: Cohort, entries: Iterable[CohortEntry], folder: Path, pdf: bool = True
) -> tuple[Path, ...]:
    """Write `cohort_report.html`, and `.pdf` when asked, into `folder`; returns their paths.

    `entries` are taken one at a time and let go, so they may be read from disk as they are asked for.

    Raises
    ------
    OutputError
        The folder cannot be written, or Pango is missing; the HTML is then written all the same.
    """
    page = cohort_report_html(cohort, summarise_cohort(entries))
    return write_page(page, folder / HTML_FILE, folder / PDF_FILE if pdf else None)


def _forest(row: ForestRow) -> dict[str, Any]:
    """One line of the plot; label and numbers stand in cells of their own, which grow with their text."""
    found = row.proportion
    low, value, high = (4 + 192 * share for share in (found.low, found.value, found.high))
    ticks = "".join(f'<line x1="{4 + 48 * i}" y1="2" x2="{4 + 48 * i}" y2="14"/>' for i in range(5))
    svg = (
        '<svg viewBox="0 0 200 16" preserveAspectRatio="none" role="img" aria-hidden="true">'
        f'<g stroke="#777" stroke-width="0.4">{ticks}</g>'
        f'<path d="M{low:.1f},8H{high:.1f}M{low:.1f},4.5v7M{high:.1f},4.5v7" stroke="#000" stroke-width="1.2" '
        f'fill="none"/><rect x="{value - 2.5:.1f}" y="5" width="5" height="6" fill="#000"/></svg>'
    )
    numbers = f"{found.successes}/{found.trials}: {100 * found.low:.0f}–{100 * found.high:.0f} %"
    return {"label": row.label, "drawing": drawing(svg), "numbers": numbers}


def _atlas_drawing(atlas: Atlas) -> str:
    """The heat map over the drawn spine, darker where more cases have contrast."""
    from PIL import Image

    share = atlas.counts / atlas.drawn
    grey = np.zeros((*share.shape, 2), dtype=np.uint8)
    grey[..., 1] = np.round(235 * share).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, format="PNG")
    left, top, width, height = VIEW_MM
    picture = (
        f'<image x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" preserveAspectRatio="none" '
        f'href="{png_data_uri(buffer.getvalue(), "atlas")}"/>'
    )
    circles = "".join(
        f'<circle cx="{sign * lateral:g}" cy="{down:g}" r="3.2" fill="none" stroke="#fff" stroke-width="2"/>'
        f'<circle cx="{sign * lateral:g}" cy="{down:g}" r="3.2" fill="none" stroke="#000" stroke-width="0.8"/>'
        for down, lateral in JUNCTION_MM.values()
        for sign in (-1, 1)
    )
    return spine_drawing(picture + circles, "Spread atlas", of_patient=True)


def _case(row: Row) -> dict[str, str]:
    if row.outcome is None or row.puncture is None or row.coverage_outcome is None:
        reason = row.case.excluded or row.failure
        verdict = "excluded" if row.case.excluded else "failed"
        parts = ""
    else:
        unmet, left_open = _reasons(row.unmet_criteria), _reasons(row.open_criteria)
        reason = f"Not met: {unmet}. Undetermined: {left_open}" if unmet and left_open else unmet or left_open
        verdict = OUTCOME_WORDS[row.outcome]
        parts = f"{OUTCOME_WORDS[row.puncture]}; {OUTCOME_WORDS[row.coverage_outcome]}"
    return {
        "case_id": row.case.case_id,
        "group": row.case.group,
        "link": row.link,
        "verdict": verdict,
        "parts": parts,
        "reader": row.decision,
        "reason": reason,
    }


def _reasons(criteria: Sequence[tuple[str, str]]) -> str:
    """Each reason once, with the first criterion it goes with and how many more."""
    by_reason: dict[str, list[str]] = {}
    for name, why in criteria:
        by_reason.setdefault(why, []).append(name)
    return "; ".join(
        f"{names[0]}{f' (and {len(names) - 1} more)' if len(names) > 1 else ''}: {why}"
        for why, names in by_reason.items()
    )
