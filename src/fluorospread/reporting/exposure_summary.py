"""Exposures of a case's images and its dose report in, time and dose of the whole case with their sources out.

Tags come first; the dose report fills what they leave out. The reference point's dose stands in reports alone and
the entrance dose in tags alone: the two are different quantities and never stand in for each other.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from fluorospread.model.case import CaseResult
from fluorospread.model.radiograph import DoseReport, Exposure
from fluorospread.reporting.number_text import UNKNOWN

TAGS, REPORT = "tags", "dose report"

# Attribute of `CaseExposure`, what it is, its unit.
EXPOSURES = (
    ("fluoroscopy_time_s", "Fluoroscopy time", "s"),
    ("area_dose_gy_cm2", "Dose-area product", "Gy·cm²"),
    ("entrance_dose_mgy", "Entrance dose", "mGy"),
    ("reference_point_dose_mgy", "Dose at the reference point", "mGy"),
)


@dataclass(frozen=True)
class Given:
    """A quantity and what says so: `TAGS` or `REPORT`."""

    value: float
    source: str


@dataclass(frozen=True)
class CaseExposure:
    """X-rays given for a case; None where nothing says so. Units are in the names."""

    fluoroscopy_time_s: Given | None = None
    area_dose_gy_cm2: Given | None = None
    entrance_dose_mgy: Given | None = None
    reference_point_dose_mgy: Given | None = None

    @property
    def is_known(self) -> bool:
        return any(getattr(self, field.name) is not None for field in fields(self))


NOTHING_KNOWN = CaseExposure()


def case_exposure(result: CaseResult) -> CaseExposure:
    """Time and dose of a case.

    From tags: totals of the procedure step as the last image tells them, area doses of all images together, not
    known where any image leaves its own out.
    """
    images = [image.exposure for image in result.images]
    times = [e.fluoroscopy_time_s for e in images if e.fluoroscopy_time_s is not None]
    entrance = [e.entrance_dose_mgy for e in images if e.entrance_dose_mgy is not None]
    areas = [e.area_dose_gy_cm2 for e in images if e.area_dose_gy_cm2 is not None]
    report = result.dose_report
    return CaseExposure(
        _given(max(times, default=None), None if report is None else report.fluoroscopy_time_s),
        _given(
            sum(areas) if areas and len(areas) == len(images) else None,
            None if report is None else report.area_dose_gy_cm2,
        ),
        _given(max(entrance, default=None), None),
        _given(None, None if report is None else report.reference_point_dose_mgy),
    )


def _given(from_tags: float | None, from_report: float | None) -> Given | None:
    if from_tags is not None:
        return Given(from_tags, TAGS)
    return None if from_report is None else Given(from_report, REPORT)


def exposure_of_image(given: Exposure) -> str:
    """What an image's tags say, in words."""
    said = [
        f"{name} {value:g} {unit}"
        for name, value, unit in (
            ("fluoroscopy time", given.fluoroscopy_time_s, "s (procedure step)"),
            ("dose-area product", given.area_dose_gy_cm2, "Gy·cm²"),
            ("entrance dose", given.entrance_dose_mgy, "mGy (procedure step)"),
        )
        if value is not None
    ]
    return "; ".join(said) or "not in the tags"


def exposure_of_case(result: CaseResult) -> list[tuple[str, str]]:
    """Rows for the case's report: what, and how much by which source; none where nothing is known."""
    known = case_exposure(result)
    if not known.is_known:
        return []
    rows = []
    for name, label, unit in EXPOSURES:
        given: Given | None = getattr(known, name)
        rows.append((label, UNKNOWN if given is None else f"{given.value:g} {unit}, from the {_source(given, result)}"))
    return rows


def _source(given: Given, result: CaseResult) -> str:
    report: DoseReport | None = result.dose_report
    if given.source == TAGS or report is None:
        return "images' tags"
    return f"dose report {report.file_name or report.sop_instance_uid}"
