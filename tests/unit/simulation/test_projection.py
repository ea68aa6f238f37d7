"""Path lengths and projections against lengths known from solid geometry."""

import dataclasses
import math

import numpy as np
import numpy.typing as npt
import pytest

from fluorospread.errors import GeometryError
from fluorospread.model.geometry import ColumnsTowards, RowsTowards
from fluorospread.simulation.anatomy.surface import Surface
from fluorospread.simulation.projection import CArm, thickness_mm, total_thickness_mm

CARM = CArm(sid_mm=1000.0, source_to_isocentre_mm=750.0, detector_spacing_mm=(0.4, 0.4), rows=301, cols=401)


def box(centre_mm: tuple[float, float, float], size_mm: tuple[float, float, float]) -> Surface:
    unit = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]
    return Surface(unit * size_mm + centre_mm, np.array(faces, dtype=np.int32))


def sphere(centre_mm: npt.ArrayLike, radius_mm: float, rings: int = 160) -> Surface:
    theta = np.linspace(0, math.pi, rings + 1)[1:-1]
    phi = np.arange(2 * rings) * math.pi / rings
    body = np.stack(
        [
            np.outer(np.sin(theta), np.cos(phi)),
            np.outer(np.sin(theta), np.sin(phi)),
            np.outer(np.cos(theta), phi * 0 + 1),
        ],
        axis=-1,
    ).reshape(-1, 3)
    n, m = len(theta), len(phi)
    index = np.arange(n * m).reshape(n, m)
    nxt = np.roll(index, -1, axis=1)
    sides = [np.stack([index[:-1], index[1:], nxt[:-1]], -1), np.stack([nxt[:-1], index[1:], nxt[1:]], -1)]
    faces = np.concatenate([s.reshape(-1, 3) for s in sides])
    top, bottom = n * m, n * m + 1
    caps = [(top, index[0, k], nxt[0, k]) for k in range(m)] + [(bottom, nxt[-1, k], index[-1, k]) for k in range(m)]
    vertices = np.concatenate([body, [[0, 0, 1], [0, 0, -1]]]) * radius_mm + centre_mm
    return Surface(vertices, np.concatenate([faces, np.array(caps)]).astype(np.int32))


def sphere_chords_mm(carm: CArm, centre_mm: npt.ArrayLike, radius_mm: float) -> npt.NDArray[np.float64]:
    """Chord of each pixel's ray through a true sphere."""
    rows, cols = np.indices((carm.rows, carm.cols))
    px = np.stack([rows.ravel(), cols.ravel()], axis=1)
    rays = carm.unproject(px, carm.sid_mm) - carm.source_mm
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    towards = np.asarray(centre_mm) - carm.source_mm
    closest = rays @ towards
    miss2 = towards @ towards - closest**2
    return (2 * np.sqrt(np.clip(radius_mm**2 - miss2, 0, None))).reshape(carm.rows, carm.cols)


def test_the_helpers_wind_their_surfaces_outwards() -> None:
    assert box((0, 0, 0), (2, 3, 4)).volume_mm3() == pytest.approx(24)
    assert sphere((0, 0, 0), 10).volume_mm3() == pytest.approx(4 / 3 * math.pi * 1000, rel=1e-3)


def test_the_isocentre_meets_the_middle_of_the_detector_whatever_the_pose() -> None:
    carm = dataclasses.replace(CARM, isocentre_mm=(5, -20, 300), axial_deg=12, sagittal_deg=-9, roll_deg=31)
    np.testing.assert_allclose(carm.project(np.array([[5.0, -20, 300]])), [[150, 200]], atol=1e-9)


def test_a_point_off_centre_is_magnified_by_sid_over_its_depth() -> None:
    # 30 mm to the left and 12 mm to the feet, 750 mm from the source: 4/3 x 30 / 0.4 = 100 and 40 px.
    np.testing.assert_allclose(CARM.project(np.array([[30.0, 0, -12]])), [[150 + 40, 200 + 100]])
    # 150 mm nearer to the source (towards the back, as the beam runs from back to front): 1000/600.
    np.testing.assert_allclose(CARM.project(np.array([[30.0, 150, -12]])), [[150 + 50, 200 + 125]])


