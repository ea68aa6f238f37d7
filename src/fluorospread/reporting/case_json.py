"""A `CaseResult` in, case.json out, and back: exact inverses, checked against the published schema.

`case_from_json(case_to_json(result)) == result`. A few numbers are written twice for readers without the
model (uncertainties in mm, nerves, the standing sentence); reading takes the primary one.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fluorospread.errors import CaseFileError, FluorospreadError
from fluorospread.model.anatomy import JUNCTION_NERVE, Level, Side
from fluorospread.model.case import (
    SCHEMA_NAME,
    CaseImage,
    CaseResult,
    ContrastResult,
    Override,
    Role,
    SoftwareVersion,
)
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
from fluorospread.model.verdict import (
    STANDING_SENTENCE,
    Criterion,
    CriterionResult,
    Flag,
    Outcome,
    Puncture,
    PunctureSource,
    Verdict,
)

Json = dict[str, Any]

_PAIR = re.compile(r"\[\n\s*(-?[\d.][\d.eE+-]*),\n\s*(-?[\d.][\d.eE+-]*)\n\s*\]")

_POOL_MEASURES = (
    "area_mm2",
    "craniocaudal_mm",
    "mediolateral_mm",
    "cranial_reach_mm",
    "caudal_reach_mm",
    "lateral_reach_mm",
    "iodine_mg",
)


@cache
def case_schema() -> Json:
    """The published JSON Schema (draft 2020-12) of `fluorospread/case/1`."""
    text = files("fluorospread.reporting").joinpath("case.schema.json").read_text(encoding="utf-8")
    schema: Json = json.loads(text)
    return schema


def case_to_json(result: CaseResult) -> Json:
    """The document as plain JSON values, in the order a reader wants, checked against the schema.

    Raises
    ------
    CaseFileError
        The result does not fit the schema (a defect of the caller).
    """
    document: Json = {
        "schema": SCHEMA_NAME,
        "statement": STANDING_SENTENCE,
        "software": asdict(result.software),
        "case_id": result.case_id,
        "protocol": {
            "name": result.protocol_name,
            "sha256": result.protocol_sha256,
            "contrast_given": result.contrast_given,
        },
        "images": [_image_to_json(image) for image in result.images],
        "reference_image": result.reference_image,
        "contrast": _contrast_to_json(result.contrast),
        "coverage": [asdict(item) for item in result.coverage],
        "punctures": [asdict(item) for item in result.punctures],
        "flags": [asdict(flag) for flag in result.flags],
        "verdict": asdict(result.verdict),
        "dose_report": None if result.dose_report is None else asdict(result.dose_report),
        "overrides": [{**asdict(item), "by": "person"} for item in result.overrides],
        "review": None,
    }
    plain: Json = _plain(document)
    check_case_json(plain, result.case_id)
    return plain


def case_from_json(document: Json, origin: str = "case.json") -> CaseResult:
    """The result a document was written from; `origin` names the file in messages.

    Raises
    ------
    CaseFileError
        The document does not fit the schema, or its values contradict each other.
    """
    check_case_json(document, origin)
    try:
        return _case(document)
    except (ValueError, FluorospreadError) as error:
        raise CaseFileError(f"{origin}: {error}") from error


def read_case_json(path: Path) -> CaseResult:
    """The result in a case.json file.

    Raises
    ------
    CaseFileError
        The file cannot be read, is not JSON, or does not fit the schema.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CaseFileError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise CaseFileError(f"{path}: expected JSON in UTF-8 ({error})") from error
    return case_from_json(document, str(path))


def dump_case_json(result: CaseResult) -> str:
    """case.json as text: UTF-8, two spaces, a point on one line, every float in its shortest exact form."""
    text = json.dumps(case_to_json(result), indent=2, ensure_ascii=False, allow_nan=False)
    # Strings hold no raw line breaks, so only arrays of two numbers match.
    return _PAIR.sub(r"[\1, \2]", text) + "\n"


def check_case_json(document: Any, origin: str) -> None:
    """Refuse what does not fit the schema.

    Raises
    ------
    CaseFileError
        The message names the place in the document and what was expected there.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(case_schema()).iter_errors(document))
    if error is not None:
        where = "/".join(str(part) for part in error.absolute_path) or "the document"
        message = error.message if len(error.message) <= 300 else f"{error.message[:300]}…"
        raise CaseFileError(f"{origin}: {where}: {message}")


def _plain(value: Any) -> Any:
    """Tuples to lists, enums to their text, NumPy's floats to Python's: a document equals its reloaded self."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return str(value)
    return float(value) if isinstance(value, float) else value


def _image_to_json(image: CaseImage) -> Json:
    scale = image.geometry.mm_per_px
    return {
        "path": image.path,
        "sha256": image.sha256,
        "role": image.role,
        "role_source": image.role_source,
        "rows": image.rows,
        "cols": image.cols,
        "frames": image.frames,
        "frame": image.frame,
        "sop_instance_uid": image.sop_instance_uid,
        "quantity": image.quantity,
        "polarity_source": image.polarity_source,
        "geometry": asdict(image.geometry),
        "orientation": asdict(image.orientation),
        "exposure": asdict(image.exposure),
        "levels": None if image.levels is None else asdict(image.levels),
        "junctions": [
            {**asdict(item), "nerve": JUNCTION_NERVE.get(item.level), "uncertainty_mm": _mm(item.uncertainty_px, scale)}
            for item in image.junctions
        ],
        "needles": [{**asdict(item), "uncertainty_mm": _mm(item.uncertainty_px, scale)} for item in image.needles],
        "notes": image.notes,
    }


def _mm(length_px: float, mm_per_px: float | None) -> float | None:
    return None if mm_per_px is None else round(length_px * mm_per_px, 3)


def _contrast_to_json(contrast: ContrastResult) -> Json:
    fields = asdict(contrast)
    fields["mask"] = fields.pop("mask_file")
    return fields


def _case(document: Json) -> CaseResult:
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
        flags=tuple(Flag(**item) for item in document["flags"]),
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
