"""A reader's points on a real film, from a JSON file named like the film.

Keys: `vertebrae` ("L4") and `junctions` ("L4_image_left") as [row, col] in the film's stored pixels or null,
`body_width_px.L4` for the scale (or null), `junction_quality` ("good", "fair", "poor"), `usable`, and
`out_of_scope` ("none", or why the film is no adult frontal one). Others are ignored. docs/implant.md shows a file.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fluorospread.errors import CaseFileError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.geometry import PointPx

# Mean width of the L4 end plate in adults, mm; gives films without spacing a scale (reader's instruction).
L4_WIDTH_MM = 48.0
# Where no L4 width was read: mean lumbar pitch of the same adults, mm.
LUMBAR_PITCH_MM = 36.0

_GOOD_ENOUGH = ("good", "fair")


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
        mm_per_px = L4_WIDTH_MM / float(width_px) if width_px else LUMBAR_PITCH_MM / _pitch_px(centers)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise CaseFileError(
            f"{path} is not a reader's annotation: {error!r}. Expected JSON with vertebrae, junctions, body_width_px, "
            "junction_quality, usable and out_of_scope."
        ) from error
    return FilmTruth(path.stem, centers, junctions, mm_per_px, quality, in_scope)


def _pitch_px(centers: Mapping[Level, PointPx]) -> float:
    """Median distance of neighbouring centres."""
    ordered = sorted(centers.values())
    if len(ordered) < 2:
        raise ValueError("a scale needs body_width_px.L4 or two vertebrae")
    return statistics.median(math.dist(a, b) for a, b in itertools.pairwise(ordered))
