"""How many natural logs one grey value of a displayed film is worth, from the contrast of its own vertebrae.

A film processed for display does not say. Lumbar bodies stand out from the tissue beside them by about the
same natural log in every adult at lumbar tube voltages, so their grey contrast gives the slope.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from fluorospread.errors import PolarityError, UsageError
from fluorospread.model.anatomy import Level
from fluorospread.model.geometry import PointPx

FloatMap = npt.NDArray[np.float32]
BoolMap = npt.NDArray[np.bool_]

# Natural log by which the middle of L2-L4 exceeds the flanks: median over 24 simulated adults (tuning people,
# as drawn for evaluation: 70-95 kV, scatter-to-primary 0.3-1), by `body_contrast` itself; 1 sd is 0.10.
BODY_CONTRAST_LOG = 0.42
# Levels whose flanks hold neither ribs nor iliac wings.
_LEVELS = (Level.L2, Level.L3, Level.L4)
_BODY_RADIUS_MM = 8.0
_FLANK_OFFSET_MM = 52.0
_FLANK_RADIUS_MM = 9.0


def body_contrast(
    image: FloatMap, open_field: BoolMap, centers: Mapping[Level, PointPx], mm_per_px: float
) -> float | None:
    """Median over L2-L4 of body minus flanks, in the image's unit; None where no such level and flank shows.

    Parameters
    ----------
    image
        (rows, cols), bone bright.
    centers
        Body centres (row, col).
    """
    found = []
    for level in _LEVELS:
        if level not in centers:
            continue
        row, col = centers[level]
        body = _patch(image, open_field, (row, col), _BODY_RADIUS_MM / mm_per_px)
        sides = (
            _patch(image, open_field, (row, col + sign * _FLANK_OFFSET_MM / mm_per_px), _FLANK_RADIUS_MM / mm_per_px)
            for sign in (-1, 1)
        )
        flanks = [flank for flank in sides if flank is not None]
        if body is not None and flanks:
            found.append(body - float(np.mean(flanks)))
    return float(np.median(found)) if found else None


def _patch(image: FloatMap, open_field: BoolMap, at: PointPx, radius_px: float) -> float | None:
    """Median of a disc; None where more than half of it lies outside the open field."""
    top, left = (max(int(v - radius_px), 0) for v in at)
    bottom, right = (max(int(v + radius_px) + 1, 0) for v in at)
    rows, cols = np.ogrid[top:bottom, left:right]
    window = image[top:bottom, left:right]
    disc = (rows - at[0]) ** 2 + (cols - at[1]) ** 2 <= radius_px**2
    disc = disc[: window.shape[0], : window.shape[1]] & open_field[top:bottom, left:right]
    enough = disc.sum() >= 0.5 * np.pi * radius_px**2
    return float(np.median(window[disc])) if enough else None


def log_per_unit(image: FloatMap, open_field: BoolMap, centers: Mapping[Level, PointPx], mm_per_px: float) -> float:
    """Natural logs per unit of a displayed image, bone bright.

    Raises
    ------
    PolarityError
        When vertebrae are darker than the tissue beside them.
    UsageError
        When no vertebra from L2 to L4 is marked with room beside it.
    """
    contrast = body_contrast(image, open_field, centers, mm_per_px)
    if contrast is None:
        raise UsageError("no body of L2 to L4 with open field beside it is marked; give --log-per-grey")
    if contrast <= 0:
        raise PolarityError(
            "the marked bodies are darker than the tissue beside them, so bone seems dark; give --polarity or "
            "--log-per-grey"
        )
    return BODY_CONTRAST_LOG / contrast
