"""Small, dense spots of metal and the way they are drawn out: a needle seen along its shaft.

Points are (row, col) px.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluorospread.imaging.normalisation import BoolArray, FloatArray, smooth
from fluorospread.imaging.outlines import Region, regions


@dataclass(frozen=True)
class Spot:
    """A dense spot: its thickest place, the end farthest from there, its height and its size."""

    thickest: tuple[float, float]
    end: tuple[float, float]
    height: float
    area_px: float
    radius_px: float

    @property
    def reach_px(self) -> float:
        """From the thickest place to the far end."""
        return float(np.hypot(self.end[0] - self.thickest[0], self.end[1] - self.thickest[1]))


def dense_spots(image: FloatArray, valid: BoolArray, least_height: float, largest_px: float) -> list[Spot]:
    """Spots no wider than `largest_px` that stand `least_height` above all around, highest first.

    A spot's extent is where it keeps a third of its own height.
    """
    from scipy import ndimage

    size = 2 * int(np.ceil(largest_px / 2.0)) + 1
    above = np.where(valid, image - ndimage.grey_opening(image, size=(size, size)), np.float32(0))
    found = []
    for region in regions(above > least_height):
        if max(region.pixels.shape) > 1.5 * largest_px:
            continue
        spot = _measured(above, region, size)
        if spot is not None:
            found.append(spot)
    return sorted(found, key=lambda spot: -spot.height)


def _measured(above: FloatArray, region: Region, reach: int) -> Spot | None:
    from scipy import ndimage

    rows, cols = region.window
    window = (
        slice(max(rows.start - reach, 0), rows.stop + reach),
        slice(max(cols.start - reach, 0), cols.stop + reach),
    )
    local = above[window]
    seed = np.zeros(local.shape, dtype=np.bool_)
    top, left = rows.start - window[0].start, cols.start - window[1].start
    seed[top : top + region.pixels.shape[0], left : left + region.pixels.shape[1]] = region.pixels
    height = float(np.quantile(local[seed], 0.9))
    labels, _ = ndimage.label(local > height / 3.0)
    label = labels[np.unravel_index(int(np.argmax(np.where(seed, local, -np.inf))), local.shape)]
    body = labels == label
    thickness = smooth(np.asarray(ndimage.distance_transform_edt(np.pad(body, 1))[1:-1, 1:-1], dtype=np.float32), 1.0)
    at = np.unravel_index(int(np.argmax(thickness)), thickness.shape)
    body_rows, body_cols = np.nonzero(body)
    distance = np.hypot(body_rows - at[0], body_cols - at[1])
    far = int(np.argmax(distance))
    if body_rows.min() == 0 or body_cols.min() == 0:
        return None
    offset = (window[0].start, window[1].start)
    return Spot(
        (float(at[0]) + offset[0], float(at[1]) + offset[1]),
        (float(body_rows[far]) + offset[0], float(body_cols[far]) + offset[1]),
        height,
        float(body.sum()),
        float(thickness[at]),
    )
