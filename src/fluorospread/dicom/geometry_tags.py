"""Scale of an image in the patient plane, from what its header says (PS3.3 10.7, C.8.7.5).

Best source first: a person's spacing; PixelSpacing that was calibrated; ObjectPixelSpacingInCenterOfBeam;
the detector's spacing over EstimatedRadiographicMagnificationFactor; over SID/SOD. Detector spacing alone
gives no scale: magnification of a spine under a C-arm is 1.2 to 1.5. Spacings are (row, column), as DICOM has them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydicom.dataset import Dataset

from fluorospread.dicom.attributes import holder_of, number, numbers, text, varies
from fluorospread.errors import GeometryError, TagError
from fluorospread.model.geometry import NO_SCALE, Geometry, GeometrySource

Spacing = tuple[float, float]

_ASK = "Give --spacing-mm or re-export with geometry."

# 1 sd of the scale as a fraction. All of them hold for the plane the source speaks of; the spine lies within
# about 15 mm of it, which at SID 1000 mm and M = 1.33 is 2 % (10 mm of depth: 1.3 %).
_GIVEN = 0.02  # a person's measurement on a marker or implant of known size in that plane
_CALIBRATED = {"FIDUCIAL": 0.015, "GEOMETRY": 0.02}
_CALIBRATED_SOMEHOW = 0.03  # PixelSpacing differs from the detector's, but nobody says why
_OBJECT = 0.02
_ERMF = 0.02
# SOD is measured to the isocentre or the table top, not to the spine, which may be 30 mm away.
_SID_SOD = 0.04

# Two spacings closer than this are the same number, rounded.
_SAME = 0.005
# Two magnifications this far apart are noted; beyond the second they cannot both be meant.
_NOTED_DIFFERENCE = 0.02
_IMPOSSIBLE_DIFFERENCE = 0.15
# Skin-to-detector distances make the spine of a patient this much larger at most.
_MAX_MAGNIFICATION = 5.0


@dataclass(frozen=True)
class _Magnification:
    value: float
    source: GeometrySource
    uncertainty: float
    notes: tuple[str, ...] = ()


def read_geometry(dataset: Dataset, given_mm: Spacing | None = None) -> tuple[Geometry, list[str]]:
    """The image's scale and its notes.

    Parameters
    ----------
    given_mm
        (row, column) spacing in the patient plane by a person; overrides every tag.

    Raises
    ------
    GeometryError
        When tags are malformed, impossible or contradict each other, unless a person gave the spacing.
    """
    if given_mm is not None:
        return given_geometry(given_mm), []
    try:
        return _from_tags(dataset)
    except GeometryError:
        raise
    except TagError as error:
        raise GeometryError(f"{error} {_ASK}") from error


def given_geometry(spacing_mm: Spacing) -> Geometry:
    """The scale a person gave. Raises GeometryError when it is impossible."""
    return Geometry(spacing_mm, GeometrySource.GIVEN, _GIVEN, note="spacing given by a person")


def _from_tags(dataset: Dataset) -> tuple[Geometry, list[str]]:
    notes: list[str] = []
    imager = _spacing(dataset, "ImagerPixelSpacing", notes)
    pixel = _spacing(dataset, "PixelSpacing", notes)
    calibration = text(dataset, "PixelSpacingCalibrationType").upper()
    if pixel is not None and (calibration or (imager is not None and not _same(pixel, imager))):
        return _calibrated(pixel, imager, calibration), notes
    center = _spacing(dataset, "ObjectPixelSpacingInCenterOfBeam", notes)
    if center is not None:
        magnification = _ratio(imager, center) if imager is not None else None
        note = "spacing at the centre of the beam"
        return Geometry(center, GeometrySource.OBJECT_PIXEL_SPACING, _OBJECT, magnification, note), notes
    detector, name = imager, "ImagerPixelSpacing"
    if detector is None:
        detector, name = _spacing(dataset, "NominalScannedPixelSpacing", notes), "NominalScannedPixelSpacing"
    if detector is None and pixel is not None:
        detector, name = pixel, "PixelSpacing without ImagerPixelSpacing or calibration type"
        notes.append("PixelSpacing does not say whether it is corrected for magnification; taken as the detector's.")
    magnification_found = _magnification(dataset)
    if detector is None:
        return NO_SCALE, [*notes, f"No pixel spacing in the header: lengths in pixels only. {_ASK}"]
    if magnification_found is None:
        spacing = " x ".join(f"{value:g}" for value in detector)
        notes.append(
            f"Detector spacing is {spacing} mm ({name}), but the magnification is unknown: lengths in pixels only. "
            f"{_ASK}"
        )
        return NO_SCALE, notes
    found = magnification_found
    patient = (detector[0] / found.value, detector[1] / found.value)
    note = f"{name} / {found.value:.4g}"
    return Geometry(patient, found.source, found.uncertainty, found.value, note), [*notes, *found.notes]


def _calibrated(pixel: Spacing, imager: Spacing | None, calibration: str) -> Geometry:
    magnification = None
    if imager is not None:
        magnification = _ratio(imager, pixel)
        if magnification < 1 - _SAME or magnification > _MAX_MAGNIFICATION:
            raise GeometryError(
                f"PixelSpacing {pixel} and ImagerPixelSpacing {imager} make a magnification of {magnification:.3g}; "
                f"expected 1 to {_MAX_MAGNIFICATION:g}. {_ASK}"
            )
        magnification = max(1.0, magnification)
    uncertainty = _CALIBRATED.get(calibration, _CALIBRATED_SOMEHOW)
    note = f"calibrated by {calibration.lower()}" if calibration else "differs from ImagerPixelSpacing"
    return Geometry(pixel, GeometrySource.PIXEL_SPACING_CALIBRATED, uncertainty, magnification, note)


def _magnification(dataset: Dataset) -> _Magnification | None:
    """Magnification from ERMF or SID/SOD; where both stand they must agree."""
    stated = _positive(dataset, "EstimatedRadiographicMagnificationFactor")
    sid, sod = _positive(dataset, "DistanceSourceToDetector"), _positive(dataset, "DistanceSourceToPatient")
    computed = None
    if sid is not None and sod is not None:
        if sod >= sid:
            raise GeometryError(
                f"DistanceSourceToPatient {sod:g} mm is not shorter than DistanceSourceToDetector {sid:g} mm. {_ASK}"
            )
        computed = _plausible(sid / sod, "DistanceSourceToDetector / DistanceSourceToPatient")
    if stated is None:
        return None if computed is None else _Magnification(computed, GeometrySource.SID_SOD, _SID_SOD)
    stated = _plausible(stated, "EstimatedRadiographicMagnificationFactor")
    if computed is None:
        return _Magnification(stated, GeometrySource.ERMF, _ERMF)
    difference = abs(computed / stated - 1)
    if difference > _IMPOSSIBLE_DIFFERENCE:
        raise GeometryError(
            f"EstimatedRadiographicMagnificationFactor {stated:.4g} and SID/SOD {computed:.4g} contradict each other. "
            f"{_ASK}"
        )
    if difference <= _NOTED_DIFFERENCE:
        return _Magnification(stated, GeometrySource.ERMF, _ERMF)
    note = (
        f"EstimatedRadiographicMagnificationFactor {stated:.4g} and SID/SOD {computed:.4g} differ by {difference:.0%}."
    )
    return _Magnification(stated, GeometrySource.ERMF, max(_ERMF, difference / 2), (note,))


def _plausible(value: float, name: str) -> float:
    if not 1.0 <= value <= _MAX_MAGNIFICATION:
        raise GeometryError(f"{name} is {value:.4g}; expected a magnification of 1 to {_MAX_MAGNIFICATION:g}. {_ASK}")
    return value


def _spacing(dataset: Dataset, keyword: str, notes: list[str]) -> Spacing | None:
    if varies(dataset, keyword):
        notes.append(f"{keyword} is not the same in every frame; it was not used.")
        return None
    values = numbers(holder_of(dataset, keyword), keyword)
    if values is None:
        return None
    if all(value == 0 for value in values):
        notes.append(f"{keyword} is 0, which devices write for unknown; it was not used.")
        return None
    if len(values) == 1:
        values = (values[0], values[0])
        notes.append(f"{keyword} holds one value; taken for rows and columns alike.")
    if len(values) != 2 or not all(0.01 <= value <= 5.0 for value in values):
        raise GeometryError(f"{keyword} is {values}; expected row and column spacing of 0.01 to 5 mm. {_ASK}")
    return values[0], values[1]


def _positive(dataset: Dataset, keyword: str) -> float | None:
    """A distance or factor; 0 is what devices write for unknown."""
    value = number(holder_of(dataset, keyword), keyword)
    if value is None or value == 0:
        return None
    if value < 0:
        raise GeometryError(f"{keyword} is {value:g}; expected a positive number. {_ASK}")
    return value


def _ratio(imager: Spacing, patient: Spacing) -> float:
    return math.sqrt(imager[0] * imager[1] / (patient[0] * patient[1]))


def _same(a: Spacing, b: Spacing) -> bool:
    return all(abs(x / y - 1) <= _SAME for x, y in zip(a, b, strict=True))
