"""A report written by `structured_report` in, the case's result out, as far as the report holds it.

What a report does not hold comes back empty: image paths (a report refers to instances), the name of the
mask file. Points come back to about 0.0001 px, since DICOM keeps graphics in 32-bit floats.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from fluorospread.dicom import result_codes as rc
from fluorospread.dicom.read_report_findings import image_findings, read_coverage, read_pools, read_puncture
from fluorospread.dicom.report_items import (
    answer_to,
    child,
    children,
    of_kind,
    read_number,
    read_points,
    read_reference,
    read_text,
    read_texts,
    read_word,
    require,
    value_of,
)
from fluorospread.dicom.result_source import Signature, SignedDecision, read_date_time
from fluorospread.errors import FluorospreadError, UnsupportedImageError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseImage, CaseResult, ContrastResult, Override, Role, SoftwareVersion
from fluorospread.model.findings import ContrastMethod, ContrastStatus
from fluorospread.model.geometry import ColumnsTowards, Geometry, GeometrySource, Orientation, RowsTowards
from fluorospread.model.radiograph import DoseReport, Exposure, PolaritySource, Quantity
from fluorospread.model.review import Confidence, ImageQuality, JunctionReading, PunctureReading, Reading
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import Criterion, CriterionResult, Flag, Outcome, Verdict

_GIVEN = {Answer.YES: True, Answer.NO: False, Answer.UNDETERMINED: None}


@dataclass(frozen=True)
class ReportedCase:
    """What a report says. `decision` is None where nobody signed; `verified` is the report's own flag."""

    result: CaseResult
    decision: SignedDecision | None
    verified: bool


def read_structured_report(path: Path) -> ReportedCase:
    """Read a report that this program wrote.

    Raises
    ------
    UnsupportedImageError
        Not a report of this program, or one of a version whose codes are not known.
    """
    try:
        return _read(pydicom.dcmread(path))
    except FluorospreadError:
        raise
    except Exception as error:
        # Another program's report lacks items in ways that cannot be listed.
        raise UnsupportedImageError(
            f"{path.name}: expected a structured report written by fluorospread ({error})"
        ) from error


def _read(root: Dataset) -> ReportedCase:
    groups = list(children(require(root, rc.MEASUREMENTS), rc.MEASUREMENT_GROUP))
    conclusions = require(root, rc.QUALITATIVE_EVALUATIONS)
    images = tuple(_image(entry, groups) for entry in _library(root))
    contrast, given = _contrast(groups)
    result = CaseResult(
        case_id=read_text(conclusions, rc.CASE_ID),
        software=SoftwareVersion(
            read_text(conclusions, rc.SOFTWARE),
            read_text(conclusions, rc.SOFTWARE_VERSION),
            read_text(conclusions, rc.WEIGHTS_SHA256),
        ),
        protocol_name=read_text(conclusions, rc.PROTOCOL),
        protocol_sha256=read_text(conclusions, rc.PROTOCOL_SHA256),
        contrast_given=given,
        images=images,
        reference_image=_image_index(read_text(conclusions, rc.REFERENCE_IMAGE)),
        contrast=contrast,
        coverage=tuple(read_coverage(group) for group in of_kind(groups, rc.COVERAGE)),
        punctures=tuple(read_puncture(group) for group in of_kind(groups, rc.PUNCTURE)),
        flags=tuple(_flag(item) for item in children(conclusions, rc.FLAG)),
        verdict=_verdict(conclusions, rc.VERDICT),
        overrides=tuple(
            Override(read_text(item, rc.OVERRIDE_NAME), str(item.TextValue))
            for item in children(conclusions, rc.OVERRIDE)
        ),
        dose_report=_dose_report(child(root, rc.DOSE_REPORT)),
    )
    signed = child(root, rc.DECISION)
    decision = None if signed is None else _decision(signed)
    return ReportedCase(result, decision, root.VerificationFlag == "VERIFIED")


def _dose_report(item: Dataset | None) -> DoseReport | None:
    if item is None:
        return None
    return DoseReport(
        file_name="",
        sha256=read_text(item, rc.DOSE_REPORT_SHA256),
        sop_instance_uid=read_text(item, rc.DOSE_REPORT_UID),
        fluoroscopy_time_s=_number(item, rc.FLUOROSCOPY_TIME),
        area_dose_gy_cm2=_number(item, rc.TOTAL_AREA_DOSE),
        reference_point_dose_mgy=_number(item, rc.REFERENCE_POINT_DOSE),
    )


def _library(root: Dataset) -> list[Dataset]:
    group = require(require(root, rc.IMAGE_LIBRARY), rc.IMAGE_LIBRARY_GROUP)
    return list(children(group, rc.LIBRARY_IMAGE))


def _image_index(name: str) -> int | None:
    """`image 2` as 1."""
    found = re.match(r"image ([0-9]+)", name)
    return None if found is None else int(found.group(1)) - 1


