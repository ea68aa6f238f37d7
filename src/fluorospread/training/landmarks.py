"""What the networks are taught to find, in the order of their output channels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fluorospread.landmarks.network import LEVEL_CHANNELS
from fluorospread.simulation.anatomy.surface import Anatomy

# Levels whose junctions are taught by close-ups, counted upwards from S1 (0).
CLOSE_UP_STEPS = (0, 1, 2, 3, 4)


def names_upwards(lumbar_count: int) -> list[str]:
    """S1, then the vertebrae upwards from the last lumbar one; seven of them."""
    lumbar = [f"L{i}" for i in range(lumbar_count, 0, -1)]
    upwards = [*lumbar, "T12", "T11", "T10", "T9"]
    return ["S1", *upwards[:7]]


def channel_points(anatomy: Anatomy) -> tuple[list[npt.NDArray[np.float64] | None], list[bool]]:
    """Patient points (3,) of the level network's channels but the iliac crests' sides, and which are known.

    A point is None where the anatomy does not have it; it is unknown where it may be there unmarked.
    """
    marks = anatomy.landmarks_mm
    bone_names = {bone.name for bone in anatomy.bones}
    points: list[npt.NDArray[np.float64] | None] = []
    known: list[bool] = []
    for name in names_upwards(anatomy.lumbar_count):
        point = marks.get(f"{name}.center")
        points.append(point)
        known.append(point is not None or name not in bone_names)
    points.append(marks.get("S2.center"))
    known.append(True)
    ribs = [n for n in (12, 11) if any(f"rib{n}.{side}" in bone_names for side in ("left", "right"))]
    points.append(marks.get(f"T{ribs[0]}.center") if ribs else None)
    known.append(True)
    points.extend(marks.get(f"iliac_crest.{side}") for side in ("left", "right"))
    known.extend([True, True])
    if len(points) != len(LEVEL_CHANNELS):
        raise ValueError(f"{len(points)} points for {len(LEVEL_CHANNELS)} channels")
    return points, known
