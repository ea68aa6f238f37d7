"""How much X-ray an image took, from its header: fluoroscopy time, dose-area product, entrance dose.

A tag that is malformed or negative counts as absent: these numbers inform, they judge nothing.

References
----------
DICOM PS3.3 C.4.16 (radiation dose module) and C.8.7.2 (X-ray acquisition module).
"""

from __future__ import annotations

from pydicom.dataset import Dataset

from fluorospread.dicom.attributes import number_or_none
from fluorospread.model.radiograph import Exposure

_DGY_TO_GY = 0.1
_DGY_TO_MGY = 100.0


def read_exposure(dataset: Dataset) -> Exposure:
    """Exposure as the tags say it, in s, Gy·cm² and mGy."""
    entrance_mgy = _at_least_zero(dataset, "EntranceDoseInmGy")
    if entrance_mgy is None:
        # The older attribute is in dGy, rounded to whole ones.
        entrance_dgy = _at_least_zero(dataset, "EntranceDose")
        entrance_mgy = None if entrance_dgy is None else entrance_dgy * _DGY_TO_MGY
    area_dgy_cm2 = _at_least_zero(dataset, "ImageAndFluoroscopyAreaDoseProduct")
    return Exposure(
        fluoroscopy_time_s=_at_least_zero(dataset, "TotalTimeOfFluoroscopy"),
        area_dose_gy_cm2=None if area_dgy_cm2 is None else area_dgy_cm2 * _DGY_TO_GY,
        entrance_dose_mgy=entrance_mgy,
    )


def _at_least_zero(dataset: Dataset, keyword: str) -> float | None:
    value = number_or_none(dataset, keyword)
    return value if value is not None and value >= 0 else None
