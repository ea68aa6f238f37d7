"""Real films with a reader's points in, right / wrong / abstained per film out.

The reader's points are JSON files named like their images, see `pipeline.film_points`. The reader's
own error is 1-3 mm on good films; it is part of every error given here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fluorospread.evaluation.match import LevelMatch, distance_px, match_levels
from fluorospread.model.anatomy import JUNCTION_LEVELS, Level, Side
from fluorospread.model.case import CaseImage
from fluorospread.model.findings import Junction, LevelLabels, LevelStatus
from fluorospread.pipeline.film_points import FilmTruth

SCORED_LEVELS: tuple[Level, ...] = (Level.L1, Level.L2, Level.L3, Level.L4, Level.L5)


class FilmOutcome(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    ABSTAINED = "abstained"


@dataclass(frozen=True)
class FilmScore:
    """One film: `outcome` counts only statements made without reserve; `names_right` says whether the
    chain would have been right had it been stated. `truth`, `labels` and `junctions`: the reader's points and
    what was found, stored px."""

    name: str
    in_scope: bool
    status: LevelStatus
    outcome: FilmOutcome
    names_right: bool
    levels: LevelMatch
    center_errors_mm: tuple[float, ...]
    junction_errors_mm: tuple[float, ...]
    truth: FilmTruth
    labels: LevelLabels
    junctions: tuple[Junction, ...]

    @property
    def reason(self) -> str:
        return self.labels.reason


def score_film(image: CaseImage, truth: FilmTruth) -> FilmScore:
    """Compare what was found on one film with the reader's points.

    A film is right when the names are stated with confidence and every marked L1-L5 carries its own name;
    wrong when any does not; abstained when the status is not confident.
    """
    labels = image.levels
    if labels is None:
        raise ValueError(f"{image.path} was not measured, so it cannot be scored")
    scored = tuple(level for level in SCORED_LEVELS if level in truth.centers)
    match = match_levels(labels, truth.centers, scored)
    names_right = not match.wrong and not match.missed
    if labels.status is not LevelStatus.CONFIDENT:
        outcome = FilmOutcome.ABSTAINED
    else:
        outcome = FilmOutcome.RIGHT if names_right else FilmOutcome.WRONG
    errors: list[float] = []
    if truth.junctions_scored:
        for junction in image.junctions:
            if junction.level not in match.right or junction.level not in JUNCTION_LEVELS:
                continue
            center = truth.centers[junction.level]
            side = Side.IMAGE_LEFT if junction.point_px[1] < center[1] else Side.IMAGE_RIGHT
            true_point = truth.junctions.get((junction.level, side))
            if true_point is not None:
                errors.append(distance_px(junction.point_px, true_point) * truth.mm_per_px)
    return FilmScore(
        name=truth.name,
        in_scope=truth.in_scope,
        status=labels.status,
        outcome=outcome,
        names_right=names_right,
        levels=match,
        center_errors_mm=tuple(e * truth.mm_per_px for e in match.errors_px),
        junction_errors_mm=tuple(errors),
        truth=truth,
        labels=labels,
        junctions=tuple(image.junctions),
    )
