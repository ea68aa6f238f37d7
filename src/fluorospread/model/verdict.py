"""What is concluded: puncture levels, flags, criteria, outcome. The software proposes, a reader decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.geometry import PointPx
from fluorospread.model.spread import Answer

RESEARCH_USE_ONLY = "Research use only, not for diagnosis."
STANDING_SENTENCE = f"In frontal projection; depth not verified. {RESEARCH_USE_ONLY}"


class Outcome(StrEnum):
    VERIFIED = "verified"
    NOT_VERIFIED = "not-verified"
    UNDETERMINED = "undetermined"
    NOT_APPLICABLE = "not-applicable"


class CriterionResult(StrEnum):
    MET = "met"
    NOT_MET = "not-met"
    UNDETERMINED = "undetermined"
    NOT_APPLICABLE = "not-applicable"


class PunctureSource(StrEnum):
    """What the puncture level rests on, strongest first."""

    NEEDLE_TIP = "needle-tip"
    CINE_ORIGIN = "cine-origin"
    CONTRAST_EPICENTRE = "contrast-epicentre"
    NONE = "none"


@dataclass(frozen=True)
class Puncture:
    """One puncture. `level` is None when it cannot be told; `distance_mm` is to the target junction's
    nearest junction `level`, None without a scale."""

    side: Side
    level: Level | None
    source: PunctureSource
    at_target: Answer
    reason: str
    distance_mm: float | None = None
    sigma_mm: float | None = None
    distance_px: float | None = None


@dataclass(frozen=True)
class Flag:
    """Something a reader must look at. Worded as suspected or cannot be excluded, never excluded.

    `outline_px` goes around what raised it, in the image that shows the contrast; empty where nothing can be pointed
    at. `frame` is the frame of a run that shows it best, None where it is the one that was measured. `picture` is the
    PNG's name beside case.json.
    """

    code: str
    evidence: str
    outline_px: tuple[tuple[PointPx, ...], ...] = field(repr=False, default=())
    frame: int | None = None
    picture: str | None = None


@dataclass(frozen=True)
class Criterion:
    name: str
    result: CriterionResult
    reason: str

    @property
    def is_coverage(self) -> bool:
        """Asks for contrast over a junction; every other criterion asks for a puncture."""
        return self.name.startswith(_COVERAGE_PREFIX)


_COVERAGE_PREFIX = "contrast over the "


def puncture_criterion_name(level: Level, side: Side) -> str:
    return f"puncture at {level.value}, {side.value}"


def coverage_criterion_name(level: Level, side: Side) -> str:
    return f"{_COVERAGE_PREFIX}{level.value} junction, {side.value}"


@dataclass(frozen=True)
class Verdict:
    outcome: Outcome
    puncture: Outcome
    coverage: Outcome
    criteria: tuple[Criterion, ...]

    def __post_init__(self) -> None:
        if self.outcome is Outcome.NOT_APPLICABLE:
            raise ValueError("the outcome of a case is verified, not-verified or undetermined")
