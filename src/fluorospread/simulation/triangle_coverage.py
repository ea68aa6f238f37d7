"""Which points of a grid a triangle covers, with a top-left rule: a shared edge belongs to one side only.

Corners are integers in 1/4096 of the grid's step, so every edge value is exact.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

STEPS = 4096
"""Of a grid step, in which corners are given."""


@numba.njit(cache=True)
def covered(fixed: npt.NDArray[np.int64], face: npt.NDArray[np.int32], rows: int, cols: int) -> Any:
    """Window and edge values of one triangle, its corners put in one sense of rotation.

    fixed: (n, 2) row, col in 1/4096 of a step; face: (3,) corners.

    Returns
    -------
    corners (3,), doubled area, turned (bool: the sense was the other one), window (top, bottom, first, last; the
    last ones included, empty when nothing is covered), and for each edge its value at the window's first point, the
    change to the next row, to the next column, and the least value of a covered point. The values of the three edges
    over the area are the weights of the corners.
    """
    i, j, k = face[0], face[1], face[2]
    r0, c0, r1, c1, r2, c2 = fixed[i, 0], fixed[i, 1], fixed[j, 0], fixed[j, 1], fixed[k, 0], fixed[k, 1]
    area = (c1 - c0) * (r2 - r0) - (r1 - r0) * (c2 - c0)
    turned = area < 0
    if turned:
        r1, c1, r2, c2 = r2, c2, r1, c1
        j, k = k, j
        area = -area
    top = max(-((-min(r0, r1, r2)) // STEPS), 0)
    bottom = min(max(r0, r1, r2) // STEPS, rows - 1)
    first = max(-((-min(c0, c1, c2)) // STEPS), 0)
    last = min(max(c0, c1, c2) // STEPS, cols - 1)
    if area == 0:
        bottom = top - 1
    d0r, d0c, d1r, d1c, d2r, d2c = r2 - r1, c2 - c1, r0 - r2, c0 - c2, r1 - r0, c1 - c0
    y, x = top * STEPS, first * STEPS
    start = (
        d0c * (y - r1) - d0r * (x - c1),
        d1c * (y - r2) - d1r * (x - c2),
        d2c * (y - r0) - d2r * (x - c0),
    )
    # Edge values are >= 0 inside; an edge that is not top or left loses its border.
    least = (
        0 if (d0r < 0 or (d0r == 0 and d0c > 0)) else 1,
        0 if (d1r < 0 or (d1r == 0 and d1c > 0)) else 1,
        0 if (d2r < 0 or (d2r == 0 and d2c > 0)) else 1,
    )
    down = (d0c * STEPS, d1c * STEPS, d2c * STEPS)
    right = (-d0r * STEPS, -d1r * STEPS, -d2r * STEPS)
    return (i, j, k), area, turned, (top, bottom, first, last), start, down, right, least
