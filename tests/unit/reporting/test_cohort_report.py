"""The cohort's tables against the source study's own counts, and a report that links, escapes and fits."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseResult, ContrastResult, Override
from fluorospread.model.cohort import Cohort, CohortCase
from fluorospread.model.findings import ContrastMethod, ContrastStatus
from fluorospread.model.geometry import NO_SCALE
from fluorospread.model.radiograph import DoseReport, Exposure
from fluorospread.model.spread import Answer, Coverage, Measured, Pool
from fluorospread.model.verdict import Criterion, CriterionResult, Outcome, Puncture, PunctureSource, Verdict
from fluorospread.reporting.cohort_outcomes import outcome_tables, patient_table
from fluorospread.reporting.cohort_report import cohort_report_html, write_cohort_report
from fluorospread.reporting.cohort_summary import CohortEntry, CohortSummary, summarise_cohort
from fluorospread.reporting.cohort_tables import (
    case_flow,
    coverage_table,
    exposure_table,
    find_outliers,
    forest_rows,
    puncture_table,
    spread_table,
)

BOTH = (Side.LEFT, Side.RIGHT)


def _verified(full_case: CaseResult, case_id: str, distances: tuple[float, float] = (2.0, 3.0)) -> CaseResult:
    """A case without contrast whose two needles are at the target."""
    punctures = tuple(
        Puncture(side, Level.L5, PunctureSource.NEEDLE_TIP, Answer.YES, "near", distance, 1.0)
        for side, distance in zip(BOTH, distances, strict=True)
    )
    return replace(
        full_case,
        case_id=case_id,
        punctures=punctures,
        coverage=(),
        contrast=ContrastResult(ContrastStatus.NOT_GIVEN, ContrastMethod.NONE, "none was given"),
        verdict=Verdict(Outcome.VERIFIED, Outcome.VERIFIED, Outcome.NOT_APPLICABLE, ()),
    )


def _undetermined(full_case: CaseResult, case_id: str) -> CaseResult:
    criteria = (Criterion("puncture at L5, left", CriterionResult.UNDETERMINED, "sacrum out of view"),)
    verdict = Verdict(Outcome.UNDETERMINED, Outcome.UNDETERMINED, Outcome.NOT_APPLICABLE, criteria)
    open_ = tuple(
        Puncture(side, None, PunctureSource.NEEDLE_TIP, Answer.UNDETERMINED, "sacrum out of view") for side in BOTH
    )
    return replace(_verified(full_case, case_id), verdict=verdict, punctures=open_)


def _study(full_case: CaseResult) -> CohortSummary:
    """Protocol 1: five patients, both needles of each at the target, contrast over all four junctions in one."""
    covered = tuple(Coverage(level, side, Answer.YES, "") for level in (Level.L4, Level.L5) for side in BOTH)
    results = [_verified(full_case, f"P1-{i}") for i in range(1, 6)]
    results[0] = replace(results[0], coverage=covered, contrast=full_case.contrast)
    return summarise_cohort(CohortEntry(CohortCase(r.case_id, r.case_id), r) for r in results)


def _cells(table: object, first: str) -> tuple[str, ...]:
    assert table is not None
    return next(row for row in table.rows if row[0] == first)  # type: ignore[attr-defined]


def test_five_of_five_patients_get_the_studys_intervals(full_case: CaseResult) -> None:
    table = puncture_table(_study(full_case))
    patients = _cells(table, "Patients, every target side at the target")
    assert patients[1:4] == ("5/5 (100.0 %)", "47.8–100.0 %", "56.6–100.0 %")
    sides = _cells(table, "Sides, all")
    assert sides[1:3] == ("10/10 (100.0 %)", "69.2–100.0 %")
    assert "5 patients are alike" in sides[4]


def test_coverage_is_counted_by_junction(full_case: CaseResult) -> None:
    table = coverage_table(_study(full_case))
    assert table is not None
    assert [row[:4] for row in table.rows] == [
        ("L3", "left", "0", "0"),
        ("L3", "right", "0", "0"),
        ("L4", "left", "1", "1"),
        ("L4", "right", "1", "1"),
        ("L5", "left", "1", "1"),
        ("L5", "right", "1", "1"),
        ("S1", "left", "0", "0"),
        ("S1", "right", "0", "0"),
    ]
    assert table.rows[0][6] == "not assessed"


def test_an_undetermined_puncture_is_not_a_confirmed_one(full_case: CaseResult) -> None:
    results = [_verified(full_case, "a"), _undetermined(full_case, "b")]
    table = puncture_table(summarise_cohort(CohortEntry(CohortCase(r.case_id, r.case_id), r) for r in results))
    assert _cells(table, "Patients, every target side at the target")[1] == "1/2 (50.0 %)"
    assert table is not None
    assert "2 of 4 sides" in table.note


def test_two_procedures_of_one_patient_count_as_one_patient(full_case: CaseResult) -> None:
    results = [_verified(full_case, "a1"), _undetermined(full_case, "a2"), _verified(full_case, "b")]
    entries = [CohortEntry(CohortCase(r.case_id, r.case_id[0]), r) for r in results]
    assert _cells(puncture_table(summarise_cohort(entries)), "Patients, every target side at the target")[1].startswith(
        "1/2"
    )


def test_every_case_is_in_the_flow_with_its_reason(full_case: CaseResult) -> None:
    entries = [
        CohortEntry(CohortCase("a", "a"), _verified(full_case, "a")),
        CohortEntry(CohortCase("b", "b"), _undetermined(full_case, "b")),
        CohortEntry(CohortCase("c", "c"), failure="TruncatedImageError: c.dcm: ends early"),
        CohortEntry(CohortCase("d", "d"), failure="TruncatedImageError: d.dcm: ends early"),
        CohortEntry(CohortCase("e", "e", excluded="previous lumbar surgery")),
    ]
    flow = case_flow(summarise_cohort(entries))
    assert [(step.name, step.cases) for step, _ in flow.steps] == [
        ("Cases in the cohort", 5),
        ("Eligible", 4),
        ("Judged", 2),
    ]
    aside = [(step.name, step.cases, step.reasons) for _, step in flow.steps if step is not None]
    assert aside == [
        ("Excluded", 1, ("previous lumbar surgery (1)",)),
        ("Could not be judged", 2, ("TruncatedImageError (2)",)),
    ]
    assert [(step.name, step.cases, step.reasons) for step in flow.outcomes] == [
        ("Verified", 1, ()),
        ("Not verified", 0, ()),
        ("Undetermined", 1, ("puncture at L5, left (1)",)),
    ]


def test_a_case_that_is_not_verified_names_the_criterion_it_missed(full_case: CaseResult) -> None:
    criteria = (
        Criterion("puncture at L5, left", CriterionResult.NOT_MET, "the needle is at L4"),
        Criterion("puncture at L5, right", CriterionResult.UNDETERMINED, "no needle"),
    )
    verdict = Verdict(Outcome.NOT_VERIFIED, Outcome.NOT_VERIFIED, Outcome.NOT_APPLICABLE, criteria)
    entry = CohortEntry(CohortCase("a", "a"), replace(_verified(full_case, "a"), verdict=verdict))
    summary = summarise_cohort([entry])
    assert case_flow(summary).outcomes[1].reasons == ("puncture at L5, left (1)",)
    page = cohort_report_html(Cohort("n", (entry.case,)), summary)
    assert "Not met: puncture at L5, left: the needle is at L4. Undetermined: puncture at L5, right: no needle" in page


def test_spread_is_given_by_side_with_median_and_quartiles(full_case: CaseResult) -> None:
    def with_area(index: int, area: float) -> CohortEntry:
        pool = replace(full_case.contrast.pools[0], area_mm2=Measured(area, 1.0))
        result = replace(full_case, contrast=replace(full_case.contrast, pools=(pool,)))
        return CohortEntry(CohortCase(f"c{index}", f"c{index}"), result)

    table = spread_table(summarise_cohort(with_area(i, a) for i, a in enumerate([100.0, 200.0, 300.0, 400.0, 500.0])))
    assert _cells(table, "Area (mm²)") == (
        "Area (mm²)",
        "left",
        "5",
        "300.0",
        "200.0 to 400.0",
        "100.0 to 500.0",
    )


def test_a_needle_far_from_the_others_is_an_outlier(full_case: CaseResult) -> None:
    results = [_verified(full_case, f"c{i}", (2.0 + 0.1 * i, 2.5 + 0.07 * i)) for i in range(8)]
    results.append(_verified(full_case, "far", (30.0, 2.5)))
    found = find_outliers(summarise_cohort(CohortEntry(CohortCase(r.case_id, r.case_id), r) for r in results))
    assert [outlier.row.case.case_id for outlier in found] == ["far"]


def test_the_atlas_counts_cases_where_their_contrast_lies(full_case: CaseResult) -> None:
    # The fixture's landmarks lie on the drawn spine's axis, so its pool lies on the right half (patient's left).
    summary = summarise_cohort(CohortEntry(CohortCase(f"c{i}", f"c{i}"), full_case) for i in range(3))
    assert summary.atlas.drawn == 3
    assert set(np.unique(summary.atlas.counts)) == {0, 3}
    columns = np.nonzero(summary.atlas.counts.any(axis=0))[0]
    assert columns.min() >= summary.atlas.counts.shape[1] / 2


def test_contrast_that_cannot_be_placed_is_left_out_and_said(full_case: CaseResult) -> None:
    bare = replace(full_case, images=tuple(replace(image, junctions=()) for image in full_case.images))
    summary = summarise_cohort([CohortEntry(CohortCase("c", "c"), bare)])
    assert summary.atlas.drawn == 0
    assert summary.atlas.left_out[0][0] == full_case.case_id


def test_what_one_image_alone_shows_is_counted_nowhere_and_said(full_case: CaseResult) -> None:
    alone = replace(full_case, contrast=replace(full_case.contrast, method=ContrastMethod.SINGLE_IMAGE))
    summary = summarise_cohort([CohortEntry(CohortCase("c", "c"), alone)])
    (row,) = summary.rows
    assert {answer for _, _, answer in row.coverage} == {Answer.UNDETERMINED}
    assert row.spread == ()
    assert summary.atlas.drawn == 0
    assert "provisional: read from one image alone" in summary.atlas.left_out[0][1]
    # A person's outline counts.
    drawn = replace(alone, overrides=(Override("contrast", "outlined"),))
    summary = summarise_cohort([CohortEntry(CohortCase("c", "c"), drawn)])
    assert Answer.YES in {answer for _, _, answer in summary.rows[0].coverage}
    assert summary.atlas.drawn == 1


def test_forest_rows_split_by_group_only_where_there_are_groups(full_case: CaseResult) -> None:
    entries = [
        CohortEntry(CohortCase(name, name, group), _verified(full_case, name))
        for name, group in (("a", "ultrasound"), ("b", "fluoroscopy"))
    ]
    labels = [row.label for row in forest_rows(summarise_cohort(entries))]
    assert "Puncture, patients, ultrasound" in labels
    assert not any("patients, " in row.label for row in forest_rows(_study(full_case)))


def _outcome_cohort() -> Cohort:
    """The study's responders after one week: 11 of 19 against 10 of 18 improve by five, the rest by one."""
    cases = []
    for group, size, responders in (("fluoroscopy", 18, 10), ("ultrasound", 19, 11)):
        for i in range(size):
            before = 6.0 + 0.1 * (i % 7)
            after = before - (5.0 if i < responders else 1.0) - 0.05 * (i % 3)
            name = f"{group}-{i}"
            cases.append(
                CohortCase(name, name, group, "", 60.0 + i, "female", {"rest": {0.0: before, 168.0: after}}, ())
            )
    return Cohort("protocol 2", tuple(cases), 10.0)


