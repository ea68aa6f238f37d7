"""Poly-energetic Beer-Lambert: material in the beam (g/cm²) to the log signal of an energy-integrating detector.

Tube spectra (tungsten anode, 12°) and mass attenuation coefficients are tables beside this package, made
with SpekPy and xraydb by `tables/bake.py`. The detector is a caesium iodide scintillator that weighs each
photon by its energy; the escape of fluorescence is neglected.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import resources

import numba
import numpy as np
import numpy.typing as npt

from fluorospread.errors import UsageError

Floats = npt.NDArray[np.float64]
FloatMap = npt.NDArray[np.float32]


class Substance(StrEnum):
    """Everything with an attenuation table; values are its column names."""

    WATER = "water"
    SOFT_TISSUE = "soft-tissue"
    MUSCLE = "muscle"
    FAT = "fat"
    CORTICAL_BONE = "cortical-bone"
    RED_MARROW = "red-marrow"
    YELLOW_MARROW = "yellow-marrow"
    AIR = "air"
    HYDROXYAPATITE = "hydroxyapatite"
    CALCIUM_CARBONATE = "calcium-carbonate"
    BARIUM_SULFATE = "barium-sulfate"
    POLYPROPYLENE = "polypropylene"
    STEEL = "steel"
    TITANIUM = "titanium"
    ALUMINIUM = "aluminium"
    COPPER = "copper"
    IODINE = "iodine"
    CAESIUM_IODIDE = "caesium-iodide"


# g/cm³. Tissues: ICRU Report 44 (1989); air at 22 °C; metals and salts: CRC Handbook.
DENSITY_G_CM3: dict[Substance, float] = {
    Substance.WATER: 1.0,
    Substance.SOFT_TISSUE: 1.06,
    Substance.MUSCLE: 1.05,
    Substance.FAT: 0.95,
    Substance.CORTICAL_BONE: 1.92,
    Substance.RED_MARROW: 1.03,
    Substance.YELLOW_MARROW: 0.98,
    Substance.AIR: 0.0012,
    Substance.HYDROXYAPATITE: 3.16,
    Substance.CALCIUM_CARBONATE: 2.71,
    Substance.BARIUM_SULFATE: 4.50,
    Substance.POLYPROPYLENE: 0.905,
    Substance.STEEL: 8.0,
    Substance.TITANIUM: 4.506,
    Substance.ALUMINIUM: 2.70,
    Substance.COPPER: 8.96,
    Substance.IODINE: 4.93,
    Substance.CAESIUM_IODIDE: 4.51,
}

# Aluminium that the baked spectra have already passed (tables/bake.py).
_INHERENT_AL_MM = 1.0
# A usual fluoroscopic scintillator: 0.6 mm of columnar CsI at 80 % packing.
SCINTILLATOR_G_CM2 = 0.06 * 0.80 * 4.51
# Lumbar AP thickness of a middling adult, used as the point where the coarse bins are exact.
TYPICAL_WATER_CM = 20.0
_IODINE_K_EDGE_KEV = 33.169
# Softer photons stop within a few cm of tissue; a bin of their own keeps the others exact.
_SOFT_KEV = 25.0


def _read_table(name: str) -> tuple[list[str], Floats]:
    text = resources.files("fluorospread.simulation.tables").joinpath(name).read_text(encoding="ascii")
    header, *rows = text.splitlines()
    return header.split(","), np.array([row.split(",") for row in rows], dtype=np.float64)


@functools.cache
def _attenuation_table() -> dict[str, Floats]:
    header, values = _read_table("mass_attenuation_cm2_g.csv")
    return {name: values[:, i] for i, name in enumerate(header)}


@functools.cache
def _spectrum_table() -> tuple[Floats, Floats, Floats]:
    """Energies (n,) keV, tube voltages (m,) kV, fluence (n, m)."""
    header, values = _read_table("tungsten_spectra.csv")
    return values[:, 0], np.array(header[1:], dtype=np.float64), values[:, 1:]


def energies_kev() -> Floats:
    """Centres (n,) of the tables' 1 keV bins."""
    return _attenuation_table()["energy_kev"].copy()


def mass_attenuation_cm2_g(substance: Substance) -> Floats:
    """Total mass attenuation coefficient (n,) at `energies_kev()`, cm²/g."""
    return _attenuation_table()[substance.value].copy()


