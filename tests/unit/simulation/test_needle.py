"""Needles show their steel where they lie."""

import math

import numpy as np
import pytest

from fluorospread.errors import UsageError
from fluorospread.simulation.anatomy.surface import Surface
from fluorospread.simulation.needle import RADII_MM, Needle, needle_g_cm2, skin_entry_mm, swept_tube
from fluorospread.simulation.projection import CArm
from fluorospread.simulation.spectrum import Substance

CARM = CArm(1000.0, 800.0, (0.2, 0.2), 601, 801)


@pytest.mark.parametrize("gauge", [22, 23, 25])
def test_a_needle_across_the_beam_weighs_its_steel(gauge: int) -> None:
    outer_mm, lumen_mm = RADII_MM[gauge]
    needle = Needle((0.0, 0.0, 0.0), (40.0, 0.0, 0.0), length_mm=60.0, gauge=gauge)
    steel = needle_g_cm2(needle, CARM)[Substance.STEEL]
    # 20 to 21 mm from the tip: one mm of tube is its area x 8 g/cm³; a pixel there is 0.16 mm wide.
    pixel_cm2 = (0.2 * 0.8 / 10) ** 2
    cols = np.rint(CARM.project(np.array([[18.0, 0, 0], [34.0, 0, 0]]))[:, 1]).astype(int)
    per_mm = steel[:, cols[0] : cols[1]].sum() * pixel_cm2 / 16.0
    # Polygons of 24 sides have 1.1 % less area than their circles; walls of 0.13 mm are met by few rays.
    assert per_mm == pytest.approx(math.pi * (outer_mm**2 - lumen_mm**2) / 100 * 0.1 * 8.0, rel=0.06)


def test_the_shaft_ends_at_the_tip_and_thins_along_the_bevel() -> None:
    needle = Needle((0.0, 0.0, 0.0), (40.0, 0.0, 0.0), length_mm=60.0)
    steel = needle_g_cm2(needle, CARM)[Substance.STEEL]
    profile = steel.sum(axis=0)
    lit = np.flatnonzero(profile > 1e-6)
    assert lit[0] == pytest.approx(CARM.project(np.array([[0.0, 0, 0]]))[0, 1], abs=1.5)
    # The bevel is 0.72 mm / tan 20° = 2 mm = 12 px long; half-way it carries about half the steel.
    full = profile[lit[0] + 40 : lit[0] + 80].mean()
    assert 0.2 * full < profile[lit[0] + 6] < 0.8 * full


def test_the_hub_is_wider_than_the_shaft_and_lies_at_its_end() -> None:
    needle = Needle((0.0, 0.0, 0.0), (40.0, 0.0, 0.0), length_mm=50.0)
    plastic = needle_g_cm2(needle, CARM)[Substance.POLYPROPYLENE]
    cols = np.flatnonzero(plastic.any(axis=0))
    start = CARM.project(np.array([[53.0, 0, 0]]))[0, 1]
    assert cols[0] == pytest.approx(start, abs=2)


def test_a_needle_along_the_beam_shows_as_a_dense_dot() -> None:
    # Beam from back to front; the needle comes from the back.
    needle = Needle((0.0, 0.0, 0.0), (0.0, 40.0, 0.0), length_mm=50.0)
    steel = needle_g_cm2(needle, CARM)[Substance.STEEL]
    rows, cols = np.nonzero(steel > 0.5)
    # Hub ring of 1.2 mm radius, 745 mm from the source: 1.6 mm / 0.2 = 8 px at most.
    assert max(np.ptp(rows), np.ptp(cols)) <= 18
    assert steel.max() > 4 * 0.072 * 8.0


def test_an_extension_tube_adds_plastic_only() -> None:
    bare = Needle((0.0, 0.0, 0.0), (15.0, 0.0, 0.0), length_mm=20.0)
    course = np.array([[46.0 + 2 * k, 0.0, 1.0 * k] for k in range(1, 20)])
    tubed = Needle((0.0, 0.0, 0.0), (15.0, 0.0, 0.0), length_mm=20.0, extension_mm=course)
    a, b = needle_g_cm2(bare, CARM), needle_g_cm2(tubed, CARM)
    assert b[Substance.POLYPROPYLENE].sum() > a[Substance.POLYPROPYLENE].sum()
    np.testing.assert_array_equal(a[Substance.STEEL], b[Substance.STEEL])


def test_a_gauge_that_is_not_modelled_is_refused() -> None:
    with pytest.raises(UsageError, match="gauge, got 18"):
        Needle((0.0, 0.0, 0.0), (40.0, 0.0, 0.0), gauge=18)


def test_the_hub_never_lies_under_the_skin() -> None:
    needle = Needle((0.0, 0.0, 0.0), (0.0, 95.0, 0.0), length_mm=70.0)
    assert needle.hub_mm[1] > 95.0


def test_a_swept_tube_is_closed_and_wound_outwards() -> None:
    phi = np.arange(60) * 2 * math.pi / 60
    ring = np.stack([np.cos(phi), np.sin(phi), 0 * phi], axis=1)
    for heights in ((0.0, 5.0, 10.0), (10.0, 5.0, 0.0)):
        tube = swept_tube(np.stack([ring + np.array([0, 0, h]) for h in heights]))
        assert tube.volume_mm3() == pytest.approx(10 * math.pi, rel=2e-3)
        edges = np.sort(tube.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


def test_the_skin_entry_is_where_the_line_leaves_the_body() -> None:
    corners = np.array([[x, y, z] for x in (-90.0, 90) for y in (-90.0, 90) for z in (-90.0, 90)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    skin = Surface(corners, np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], dtype=np.int32))
    entry = skin_entry_mm(skin, np.array([10.0, 30.0, 5.0]), np.array([0.3, 0.4, 0.0]))
    np.testing.assert_allclose(entry, [10 + 45.0, 90.0, 5.0], atol=1e-9)


def test_without_skin_the_entry_lies_at_the_given_depth() -> None:
    np.testing.assert_allclose(skin_entry_mm(None, np.zeros(3), np.array([0.0, 2.0, 0.0]), 55.0), [0, 55, 0])


def test_a_needle_without_length_is_refused() -> None:
    with pytest.raises(UsageError, match="skin entry"):
        Needle((0.0, 0.0, 0.0), (0.0, 0.5, 0.0))
