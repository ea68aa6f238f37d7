"""Photons followed through water scatter as often, and into the angles, that theory says."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from fluorospread.simulation import spectrum

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
MIDDLE = np.zeros((1, 2))


@pytest.fixture(scope="module")
def transport():
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("harness.photon_transport")
    sys.path.remove(str(BENCHMARKS))
    for name in [name for name in sys.modules if name.split(".")[0] == "harness"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def tables(transport):
    return transport.water_tables(spectrum.detector_response_kev(), spectrum.energies_kev())


def ratio(transport, tables, slab, photons=4000):
    beam = spectrum.beam_spectrum(80.0, 3.0, 0.1)
    return float(transport.scatter_to_primary(slab, spectrum.energies_kev(), beam, tables, MIDDLE, photons, 0)[0])


def test_water_attenuates_as_the_simulators_table_says(tables) -> None:
    # Both come from xraydb; 60.5 keV lies between whole keV 60 and 61, which start at 5.
    here = 0.5 * (tables.per_cm[55] + tables.per_cm[56])
    table = spectrum.mass_attenuation_cm2_g(spectrum.Substance.WATER)
    assert here == pytest.approx(np.interp(60.5, spectrum.energies_kev(), table), rel=0.01)


def test_a_free_electron_scatters_by_klein_and_nishina(transport) -> None:
    # With every electron free the integral is the Klein-Nishina cross section: 2 pi (k + 1/k - sin²) k² / ...,
    # which at 60 keV is 0.8205 of Thomson's 8 pi/3 (times 2, as the shape leaves out the half).
    free = np.ones(2001)
    norms = transport._norms(free, free)
    alpha = 60.0 / 510.999
    thomson = 2 * 8 * np.pi / 3
    logarithm = np.log(1 + 2 * alpha)
    first = (1 + alpha) / alpha**2 * (2 * (1 + alpha) / (1 + 2 * alpha) - logarithm / alpha)
    exact = 0.75 * (first + logarithm / (2 * alpha) - (1 + 3 * alpha) / (1 + 2 * alpha) ** 2)
    assert norms[1, 60] == pytest.approx(exact * thomson, rel=0.002)
    assert norms[0, 60] == pytest.approx(thomson, rel=0.002)


def test_a_thin_slab_scatters_in_proportion_to_its_thickness(transport, tables) -> None:
    thin, twice = (ratio(transport, tables, transport.Slab(cm), 20_000) for cm in (0.2, 0.4))
    assert twice == pytest.approx(2 * thin, rel=0.1)
    assert 0.005 < thin < 0.05


def test_a_grid_holds_back_most_of_it_and_a_gap_some(transport, tables) -> None:
    bare = ratio(transport, tables, transport.Slab(20))
    close = ratio(transport, tables, transport.Slab(20, middle=89.5))
    behind_grid = ratio(transport, tables, transport.Slab(20, grid_ratio=10.0))
    # Long runs gave 1.9, 3.8 and 0.30.
    assert bare == pytest.approx(1.9, rel=0.2)
    assert close == pytest.approx(3.8, rel=0.2)
    assert behind_grid == pytest.approx(0.30, rel=0.25)
