"""Spectra and attenuation against numbers published or computed independently."""

import numpy as np
import numpy.typing as npt
import pytest

from fluorospread.errors import UsageError
from fluorospread.simulation import spectrum
from fluorospread.simulation.spectrum import Substance


def at_kev(substance: Substance, energy: float) -> float:
    """Log-log interpolated coefficient, cm²/g."""
    table = spectrum.mass_attenuation_cm2_g(substance)
    return float(np.exp(np.interp(np.log(energy), np.log(spectrum.energies_kev()), np.log(table))))


@pytest.mark.parametrize(
    ("substance", "at_40", "at_60", "at_80"),
    # NIST XCOM (Hubbell and Seltzer).
    [
        (Substance.IODINE, 22.1, 7.58, 3.51),
        (Substance.WATER, 0.268, 0.206, 0.184),
        (Substance.CORTICAL_BONE, 0.666, 0.315, 0.223),
        (Substance.ALUMINIUM, 0.568, 0.278, 0.202),
        (Substance.COPPER, 4.86, 1.59, 0.763),
    ],
)
def test_mass_attenuation_is_nists(substance: Substance, at_40: float, at_60: float, at_80: float) -> None:
    # One per cent: bins of 1 keV and two compilations of cross sections.
    for energy, expected in ((40, at_40), (60, at_60), (80, at_80)):
        assert at_kev(substance, energy) == pytest.approx(expected, rel=0.012)


def test_iodine_jumps_at_its_k_edge() -> None:
    energies = spectrum.energies_kev()
    iodine = spectrum.mass_attenuation_cm2_g(Substance.IODINE)
    assert iodine[energies == 33.5] > 5 * iodine[energies == 32.5]


@pytest.mark.parametrize(
    ("tube_kv", "copper_mm", "expected"), [(70, 0.0, 12.2), (80, 0.0, 9.9), (80, 0.1, 9.35), (90, 0.2, 7.5)]
)
def test_iodine_behind_20_cm_of_water_has_its_published_strength(
    tube_kv: float, copper_mm: float, expected: float
) -> None:
    # The reference numbers weigh photons by their energy alone, so drop the scintillator here.
    energies = spectrum.energies_kev()
    weight = energies * spectrum.beam_spectrum(tube_kv, 3.0, copper_mm)
    weight *= np.exp(-spectrum.mass_attenuation_cm2_g(Substance.WATER) * 20)
    mean = float((weight * spectrum.mass_attenuation_cm2_g(Substance.IODINE)).sum() / weight.sum())
    assert mean == pytest.approx(expected, rel=0.01)
    # The scintillator favours softer photons, which iodine stops better, by less than a tenth.
    seen = spectrum.effective_attenuation_cm2_g(Substance.IODINE, tube_kv, 3.0, copper_mm)
    assert mean < seen < 1.1 * mean


def test_a_spectrum_ends_at_the_tube_voltage_and_sums_to_one() -> None:
    energies = spectrum.energies_kev()
    photons = spectrum.beam_spectrum(75.0)
    assert photons.sum() == pytest.approx(1)
    assert not photons[energies > 75].any()
    assert photons[energies == 59.5] > photons[energies == 61.5]  # tungsten's K alpha line at 59.3 keV


def test_more_filtration_and_voltage_harden_the_beam() -> None:
    def mean_kev(*beam: float) -> float:
        return float((spectrum.beam_spectrum(*beam) * spectrum.energies_kev()).sum())

    assert mean_kev(70, 2.5) < mean_kev(70, 6.0) < mean_kev(70, 6.0, 0.3)
    assert mean_kev(70.0) < mean_kev(70.5) < mean_kev(71.0)


def full_log_signal(beam: tuple[float, float, float], areal: dict[Substance, float]) -> float:
    signal = spectrum.beam_spectrum(*beam) * spectrum.detector_response_kev()
    exponent = sum(spectrum.mass_attenuation_cm2_g(s) * g for s, g in areal.items())
    return float(-np.log((signal * np.exp(-exponent)).sum() / signal.sum()))


