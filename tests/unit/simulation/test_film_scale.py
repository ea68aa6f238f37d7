"""The slope of a displayed film follows from its own vertebrae, and a dark spine is refused."""

import numpy as np
import pytest

from fluorospread.errors import PolarityError, UsageError
from fluorospread.model.anatomy import Level
from fluorospread.simulation.film_scale import BODY_CONTRAST_LOG, body_contrast, log_per_unit

CENTERS = {Level.L2: (60.0, 150.0), Level.L3: (100.0, 150.0), Level.L4: (140.0, 150.0), Level.L5: (180.0, 150.0)}
OPEN = np.ones((240, 300), dtype=np.bool_)


def film(bodies: float) -> np.ndarray:
    """Bodies 28 mm high and 48 mm wide on a ground that rises from 0 to 1 over the columns."""
    image = np.tile(np.linspace(0.0, 1.0, OPEN.shape[1], dtype=np.float32), (OPEN.shape[0], 1))
    for row, col in CENTERS.values():
        image[int(row) - 14 : int(row) + 14, int(col) - 24 : int(col) + 24] += bodies
    return image


def test_contrast_is_the_step_at_the_bodys_sides_whatever_the_ground():
    assert body_contrast(film(0.2), OPEN, CENTERS, 1.0) == pytest.approx(0.2, abs=0.01)
    assert log_per_unit(film(0.2), OPEN, CENTERS, 1.0) == pytest.approx(BODY_CONTRAST_LOG / 0.2, rel=0.02)


def test_gas_beside_one_body_does_not_count():
    image = film(0.3)
    image[90:120, 100:125] -= 0.5
    # The ground's slope of 0.05 from within to beside has opposite signs left and right.
    assert body_contrast(image, OPEN, CENTERS, 1.0) == pytest.approx(0.3, abs=0.06)


def test_a_closed_side_leaves_the_other():
    covered = OPEN.copy()
    covered[:, :130] = False
    assert body_contrast(film(0.3), covered, CENTERS, 1.0) == pytest.approx(0.3, abs=0.06)


def test_slopes_stay_within_what_films_of_adults_show():
    spread = float(np.ptp(np.percentile(film(0.9), (1, 99))))
    assert log_per_unit(film(0.9), OPEN, CENTERS, 1.0) * spread == pytest.approx(1.0, rel=0.02)
    spread = float(np.ptp(np.percentile(film(0.01), (1, 99))))
    assert log_per_unit(film(0.01), OPEN, CENTERS, 1.0) * spread == pytest.approx(5.0, rel=0.02)


def test_a_dark_spine_is_refused():
    with pytest.raises(PolarityError, match="--polarity"):
        log_per_unit(film(-0.3), OPEN, CENTERS, 1.0)


def test_without_a_suitable_level_no_slope_is_invented():
    with pytest.raises(UsageError, match="--log-per-grey"):
        log_per_unit(film(0.3), OPEN, {Level.L5: CENTERS[Level.L5]}, 1.0)