def test_the_studys_responders_are_found_with_fishers_p() -> None:
    tables = {table.title: table for table in outcome_tables(_outcome_cohort())}
    row = tables["VAS rest: responders"].rows[0]
    assert "fluoroscopy: 10/18" in row[1]
    assert "ultrasound: 11/19" in row[1]
    assert "Fisher p 1.000" in row[2]
    assert "at least 4 on VAS 0–10" in tables["VAS rest: responders"].note


def test_each_test_of_pain_scores_says_what_it_assumes() -> None:
    tables = {table.title: table for table in outcome_tables(_outcome_cohort())}
    assert set(tables) == {
        "VAS rest: before and after",
        "VAS rest: ultrasound against fluoroscopy",
        "VAS rest: group and time",
        "VAS rest: responders",
    }
    assert "paired t, that patients' differences are normal" in tables["VAS rest: before and after"].note
    assert "not independent" in tables["VAS rest: group and time"].note


def test_patients_are_described_by_group_with_an_interval_for_no_complications() -> None:
    table = patient_table(_outcome_cohort())
    row = _cells(table, "fluoroscopy")
    assert row[1] == "18"
    assert row[4].startswith("0/18 (0.0–18.5 %)")  # Clopper-Pearson: 1 - 0.025 ** (1/18)


