"""Where pixels lie on the patient: scale with its source and uncertainty, and which way is left.

Lengths are in the patient plane (the plane of the spine) unless a name says `detector`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from fluorospread.errors import GeometryError
from fluorospread.model.anatomy import Side

PointPx = tuple[float, float]
"""(row, col) in stored pixels; the centre of the first pixel is (0, 0)."""


class GeometrySource(StrEnum):
    """What the scale rests on, best first."""

    GIVEN = "given"
    PIXEL_SPACING_CALIBRATED = "PixelSpacing-calibrated"
    OBJECT_PIXEL_SPACING = "ObjectPixelSpacing"
    ERMF = "ERMF"
    SID_SOD = "SID/SOD"
    ESTIMATED_FROM_ANATOMY = "estimated-from-anatomy"
    NONE = "none"


@dataclass(frozen=True)
class Geometry:
    """Scale of one image.

    Attributes
    ----------
    spacing_patient_mm
        (row, column) spacing in the patient plane, or None when no scale is known.
    relative_uncertainty
        1 sd of the scale as a fraction; None exactly when the spacing is.
    magnification
        Detector over patient plane, >= 1; None when unknown.
    """

    spacing_patient_mm: tuple[float, float] | None
    source: GeometrySource
    relative_uncertainty: float | None = None
    magnification: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        known = self.spacing_patient_mm is not None
        if known != (self.source is not GeometrySource.NONE):
            raise GeometryError(f"spacing {self.spacing_patient_mm} does not go with source {self.source.value!r}")
        if known != (self.relative_uncertainty is not None):
            raise GeometryError("a known spacing needs its relative uncertainty, and only a known one has it")
        if self.spacing_patient_mm is not None:
            for value in self.spacing_patient_mm:
                if not (math.isfinite(value) and 0.01 <= value <= 5.0):
                    raise GeometryError(f"pixel spacing of {value} mm; expected between 0.01 and 5 mm")
        if self.magnification is not None and not 1.0 <= self.magnification <= 5.0:
            raise GeometryError(f"magnification of {self.magnification}; expected between 1 and 5")

    @property
    def mm_per_px(self) -> float | None:
        """Geometric mean of the two spacings, mm per pixel, or None."""
        if self.spacing_patient_mm is None:
            return None
        return math.sqrt(self.spacing_patient_mm[0] * self.spacing_patient_mm[1])

    def distance_mm(self, a: PointPx, b: PointPx) -> float | None:
        """Distance of two points in the patient plane in mm, or None without a scale."""
        if self.spacing_patient_mm is None:
            return None
        d_row, d_col = self.spacing_patient_mm
        return math.hypot((a[0] - b[0]) * d_row, (a[1] - b[1]) * d_col)


NO_SCALE = Geometry(None, GeometrySource.NONE)


class ColumnsTowards(StrEnum):
    """Where a growing column index leads on the patient."""

    PATIENT_LEFT = "patient-left"
    PATIENT_RIGHT = "patient-right"


class RowsTowards(StrEnum):
    """Where a growing row index leads on the patient."""

    FEET = "feet"
    HEAD = "head"


@dataclass(frozen=True)
class Orientation:
    """Which way the stored rows and columns run on the patient; None where nothing settles it."""

    columns_towards: ColumnsTowards | None
    rows_towards: RowsTowards | None
    source: str
    note: str = ""

    def side_at(self, col: float, midline_col: float) -> Side:
        """Side of the patient of a column relative to the spine's midline, else the image's side."""
        on_high_columns = col > midline_col
        if self.columns_towards is None:
            return Side.IMAGE_RIGHT if on_high_columns else Side.IMAGE_LEFT
        towards_left = self.columns_towards is ColumnsTowards.PATIENT_LEFT
        return Side.LEFT if on_high_columns == towards_left else Side.RIGHT


UNKNOWN_ORIENTATION = Orientation(None, None, "none")
