"""What frames the findings of a report: the images they come from, the verdict, and a reader's decision."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    DateTimeContentItem,
    ImageContentItem,
    PnameContentItem,
    RelationshipTypeValues,
    ScoordContentItem,
)
from pydicom.sr.coding import Code

from fluorospread.dicom import result_codes as rc
from fluorospread.dicom.person_name import person_name
from fluorospread.dicom.report_items import (
    CONTAINS,
    HAS_PROPERTIES,
    container,
    number,
    texts,
    to_graphic,
    with_children,
    word,
)
from fluorospread.dicom.result_source import ResultSources, Signature, SignedDecision, SourceImage, local_date_time
from fluorospread.model.case import CaseResult
from fluorospread.model.radiograph import DoseReport
from fluorospread.model.review import JunctionReading, PunctureReading, Reading
from fluorospread.model.verdict import STANDING_SENTENCE, Verdict

_CONTEXT = RelationshipTypeValues.HAS_ACQ_CONTEXT
# PS3.16 CID 29, as far as X-ray projections go.
_MODALITIES = {
    "XA": "X-Ray Angiography",
    "RF": "Radiofluoroscopy",
    "CR": "Computed Radiography",
    "DX": "Digital Radiography",
    "RG": "Radiographic imaging",
}
_UNCERTAINTY_NOTE = "Every uncertainty is 1 standard deviation. Sides are the patient's unless an item says otherwise."


def image_library(sources: ResultSources) -> ContainerContentItem:
    """TID 1600: every image with what was known and assumed about it."""
    group = container(rc.IMAGE_LIBRARY_GROUP, [_library_entry(source) for source in sources.images])
    return container(rc.IMAGE_LIBRARY, [group])


def _library_entry(source: SourceImage) -> ContentItem:
    image, header = source.image, source.header
    geometry, orientation = image.geometry, image.orientation
    spacing = geometry.spacing_patient_mm or (None, None)
    modality = header.get("Modality", "OT")
    found: list[ContentItem] = [
        CodeContentItem(
            rc.MODALITY,
            Code(modality, "DCM", _MODALITIES[modality]) if modality in _MODALITIES else rc.OTHER_MODALITY,
            _CONTEXT,
        ),
        *number(rc.ROWS, image.rows, rc.PIXELS, _CONTEXT),
        *number(rc.COLUMNS, image.cols, rc.PIXELS, _CONTEXT),
        *number(rc.FRAMES, image.frames, rc.NO_UNITS, _CONTEXT),
        *number(rc.HORIZONTAL_SPACING, spacing[1], rc.MILLIMETRE, _CONTEXT),
        *number(rc.VERTICAL_SPACING, spacing[0], rc.MILLIMETRE, _CONTEXT),
        *number(rc.SCALE_UNCERTAINTY, geometry.relative_uncertainty, rc.NO_UNITS, _CONTEXT),
        *number(rc.MAGNIFICATION, geometry.magnification, rc.NO_UNITS, _CONTEXT),
        *number(rc.FLUOROSCOPY_TIME, image.exposure.fluoroscopy_time_s, rc.SECOND, _CONTEXT),
        *number(rc.AREA_DOSE, image.exposure.area_dose_gy_cm2, rc.GRAY_CM2, _CONTEXT),
        *number(rc.ENTRANCE_DOSE, image.exposure.entrance_dose_mgy, rc.MILLIGRAY, _CONTEXT),
        word(rc.SCALE_SOURCE, geometry.source, _CONTEXT),
        word(rc.IMAGE_ROLE, image.role, _CONTEXT),
        word(rc.QUANTITY, image.quantity, _CONTEXT),
        word(rc.POLARITY_SOURCE, image.polarity_source, _CONTEXT),
    ]
    if orientation.columns_towards is not None:
        found.append(word(rc.COLUMNS_TOWARDS, orientation.columns_towards, _CONTEXT))
    if orientation.rows_towards is not None:
        found.append(word(rc.ROWS_TOWARDS, orientation.rows_towards, _CONTEXT))
    found += texts(
        (rc.IMAGE_NUMBER, f"image {source.index + 1}"),
        (rc.ROLE_SOURCE, image.role_source),
        (rc.SCALE_NOTE, geometry.note),
        (rc.ORIENTATION_SOURCE, orientation.source),
        (rc.ORIENTATION_NOTE, orientation.note),
        (rc.IMAGE_SHA256, image.sha256),
        *((rc.COMMENT, note) for note in image.notes),
        relationship=_CONTEXT,
    )
    entry = ImageContentItem(
        name=rc.LIBRARY_IMAGE,
        referenced_sop_class_uid=header.SOPClassUID,
        referenced_sop_instance_uid=header.SOPInstanceUID,
        referenced_frame_numbers=source.frame_numbers,
        relationship_type=CONTAINS,
    )
    return with_children(entry, found)


def qualitative_evaluations(result: CaseResult, notes: Sequence[str]) -> ContainerContentItem:
    """TID 1500 rows 12 to 14: the verdict with its criteria and reasons, what a person settled, what it rests on.

    `notes` are what the report could not hold.
    """
    reference = result.reference_image
    items: list[ContentItem] = [
        *_verdict(result.verdict, rc.VERDICT),
        *texts((rc.COMMENT, STANDING_SENTENCE), (rc.COMMENT, _UNCERTAINTY_NOTE)),
    ]
    for flag in result.flags:
        (item,) = texts((rc.FLAG, flag.evidence or flag.code))
        items.append(with_children(item, texts((rc.FLAG_CODE, flag.code), relationship=HAS_PROPERTIES)))
    for override in result.overrides:
        (item,) = texts((rc.OVERRIDE, override.value or "-"))
        items.append(with_children(item, texts((rc.OVERRIDE_NAME, override.name), relationship=HAS_PROPERTIES)))
    items += texts(
        (rc.CASE_ID, result.case_id),
        (rc.PROTOCOL, result.protocol_name),
        (rc.PROTOCOL_SHA256, result.protocol_sha256),
        (rc.SOFTWARE, result.software.name),
        (rc.SOFTWARE_VERSION, result.software.version),
        (rc.WEIGHTS_SHA256, result.software.weights_sha256),
        (rc.REFERENCE_IMAGE, "" if reference is None else f"image {reference + 1}"),
        *((rc.NOT_ENCODED, note) for note in notes),
    )
    return container(rc.QUALITATIVE_EVALUATIONS, items)


def _verdict(verdict: Verdict, name: Code) -> list[ContentItem]:
    found: list[ContentItem] = [
        word(name, verdict.outcome),
        word(rc.PUNCTURE_VERDICT, verdict.puncture),
        word(rc.COVERAGE_VERDICT, verdict.coverage),
    ]
    for criterion in verdict.criteria:
        said = texts((rc.CRITERION_NAME, criterion.name), (rc.REASON, criterion.reason), relationship=HAS_PROPERTIES)
        found.append(with_children(word(rc.CRITERION, criterion.result), said))
    return found


def procedure_dose(report: DoseReport) -> ContainerContentItem:
    """What the device's dose report says of the whole procedure. A container of our own, as TID 1500 has none."""
    return container(
        rc.DOSE_REPORT,
        [
            *number(rc.FLUOROSCOPY_TIME, report.fluoroscopy_time_s, rc.SECOND, CONTAINS),
            *number(rc.TOTAL_AREA_DOSE, report.area_dose_gy_cm2, rc.GRAY_CM2, CONTAINS),
            *number(rc.REFERENCE_POINT_DOSE, report.reference_point_dose_mgy, rc.MILLIGRAY, CONTAINS),
            *texts((rc.DOSE_REPORT_UID, report.sop_instance_uid), (rc.DOSE_REPORT_SHA256, report.sha256)),
        ],
    )


