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
from fluorospread.model.anatomy import JUNCTION_NERVE
from fluorospread.model.case import SCHEMA_NAME, CaseImage, CaseResult, ContrastResult
from fluorospread.model.verdict import STANDING_SENTENCE
from fluorospread.reporting.case_document import Json, case_of_document

_PAIR = re.compile(r"\[\n\s*(-?[\d.][\d.eE+-]*),\n\s*(-?[\d.][\d.eE+-]*)\n\s*\]")


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
        return case_of_document(document)
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
