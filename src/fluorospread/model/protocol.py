"""What a procedure set out to do: target, junctions to cover, tolerance, contrast. One TOML file each."""

from __future__ import annotations

from dataclasses import dataclass

from fluorospread.errors import ProtocolError
from fluorospread.model.anatomy import Level, Side


@dataclass(frozen=True)
class ContrastDose:
    """What was injected per side. Iodine is a plausibility check only and never fits a mass."""

    agent: str
    volume_ml_per_side: float
    iodine_mg_per_ml: float
    """In the injected mixture, after dilution with the anaesthetic."""

    @property
    def iodine_mg_per_side(self) -> float:
        return self.volume_ml_per_side * self.iodine_mg_per_ml


@dataclass(frozen=True)
class Wording:
    """What meeting the protocol means, in the words of its readers; shown, never evaluated."""

    puncture: str = ""
    coverage: str = ""
    tolerance: str = ""
    """Where the radius comes from."""


@dataclass(frozen=True)
class Protocol:
    """A protocol as read from its TOML file.

    Attributes
    ----------
    target_level, target_sides
        Where each puncture must be.
    further_target_levels
        Levels that need a puncture of their own on every target side, besides `target_level`
        (a facet is supplied by two medial branches).
    tolerance_mm
        Radius r about the target junction; our choice, not the study's.
    covered_levels
        Junctions that contrast must cover, on every target side.
    sha256
        Of the TOML file's bytes.
    """

    name: str
    title: str
    target_level: Level
    target_sides: tuple[Side, ...]
    tolerance_mm: float
    covered_levels: tuple[Level, ...]
    dose: ContrastDose | None
    source: str
    sha256: str
    further_target_levels: tuple[Level, ...] = ()
    wording: Wording = Wording()

    @property
    def target_levels(self) -> tuple[Level, ...]:
        """Every level that needs a puncture, the main target first."""
        return (self.target_level, *self.further_target_levels)

    def __post_init__(self) -> None:
        if not 0 < self.tolerance_mm <= 50:
            raise ProtocolError(f"{self.name}: tolerance_mm must lie in 0..50, got {self.tolerance_mm}")
        if not self.target_sides or not all(side.of_patient for side in self.target_sides):
            raise ProtocolError(f"{self.name}: target_sides must be left and/or right, got {self.target_sides}")
