"""Scatter-free log signal to what the detector reads: scatter, blur, quantum and electronic noise, field stop.

The unit of a reading is the detected quantum: a reading of 400 came from about 400 photons of mean energy,
so its noise is known. Scatter is the primary beam, weighted by how much tissue it crossed, spread over the
field by two wide kernels; this carries the slow veil that scatter is, not its structure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.errors import UsageError
from fluorospread.simulation import spectrum
from fluorospread.simulation.projection import CArm

FloatMap = npt.NDArray[np.float32]

# Gaussian sigmas at the detector (mm) and shares: the near halo and the wide veil of patient scatter behind a
# 10:1 grid, fitted to photons followed through 20 cm of water at 80 kV over fields of 6 to 30 cm
# (benchmarks/scatter.py). The two-part form is that of Love and Kruger, Med Phys 14 (1987) 178.
_SCATTER_KERNELS: tuple[tuple[float, float], ...] = ((21.0, 0.26), (98.0, 0.74))
# The stated ratio is that in the middle of a square field of this side.
_SCATTER_FIELD_MM = 300.0
# Scatter per primary grows with the attenuating path about to this power between 15 and 30 cm of water.
_SCATTER_GROWTH = 1.6
_SCATTER_CELLS = 128
# Light that strays within an image receptor falls off over centimetres: sigmas (mm) and shares.
_GLARE_KERNELS: tuple[tuple[float, float], ...] = ((12.0, 0.5), (50.0, 0.5))
# Blades leak this share of the beam; the rest of what is read behind them is scatter.
_BLADE_TRANSMISSION = 0.002


@dataclass(frozen=True)
class Exposure:
    """Technique and detector of one image.

    Attributes
    ----------
    tube_kv, filter_al_mm, filter_cu_mm
        Beam; see `spectrum.beam_spectrum`.
    quanta_per_pixel
        Mean reading over the middle of the field, which automatic exposure holds: about 100 for one
        fluoroscopy frame, 400 for a held image, 3000 for a digital spot image.
    scatter_to_primary
        At the detector (behind the grid) in the middle of a 30 cm field behind 20 cm of water: 0.3 with a
        good grid, 1.9 without.
    glare
        Share of the light that strays far within the detector: 0.02 in a flat panel, 0.1 in an old image
        intensifier.
    focal_spot_mm, detector_sigma_mm
        Focal spot width; 1 sd of the detector's spread.
    electronic_noise_quanta
        1 sd of the read-out noise.
    heel
        Fall of the beam from the first to the last row, as a fraction (anode heel effect).
    """

    tube_kv: float = 80.0
    filter_al_mm: float = 3.0
    filter_cu_mm: float = 0.1
    quanta_per_pixel: float = 1000.0
    scatter_to_primary: float = 0.5
    focal_spot_mm: float = 0.6
    detector_sigma_mm: float = 0.22
    electronic_noise_quanta: float = 4.0
    heel: float = 0.08
    glare: float = 0.0

    def __post_init__(self) -> None:
        if self.quanta_per_pixel <= 0 or self.scatter_to_primary < 0 or self.electronic_noise_quanta < 0:
            raise UsageError("an exposure needs quanta > 0, scatter >= 0 and electronic noise >= 0")
        if self.focal_spot_mm < 0 or self.detector_sigma_mm < 0 or not 0 <= self.heel < 1 or not 0 <= self.glare < 1:
            raise UsageError("blur must not be negative; the heel effect and glare lie in 0..1")


@dataclass(frozen=True)
class RectangularField:
    """Open field: first and last open row and column (0-based)."""

    first_row: int
    last_row: int
    first_col: int
    last_col: int

    def open_mask(self, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """(rows, cols), True where the beam is open."""
        mask = np.zeros(shape, dtype=np.bool_)
        mask[self.first_row : self.last_row + 1, self.first_col : self.last_col + 1] = True
        return mask


@dataclass(frozen=True)
class CircularField:
    """Open field: centre (row, col) and radius in pixels."""

    center_row: int
    center_col: int
    radius_px: int

    def open_mask(self, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """(rows, cols), True where the beam is open."""
        rows, cols = np.ogrid[: shape[0], : shape[1]]
        inside = (rows - self.center_row) ** 2 + (cols - self.center_col) ** 2 <= self.radius_px**2
        return np.asarray(inside, dtype=np.bool_)


FieldStop = RectangularField | CircularField


def _interpolation(size: int, cells: int) -> FloatMap:
    """(size, cells) matrix that reads pixel centres off cell centres linearly, flat beyond the last."""
    at = np.clip((np.arange(size) + 0.5) * cells / size - 0.5, 0, cells - 1)
    low = np.minimum(at.astype(int), max(cells - 2, 0))
    share = at - low
    matrix = np.zeros((size, cells), dtype=np.float32)
    matrix[np.arange(size), low] = 1 - share
    matrix[np.arange(size), np.minimum(low + 1, cells - 1)] += share
    return matrix


def scatter(primary: FloatMap, log_path: FloatMap, scatter_to_primary: float, carm: CArm) -> FloatMap:
    """Scatter in the unit of `primary`.

    Parameters
    ----------
    primary
        (rows, cols) scatter-free signal, zero where blades stop it.
    log_path
        Scatter-free -ln(I/I0), which says how much tissue scatters.
    """
    typical = 4.5  # Log signal of 20 cm of water at 80 kV.
    source = primary * np.clip(log_path / typical, 0.0, 2.5) ** _SCATTER_GROWTH
    return np.asarray(scatter_to_primary / _middle_share() * _spread_wide(source, _SCATTER_KERNELS, carm))


def _middle_share() -> float:
    """Share of the kernels that a field of the reference size holds about its middle."""
    half = 0.5 * _SCATTER_FIELD_MM
    return sum(share * math.erf(half / (sigma * math.sqrt(2.0))) ** 2 for sigma, share in _SCATTER_KERNELS)


def _spread_wide(source: FloatMap, kernels: Sequence[tuple[float, float]], carm: CArm) -> FloatMap:
    """A map (rows, cols) spread by Gaussians (sigma in mm, share) too wide to need every pixel; nothing comes
    in from beyond its borders."""
    from scipy.ndimage import gaussian_filter

    rows, cols = source.shape
    cell = max(1, math.ceil(max(rows, cols) / _SCATTER_CELLS))
    down, along = math.ceil(rows / cell), math.ceil(cols / cell)
    padded = np.pad(source, ((0, down * cell - rows), (0, along * cell - cols)), mode="edge")
    coarse = padded.reshape(down, cell, along, cell).mean(axis=(1, 3))
    spread = np.zeros_like(coarse)
    for sigma_mm, share in kernels:
        sigma = [sigma_mm / (spacing * cell) for spacing in carm.detector_spacing_mm]
        spread += share * gaussian_filter(coarse, sigma, mode="constant", truncate=3.5)
    fine = _interpolation(down * cell, down)[:rows] @ spread @ _interpolation(along * cell, along)[:cols].T
    return np.asarray(fine, dtype=np.float32)


def expose(
    log_path: FloatMap, carm: CArm, exposure: Exposure, rng: np.random.Generator, field: FieldStop | None = None
) -> FloatMap:
    """Detector reading (rows, cols) in detected quanta, noise included, never negative.

    Parameters
    ----------
    log_path
        (rows, cols) scatter-free -ln(I/I0) of everything in the beam.
    field
        Collimator opening; None is the whole detector.

    Raises
    ------
    UsageError
        When the map does not have the detector's shape.
    """
    signal, metered = arriving(log_path, carm, exposure, field)
    signal *= exposure.quanta_per_pixel / metered
    return read_out(signal, carm, exposure, rng)


def arriving(
    log_path: FloatMap, carm: CArm, exposure: Exposure, field: FieldStop | None = None
) -> tuple[FloatMap, float]:
    """What reaches the detector, primary and scatter, in parts of the open beam, (rows, cols); and its level
    where automatic exposure looks.

    Raises
    ------
    UsageError
        When the map does not have the detector's shape.
    """
    from scipy.ndimage import gaussian_filter

    if log_path.shape != (carm.rows, carm.cols):
        raise UsageError(f"log path {log_path.shape} does not fit the detector ({carm.rows}, {carm.cols})")
    opening = np.ones(log_path.shape, dtype=np.float32)
    if field is not None:
        opening = np.where(field.open_mask((carm.rows, carm.cols)), 1.0, _BLADE_TRANSMISSION).astype(np.float32)
    heel = np.linspace(1 + exposure.heel / 2, 1 - exposure.heel / 2, carm.rows, dtype=np.float32)[:, None]
    primary = np.exp(-log_path) * heel * opening
    # The focal spot's shadow is blurred by how far the patient lies in front of the detector.
    spot_sigma_mm = exposure.focal_spot_mm * (carm.magnification() - 1.0) / math.sqrt(12.0)
    veil = scatter(primary, log_path, exposure.scatter_to_primary, carm)
    signal = gaussian_filter(primary, [spot_sigma_mm / s for s in carm.detector_spacing_mm]) + veil
    if exposure.glare > 0:
        strayed = _spread_wide(signal, _GLARE_KERNELS, carm)
        signal = (np.float32(1 - exposure.glare) * signal + np.float32(exposure.glare) * strayed).astype(np.float32)
    return signal, _metered(signal, opening)


def read_out(signal: FloatMap, carm: CArm, exposure: Exposure, rng: np.random.Generator) -> FloatMap:
    """Reading (rows, cols) in quanta, noise included, never negative, of a mean signal in quanta."""
    from scipy.ndimage import gaussian_filter

    # Each detected photon gives a different light flash; scaled counts carry that extra variance.
    flash = spectrum.noise_factor(exposure.tube_kv, exposure.filter_al_mm, exposure.filter_cu_mm)
    counted = (flash * rng.poisson(signal / flash)).astype(np.float32)
    # Light spreads in the scintillator after the photon is counted, so it blurs the noise, too.
    reading = gaussian_filter(counted, [exposure.detector_sigma_mm / s for s in carm.detector_spacing_mm])
    reading += rng.normal(0.0, exposure.electronic_noise_quanta, reading.shape).astype(np.float32)
    return np.asarray(np.maximum(reading, 0.0), dtype=np.float32)


def _metered(signal: FloatMap, opening: FloatMap) -> float:
    """Mean signal that automatic exposure sees: the open part of the middle third each way."""
    rows, cols = signal.shape
    middle = (slice(rows // 3, rows - rows // 3), slice(cols // 3, cols - cols // 3))
    seen = signal[middle][opening[middle] == 1.0]
    return float(np.median(seen if seen.size else signal))
