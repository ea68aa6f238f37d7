"""What is written as one DICOM file: simulated pixels with their acquisition, checked when made.

Knows no simulator and no pydicom. Coordinates are (row, col), 0-based, in the stored pixels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from fluorospread.errors import GeometryError, ImageSizeError, OrientationError, UsageError

StoredPixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.int16]


class Modality(StrEnum):
    """What kind of file is written: X-ray angiography, fluoroscopy, CR, DX or Secondary Capture (OT)."""

    XA = "XA"
    RF = "RF"
    CR = "CR"
    DX = "DX"
    OT = "OT"


class Relationship(StrEnum):
    """Pixel Intensity Relationship: what a stored value means."""

    LIN = "LIN"
    LOG = "LOG"
    DISP = "DISP"


@dataclass(frozen=True)
class RectangularEdges:
    """Open field of a rectangular shutter or collimator: first and last open row and column, 0-based."""

    first_row: int
    last_row: int
    first_col: int
    last_col: int


@dataclass(frozen=True)
class CircularEdge:
    """Open field of a circular shutter or collimator: centre (row, col) and radius in pixels, 0-based."""

    center_row: int
    center_col: int
    radius_px: int


@dataclass(frozen=True)
class PolygonalEdge:
    """Open field of a polygonal shutter or collimator: vertices (row, col), 0-based, not repeated."""

    vertices: tuple[tuple[int, int], ...]


Edge = RectangularEdges | CircularEdge | PolygonalEdge


@dataclass(frozen=True)
class WritablePatient:
    """Who is written. `name` is a DICOM person name without the leading `Simulated^`."""

    patient_id: str = "SIMULATED"
    name: str = "Patient"
    sex: str = "O"
    age_years: int | None = None


@dataclass(frozen=True)
class WritableProjection:
    """Geometry of the acquisition; None leaves the attribute out, as many C-arms do.

    Attributes
    ----------
    imager_pixel_spacing_mm
        (row, column) spacing at the detector.
    pixel_spacing_mm
        (row, column) spacing at the calibrated plane; with `pixel_spacing_calibration` "GEOMETRY" or
        "FIDUCIAL". None for an uncalibrated image.
    source_detector_mm, source_patient_mm
        Distance Source to Detector and Distance Source to Patient.
    magnification
        Estimated Radiographic Magnification Factor, >= 1.
    patient_orientation
        Direction of growing columns, then of growing rows, e.g. ("L", "F"); None writes it empty.
    patient_position
        e.g. "HFP" (head first, prone); "" leaves it out.
    view_position
        "AP", "PA", "LL", "RL", ... (CR and DX only); "" leaves it empty.
    primary_angle_deg, secondary_angle_deg
        Positioner angles: + is LAO, + is cranial.
    """

    imager_pixel_spacing_mm: tuple[float, float] | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    pixel_spacing_calibration: str = ""
    source_detector_mm: float | None = None
    source_patient_mm: float | None = None
    magnification: float | None = None
    patient_orientation: tuple[str, str] | None = None
    patient_position: str = ""
    view_position: str = ""
    primary_angle_deg: float | None = None
    secondary_angle_deg: float | None = None


@dataclass(frozen=True)
class WritableExposure:
    """Beam as written. `filter_materials` are DICOM terms ("ALUMINUM", "COPPER"), one thickness each."""

    tube_kv: float | None = None
    filter_materials: tuple[str, ...] = ()
    filter_thicknesses_mm: tuple[float, ...] = ()
    shutter: Edge | None = None
    collimator: Edge | None = None


@dataclass(frozen=True)
class WritableText:
    """Free text and dates. `date` is YYYYMMDD and `time` HHMMSS: fixed by the caller, never the clock's.
    `standing_note` opens the image comments and says what the picture is."""

    study_description: str = "Simulated lumbar fluoroscopy"
    series_description: str = "SIMULATED"
    image_comments: str = ""
    standing_note: str = "SIMULATED image, no patient. Research use only, not for diagnosis."
    date: str = "20200101"
    time: str = "120000"
    study_seed: str = ""
    """Images with the same non-empty `study_seed` share one study; empty: the image's own `uid_seed`."""
    series_number: int = 1
    instance_number: int = 1
    burned_in: bool = False
    """Something is written in the pixels themselves."""


