"""Rows of a result carry its numbers with their uncertainty and unit, and the same columns for every case."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fluorospread.model.case import CaseResult
from fluorospread.model.findings import ContrastMethod
from fluorospread.reporting.result_rows import RowUnit, columns_of, result_rows


def test_a_pool_has_each_measure_beside_its_uncertainty(full_case: CaseResult) -> None:
    (row,) = result_rows(full_case, RowUnit.POOL)
    assert (row["area_mm2"], row["area_mm2_sd"]) == (812.0, 40.0)
    assert (row["case_id"], row["side"], row["share"]) == ("P1-01", "left", 0.52)


def test_a_puncture_without_level_or_distance_has_neither(full_case: CaseResult) -> None:
    left, right = result_rows(full_case, RowUnit.PUNCTURE)
    assert (left["level"], left["distance_mm"], left["distance_mm_sd"]) == ("L5", 2.4, 1.1)
    assert (right["level"], right["distance_mm"]) == (None, None)


def test_a_junction_is_named_by_level_side_and_nerve(full_case: CaseResult) -> None:
    row = result_rows(full_case, RowUnit.JUNCTION)[0]
    assert (row["level"], row["side"], row["nerve"], row["covered"]) == ("L4", "left", "L3 medial branch", "yes")


def test_a_row_from_one_image_alone_states_no_coverage(full_case: CaseResult) -> None:
    alone = replace(full_case, contrast=replace(full_case.contrast, method=ContrastMethod.SINGLE_IMAGE))
    assert {row["covered"] for row in result_rows(alone, RowUnit.JUNCTION)} == {"undetermined"}


def test_a_case_counts_its_criteria_and_names_its_scale(full_case: CaseResult) -> None:
    (row,) = result_rows(full_case, RowUnit.CASE)
    assert (row["criteria_met"], row["criteria_not_met"], row["criteria_undetermined"]) == (2, 0, 1)
    assert row["mm_per_px"] == pytest.approx((0.28 * 0.3) ** 0.5)
    assert row["scale_source"] == "ERMF"


@pytest.mark.parametrize("unit", list(RowUnit))
def test_every_row_has_the_columns_of_its_unit(unit: RowUnit, full_case: CaseResult, empty_case: CaseResult) -> None:
    for result in (full_case, empty_case):
        for row in result_rows(result, unit):
            assert tuple(row) == columns_of(unit)