def test_reversing_the_beam_puts_the_source_in_front() -> None:
    carm = dataclasses.replace(CARM, beam="AP")
    np.testing.assert_allclose(carm.source_mm, [0, -750, 0])
    np.testing.assert_allclose(carm.project(np.array([[30.0, 150, -12]]))[0, 1], 200 + 30 / 0.4 * 1000 / 900)


@pytest.mark.parametrize("beam", ["PA", "AP"])
@pytest.mark.parametrize("columns", list(ColumnsTowards))
@pytest.mark.parametrize("rows", list(RowsTowards))
def test_rows_and_columns_run_where_the_detector_says(beam: str, columns: ColumnsTowards, rows: RowsTowards) -> None:
    carm = dataclasses.replace(CARM, beam=beam, columns_towards=columns, rows_towards=rows)
    head, left = carm.project(np.array([[0.0, 0, 10], [10.0, 0, 0]])) - carm.centre_px
    assert (head[0] > 0) == (rows is RowsTowards.HEAD)
    assert (left[1] > 0) == (columns is ColumnsTowards.PATIENT_LEFT)
    assert head[1] == pytest.approx(0, abs=1e-9)
    chords = thickness_mm(box((0, 0, 0), (20, 30, 10)), carm)
    assert chords[150, 200] == pytest.approx(30, abs=1e-3)
    assert chords.min() >= 0


@pytest.mark.parametrize("beam", ["PA", "AP"])
def test_positive_angles_turn_the_detector_to_the_patients_left_and_head(beam: str) -> None:
    carm = dataclasses.replace(CARM, beam=beam, axial_deg=20, sagittal_deg=10)
    detector = np.asarray(carm.unproject(np.array([carm.centre_px]), carm.sid_mm)[0])
    assert detector[0] > 0
    assert detector[2] > 0
    assert np.linalg.norm(detector - carm.source_mm) == pytest.approx(1000)
    rows_axis, cols_axis, direction = carm.axes
    np.testing.assert_allclose([rows_axis @ cols_axis, rows_axis @ direction, cols_axis @ direction], 0, atol=1e-12)


def test_unprojecting_undoes_projecting() -> None:
    carm = dataclasses.replace(CARM, axial_deg=-7, sagittal_deg=5, roll_deg=3, isocentre_mm=(1, 2, 3))
    points = np.random.default_rng(1).uniform(-60, 60, (20, 3))
    np.testing.assert_allclose(carm.unproject(carm.project(points), carm.depth_mm(points)), points, atol=1e-9)


def test_spacing_in_the_patient_plane_is_detector_spacing_over_magnification() -> None:
    assert CARM.magnification() == pytest.approx(4 / 3)
    assert CARM.spacing_patient_mm() == pytest.approx((0.3, 0.3))
    assert CARM.magnification(np.array([0.0, 50, 9])) == pytest.approx(1000 / 700)


def test_a_face_on_box_is_as_thick_as_its_ray_is_long_inside() -> None:
    chords = thickness_mm(box((0, 0, 0), (60, 20, 40)), CARM)
    assert chords[150, 200] == pytest.approx(20, abs=1e-3)
    # 50 px off centre the ray runs at atan(50 x 0.4 / 1000) and stays between front and back.
    assert chords[150, 250] == pytest.approx(20 * math.hypot(1, 50 * 0.4 / 1000), abs=1e-3)
    # The shadow is that of the face next to the source: +-30 mm x 1000/740 / 0.4 = +-101.35 px.
    lit = np.flatnonzero(chords[150] > 0)
    assert (lit[0], lit[-1]) == (200 - 101, 200 + 101)