def linear_attenuation_per_cm(substance: Substance) -> Floats:
    """Linear attenuation coefficient (n,) at the substance's usual density, 1/cm."""
    return mass_attenuation_cm2_g(substance) * DENSITY_G_CM3[substance]


def beam_spectrum(tube_kv: float, filter_al_mm: float = 3.0, filter_cu_mm: float = 0.0) -> Floats:
    """Share of photons (n,) per 1 keV bin that leave the tube housing; sums to 1.

    Parameters
    ----------
    tube_kv
        60 to 110; between whole kV the neighbours are mixed.
    filter_al_mm
        Total aluminium, the tube's own included; at least 1.

    Raises
    ------
    UsageError
        Outside these ranges.
    """
    _, voltages, fluence = _spectrum_table()
    if not voltages[0] <= tube_kv <= voltages[-1]:
        raise UsageError(f"tube voltage must lie in {voltages[0]:.0f}..{voltages[-1]:.0f} kV, got {tube_kv}")
    if filter_al_mm < _INHERENT_AL_MM or filter_cu_mm < 0:
        raise UsageError(
            f"filters need at least {_INHERENT_AL_MM} mm Al and 0 mm Cu, got {filter_al_mm}, {filter_cu_mm}"
        )
    low = min(int(tube_kv - voltages[0]), len(voltages) - 2)
    share = tube_kv - voltages[low]
    photons = (1 - share) * fluence[:, low] + share * fluence[:, low + 1]
    added_cm = ((filter_al_mm - _INHERENT_AL_MM) / 10.0, filter_cu_mm / 10.0)
    photons = photons * np.exp(
        -linear_attenuation_per_cm(Substance.ALUMINIUM) * added_cm[0]
        - linear_attenuation_per_cm(Substance.COPPER) * added_cm[1]
    )
    return np.asarray(photons / photons.sum())


def detector_response_kev() -> Floats:
    """Mean energy (n,) in keV that one photon leaves in the scintillator."""
    absorbed = 1.0 - np.exp(-mass_attenuation_cm2_g(Substance.CAESIUM_IODIDE) * SCINTILLATOR_G_CM2)
    return energies_kev() * absorbed


@dataclass(frozen=True)
class BinnedBeam:
    """A beam in a handful of energy bins, exact behind `TYPICAL_WATER_CM` of water.

    Attributes
    ----------
    weights
        (k,) share of the detector signal in the open beam. They sum to a little less than 1: the rest is
        too soft to cross a patient.
    attenuation_cm2_g
        Mass attenuation (k,) of every substance.
    """

    weights: Floats
    attenuation_cm2_g: Mapping[Substance, Floats] = field(repr=False)


def bin_beam(tube_kv: float, filter_al_mm: float = 3.0, filter_cu_mm: float = 0.0, bins: int = 8) -> BinnedBeam:
    """Beam in `bins` energy bins of about equal signal, none of which straddles iodine's K edge."""
    if bins < 3:
        raise UsageError(f"a binned beam needs at least 3 bins, got {bins}")
    energies = energies_kev()
    signal = beam_spectrum(tube_kv, filter_al_mm, filter_cu_mm) * detector_response_kev()
    signal /= signal.sum()
    behind = signal * np.exp(-mass_attenuation_cm2_g(Substance.WATER) * TYPICAL_WATER_CM)
    above = energies > _IODINE_K_EDGE_KEV
    cumulative = np.cumsum(np.where(above, behind, 0.0))
    label = np.where(above, 2 + np.floor((bins - 2) * (cumulative - 0.5 * behind) / cumulative[-1]), 1).astype(int)
    label[energies < _SOFT_KEV] = 0
    label = np.clip(label, 0, bins - 1)
    share = np.bincount(label, behind, minlength=bins)
    table = {s: np.bincount(label, behind * mass_attenuation_cm2_g(s), minlength=bins) / share for s in Substance}
    weights = share * np.exp(table[Substance.WATER] * TYPICAL_WATER_CM)
    return BinnedBeam(weights.astype(np.float64), table)


