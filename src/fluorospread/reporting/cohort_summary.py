"""Case results one at a time in, one small row each out: what the cohort's tables need and no more.

Results are read, reduced and let go, so a cohort of any size is summarised in flat memory. The atlas adds
up contrast masks on the drawn spine as it goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import PROVISIONAL, CaseResult
from fluorospread.model.cohort import CohortCase
from fluorospread.model.findings import NotFound
from fluorospread.model.spread import Answer, Pool
from fluorospread.model.verdict import CriterionResult, Outcome
from fluorospread.reporting.exposure_summary import NOTHING_KNOWN, CaseExposure, case_exposure
from fluorospread.reporting.spine_diagram import VIEW_MM, SpineMap, map_to_spine

SPREAD_MEASURES: dict[str, tuple[str, str]] = {
    "area_mm2": ("Area", "mm²"),
    "craniocaudal_mm": ("Craniocaudal extent", "mm"),
    "mediolateral_mm": ("Mediolateral extent", "mm"),
    "cranial_reach_mm": ("Cranial reach", "mm"),
    "caudal_reach_mm": ("Caudal reach", "mm"),
    "lateral_reach_mm": ("Lateral reach", "mm"),
    "iodine_mg": ("Iodine", "mg"),
}
# Stands for the program among those who answered and measured.
SOFTWARE = "software"
# A finer grid would only show the fit's own error of a few millimetres.
_GRID_MM = 1.0


@dataclass(frozen=True)
class CohortEntry:
    """One case as the report gets it: exactly one of `result`, `failure` and the case's `excluded` is set.
    `link` is the address of the case's own report relative to the cohort's, or empty. `answers` and `measures` (mm)
    are what software and blind readers said, by who said it and what was asked; `not_blind` readers are in neither.
    `decision` is the readers' in words."""

    case: CohortCase
    result: CaseResult | None = None
    failure: str = ""
    link: str = ""
    answers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    measures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    not_blind: tuple[str, ...] = ()
    decision: str = ""


@dataclass(frozen=True)
class Row:
    """What the tables keep of one case. `punctures`: side, level or None, at target, distance in mm or None.
    `coverage`: level, side, covered. `spread`: side, measure, value. `open_criteria`, `unmet_criteria`: name and
    reason. `exposure` is the whole case's. The rest as in `CohortEntry`."""

    case: CohortCase
    failure: str
    link: str
    outcome: Outcome | None = None
    puncture: Outcome | None = None
    coverage_outcome: Outcome | None = None
    protocol: str = ""
    software: str = ""
    punctures: tuple[tuple[Side, Level | None, Answer, float | None], ...] = ()
    coverage: tuple[tuple[Level, Side, Answer], ...] = ()
    spread: tuple[tuple[Side, str, float], ...] = ()
    open_criteria: tuple[tuple[str, str], ...] = ()
    unmet_criteria: tuple[tuple[str, str], ...] = ()
    answers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    measures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    not_blind: tuple[str, ...] = ()
    decision: str = ""
    exposure: CaseExposure = NOTHING_KNOWN

    @property
    def judged(self) -> bool:
        return self.outcome is not None


@dataclass
class Atlas:
    """Contrast of all cases on the drawn spine: `counts` holds, for each cell of 1 mm, how many of the
    `drawn` cases have contrast there. `left_out` names cases with contrast that could not be placed."""

    drawn: int = 0
    counts: npt.NDArray[np.int32] = field(
        default_factory=lambda: np.zeros((round(VIEW_MM[3] / _GRID_MM), round(VIEW_MM[2] / _GRID_MM)), np.int32)
    )
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def add(self, result: CaseResult) -> None:
        """Add one case's contrast, where it has any."""
        if not result.contrast.pools or result.contrast.image is None:
            return
        if result.contrast_is_provisional:
            self.left_out.append((result.case_id, f"its outline is {PROVISIONAL}; no spread or coverage is counted"))
            return
        image = result.images[result.contrast.image]
        fit = map_to_spine(image)
        if isinstance(fit, NotFound):
            self.left_out.append((result.case_id, fit.reason))
            return
        if image.orientation.columns_towards is None:
            self.left_out.append((result.case_id, "the patient's left and right are not known"))
            return
        covered = np.zeros(self.counts.shape, dtype=np.bool_)
        for pool in result.contrast.pools:
            covered |= _raster(pool, fit, self.counts.shape)
        self.counts += covered
        self.drawn += 1


