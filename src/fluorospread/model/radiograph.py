"""One X-ray image: pixels in a known sign, geometry, orientation, and where each of them came from.

Pixels are *line-integral-like*: bone, metal and iodine are bright. With `quantity` natural-log they are
-ln(I/I0) up to a constant offset, so differences of two frames are line integrals; with `relative` only
their order within one image means something. Frames are read one at a time through a `FrameSource`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fluorospread.errors import ImageSizeError, PixelValueError
from fluorospread.model.geometry import NO_SCALE, UNKNOWN_ORIENTATION, Geometry, Orientation

FloatImage = npt.NDArray[np.float32]
BoolImage = npt.NDArray[np.bool_]


class Quantity(StrEnum):
    """What a pixel difference means."""

    NATURAL_LOG = "natural-log"
    RELATIVE = "relative"


class PolaritySource(StrEnum):
    """What settled which way brightness runs."""

    TAG = "PixelIntensityRelationshipSign"
    GIVEN = "given"
    PRESENTATION = "presentation-state"
    ASSUMED_FROM_CONTENT = "assumed-from-content"


class FrameSource(Protocol):
    """Frames read on demand; `dicom` implements it so that steps can stream a cine without DICOM."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols) of every frame."""

    @property
    def count(self) -> int:
        """Number of frames, >= 1."""

    def frame(self, index: int) -> FloatImage:
        """Frame `index`, shape (rows, cols), float32, line-integral-like."""


@dataclass(frozen=True)
class ArrayFrames:
    """Frames already in memory, shape (frames, rows, cols)."""

    array: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.array.ndim != 3 or 0 in self.array.shape:
            raise ImageSizeError(f"expected frames of shape (frames, rows, cols), got {self.array.shape}")
        if not np.isfinite(self.array).all():
            raise PixelValueError("frames hold NaN or infinite values")
        self.array.setflags(write=False)

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.array.shape[1]), int(self.array.shape[2])

    @property
    def count(self) -> int:
        return int(self.array.shape[0])

    def frame(self, index: int) -> FloatImage:
        view: FloatImage = self.array[index]
        return view


@dataclass(frozen=True)
class Beam:
    """Tube settings; None where the file does not say."""

    tube_kv: float | None = None
    filter_al_mm: float | None = None
    filter_cu_mm: float | None = None


@dataclass(frozen=True)
class Exposure:
    """X-rays given for an image, as its tags say; None where they do not.

    Attributes
    ----------
    fluoroscopy_time_s
        Of the whole procedure step up to this image: a total, never to be added over images.
    area_dose_gy_cm2
        Dose-area product of this image with the fluoroscopy that prepared it: adds up over images.
    entrance_dose_mgy
        At the patient's surface, of the whole procedure step: a total, never to be added over images.
    """

    fluoroscopy_time_s: float | None = None
    area_dose_gy_cm2: float | None = None
    entrance_dose_mgy: float | None = None

    def __post_init__(self) -> None:
        for value in (self.fluoroscopy_time_s, self.area_dose_gy_cm2, self.entrance_dose_mgy):
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"an exposure is finite and not negative, got {value}")


NO_EXPOSURE = Exposure()


@dataclass(frozen=True)
class DoseReport:
    """X-rays given in the whole procedure, as the device's own dose report says; None where it does not.

    Attributes
    ----------
    file_name, sha256, sop_instance_uid
        Which report it was.
    area_dose_gy_cm2
        Dose-area product of all fluoroscopy and images, kept or not.
    reference_point_dose_mgy
        At the device's reference point, which is not the patient's surface.
    """

    file_name: str
    sha256: str
    sop_instance_uid: str
    fluoroscopy_time_s: float | None = None
    area_dose_gy_cm2: float | None = None
    reference_point_dose_mgy: float | None = None

    def __post_init__(self) -> None:
        for value in (self.fluoroscopy_time_s, self.area_dose_gy_cm2, self.reference_point_dose_mgy):
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"an exposure is finite and not negative, got {value}")


@dataclass(frozen=True)
class ImageIdentity:
    """DICOM identifiers, kept as found (never used as path names). Empty where the file has none."""

    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    patient_id: str = ""
    modality: str = ""
    acquisition_time: str = ""
    series_description: str = ""
    burned_in_annotation: bool = True
    """Absent counts as YES (PS3.3 C.7.6.1)."""
    name_digest: str = ""
    """Tells two patients without IDs apart without keeping who they are: a digest of the patient's name."""


@dataclass(frozen=True)
class Radiograph:
    """One image file.

    Attributes
    ----------
    path, sha256
        The file as read and the SHA-256 of its bytes.
    frames
        Line-integral-like frames, read on demand.
    field_of_view
        (rows, cols), True where X-rays reached the detector (inside shutter and collimation).
    mask_frames
        Indices of frames that the file names as its pre-contrast mask (zero-based).
    frame_time_ms
        Time between frames, or None.
    view
        "frontal", "lateral", "oblique" as the tags say it, or "" where they do not.
    polarity_note
        What was assumed, for the result; empty when a tag settled it.
    notes
        Every fallback taken while reading, in words for the reader.
    """

    path: Path
    sha256: str
    frames: FrameSource
    field_of_view: BoolImage
    quantity: Quantity
    polarity_source: PolaritySource
    geometry: Geometry = NO_SCALE
    orientation: Orientation = UNKNOWN_ORIENTATION
    beam: Beam = Beam()
    exposure: Exposure = NO_EXPOSURE
    identity: ImageIdentity = ImageIdentity()
    view: str = ""
    mask_frames: tuple[int, ...] = ()
    frame_time_ms: float | None = None
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.field_of_view.shape != self.frames.shape:
            raise ImageSizeError(f"field of view {self.field_of_view.shape} does not fit frames {self.frames.shape}")
        self.field_of_view.setflags(write=False)

    @property
    def shape(self) -> tuple[int, int]:
        return self.frames.shape

    @property
    def is_cine(self) -> bool:
        return self.frames.count > 1

    def pixels(self, index: int = 0) -> FloatImage:
        """Frame `index`, shape (rows, cols), float32, line-integral-like (bone bright)."""
        return self.frames.frame(index)