def test_the_report_links_to_each_case_and_runs_nothing(full_case: CaseResult) -> None:
    name = "<script>alert(1)</script>"
    entries = [
        CohortEntry(CohortCase("a", "a", name), _verified(full_case, "a"), link="a/case_report.html"),
        CohortEntry(CohortCase("b", "b"), failure=f"CaseError: {name}"),
    ]
    page = cohort_report_html(Cohort(name, tuple(e.case for e in entries)), summarise_cohort(entries))
    assert '<a href="a/case_report.html">a</a>' in page
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 3
    assert not re.search(r'(?:src|href)="(?!data:image/png;base64,|a/case_report)', page)


def test_a_reason_that_leaves_several_criteria_open_is_said_once(full_case: CaseResult) -> None:
    criteria = tuple(Criterion(name, CriterionResult.UNDETERMINED, "no anchor") for name in ("one", "two", "three"))
    result = _undetermined(full_case, "a")
    result = replace(result, verdict=replace(result.verdict, criteria=criteria))
    entry = CohortEntry(CohortCase("a", "a"), result)
    page = cohort_report_html(Cohort("n", (entry.case,)), summarise_cohort([entry]))
    assert "one (and 2 more): no anchor" in page
    assert page.count("no anchor") == 1


def test_results_are_let_go_as_the_next_are_taken(full_case: CaseResult, tmp_path: Path) -> None:
    taken: list[weakref.ref[CaseResult]] = []
    alive: list[int] = []

    def entries() -> Iterator[CohortEntry]:
        for i in range(5):
            entry = CohortEntry(CohortCase(f"c{i}", f"c{i}"), _verified(full_case, f"c{i}"))
            assert entry.result is not None
            taken.append(weakref.ref(entry.result))
            yield entry
            del entry
            alive.append(sum(reference() is not None for reference in taken))

    cohort = Cohort("n", tuple(CohortCase(f"c{i}", f"c{i}") for i in range(5)))
    (html,) = write_cohort_report(cohort, entries(), tmp_path, pdf=False)
    assert max(alive) == 1
    assert html.name == "cohort_report.html"


