"""Iodine log-signal to areal density and back: effective attenuation behind a patient, and scatter.

A pixel pair gives the apparent log signal m = -ln(I_with / I_without). With scatter S beside primary P the
primary's own signal is s = -ln((1 + SPR) e^-m - SPR), SPR = S / P, and s = (mu/rho) * areal density.
Assumes that scatter is smooth, hence the same with and without the contrast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Effective iodine mass attenuation (cm2/g) for a small signal behind 3 mm Al, the copper of the row and
# 20 cm water, weighted with the energy absorbed in 0.6 mm CsI; SpekPy 2.5.4 with xraydb 4.5.8.
# An ideal energy-integrating detector gives 4-7 % less (12.2 at 70 kVp, 9.9 at 80 kVp without copper).
_TUBE_KV = np.array([50.0, 60.0, 70.0, 80.0, 90.0, 100.0, 110.0, 120.0, 130.0])
_COPPER_MM = np.array([0.0, 0.1, 0.2, 0.3])
_IODINE_CM2_G = np.array(
    [
        [20.11, 15.61, 12.57, 10.44, 9.05, 8.11, 7.43, 6.91, 6.50],
        [19.76, 14.98, 11.92, 9.83, 8.50, 7.60, 6.95, 6.46, 6.07],
        [19.35, 14.42, 11.36, 9.32, 8.04, 7.18, 6.56, 6.09, 5.71],
        [18.94, 13.91, 10.87, 8.89, 7.66, 6.83, 6.23, 5.77, 5.41],
    ]
)

# Patient 15-25 cm, 2-4 mm Al, CsI or ideal detector, hardening up to 30 mg/cm2: spread over those.
_SPECTRUM_RELATIVE_SD = 0.08


@dataclass(frozen=True)
class ScatterRatio:
    """Scatter over primary at the detector, with its 1-sd uncertainty."""

    value: float
    sd: float


@dataclass(frozen=True)
class IodineScale:
    """What turns a log signal into mg/cm2, and how well: `relative_sd` is 1 sd as a fraction."""

    mass_attenuation_cm2_g: float
    scatter: ScatterRatio
    relative_sd: float

    def signal_of(self, areal_mg_cm2: float) -> float:
        """Apparent natural-log signal of an areal iodine density (mg/cm2)."""
        primary = np.exp(-self.mass_attenuation_cm2_g * areal_mg_cm2 * 1e-3)
        return float(-np.log((primary + self.scatter.value) / (1.0 + self.scatter.value)))

    def areal_mg_cm2(
        self, signal: npt.NDArray[np.floating], ratio: npt.NDArray[np.floating] | None = None
    ) -> npt.NDArray[np.float32]:
        """Areal iodine (mg/cm2) of apparent natural-log signals, any shape; negative signals stay negative.

        Parameters
        ----------
        ratio
            Scatter over primary at each signal, where it is known; else the scale's own.
        """
        ratio = np.asarray(self.scatter.value if ratio is None else ratio, dtype=np.float64)
        # A signal at the scatter floor -ln(SPR / (1 + SPR)) would need infinite iodine; stop at 2 % primary.
        primary = np.maximum((1.0 + ratio) * np.exp(-signal.astype(np.float64)) - ratio, 0.02)
        return (-np.log(primary) / self.mass_attenuation_cm2_g * 1e3).astype(np.float32)


def iodine_mass_attenuation_cm2_g(tube_kv: float, filter_cu_mm: float = 0.0) -> float:
    """Effective iodine attenuation (cm2/g) behind a patient, for 50-130 kVp and 0-0.3 mm Cu.

    Raises
    ------
    ValueError
        Outside the tabulated tube voltages; more copper is taken as 0.3 mm.
    """
    if not _TUBE_KV[0] <= tube_kv <= _TUBE_KV[-1]:
        raise ValueError(f"tube_kv must lie in {_TUBE_KV[0]:.0f}..{_TUBE_KV[-1]:.0f}, got {tube_kv}")
    by_copper = [np.interp(tube_kv, _TUBE_KV, row) for row in _IODINE_CM2_G]
    return float(np.interp(filter_cu_mm, _COPPER_MM, by_copper))


def iodine_scale(tube_kv: float, filter_cu_mm: float, scatter: ScatterRatio) -> IodineScale:
    """The scale for one tube setting; its uncertainty combines spectrum and scatter."""
    scatter_sd = scatter.sd / (1.0 + scatter.value)
    return IodineScale(
        iodine_mass_attenuation_cm2_g(tube_kv, filter_cu_mm),
        scatter,
        float(np.hypot(_SPECTRUM_RELATIVE_SD, scatter_sd)),
    )
