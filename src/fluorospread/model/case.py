"""A whole case and its result, as written to case.json. No pixels: only paths, hashes and findings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.findings import ContrastMethod, ContrastStatus, Junction, LevelLabels, NeedleTip
from fluorospread.model.geometry import Geometry, Orientation
from fluorospread.model.radiograph import NO_EXPOSURE, DoseReport, Exposure, PolaritySource, Quantity
from fluorospread.model.spread import Answer, Coverage, Pool
from fluorospread.model.verdict import Flag, Puncture, Verdict

SCHEMA_NAME = "fluorospread/case/1"

PROVISIONAL = "provisional: read from one image alone"
"""What every output says of an outline for which `CaseResult.contrast_is_provisional` holds."""


class Role(StrEnum):
    PRE = "pre"
    NEEDLE = "needle"
    POST = "post"
    CINE = "cine"
    LATERAL = "lateral"
    OBLIQUE = "oblique"

    @property
    def is_measured(self) -> bool:
        """Lateral and oblique images are kept and shown, not measured."""
        return self not in (Role.LATERAL, Role.OBLIQUE)


@dataclass(frozen=True)
class Override:
    """Something a person settled by an option, e.g. `--spacing-mm 0.3`."""

    name: str
    value: str


@dataclass(frozen=True)
class CaseImage:
    """One image of the case with what was found in it. `levels` is None for images not measured.

    `frame` is the frame that the findings belong to (zero-based; 0 for a single image).
    """

    path: str
    sha256: str
    role: Role
    role_source: str
    rows: int
    cols: int
    frames: int
    sop_instance_uid: str
    geometry: Geometry
    orientation: Orientation
    quantity: Quantity
    polarity_source: PolaritySource
    levels: LevelLabels | None = None
    junctions: tuple[Junction, ...] = ()
    needles: tuple[NeedleTip, ...] = ()
    notes: tuple[str, ...] = ()
    frame: int = 0
    exposure: Exposure = NO_EXPOSURE


@dataclass(frozen=True)
class ContrastResult:
    """Contrast of the case; `image` indexes `CaseResult.images`, None when no image was measured.
    `mask_file` is the PNG's name beside case.json."""

    status: ContrastStatus
    method: ContrastMethod
    reason: str = ""
    image: int | None = None
    mask_file: str | None = None
    detection_limit_mg_cm2: float | None = None
    iodine_reason: str = ""
    pools: tuple[Pool, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SoftwareVersion:
    name: str
    version: str
    weights_sha256: str


@dataclass(frozen=True)
class CaseResult:
    """Everything concluded about one case. `reference_image` indexes the image whose levels and
    junctions the verdict rests on; None when no image could be measured. `dose_report` is the device's, where one
    of the study lay beside the images."""

    case_id: str
    software: SoftwareVersion
    protocol_name: str
    protocol_sha256: str
    contrast_given: bool | None
    images: tuple[CaseImage, ...]
    reference_image: int | None
    contrast: ContrastResult
    coverage: tuple[Coverage, ...]
    punctures: tuple[Puncture, ...]
    flags: tuple[Flag, ...]
    verdict: Verdict
    overrides: tuple[Override, ...] = ()
    dose_report: DoseReport | None = None

    def __post_init__(self) -> None:
        for name, index in (("reference_image", self.reference_image), ("contrast.image", self.contrast.image)):
            if index is not None and not 0 <= index < len(self.images):
                raise ValueError(f"{name} is {index}, but the case has {len(self.images)} image(s)")

    @property
    def contrast_is_provisional(self) -> bool:
        """Whether the contrast's outline is what one image alone gave, and no person's: shown, and decides nothing."""
        found = self.contrast.status is ContrastStatus.FOUND
        by_person = any(override.name == "contrast" for override in self.overrides)
        return found and self.contrast.method is ContrastMethod.SINGLE_IMAGE and not by_person

    def stated_coverage(self) -> dict[tuple[Level, Side], Answer]:
        """By junction what is stated of its coverage: what a provisional outline says is stated as undetermined, as in
        the verdict."""
        open_ = self.contrast_is_provisional
        return {(c.level, c.side): Answer.UNDETERMINED if open_ else c.covered for c in self.coverage}
