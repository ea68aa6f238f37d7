"""Case results in, flat rows out, one a case, puncture, junction, pool or criterion: what tables and data frames hold.

A value that is not known is None, never zero and never left out, so every row of a unit has the same columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from fluorospread.model.anatomy import JUNCTION_NERVE
from fluorospread.model.case import CaseResult
from fluorospread.model.spread import Measured
from fluorospread.model.verdict import CriterionResult
from fluorospread.reporting.cohort_summary import SPREAD_MEASURES

Value = str | float | int | bool | None
ResultRow = dict[str, Value]


class RowUnit(StrEnum):
    """What one row stands for."""

    CASE = "case"
    PUNCTURE = "puncture"
    JUNCTION = "junction"
    POOL = "pool"
    CRITERION = "criterion"


def result_rows(result: CaseResult, unit: RowUnit) -> list[ResultRow]:
    """The rows of one case; a case without any puncture, junction or pool has no row of that unit."""
    return [{"case_id": result.case_id, **row} for row in _ROWS[unit](result)]


def columns_of(unit: RowUnit) -> tuple[str, ...]:
    """The columns of a unit's rows, in their order, also where there is no row."""
    return ("case_id", *_COLUMNS[unit])


def _case_rows(result: CaseResult) -> list[ResultRow]:
    image = None if result.reference_image is None else result.images[result.reference_image]
    levels = None if image is None else image.levels
    counts = {kind: sum(c.result is kind for c in result.verdict.criteria) for kind in CriterionResult}
    return [
        {
            "outcome": result.verdict.outcome.value,
            "puncture": result.verdict.puncture.value,
            "coverage": result.verdict.coverage.value,
            "criteria_met": counts[CriterionResult.MET],
            "criteria_not_met": counts[CriterionResult.NOT_MET],
            "criteria_undetermined": counts[CriterionResult.UNDETERMINED],
            "flags": "; ".join(flag.code for flag in result.flags),
            "contrast_given": result.contrast_given,
            "contrast_status": result.contrast.status.value,
            "levels_status": None if levels is None else levels.status.value,
            "levels_anchor": None if levels is None else levels.anchor.value,
            "mm_per_px": None if image is None else image.geometry.mm_per_px,
            "scale_source": None if image is None else image.geometry.source.value,
            "images": len(result.images),
            "protocol": result.protocol_name,
            "software": f"{result.software.name} {result.software.version}",
            "weights_sha256": result.software.weights_sha256,
        }
    ]


def _puncture_rows(result: CaseResult) -> list[ResultRow]:
    return [
        {
            "side": item.side.value,
            "level": None if item.level is None else item.level.value,
            "at_target": item.at_target.value,
            "distance_mm": item.distance_mm,
            "distance_mm_sd": item.sigma_mm,
            "source": item.source.value,
            "reason": item.reason,
        }
        for item in result.punctures
    ]


def _junction_rows(result: CaseResult) -> list[ResultRow]:
    stated = result.stated_coverage()
    return [
        {
            "level": item.level.value,
            "side": item.side.value,
            "nerve": JUNCTION_NERVE.get(item.level),
            "covered": stated[item.level, item.side].value,
            "fraction": item.fraction,
            "gap_mm": item.gap_mm,
            "reason": item.reason,
        }
        for item in result.coverage
    ]


def _pool_rows(result: CaseResult) -> list[ResultRow]:
    rows = []
    for pool in result.contrast.pools:
        row: ResultRow = {"side": None if pool.side is None else pool.side.value, "area_px": pool.area_px}
        for name in SPREAD_MEASURES:
            measured: Measured | None = getattr(pool, name)
            row[name] = None if measured is None else measured.value
            row[f"{name}_sd"] = None if measured is None else measured.uncertainty
        row["share"] = pool.relative_share
        rows.append(row)
    return rows


def _criterion_rows(result: CaseResult) -> list[ResultRow]:
    return [{"criterion": c.name, "result": c.result.value, "reason": c.reason} for c in result.verdict.criteria]


_ROWS: Mapping[RowUnit, Callable[[CaseResult], list[ResultRow]]] = {
    RowUnit.CASE: _case_rows,
    RowUnit.PUNCTURE: _puncture_rows,
    RowUnit.JUNCTION: _junction_rows,
    RowUnit.POOL: _pool_rows,
    RowUnit.CRITERION: _criterion_rows,
}
_COLUMNS: Mapping[RowUnit, tuple[str, ...]] = {
    RowUnit.CASE: (
        *("outcome", "puncture", "coverage", "criteria_met", "criteria_not_met", "criteria_undetermined", "flags"),
        *("contrast_given", "contrast_status", "levels_status", "levels_anchor", "mm_per_px", "scale_source"),
        *("images", "protocol", "software", "weights_sha256"),
    ),
    RowUnit.PUNCTURE: ("side", "level", "at_target", "distance_mm", "distance_mm_sd", "source", "reason"),
    RowUnit.JUNCTION: ("level", "side", "nerve", "covered", "fraction", "gap_mm", "reason"),
    RowUnit.POOL: (
        *("side", "area_px"),
        *(column for name in SPREAD_MEASURES for column in (name, f"{name}_sd")),
        "share",
    ),
    RowUnit.CRITERION: ("criterion", "result", "reason"),
}
