"""Real films with a reader's points in, right / wrong / abstained per film out.

The reader's points are JSON files named like their images: `vertebrae` and `junctions` ("L4_image_left") as
[row, col] in stored pixels or null, `body_width_px.L4` for the scale, `junction_quality`, `out_of_scope`.
The reader's own error is 1-3 mm on good films; it is part of every error given here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fluorospread.errors import CaseFileError
from fluorospread.evaluation.match import LevelMatch, distance_px, match_levels, vertebral_pitch_px
from fluorospread.model.anatomy import JUNCTION_LEVELS, Level, Side
from fluorospread.model.case import CaseImage
from fluorospread.model.findings import LevelStatus
from fluorospread.model.geometry import PointPx

# Mean width of the L4 end plate in adults, mm; gives films without spacing a scale (reader's instruction).
L4_WIDTH_MM = 48.0
# Where no L4 width was read: mean lumbar pitch of the same adults, mm.
LUMBAR_PITCH_MM = 36.0

SCORED_LEVELS: tuple[Level, ...] = (Level.L1, Level.L2, Level.L3, Level.L4, Level.L5)
_GOOD_ENOUGH = ("good", "fair")


class FilmOutcome(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    ABSTAINED = "abstained"


@dataclass(frozen=True)
class FilmTruth:
    """A reader's points on one film, stored pixels."""

    name: str
    centers: dict[Level, PointPx]
    junctions: dict[tuple[Level, Side], PointPx]
    mm_per_px: float
    junction_quality: str
    in_scope: bool

    @property
    def junctions_scored(self) -> bool:
        return self.junction_quality in _GOOD_ENOUGH


@dataclass(frozen=True)
class FilmScore:
    """One film: `outcome` counts only statements made without reserve; `names_right` says whether the
    chain would have been right had it been stated."""

    name: str
    in_scope: bool
    status: LevelStatus
    outcome: FilmOutcome
    names_right: bool
    levels: LevelMatch
    center_errors_mm: tuple[float, ...]
    junction_errors_mm: tuple[float, ...]
    reason: str


def read_film_truth(path: Path) -> FilmTruth:
    """Read one annotation file.

    Raises
    ------
    CaseFileError
        When it is not such a file.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        centers = {Level(name): (float(p[0]), float(p[1])) for name, p in raw["vertebrae"].items() if p is not None}
        junctions: dict[tuple[Level, Side], PointPx] = {}
        for name, point in raw["junctions"].items():
            level, _, side = name.partition("_")
            if point is not None:
                junctions[Level(level), Side(side.replace("_", "-"))] = (float(point[0]), float(point[1]))
        width_px = raw["body_width_px"].get("L4")
        quality = str(raw["junction_quality"])
        in_scope = bool(raw["usable"]) and raw["out_of_scope"] == "none"
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise CaseFileError(
            f"{path} is not a reader's annotation: {error!r}. Expected JSON with vertebrae, junctions, body_width_px, "
            "junction_quality, usable and out_of_scope."
        ) from error
    mm_per_px = L4_WIDTH_MM / float(width_px) if width_px else LUMBAR_PITCH_MM / vertebral_pitch_px(centers)
    return FilmTruth(path.stem, centers, junctions, mm_per_px, quality, in_scope)


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
        reason=labels.reason,
    )
