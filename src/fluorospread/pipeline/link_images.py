"""Two images of a finished case in, the alignment that carried findings from one to the other out.

case.json does not hold alignments. But carried points are exact images of each other under one affine map, so
the map is recovered from them; findings located in each image on its own never fit one that well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.model.case import CaseImage, CaseResult
from fluorospread.model.geometry import PointPx

# Carried points agree to rounding (1e-9 px or so); two independent readings of one spine differ by pixels.
_SAME_PX = 0.01
# An affine map fits any three points.
_FEWEST_POINTS = 4


@dataclass(frozen=True)
class Link:
    """Where a point of one image lies in another: `matrix` is 2x3, other (row, col) = matrix @ (row, col, 1)."""

    matrix: npt.NDArray[np.float64]

    def carry(self, point: PointPx) -> PointPx:
        row, col = self.matrix @ np.array([point[0], point[1], 1.0])
        return float(row), float(col)

    def find(self, point: PointPx, others: tuple[PointPx, ...]) -> int | None:
        """Index of the point among `others` that `point` was carried to (or from); None where there is none."""
        there = np.array(self.carry(point))
        near = [i for i, other in enumerate(others) if np.hypot(*(there - np.array(other))) < _SAME_PX]
        return near[0] if near else None


def link_images(case: CaseResult, image: int) -> dict[int, Link]:
    """The other images that share their findings with image `image`, by index."""
    mine = _named_points(case.images[image])
    found: dict[int, Link] = {}
    for index, other in enumerate(case.images):
        theirs = _named_points(other)
        shared = sorted(mine.keys() & theirs.keys())
        if index == image or len(shared) < _FEWEST_POINTS:
            continue
        here = np.array([(*mine[name], 1.0) for name in shared])
        there = np.array([theirs[name] for name in shared])
        solution, _, rank, _ = np.linalg.lstsq(here, there, rcond=None)
        if rank == 3 and float(np.abs(here @ solution - there).max()) < _SAME_PX:
            found[index] = Link(solution.T)
    return found


def _named_points(image: CaseImage) -> dict[str, PointPx]:
    points = {f"{j.level} {j.side}": j.point_px for j in image.junctions}
    if image.levels is not None:
        points |= {v.level.value: v.center_px for v in image.levels.vertebrae}
    return points
