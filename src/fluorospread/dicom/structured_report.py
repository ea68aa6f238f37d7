"""A case's result as a Comprehensive SR: Imaging Measurement Report, PS3.16 TID 1500.

Unverified and preliminary as long as no reader has signed; verified with the reader's name and time after.
`read_structured_report` is its inverse as far as the report holds the case; `docs/dicom_results.md` lists
what it does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import (
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from fluorospread.dicom import result_codes as rc
from fluorospread.dicom.former_report import former_report
from fluorospread.dicom.person_name import person_name
from fluorospread.dicom.report_conclusions import (
    image_library,
    procedure_dose,
    qualitative_evaluations,
    reader_decision,
)
from fluorospread.dicom.report_findings import FindingWriter
from fluorospread.dicom.result_object import ResultContext, ResultKind, device_uid, finish, names_of_one_component
from fluorospread.dicom.result_source import SignedDecision
from fluorospread.model.case import CaseResult

NO_ORGANISATION = "not stated"


@names_of_one_component()
def structured_report(
    result: CaseResult,
    context: ResultContext,
    decision: SignedDecision | None = None,
    organisation: str = "",
    earlier: Path | None = None,
) -> tuple[Dataset, tuple[str, ...]]:
    """The report as a DICOM object, and what it could not hold.

    Parameters
    ----------
    decision
        What readers signed; None leaves the report unverified.
    organisation
        Where the readers work; DICOM asks for it where a report is verified.
    earlier
        File of the report that this one may supersede. It becomes the predecessor unless it is of another study, or
        already says the same: then the report is that one again, with that one's own predecessor.
    """
    main = context.sources.main.header
    former = None if earlier is None else former_report(earlier, result.case_id, main.StudyInstanceUID)
    if former is not None:
        again, notes = _report(result, context, decision, organisation, former.predecessors)
        if again.SOPInstanceUID == former.document.SOPInstanceUID:
            return again, notes
        return _report(result, context, decision, organisation, [former.document])
    return _report(result, context, decision, organisation, [])


def _report(
    result: CaseResult,
    context: ResultContext,
    decision: SignedDecision | None,
    organisation: str,
    predecessors: Sequence[Dataset],
) -> tuple[Dataset, tuple[str, ...]]:
    sources = context.sources
    writer = FindingWriter(result, context)
    groups = writer.groups()
    report = MeasurementReport(
        observation_context=_observers(context, decision, organisation),
        procedure_reported=rc.FLUOROSCOPY,
        imaging_measurements=groups,
    )
    root = report[0].ContentSequence
    place = next(i for i, item in enumerate(root) if item.name == codes.DCM.ImagingMeasurements)
    root.insert(place, image_library(sources))
    root.append(qualitative_evaluations(result, writer.notes))
    if result.dose_report is not None:
        root.append(procedure_dose(result.dose_report))
    if decision is not None:
        root.append(reader_decision(decision, sources.main))
    dataset = ComprehensiveSR(
        evidence=sources.headers,
        content=report[0],
        is_complete=True,
        is_final=decision is not None,
        previous_versions=predecessors or None,
        coding_schemes=[
            CodingSchemeIdentificationItem(
                rc.SCHEME, name=rc.SCHEME_NAME, version=rc.SCHEME_VERSION, responsible_organization=rc.SCHEME_OWNER
            )
        ],
        **context.series(ResultKind.STRUCTURED_REPORT),
    )
    if decision is not None:
        _verify(dataset, decision, organisation)
    return finish(dataset, context, ResultKind.STRUCTURED_REPORT), tuple(writer.notes)


def _observers(context: ResultContext, decision: SignedDecision | None, organisation: str) -> ObservationContext:
    """The program, and everyone who signed."""
    software = context.software
    device = ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=device_uid(software),
            name=software.name,
            manufacturer_name=software.name,
            model_name=f"{software.name} {software.version}",
            serial_number=software.weights_sha256 or None,
        ),
    )
    found = ObservationContext(observer_device_context=device)
    for signature in decision.signatures if decision is not None else ():
        person = PersonObserverIdentifyingAttributes(
            name=person_name(signature.reader), organization_name=organisation or None
        )
        found.extend(ObserverContext(codes.DCM.Person, person))
    return found


def _verify(dataset: Dataset, decision: SignedDecision, organisation: str) -> None:
    dataset.VerificationFlag = "VERIFIED"
    observers = []
    for signature in decision.signatures:
        item = Dataset()
        item.VerifyingObserverName = person_name(signature.reader)
        item.VerifyingOrganization = organisation[:64] or NO_ORGANISATION
        item.VerificationDateTime = signature.at.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000")
        item.VerifyingObserverIdentificationCodeSequence = []
        observers.append(item)
    dataset.VerifyingObserverSequence = observers
