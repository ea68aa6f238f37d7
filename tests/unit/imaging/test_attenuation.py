"""Iodine signal and areal density, against numbers computed with xraydb and SpekPy."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.imaging.attenuation import (
    ScatterRatio,
    bone_mass_attenuation_cm2_g,
    iodine_mass_attenuation_cm2_g,
    iodine_scale,
    mass_relative_sd,
)

NO_SCATTER = ScatterRatio(0.0, 0.0)


@pytest.mark.parametrize(
    ("tube_kv", "filter_cu_mm", "ideal_cm2_g"), [(70, 0.0, 12.2), (80, 0.0, 9.9), (80, 0.1, 9.35), (90, 0.2, 7.5)]
)
def test_attenuation_is_near_that_of_a_trace_in_an_ideal_detector_behind_water(tube_kv, filter_cu_mm, ideal_cm2_g):
    # CsI absorbs low energies better (4 to 7 % more); bone and iodine itself take them away (5 to 8 % less).
    found = iodine_mass_attenuation_cm2_g(tube_kv, filter_cu_mm)
    assert 0.95 < found / ideal_cm2_g < 1.03


def test_bone_attenuates_as_cortex_less_the_soft_tissue_it_replaces():
    # At 55 keV, about the mean energy at 80 kV behind a patient: ICRU 44 cortical bone 0.36 and soft tissue 0.214 cm2/g
    # give 0.36 - 0.214 * 1.06 / 1.92 = 0.24.
    assert bone_mass_attenuation_cm2_g(80.0, 0.1) == pytest.approx(0.242, rel=0.03)


def test_attenuation_falls_with_tube_voltage_and_with_copper():
    by_voltage = [iodine_mass_attenuation_cm2_g(kv) for kv in range(50, 131, 5)]
    by_copper = [iodine_mass_attenuation_cm2_g(80, cu) for cu in (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)]
    assert (np.diff(by_voltage) < 0).all()
    assert (np.diff(by_copper) < 0).all()


@pytest.mark.parametrize("tube_kv", [49.9, 131.0])
def test_a_tube_voltage_outside_the_table_is_refused(tube_kv):
    with pytest.raises(ValueError, match=r"tube_kv must lie in 50\.\.130"):
        iodine_mass_attenuation_cm2_g(tube_kv)


def test_as_much_scatter_as_primary_halves_a_signal():
    # -ln((exp(-0.18) + 1) / 2) = 0.0860
    scale = iodine_scale(80, 0.0, ScatterRatio(1.0, 0.5))
    areal = 0.18 / scale.mass_attenuation_cm2_g * 1e3
    assert scale.signal_of(areal) == pytest.approx(0.0860, abs=1e-4)


@pytest.mark.parametrize("ratio", [0.0, 0.5, 2.0])
def test_areal_iodine_comes_back_from_its_own_signal(ratio):
    scale = iodine_scale(75, 0.1, ScatterRatio(ratio, 0.1))
    for areal in (0.0, 4.0, 48.0):
        assert scale.areal_mg_cm2(np.array([scale.signal_of(areal)]))[0] == pytest.approx(areal, abs=1e-3)


def test_a_signal_that_scatter_alone_would_stop_stays_finite():
    scale = iodine_scale(80, 0.0, ScatterRatio(1.0, 0.5))
    assert np.isfinite(scale.areal_mg_cm2(np.array([0.69, 0.8, 5.0]))).all()


def test_scatter_uncertainty_enters_the_scale():
    # 0.5 / (1 + 1) = 0.25 beside the 8 % of the spectrum.
    assert iodine_scale(80, 0.0, ScatterRatio(1.0, 0.5)).relative_sd == pytest.approx(np.hypot(0.25, 0.08))
    assert iodine_scale(80, 0.0, NO_SCATTER).relative_sd == pytest.approx(0.08)


def test_thick_iodine_suffers_more_from_scatter_than_a_trace():
    scale = iodine_scale(80, 0.0, ScatterRatio(1.0, 0.2))
    ratio = np.ones(1)
    trace, thick = (np.array([scale.signal_of(areal)]) for areal in (0.5, 60.0))
    # A trace: 1 + ratio, known to 0.2 / 2, and the spectrum; e^0.1 - 1 = 0.105 upwards.
    assert mass_relative_sd(scale, trace, ratio) == pytest.approx(np.hypot(0.105, 0.08), rel=0.02)
    # exp(-s) = 0.559 for 60 mg/cm2; with 1 + ratio 10.5 % up the same signal leaves 0.513, which is 14.9 % more iodine.
    assert mass_relative_sd(scale, thick, ratio) == pytest.approx(np.hypot(0.149, 0.08), rel=0.01)
