"""An earlier structured report of the same case in, what a later one needs to name it as its predecessor out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from fluorospread.dicom import result_codes as rc
from fluorospread.dicom.attributes import items, text
from fluorospread.dicom.report_items import printable, read_text, require

_IDENTIFIERS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")


@dataclass(frozen=True)
class FormerReport:
    """The identifiers of an earlier report, and of those it named as its own predecessors."""

    document: Dataset
    predecessors: tuple[Dataset, ...]


def former_report(path: Path, case_id: str, study_instance_uid: str) -> FormerReport | None:
    """The report in `path`, where it is one of ours of this case and study; None where it is not, or unreadable."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = pydicom.dcmread(path)
            found_case = read_text(require(found, rc.QUALITATIVE_EVALUATIONS), rc.CASE_ID)
    except Exception:
        # Whatever lies there is no report that this one could supersede.
        return None
    if (found_case, text(found, "StudyInstanceUID")) != (printable(case_id), study_instance_uid):
        return None
    return FormerReport(
        _identifiers(*(text(found, keyword) for keyword in _IDENTIFIERS)),
        tuple(
            _identifiers(
                text(study, "StudyInstanceUID"),
                text(series, "SeriesInstanceUID"),
                text(instance, "ReferencedSOPInstanceUID"),
                text(instance, "ReferencedSOPClassUID"),
            )
            for study in items(found, "PredecessorDocumentsSequence")
            for series in items(study, "ReferencedSeriesSequence")
            for instance in items(series, "ReferencedSOPSequence")
        ),
    )


def _identifiers(*values: str) -> Dataset:
    found = Dataset()
    for keyword, value in zip(_IDENTIFIERS, values, strict=True):
        setattr(found, keyword, value)
    return found
