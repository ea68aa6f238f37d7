"""Readings: primary, scatter, blur and noise have the size they were asked for."""

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from fluorospread.errors import UsageError
from fluorospread.simulation.detector import CircularField, Exposure, RectangularField, expose, scatter
from fluorospread.simulation.projection import CArm
from fluorospread.simulation.spectrum import noise_factor

CARM = CArm(1000.0, 700.0, (0.6, 0.6), 400, 420)
CLEAN = Exposure(
    scatter_to_primary=0.0, focal_spot_mm=0.0, detector_sigma_mm=0.0, electronic_noise_quanta=0.0, heel=0.0
)


def flat(log_signal: float) -> npt.NDArray[np.float32]:
    return np.full((CARM.rows, CARM.cols), log_signal, dtype=np.float32)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_automatic_exposure_holds_the_middle_of_the_field() -> None:
    for depth in (2.0, 5.0):
        reading = expose(flat(depth), CARM, dataclasses.replace(CLEAN, quanta_per_pixel=500.0), rng())
        assert reading.mean() == pytest.approx(500.0, rel=0.002)


def test_quantum_noise_is_that_of_counting_times_the_energy_spread() -> None:
    reading = expose(flat(4.0), CARM, dataclasses.replace(CLEAN, quanta_per_pixel=400.0), rng())
    # 168,000 pixels give the variance within 0.4 %.
    expected = 400.0 * noise_factor(CLEAN.tube_kv, CLEAN.filter_al_mm, CLEAN.filter_cu_mm)
    assert reading.var() == pytest.approx(expected, rel=0.02)


def test_electronic_noise_adds_in_squares() -> None:
    quiet = expose(flat(4.0), CARM, dataclasses.replace(CLEAN, quanta_per_pixel=400.0), rng())
    loud = expose(
        flat(4.0), CARM, dataclasses.replace(CLEAN, quanta_per_pixel=400.0, electronic_noise_quanta=15.0), rng()
    )
    assert loud.var() == pytest.approx(quiet.var() + 225.0, rel=0.03)


def test_a_difference_in_depth_is_a_difference_in_log_reading() -> None:
    depth = flat(4.0)
    depth[:, 210:] += 0.5
    reading = expose(depth, CARM, dataclasses.replace(CLEAN, quanta_per_pixel=2000.0), rng())
    step = np.log(reading[:, 50:150].mean() / reading[:, 270:370].mean())
    assert step == pytest.approx(0.5, abs=0.005)


def test_scatter_takes_away_contrast_by_its_known_factor() -> None:
    # With as much scatter as primary a small log difference reads half.
    depth = flat(4.5)
    depth[190:210, 200:220] += 0.05
    exposure = dataclasses.replace(CLEAN, scatter_to_primary=1.0, quanta_per_pixel=20000.0)
    patch = (slice(192, 208), slice(202, 218))
    ratio = np.log(
        expose(flat(4.5), CARM, exposure, rng())[patch].mean() / expose(depth, CARM, exposure, rng())[patch].mean()
    )
    veil = scatter(np.exp(-depth), depth, 1.0, CARM)[200, 210] / np.exp(-4.5)
    assert ratio == pytest.approx(0.05 / (1 + veil), rel=0.1)
    # The veil of a 240 mm field is weaker than that of an endless one: part of the kernel lies outside.
    assert 0.7 < veil < 1.0


def test_scatter_grows_with_the_patient_and_stops_with_the_blades() -> None:
    thin, thick = (scatter(np.exp(-flat(d)), flat(d), 0.5, CARM)[200, 210] / np.exp(-d) for d in (2.25, 4.5))
    assert thick == pytest.approx(thin * 2**1.6, rel=0.01)
    half = np.exp(-flat(4.5))
    half[:, 210:] = 0
    veil = scatter(half, flat(4.5), 0.5, CARM)
    assert veil[200, 400] < 0.2 * veil[200, 20]


