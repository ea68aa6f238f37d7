"""Time and dose come from the tags in the units PS3.3 gives them; what is absent or malformed is not known."""

from __future__ import annotations

from types import ModuleType

import pytest

from fluorospread.dicom.exposure_tags import read_exposure
from fluorospread.model.radiograph import Exposure


def test_units_of_the_standard_become_units_of_the_report(builders: ModuleType) -> None:
    dataset = builders.xray_dataset(
        builders.ramp(),
        TotalTimeOfFluoroscopy=42,  # s
        ImageAndFluoroscopyAreaDoseProduct="12.5",  # dGy cm2
        EntranceDoseInmGy="3.4",
        EntranceDose=0,  # dGy, rounded away
    )
    found = read_exposure(dataset)
    assert found.fluoroscopy_time_s == 42
    assert found.area_dose_gy_cm2 == pytest.approx(1.25)
    assert found.entrance_dose_mgy == pytest.approx(3.4)


def test_the_older_entrance_dose_is_in_dgy(builders: ModuleType) -> None:
    assert read_exposure(builders.xray_dataset(builders.ramp(), EntranceDose=2)).entrance_dose_mgy == 200


def test_what_no_tag_says_is_not_known(builders: ModuleType) -> None:
    assert read_exposure(builders.xray_dataset(builders.ramp())) == Exposure()


def test_a_negative_dose_is_no_dose(builders: ModuleType) -> None:
    dataset = builders.xray_dataset(builders.ramp(), ImageAndFluoroscopyAreaDoseProduct="-1")
    assert read_exposure(dataset).area_dose_gy_cm2 is None


def test_an_impossible_exposure_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        Exposure(fluoroscopy_time_s=float("nan"))
