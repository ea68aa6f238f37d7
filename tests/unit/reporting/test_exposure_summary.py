from dataclasses import replace

import pytest

from fluorospread.model.case import CaseResult
from fluorospread.model.radiograph import NO_EXPOSURE, DoseReport, Exposure
from fluorospread.reporting.exposure_summary import REPORT, TAGS, CaseExposure, Given, case_exposure, exposure_of_case

DOSE = DoseReport("dose.dcm", "ab" * 32, "2.25.1", 61.0, 2.5, 12.0)


@pytest.fixture
def exposed(full_case: CaseResult):
    """The case with images of these exposures and this dose report."""

    def make(*given: Exposure, report: DoseReport | None = None) -> CaseResult:
        images = tuple(replace(full_case.images[0], exposure=exposure) for exposure in given)
        contrast = replace(full_case.contrast, image=0)
        return replace(full_case, images=images, reference_image=0, contrast=contrast, dose_report=report)

    return make


def test_totals_of_a_procedure_are_not_added_over_its_images_but_area_doses_are(exposed) -> None:
    found = case_exposure(exposed(Exposure(30.0, 0.5, 4.0), Exposure(42.0, 0.75, 6.0)))
    assert found == CaseExposure(Given(42.0, TAGS), Given(1.25, TAGS), Given(6.0, TAGS))


def test_an_image_that_leaves_its_area_dose_out_leaves_the_sum_unknown(exposed) -> None:
    assert case_exposure(exposed(Exposure(30.0, 0.5), NO_EXPOSURE)) == CaseExposure(Given(30.0, TAGS))


def test_a_dose_report_tells_what_tags_leave_out(exposed) -> None:
    assert case_exposure(exposed(NO_EXPOSURE, report=DOSE)) == CaseExposure(
        Given(61.0, REPORT), Given(2.5, REPORT), None, Given(12.0, REPORT)
    )


def test_tags_outrank_a_dose_report(exposed) -> None:
    found = case_exposure(exposed(Exposure(30.0, None, 4.0), report=DOSE))
    assert found == CaseExposure(Given(30.0, TAGS), Given(2.5, REPORT), Given(4.0, TAGS), Given(12.0, REPORT))


def test_every_quantity_says_where_it_comes_from(exposed) -> None:
    assert exposure_of_case(exposed(Exposure(30.0), report=replace(DOSE, reference_point_dose_mgy=None))) == [
        ("Fluoroscopy time", "30 s, from the images' tags"),
        ("Dose-area product", "2.5 Gy·cm², from the dose report dose.dcm"),
        ("Entrance dose", "not known"),
        ("Dose at the reference point", "not known"),
    ]
    assert exposure_of_case(exposed(NO_EXPOSURE)) == []
