"""Iodine log-signal to areal density and back: effective attenuation behind a patient, and scatter.

A pixel pair gives the apparent log signal m = -ln(I_with / I_without). With scatter S beside primary P the
primary's own signal is s = -ln((1 + SPR) e^-m - SPR), SPR = S / P, and s = (mu/rho) * areal density.
Assumes that scatter is smooth, hence the same with and without the contrast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Effective iodine mass attenuation (cm2/g) of 15 mg/cm2, the middle of a pool, behind 3 mm Al, the copper of the row,
# 20 cm water and 1 g/cm2 of cortical bone (transverse process and joint), weighted with the energy absorbed in
# 0.6 mm CsI; SpekPy 2.5.4 with xraydb 4.5.8. Without the bone and for a trace of iodine it is 5 to 8 % more.
_TUBE_KV = np.array([50.0, 60.0, 70.0, 80.0, 90.0, 100.0, 110.0, 120.0, 130.0])
_COPPER_MM = np.array([0.0, 0.1, 0.2, 0.3])
_IODINE_CM2_G = np.array(
    [
        [19.49, 14.73, 11.72, 9.68, 8.39, 7.52, 6.90, 6.42, 6.04],
        [19.10, 14.19, 11.19, 9.20, 7.96, 7.13, 6.52, 6.06, 5.70],
        [18.71, 13.72, 10.74, 8.80, 7.60, 6.79, 6.21, 5.76, 5.41],
        [18.32, 13.30, 10.35, 8.45, 7.29, 6.51, 5.94, 5.50, 5.16],
    ]
)
# The same for cortical bone less the soft tissue that it takes the place of (ICRU Report 44).
_BONE_CM2_G = np.array(
    [
        [0.489, 0.367, 0.299, 0.254, 0.226, 0.208, 0.195, 0.185, 0.177],
        [0.470, 0.351, 0.285, 0.242, 0.216, 0.198, 0.186, 0.177, 0.169],
        [0.454, 0.338, 0.273, 0.232, 0.207, 0.191, 0.179, 0.170, 0.163],
        [0.441, 0.327, 0.264, 0.224, 0.200, 0.184, 0.173, 0.164, 0.157],
    ]
)

# Patient 15-25 cm, 2-4 mm Al, CsI or ideal detector, 0 to 2 g/cm2 of bone, up to 30 mg/cm2: spread over those; and
# what the background beneath a pool may be off. Of tuning pairs behind their true scatter 68 % are within it.
_SPECTRUM_RELATIVE_SD = 0.08


_LEAST_PRIMARY = 0.2


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
        # A signal at the scatter floor -ln(SPR / (1 + SPR)) would need infinite iodine; stop at what 1 cm of a mixture
        # three times as dense as this block's would leave, lest a ratio that is a little high give grams.
        primary = np.maximum((1.0 + ratio) * np.exp(-signal.astype(np.float64)) - ratio, _LEAST_PRIMARY)
        return (-np.log(primary) / self.mass_attenuation_cm2_g * 1e3).astype(np.float32)


def iodine_mass_attenuation_cm2_g(tube_kv: float, filter_cu_mm: float = 0.0) -> float:
    """Effective iodine attenuation (cm2/g) behind a patient, for 50-130 kVp and 0-0.3 mm Cu.

    Raises
    ------
    ValueError
        Outside the tabulated tube voltages; more copper is taken as 0.3 mm.
    """
    return _interpolated(_IODINE_CM2_G, tube_kv, filter_cu_mm)


def bone_mass_attenuation_cm2_g(tube_kv: float, filter_cu_mm: float = 0.0) -> float:
    """Effective attenuation (cm2/g) of cortical bone over that of the soft tissue it replaces; else as for iodine.

    Raises
    ------
    ValueError
        As for iodine.
    """
    return _interpolated(_BONE_CM2_G, tube_kv, filter_cu_mm)


def _interpolated(table: npt.NDArray[np.float64], tube_kv: float, filter_cu_mm: float) -> float:
    if not _TUBE_KV[0] <= tube_kv <= _TUBE_KV[-1]:
        raise ValueError(f"tube_kv must lie in {_TUBE_KV[0]:.0f}..{_TUBE_KV[-1]:.0f}, got {tube_kv}")
    by_copper = [np.interp(tube_kv, _TUBE_KV, row) for row in table]
    return float(np.interp(filter_cu_mm, _COPPER_MM, by_copper))


def mass_relative_sd(scale: IodineScale, signal: npt.NDArray[np.floating], ratio: npt.NDArray[np.floating]) -> float:
    """1 sd, as a fraction, of the iodine of pixels (n,): scatter carried through to the sum, and the spectrum.

    Thick iodine needs more primary to explain the same signal, so that it suffers more from scatter than
    `IodineScale.relative_sd`, which holds for a trace.
    """
    factor = np.exp(scale.scatter.sd / (1.0 + scale.scatter.value))
    shrunk = 1.0 + np.asarray(ratio, dtype=np.float64)
    least, middle, most = (
        float(scale.areal_mg_cm2(signal, np.maximum(shrunk * by - 1.0, 0.0)).sum(dtype=np.float64))
        for by in (1.0 / factor, 1.0, factor)
    )
    if middle <= 0.0:
        return scale.relative_sd
    return float(np.hypot(_SPECTRUM_RELATIVE_SD, max(most - middle, middle - least) / middle))


def iodine_scale(tube_kv: float, filter_cu_mm: float, scatter: ScatterRatio) -> IodineScale:
    """The scale for one tube setting; its uncertainty combines spectrum and scatter."""
    scatter_sd = scatter.sd / (1.0 + scatter.value)
    return IodineScale(
        iodine_mass_attenuation_cm2_g(tube_kv, filter_cu_mm),
        scatter,
        float(np.hypot(_SPECTRUM_RELATIVE_SD, scatter_sd)),
    )
