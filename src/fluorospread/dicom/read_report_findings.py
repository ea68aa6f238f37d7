"""Measurement groups of a report in, the model's findings out: undoes `report_findings`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from fluorospread.dicom import result_codes as rc
from fluorospread.dicom.report_findings import POOL_MEASURES
from fluorospread.dicom.report_items import (
    answer_to,
    child,
    children,
    of_kind,
    read_number,
    read_points,
    read_site,
    read_text,
    require,
    value_of,
)
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.findings import (
    Anchor,
    Junction,
    LevelAlternative,
    LevelLabels,
    LevelStatus,
    NeedleTip,
    Vertebra,
)
from fluorospread.model.geometry import PointPx
from fluorospread.model.spread import Answer, Coverage, Measured, Pool
from fluorospread.model.verdict import Puncture, PunctureSource


def image_findings(
    groups: Sequence[Dataset],
) -> tuple[LevelLabels | None, tuple[Junction, ...], tuple[NeedleTip, ...]]:
    """Levels, junctions and needle tips of one image, whose groups these are."""
    numbering = of_kind(groups, rc.NUMBERING)
    vertebrae = tuple(_vertebra(group) for group in of_kind(groups, rc.VERTEBRA))
    return (
        _levels(numbering[0], vertebrae) if numbering else None,
        tuple(_junction(group) for group in of_kind(groups, rc.JUNCTION)),
        tuple(_needle(group) for group in of_kind(groups, rc.NEEDLE_TIP)),
    )


def read_coverage(group: Dataset) -> Coverage:
    level, side = _place(group)
    return Coverage(
        level=level,
        side=side,
        covered=answer_to(group, rc.COVERED, Answer),
        reason=read_text(group, rc.REASON),
        fraction=_number(group, rc.FRACTION),
        gap_mm=_number(group, rc.GAP),
        margin_px=_number(group, rc.MARGIN),
        sigma_px=_number(group, rc.DECISION_SIGMA),
    )


def read_puncture(group: Dataset) -> Puncture:
    level, side = read_site(group)
    if side is None:
        raise ValueError("a puncture has no side")
    distance = _in_unit(group, rc.DISTANCE, rc.MILLIMETRE)
    sigma = child(group, rc.DISTANCE_SIGMA) if distance is None else child(distance, rc.UPPER_UNCERTAINTY)
    return Puncture(
        side=side,
        level=level,
        source=answer_to(group, rc.PUNCTURE_SOURCE, PunctureSource),
        at_target=answer_to(group, rc.AT_TARGET, Answer),
        reason=read_text(group, rc.REASON),
        distance_mm=read_number(distance),
        sigma_mm=read_number(sigma),
        distance_px=read_number(_in_unit(group, rc.DISTANCE, rc.PIXELS)),
    )


def read_pools(groups: Sequence[Dataset]) -> tuple[Pool, ...]:
    """Pools in their order; a group whose identifier names an outline adds that to the pool before it."""
    found: list[tuple[Dataset, list[tuple[PointPx, ...]]]] = []
    for group in groups:
        region = child(group, rc.IMAGE_REGION)
        rings = [] if region is None else [read_points(region)]
        if re.search(r", outline [0-9]+$", read_text(group, rc.TRACKING_IDENTIFIER)):
            found[-1][1].extend(rings)
        else:
            found.append((group, rings))
    return tuple(_pool(group, rings) for group, rings in found)


def _pool(group: Dataset, rings: Sequence[tuple[PointPx, ...]]) -> Pool:
    measures = {name: _measured(_in_unit(group, code, unit)) for name, code, unit in POOL_MEASURES}
    row, col = _number(group, rc.CENTROID_ROW), _number(group, rc.CENTROID_COLUMN)
    area = read_number(_in_unit(group, rc.AREA, rc.PIXELS))
    if row is None or col is None or area is None:
        raise ValueError("a contrast pool lacks its area or centroid in pixels")
    return Pool(
        side=read_site(group)[1],
        area_px=area,
        centroid_px=(row, col),
        outline_px=tuple(rings),
        levels_spanned=tuple(value_of(item, Level) for item in children(group, rc.LEVEL_SPANNED)),
        relative_share=_number(group, rc.SHARE),
        **measures,
    )


def _measured(item: Dataset | None) -> Measured | None:
    value = read_number(item)
    if item is None or value is None:
        return None
    return Measured(value, _known(read_number(child(item, rc.UPPER_UNCERTAINTY))))


def _levels(group: Dataset, vertebrae: tuple[Vertebra, ...]) -> LevelLabels:
    alternatives = tuple(
        LevelAlternative(int(_known(_number(item, rc.SHIFT))), _known(read_number(item)))
        for item in children(group, rc.ALTERNATIVE)
    )
    return LevelLabels(
        status=answer_to(group, rc.LEVEL_STATUS, LevelStatus),
        anchor=answer_to(group, rc.ANCHOR, Anchor),
        vertebrae=vertebrae,
        numbering_assumption=read_text(group, rc.ASSUMPTION),
        alternatives=alternatives,
        reason=read_text(group, rc.REASON),
        estimated_mm_per_px=_number(group, rc.ESTIMATED_SCALE),
    )


def _vertebra(group: Dataset) -> Vertebra:
    level, _ = read_site(group)
    if level is None:
        raise ValueError("a vertebra has no level")
    return Vertebra(level, _point(group), _known(_number(group, rc.CERTAINTY)), _number(group, rc.POINT_UNCERTAINTY))


def _junction(group: Dataset) -> Junction:
    level, side = _place(group)
    return Junction(
        level=level,
        side=side,
        point_px=_point(group),
        confidence=_known(_number(group, rc.CERTAINTY)),
        uncertainty_px=_known(read_number(_in_unit(group, rc.POINT_UNCERTAINTY, rc.PIXELS))),
        assigned_by=read_text(group, rc.ASSIGNED_BY),
    )


def _needle(group: Dataset) -> NeedleTip:
    row, col = _number(group, rc.DIRECTION_ROW), _number(group, rc.DIRECTION_COLUMN)
    return NeedleTip(
        side=read_site(group)[1],
        tip_px=_point(group),
        uncertainty_px=_known(read_number(_in_unit(group, rc.POINT_UNCERTAINTY, rc.PIXELS))),
        confidence=_known(_number(group, rc.CERTAINTY)),
        direction=None if row is None or col is None else (row, col),
    )


def _place(group: Dataset) -> tuple[Level, Side]:
    level, side = read_site(group)
    if level is None or side is None:
        raise ValueError("a junction has no level or side")
    return level, side


def _point(group: Dataset) -> PointPx:
    return read_points(require(group, rc.IMAGE_REGION))[0]


def _in_unit(group: Dataset, name: Code, unit: Code) -> Dataset | None:
    """The number of this concept in this unit; some are given in pixels and in millimetres."""
    for item in children(group, name):
        code = item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0]
        if str(code.CodeValue) == unit.value:
            return item
    return None


def _number(group: Dataset, name: Code) -> float | None:
    return read_number(child(group, name))


def _known(value: float | None) -> float:
    if value is None:
        raise ValueError("a number that every finding of this kind has is missing")
    return value
