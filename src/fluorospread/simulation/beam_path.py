"""An anatomy and a C-arm pose to grams per square centimetre of every substance along each pixel's ray.

A nested surface replaces what surrounds it, so tissue under a bone or gas is taken out again. Bone and soft
tissue get a random grain fixed to the patient: without it bone looks like glass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.simulation.anatomy.surface import Anatomy, Bone, Material, SoftPart
from fluorospread.simulation.projection import CArm, WindowMap, window_thickness_mm
from fluorospread.simulation.spectrum import DENSITY_G_CM3, Substance, trabecular_mix
from fluorospread.simulation.textures import PlaneTexture, grain

FloatMap = npt.NDArray[np.float32]

# Grams of each substance in one cm³ of a material. Stool: water and residue; barium: a usual 100 % w/v meal.
COMPOSITION_G_CM3: dict[Material, dict[Substance, float]] = {
    Material.SOFT_TISSUE: {Substance.SOFT_TISSUE: DENSITY_G_CM3[Substance.SOFT_TISSUE]},
    Material.MUSCLE: {Substance.MUSCLE: DENSITY_G_CM3[Substance.MUSCLE]},
    Material.FAT: {Substance.FAT: DENSITY_G_CM3[Substance.FAT]},
    Material.CORTICAL_BONE: {Substance.CORTICAL_BONE: DENSITY_G_CM3[Substance.CORTICAL_BONE]},
    Material.TRABECULAR_BONE: trabecular_mix(1.12),
    Material.GAS: {Substance.AIR: DENSITY_G_CM3[Substance.AIR]},
    Material.STOOL: {Substance.SOFT_TISSUE: 0.85, Substance.CALCIUM_CARBONATE: 0.01},
    Material.CALCIFICATION: {Substance.HYDROXYAPATITE: 0.8, Substance.SOFT_TISSUE: 0.7},
    Material.STEEL: {Substance.STEEL: DENSITY_G_CM3[Substance.STEEL]},
    Material.TITANIUM: {Substance.TITANIUM: DENSITY_G_CM3[Substance.TITANIUM]},
    Material.BARIUM: {Substance.BARIUM_SULFATE: 1.0, Substance.WATER: 0.78},
}

_GRAIN_MM = 0.25
_GRAIN_SAMPLES = 512


@dataclass(frozen=True)
class Grain:
    """How uneven tissue is, as 1 sd of what a ray crosses, relative.

    Chosen so that vertebral bodies beside each other on simulated and real films look alike.
    """

    trabecular: float = 0.14
    cortical: float = 0.10
    soft_tissue: float = 0.014


@dataclass(frozen=True)
class TissueTexture:
    """Grain of one patient; draw it once per case, so that every image shows the same bone."""

    trabecular: FloatMap
    cortical: FloatMap
    soft_tissue: FloatMap
    offsets_mm: npt.NDArray[np.float64]

    @classmethod
    def sample(cls, rng: np.random.Generator, strength: Grain | None = None) -> TissueTexture:
        """A patient's grain: trabeculae with vertical and horizontal struts, uneven cortex, mottled gut."""
        chosen = Grain() if strength is None else strength
        shape = (_GRAIN_SAMPLES, _GRAIN_SAMPLES)

        def octave(*sigma_mm: float) -> FloatMap:
            return grain(rng, shape, [s / _GRAIN_MM for s in sigma_mm])

        spongy = 0.55 * octave(0.35, 0.35) + 0.55 * octave(2.2, 0.3) + 0.35 * octave(0.3, 1.6) + 0.45 * octave(2.5, 2.5)
        cortex = 0.8 * octave(0.5, 0.5) + 0.6 * octave(2.0, 2.0)
        mottle = 0.55 * octave(4.0, 4.0) + 0.75 * octave(11.0, 11.0) + 0.2 * octave(1.2, 1.2)
        # Rows of the field run along z at 0.25 mm for bone; soft tissue is read at four times that scale.
        return cls(
            (chosen.trabecular * spongy).astype(np.float32),
            (chosen.cortical * cortex).astype(np.float32),
            (chosen.soft_tissue * mottle).astype(np.float32),
            rng.uniform(0.0, _GRAIN_SAMPLES * _GRAIN_MM, (64, 2)),
        )

    def bone(self, kind: str, index: int, depth_y_mm: float, carm: CArm, window: WindowMap) -> FloatMap:
        """Factor around 1 for a bone's window; each bone reads its own part of the field."""
        x, z = self.offsets_mm[index % len(self.offsets_mm)]
        field = self.trabecular if kind == "trabecular" else self.cortical
        return 1.0 + PlaneTexture((-float(x), depth_y_mm, -float(z)), _GRAIN_MM, field).seen(carm, window.slices)

    def tissue(self, carm: CArm) -> FloatMap:
        """Factor around 1 for soft tissue over the whole detector."""
        middle = float(carm.isocentre_mm[1]) - 50.0
        return 1.0 + PlaneTexture((0.0, middle, 0.0), 2 * _GRAIN_MM, self.soft_tissue).seen(carm)