def _image(entry: Dataset, groups: Sequence[Dataset]) -> CaseImage:
    name = read_text(entry, rc.IMAGE_NUMBER)
    mine = [g for g in groups if re.match(rf"{name}\b", read_text(g, rc.TRACKING_IDENTIFIER))]
    uid, frame = read_reference(entry)
    levels, junctions, needles = image_findings(mine)
    return CaseImage(
        path="",
        sha256=read_text(entry, rc.IMAGE_SHA256),
        role=answer_to(entry, rc.IMAGE_ROLE, Role),
        role_source=read_text(entry, rc.ROLE_SOURCE),
        rows=int(_number(entry, rc.ROWS) or 0),
        cols=int(_number(entry, rc.COLUMNS) or 0),
        frames=int(_number(entry, rc.FRAMES) or 1),
        sop_instance_uid=uid,
        geometry=_geometry(entry),
        orientation=Orientation(
            read_word(child(entry, rc.COLUMNS_TOWARDS), ColumnsTowards),
            read_word(child(entry, rc.ROWS_TOWARDS), RowsTowards),
            read_text(entry, rc.ORIENTATION_SOURCE),
            read_text(entry, rc.ORIENTATION_NOTE),
        ),
        quantity=answer_to(entry, rc.QUANTITY, Quantity),
        polarity_source=answer_to(entry, rc.POLARITY_SOURCE, PolaritySource),
        levels=levels,
        junctions=junctions,
        needles=needles,
        notes=read_texts(entry, rc.COMMENT),
        frame=frame or 0,
        exposure=Exposure(
            _number(entry, rc.FLUOROSCOPY_TIME), _number(entry, rc.AREA_DOSE), _number(entry, rc.ENTRANCE_DOSE)
        ),
    )


def _geometry(entry: Dataset) -> Geometry:
    rows, cols = _number(entry, rc.VERTICAL_SPACING), _number(entry, rc.HORIZONTAL_SPACING)
    return Geometry(
        None if rows is None or cols is None else (rows, cols),
        answer_to(entry, rc.SCALE_SOURCE, GeometrySource),
        _number(entry, rc.SCALE_UNCERTAINTY),
        _number(entry, rc.MAGNIFICATION),
        read_text(entry, rc.SCALE_NOTE),
    )


def _contrast(groups: Sequence[Dataset]) -> tuple[ContrastResult, bool | None]:
    (search,) = of_kind(groups, rc.CONTRAST_SEARCH)
    contrast = ContrastResult(
        status=answer_to(search, rc.CONTRAST_STATUS, ContrastStatus),
        method=answer_to(search, rc.CONTRAST_METHOD, ContrastMethod),
        reason=read_text(search, rc.REASON),
        image=_image_index(read_text(search, rc.CONTRAST_IMAGE)),
        detection_limit_mg_cm2=_number(search, rc.DETECTION_LIMIT),
        iodine_reason=read_text(search, rc.IODINE_REASON),
        notes=read_texts(search, rc.COMMENT),
    )
    pools = read_pools(of_kind(groups, rc.CONTRAST_AGENT))
    return replace(contrast, pools=pools), _GIVEN[answer_to(search, rc.CONTRAST_GIVEN, Answer)]


def _flag(item: Dataset) -> Flag:
    return Flag(read_text(item, rc.FLAG_CODE), str(item.TextValue))


def _verdict(item: Dataset, name: Code) -> Verdict:
    criteria = [
        Criterion(
            read_text(found, rc.CRITERION_NAME),
            value_of(found, CriterionResult),
            read_text(found, rc.REASON),
        )
        for found in children(item, rc.CRITERION)
    ]
    return Verdict(
        answer_to(item, name, Outcome),
        answer_to(item, rc.PUNCTURE_VERDICT, Outcome),
        answer_to(item, rc.COVERAGE_VERDICT, Outcome),
        tuple(criteria),
    )


def _decision(item: Dataset) -> SignedDecision:
    flow = read_word(child(item, rc.ABERRANT_FLOW), Answer)
    reading = Reading(
        punctures=tuple(_puncture_read(found) for found in children(item, rc.PUNCTURE_READ)),
        junctions=tuple(
            JunctionReading(
                answer_to(found, rc.TARGET_LEVEL, Level),
                answer_to(found, rc.SIDE, Side),
                answer_to(found, rc.COVERED, Answer),
            )
            for found in children(item, rc.JUNCTION_READ)
        ),
        aberrant_flow=flow,
        image_quality=answer_to(item, rc.IMAGE_QUALITY, ImageQuality),
        comment=read_text(item, rc.COMMENT),
    )
    signatures = tuple(_signature(found) for found in children(item, rc.SIGNATURE))
    return SignedDecision(reading, _verdict(item, rc.DECISION_VERDICT), signatures, read_text(item, rc.HEAD_HASH))


def _puncture_read(item: Dataset) -> PunctureReading:
    marked = child(item, rc.MARKED_POINT)
    return PunctureReading(
        side=answer_to(item, rc.SIDE, Side),
        target=answer_to(item, rc.TARGET_LEVEL, Level),
        level_seen=read_word(child(item, rc.LEVEL_SEEN), Level),
        at_target=answer_to(item, rc.AT_TARGET, Answer),
        confidence=answer_to(item, rc.READER_CONFIDENCE, Confidence),
        marked_px=None if marked is None else read_points(marked)[0],
    )


def _signature(item: Dataset) -> Signature:
    at = read_date_time(str(require(item, rc.SIGNED_AT).DateTime))
    return Signature(str(require(item, rc.SIGNED_BY).PersonName), at)


def _number(item: Dataset, name: Code) -> float | None:
    return read_number(child(item, name))