def test_a_cohort_in_which_nothing_could_be_judged_is_still_a_report() -> None:
    entries = [CohortEntry(CohortCase("a", "a"), failure="CaseError: no images")]
    page = cohort_report_html(Cohort("none", (entries[0].case,)), summarise_cohort(entries))
    assert "No case was judged" in page
    assert "CaseError" in page


def test_scores_without_a_declared_scale_give_no_outcome_table() -> None:
    assert outcome_tables(Cohort("n", (CohortCase("a", "a"),))) == ()


@pytest.mark.parametrize("group", ["x" * 300, "ultrasound"])
def test_forest_labels_stand_in_cells_that_grow(full_case: CaseResult, group: str) -> None:
    entries = [
        CohortEntry(CohortCase(name, name, g), _verified(full_case, name)) for name, g in (("a", group), ("b", "other"))
    ]
    page = cohort_report_html(Cohort("n", tuple(e.case for e in entries)), summarise_cohort(entries))
    assert f"<td>Puncture, patients, {group}</td>" in page


def _exposed(full_case: CaseResult, case_id: str, *given: Exposure) -> CaseResult:
    image = full_case.images[0]
    images = tuple(replace(image, exposure=exposure) for exposure in given)
    return replace(_verified(full_case, case_id), images=images, reference_image=0)


