"""A pool of contrast as a line along the spine's axis, from its cranial to its caudal end. Pure; points (row, col)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL
from fluorospread.model.case import CaseImage
from fluorospread.model.geometry import PointPx
from fluorospread.model.spread import Pool


@dataclass(frozen=True)
class SpreadAxis:
    """Ends of the line, and the craniocaudal extent in words; empty words without a scale."""

    cranial_px: PointPx
    caudal_px: PointPx
    extent: str


def spread_axis(pool: Pool, image: CaseImage) -> SpreadAxis | None:
    """The line through the pool's centroid; None for a pool without an outline or a spine without an axis.

    The spine's axis is the least-squares line of the body centres over their level, as for the measures.
    """
    vertebrae = image.levels.vertebrae if image.levels is not None else ()
    outline = np.array([point for ring in pool.outline_px for point in ring], dtype=np.float64).reshape(-1, 2)
    if len(vertebrae) < 2 or not len(outline):
        return None
    unit = np.array(image.geometry.spacing_patient_mm or (1.0, 1.0))
    centres = np.array([v.center_px for v in vertebrae]) * unit
    rank = np.array([CRANIAL_TO_CAUDAL.index(v.level) for v in vertebrae], dtype=np.float64)
    slope = ((rank - rank.mean())[:, None] * (centres - centres.mean(axis=0))).sum(axis=0)
    length = float(np.hypot(*slope))
    if length == 0:
        return None
    caudal = slope / length
    centroid = np.array(pool.centroid_px) * unit
    along = (outline * unit - centroid) @ caudal
    first, last = ((centroid + caudal * end) / unit for end in (along.min(), along.max()))
    extent = pool.craniocaudal_mm
    return SpreadAxis(
        (float(first[0]), float(first[1])),
        (float(last[0]), float(last[1])),
        "" if extent is None else f"{extent.value:.0f} ± {extent.uncertainty:.0f} mm",
    )
