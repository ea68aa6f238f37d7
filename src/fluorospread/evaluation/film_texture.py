"""How films look to the networks, in numbers: a normalised region in, texture statistics out.

Simulated and real regions go through the very sampling and local contrast that the networks get, so any
difference in these numbers is one that a network can see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.errors import UsageError
from fluorospread.landmarks.network import INPUT_PX, Pyramid, Region, local_contrast
from fluorospread.model.geometry import PointPx
from fluorospread.model.radiograph import BoolImage, FloatImage

Floats = npt.NDArray[np.float64]

# Wavelengths (mm) that split the spectrum: anatomy as a whole, bodies, pedicles and processes, end plates and
# cortex, trabeculae and noise.
BANDS_MM: tuple[tuple[float, float], ...] = ((40.0, np.inf), (20.0, 40.0), (10.0, 20.0), (5.0, 10.0), (0.0, 5.0))
# A step of this many local standard deviations from one pixel to the next is seen as an edge.
_EDGE_STEP = 0.35
# Less of a region than this inside the field says more of the field than of the patient.
_LEAST_FIELD = 0.6


@dataclass(frozen=True)
class NormalisedRegion:
    """Local contrast (INPUT_PX, INPUT_PX), about -3..3 and bone bright, and where the field is open."""

    contrast: FloatImage
    field: BoolImage
    mm_per_px: float


@dataclass(frozen=True)
class Texture:
    """Statistics of one normalised region.

    Attributes
    ----------
    band_shares
        Share of the variance in each of `BANDS_MM`; they sum to 1.
    edge_density
        Share of pixels on an edge, 0..1.
    percentiles
        5th, 25th, 50th, 75th and 95th of the local contrast.
    kurtosis
        Of the local contrast over that of a normal distribution (0): positive where few strong details stand
        in a calm field.
    across_over_along
        Variance of differences between columns over that between rows, at about 5 mm: above 1 where edges run
        along the body (gut, muscles, noise-free shafts), below where end plates dominate.
    """

    band_shares: tuple[float, ...]
    edge_density: float
    percentiles: tuple[float, ...]
    kurtosis: float
    across_over_along: float


def normalised_region(
    image: FloatImage, field: BoolImage, centre_px: PointPx, mm_per_px: float, side_mm: float
) -> NormalisedRegion | None:
    """A square of `side_mm` about a point as a network gets it; None where too little of it is in the field.

    Parameters
    ----------
    image, field
        (rows, cols), bone bright, and the open field.
    """
    region = Region(centre_px, side_mm / mm_per_px)
    contrast, seen = local_contrast(Pyramid(image, field).sample(region))
    if seen.mean() < _LEAST_FIELD:
        return None
    return NormalisedRegion(contrast, seen > 0.5, side_mm / INPUT_PX)


def texture_of(region: NormalisedRegion) -> Texture:
    """Statistics of a region; what lies outside the field counts as mean grey in the spectrum and nowhere else."""
    inside = region.contrast[region.field].astype(np.float64)
    if inside.size < 100 or inside.std() == 0:
        raise UsageError("a region needs at least 100 pixels of field with some contrast in them")
    step = max(round(5.0 / region.mm_per_px / 2), 1)
    rows, cols = np.gradient(region.contrast)
    within = _eroded(region.field)
    steepness = np.hypot(rows, cols)[within]
    across = (region.contrast[:, step:] - region.contrast[:, :-step])[within[:, step:] & within[:, :-step]]
    along = (region.contrast[step:] - region.contrast[:-step])[within[step:] & within[:-step]]
    deviation = (inside - inside.mean()) / inside.std()
    return Texture(
        band_shares=_band_shares(region),
        edge_density=float((steepness > _EDGE_STEP).mean()),
        percentiles=tuple(float(v) for v in np.percentile(inside, (5, 25, 50, 75, 95))),
        kurtosis=float((deviation**4).mean() - 3.0),
        across_over_along=float(across.var() / along.var()),
    )


def _eroded(field: BoolImage) -> BoolImage:
    """The field without the pixels beside its border, whose gradient is the border's."""
    padded = np.pad(field, 1)
    return np.asarray(padded[1:-1, 1:-1] & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:])


def spectrum_of(region: NormalisedRegion) -> tuple[Floats, Floats]:
    """Frequencies (k,) in 1/mm and mean power (k,) at them, of the region under a Hann window."""
    size = len(region.contrast)
    window = np.hanning(size)
    values = np.where(region.field, region.contrast, 0.0) * np.outer(window, window)
    power = np.abs(np.fft.fft2(values)) ** 2
    frequency = np.hypot(*np.meshgrid(*(2 * [np.fft.fftfreq(size, region.mm_per_px)]), indexing="ij"))
    ring = np.rint(frequency * size * region.mm_per_px).astype(int).ravel()
    counted = np.bincount(ring)
    mean = np.bincount(ring, power.ravel()) / np.maximum(counted, 1)
    half = size // 2
    return np.arange(1, half) / (size * region.mm_per_px), mean[1:half]


def _band_shares(region: NormalisedRegion) -> tuple[float, ...]:
    frequency, power = spectrum_of(region)
    # A ring of radius f holds about f times as many components.
    variance = power * frequency
    wavelength = 1.0 / frequency
    shares = [float(variance[(wavelength >= low) & (wavelength < high)].sum()) for low, high in BANDS_MM]
    total = sum(shares)
    return tuple(share / total for share in shares)


@dataclass(frozen=True)
class Spread:
    """Median and middle half of one statistic over a group of films."""

    median: float
    lower: float
    upper: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Median, 25th and 75th percentile."""
        lower, median, upper = (float(v) for v in np.percentile(values, (25, 50, 75)))
        return cls(median, lower, upper)


def separation(group: Sequence[float], reference: Sequence[float]) -> float:
    """Chance that a random value of `group` exceeds one of `reference`, 0..1; 0.5 where they cannot be told apart.

    The Mann-Whitney statistic over the number of pairs, which is the area under the ROC curve.
    """
    ours, theirs = np.asarray(group)[:, None], np.asarray(reference)[None, :]
    return float(((ours > theirs) + 0.5 * (ours == theirs)).mean())
