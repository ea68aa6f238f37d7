"""Scores of many cases in, rates with intervals and error quantiles out.

Rates carry 95 % Clopper-Pearson intervals; the unit (image, case, junction) stands in each name. A *silent
error* is a statement made without reserve that is wrong: a level called confident, a coverage or a
puncture decided, a case verified that is not. Lower is better for errors, abstentions and silent errors;
higher for everything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from fluorospread.evaluation.match import LevelMatch
from fluorospread.model.findings import LevelStatus
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import Outcome
from fluorospread.statistics.intervals import Proportion, clopper_pearson

# A mass of iodine this near, as a fraction, counts as right.
_NEAR_IODINE = 0.15


@dataclass(frozen=True)
class ImageScore:
    """One image against its truth. Errors are in mm in the patient plane by the *true* scale."""

    name: str
    status: LevelStatus
    levels: LevelMatch
    center_errors_mm: tuple[float, ...] = ()
    junction_errors_mm: tuple[float, ...] = ()
    junctions_within_sigma: tuple[bool, ...] = ()
    """Whether each error lay within the uncertainty stated for it (68 % of 2-D errors should)."""
    tip_errors_mm: tuple[float, ...] = ()
    tips_missed: int = 0
    tips_false: int = 0
    tips_within_sigma: tuple[bool, ...] = ()
    """Whether each tip's error lay within the uncertainty stated for it."""
    searched: bool = False
    """Whether needles were looked for in it; only a search can miss or invent one."""

    @property
    def silent_level_error(self) -> bool:
        return self.status is LevelStatus.CONFIDENT and self.levels.any_wrong


@dataclass(frozen=True)
class DecisionScore:
    """A yes/no/undetermined statement against what is true."""

    name: str
    said: Answer
    true: Answer

    @property
    def decided(self) -> bool:
        return self.said is not Answer.UNDETERMINED

    @property
    def wrong(self) -> bool:
        return self.decided and self.said is not self.true


@dataclass(frozen=True)
class IodineScore:
    """Iodine of all pools of a case, its stated 1 sd, and what was injected, mg."""

    found_mg: float
    uncertainty_mg: float
    true_mg: float

    @property
    def relative_error(self) -> float:
        return abs(self.found_mg / self.true_mg - 1.0)

    @property
    def within_two_sd(self) -> bool:
        return abs(self.found_mg - self.true_mg) <= 2.0 * self.uncertainty_mg


@dataclass(frozen=True)
class CaseScore:
    """One case against its truth; `failure` is the error that stopped it, empty when it ran."""

    case_id: str
    expected: Outcome
    found: Outcome | None = None
    images: tuple[ImageScore, ...] = ()
    contrast_there: bool | None = None
    """Whether an image shows contrast; None when nothing was imaged after it."""
    contrast_found: bool = False
    dice: float | None = None
    area_ratio: float | None = None
    """Area found over the true one; None where either is missing."""
    iodine: IodineScore | None = None
    """None where no absolute iodine was stated, or what was injected did not all stay."""
    method: str = ""
    """How contrast was looked for."""
    implanted: bool = False
    """Needles and contrast were put into a real film."""
    coverage: tuple[DecisionScore, ...] = ()
    coverage_at_true_junctions: tuple[DecisionScore, ...] = ()
    """The same answers where the junctions lie in truth, so that errors of contrast and of labels come apart."""
    punctures: tuple[DecisionScore, ...] = ()
    flags: tuple[DecisionScore, ...] = ()
    """What was suspected of each kind of aberrant flow, and what was there; a flag is never a statement without
    reserve, so a wrong one is no silent error."""
    failure: str = ""

    @property
    def silent_errors(self) -> tuple[str, ...]:
        """Everything said without reserve that is wrong, in words."""
        found: list[str] = []
        found += [f"level names on {image.name}" for image in self.images if image.silent_level_error]
        found += [f"coverage {d.name}: said {d.said}, true {d.true}" for d in self.coverage if d.wrong]
        found += [f"puncture {d.name}: said {d.said}, true {d.true}" for d in self.punctures if d.wrong]
        if self.found not in (None, Outcome.UNDETERMINED, self.expected):
            found.append(f"verdict: said {self.found}, true {self.expected}")
        return tuple(found)


@dataclass(frozen=True)
class ErrorSummary:
    """Quantiles of an error in mm; None when there is none to summarise."""

    count: int
    median_mm: float | None
    p95_mm: float | None

    @classmethod
    def of(cls, errors_mm: Iterable[float]) -> ErrorSummary:
        values = np.asarray(list(errors_mm), dtype=np.float64)
        if values.size == 0:
            return cls(0, None, None)
        return cls(int(values.size), float(np.median(values)), float(np.percentile(values, 95)))


@dataclass(frozen=True)
class Rate:
    """k of n with its interval; `interval` is None when nothing was counted."""

    count: int
    of: int
    interval: Proportion | None = field(repr=False)

    @classmethod
    def count_true(cls, answers: Iterable[bool]) -> Rate:
        values = list(answers)
        k, n = sum(values), len(values)
        return cls(k, n, clopper_pearson(k, n) if n else None)

    def __str__(self) -> str:
        if self.interval is None:
            return "none"
        low, high = 100 * self.interval.low, 100 * self.interval.high
        return f"{self.count}/{self.of} = {100 * self.interval.value:.1f} % ({low:.1f}–{high:.1f})"


@dataclass(frozen=True)
class FlagRates:
    """How often one kind of aberrant flow was suspected where it was (`found`) and not where it was not (`spared`)."""

    kind: str
    found: Rate
    spared: Rate

    @classmethod
    def of(cls, kind: str, flags: Sequence[DecisionScore]) -> FlagRates:
        own = [flag for flag in flags if flag.name == kind]
        return cls(
            kind,
            Rate.count_true(flag.said is Answer.YES for flag in own if flag.true is Answer.YES),
            Rate.count_true(flag.said is Answer.NO for flag in own if flag.true is Answer.NO),
        )


