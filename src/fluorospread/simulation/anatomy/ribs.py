"""The lowest ribs as curved flat tubes around an elliptic chest, from the vertebra they hang on.

Given and returned in the common axes (x left, y backwards, z towards the head); mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluorospread.simulation.anatomy.implicit import ImplicitPart, Vector, vector
from fluorospread.simulation.anatomy.surface import Surface


@dataclass(frozen=True)
class RibShape:
    """One rib.

    head, tubercle: on the vertebral body and at the transverse process; chest_center: of the ellipse
    (x, y) in mm; chest_half: half width and half depth (mm); sweep_deg: how far round it goes from
    the back's midline; drop_mm_per_deg: its descent; height_mm: of its section (8-14).
    """

    head: Vector
    tubercle: Vector
    chest_center: tuple[float, float]
    chest_half: tuple[float, float]
    sweep_deg: float
    drop_mm_per_deg: float
    height_mm: float = 11.0


def rib_course(shape: RibShape, sign: float) -> Vector:
    """Centre line (n, 3) from head to tip; sign: +1 left, -1 right."""
    half_w, half_d = shape.chest_half
    offset = sign * (shape.tubercle[0] - shape.chest_center[0])
    first = float(np.rad2deg(np.arcsin(np.clip((offset + 16.0) / half_w, 0.05, 0.9))))
    degrees = np.linspace(first, max(shape.sweep_deg, first + 8.0), 16)
    angle = np.deg2rad(degrees)
    round_chest = np.stack(
        [
            shape.chest_center[0] + sign * half_w * np.sin(angle),
            shape.chest_center[1] + half_d * np.cos(angle),
            shape.tubercle[2] - 4.0 - shape.drop_mm_per_deg * (degrees - first) * (1.0 + (degrees - first) / 250.0),
        ],
        axis=1,
    )
    knots = np.vstack([shape.head, shape.tubercle, round_chest])
    from scipy.interpolate import CubicSpline

    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    course: Vector = CubicSpline(length, knots, axis=0)(np.arange(0.0, length[-1], 5.0))
    return course


def build_rib(shape: RibShape, sign: float, grid_mm: float) -> tuple[Surface, Surface | None, Vector]:
    """Outer and inner surface of a rib and its tip."""
    course = rib_course(shape, sign)
    reach = shape.height_mm + 4.0
    part = ImplicitPart(course.min(axis=0) - reach, course.max(axis=0) + reach, grid_mm)
    high = 0.5 * shape.height_mm
    steps = len(course) - 1
    growth = np.clip(0.62 + np.arange(steps + 1) / 14.0, 0.0, 1.0)
    growth *= np.clip(1.15 - 0.5 * np.clip((np.arange(steps + 1) / steps - 0.8) / 0.2, 0.0, 1.0), 0.0, 1.0)
    for n in range(steps):
        here, after = high * growth[n], high * growth[n + 1]
        thin = 0.62 if n > 4 else 0.85
        # The section stays upright; its flat side faces the chest.
        part.add(course[n], course[n + 1], (here, thin * here, after, thin * after), vector(0, 0, 1), 2.0, 1.1)
    return part.outer(), part.inner(), course[-1].copy()
