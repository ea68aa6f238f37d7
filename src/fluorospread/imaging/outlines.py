"""Regions in thresholded images: hysteresis, thickness, signed distance and sub-pixel outlines.

Arrays are (rows, cols); points are (row, col) px with the first pixel centre at (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.normalisation import BoolArray, FloatArray

Outline = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Region:
    """One connected region: its pixels within `window` (row slice, column slice) of the image."""

    window: tuple[slice, slice]
    pixels: BoolArray
    area_px: int
    largest_radius_px: float
    """Radius of the largest disc that fits inside."""

    def paint(self, onto: BoolArray) -> None:
        """Set the region's pixels in a mask of the whole image."""
        onto[self.window] |= self.pixels


def hysteresis(high: BoolArray, low: BoolArray) -> BoolArray:
    """Connected parts (8-neighbours) of `low` that hold a pixel of `high`."""
    from scipy import ndimage

    labels, count = ndimage.label(low, structure=np.ones((3, 3)))
    if count == 0:
        return np.zeros(low.shape, dtype=np.bool_)
    keep = np.zeros(count + 1, dtype=np.bool_)
    keep[np.unique(labels[high & low])] = True
    keep[0] = False
    kept: BoolArray = keep[labels]
    return kept


def grown(mask: BoolArray, reach_px: float) -> BoolArray:
    """The mask and every pixel within `reach_px` of it."""
    from scipy import ndimage

    if not mask.any() or reach_px < 0.5:
        return mask.copy()
    # Nothing farther than the reach from the mask can be near it, so the rest of the image need not be measured.
    margin = int(np.ceil(reach_px)) + 1
    window = tuple(
        slice(max(int(found[0]) - margin, 0), int(found[-1]) + margin + 1)
        for found in (np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0)))
    )
    near = np.zeros_like(mask)
    near[window] = ndimage.distance_transform_edt(~mask[window]) <= reach_px
    return near


def fill_small_holes(mask: BoolArray, largest_px: float) -> BoolArray:
    """Holes (4-neighbours) of at most `largest_px` pixels become part of the mask."""
    from scipy import ndimage

    labels, count = ndimage.label(~mask)
    if count == 0:
        return mask.copy()
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    small = sizes <= largest_px
    small[0] = False
    filled: BoolArray = mask | small[labels]
    return filled


def regions(mask: BoolArray) -> list[Region]:
    """Connected regions (8-neighbours), largest first."""
    from scipy import ndimage

    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    found = []
    for index, window in enumerate(ndimage.find_objects(labels, count), start=1):
        pixels: BoolArray = labels[window] == index
        padded = np.pad(pixels, 1)
        radius = float(ndimage.distance_transform_edt(padded).max())
        found.append(Region(window, pixels, int(pixels.sum()), radius))
    return sorted(found, key=lambda region: -region.area_px)


def lobes(mask: BoolArray, neck_px: float) -> list[Region]:
    """The mask's parts that hang together by more than a neck of width `neck_px`, largest first.

    What is thinner than that everywhere belongs to no part; every part is as if opened with a disc.
    """
    from scipy import ndimage

    radius = neck_px / 2.0
    inside = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    core = inside > radius
    labels, count = ndimage.label(core, structure=np.ones((3, 3)))
    if count == 0:
        return []
    away, nearest = ndimage.distance_transform_edt(~core, return_indices=True)
    grown = np.where(mask & (away <= radius + 0.5), labels[tuple(nearest)], 0)
    found = []
    for index, window in enumerate(ndimage.find_objects(grown, count), start=1):
        pixels: BoolArray = grown[window] == index
        found.append(Region(window, pixels, int(pixels.sum()), float(np.where(pixels, inside[window], 0.0).max())))
    return sorted(found, key=lambda region: -region.area_px)


def signed_distance(mask: BoolArray, spacing: tuple[float, float] = (1.0, 1.0)) -> FloatArray:
    """Distance to the outline, > 0 inside and < 0 outside, in units of `spacing` per pixel.

    The outline runs half a pixel beyond the last pixel centre inside. An empty or full mask gives -inf or +inf.
    """
    from scipy import ndimage

    if not mask.any() or mask.all():
        return np.full(mask.shape, np.inf if mask.any() else -np.inf, dtype=np.float32)
    half = 0.5 * float(np.sqrt(spacing[0] * spacing[1]))
    inside = ndimage.distance_transform_edt(mask, sampling=spacing)
    outside = ndimage.distance_transform_edt(~mask, sampling=spacing)
    distance: FloatArray = np.where(mask, inside - half, half - outside).astype(np.float32)
    return distance


def signed_distance_at(
    mask: BoolArray, pixels: npt.NDArray[np.intp], spacing: tuple[float, float] = (1.0, 1.0)
) -> npt.NDArray[np.float64]:
    """`signed_distance` at a few pixels (n, 2) alone: the same numbers without the map of the whole image."""
    from scipy.spatial import KDTree

    here = mask[pixels[:, 0], pixels[:, 1]]
    if not mask.any() or mask.all():
        return np.where(here, np.inf, -np.inf)
    half = 0.5 * float(np.sqrt(spacing[0] * spacing[1]))
    # What is nearest on the other side of the outline always touches this side, so the two rims suffice.
    distances = np.empty(len(pixels))
    for inside in np.unique(here):
        other = KDTree(np.argwhere(touching(~mask if inside else mask)) * spacing)
        distances[here == inside] = other.query(pixels[here == inside] * spacing)[0]
    return np.where(here, distances - half, half - distances)


def touching(mask: BoolArray) -> BoolArray:
    """Pixels of the mask that share a side with its outside; the image's border is no outside."""
    inner = mask.copy()
    inner[1:] &= mask[:-1]
    inner[:-1] &= mask[1:]
    inner[:, 1:] &= mask[:, :-1]
    inner[:, :-1] &= mask[:, 1:]
    return mask & ~inner


def outlines(mask: BoolArray, shortest_px: float = 8.0) -> tuple[Outline, ...]:
    """Closed outlines of the mask (holes included) as (row, col) points, longest first."""
    from skimage import measure

    if not mask.any():
        return ()
    rows, cols = np.nonzero(mask)
    top, left = int(rows.min()), int(cols.min())
    inner = mask[top : int(rows.max()) + 1, left : int(cols.max()) + 1]
    lines = measure.find_contours(np.pad(inner, 1).astype(np.float32), 0.5)
    shifted = [line + np.array([top - 1.0, left - 1.0]) for line in lines if len(line) >= shortest_px]
    shifted.sort(key=len, reverse=True)
    return tuple(tuple((float(r), float(c)) for r, c in line) for line in shifted)


def rim(mask: BoolArray) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """(rows, cols) of the mask's pixels that touch its outside."""
    from scipy import ndimage

    rows, cols = np.nonzero(mask & ~ndimage.binary_erosion(mask, border_value=0))
    return rows, cols
