"""Distance fields against solids whose surface and volume are known."""

import math

import numpy as np
import pytest

from fluorospread.simulation.anatomy.implicit import ImplicitPart, vector

UP = vector(0, 0, 1)


def ball(radius_mm: float, cortex_mm: float, step_mm: float = 1.0) -> ImplicitPart:
    part = ImplicitPart(vector(-25, -25, -25), vector(25, 25, 25), step_mm)
    here = vector(0, 0, 0)
    part.add(here, here, (radius_mm, radius_mm, radius_mm, radius_mm), UP, cortex_mm=cortex_mm)
    return part


def test_outer_and_inner_surface_of_a_ball_are_one_cortex_apart() -> None:
    part = ball(12.0, cortex_mm=2.0)
    inner = part.inner()
    assert inner is not None
    assert np.linalg.norm(part.outer().vertices_mm, axis=1) == pytest.approx(12.0, abs=0.05)
    assert np.linalg.norm(inner.vertices_mm, axis=1) == pytest.approx(10.0, abs=0.05)


def test_volume_of_a_capsule_is_that_of_cylinder_and_ball() -> None:
    part = ImplicitPart(vector(-15, -15, -30), vector(15, 15, 30), 1.0)
    part.add(vector(0, 0, -15), vector(0, 0, 15), (6.0, 6.0, 6.0, 6.0), vector(1, 0, 0))
    expected = math.pi * 36.0 * 30.0 + 4.0 / 3.0 * math.pi * 216.0
    assert part.outer().volume_mm3() == pytest.approx(expected, rel=0.01)


def test_a_cut_removes_its_own_volume() -> None:
    part = ball(15.0, cortex_mm=1.0)
    solid = part.outer().volume_mm3()
    part.cut(vector(0, 0, -24), vector(0, 0, 24), (4.0, 4.0, 4.0, 4.0), vector(1, 0, 0), blend_mm=0.2)
    # A hole of radius r through a ball of radius R leaves 4/3 pi (R^2 - r^2)^(3/2).
    assert part.outer().volume_mm3() / solid == pytest.approx((1.0 - (4.0 / 15.0) ** 2) ** 1.5, abs=0.01)


def test_a_part_of_nothing_but_cortex_has_no_inner_surface() -> None:
    assert ball(3.0, cortex_mm=4.0, step_mm=0.5).inner() is None


def test_an_empty_part_has_no_surface_to_give() -> None:
    with pytest.raises(ValueError, match="empty"):
        ImplicitPart(vector(0, 0, 0), vector(5, 5, 5), 1.0).outer()


def test_a_point_is_moved_along_the_shortest_way_onto_the_surface() -> None:
    moved = ball(12.0, cortex_mm=1.0).on_surface(vector(9.0, 0.0, 9.0))
    assert moved == pytest.approx(vector(12.0, 0.0, 12.0) / math.sqrt(2.0), abs=0.1)


def test_a_body_is_narrower_in_the_middle_by_its_waist() -> None:
    part = ImplicitPart(vector(-32, -26, -20), vector(32, 26, 20), 0.8)
    part.add_body((24.0, 17.0, 13.5), 0.8, (0.0, 0.0, 0.0, 0.0), (0.8, 1.0, 1.2))
    points = part.outer().vertices_mm
    middle = points[np.abs(points[:, 2]) < 1.0]
    rim = points[np.abs(points[:, 2]) > 10.5]
    assert middle[:, 0].max() == pytest.approx(0.8 * 24.0, abs=0.5)
    assert 22.5 < rim[:, 0].max() < 24.5
    assert points[:, 2].max() == pytest.approx(13.5, abs=0.6)


def test_lobules_fill_about_the_share_asked_for() -> None:
    half = np.array([60.0, 40.0, 60.0])
    part = ImplicitPart(-half - 4.0, half + 4.0, 3.0)
    part.add_clouds(vector(0, 0, 0), half, 25.0, 0.3, np.random.default_rng(5))
    ellipsoid = 4.0 / 3.0 * math.pi * float(half.prod())
    assert part.outer().volume_mm3() / ellipsoid == pytest.approx(0.3, abs=0.08)
