"""The slope of a displayed film follows from its own vertebrae, and a dark spine is refused."""

import numpy as np
import pytest

from fluorospread.errors import PolarityError, UsageError
from fluorospread.model.anatomy import Level
from fluorospread.simulation.film_scale import BODY_CONTRAST_LOG, body_contrast, log_per_unit

CENTERS = {Level.L2: (60.0, 150.0), Level.L3: (100.0, 150.0), Level.L4: (140.0, 150.0), Level.L5: (180.0, 150.0)}
OPEN = np.ones((240, 300), dtype=np.bool_)


def film(bodies: float) -> np.ndarray:
    image = np.full(OPEN.shape, 0.2, dtype=np.float32)
    for row, col in CENTERS.values():
        image[int(row) - 14 : int(row) + 14, int(col) - 24 : int(col) + 24] += bodies
    return image


def test_contrast_is_body_over_flanks():
    assert body_contrast(film(0.3), OPEN, CENTERS, 1.0) == pytest.approx(0.3)
    assert log_per_unit(film(0.3), OPEN, CENTERS, 1.0) == pytest.approx(BODY_CONTRAST_LOG / 0.3)


def test_one_level_over_gas_does_not_count():
    image = film(0.3)
    image[90:110, 80:120] -= 0.5
    assert body_contrast(image, OPEN, CENTERS, 1.0) == pytest.approx(0.3)


def test_a_closed_flank_leaves_the_other():
    covered = OPEN.copy()
    covered[:, :130] = False
    assert body_contrast(film(0.3), covered, CENTERS, 1.0) == pytest.approx(0.3)


def test_a_dark_spine_is_refused():
    with pytest.raises(PolarityError, match="--polarity"):
        log_per_unit(film(-0.3), OPEN, CENTERS, 1.0)


def test_without_a_suitable_level_no_slope_is_invented():
    with pytest.raises(UsageError, match="--log-per-grey"):
        log_per_unit(film(0.3), OPEN, {Level.L5: CENTERS[Level.L5]}, 1.0)
