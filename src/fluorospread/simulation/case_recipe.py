"""What a simulated case is made of, as frozen recipes: punctures, contrast, images, beam, pixels, tags left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import Role
from fluorospread.model.geometry import ColumnsTowards, RowsTowards
from fluorospread.simulation.contrast import Spread
from fluorospread.simulation.detector import Exposure
from fluorospread.simulation.stored_pixels import PixelFormat


class FileKind(StrEnum):
    """DICOM modality that the images pretend to come from."""

    XA = "XA"
    RF = "RF"
    CR = "CR"
    DX = "DX"


class TagGroup(StrEnum):
    """Attributes that real files often lack and a recipe may leave out."""

    IMAGER_SPACING = "imager-spacing"
    DISTANCES = "distances"
    MAGNIFICATION = "magnification"
    PATIENT_ORIENTATION = "patient-orientation"
    ANGLES = "angles"
    INTENSITY_SIGN = "intensity-sign"
    BEAM = "beam"


@dataclass(frozen=True)
class PunctureRecipe:
    """One needle.

    Attributes
    ----------
    level, side
        Junction it aims at.
    lateral_mm, cranial_mm
        Where its tip lies beside that junction, in the coronal plane.
    tilt_deg, azimuth_deg
        Shaft against the front-back axis (0 is end-on in a frontal view), and where it comes from in the
        coronal plane: 0 lateral, 90 cranial, -90 caudal.
    """

    level: Level
    side: Side
    lateral_mm: float = 0.0
    cranial_mm: float = 0.0
    tilt_deg: float = 35.0
    azimuth_deg: float = -30.0
    length_mm: float = 90.0
    bevel_roll_deg: float = 0.0
    with_extension: bool = False

    def __post_init__(self) -> None:
        if not self.side.of_patient:
            raise UsageError(f"a puncture is on the patient's left or right, got {self.side.value}")
        if not 0 <= self.tilt_deg <= 80:
            raise UsageError(f"tilt_deg must lie in 0..80, got {self.tilt_deg}")


@dataclass(frozen=True)
class FieldRecipe:
    """Collimator: its shape, its half size in mm at the detector, and whether the file declares it."""

    shape: Literal["rectangle", "circle"]
    half_rows_mm: float
    half_cols_mm: float
    declared: bool = True
    blanked: bool = False
    """Outside is written as value 0, as electronic shutters do."""


@dataclass(frozen=True)
class ImageRecipe:
    """One exposure. Angles and shifts are against the case's view; `contrast` and `needles` say what is in."""

    role: Role
    contrast: bool = False
    needles: bool = True
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    axial_deg: float = 0.0
    sagittal_deg: float = 0.0
    roll_deg: float = 0.0
    gas_shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class ViewRecipe:
    """How the C-arm stands: the isocentre is a landmark's place moved by `offset_mm` (x, y, z)."""

    landmark: str = "L4.center"
    offset_mm: tuple[float, float, float] = (0.0, 22.0, 20.0)
    sid_mm: float = 1000.0
    source_to_isocentre_mm: float = 720.0
    detector_spacing_mm: float = 0.30
    rows: int = 1024
    cols: int = 1024
    beam: Literal["PA", "AP"] = "AP"
    columns_towards: ColumnsTowards = ColumnsTowards.PATIENT_LEFT
    rows_towards: RowsTowards = RowsTowards.FEET
    field: FieldRecipe | None = None


@dataclass(frozen=True)
class PersonRecipe:
    """Which procedural person lies on the table; `lumbar_count` None draws it."""

    seed: int
    lumbar_count: int | None = 5
    degeneration: float | None = None


@dataclass(frozen=True)
class CaseRecipe:
    """A whole case; with an anatomy it determines every byte.

    Attributes
    ----------
    case_id, title
        File-safe name, and what the case shows in a few words.
    seed
        Of everything random but the person: grain, plumes, noise.
    contrast_given
        False declares that none was injected.
    spreads
        Contrast per side; empty when none was given.
    expected
        Outcome that the case must get, or None to take it from the truth.
    """

    case_id: str
    title: str
    seed: int
    person: PersonRecipe
    images: tuple[ImageRecipe, ...]
    punctures: tuple[PunctureRecipe, ...]
    spreads: tuple[Spread, ...] = ()
    contrast_given: bool = False
    view: ViewRecipe = field(default_factory=ViewRecipe)
    exposure: Exposure = field(default_factory=Exposure)
    pixel_format: PixelFormat = field(default_factory=PixelFormat)
    file_kind: FileKind = FileKind.XA
    left_out: frozenset[TagGroup] = frozenset()
    expected: Literal["verified", "not-verified", "undetermined"] | None = None

    def __post_init__(self) -> None:
        if not self.images:
            raise UsageError(f"{self.case_id}: a case needs at least one image")
        if self.contrast_given != bool(self.spreads):
            raise UsageError(f"{self.case_id}: contrast that was given needs spreads, and only then")
        if any(image.contrast for image in self.images) and not self.spreads:
            raise UsageError(f"{self.case_id}: an image with contrast needs spreads")
        if len({image.role for image in self.images}) != len(self.images):
            raise UsageError(f"{self.case_id}: each role is imaged once")
