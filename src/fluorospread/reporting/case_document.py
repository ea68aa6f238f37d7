"""A document that fits the schema of `fluorospread/case/1` in, the `CaseResult` it was written from out.

Numbers that stand twice in it are read from the primary place.
"""

from __future__ import annotations

from typing import Any

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseImage, CaseResult, ContrastResult, Override, Role, SoftwareVersion
from fluorospread.model.findings import (
    Anchor,
    ContrastMethod,
    ContrastStatus,
    Junction,
    LevelAlternative,
    LevelLabels,
    LevelStatus,
    NeedleTip,
    Vertebra,
)
from fluorospread.model.geometry import ColumnsTowards, Geometry, GeometrySource, Orientation, PointPx, RowsTowards
from fluorospread.model.radiograph import DoseReport, Exposure, PolaritySource, Quantity
from fluorospread.model.spread import Answer, Coverage, Measured, Pool
from fluorospread.model.verdict import Criterion, CriterionResult, Flag, Outcome, Puncture, PunctureSource, Verdict

Json = dict[str, Any]

_POOL_MEASURES = (
    "area_mm2",
    "craniocaudal_mm",
    "mediolateral_mm",
    "cranial_reach_mm",
    "caudal_reach_mm",
    "lateral_reach_mm",
    "iodine_mg",
)


def case_of_document(document: Json) -> CaseResult:
    """The result in a document that fits the schema. Raises ValueError where its values contradict each other."""
    protocol, verdict, dose = document["protocol"], document["verdict"], document["dose_report"]
    return CaseResult(
        case_id=document["case_id"],
        software=SoftwareVersion(**document["software"]),
        protocol_name=protocol["name"],
        protocol_sha256=protocol["sha256"],
        contrast_given=protocol["contrast_given"],
        images=tuple(_image(item) for item in document["images"]),
        reference_image=document["reference_image"],
        contrast=_contrast(document["contrast"]),
        coverage=tuple(
            Coverage(**{**c, "level": Level(c["level"]), "side": Side(c["side"]), "covered": Answer(c["covered"])})
            for c in document["coverage"]
        ),
        punctures=tuple(_puncture(item) for item in document["punctures"]),
        flags=tuple(_flag(item) for item in document["flags"]),
        verdict=Verdict(
            outcome=Outcome(verdict["outcome"]),
            puncture=Outcome(verdict["puncture"]),
            coverage=Outcome(verdict["coverage"]),
            criteria=tuple(
                Criterion(c["name"], CriterionResult(c["result"]), c["reason"]) for c in verdict["criteria"]
            ),
        ),
        overrides=tuple(Override(item["name"], item["value"]) for item in document["overrides"]),
        dose_report=None if dose is None else DoseReport(**dose),
    )


def _image(item: Json) -> CaseImage:
    geometry, orientation = item["geometry"], item["orientation"]
    spacing, columns, rows = geometry["spacing_patient_mm"], orientation["columns_towards"], orientation["rows_towards"]
    return CaseImage(
        path=item["path"],
        sha256=item["sha256"],
        role=Role(item["role"]),
        role_source=item["role_source"],
        rows=item["rows"],
        cols=item["cols"],
        frames=item["frames"],
        sop_instance_uid=item["sop_instance_uid"],
        geometry=Geometry(
            spacing_patient_mm=None if spacing is None else _pair(spacing),
            source=GeometrySource(geometry["source"]),
            relative_uncertainty=geometry["relative_uncertainty"],
            magnification=geometry["magnification"],
            note=geometry["note"],
        ),
        orientation=Orientation(
            columns_towards=None if columns is None else ColumnsTowards(columns),
            rows_towards=None if rows is None else RowsTowards(rows),
            source=orientation["source"],
            note=orientation["note"],
        ),
        quantity=Quantity(item["quantity"]),
        polarity_source=PolaritySource(item["polarity_source"]),
        levels=None if item["levels"] is None else _levels(item["levels"]),
        junctions=tuple(_junction(j) for j in item["junctions"]),
        needles=tuple(_needle(n) for n in item["needles"]),
        notes=tuple(item["notes"]),
        frame=item["frame"],
        exposure=Exposure(**item["exposure"]),
    )


def _levels(item: Json) -> LevelLabels:
    return LevelLabels(
        status=LevelStatus(item["status"]),
        anchor=Anchor(item["anchor"]),
        vertebrae=tuple(
            Vertebra(Level(v["level"]), _pair(v["center_px"]), v["confidence"], v["uncertainty_px"])
            for v in item["vertebrae"]
        ),
        numbering_assumption=item["numbering_assumption"],
        alternatives=tuple(LevelAlternative(a["shift"], a["probability"]) for a in item["alternatives"]),
        reason=item["reason"],
        estimated_mm_per_px=item["estimated_mm_per_px"],
    )


def _junction(item: Json) -> Junction:
    return Junction(
        level=Level(item["level"]),
        side=Side(item["side"]),
        point_px=_pair(item["point_px"]),
        confidence=item["confidence"],
        uncertainty_px=item["uncertainty_px"],
        assigned_by=item["assigned_by"],
    )


def _needle(item: Json) -> NeedleTip:
    return NeedleTip(
        side=_side(item["side"]),
        tip_px=_pair(item["tip_px"]),
        uncertainty_px=item["uncertainty_px"],
        confidence=item["confidence"],
        direction=None if item["direction"] is None else _pair(item["direction"]),
    )


def _puncture(item: Json) -> Puncture:
    return Puncture(
        **{
            **item,
            "side": Side(item["side"]),
            "level": None if item["level"] is None else Level(item["level"]),
            "source": PunctureSource(item["source"]),
            "at_target": Answer(item["at_target"]),
        }
    )


def _flag(item: Json) -> Flag:
    # Documents of earlier versions say what was suspected, and not where.
    rings = item.get("outline_px", ())
    return Flag(**{**item, "outline_px": tuple(tuple(_pair(point) for point in ring) for ring in rings)})


def _contrast(item: Json) -> ContrastResult:
    return ContrastResult(
        status=ContrastStatus(item["status"]),
        method=ContrastMethod(item["method"]),
        reason=item["reason"],
        image=item["image"],
        mask_file=item["mask"],
        detection_limit_mg_cm2=item["detection_limit_mg_cm2"],
        iodine_reason=item["iodine_reason"],
        pools=tuple(_pool(pool) for pool in item["pools"]),
        notes=tuple(item["notes"]),
    )


def _pool(item: Json) -> Pool:
    measures = {name: None if item[name] is None else Measured(**item[name]) for name in _POOL_MEASURES}
    return Pool(
        side=_side(item["side"]),
        area_px=item["area_px"],
        centroid_px=_pair(item["centroid_px"]),
        outline_px=tuple(tuple(_pair(point) for point in ring) for ring in item["outline_px"]),
        levels_spanned=tuple(Level(name) for name in item["levels_spanned"]),
        relative_share=item["relative_share"],
        **measures,
    )


def _side(name: str | None) -> Side | None:
    return None if name is None else Side(name)


def _pair(values: list[float]) -> PointPx:
    first, second = values
    return first, second
