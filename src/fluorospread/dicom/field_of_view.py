"""Where X-rays reached the detector: shutter and collimator tags, padding, and borders found from the pixels.

Every function returns (rows, cols) bool, True inside. Tags count rows and columns from 1 (PS3.3 C.7.6.11,
C.8.7.3); what is undeclared is found as flat regions that touch the edge of the image and leave a convex
field open, as collimators and image intensifiers do. A body against saturated air is not convex and stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from fluorospread.dicom.attributes import holder_of, number, numbers, texts
from fluorospread.errors import TagError
from fluorospread.model.radiograph import BoolImage

# A declared or found field smaller than this share of the image is a mistake, not a collimation.
_SMALLEST_SHARE = 0.04
# Lossy compression makes a flat border ripple by about this share of the grey range.
_FLATNESS = 0.012
# Share of the edge of the image that one grey value must hold to count as a border.
_BORDER_SHARE = 0.04
# A border is at least this share of the image.
_SMALLEST_BORDER = 0.002
# Open area over its convex hull. Cut circles and turned rectangles reach 0.99; bodies stay below 0.95.
_CONVEXITY = 0.97
# The penumbra of an edge, as a share of the image's larger side.
_PENUMBRA = 0.003


def declared_field_of_view(dataset: Dataset, shape: tuple[int, int]) -> tuple[BoolImage, list[str]]:
    """The field inside every shutter and collimator the header declares, with notes.

    A malformed or impossible declaration is ignored and noted, because the pixels still are what they are.
    """
    field = np.ones(shape, bool)
    notes: list[str] = []
    for kind in ("Shutter", "Collimator"):
        holder = holder_of(dataset, f"{kind}Shape")
        for form in texts(holder, f"{kind}Shape"):
            reader = _FORMS.get(form.upper())
            if reader is None:
                notes.append(f"{kind} shape {form!r} is not read; its outline is not used.")
                continue
            try:
                inside = reader(holder, kind, shape)
            except TagError as error:
                notes.append(f"{kind} ignored: {error}")
                continue
            if (field & inside).mean() < _SMALLEST_SHARE:
                notes.append(f"{kind} ({form.lower()}) ignored: it would leave nothing of the image.")
                continue
            field &= inside
            if not inside.all():
                notes.append(f"Field of view limited by the declared {form.lower()} {kind.lower()}.")
    return field, notes


def _rectangular(dataset: Dataset, kind: str, shape: tuple[int, int]) -> BoolImage:
    rows, cols = shape
    left = number(dataset, f"{kind}LeftVerticalEdge")
    right = number(dataset, f"{kind}RightVerticalEdge")
    upper = number(dataset, f"{kind}UpperHorizontalEdge")
    lower = number(dataset, f"{kind}LowerHorizontalEdge")
    inside_rows = _between(rows, upper, lower)
    inside_cols = _between(cols, left, right)
    return inside_rows[:, None] & inside_cols[None, :]


def _between(count: int, first: float | None, last: float | None) -> npt.NDArray[np.bool_]:
    """1-based, inclusive; a missing edge leaves that side open."""
    index = np.arange(1, count + 1)
    return (index >= (1 if first is None else first)) & (index <= (count if last is None else last))


def _circular(dataset: Dataset, kind: str, shape: tuple[int, int]) -> BoolImage:
    center = numbers(dataset, f"CenterOfCircular{kind}")
    radius = number(dataset, f"RadiusOfCircular{kind}")
    if center is None or len(center) != 2 or radius is None or radius <= 0:
        raise TagError(f"centre {center} and radius {radius} make no circle")
    row, col = np.ogrid[1 : shape[0] + 1, 1 : shape[1] + 1]
    inside: BoolImage = (row - center[0]) ** 2 + (col - center[1]) ** 2 <= radius**2
    return inside


def _polygonal(dataset: Dataset, kind: str, shape: tuple[int, int]) -> BoolImage:
    flat = numbers(dataset, f"VerticesOfThePolygonal{kind}")
    if flat is None or len(flat) < 6 or len(flat) % 2:
        raise TagError(f"{0 if flat is None else len(flat)} numbers make no polygon of (row, column) vertices")
    return polygon_mask(np.asarray(flat, float).reshape(-1, 2) - 1.0, shape)


_FORMS: dict[str, Callable[[Dataset, str, tuple[int, int]], BoolImage]] = {
    "RECTANGULAR": _rectangular,
    "CIRCULAR": _circular,
    "POLYGONAL": _polygonal,
}


def polygon_mask(vertices: npt.NDArray[np.float64], shape: tuple[int, int]) -> BoolImage:
    """True where a pixel centre lies inside the polygon (even-odd rule) or on its left or upper edge.

    vertices: (n, 2) as (row, col), 0-based.
    """
    inside = np.zeros(shape, bool)
    rows = np.arange(shape[0])
    cols = np.arange(shape[1])
    for (r0, c0), (r1, c1) in zip(vertices, np.roll(vertices, -1, axis=0), strict=True):
        if r0 == r1:
            continue
        crossed = rows[(rows >= min(r0, r1)) & (rows < max(r0, r1))]
        crossing = c0 + (crossed - r0) * (c1 - c0) / (r1 - r0)
        inside[crossed] ^= cols[None, :] >= crossing[:, None]
    return inside


def not_padding(dataset: Dataset, stored: npt.NDArray[Any]) -> BoolImage:
    """True where a stored value is no pixel padding (PS3.3 C.7.5.1.1.2)."""
    field = np.ones(stored.shape[:2], bool)
    try:
        value = number(dataset, "PixelPaddingValue")
        limit = number(dataset, "PixelPaddingRangeLimit")
    except TagError:
        return field
    if value is None:
        return field
    low, high = sorted((value, value if limit is None else limit))
    field = ~((stored >= low) & (stored <= high))
    return field if field.mean() >= _SMALLEST_SHARE else np.ones_like(field)


def found_field_of_view(pixels: npt.NDArray[Any]) -> BoolImage:
    """The field that flat borders leave open; all True where there are none.

    Parameters
    ----------
    pixels
        (rows, cols), any sign and scale.
    """
    from scipy import ndimage

    values = pixels.astype(np.float32)
    everything = np.ones(values.shape, bool)
    span = float(values.max() - values.min())
    if span <= 0:
        return everything
    outside = _flat_regions_at_the_edge(values, span * _FLATNESS)
    if outside.mean() < _SMALLEST_BORDER:
        return everything
    open_field = _largest_part(~outside)
    hull, convexity = _convex_hull(open_field)
    if convexity >= _CONVEXITY:
        open_field = _largest_part(~_outside_of(hull, outside))
    else:
        open_field = _without_flat_margins(outside)
    margin = max(1, round(_PENUMBRA * max(values.shape)))
    # Erode only against what was found outside: the edge of the image itself has no penumbra.
    open_field = ndimage.binary_erosion(open_field, iterations=margin, border_value=1)
    return open_field if open_field.mean() >= _SMALLEST_SHARE else everything


def _flat_regions_at_the_edge(values: npt.NDArray[np.float32], tolerance: float) -> BoolImage:
    from scipy import ndimage

    edge = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    outside = np.zeros(values.shape, bool)
    bins = np.floor((edge - edge.min()) / tolerance).astype(int)
    for index in np.flatnonzero(np.bincount(bins) >= _BORDER_SHARE * edge.size):
        level = float(np.median(edge[bins == index]))
        labels, _ = ndimage.label(np.abs(values - level) <= tolerance)
        sizes = np.bincount(labels.ravel())
        touching = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        # Specks of that grey at the edge are anatomy or noise.
        kept = np.zeros(sizes.size, bool)
        kept[touching] = sizes[touching] >= _SMALLEST_BORDER * values.size
        kept[0] = False
        outside |= kept[labels]
    return outside


def _largest_part(region: BoolImage) -> BoolImage:
    """The largest connected part: text beside the field drops out."""
    from scipy import ndimage

    parts, count = ndimage.label(region)
    if not count:
        return region
    largest: BoolImage = parts == 1 + int(np.bincount(parts.ravel())[1:].argmax())
    return largest


def _outside_of(hull: BoolImage, outside: BoolImage) -> BoolImage:
    """The border regions that lie beyond the hull of the open field; those that bite into it are anatomy
    (gas or air that saturates at the edge of the image)."""
    from scipy import ndimage

    labels, count = ndimage.label(outside)
    whole = np.bincount(labels.ravel(), minlength=count + 1)
    biting = np.bincount(labels[hull], minlength=count + 1)
    kept = biting < 0.15 * whole
    kept[0] = False
    result: BoolImage = kept[labels]
    return result


def _convex_hull(region: BoolImage) -> tuple[BoolImage, float]:
    """Convex hull of a region, and the region's area over the hull's."""
    rows = np.flatnonzero(region.any(axis=1))
    first = region[rows].argmax(axis=1)
    last = region.shape[1] - 1 - region[rows, ::-1].argmax(axis=1)
    if rows.size < 3 or (last - first).max() < 3:
        return region, 0.0
    # Pixels are unit squares, so their corners lie half a pixel around the centres.
    upright = np.repeat(rows, 2) + np.tile([-0.5, 0.5], rows.size)
    left = _chain(upright, np.repeat(first - 0.5, 2))
    right = _chain(upright, -np.repeat(last + 0.5, 2))
    right[:, 1] *= -1
    hull = polygon_mask(np.concatenate([left, right[::-1]]), region.shape)
    return hull, float(region.sum() / hull.sum())


def _chain(rows: npt.NDArray[np.float64], cols: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Lower hull of points sorted by row (Andrew's monotone chain): the vertices as (n, 2) of (row, col)."""
    kept: list[tuple[float, float]] = []
    for point in zip(rows.tolist(), cols.tolist(), strict=True):
        while len(kept) > 1:
            (r0, c0), (r1, c1) = kept[-2:]
            if (r1 - r0) * (point[1] - c0) - (c1 - c0) * (point[0] - r0) > 0:
                break
            kept.pop()
        kept.append(point)
    return np.asarray(kept)


def _without_flat_margins(outside: BoolImage) -> BoolImage:
    """Cut off whole rows and columns at the edge that are flat."""
    keep_rows = outside.mean(axis=1) < 0.98
    keep_cols = outside.mean(axis=0) < 0.98
    field = np.zeros(outside.shape, bool)
    if keep_rows.any() and keep_cols.any():
        first_row, last_row = np.flatnonzero(keep_rows)[[0, -1]]
        first_col, last_col = np.flatnonzero(keep_cols)[[0, -1]]
        field[first_row : last_row + 1, first_col : last_col + 1] = True
    return field
