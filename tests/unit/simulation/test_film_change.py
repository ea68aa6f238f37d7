"""Motion carries points and pixels alike; noise is measured as it was planted."""

import numpy as np
import pytest

from fluorospread.simulation.film_change import draw_motion, fresh_noise, local_noise
from fluorospread.simulation.textures import grain

SHAPE = (240, 200)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_point_moves_with_the_pixels_around_it(seed):
    motion = draw_motion(SHAPE, 0.5, 6.0, np.random.default_rng(seed))
    rows, cols = np.indices(SHAPE)
    for at in ((60.0, 70.0), (150.0, 130.0)):
        blob = np.exp(-0.5 * ((rows - at[0]) ** 2 + (cols - at[1]) ** 2) / 4.0**2)
        moved = motion.image(blob).astype(np.float64)
        centroid = np.array([(moved * rows).sum(), (moved * cols).sum()]) / moved.sum()
        # The blob is deformed a little by the turn and the breathing it takes part in.
        assert motion.point(at) == pytest.approx(tuple(centroid), abs=0.15)


def test_no_pixel_moves_farther_than_asked():
    motion = draw_motion(SHAPE, 0.5, 6.0, np.random.default_rng(0))
    assert motion.largest_px == pytest.approx(12.0, rel=1e-4)


def test_motion_is_not_one_shift():
    pull = draw_motion(SHAPE, 0.5, 6.0, np.random.default_rng(4)).pull_px
    rigid = np.stack([np.ones(pull[0].size), *(i.ravel() for i in np.indices(SHAPE))], axis=1)
    left = [p.ravel() - rigid @ np.linalg.lstsq(rigid, p.ravel(), rcond=None)[0] for p in pull]
    # What shift and turn cannot explain is the breathing: some tenths of a millimetre at 0.5 mm a pixel.
    assert 0.2 < np.abs(np.concatenate(left)).max() * 0.5 < 3.0


def test_planted_noise_is_measured():
    rng = np.random.default_rng(5)
    slow = 2.0 * grain(rng, SHAPE, 25.0)
    planted = np.full(SHAPE, 0.05, dtype=np.float32)
    planted[:, 100:] = 0.1
    found = local_noise(slow + fresh_noise(planted, rng), floor=0.0)
    # Ten blocks of 24 x 24 pixels a column leave a few per cent of statistical error.
    assert np.median(found[:, :60]) == pytest.approx(0.05, rel=0.1)
    assert np.median(found[:, 140:]) == pytest.approx(0.1, rel=0.1)


def test_an_edge_is_no_noise():
    image = np.zeros(SHAPE, dtype=np.float32)
    image[:, 90:] = 5.0
    image += fresh_noise(np.full(SHAPE, 0.05, dtype=np.float32), np.random.default_rng(6))
    assert np.median(local_noise(image, 0.0)[:, 80:100]) == pytest.approx(0.05, rel=0.2)


def test_rounding_is_the_least_noise():
    assert (local_noise(np.zeros(SHAPE, dtype=np.float32), 0.003) == np.float32(0.003)).all()