@pytest.mark.parametrize("centre", [(0.0, 0.0, 0.0), (25.0, 60.0, -14.0), (-31.0, -80.0, 17.0)])
def test_a_sphere_gives_its_chords_on_and_off_axis(centre: tuple[float, float, float]) -> None:
    carm = dataclasses.replace(CARM, axial_deg=8, sagittal_deg=-6, roll_deg=4)
    measured = thickness_mm(sphere(centre, 18.0), carm)
    expected = sphere_chords_mm(carm, centre, 18.0)
    inner = expected > 8.0
    # A 160-ring sphere lies up to 18 (1 - cos(pi/320)) = 0.0009 mm inside the true one; chords cut it twice
    # at a slant, which an 8 mm chord makes 4.5 times longer.
    np.testing.assert_allclose(measured[inner], expected[inner], atol=0.03)
    assert np.abs(measured - expected)[expected == 0].max() < 0.6


@pytest.mark.parametrize("seed", range(4))
def test_a_watertight_surface_leaks_no_streaks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    surface = sphere((0, 0, 0), 30.0, rings=60)
    # Coordinates on a coarse grid put many corners and edges exactly on pixel centres.
    crumpled = Surface(
        np.rint(surface.vertices_mm + rng.normal(0, 1.0, surface.vertices_mm.shape)) * 0.9, surface.faces
    )
    carm = dataclasses.replace(CARM, axial_deg=float(rng.integers(-1, 2)) * 10)
    chords = thickness_mm(crumpled, carm)
    reach = np.linalg.norm(crumpled.vertices_mm, axis=1).max()
    outside = sphere_chords_mm(carm, (0, 0, 0), reach + 0.5) == 0
    assert np.abs(chords[outside]).max() == 0
    # A lost or doubled face would be off by its distance from the isocentre, far past twice the reach.
    assert chords.max() <= 2 * reach
    assert chords.min() > -2 * reach


def test_halves_add_up_to_the_whole_at_every_pixel() -> None:
    # The halves share the plane z = 0, which projects onto row 150, right on pixel centres.
    whole = thickness_mm(box((0, 0, 0), (60, 20, 40)), CARM)
    halves = total_thickness_mm([box((0, 0, 10), (60, 20, 20)), box((0, 0, -10), (60, 20, 20))], CARM)
    np.testing.assert_allclose(halves, whole, atol=2e-4)


def test_a_cavity_of_weight_minus_one_is_taken_out() -> None:
    body, hole = box((0, 0, 0), (60, 20, 40)), box((0, 0, 0), (10, 8, 10))
    chords = total_thickness_mm([body, hole], CARM, weights=[1.0, -1.0])
    assert chords[150, 200] == pytest.approx(12, abs=1e-3)


def test_the_volume_under_the_map_is_the_volume_of_the_body() -> None:
    # Each pixel's cone widens with depth, so weigh chords by the cone's area at the body's plane; the body
    # is thin (2 mm of 750), which keeps that within 0.01 %.
    slab = box((0, 0, 0), (60, 2, 40))
    area = math.prod(CARM.spacing_patient_mm())
    cosine = 1 / np.sqrt(1 + np.add.outer(((np.arange(301) - 150) * 4e-4) ** 2, ((np.arange(401) - 200) * 4e-4) ** 2))
    volume = float((thickness_mm(slab, CARM) * cosine).sum() * area)
    # The border is counted in whole pixels: half a pixel in 200 at most.
    assert volume == pytest.approx(60 * 2 * 40, rel=0.01)


def test_a_body_off_the_detector_leaves_it_empty() -> None:
    assert not thickness_mm(box((500, 0, 0), (10, 10, 10)), CARM).any()
    assert not total_thickness_mm([], CARM).any()


def test_the_same_surface_gives_the_same_bytes() -> None:
    surface = sphere((1, 2, 3), 20.0, rings=40)
    assert thickness_mm(surface, CARM).tobytes() == thickness_mm(surface, CARM).tobytes()


def test_a_body_around_the_focal_spot_is_refused() -> None:
    with pytest.raises(GeometryError, match="behind the focal spot"):
        thickness_mm(box((0, 750, 0), (10, 10, 10)), CARM)


def test_an_isocentre_outside_source_and_detector_is_refused() -> None:
    with pytest.raises(GeometryError, match="between source and detector"):
        dataclasses.replace(CARM, source_to_isocentre_mm=1000.0)
