"""A file in, what kind of object it is out, in words of our own: nothing that the file itself says is repeated."""

from __future__ import annotations

import warnings
from pathlib import Path

import pydicom
from pydicom.uid import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EncapsulatedPDFStorage,
    EnhancedSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    MediaStorageDirectoryStorage,
    SegmentationStorage,
    XAXRFGrayscaleSoftcopyPresentationStateStorage,
    XRayRadiationDoseSRStorage,
)

from fluorospread.dicom.attributes import text
from fluorospread.dicom.file_kind import FileKind, file_kind
from fluorospread.errors import FluorospreadError

_KINDS = {
    BasicTextSRStorage: "structured report",
    EnhancedSRStorage: "structured report",
    ComprehensiveSRStorage: "structured report",
    Comprehensive3DSRStorage: "structured report",
    XRayRadiationDoseSRStorage: "dose report",
    EncapsulatedPDFStorage: "PDF in DICOM",
    GrayscaleSoftcopyPresentationStateStorage: "presentation state",
    XAXRFGrayscaleSoftcopyPresentationStateStorage: "presentation state",
    KeyObjectSelectionDocumentStorage: "key object selection",
    SegmentationStorage: "segmentation",
    MediaStorageDirectoryStorage: "DICOM directory",
}
OTHER_DICOM, OTHER_FILE = "other DICOM object", "other file"


def object_kind(path: Path) -> str:
    """One of a closed set of words, `OTHER_DICOM` or `OTHER_FILE`."""
    try:
        if file_kind(path) is not FileKind.DICOM:
            return OTHER_FILE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, specific_tags=["SOPClassUID"], force=True)
            sop_class = text(header, "SOPClassUID") or text(header.file_meta, "MediaStorageSOPClassUID")
    except FluorospreadError:
        return OTHER_FILE
    except Exception:
        # Whatever a damaged file makes the parser raise.
        return OTHER_DICOM
    return next((kind for known, kind in _KINDS.items() if known == sop_class), OTHER_DICOM)


def is_document(kind: str) -> bool:
    """True for an object that is known to be no image to verify: it says or draws what was concluded."""
    return kind in _KINDS.values()