def reader_decision(decision: SignedDecision, image: SourceImage) -> ContainerContentItem:
    """What readers signed, answer by answer; `image` is the one their marks lie in.

    A container of our own: TID 1500 is extensible and has no place for it.
    """
    reading = decision.reading
    items: list[ContentItem] = [*_verdict(decision.verdict, rc.DECISION_VERDICT)]
    items += [container(rc.PUNCTURE_READ, _puncture_read(p, image)) for p in reading.punctures]
    items += [container(rc.JUNCTION_READ, _junction_read(j)) for j in reading.junctions]
    items += _whole_case(reading)
    items += [container(rc.SIGNATURE, _signed(signature, image)) for signature in decision.signatures]
    items += texts((rc.HEAD_HASH, decision.head_hash))
    return container(rc.DECISION, items)


def _signed(signature: Signature, image: SourceImage) -> list[ContentItem]:
    at = DateTimeContentItem(rc.SIGNED_AT, signature.at, CONTAINS)
    # highdicom writes the offset with a colon, which is no DT (PS3.5 6.2).
    at.DateTime = local_date_time(signature.at, image.header)
    return [PnameContentItem(rc.SIGNED_BY, person_name(signature.reader), CONTAINS), at]


def _puncture_read(answer: PunctureReading, image: SourceImage) -> list[ContentItem]:
    found: list[ContentItem] = [
        word(rc.SIDE, answer.side),
        word(rc.TARGET_LEVEL, answer.target),
        word(rc.AT_TARGET, answer.at_target),
        word(rc.READER_CONFIDENCE, answer.confidence),
    ]
    if answer.level_seen is not None:
        found.append(word(rc.LEVEL_SEEN, answer.level_seen))
    if answer.marked_px is not None:
        point = ScoordContentItem(rc.MARKED_POINT, "POINT", to_graphic([answer.marked_px]), relationship_type=CONTAINS)
        point.ContentSequence = ContentSequence(
            [
                ImageContentItem(
                    name=rc.LIBRARY_IMAGE,
                    referenced_sop_class_uid=image.header.SOPClassUID,
                    referenced_sop_instance_uid=image.header.SOPInstanceUID,
                    referenced_frame_numbers=image.frame_numbers,
                    relationship_type=RelationshipTypeValues.SELECTED_FROM,
                )
            ]
        )
        found.append(point)
    return found


def _junction_read(answer: JunctionReading) -> list[ContentItem]:
    return [
        word(rc.SIDE, answer.side),
        word(rc.TARGET_LEVEL, answer.level),
        word(rc.COVERED, answer.covered),
    ]


def _whole_case(reading: Reading) -> list[ContentItem]:
    found: list[ContentItem] = [word(rc.IMAGE_QUALITY, reading.image_quality)]
    if reading.aberrant_flow is not None:
        found.append(word(rc.ABERRANT_FLOW, reading.aberrant_flow))
    return [*found, *texts((rc.COMMENT, reading.comment))]
