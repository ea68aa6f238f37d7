"""Dose reports that lie beside a case's images in, the one that tells this case's dose out, and why others do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fluorospread.dicom.dose_report import StudyDose, read_dose_report
from fluorospread.errors import InputError
from fluorospread.model.radiograph import DoseReport, ImageIdentity


def find_dose_report(
    paths: Sequence[Path], images: Sequence[ImageIdentity]
) -> tuple[DoseReport | None, tuple[str, ...]]:
    """The dose report of the images' own study and patient, and notes for the reader.

    Of several that say different things none is taken: which of them counts, or whether they add up, is not told by
    them. A report that cannot be read costs the case nothing but its dose.
    """
    studies = {image.study_instance_uid for image in images if image.study_instance_uid}
    patients = {image.patient_id for image in images if image.patient_id}
    found: list[StudyDose] = []
    notes: list[str] = []
    for path in paths:
        try:
            dose = read_dose_report(path)
        except InputError as error:
            notes.append(f"dose report not used: {error}")
            continue
        if dose.study_instance_uid not in studies:
            notes.append(f"dose report {path.name} not used, as it is of another study than the images")
        elif patients and dose.patient_id and dose.patient_id not in patients:
            notes.append(f"dose report {path.name} not used, as it is of another patient than the images")
        else:
            found.append(dose)
    said = {replace(dose.report, file_name="", sha256="", sop_instance_uid="") for dose in found}
    if len(said) > 1:
        names = ", ".join(dose.report.file_name for dose in found)
        notes.append(f"{len(found)} dose reports of the study say different things, so none is used: {names}")
        return None, tuple(notes)
    return (found[0].report if found else None), tuple(notes)