@dataclass(frozen=True)
class CohortSummary:
    """Rows in the order of the cohort, and the atlas."""

    rows: tuple[Row, ...]
    atlas: Atlas

    @property
    def judged(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.judged)


def summarise_cohort(entries: Iterable[CohortEntry]) -> CohortSummary:
    """Reduce every entry to its row; each result is let go before the next is taken."""
    atlas = Atlas()
    rows = []
    for entry in entries:
        if entry.result is not None:
            atlas.add(entry.result)
        rows.append(_row(entry))
    return CohortSummary(tuple(rows), atlas)


def _row(entry: CohortEntry) -> Row:
    result = entry.result
    if result is None:
        return Row(entry.case, entry.failure, entry.link)
    used = result.software
    return Row(
        case=entry.case,
        failure="",
        link=entry.link,
        outcome=result.verdict.outcome,
        puncture=result.verdict.puncture,
        coverage_outcome=result.verdict.coverage,
        protocol=result.protocol_name,
        software=f"{used.name} {used.version}, weights {used.weights_sha256[:12] or 'none'}",
        punctures=tuple((p.side, p.level, p.at_target, p.distance_mm) for p in result.punctures),
        coverage=tuple((level, side, covered) for (level, side), covered in result.stated_coverage().items()),
        spread=tuple(
            (pool.side, name, measured.value)
            for pool in _counted_pools(result)
            for name in SPREAD_MEASURES
            if pool.side is not None and (measured := getattr(pool, name)) is not None
        ),
        open_criteria=_criteria(result, CriterionResult.UNDETERMINED),
        unmet_criteria=_criteria(result, CriterionResult.NOT_MET),
        answers=entry.answers,
        measures=_measures(entry),
        not_blind=entry.not_blind,
        decision=entry.decision,
        exposure=case_exposure(result),
    )


def _counted_pools(result: CaseResult) -> tuple[Pool, ...]:
    return () if result.contrast_is_provisional else result.contrast.pools


def _criteria(result: CaseResult, kind: CriterionResult) -> tuple[tuple[str, str], ...]:
    return tuple((c.name, c.reason) for c in result.verdict.criteria if c.result is kind)


def _measures(entry: CohortEntry) -> dict[str, Mapping[str, float]]:
    """What readers marked and the manifest's readers measured, beside the same of the software."""
    found = {source: dict(values) for source, values in entry.measures.items()}
    for reader, measured in entry.case.measured.items():
        for name, by_side in measured.items():
            label, unit = SPREAD_MEASURES[name]
            for side, value in by_side.items():
                found.setdefault(reader, {})[f"{label}, {side} ({unit})"] = value
    if entry.case.measured and entry.result is not None:
        for pool in _counted_pools(entry.result):
            for name, (label, unit) in SPREAD_MEASURES.items():
                value_found = getattr(pool, name)
                if pool.side is not None and value_found is not None:
                    found.setdefault(SOFTWARE, {})[f"{label}, {pool.side} ({unit})"] = value_found.value
    return dict(found)


def _raster(pool: Pool, fit: SpineMap, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """The pool on the atlas grid; an inner ring is a hole, as in the outline itself."""
    from PIL import Image, ImageDraw

    left, top, _, _ = VIEW_MM
    filled = np.zeros(shape, dtype=np.bool_)
    for ring in pool.outline_px:
        if len(ring) < 3:
            continue
        placed = fit.place(np.array(ring))
        corners = [((right - left) / _GRID_MM - 0.5, (down - top) / _GRID_MM - 0.5) for down, right in placed]
        canvas = Image.new("1", (shape[1], shape[0]))
        ImageDraw.Draw(canvas).polygon(corners, fill=1)
        filled ^= np.asarray(canvas, dtype=np.bool_)
    return filled
