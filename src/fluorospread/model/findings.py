"""What the steps find in one image: levels, junctions, needles, contrast. Points are (row, col) px.

Uncertainties are 1 sd, in pixels, because pixels are always known; millimetres follow from the geometry.
Not finding something is a `NotFound` with its reason, never a sentinel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, Level, Side
from fluorospread.model.geometry import PointPx
from fluorospread.model.radiograph import BoolImage, FloatImage


def _check_point(name: str, point: PointPx) -> None:
    if len(point) != 2 or not all(math.isfinite(v) for v in point):
        raise ValueError(f"{name} must be two finite numbers (row, col), got {point}")


def _check_fraction(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} must lie in 0..1, got {value}")


@dataclass(frozen=True)
class NotFound:
    """Something looked for and not found, with the reason in words."""

    what: str
    reason: str


class LevelStatus(StrEnum):
    CONFIDENT = "confident"
    UNCERTAIN = "uncertain"
    INDETERMINATE = "indeterminate"


class Anchor(StrEnum):
    """What numbered the spine."""

    SACRUM = "sacrum"
    TWELFTH_RIB = "twelfth-rib"
    BOTH = "sacrum-and-twelfth-rib"
    GIVEN = "given"
    NONE = "none"


@dataclass(frozen=True)
class Vertebra:
    level: Level
    center_px: PointPx
    confidence: float
    uncertainty_px: float | None = None

    def __post_init__(self) -> None:
        _check_point("center_px", self.center_px)
        _check_fraction("confidence", self.confidence)


@dataclass(frozen=True)
class LevelAlternative:
    """A runner-up numbering: every name moved by `shift` (+1 = L4 becomes L5)."""

    shift: int
    probability: float


@dataclass(frozen=True)
class LevelLabels:
    """Which vertebra is which, cranial to caudal, with what numbered them and the runners-up."""

    status: LevelStatus
    anchor: Anchor
    vertebrae: tuple[Vertebra, ...]
    numbering_assumption: str = ""
    alternatives: tuple[LevelAlternative, ...] = ()
    reason: str = ""
    """Why the status is not `confident`; empty when it is."""
    estimated_mm_per_px: float | None = None
    """Scale from vertebral pitch, for images that carry none; about 10 % uncertain."""

    def __post_init__(self) -> None:
        order = [CRANIAL_TO_CAUDAL.index(v.level) for v in self.vertebrae]
        if order != sorted(set(order)):
            raise ValueError("vertebrae must be named once each, cranial to caudal")
        if self.status is not LevelStatus.CONFIDENT and not self.reason:
            raise ValueError("levels that are not confident need a reason")

    def vertebra(self, level: Level) -> Vertebra | None:
        return next((v for v in self.vertebrae if v.level is level), None)

    def midline_col(self, row: float) -> float | None:
        """Column of the spine's midline at `row`, interpolated between body centres; None without two."""
        if len(self.vertebrae) < 2:
            return None
        points = sorted(v.center_px for v in self.vertebrae)
        rows = [p[0] for p in points]
        cols = [p[1] for p in points]
        return float(np.interp(row, rows, cols))


@dataclass(frozen=True)
class Junction:
    """SAP-TP junction of one vertebra on one side. `side` is the patient's when known."""

    level: Level
    side: Side
    point_px: PointPx
    confidence: float
    uncertainty_px: float
    assigned_by: str = "software"

    def __post_init__(self) -> None:
        _check_point("point_px", self.point_px)
        _check_fraction("confidence", self.confidence)
        if not self.uncertainty_px > 0:
            raise ValueError(f"uncertainty_px must be positive, got {self.uncertainty_px}")


@dataclass(frozen=True)
class NeedleTip:
    """Needle tip; `side` is None within 2 sd of the spine's midline.

    `direction` is the unit vector (row, col) from hub to tip, None when seen end-on.
    """

    side: Side | None
    tip_px: PointPx
    uncertainty_px: float
    confidence: float
    direction: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        _check_point("tip_px", self.tip_px)
        _check_fraction("confidence", self.confidence)


class ContrastStatus(StrEnum):
    FOUND = "found"
    NOT_FOUND = "not-found"
    NOT_IMAGED = "not-imaged"
    NOT_GIVEN = "not-given"


class ContrastMethod(StrEnum):
    MASK_SUBTRACTION = "mask-subtraction"
    CINE = "cine"
    SINGLE_IMAGE = "single-image"
    NONE = "none"


@dataclass(frozen=True)
class Alignment:
    """Where a point of a reference image lies in the image being measured.

    `matrix` is 2x3, float64: target (row, col) = matrix @ (row, col, 1) of the reference image.
    `uncertainty_px` is the 1-sd residual of the match; `residual` its unit-free badness (lower is better).
    """

    matrix: npt.NDArray[np.float64]
    uncertainty_px: float
    residual: float

    def __post_init__(self) -> None:
        if self.matrix.shape != (2, 3) or not np.isfinite(self.matrix).all():
            raise ValueError(f"matrix must be finite with shape (2, 3), got {self.matrix.shape}")
        self.matrix.setflags(write=False)

    def carry(self, point: PointPx) -> PointPx:
        row, col = self.matrix @ np.array([point[0], point[1], 1.0])
        return float(row), float(col)


@dataclass(frozen=True)
class ContrastMask:
    """Contrast in one image.

    Attributes
    ----------
    mask
        (rows, cols) of the measured image, True where contrast lies; None unless found.
    signal
        (rows, cols) float32, log-signal of the contrast alone (natural log if quantitative), or None.
    areal_iodine_mg_cm2
        (rows, cols) float32, or None where absolute iodine cannot be claimed (`iodine_reason` says why).
    iodine_relative_uncertainty
        1 sd of the iodine scale as a fraction (scatter, spectrum), None without iodine.
    outline_uncertainty_px
        1 sd of the outline's place, typical of its whole length.
    detection_limit_mg_cm2
        Smallest areal iodine told from noise (derived from the noise of this image), None without iodine.
    outline_sd
        (n, 3) float32: row and column of points along the outline, and 1 sd (px) of its place there: steep edges are
        better known than faint ones. None where `outline_uncertainty_px` serves for all of it.
    undecidable
        (rows, cols), True where moved gas, metal or an unclear area leaves open whether contrast is there; or None.
    cleared
        (rows, cols), True where contrast came and mostly cleared again within a run, in the pixels of frame
        `cleared_frame`, which shows most of it; None without a run.
    alignment
        Reference image to measured image; None for a single image.
    frame
        Frame of the measured image that the mask belongs to.
    """

    status: ContrastStatus
    method: ContrastMethod
    reason: str = ""
    mask: BoolImage | None = None
    signal: FloatImage | None = None
    areal_iodine_mg_cm2: FloatImage | None = None
    iodine_reason: str = ""
    iodine_relative_uncertainty: float | None = None
    outline_uncertainty_px: float = 1.0
    detection_limit_mg_cm2: float | None = None
    alignment: Alignment | None = None
    frame: int = 0
    notes: tuple[str, ...] = ()
    undecidable: BoolImage | None = None
    cleared: BoolImage | None = None
    cleared_frame: int | None = None
    outline_sd: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if (self.status is ContrastStatus.FOUND) != (self.mask is not None):
            raise ValueError("a mask goes with status found, and only with it")
        if self.status is not ContrastStatus.FOUND and not self.reason:
            raise ValueError("contrast that is not found needs a reason")
        for array in (
            self.mask,
            self.signal,
            self.areal_iodine_mg_cm2,
            self.undecidable,
            self.cleared,
            self.outline_sd,
        ):
            if array is not None:
                array.setflags(write=False)
