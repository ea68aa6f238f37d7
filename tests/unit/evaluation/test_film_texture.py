"""Texture statistics of fields whose texture is known."""

import numpy as np
import pytest

from fluorospread.errors import UsageError
from fluorospread.evaluation.film_texture import (
    BANDS_MM,
    NormalisedRegion,
    Spread,
    normalised_region,
    separation,
    spectrum_of,
    texture_of,
)

SIZE = 192
FULL = np.ones((SIZE, SIZE), dtype=np.bool_)


def waves(wavelength_mm: float, mm_per_px: float = 1.0, along_rows: bool = True) -> NormalisedRegion:
    at = np.arange(SIZE) * mm_per_px * 2 * np.pi / wavelength_mm
    row = np.sin(at)[:, None] if along_rows else np.sin(at)[None, :]
    return NormalisedRegion(np.broadcast_to(row, (SIZE, SIZE)).astype(np.float32), FULL, mm_per_px)


@pytest.mark.parametrize("band", range(len(BANDS_MM)))
def test_a_wave_lies_in_the_band_of_its_length(band):
    low, high = BANDS_MM[band]
    length = {0.0: 3.5}.get(low, low * 1.3)
    shares = texture_of(waves(length)).band_shares
    assert shares[band] > 0.9
    assert sum(shares) == pytest.approx(1.0)
    assert high > low


def test_the_spectrum_peaks_at_the_waves_frequency_whatever_the_pixel():
    for mm_per_px in (0.5, 1.0):
        frequency, power = spectrum_of(waves(12.0, mm_per_px))
        assert 1 / frequency[np.argmax(power)] == pytest.approx(12.0, rel=0.1)


def test_edges_are_counted_where_they_are():
    step = np.full((SIZE, SIZE), -1.0, dtype=np.float32)
    step[:, 96:] = 1.0
    step += 0.001 * np.arange(SIZE, dtype=np.float32)[:, None] ** 0.5
    texture = texture_of(NormalisedRegion(step, FULL, 1.0))
    # The gradient of one step spans two of 190 inner columns.
    assert texture.edge_density == pytest.approx(2 / 190, rel=0.01)
    assert texture.across_over_along > 100


def test_direction_tells_rows_from_columns():
    assert texture_of(waves(10.0, along_rows=True)).across_over_along < 0.01


def test_noise_is_normal_and_a_few_bright_spots_are_not():
    noise = np.random.default_rng(0).normal(0, 1, (SIZE, SIZE)).astype(np.float32)
    calm = texture_of(NormalisedRegion(noise, FULL, 1.0))
    assert calm.kurtosis == pytest.approx(0.0, abs=0.1)
    assert calm.percentiles == pytest.approx((-1.645, -0.674, 0.0, 0.674, 1.645), abs=0.03)
    spots = 0.1 * noise
    spots[::24, ::24] = 3.0
    assert texture_of(NormalisedRegion(spots, FULL, 1.0)).kurtosis > 10


def test_gain_and_offset_of_a_film_do_not_matter():
    rng = np.random.default_rng(1)
    image = rng.normal(0, 1, (300, 300)).astype(np.float32)
    field = np.ones(image.shape, dtype=np.bool_)
    one = normalised_region(image, field, (150, 150), 0.5, 100.0)
    other = normalised_region(40 + 7 * image, field, (150, 150), 0.5, 100.0)
    assert one.mm_per_px == pytest.approx(100.0 / SIZE)
    assert other.contrast == pytest.approx(one.contrast, abs=1e-3)


def test_a_region_mostly_off_the_film_is_left_out():
    image = np.random.default_rng(2).normal(0, 1, (100, 100)).astype(np.float32)
    assert normalised_region(image, np.ones(image.shape, np.bool_), (0.0, 0.0), 1.0, 100.0) is None


def test_an_even_region_has_no_texture():
    with pytest.raises(UsageError, match="some contrast"):
        texture_of(NormalisedRegion(np.zeros((SIZE, SIZE), np.float32), FULL, 1.0))


def test_separation_is_the_share_of_pairs_won():
    assert separation([3, 4], [1, 2]) == 1.0
    assert separation([1, 2], [3, 4]) == 0.0
    assert separation([1, 2], [1, 2]) == 0.5
    assert separation([2, 3], [1, 2]) == pytest.approx(0.875)


def test_spread_is_the_middle_half():
    assert Spread.of([0, 1, 2, 3, 4]) == Spread(2.0, 1.0, 3.0)
