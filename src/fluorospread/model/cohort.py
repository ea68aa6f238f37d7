"""A cohort as its manifest describes it: who was treated, in which group, with which pain scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from fluorospread.errors import CaseError


@dataclass(frozen=True)
class CohortCase:
    """One procedure of one patient, without its images.

    Attributes
    ----------
    case_id, patient
        `patient` ties several cases of one person together; statistics resample by it.
    group
        E.g. "ultrasound"; empty where the cohort has one group.
    excluded
        Why the case is not verified (e.g. "previous lumbar surgery"); empty where it is.
    vas
        Pain scores by occasion ("rest", "motion") and hours after the block, 0 being before it; in the
        unit of the cohort's `vas_maximum`. Lower is better.
    complications
        None where nobody recorded whether there were any; empty where there were none.
    measured
        Readers' own measures of the spread: reader, measure (`area_mm2`, `craniocaudal_mm`, …), side, value.
    """

    case_id: str
    patient: str
    group: str = ""
    excluded: str = ""
    age_years: float | None = None
    sex: str = ""
    vas: Mapping[str, Mapping[float, float]] = field(default_factory=dict)
    complications: tuple[str, ...] | None = None
    measured: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Cohort:
    """Cases in the order of their manifest. `vas_maximum` is 10 or 100, None where no score is given.

    Raises
    ------
    CaseError
        Two cases share a name (whatever its case), or a score does not lie on the declared scale.
    """

    name: str
    cases: tuple[CohortCase, ...]
    vas_maximum: float | None = None

    def __post_init__(self) -> None:
        names = [case.case_id.casefold() for case in self.cases]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise CaseError(f"{self.name}: several cases are called {', '.join(twice)}; each needs a name of its own")
        for case in self.cases:
            for occasion, scores in case.vas.items():
                self._check_scores(f"{self.name}: {case.case_id}: VAS {occasion}", scores)

    def _check_scores(self, where: str, scores: Mapping[float, float]) -> None:
        if self.vas_maximum is None:
            raise CaseError(f"{where}: declare vas_maximum (10 or 100), so that scores have a unit")
        for time_h, score in scores.items():
            if not (math.isfinite(time_h) and time_h >= 0 and 0 <= score <= self.vas_maximum):
                raise CaseError(f"{where}: {score:g} at {time_h:g} h; expected 0 to {self.vas_maximum:g} from 0 h on")