class _Path:
    """Collects maps by substance."""

    def __init__(self, carm: CArm) -> None:
        self.carm = carm
        self.maps: dict[Substance, FloatMap] = {}

    def add(self, window: WindowMap, g_cm3: dict[Substance, float], factor: float = 1.0) -> None:
        for substance, density in g_cm3.items():
            if substance not in self.maps:
                self.maps[substance] = np.zeros((self.carm.rows, self.carm.cols), dtype=np.float32)
            window.add_to(self.maps[substance], factor * density / 10.0)


def beam_path_g_cm2(
    anatomy: Anatomy,
    carm: CArm,
    texture: TissueTexture | None = None,
    gas_shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> dict[Substance, FloatMap]:
    """Grams per cm² of every substance, (rows, cols) float32 each, along each pixel's ray.

    Parameters
    ----------
    gas_shift_mm
        How far bowel gas has moved since the anatomy was made, x, y, z.
    """
    path = _Path(carm)
    if anatomy.skin is not None:
        skin = window_thickness_mm([anatomy.skin], carm)
        path.add(skin, COMPOSITION_G_CM3[Material.SOFT_TISSUE])
    for part in anatomy.soft_parts:
        _add_part(path, part, gas_shift_mm)
    if texture is not None and Substance.SOFT_TISSUE in path.maps:
        path.maps[Substance.SOFT_TISSUE] *= texture.tissue(carm)
    for index, bone in enumerate(anatomy.bones):
        _add_bone(path, bone, index, texture, replaces_tissue=anatomy.skin is not None)
    return path.maps


def _add_part(path: _Path, part: SoftPart, gas_shift_mm: tuple[float, float, float]) -> None:
    surface = part.surface
    if part.material is Material.GAS and any(gas_shift_mm):
        move = np.eye(4)
        move[:3, 3] = gas_shift_mm
        surface = surface.moved(move)
    window = window_thickness_mm([surface], path.carm)
    path.add(window, COMPOSITION_G_CM3[part.around], -1.0)
    path.add(window, COMPOSITION_G_CM3[part.material], part.density_factor)


def _add_bone(path: _Path, bone: Bone, index: int, texture: TissueTexture | None, replaces_tissue: bool) -> None:
    outer = window_thickness_mm([bone.outer], path.carm)
    if not outer.values.size:
        return
    if replaces_tissue:
        path.add(outer, COMPOSITION_G_CM3[Material.SOFT_TISSUE], -1.0)
    depth_y_mm = float(bone.outer.vertices_mm[:, 1].mean())
    cortical = outer.values.copy()
    if bone.inner is not None:
        # Where a thin cortex was smoothed, the core of a scanned bone can reach a pixel beyond its surface.
        inner = window_thickness_mm([bone.inner], path.carm).cut_to(outer)
        if inner.values.size:
            row, col = (i - o for i, o in zip(inner.origin_px, outer.origin_px, strict=True))
            rows, cols = inner.values.shape
            cortical[row : row + rows, col : col + cols] -= inner.values
            _add_trabecular(path, bone, index, texture, inner, depth_y_mm)
    if texture is not None:
        cortical *= texture.bone("cortical", index + 31, depth_y_mm, path.carm, outer)
    path.add(WindowMap(outer.origin_px, cortical), COMPOSITION_G_CM3[Material.CORTICAL_BONE])


def _add_trabecular(
    path: _Path, bone: Bone, index: int, texture: TissueTexture | None, inner: WindowMap, depth_y_mm: float
) -> None:
    mix = trabecular_mix(bone.trabecular_g_cm3)
    matrix = {Substance.CORTICAL_BONE: mix.pop(Substance.CORTICAL_BONE)}
    path.add(inner, mix)
    if texture is not None:
        uneven = texture.bone("trabecular", index, depth_y_mm, path.carm, inner)
        inner = WindowMap(inner.origin_px, inner.values * np.maximum(uneven, 0.0))
    path.add(inner, matrix)
