"""What a simulated case is made of, as frozen recipes: punctures, contrast, images, beam, pixels, tags left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import Role
from fluorospread.model.geometry import ColumnsTowards, RowsTowards
from fluorospread.simulation.aberrant import Aberrant
from fluorospread.simulation.clutter import ClutterKind
from fluorospread.simulation.contrast import Spread
from fluorospread.simulation.detector import Exposure
from fluorospread.simulation.inflow import Injection
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
    gauge
        22, 23 or 25.
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
    gauge: int = 22

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
class CineRecipe:
    """A run of frames while contrast is injected.

    Attributes
    ----------
    frames, frame_time_ms
        Number of frames and time from one to the next.
    injection, right_later_s
        Of the left side; the right side's starts so much later.
    quanta_per_pixel
        Mean reading over the middle of the field that exposure control aims at.
    breathing_mm, breathing_s, gas_breathing_mm
        How far the body and, beyond it, bowel gas move (x, y, z) from rest to full breath, and the time of
        one breath.
    jerk_mm, jerk_at_s
        A movement of the patient, and when.
    first_exposure, exposure_step, flicker
        Tube output of the first frame over what exposure control wants; the share of what is missing that it
        makes up from frame to frame; 1 sd of the output that it does not control.
    lag
        Share of a frame that is taken over from the one before (recursive noise filter).
    named_mask_frames
        So many first frames are named as the pre-contrast mask in the file.
    """

    frames: int = 40
    frame_time_ms: float = 250.0
    injection: Injection = field(default_factory=lambda: Injection(2.0, 4.0))
    right_later_s: float = 0.0
    quanta_per_pixel: float = 300.0
    breathing_mm: tuple[float, float, float] = (0.1, 0.6, 0.4)
    breathing_s: float = 4.0
    gas_breathing_mm: tuple[float, float, float] = (1.0, 0.0, -5.0)
    jerk_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    jerk_at_s: float = 0.0
    first_exposure: float = 1.0
    exposure_step: float = 0.4
    flicker: float = 0.004
    lag: float = 0.0
    named_mask_frames: int = 0

    def __post_init__(self) -> None:
        if self.frames < 2 or self.frame_time_ms <= 0:
            raise UsageError(f"a run has two frames or more with time between, got {self.frames}, {self.frame_time_ms}")
        if not 0 <= self.lag < 1 or not 0 < self.exposure_step <= 1 or self.flicker < 0:
            raise UsageError("lag lies in 0..1, exposure_step in 0..1 and flicker is not negative")
        if min(self.quanta_per_pixel, self.first_exposure, self.breathing_s) <= 0:
            raise UsageError("a run needs quanta, a first exposure and a breathing time above 0")
        if not 0 <= self.named_mask_frames < self.frames:
            raise UsageError(f"{self.named_mask_frames} of {self.frames} frames cannot be the mask")

    def injection_of(self, side: Side) -> Injection:
        """When contrast is injected on a side."""
        later = self.right_later_s if side is Side.RIGHT else 0.0
        return Injection(self.injection.starts_s + later, self.injection.lasts_s)


@dataclass(frozen=True)
class ImageRecipe:
    """One exposure, or with `cine` a run. Angles and shifts are against the case's view; `contrast` and
    `needles` say what is in."""

    role: Role
    contrast: bool = False
    needles: bool = True
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    axial_deg: float = 0.0
    sagittal_deg: float = 0.0
    roll_deg: float = 0.0
    gas_shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    cine: CineRecipe | None = None

    def __post_init__(self) -> None:
        if (self.cine is not None) != (self.role is Role.CINE):
            raise UsageError("an image of role cine needs a run, and only that one")


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
    """Which procedural person lies on the table.

    Attributes
    ----------
    lumbar_count
        4, 5 or 6; None draws it.
    transitional
        Whether the last lumbar vertebra reaches for the sacrum. It makes a level's name a matter of opinion,
        and the study excluded it.
    twelfth_ribs
        On which sides; None draws it.
    """

    seed: int
    lumbar_count: int | None = 5
    degeneration: float | None = None
    transitional: bool = False
    twelfth_ribs: Literal["both", "left", "right", "none"] | None = None


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
    aberrant
        Contrast that goes elsewhere, beside the spreads or instead of them.
    clutter
        What else lies in the way and is no contrast.
    stated_primary_angle_deg
        Positioner angle that the files state instead of the true one, as when a C-arm keeps an old one.
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
    aberrant: tuple[Aberrant, ...] = ()
    clutter: tuple[ClutterKind, ...] = ()
    stated_primary_angle_deg: float | None = None

    def __post_init__(self) -> None:
        if not self.images:
            raise UsageError(f"{self.case_id}: a case needs at least one image")
        injected = bool(self.spreads or self.aberrant)
        if self.contrast_given != injected:
            raise UsageError(f"{self.case_id}: contrast that was given needs spreads or aberrant flow, and only then")
        if any(image.contrast for image in self.images) and not injected:
            raise UsageError(f"{self.case_id}: an image with contrast needs spreads or aberrant flow")
        if len({image.role for image in self.images}) != len(self.images):
            raise UsageError(f"{self.case_id}: each role is imaged once")
