"""How many natural logs one grey value of a displayed film is worth, from the contrast of its own vertebrae.

A film processed for display does not say. Lumbar bodies stand out from the tissue just beside them by about the
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

# Natural log by which a lumbar body exceeds the tissue just beside it: median over 16 simulated adults (tuning
# people, as drawn for evaluation: 70-95 kV, scatter-to-primary 0.3-1), by `body_contrast` itself; 1 sd is 0.055.
BODY_CONTRAST_LOG = 0.29
# A frontal film of an adult shows between black and white (1st and 99th percentile) at least and at most so much.
_LOG_RANGE = (1.0, 5.0)
# Levels without ribs at their sides or iliac wings behind.
_LEVELS = (Level.L1, Level.L2, Level.L3, Level.L4)
# Half a centimetre below the body's centre, under the root of the transverse process: places within the body and
# beside it, from the midline. Close to its edge, because shading and gas change slowly or not at all across it.
_BELOW_MM = 5.0
_INSIDE_MM, _INSIDE_RADIUS_MM = 15.0, 5.0
_BESIDE_MM, _BESIDE_RADIUS_MM = 31.0, 4.0


def body_contrast(
    image: FloatMap, open_field: BoolMap, centers: Mapping[Level, PointPx], mm_per_px: float
) -> float | None:
    """Median step from beside a body to within it, over both sides of L1-L4, in the image's unit; None where none
    of them shows.

    Parameters
    ----------
    image
        (rows, cols), bone bright.
    centers
        Body centres (row, col), feet towards high rows.
    """
    steps = []
    for level in _LEVELS:
        if level not in centers:
            continue
        row, col = centers[level][0] + _BELOW_MM / mm_per_px, centers[level][1]
        for sign in (-1, 1):
            within = (row, col + sign * _INSIDE_MM / mm_per_px)
            beside = (row, col + sign * _BESIDE_MM / mm_per_px)
            body = _patch(image, open_field, within, _INSIDE_RADIUS_MM / mm_per_px)
            tissue = _patch(image, open_field, beside, _BESIDE_RADIUS_MM / mm_per_px)
            if body is not None and tissue is not None:
                steps.append(body - tissue)
    return float(np.median(steps)) if steps else None


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
    """Natural logs per unit of a displayed image, bone bright, kept to what films of adults can show.

    Raises
    ------
    PolarityError
        When vertebrae are darker than the tissue beside them.
    UsageError
        When no vertebra from L1 to L4 is marked with room beside it.
    """
    contrast = body_contrast(image, open_field, centers, mm_per_px)
    if contrast is None:
        raise UsageError("no body of L1 to L4 with open field beside it is marked; give --log-per-grey")
    if contrast <= 0:
        raise PolarityError(
            "the marked bodies are darker than the tissue beside them, so bone seems dark; give --polarity or "
            "--log-per-grey"
        )
    low, high = np.percentile(image[open_field], (1, 99))
    shown = max(float(high - low), 1e-9)
    return float(np.clip(BODY_CONTRAST_LOG / contrast, _LOG_RANGE[0] / shown, _LOG_RANGE[1] / shown))
