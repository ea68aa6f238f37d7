"""Reading triangle files, and the surface work on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fluorospread.errors import TruncatedImageError, UnsupportedImageError
from fluorospread.simulation.anatomy.mesh import (
    FORWARD_LEFT_UP_TO_LPS,
    LPS_TO_LPS,
    RAS_TO_LPS,
    closed,
    inset,
    joined,
    read_obj,
    read_vtk_strips,
    sampled_points,
    smoothed,
    split_parts,
    vertex_normals,
    wound_outwards,
)
from fluorospread.simulation.anatomy.surface import Surface

CUBE_OBJ = """\
v 0 0 0
v 2 0 0
v 2 2 0
v 0 2 0
v 0 0 2
v 2 0 2
v 2 2 2
v 0 2 2
f 1/1 4/1 3/1 2/1
f 5 6 7 8
f 1 2 6 5
f 2 3 7 6
f 3 4 8 7
f 4 1 5 8
"""


def cube(tmp_path: Path) -> Surface:
    path = tmp_path / "cube.obj"
    path.write_text(CUBE_OBJ, encoding="utf-8")
    return read_obj(path, LPS_TO_LPS)


def ball(radius_mm: float, steps: int = 40) -> Surface:
    from skimage.measure import marching_cubes

    axis = np.linspace(-1.3, 1.3, steps) * radius_mm
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    vertices, faces, _, _ = marching_cubes(radius_mm - np.sqrt(x**2 + y**2 + z**2), 0.0)
    return wound_outwards(vertices * (axis[1] - axis[0]) + axis[0], faces.astype(np.int32))


def test_a_cube_that_lacks_a_side_is_closed_again(tmp_path: Path) -> None:
    whole = cube(tmp_path)
    mended = closed(Surface(whole.vertices_mm, whole.faces[2:]))
    assert mended.volume_mm3() == pytest.approx(8.0)
    # A lid of four triangles about the middle of the open side.
    assert mended.faces.shape == (14, 3)
    assert mended.vertices_mm[-1] == pytest.approx([1.0, 1.0, 0.0])


def test_every_hole_has_its_own_lid(tmp_path: Path) -> None:
    whole = cube(tmp_path)
    mended = closed(Surface(whole.vertices_mm, whole.faces[4:]))
    two = closed(joined([Surface(whole.vertices_mm, whole.faces[2:]), Surface(whole.vertices_mm + 9, whole.faces[2:])]))
    assert mended.volume_mm3() == pytest.approx(8.0)
    assert two.volume_mm3() == pytest.approx(16.0)


def test_a_closed_surface_stays_as_it_is(tmp_path: Path) -> None:
    surface = cube(tmp_path)
    assert closed(surface) is surface


def test_quadrangles_become_triangles_and_the_volume_is_that_of_the_cube(tmp_path: Path) -> None:
    surface = cube(tmp_path)
    assert surface.faces.shape == (12, 3)
    assert surface.volume_mm3() == pytest.approx(8.0)


def test_faces_wound_inwards_are_turned_round(tmp_path: Path) -> None:
    surface = cube(tmp_path)
    assert wound_outwards(surface.vertices_mm, surface.faces[:, ::-1]).volume_mm3() == pytest.approx(8.0)


def test_forward_left_up_becomes_lps() -> None:
    # One step forward is one step away from the back; left and up stay.
    assert (np.array([1.0, 0, 0]) @ FORWARD_LEFT_UP_TO_LPS.T).tolist() == [0.0, -1.0, 0.0]
    assert (np.array([0, 1.0, 0]) @ FORWARD_LEFT_UP_TO_LPS.T).tolist() == [1.0, 0.0, 0.0]


def test_a_file_without_triangles_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.obj"
    path.write_text("v 0 0 0\n", encoding="utf-8")
    with pytest.raises(TruncatedImageError, match="holds no triangles"):
        read_obj(path, LPS_TO_LPS)


def test_vtk_strips_keep_their_winding_and_drop_degenerate_triangles(tmp_path: Path) -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=">f4")
    # A tetrahedron as one strip, closed with a repeated vertex.
    strip = np.array([6, 0, 1, 2, 3, 0, 1], dtype=">i4")
    head = b"# vtk DataFile Version 4.0\nt\nBINARY\nDATASET POLYDATA\nPOINTS 4 float\n"
    path = tmp_path / "t.vtk"
    path.write_bytes(head + points.tobytes() + b"\nTRIANGLE_STRIPS 1 7\n" + strip.tobytes() + b"\n")
    surface = read_vtk_strips(path, RAS_TO_LPS)
    assert len(surface.faces) == 4
    assert surface.volume_mm3() == pytest.approx(1 / 6)
    assert surface.vertices_mm.min(axis=0).tolist() == [-1.0, -1.0, 0.0]


def test_a_file_that_is_no_vtk_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.vtk"
    path.write_bytes(b"hello")
    with pytest.raises(UnsupportedImageError, match="no legacy binary VTK"):
        read_vtk_strips(path, LPS_TO_LPS)


def test_two_bodies_in_one_file_are_split_highest_first(tmp_path: Path) -> None:
    low = cube(tmp_path)
    high = Surface(low.vertices_mm + np.array([0.0, 0.0, 10.0]), low.faces)
    parts = split_parts(joined([low, high]), least_faces=4)
    assert [round(float(p.vertices_mm[:, 2].mean()), 3) for p in parts] == [11.0, 1.0]


def test_normals_of_a_ball_point_away_from_its_middle() -> None:
    surface = ball(10.0)
    outward = surface.vertices_mm / np.linalg.norm(surface.vertices_mm, axis=1, keepdims=True)
    assert (vertex_normals(surface) * outward).sum(axis=1).min() > 0.95


def test_inset_moves_a_balls_surface_inwards_by_its_depth() -> None:
    inner = inset(ball(10.0), 2.0)
    # Smoothed normals of a coarse ball are off by a few degrees: 3 % of the radius.
    assert np.linalg.norm(inner.vertices_mm, axis=1) == pytest.approx(8.0, abs=0.3)


def test_smoothing_keeps_the_volume() -> None:
    surface = ball(10.0)
    # Taubin's second factor undoes the shrinkage of the first to about 1 %.
    assert smoothed(surface, rounds=5).volume_mm3() == pytest.approx(surface.volume_mm3(), rel=0.02)


def test_samples_lie_on_the_surface_and_spread_by_area(tmp_path: Path) -> None:
    points = sampled_points(cube(tmp_path), 6000, np.random.default_rng(0))
    on_face = (np.isclose(points, 0) | np.isclose(points, 2)).any(axis=1)
    assert on_face.all()
    # One face of six: 1000 of 6000, 4 sd are 115.
    assert np.isclose(points[:, 2], 2).sum() == pytest.approx(1000, abs=115)
