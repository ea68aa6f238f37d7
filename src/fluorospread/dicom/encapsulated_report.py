"""A report's PDF as an Encapsulated PDF object, which any archive keeps and any viewer hands to a PDF reader."""

from __future__ import annotations

from highdicom.base import SOPClass
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from fluorospread.dicom.result_object import ResultContext, ResultKind, finish, names_of_one_component
from fluorospread.errors import OutputError
from fluorospread.model.verdict import RESEARCH_USE_ONLY

TITLE = f"Puncture and contrast spread, case QA report. {RESEARCH_USE_ONLY}"
_LARGEST_ELEMENT = 0xFFFFFFFE


@names_of_one_component()
def encapsulated_report(pdf: bytes, context: ResultContext) -> Dataset:
    """The PDF as a DICOM object of the case's study.

    Raises
    ------
    OutputError
        The bytes are no PDF, or too many for one element.
    """
    if not pdf.startswith(b"%PDF-") or len(pdf) > _LARGEST_ELEMENT:
        raise OutputError(f"expected a PDF of at most {_LARGEST_ELEMENT} bytes, got {len(pdf)} bytes")
    main = context.sources.main.header
    dataset: Dataset = SOPClass(
        study_instance_uid=main.StudyInstanceUID,
        sop_class_uid=EncapsulatedPDFStorage,
        modality="DOC",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        patient_id=main.PatientID,
        patient_name=main.PatientName,
        patient_birth_date=main.PatientBirthDate,
        patient_sex=main.PatientSex,
        accession_number=main.AccessionNumber,
        study_id=main.StudyID,
        study_date=main.StudyDate,
        study_time=main.StudyTime,
        referring_physician_name=main.ReferringPhysicianName,
        **context.series(ResultKind.ENCAPSULATED_REPORT),
    )
    # PS3.3 A.45.1: made on a workstation; the page shows the case's name, so it may identify a patient.
    dataset.ConversionType = "WSD"
    dataset.BurnedInAnnotation = "YES"
    dataset.AcquisitionDateTime = ""
    dataset.DocumentTitle = TITLE
    dataset.ConceptNameCodeSequence = [_title_code()]
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.SourceInstanceSequence = [_reference(source.header) for source in context.sources.images]
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(pdf)
    dataset.EncapsulatedDocument = pdf + b"\x00" * (len(pdf) % 2)
    return finish(dataset, context, ResultKind.ENCAPSULATED_REPORT)


def read_encapsulated_report(dataset: Dataset) -> bytes:
    """The PDF's bytes, without the padding that DICOM adds."""
    content = bytes(dataset.EncapsulatedDocument)
    length = dataset.get("EncapsulatedDocumentLength")
    return content if length is None else content[:length]


def _title_code() -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "126000", "DCM", "Imaging Measurement Report"
    return item


def _reference(header: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    return item
