"""A bank of injected contrast in the frame of the spine, from the plume families kept for tuning."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fluorospread.model.anatomy import Level
from fluorospread.simulation.cases import PLUME_FAMILIES, Split, sample_spreads
from fluorospread.simulation.contrast import areal_iodine_mg_cm2, make_plume
from fluorospread.simulation.projection import CArm

Floats = npt.NDArray[np.float64]
# Layers are SIZE squares whose middle lies half-way between the bodies of L4 and L5; rows run along the spine,
# caudal down.
SIZE = 192
MM_PER_PX = 0.9
PITCH_MM = 36.0
# Junctions beside and above the middle of their bodies, mm: mean and 1 sd over people, sides alike.
_LATERAL_MM = {Level.L3: 21.0, Level.L4: 23.0, Level.L5: 27.0, Level.S1: 27.0}
_CRANIAL_MM, _SD_MM = 4.0, 3.0
_BODY_Z_MM = {Level.L3: 1.5 * PITCH_MM, Level.L4: 0.5 * PITCH_MM, Level.L5: -0.5 * PITCH_MM, Level.S1: -1.4 * PITCH_MM}
# A beam so long that the layers are parallel projections.
_FAR_MM = 1e6


def _junctions(rng: np.random.Generator) -> dict[str, Floats]:
    marks = {}
    for level, lateral in _LATERAL_MM.items():
        wide, high = rng.normal(lateral, _SD_MM), rng.normal(_CRANIAL_MM, _SD_MM)
        for side, sign in (("left", 1.0), ("right", -1.0)):
            at = sign * (wide + rng.normal(0, 1.0)), 0.0, _BODY_Z_MM[level] + high + rng.normal(0, 1.0)
            marks[f"{level.value}.junction.{side}"] = np.array(at)
    return marks


def plume_bank(count: int, seed: int) -> npt.NDArray[np.float16]:
    """`count` injections, (count, SIZE, SIZE) in mg/cm2 of iodine; most on both sides, some on one."""
    rng = np.random.default_rng([seed, 7])
    spacing = MM_PER_PX * 1.001
    carm = CArm(1.001 * _FAR_MM, _FAR_MM, (spacing, spacing), SIZE, SIZE, beam="AP")
    layers = np.empty((count, SIZE, SIZE), np.float16)
    for layer in layers:
        marks = _junctions(rng)
        spreads = sample_spreads(rng, PLUME_FAMILIES[Split.TUNING])
        layer[...] = areal_iodine_mg_cm2([make_plume(marks, spread, rng) for spread in spreads], carm)
    return layers