def effective_attenuation_cm2_g(
    substance: Substance,
    tube_kv: float,
    filter_al_mm: float = 3.0,
    filter_cu_mm: float = 0.0,
    behind_water_cm: float = TYPICAL_WATER_CM,
) -> float:
    """Mass attenuation in cm²/g that a thin layer shows to the detector behind so much water."""
    signal = beam_spectrum(tube_kv, filter_al_mm, filter_cu_mm) * detector_response_kev()
    signal = signal * np.exp(-mass_attenuation_cm2_g(Substance.WATER) * behind_water_cm)
    return float((signal * mass_attenuation_cm2_g(substance)).sum() / signal.sum())


def noise_factor(tube_kv: float, filter_al_mm: float = 3.0, filter_cu_mm: float = 0.0) -> float:
    """Variance of the detected signal over that of counting as many absorbed photons, >= 1, behind
    `TYPICAL_WATER_CM` of water (the spread of photon energies; inverse of the Swank factor)."""
    photons = beam_spectrum(tube_kv, filter_al_mm, filter_cu_mm)
    photons = photons * np.exp(-mass_attenuation_cm2_g(Substance.WATER) * TYPICAL_WATER_CM)
    absorbed = photons * detector_response_kev() / energies_kev()
    first, second = (float((absorbed * energies_kev() ** power).sum()) for power in (1, 2))
    return second * float(absorbed.sum()) / first**2


@numba.njit(cache=True)
def _log_signal(
    areal: npt.NDArray[np.float32],
    mu: npt.NDArray[np.float32],
    weights: npt.NDArray[np.float32],
    out: npt.NDArray[np.float32],
) -> None:
    """out (p,) = -ln sum_k weights (k,) exp(-sum_m mu (k, m) areal (m, p))."""
    block = 512
    exponent = np.empty(block, dtype=np.float32)
    total = np.empty(block, dtype=np.float32)
    for start in range(0, out.shape[0], block):
        size = min(block, out.shape[0] - start)
        total[:] = np.float32(0.0)
        for k in range(weights.shape[0]):
            exponent[:] = np.float32(0.0)
            for m in range(areal.shape[0]):
                for p in range(size):
                    exponent[p] -= mu[k, m] * areal[m, start + p]
            for p in range(size):
                total[p] += weights[k] * np.exp(exponent[p])
        for p in range(size):
            out[start + p] = -np.log(total[p])


def log_signal(beam: BinnedBeam, areal_g_cm2: Mapping[Substance, FloatMap]) -> FloatMap:
    """Scatter-free -ln(I/I0) of the detector signal.

    Parameters
    ----------
    areal_g_cm2
        Material along each pixel's ray, all maps of one shape, g/cm². Negative values take a substance
        out of a place that another map counts in.

    Returns
    -------
    The same shape, float32; within 0.12 of 0 in the open beam, within 0.02 of the full spectrum's
    behind 10 to 30 cm of tissue.
    """
    if not areal_g_cm2:
        raise UsageError("log_signal needs at least one material map")
    substances = list(areal_g_cm2)
    shape = areal_g_cm2[substances[0]].shape
    stacked = np.stack([np.asarray(areal_g_cm2[s], dtype=np.float32).ravel() for s in substances])
    mu = np.stack([beam.attenuation_cm2_g[s] for s in substances], axis=1).astype(np.float32)
    out = np.empty(stacked.shape[1], dtype=np.float32)
    _log_signal(stacked, mu, beam.weights.astype(np.float32), out)
    return out.reshape(shape)


def trabecular_mix(density_g_cm3: float) -> dict[Substance, float]:
    """Grams of bone mineral matrix and marrow in one cm³ of trabecular bone of a given density.

    The matrix is cortical bone; the marrow half red, half yellow. Volumes add up.
    """
    marrow = 0.5 * (DENSITY_G_CM3[Substance.RED_MARROW] + DENSITY_G_CM3[Substance.YELLOW_MARROW])
    cortical = DENSITY_G_CM3[Substance.CORTICAL_BONE]
    if not marrow <= density_g_cm3 <= cortical:
        raise UsageError(f"trabecular bone weighs {marrow:.3f}..{cortical:.2f} g/cm³, got {density_g_cm3}")
    share = (density_g_cm3 - marrow) / (cortical - marrow)
    return {
        Substance.CORTICAL_BONE: share * cortical,
        Substance.RED_MARROW: 0.5 * (1 - share) * DENSITY_G_CM3[Substance.RED_MARROW],
        Substance.YELLOW_MARROW: 0.5 * (1 - share) * DENSITY_G_CM3[Substance.YELLOW_MARROW],
    }
