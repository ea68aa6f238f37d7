"""Random fields have the grain asked for and lie still in the patient."""

import dataclasses

import numpy as np
import pytest

from fluorospread.simulation.projection import CArm
from fluorospread.simulation.textures import PlaneTexture, grain, rays_on_plane, smoothstep

CARM = CArm(1000.0, 700.0, (0.5, 0.5), 80, 100, isocentre_mm=(3.0, 20.0, -5.0), axial_deg=6.0, sagittal_deg=-4.0)


def test_grain_is_standard_and_correlated_over_its_width() -> None:
    field = grain(np.random.default_rng(0), (256, 256), 4.0)
    assert field.mean() == pytest.approx(0, abs=1e-5)
    assert field.std() == pytest.approx(1, abs=1e-4)
    # White noise smoothed with a Gaussian of sigma s correlates as exp(-d² / 4 s²).
    correlation = float((field * np.roll(field, 4, axis=1)).mean())
    assert correlation == pytest.approx(np.exp(-16 / 64), abs=0.05)


def test_grain_wraps_without_a_seam() -> None:
    field = grain(np.random.default_rng(1), (128, 128), 4.0)
    seam = np.abs(field[:, 0] - field[:, -1]).mean()
    assert seam == pytest.approx(np.abs(np.diff(field, axis=1)).mean(), rel=0.25)


def test_smoothstep_is_flat_at_both_ends() -> None:
    np.testing.assert_allclose(smoothstep(np.array([-1.0, 0.0, 0.5, 1.0, 2.0])), [0, 0, 0.5, 1, 1])


def test_rays_meet_the_plane_where_their_pixels_project_back_to() -> None:
    window = (slice(10, 14), slice(20, 25))
    points = rays_on_plane(CARM, window, np.array([0.0, 35.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    np.testing.assert_allclose(points[..., 1], 35.0, atol=1e-9)
    rows, cols = np.meshgrid(np.arange(10, 14), np.arange(20, 25), indexing="ij")
    expected = np.stack([rows, cols], axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(CARM.project(points.reshape(-1, 3)), expected, atol=1e-9)


def test_a_texture_is_read_at_the_patients_own_place() -> None:
    field = np.random.default_rng(2).normal(size=(64, 48)).astype(np.float32)
    texture = PlaneTexture((-10.0, 35.0, -8.0), 0.5, field)
    # Samples (5, 7) and, one period on, (5 + 64, 7 + 48): z = -8 + 0.5 x 5, x = -10 + 0.5 x 7.
    for row, col in ((5, 7), (69, 55)):
        at = np.array([[-10 + 0.5 * col, 35.0, -8 + 0.5 * row]])
        # Move the detector's centre onto the sample, so that a pixel's ray meets it exactly.
        onto = dataclasses.replace(CARM, isocentre_mm=(float(at[0, 0]), 35.0, float(at[0, 2])), rows=81, cols=101)
        assert texture.seen(onto)[40, 50] == pytest.approx(field[5, 7], abs=1e-4)


def test_a_window_of_a_texture_is_cut_from_the_whole() -> None:
    texture = PlaneTexture((0.0, 30.0, 0.0), 0.4, grain(np.random.default_rng(3), (64, 64), 2.0))
    whole = texture.seen(CARM)
    window = (slice(30, 50), slice(11, 77))
    np.testing.assert_allclose(texture.seen(CARM, window), whole[window], atol=1e-6)
