"""Nested surfaces replace what surrounds them, in grams per square centimetre."""

import numpy as np
import pytest

from fluorospread.simulation.anatomy.surface import Anatomy, Bone, Material, SoftPart, Surface
from fluorospread.simulation.beam_path import TissueTexture, beam_path_g_cm2
from fluorospread.simulation.projection import CArm
from fluorospread.simulation.spectrum import Substance, trabecular_mix

CARM = CArm(1000.0, 750.0, (1.0, 1.0), 101, 101)


def box(x: float, y: float, z: float, at_x: float = 0.0) -> Surface:
    corners = np.array([[i * x + at_x, j * y, k * z] for i in (-0.5, 0.5) for j in (-0.5, 0.5) for k in (-0.5, 0.5)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return Surface(corners, np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], dtype=np.int32))


def person(bones: tuple[Bone, ...] = (), parts: tuple[SoftPart, ...] = (), skin: bool = True) -> Anatomy:
    return Anatomy("box", "test", bones, box(300, 200, 300) if skin else None, parts, {}, 5)


def centre(anatomy: Anatomy, texture: TissueTexture | None = None) -> dict[Substance, float]:
    return {s: float(m[50, 50]) for s, m in beam_path_g_cm2(anatomy, CARM, texture).items()}


def test_a_body_of_soft_tissue_weighs_its_thickness_times_density() -> None:
    assert centre(person()) == pytest.approx({Substance.SOFT_TISSUE: 20 * 1.06}, rel=1e-5)


def test_bone_is_a_cortical_shell_about_a_trabecular_core_and_takes_the_tissues_place() -> None:
    found = centre(person((Bone("L4", box(50, 40, 30), box(46, 36, 26), 1.12),)))
    mix = trabecular_mix(1.12)
    assert found[Substance.SOFT_TISSUE] == pytest.approx(16 * 1.06, rel=1e-5)
    # 4 mm of cortex and 36 mm of spongy bone.
    assert found[Substance.CORTICAL_BONE] == pytest.approx(0.4 * 1.92 + 3.6 * mix[Substance.CORTICAL_BONE], rel=1e-4)
    assert found[Substance.RED_MARROW] == pytest.approx(3.6 * mix[Substance.RED_MARROW], rel=1e-4)


def test_a_core_that_reaches_beyond_its_surface_is_cut_there() -> None:
    path = beam_path_g_cm2(person((Bone("L4", box(50, 40, 30), box(46, 36, 60), 1.12),)), CARM)
    matrix = path[Substance.RED_MARROW]
    # The shadow of 30 mm at a magnification of 4/3 is 40 px high.
    assert matrix[50 - 17 : 50 + 18, 50].min() > 0.1
    assert not matrix[: 50 - 23, 50].any()
    assert not matrix[50 + 24 :, 50].any()


def test_a_bone_without_core_is_solid() -> None:
    found = centre(person((Bone("rib12.left", box(50, 10, 10), None),)))
    assert found[Substance.CORTICAL_BONE] == pytest.approx(1.92, rel=1e-4)


def test_bone_in_air_takes_no_tissue_away() -> None:
    assert Substance.SOFT_TISSUE not in centre(person((Bone("L4", box(50, 40, 30), None),), skin=False))


def test_gas_replaces_tissue_by_almost_nothing() -> None:
    found = centre(person(parts=(SoftPart("gas", box(40, 30, 40), Material.GAS, Material.SOFT_TISSUE),)))
    assert found[Substance.SOFT_TISSUE] == pytest.approx(17 * 1.06, rel=1e-5)
    assert found[Substance.AIR] == pytest.approx(3 * 0.0012, rel=1e-3)


def test_a_lung_is_thinner_tissue() -> None:
    part = SoftPart("lung", box(40, 30, 40), Material.SOFT_TISSUE, Material.SOFT_TISSUE, 0.35)
    assert centre(person(parts=(part,)))[Substance.SOFT_TISSUE] == pytest.approx((17 + 3 * 0.35) * 1.06, rel=1e-5)


def test_gas_moves_between_images_and_fat_does_not() -> None:
    gas = SoftPart("gas", box(10, 30, 40), Material.GAS, Material.SOFT_TISSUE)
    fat = SoftPart("fat", box(10, 30, 40), Material.FAT, Material.SOFT_TISSUE)
    shifted = beam_path_g_cm2(person(parts=(gas, fat)), CARM, gas_shift_mm=(20.0, 0.0, 0.0))
    assert shifted[Substance.AIR][50, 50] == 0
    assert shifted[Substance.AIR][50, 50 + 27] > 0
    assert shifted[Substance.FAT][50, 50] > 0


def test_grain_leaves_the_mean_mass_and_roughens_it() -> None:
    anatomy = person((Bone("L4", box(60, 40, 60), box(56, 36, 56), 1.15),))
    texture = TissueTexture.sample(np.random.default_rng(0))
    window = (slice(25, 76), slice(25, 76))
    smooth = beam_path_g_cm2(anatomy, CARM)[Substance.CORTICAL_BONE][window]
    grained = beam_path_g_cm2(anatomy, CARM, texture)[Substance.CORTICAL_BONE][window]
    assert grained.mean() == pytest.approx(smooth.mean(), rel=0.03)
    assert 0.03 < (grained / smooth).std() < 0.2


def test_grain_belongs_to_the_patient_and_moves_with_it() -> None:
    anatomy = person((Bone("L4", box(80, 2, 80), box(79, 1.9, 79), 1.15),), skin=False)
    texture = TissueTexture.sample(np.random.default_rng(0))
    # 7.5 mm at the isocentre are 10 pixels of 1 mm at the detector.
    moved = CArm(1000.0, 750.0, (1.0, 1.0), 101, 101, isocentre_mm=(7.5, 0.0, 0.0))
    here = beam_path_g_cm2(anatomy, CARM, texture)[Substance.CORTICAL_BONE]
    there = beam_path_g_cm2(anatomy, moved, texture)[Substance.CORTICAL_BONE]
    np.testing.assert_allclose(there[30:70, 20:60], here[30:70, 30:70], rtol=2e-3)
