"""Where an image and its findings lie in the viewer: upright, in millimetres where the scale is known.

Layers keep stored pixels as their data, `(row, col)`; only `scale` and `affine` place them. An image whose
rows run towards the head is turned by 180 degrees. It is never mirrored: a mirrored image swaps the sides
and makes burned-in letters unreadable.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from fluorospread.model.geometry import Geometry, GeometrySource, Orientation, RowsTowards

# A scale guessed from vertebral pitch is about 10 % off; a scale bar cannot say so, so it stays in pixels.
_NOT_FOR_A_SCALE_BAR = (GeometrySource.NONE, GeometrySource.ESTIMATED_FROM_ANATOMY)


def shown_in_mm(geometries: Iterable[Geometry]) -> bool:
    """Whether images can share one scale bar in mm: every one of them carries a scale of its own."""
    geometries = tuple(geometries)
    return bool(geometries) and all(geometry.source not in _NOT_FOR_A_SCALE_BAR for geometry in geometries)


def placement(
    geometry: Geometry, orientation: Orientation, shape: tuple[int, int], in_mm: bool, leading_axes: int = 0
) -> dict[str, Any]:
    """napari's `scale`, `affine` and `units` for a layer on an image of `shape` (rows, cols).

    `leading_axes` is 1 for a cine, whose first axis counts frames.
    """
    spacing = geometry.spacing_patient_mm if in_mm and geometry.spacing_patient_mm else (1.0, 1.0)
    affine = np.eye(3 + leading_axes)
    if orientation.rows_towards is RowsTowards.HEAD:
        for axis in range(2):
            affine[leading_axes + axis, leading_axes + axis] = -1.0
            affine[leading_axes + axis, -1] = (shape[axis] - 1) * spacing[axis]
    unit = "mm" if in_mm else "pixel"
    return {
        "scale": (1.0,) * leading_axes + spacing,
        "affine": affine,
        "units": ("pixel",) * leading_axes + (unit, unit),
    }