def test_time_and_dose_are_told_by_group_with_how_many_cases_tell_them(full_case: CaseResult) -> None:
    given = [("ultrasound", 4.0), ("ultrasound", 6.0), ("ultrasound", None), ("fluoroscopy", 30.0)]
    entries = [
        CohortEntry(CohortCase(f"c{i}", f"c{i}", group), _exposed(full_case, f"c{i}", Exposure(time)))
        for i, (group, time) in enumerate(given)
    ]
    table = exposure_table(summarise_cohort(entries))
    assert table is not None
    assert [row[:4] for row in table.rows] == [
        ("Fluoroscopy time (s)", "fluoroscopy", "1 of 1", "30.00"),
        ("Fluoroscopy time (s)", "ultrasound", "2 of 3", "5.00"),
    ]
    assert exposure_table(_study(full_case)) is None


def test_what_comes_from_dose_reports_is_counted_apart(full_case: CaseResult) -> None:
    report = DoseReport("dose.dcm", "ab" * 32, "2.25.1", 20.0, None, 12.0)
    tagged, reported = _exposed(full_case, "c0", Exposure(4.0)), _exposed(full_case, "c1", Exposure())
    cases = (tagged, replace(reported, dose_report=report))
    table = exposure_table(summarise_cohort([CohortEntry(CohortCase(c.case_id, c.case_id), c) for c in cases]))
    assert table is not None
    assert [row[:4] for row in table.rows] == [
        ("Fluoroscopy time (s)", "all", "2 of 2 (1 by report)", "12.00"),
        ("Dose at the reference point (mGy)", "all", "1 of 2 (1 by report)", "12.00"),
    ]


def _no_scale(full_case: CaseResult) -> CaseResult:
    """Contrast and needles without any length in mm."""
    (pool,) = full_case.contrast.pools
    bare = Pool(pool.side, pool.area_px, pool.centroid_px, pool.outline_px)
    punctures = (Puncture(Side.LEFT, Level.L5, PunctureSource.NEEDLE_TIP, Answer.UNDETERMINED, "no scale"),)
    images = tuple(replace(image, geometry=NO_SCALE) for image in full_case.images)
    return replace(
        full_case, images=images, punctures=punctures, contrast=replace(full_case.contrast, pools=(bare,)), coverage=()
    )


@pytest.mark.parametrize("kind", ["none", "one", "excluded", "broken", "no scale"])
def test_a_cohort_of_whatever_little_is_a_whole_report(full_case: CaseResult, kind: str) -> None:
    entries = {
        "none": [],
        "one": [CohortEntry(CohortCase("a", "a"), _verified(full_case, "a"))],
        "excluded": [CohortEntry(CohortCase(name, name, excluded="child")) for name in "ab"],
        "broken": [CohortEntry(CohortCase(name, name), failure="CaseError: empty") for name in "ab"],
        "no scale": [CohortEntry(CohortCase("a", "a"), _no_scale(full_case))],
    }[kind]
    page = cohort_report_html(Cohort("n", tuple(entry.case for entry in entries)), summarise_cohort(entries))
    assert "Research use only" in page
    assert f"Cases in the cohort: <b>{len(entries)}</b>" in page
    assert "nan" not in re.sub(r"base64,[^\"]*", "", page).lower()
    assert page.rstrip().endswith("</html>")