@dataclass(frozen=True)
class WritableImage:
    """One image file to write.

    Attributes
    ----------
    pixels
        Stored values, (frames, rows, cols), uint8, uint16 or int16.
    bits_stored
        8..16, at most the bits of the dtype.
    relationship, sign
        Pixel Intensity Relationship and its Sign: +1 when a lower value means less X-ray (bone dark).
    log_per_step
        LOG only: change of ln(I) per stored step, > 0. Written as the Modality LUT that the standard asks
        for (stored value to X-ray intensity); None leaves the scale unknown.
    photometric
        "MONOCHROME1" or "MONOCHROME2".
    uid_seed
        Every UID is SHA-256 of this text and of the UID's role.
    frame_time_ms
        Time between frames of a cine.
    mask_frames
        Zero-based frames named as pre-contrast mask.
    """

    pixels: StoredPixels
    uid_seed: str
    modality: Modality = Modality.XA
    bits_stored: int = 12
    relationship: Relationship = Relationship.LIN
    sign: int | None = 1
    log_per_step: float | None = None
    photometric: str = "MONOCHROME2"
    patient: WritablePatient = WritablePatient()
    projection: WritableProjection = WritableProjection()
    exposure: WritableExposure = WritableExposure()
    text: WritableText = WritableText()
    frame_time_ms: float | None = None
    mask_frames: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        pixels = self.pixels
        if pixels.ndim != 3 or 0 in pixels.shape or max(pixels.shape) > 65535:
            raise ImageSizeError(f"expected pixels of shape (frames, rows, cols), got {pixels.shape}")
        if pixels.dtype not in (np.uint8, np.uint16, np.int16):
            raise UsageError(f"expected uint8, uint16 or int16 pixels, got {pixels.dtype}")
        if not 8 <= self.bits_stored <= 8 * pixels.dtype.itemsize:
            raise UsageError(f"bits_stored must lie in 8..{8 * pixels.dtype.itemsize}, got {self.bits_stored}")
        signed = pixels.dtype == np.int16
        low, high = (
            (-(1 << (self.bits_stored - 1)), (1 << (self.bits_stored - 1)) - 1)
            if signed
            else (0, (1 << self.bits_stored) - 1)
        )
        if int(pixels.min()) < low or int(pixels.max()) > high:
            raise UsageError(f"pixels {pixels.min()}..{pixels.max()} do not fit {self.bits_stored} bits stored")
        if self.sign not in (None, 1, -1):
            raise UsageError(f"sign must be +1, -1 or None, got {self.sign}")
        if self.photometric not in ("MONOCHROME1", "MONOCHROME2"):
            raise UsageError(f"photometric must be MONOCHROME1 or MONOCHROME2, got {self.photometric!r}")
        if self.log_per_step is not None and (self.relationship is not Relationship.LOG or self.log_per_step <= 0):
            raise UsageError("log_per_step goes with LOG pixels and is positive")
        if any(not 0 <= frame < pixels.shape[0] for frame in self.mask_frames):
            raise UsageError(f"mask frames {self.mask_frames} do not exist among {pixels.shape[0]} frames")
        self._check_projection()

    def _check_projection(self) -> None:
        projection = self.projection
        for name in ("imager_pixel_spacing_mm", "pixel_spacing_mm"):
            spacing = getattr(projection, name)
            if spacing is not None and not all(0.01 <= value <= 5.0 for value in spacing):
                raise GeometryError(f"{name} must lie in 0.01..5 mm, got {spacing}")
        if projection.magnification is not None and not 1.0 <= projection.magnification <= 5.0:
            raise GeometryError(f"magnification must lie in 1..5, got {projection.magnification}")
        if projection.patient_orientation is not None and not all(
            re.fullmatch(r"[LRAPHF]{1,3}", value) for value in projection.patient_orientation
        ):
            raise OrientationError(f"patient_orientation of {projection.patient_orientation}; expected letters LRAPHF")