@pytest.mark.parametrize(
    ("field_mm", "ratio"), [(60, 0.28), (100, 0.44), (150, 0.59), (200, 0.75), (250, 0.88), (300, 1.0)]
)
def test_scatter_grows_with_the_field_as_that_of_followed_photons_does(field_mm: int, ratio: float) -> None:
    # Ratios of photons followed through 20 cm of water behind a 10:1 grid (docs/simulation_physics.md).
    carm = CArm(1000.0, 720.0, (2.0, 2.0), 180, 180)
    half = field_mm // 4
    field = RectangularField(90 - half, 89 + half, 90 - half, 89 + half)
    depth = np.full((180, 180), 4.5, dtype=np.float32)
    primary = np.where(field.open_mask((180, 180)), np.exp(-depth), 0).astype(np.float32)
    found = scatter(primary, depth, 0.3, carm)[90, 90] / np.exp(-4.5)
    assert found == pytest.approx(0.3 * ratio, abs=0.3 * 0.03)


def test_glare_fills_the_shadow_of_an_opaque_disc() -> None:
    depth = flat(1.0)
    rows, cols = np.ogrid[:400, :420]
    depth[(rows - 200) ** 2 + (cols - 210) ** 2 < 16**2] = 20.0
    exposure = dataclasses.replace(CLEAN, quanta_per_pixel=1e5)
    dark, veiled = (
        expose(depth, CARM, dataclasses.replace(exposure, glare=share), rng())[195:205, 205:215].mean() / 1e5
        for share in (0.0, 0.1)
    )
    assert dark < 1e-4
    # A disc of 9.6 mm radius keeps 1 - exp(-r²/2s²) of each part out: 27 % of that of 12 mm sd, 2 % of 50 mm's;
    # the field's borders lose another 2 % of the wide part.
    assert veiled == pytest.approx(0.1 * 0.5 * (0.73 + 0.95), rel=0.05)


def test_blur_has_the_width_of_spot_and_detector() -> None:
    depth = flat(0.0)
    depth[:, 210:] = 8.0
    # Magnification 10/7: a 1.4 mm spot casts a 0.6 mm wide shadow, sd 0.6/sqrt 12 = 0.173 mm; with the
    # detector's 0.8 mm that is 0.8185 mm or 1.364 px.
    exposure = dataclasses.replace(CLEAN, focal_spot_mm=1.4, detector_sigma_mm=0.8, quanta_per_pixel=1e5)
    profile = expose(depth, CARM, exposure, rng()).mean(axis=0)
    spread = -np.diff(profile[195:225])
    at = np.arange(spread.size)
    centre = (spread * at).sum() / spread.sum()
    sigma = np.sqrt((spread * (at - centre) ** 2).sum() / spread.sum())
    assert sigma == pytest.approx(0.8185 / 0.6, rel=0.05)


@pytest.mark.parametrize(
    ("field", "inside", "outside"),
    [
        (RectangularField(50, 349, 60, 359), (50, 60), (49, 60)),
        (CircularField(200, 210, 150), (200, 360), (200, 361)),
    ],
)
def test_blades_leave_almost_nothing_outside(
    field: RectangularField | CircularField, inside: tuple[int, int], outside: tuple[int, int]
) -> None:
    mask = field.open_mask((CARM.rows, CARM.cols))
    assert mask[inside]
    assert not mask[outside]
    reading = expose(flat(4.0), CARM, dataclasses.replace(CLEAN, quanta_per_pixel=1000.0), rng(), field)
    assert reading[mask].mean() == pytest.approx(1000.0, rel=0.01)
    assert reading[~mask].mean() < 5.0


def test_the_heel_effect_dims_from_first_to_last_row() -> None:
    reading = expose(flat(4.0), CARM, dataclasses.replace(CLEAN, heel=0.2, quanta_per_pixel=5000.0), rng())
    assert reading[0].mean() / reading[-1].mean() == pytest.approx(1.1 / 0.9, rel=0.01)


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = (expose(flat(4.0), CARM, Exposure(), rng(7)).tobytes() for _ in range(2))
    assert first == second
    assert first != expose(flat(4.0), CARM, Exposure(), rng(8)).tobytes()


def test_a_map_of_another_shape_is_refused() -> None:
    with pytest.raises(UsageError, match="does not fit the detector"):
        expose(np.zeros((10, 10), dtype=np.float32), CARM, Exposure(), rng())


def test_an_exposure_without_photons_is_refused() -> None:
    with pytest.raises(UsageError, match="quanta > 0"):
        Exposure(quanta_per_pixel=0.0)
