"""A vertebra's own axes and landmarks, found on a shape whose parts are known."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.simulation.anatomy.landmarks_on_mesh import Frame, _notch, vertebra_frame, vertebra_landmarks
from fluorospread.simulation.anatomy.mesh import wound_outwards
from fluorospread.simulation.anatomy.surface import Surface

# A toy vertebra on a 1 mm grid, origin at the body's centre, axes left, back, head.
BODY_HALF = (22.0, 17.0, 13.0)
PEDICLE_X, PEDICLE_Z = 16.0, 4.0


def toy_vertebra() -> Surface:
    from scipy.ndimage import gaussian_filter
    from skimage.measure import marching_cubes

    x, y, z = np.meshgrid(np.arange(-60, 61.0), np.arange(-30, 71.0), np.arange(-40, 41.0), indexing="ij")
    solid = ((x / BODY_HALF[0]) ** 2 + (y / BODY_HALF[1]) ** 2 < 1) & (np.abs(z) < BODY_HALF[2])
    for sign in (-1, 1):
        solid |= ((sign * x - PEDICLE_X) ** 2 + (z - PEDICLE_Z) ** 2 < 36) & (y > 5) & (y < 35)
        # Transverse process straight to the side, articular process straight up, lamina to the middle.
        solid |= (sign * x > 10) & (sign * x < 45) & (np.abs(y - 31) < 4) & (np.abs(z - 2) < 4)
        solid |= (np.abs(sign * x - 16) < 5) & (np.abs(y - 31) < 5) & (z > -18) & (z < 22)
        solid |= (sign * x > 0) & (sign * x < 14) & (np.abs(y - 33) < 3) & (z > -14) & (z < 2)
    solid |= (np.abs(x) < 4) & (y > 32) & (y < 62) & (np.abs(z + 6) < 8)
    smooth = gaussian_filter(solid.astype(float), 0.8)
    vertices, faces, _, _ = marching_cubes(smooth, 0.5)
    return wound_outwards(vertices - np.array([60, 30, 40]), faces.astype(np.int32))


def turned(axial_deg: float, coronal_deg: float, sagittal_deg: float) -> np.ndarray:
    a, c, s = np.radians([axial_deg, coronal_deg, sagittal_deg])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(c), 0, np.sin(c)], [0, 1, 0], [-np.sin(c), 0, np.cos(c)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(s), -np.sin(s)], [0, np.sin(s), np.cos(s)]])
    return about_z @ about_y @ about_x


TOY = toy_vertebra()


@pytest.mark.parametrize("angles", [(0, 0, 0), (12, 8, -15), (-18, -10, 25)])
def test_axes_follow_the_vertebra_however_it_is_turned(angles: tuple[float, float, float]) -> None:
    rotation = turned(*angles)
    moved = Surface(TOY.vertices_mm @ rotation.T + [10.0, -20.0, 300.0], TOY.faces)
    found = vertebra_frame(moved)
    assert found is not None
    frame, shape = found
    # The mirror plane is searched in 2 degree steps and the plates are fitted to samples.
    angle = np.degrees(np.arccos(np.clip((np.trace(frame.axes.T @ rotation) - 1) / 2, -1, 1)))
    assert angle < 5.0
    assert np.linalg.norm(frame.origin_mm - [10.0, -20.0, 300.0]) < 2.0
    assert shape.body_width_mm == pytest.approx(2 * BODY_HALF[0], abs=2.5)
    assert shape.body_height_mm == pytest.approx(2 * BODY_HALF[2], abs=2.0)


def test_pedicles_and_tips_lie_where_they_were_put() -> None:
    found = vertebra_frame(TOY)
    assert found is not None
    marks = vertebra_landmarks(TOY, *found)
    assert marks["pedicle.left"][[0, 2]] == pytest.approx([PEDICLE_X, PEDICLE_Z], abs=2.0)
    assert marks["pedicle.right"][[0, 2]] == pytest.approx([-PEDICLE_X, PEDICLE_Z], abs=2.0)
    assert marks["tp_tip.left"][0] == pytest.approx(45, abs=1.5)
    assert marks["sap_tip.right"][2] == pytest.approx(22, abs=1.5)


def test_the_junction_lies_on_bone_in_the_corner_of_articular_and_transverse_process() -> None:
    found = vertebra_frame(TOY)
    assert found is not None
    marks = vertebra_landmarks(TOY, *found)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        across, _, up = marks[f"junction.{side}"] * [sign, 1.0, 1.0]
        # The corner is at x = 21, z = 6; the landmark lies 1.3 mm medial and 1 mm caudal of it.
        assert np.hypot(across - 21, up - 6) == pytest.approx(1.6, abs=1.4)
        assert across < 22
        assert up < 7


def test_a_spur_of_the_lamina_behind_the_notch_does_not_draw_the_junction_back() -> None:
    # From the articular process down to the notch and out along a transverse process 22 mm behind the body; the
    # notch's own highest point belongs to a spur 14 mm farther back.
    across = np.arange(18.0, 42.0, 0.8)
    up = np.where(across < 22, 20 - 3.5 * (across - 18), 6.0)
    outline = np.column_stack([across, np.full_like(across, 22.0), up])
    outline[np.argmax(across >= 22), 1] = 36.0
    notch = _notch(outline, outline[0], outline[-1], (1.0, 2.0))
    assert notch is not None
    # The corner at (22, 6), a step of 0.8 mm, and from there 1 mm towards the middle and 2 mm towards the feet.
    assert notch == pytest.approx([21.4, 22.0, 4.0], abs=0.5)


def test_a_ball_is_no_vertebra() -> None:
    from skimage.measure import marching_cubes

    axis = np.arange(-30, 31.0)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    vertices, faces, _, _ = marching_cubes(20 - np.sqrt(x**2 + y**2 + z**2), 0.0)
    assert vertebra_frame(wound_outwards(vertices - 30, faces.astype(np.int32))) is None


def test_a_frame_carries_points_there_and_back() -> None:
    frame = Frame(np.array([1.0, 2.0, 3.0]), turned(20, 10, 5))
    points = np.array([[4.0, 5.0, 6.0]])
    assert frame.patient(frame.local(points)) == pytest.approx(points)
    assert (frame.to_patient @ [0, 0, 0, 1])[:3] == pytest.approx([1, 2, 3])
