"""Watertight surfaces to a grid of voxels that say how much of each voxel's middle line lies inside.

Each column of voxels along y is one line through the patient from front to back. Where a face crosses it the
body begins or ends; the running sum along the line is the share of each voxel that is filled. Corners are
snapped to 1/4096 voxel and coverage has a top-left rule, as in `projection`, so shared edges count once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numba
import numpy as np
import numpy.typing as npt

from fluorospread.errors import UsageError
from fluorospread.simulation.anatomy.surface import Anatomy, Material, Surface
from fluorospread.simulation.beam_path import COMPOSITION_G_CM3
from fluorospread.simulation.spectrum import Substance, energies_kev, mass_attenuation_cm2_g, trabecular_mix
from fluorospread.simulation.triangle_coverage import STEPS, covered
from fluorospread.simulation.voxel_projection import VoxelVolume

FloatMap = npt.NDArray[np.float32]


@numba.njit(cache=True)
def _add_crossings(
    change: FloatMap,
    fixed: npt.NDArray[np.int64],
    depth: npt.NDArray[np.float64],
    faces: npt.NDArray[np.int32],
    value: float,
) -> None:
    """Add `value` where each face enters the body along y, and take it where it leaves.

    change: (z, x, y + 1), the derivative along y; fixed: (n, 2) z, x in 1/4096 voxel; depth: (n,) y in voxels.
    """
    rows, cols, layers = change.shape[0], change.shape[1], change.shape[2] - 1
    for f in range(faces.shape[0]):
        (i, j, k), area, turned, (top, bottom, first, last), start, down, right, least = covered(
            fixed, faces[f], rows, cols
        )
        sign = -value if turned else value
        for row in range(top, bottom + 1):
            for col in range(first, last + 1):
                e0 = start[0] + (row - top) * down[0] + (col - first) * right[0]
                e1 = start[1] + (row - top) * down[1] + (col - first) * right[1]
                e2 = start[2] + (row - top) * down[2] + (col - first) * right[2]
                if e0 < least[0] or e1 < least[1] or e2 < least[2]:
                    continue
                at = min(max((e0 * depth[i] + e1 * depth[j] + e2 * depth[k]) / area, -0.5), layers - 0.5)
                layer = min(int(at + 0.5), layers - 1)
                filled = layer + 0.5 - at
                change[row, col, layer] += sign * filled
                change[row, col, layer + 1] += sign * (1.0 - filled)


def filled_voxels(
    surfaces: Sequence[Surface],
    weights: Sequence[float],
    shape: tuple[int, int, int],
    first_mm: tuple[float, float, float],
    spacing_mm: tuple[float, float, float],
) -> FloatMap:
    """Weighted sum over surfaces of the share of each voxel that is inside, (z, y, x) float32.

    Parameters
    ----------
    shape
        (z, y, x) voxels.
    first_mm, spacing_mm
        Centre of the first voxel and distance of neighbours, (x, y, z).
    """
    if len(surfaces) != len(weights):
        raise UsageError(f"{len(surfaces)} surfaces need as many weights, got {len(weights)}")
    change = np.zeros((shape[0], shape[2], shape[1] + 1), dtype=np.float32)
    for surface, weight in zip(surfaces, weights, strict=True):
        at = (surface.vertices_mm - np.array(first_mm)) / np.array(spacing_mm)
        fixed = np.rint(at[:, [2, 0]] * STEPS).astype(np.int64)
        _add_crossings(change, fixed, at[:, 1].copy(), surface.faces.astype(np.int32), weight)
    filled = np.cumsum(change, axis=2, out=change)[:, :, :-1]
    return np.ascontiguousarray(filled.transpose(0, 2, 1))


def voxelised(
    anatomy: Anatomy,
    shape: tuple[int, int, int],
    first_mm: tuple[float, float, float],
    spacing_mm: tuple[float, float, float],
    energy_kev: float = 60.0,
) -> VoxelVolume:
    """An anatomy as linear attenuation at one photon energy, 1/mm, on a grid as `filled_voxels` has it.

    Like `beam_path.beam_path_g_cm2` without grain: what is nested replaces what surrounds it.
    """
    kev = energies_kev()
    if not kev[0] <= energy_kev <= kev[-1]:
        raise UsageError(f"photon energy must lie in {kev[0]:.0f}..{kev[-1]:.0f} keV, got {energy_kev}")

    def per_mm(grams_per_cm3: Mapping[Substance, float]) -> float:
        coefficients = (np.interp(energy_kev, kev, mass_attenuation_cm2_g(s)) * g for s, g in grams_per_cm3.items())
        return float(sum(coefficients)) / 10.0

    of = {material: per_mm(grams) for material, grams in COMPOSITION_G_CM3.items()}
    surfaces, weights = [], []
    around = 0.0
    if anatomy.skin is not None:
        around = of[Material.SOFT_TISSUE]
        surfaces.append(anatomy.skin)
        weights.append(around)
    for part in anatomy.soft_parts:
        surfaces.append(part.surface)
        weights.append(part.density_factor * of[part.material] - of[part.around])
    for bone in anatomy.bones:
        surfaces.append(bone.outer)
        weights.append(of[Material.CORTICAL_BONE] - around)
        if bone.inner is not None:
            surfaces.append(bone.inner)
            weights.append(per_mm(trabecular_mix(bone.trabecular_g_cm3)) - of[Material.CORTICAL_BONE])
    return VoxelVolume(filled_voxels(surfaces, weights, shape, first_mm, spacing_mm), first_mm, spacing_mm)