@pytest.mark.parametrize("beam", [(60, 2.5, 0.0), (80, 3.0, 0.1), (110, 6.0, 0.3)])
@pytest.mark.parametrize(
    ("water", "bone", "iodine"), [(10, 0, 0), (20, 0, 0), (30, 0, 0), (20, 5, 0), (20, 3, 0.05), (15, 2, 0.1)]
)
def test_a_few_bins_stand_for_the_whole_spectrum(
    beam: tuple[float, float, float], water: float, bone: float, iodine: float
) -> None:
    areal = {Substance.WATER: water, Substance.CORTICAL_BONE: bone, Substance.IODINE: iodine}
    maps = {s: np.full((2, 3), g, dtype=np.float32) for s, g in areal.items()}
    got = spectrum.log_signal(spectrum.bin_beam(*beam), maps)
    assert got.shape == (2, 3)
    np.testing.assert_allclose(got, full_log_signal(beam, areal), atol=0.02)


def test_a_thin_layer_of_iodine_adds_its_effective_attenuation() -> None:
    # 12 mg/cm² (240 mg over 20 cm²) behind 20 cm of water.
    def signal(iodine: float) -> float:
        maps = {
            Substance.WATER: np.full((1, 1), 20.0, np.float32),
            Substance.IODINE: np.full((1, 1), iodine, np.float32),
        }
        return float(spectrum.log_signal(spectrum.bin_beam(80, 3.0, 0.1), maps)[0, 0])

    expected = 0.012 * spectrum.effective_attenuation_cm2_g(Substance.IODINE, 80, 3.0, 0.1)
    # Hardening within the layer costs under 3 %; float32 rounds 4.5 to 5e-7.
    assert signal(0.012) - signal(0.0) == pytest.approx(expected, rel=0.03)


def test_what_is_replaced_is_taken_out() -> None:
    def maps(water: float, bone: float) -> dict[Substance, npt.NDArray[np.float32]]:
        return {
            Substance.WATER: np.full((1, 1), water, np.float32),
            Substance.CORTICAL_BONE: np.full((1, 1), bone, np.float32),
        }

    beam = spectrum.bin_beam(80)
    assert spectrum.log_signal(beam, maps(20 - 2, 3.84)) > spectrum.log_signal(beam, maps(20, 0))


def test_trabecular_bone_weighs_what_it_was_asked_to() -> None:
    mix = spectrum.trabecular_mix(1.12)
    assert sum(mix.values()) == pytest.approx(1.12)
    volumes = sum(grams / spectrum.DENSITY_G_CM3[s] for s, grams in mix.items())
    # Two marrows of nearly equal density share a volume that is averaged by density.
    assert volumes == pytest.approx(1.0, abs=1e-3)


def test_energy_spread_makes_noise_a_few_per_cent_worse_than_counting() -> None:
    assert 1.01 < spectrum.noise_factor(80) < 1.10


@pytest.mark.parametrize("beam", [(59.0, 3.0, 0.0), (111.0, 3.0, 0.0), (80.0, 0.5, 0.0), (80.0, 3.0, -0.1)])
def test_beams_outside_the_tables_are_refused(beam: tuple[float, float, float]) -> None:
    with pytest.raises(UsageError, match=r"must lie in|need at least"):
        spectrum.beam_spectrum(*beam)


def test_trabecular_bone_lighter_than_marrow_is_refused() -> None:
    with pytest.raises(UsageError, match="weighs"):
        spectrum.trabecular_mix(0.9)


def test_the_tables_are_what_their_script_computes() -> None:
    pytest.importorskip("xraydb", reason="xraydb is not installed")
    pytest.importorskip("spekpy", reason="spekpy is not installed")
    from fluorospread.simulation.tables import bake

    steel = bake.mass_attenuation_cm2_g(bake.COMPOSITIONS["steel"])
    np.testing.assert_allclose(spectrum.mass_attenuation_cm2_g(Substance.STEEL), steel, rtol=1e-5)
    baked = bake.tube_spectrum(80)
    np.testing.assert_allclose(spectrum.beam_spectrum(80, bake.INHERENT_AL_MM), baked, rtol=1e-4, atol=1e-9)
