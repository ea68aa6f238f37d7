"""A radiation dose structured report in, what it says of the whole procedure out.

Reads the accumulated dose of PS3.16 TID 10001 (X-Ray Radiation Dose Report): TID 10002 holds one container a
plane, whose totals stand in TID 10007, or for fluoroscopy and acquisitions apart in TID 10004. Single irradiation
events are not looked at. A number that is malformed, negative or in a unit that is not known counts as absent.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import XRayRadiationDoseSRStorage

from fluorospread.dicom.attributes import items, number_or_none, text
from fluorospread.dicom.file_kind import file_sha256
from fluorospread.errors import NotAnImageError
from fluorospread.model.radiograph import DoseReport

DOSE_REPORT_CLASS = str(XRayRadiationDoseSRStorage)

_REPORT = "113701"
_ACCUMULATED = "113702"
_PLANE = "113764"
# In all, of fluoroscopy, of acquisitions.
_AREA_DOSES = ("113722", "113726", "113727")
_POINT_DOSES = ("113725", "113728", "113729")
_FLUORO_TIME = "113730"
# UCUM units that the template or devices use.
_TO_GY_CM2 = {
    "Gy.m2": 1e4,
    "Gy.cm2": 1.0,
    "dGy.cm2": 0.1,
    "cGy.cm2": 0.01,
    "mGy.cm2": 1e-3,
    "mGy.m2": 10.0,
    "uGy.m2": 0.01,
}
_TO_MGY = {"Gy": 1e3, "dGy": 100.0, "cGy": 10.0, "mGy": 1.0, "uGy": 1e-3}
_TO_S = {"s": 1.0, "ms": 1e-3, "min": 60.0}


@dataclass(frozen=True)
class StudyDose:
    """A dose report with whose study it is of, as its header says."""

    report: DoseReport
    study_instance_uid: str
    patient_id: str


def is_dose_report(path: Path) -> bool:
    """True for a DICOM file that is an X-ray radiation dose structured report; its content is not looked at."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return text(pydicom.dcmread(path, specific_tags=["SOPClassUID"]), "SOPClassUID") == DOSE_REPORT_CLASS
    except Exception:
        # Whatever a foreign or damaged file makes the parser raise: it is no dose report.
        return False


def read_dose_report(path: Path) -> StudyDose:
    """Read a dose report.

    Raises
    ------
    NotAnImageError
        It is damaged, or no report by TID 10001.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path)
            named = [item for item in items(dataset, "ConceptNameCodeSequence") if text(item, "CodeValue") == _REPORT]
            planes = _planes(dataset)
            report = DoseReport(
                file_name=path.name,
                sha256=file_sha256(path),
                sop_instance_uid=text(dataset, "SOPInstanceUID"),
                fluoroscopy_time_s=_only([_number(plane, _FLUORO_TIME, _TO_S) for plane in planes]),
                area_dose_gy_cm2=_sum(_total(planes, _AREA_DOSES, _TO_GY_CM2)),
                reference_point_dose_mgy=_only(_total(planes, _POINT_DOSES, _TO_MGY)),
            )
            study = StudyDose(report, text(dataset, "StudyInstanceUID"), text(dataset, "PatientID"))
    except Exception as error:
        # As with images: a damaged file is at fault, whatever it makes a library raise.
        # What it says may quote values of the header, which are nobody's business in a result.
        raise NotAnImageError(f"{path.name} is damaged and cannot be read as a dose report") from error
    if not named:
        raise NotAnImageError(f"{path.name} is no X-ray radiation dose report (PS3.16 TID 10001), though its class is")
    return study


def _total(planes: Sequence[Dataset], codes: tuple[str, str, str], units: dict[str, float]) -> list[float | None]:
    """Each plane's total as it stands there, else fluoroscopy and acquisitions together where both are known."""
    totals = []
    for plane in planes:
        total, fluoroscopy, acquired = (_number(plane, code, units) for code in codes)
        if total is None and fluoroscopy is not None and acquired is not None:
            total = fluoroscopy + acquired
        totals.append(total)
    return totals


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _only(values: Sequence[float | None]) -> float | None:
    """The value of the only plane: two planes run at once, and each has a reference point of its own."""
    return values[0] if len(values) == 1 else None


def _planes(dataset: Dataset) -> list[Dataset]:
    """The containers of accumulated dose; none where two are of the same plane, as their doses may overlap."""
    found = [item for item in items(dataset, "ContentSequence") if _name(item) == _ACCUMULATED]
    names = [_code_of(item, _PLANE) for item in found]
    return found if len(set(names)) == len(names) else []


def _code_of(container: Dataset, name: str) -> str:
    for item in items(container, "ContentSequence"):
        if _name(item) == name:
            return next((text(code, "CodeValue") for code in items(item, "ConceptCodeSequence")), "")
    return ""


def _number(container: Dataset, code: str, units: dict[str, float]) -> float | None:
    for item in items(container, "ContentSequence"):
        if _name(item) != code:
            continue
        for measured in items(item, "MeasuredValueSequence"):
            value = number_or_none(measured, "NumericValue")
            unit = next((text(u, "CodeValue") for u in items(measured, "MeasurementUnitsCodeSequence")), "")
            if value is not None and value >= 0 and unit in units:
                return value * units[unit]
    return None


def _name(item: Dataset) -> str:
    return next((text(code, "CodeValue") for code in items(item, "ConceptNameCodeSequence")), "")