@dataclass(frozen=True)
class Summary:
    """All scores of a set of cases, step by step."""

    cases: int
    failures: tuple[str, ...]
    images_confident: Rate
    images_abstained: Rate
    vertebrae_right: Rate
    vertebrae_right_when_confident: Rate
    center_error: ErrorSummary
    junction_error: ErrorSummary
    junctions_within_sigma: Rate
    tip_error: ErrorSummary
    tips_missed: Rate
    tips_false: int
    tips_within_sigma: Rate
    images_with_false_tip: Rate
    dice_median: float | None
    dice_p5: float | None
    area_error_median: float | None
    iodine_error_median: float | None
    iodine_near: Rate
    """Cases whose iodine is within 15 % of what was injected."""
    iodine_within_two_sd: Rate
    contrast_missed: Rate
    contrast_false: Rate
    coverage_right: Rate
    coverage_undetermined: Rate
    coverage_true_junctions_right: Rate
    coverage_true_junctions_undetermined: Rate
    punctures_right: Rate
    punctures_undetermined: Rate
    verdict_right: Rate
    verdict_undetermined: Rate
    silent_level_errors: Rate
    silent_errors: Rate
    silent_error_list: tuple[str, ...]
    flags: tuple[FlagRates, ...]


def _vertebrae(images: Sequence[ImageScore]) -> list[bool]:
    return [
        ok
        for i in images
        for ok in [True] * len(i.levels.right) + [False] * (len(i.levels.wrong) + len(i.levels.missed))
    ]


def summarise(scores: Sequence[CaseScore]) -> Summary:
    """Summarise case scores; broken cases are listed and count in no rate."""
    ran = [s for s in scores if not s.failure]
    images = [i for s in ran for i in s.images]
    confident = [i for i in images if i.status is LevelStatus.CONFIDENT]
    coverage = [d for s in ran for d in s.coverage]
    punctures = [d for s in ran for d in s.punctures]
    flags = [flag for s in ran for flag in s.flags]
    at_truth = [d for s in ran for d in s.coverage_at_true_junctions]
    # Contrast that was there and not found overlaps by nothing.
    dices = [s.dice or 0.0 for s in ran if s.contrast_there is True]
    area_errors = [abs(s.area_ratio - 1.0) for s in ran if s.area_ratio is not None]
    iodine = [s.iodine for s in ran if s.iodine is not None]
    tips_there = sum(len(i.tip_errors_mm) + i.tips_missed for i in images)
    missed = sum(i.tips_missed for i in images)
    return Summary(
        cases=len(scores),
        failures=tuple(f"{s.case_id}: {s.failure}" for s in scores if s.failure),
        images_confident=Rate.count_true(i.status is LevelStatus.CONFIDENT for i in images),
        images_abstained=Rate.count_true(i.status is not LevelStatus.CONFIDENT for i in images),
        vertebrae_right=Rate.count_true(_vertebrae(images)),
        vertebrae_right_when_confident=Rate.count_true(_vertebrae(confident)),
        center_error=ErrorSummary.of(e for i in images for e in i.center_errors_mm),
        junction_error=ErrorSummary.of(e for i in images for e in i.junction_errors_mm),
        junctions_within_sigma=Rate.count_true(ok for i in images for ok in i.junctions_within_sigma),
        tip_error=ErrorSummary.of(e for i in images for e in i.tip_errors_mm),
        tips_missed=Rate.count_true([True] * missed + [False] * (tips_there - missed)),
        tips_false=sum(i.tips_false for i in images),
        tips_within_sigma=Rate.count_true(ok for i in images for ok in i.tips_within_sigma),
        images_with_false_tip=Rate.count_true(i.tips_false > 0 for i in images if i.searched),
        dice_median=float(np.median(dices)) if dices else None,
        dice_p5=float(np.percentile(dices, 5)) if dices else None,
        area_error_median=float(np.median(area_errors)) if area_errors else None,
        iodine_error_median=float(np.median([i.relative_error for i in iodine])) if iodine else None,
        iodine_near=Rate.count_true(i.relative_error <= _NEAR_IODINE for i in iodine),
        iodine_within_two_sd=Rate.count_true(i.within_two_sd for i in iodine),
        contrast_missed=Rate.count_true(not s.contrast_found for s in ran if s.contrast_there is True),
        contrast_false=Rate.count_true(s.contrast_found for s in ran if s.contrast_there is False),
        coverage_right=Rate.count_true(not d.wrong for d in coverage if d.decided),
        coverage_undetermined=Rate.count_true(not d.decided for d in coverage),
        coverage_true_junctions_right=Rate.count_true(not d.wrong for d in at_truth if d.decided),
        coverage_true_junctions_undetermined=Rate.count_true(not d.decided for d in at_truth),
        punctures_right=Rate.count_true(not d.wrong for d in punctures if d.decided),
        punctures_undetermined=Rate.count_true(not d.decided for d in punctures),
        verdict_right=Rate.count_true(s.found is s.expected for s in ran if s.found is not Outcome.UNDETERMINED),
        verdict_undetermined=Rate.count_true(s.found is Outcome.UNDETERMINED for s in ran),
        silent_level_errors=Rate.count_true(i.silent_level_error for i in images),
        silent_errors=Rate.count_true(bool(s.silent_errors) for s in ran),
        silent_error_list=tuple(f"{s.case_id}: {e}" for s in ran for e in s.silent_errors),
        flags=tuple(FlagRates.of(kind, flags) for kind in dict.fromkeys(flag.name for flag in flags)),
    )
