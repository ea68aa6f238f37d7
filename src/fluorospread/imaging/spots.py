"""Small, dense discs of metal, and the straight run of metal that starts at one: a needle's hub and its shaft.

Points are (row, col) px.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.normalisation import BoolArray, FloatArray, shrink, shrink_mask
from fluorospread.imaging.profiles import run_end


@dataclass(frozen=True)
class Spot:
    """A disc brighter than all around.

    `strength` is the weaker of its two curvatures times the squared scale, in units of the image: about a
    third of the height of a disc of the scale looked for, and next to nothing on lines and edges. `height`
    is its height above the brightest straight line of `line_px` through it. `salience` is its strength over
    the root mean square of what else looks like a disc around: that is high where bone is coarse.
    """

    centre: tuple[float, float]
    strength: float
    height: float
    salience: float


# Neighbourhood of the salience, and what in its middle belongs to the disc itself, over the disc's scale.
_AROUND, _OWN = 29.0, 6.0


def compact_spots(
    image: FloatArray, valid: BoolArray, sigma_px: float, least_strength: float, line_px: float, most: int = 12
) -> list[Spot]:
    """The strongest discs of about `sigma_px` (radius over root two) that lie inside `valid`, strongest first.

    Discs stronger than `least_strength` count no more than that in the salience of others, so that metal beside
    metal is still salient.
    """
    from scipy import ndimage

    factor = max(1, int(sigma_px / 1.9))
    coarse, inside = shrink(image, factor), shrink_mask(valid, factor)
    sigma = sigma_px / factor
    # Cut off earlier, the kernels do not sum to zero and answer to the image's level as to a disc.
    h_rr = ndimage.gaussian_filter(coarse, sigma, order=(2, 0), truncate=5.0)
    h_cc = ndimage.gaussian_filter(coarse, sigma, order=(0, 2), truncate=5.0)
    h_rc = ndimage.gaussian_filter(coarse, sigma, order=(1, 1), truncate=5.0)
    weaker = -(0.5 * (h_rr + h_cc) + np.sqrt((0.5 * (h_rr - h_cc)) ** 2 + h_rc**2)) * sigma**2
    inside = ndimage.binary_erosion(inside, iterations=max(1, round(2.4 * sigma)), border_value=0)
    weaker = np.where(inside, weaker, 0.0)
    peak = (weaker >= least_strength) & (weaker == ndimage.maximum_filter(weaker, size=2 * round(2.4 * sigma) + 1))
    rows, cols = np.nonzero(peak)
    order = np.argsort(-weaker[rows, cols])[:most]
    shift = (factor - 1) / 2.0
    return [
        Spot(
            (float(rows[i]) * factor + shift, float(cols[i]) * factor + shift),
            float(weaker[rows[i], cols[i]]),
            _above_lines(coarse, (float(rows[i]), float(cols[i])), line_px / factor),
            float(weaker[rows[i], cols[i]]) / _rms_around(weaker, (int(rows[i]), int(cols[i])), sigma, least_strength),
        )
        for i in order
    ]


def _rms_around(response: FloatArray, at: tuple[int, int], sigma: float, cap: float) -> float:
    """Root mean square of the positive response around a place, its middle left out, never zero."""
    reach = round(_AROUND * sigma)
    top, left = max(at[0] - reach, 0), max(at[1] - reach, 0)
    near = np.clip(response[top : at[0] + reach, left : at[1] + reach], 0.0, cap)
    rows, cols = np.ogrid[: near.shape[0], : near.shape[1]]
    outside = (rows + top - at[0]) ** 2 + (cols + left - at[1]) ** 2 > (_OWN * sigma) ** 2
    return max(float(np.sqrt((near[outside].astype(np.float64) ** 2).mean())), 1e-9) if outside.any() else 1e-9


def _above_lines(image: FloatArray, at: tuple[float, float], line_px: float) -> float:
    """Height of a place over its opening with straight lines of `line_px`, the highest of 16 directions."""
    from scipy import ndimage

    angle = np.arange(16)[:, None] * np.pi / 16.0
    half = max(4, round(2.0 * line_px))
    along = np.arange(-half, half + 1)[None, :] * 0.5
    sampled = ndimage.map_coordinates(
        image, [at[0] + along * np.sin(angle), at[1] + along * np.cos(angle)], order=1, mode="nearest"
    )
    windows = np.lib.stride_tricks.sliding_window_view(sampled, half + 1, axis=1)
    opened = windows.min(axis=2).max()
    return float(sampled[:, half - 1 : half + 2].mean() - opened)


@dataclass(frozen=True)
class Ring:
    """How a disc of about 1 mm radius stands out from the ring of 2 to 2.8 mm about it, in units of the image.

    `height` is its height over all but the brightest fifth of the ring, which a shaft may cross; `ripple` is 1 sd of
    the disc at 0.6 mm from its middle, which is small in a hub and large in a letter.
    """

    height: float
    ripple: float


def ring_about(image: FloatArray, centre: tuple[float, float], mm_per_px: float) -> Ring:
    """The disc at `centre` against the ring about it."""
    from scipy import ndimage

    angle = np.arange(32) * 2.0 * np.pi / 32
    radius = np.array([0.0, 0.3, 0.6, 2.0, 2.4, 2.8])[:, None] / mm_per_px
    rows, cols = centre[0] + radius * np.sin(angle), centre[1] + radius * np.cos(angle)
    values = ndimage.map_coordinates(image, [rows, cols], order=1, mode="nearest")
    disc = float(values[:3].mean())
    ring = np.sort(ndimage.uniform_filter1d(values[3:].mean(axis=0), 3, mode="wrap"))
    return Ring(disc - float(ring[int(0.8 * 31)]), float(np.std(values[2])))


@dataclass(frozen=True)
class Ray:
    """A straight run from a spot: `direction` (row, col) outwards, distance of its end from the centre, height."""

    direction: tuple[float, float]
    end_px: float
    height: float


def ray_from(
    image: FloatArray, centre: tuple[float, float], reach_px: tuple[float, float], mm_per_px: float, least: float
) -> Ray | None:
    """The clearest thin run of metal that starts at `centre`, looked for between two distances; None without.

    Its direction is where it stands out most over the higher of its two flanks, so that no edge of bone passes for it;
    then its height counts over their mean, as bone beside it does not end it.
    """
    from scipy import ndimage

    angle = np.arange(0.0, 2.0 * np.pi, np.deg2rad(2.0))
    distance = np.arange(reach_px[0], reach_px[1], 0.5)
    across = np.array([-2.0, -1.6, -1.2, -0.2, 0.0, 0.2, 1.2, 1.6, 2.0]) / mm_per_px
    d_r, d_c = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    rows = centre[0] + distance[None, :, None] * d_r - across * d_c
    cols = centre[1] + distance[None, :, None] * d_c + across * d_r
    values = ndimage.map_coordinates(image, [rows, cols], order=1, mode="nearest")
    core, left, right = values[..., 3:6].mean(axis=2), values[..., :3].mean(axis=2), values[..., 6:].mean(axis=2)
    height = core - np.maximum(left, right)
    one_mm = max(2, round(2.0 / mm_per_px))
    gathered = np.cumsum(np.minimum(height, 6.0 * least) - 0.8 * least, axis=1)
    best = int(np.argmax(gathered.max(axis=1)))
    last = int(np.argmax(gathered[best]))
    profile: npt.NDArray[np.float64] = (core - 0.5 * (left + right))[best].astype(np.float64)
    # What lies behind the tip may go on in line with the shaft: its beginning sets the height.
    first = profile[: min(last, 3 * one_mm) + 1]
    plateau = float(np.median(first))
    if plateau < least or last < one_mm:
        return None
    index, ended = run_end(profile, len(first) // 2, 1, plateau, 0.4 * plateau, max(2, round(0.8 * one_mm)))
    stop = round(index)
    if not ended or stop < one_mm:
        return None
    # The last millimetre is the tip itself, blurred.
    even = ndimage.uniform_filter1d(profile[: stop + 1], one_mm)[: max(1, stop - one_mm)]
    if even.min() < 0.45 * plateau:
        return None
    after = profile[stop + 1 : stop + 1 + 2 * one_mm]
    if after.size and after.mean() > 0.5 * plateau:
        return None
    way = (float(np.sin(angle[best])), float(np.cos(angle[best])))
    return Ray(way, float(reach_px[0] + 0.5 * index), plateau)
