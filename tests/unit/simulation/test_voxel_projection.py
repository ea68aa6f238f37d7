"""Voxel line integrals against path lengths known from geometry and against the mesh rasteriser."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from fluorospread.errors import GeometryError, UsageError
from fluorospread.simulation import spectrum
from fluorospread.simulation.anatomy.surface import Anatomy, Bone, Material, SoftPart, Surface
from fluorospread.simulation.beam_path import beam_path_g_cm2
from fluorospread.simulation.projection import CArm, thickness_mm
from fluorospread.simulation.voxel_projection import VoxelProjector, VoxelVolume
from fluorospread.simulation.voxelise import filled_voxels, voxelised

SHAPE, FIRST, SPACING = (70, 60, 80), (-40.0, -30.0, -35.0), (1.0, 1.0, 1.0)
VIEW = CArm(1000.0, 750.0, (1.1, 1.1), 60, 64)


def box(size: tuple[float, float, float], at: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Surface:
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]) * size + at
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], dtype=np.int32)
    surface = Surface(corners, faces)
    return surface if surface.volume_mm3() > 0 else Surface(corners, faces[:, ::-1].copy())


def ball(radius: float) -> Surface:
    rings, around = 60, 90
    polar, turn = np.linspace(0, np.pi, rings + 1)[1:-1], np.arange(around) * 2 * np.pi / around
    points = np.stack(
        [np.outer(np.sin(polar), np.cos(turn)), np.outer(np.sin(polar), np.sin(turn)),
         np.repeat(np.cos(polar)[:, None], around, 1)], -1
    ).reshape(-1, 3)  # fmt: skip
    here = np.arange(around)
    after = (here + 1) % around
    faces = []
    for n in range(rings - 2):
        low, high = n * around, (n + 1) * around
        faces += [
            np.stack([low + here, high + here, high + after], 1),
            np.stack([low + here, high + after, low + after], 1),
        ]
    end = (rings - 2) * around
    faces += [
        np.stack([np.full(around, len(points)), here, after], 1),
        np.stack([np.full(around, len(points) + 1), end + after, end + here], 1),
    ]
    vertices = radius * np.concatenate([points, [[0, 0, 1.0], [0, 0, -1.0]]])
    surface = Surface(vertices, np.concatenate(faces).astype(np.int32))
    return surface if surface.volume_mm3() > 0 else Surface(vertices, surface.faces[:, ::-1].copy())


def smooth_ball(radius: float) -> VoxelVolume:
    """A ball whose rim falls off over one voxel, as its partial volumes do."""
    z, y, x = np.indices(SHAPE)
    distance = np.sqrt((x + FIRST[0]) ** 2 + (y + FIRST[1]) ** 2 + (z + FIRST[2]) ** 2)
    return VoxelVolume(np.clip(radius + 0.5 - distance, 0, 1).astype(np.float32), FIRST, SPACING)


def chord_mm(carm: CArm, radius: float) -> np.ndarray:
    """Length of each ray in a ball about the origin."""
    rows, cols = np.indices((carm.rows, carm.cols))
    pixels = np.stack([rows.ravel(), cols.ravel()], axis=1).astype(float)
    rays = carm.unproject(pixels, carm.sid_mm) - carm.source_mm
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    nearest = np.linalg.norm(np.cross(rays, carm.source_mm), axis=1)
    return (2 * np.sqrt(np.clip(radius**2 - nearest**2, 0, None))).reshape(carm.rows, carm.cols)


@pytest.mark.parametrize(
    "pose",
    [
        {},
        {"beam": "AP"},
        {"axial_deg": 20.0, "sagittal_deg": -15.0, "roll_deg": 7.0},
        {"axial_deg": 90.0},
        {"roll_deg": 90.0},
        {"axial_deg": 30.0, "sagittal_deg": 44.0},
    ],
)
def test_a_ball_is_as_thick_as_its_chords_from_any_side(pose):
    carm = dataclasses.replace(VIEW, **pose)
    found = VoxelProjector(smooth_ball(22.0)).line_integrals(carm)
    expected = chord_mm(carm, 22.0)
    # Half a voxel at each end of a chord, more only where rays graze the rim.
    assert np.abs(found - expected)[expected > 15].max() < 0.8
    assert found.sum() == pytest.approx(expected.sum(), rel=0.005)


def test_unequal_voxels_change_no_length():
    z, y, x = np.indices((35, 60, 40))
    distance = np.sqrt((2 * x - 40.0) ** 2 + (y - 30.0) ** 2 + (2 * z - 35.0) ** 2)
    volume = VoxelVolume(np.clip(22.5 - distance, 0, 1).astype(np.float32), (-40.0, -30.0, -35.0), (2.0, 1.0, 2.0))
    for pose in ({}, {"axial_deg": 90.0}):
        carm = dataclasses.replace(VIEW, **pose)
        found, expected = VoxelProjector(volume).line_integrals(carm), chord_mm(carm, 22.0)
        assert np.abs(found - expected)[expected > 20].max() < 1.2
        assert found.sum() == pytest.approx(expected.sum(), rel=0.01)


def test_a_box_is_as_thick_as_it_is_deep_times_the_slant():
    surface = box((50.0, 30.0, 40.0))
    volume = VoxelVolume(filled_voxels([surface], [1.0], SHAPE, FIRST, SPACING), FIRST, SPACING)
    middle = VoxelProjector(volume).line_integrals(VIEW)[20:40, 20:44]
    rows, cols = np.indices(middle.shape)
    down, along = (rows + 20 - 29.5) * 1.1 / 1000.0, (cols + 20 - 31.5) * 1.1 / 1000.0
    assert middle == pytest.approx(30.0 * np.sqrt(1 + down**2 + along**2), abs=0.01)


@pytest.mark.parametrize("pose", [{}, {"axial_deg": 25.0, "sagittal_deg": 10.0}])
def test_voxels_and_meshes_agree(pose):
    carm = dataclasses.replace(VIEW, **pose)
    for surface in (ball(24.0), box((31.0, 22.0, 37.0), (5.3, -2.2, 1.4))):
        volume = VoxelVolume(filled_voxels([surface], [1.0], SHAPE, FIRST, SPACING), FIRST, SPACING)
        voxels, mesh = VoxelProjector(volume).line_integrals(carm), thickness_mm(surface, carm)
        # Away from the shadow's rim, where a voxel covers what a ray just misses. A face that lies between two
        # voxels' middle lines moves by up to half a voxel.
        inside = binary_erosion(mesh > 0, iterations=3)
        assert np.abs(voxels - mesh)[inside].mean() < 0.6
        assert voxels.sum() == pytest.approx(mesh.sum(), rel=0.01)


def test_voxels_hold_the_surfaces_volume():
    surface = box((31.4, 22.2, 37.7), (5.3, -2.2, 1.4))
    filled = filled_voxels([surface], [1.0], SHAPE, FIRST, SPACING)
    assert float(filled.min()) > -1e-5
    assert float(filled.max()) < 1 + 1e-5
    # Exact along y; across it voxels count by their middle line, so faces may shift by half a voxel.
    assert filled.sum() == pytest.approx(31 * 22.2 * 38, rel=1e-4)


def test_a_cavity_is_taken_out_and_what_sticks_out_is_cut():
    outer, inner = box((400.0, 20.0, 400.0)), box((10.0, 10.0, 10.0))
    filled = filled_voxels([outer, inner], [1.0, -1.0], SHAPE, FIRST, SPACING)
    assert filled[35, 30, 40] == pytest.approx(0.0, abs=1e-5)
    assert filled[0, 30, 0] == pytest.approx(1.0)
    assert filled[35, 5, 40] == 0.0


def test_an_anatomy_of_voxels_attenuates_like_its_meshes():
    anatomy = Anatomy(
        "boxes", "test", (Bone("L4", box((20, 20, 20)), box((16, 16, 16))),), box((60, 50, 60)),
        (SoftPart("gas", box((8, 8, 8), (20, 15, 18)), Material.GAS, Material.SOFT_TISSUE),), {}, 5,
    )  # fmt: skip
    carm = dataclasses.replace(VIEW, rows=40, cols=40, detector_spacing_mm=(1.3, 1.3))
    found = VoxelProjector(voxelised(anatomy, SHAPE, FIRST, SPACING, 60.0)).line_integrals(carm)
    path = beam_path_g_cm2(anatomy, carm)
    expected = sum(
        np.interp(60.0, spectrum.energies_kev(), spectrum.mass_attenuation_cm2_g(s)) * areal
        for s, areal in path.items()
    )
    assert found[20, 20] == pytest.approx(expected[20, 20], rel=0.01)
    assert found.mean() == pytest.approx(expected.mean(), rel=0.01)
    with pytest.raises(UsageError, match="keV"):
        voxelised(anatomy, SHAPE, FIRST, SPACING, 500.0)


def test_the_same_projector_serves_many_poses():
    projector = VoxelProjector(smooth_ball(20.0))
    first = projector.line_integrals(VIEW)
    projector.line_integrals(dataclasses.replace(VIEW, axial_deg=90.0))
    assert np.array_equal(projector.line_integrals(VIEW), first)


def test_a_volume_around_the_source_is_refused():
    with pytest.raises(GeometryError, match="between 0 and the detector"):
        VoxelProjector(smooth_ball(20.0)).line_integrals(dataclasses.replace(VIEW, source_to_isocentre_mm=20.0))


def test_rays_along_the_layers_are_refused():
    wide = dataclasses.replace(VIEW, detector_spacing_mm=(80.0, 80.0), sid_mm=760.0)
    with pytest.raises(GeometryError, match="along the volume's layers"):
        VoxelProjector(smooth_ball(20.0)).line_integrals(dataclasses.replace(wide, axial_deg=44.0, sid_mm=800.0))


@pytest.mark.parametrize(
    ("values", "spacing", "message"),
    [
        (np.zeros((1, 5, 5), np.float32), SPACING, "2 x 2 x 2"),
        (np.zeros((5, 5, 5)), SPACING, "float32"),
        (np.full((5, 5, 5), np.nan, np.float32), SPACING, "finite"),
        (np.zeros((5, 5, 5), np.float32), (1.0, 0.0, 1.0), "positive"),
    ],
)
def test_impossible_volumes_are_refused(values, spacing, message):
    with pytest.raises(GeometryError, match=message):
        VoxelVolume(values, FIRST, spacing)
