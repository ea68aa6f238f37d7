from dataclasses import replace
from pathlib import Path

import pytest

from fluorospread.dicom.dose_report import StudyDose
from fluorospread.errors import NotAnImageError
from fluorospread.model.radiograph import DoseReport, ImageIdentity
from fluorospread.pipeline import find_dose_report as module
from fluorospread.pipeline.find_dose_report import find_dose_report

IMAGE = ImageIdentity(study_instance_uid="2.25.1", patient_id="P-1")
DOSE = StudyDose(DoseReport("a", "00" * 32, "2.25.9", 30.0, 1.5, 4.0), "2.25.1", "P-1")


@pytest.fixture
def lying(monkeypatch):
    """What lies beside the images, by file name; an exception is raised when it is read."""
    files: dict[str, StudyDose | Exception] = {}

    def read(path: Path) -> StudyDose:
        if isinstance(found := files[path.name], Exception):
            raise found
        return replace(found, report=replace(found.report, file_name=path.name))

    monkeypatch.setattr(module, "read_dose_report", read)

    def find(*images: ImageIdentity, **named):
        files.update(named)
        return find_dose_report([Path(name) for name in named], images or (IMAGE,))

    return find


def test_the_report_of_the_images_study_is_taken(lying):
    assert lying(a=DOSE) == (DOSE.report, ())


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"study_instance_uid": "2.25.2"}, "another study"), ({"patient_id": "P-2"}, "another patient")],
)
def test_a_report_of_another_study_or_patient_is_not(lying, changes, said):
    dose, notes = lying(a=replace(DOSE, **changes))
    assert dose is None
    assert notes == (f"dose report a not used, as it is of {said} than the images",)


def test_a_picture_has_no_study_that_a_report_could_be_of(lying):
    assert lying(ImageIdentity(), a=replace(DOSE, study_instance_uid=""))[0] is None


def test_copies_of_one_report_count_once(lying):
    dose, notes = lying(a=DOSE, b=DOSE)
    assert dose is not None
    assert notes == ()


def test_reports_that_differ_are_not_chosen_from(lying):
    later = replace(DOSE, report=replace(DOSE.report, fluoroscopy_time_s=40.0))
    dose, notes = lying(a=DOSE, b=later)
    assert dose is None
    assert notes == ("2 dose reports of the study say different things, so none is used: a, b",)


def test_a_damaged_report_costs_the_case_its_dose_only(lying):
    assert lying(a=NotAnImageError("a cannot be read")) == (None, ("dose report not used: a cannot be read",))
