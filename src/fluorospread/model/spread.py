"""How far the contrast spread: pools with measures, and coverage of each SAP-TP junction.

Every mm field is None when the image has no scale. Uncertainties are 1 sd.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.geometry import PointPx


@dataclass(frozen=True)
class Measured:
    """A number with its 1-sd uncertainty, in the unit its field name ends in."""

    value: float
    uncertainty: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and math.isfinite(self.uncertainty) and self.uncertainty >= 0):
            raise ValueError(f"expected a finite value and uncertainty >= 0, got {self.value} ± {self.uncertainty}")


class Answer(StrEnum):
    YES = "yes"
    NO = "no"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True)
class Pool:
    """Contrast on one side of the spine. Reaches run along the spine's axis from the needle tip
    (from the target junction where no tip is known). `side` is None when it cannot be told."""

    side: Side | None
    area_px: float
    centroid_px: PointPx
    outline_px: tuple[tuple[PointPx, ...], ...] = field(repr=False, default=())
    area_mm2: Measured | None = None
    craniocaudal_mm: Measured | None = None
    mediolateral_mm: Measured | None = None
    cranial_reach_mm: Measured | None = None
    caudal_reach_mm: Measured | None = None
    lateral_reach_mm: Measured | None = None
    iodine_mg: Measured | None = None
    levels_spanned: tuple[Level, ...] = ()
    relative_share: float | None = None
    """Share of all contrast signal that lies in this pool, 0..1."""


@dataclass(frozen=True)
class Coverage:
    """Whether contrast covers one junction. `fraction` is over a disc of 5 mm radius; `gap_mm` is the
    distance from the junction to the nearest contrast (0 when inside). None where unknown."""

    level: Level
    side: Side
    covered: Answer
    reason: str
    fraction: float | None = None
    gap_mm: float | None = None
    margin_px: float | None = None
    """Signed: distance inside the outline (> 0) or outside it (< 0)."""
    sigma_px: float | None = None
    """Combined 1-sd uncertainty the decision used."""


@dataclass(frozen=True)
class Spread:
    pools: tuple[Pool, ...]
    coverage: tuple[Coverage, ...]
