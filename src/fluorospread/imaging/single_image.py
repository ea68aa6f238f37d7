"""One image and its spine in, what is denser there than this patient's own bone out.

Nothing is subtracted that was imaged: the background is the patient's own vertebrae above the injection, left and
right together, laid over those below. The spine repeats itself from level to level and mirrors itself; dense
contrast does neither. Thin contrast cannot be told from psoas, facets and gut this way, so only what rises far
above that bone is claimed, and nothing is ever denied.

Arrays are (rows, cols) float32, attenuating = bright, in any unit: heights are taken against the bone's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.normalisation import BoolArray, FloatArray, smooth, smooth_within
from fluorospread.imaging.outlines import fill_small_holes, grown, hysteresis, regions, rim

Vector = npt.NDArray[np.float64]

_SHARP = "its edges are as sharp as metal's or a letter's"
_DENSER = "it is denser than contrast of this block can be, as metal and barium are"
_FLAT = "it is as bright as the image goes, as barium and metal are"
_BEYOND = "it reaches far beyond where contrast of this block can be"
_EDGE = "it runs along the edge of the field of view"


@dataclass(frozen=True)
class Spine:
    """Body centres (n, 2) (row, col) px, and for each whether contrast is expected to leave it free."""

    centers: Vector
    spared: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.centers.ndim != 2 or self.centers.shape[1] != 2 or len(self.centers) != len(self.spared):
            raise ValueError(f"centres need shape (n, 2) and one flag each, got {self.centers.shape}")


@dataclass(frozen=True)
class DenseSettings:
    """When something is denser than bone, and what then speaks against contrast.

    The numbers without a physical reason were chosen on tuning films and simulated tuning images
    (docs/evaluation.md). Heights are multiples of the height of this patient's spared vertebrae.

    Attributes
    ----------
    opening_mm
        Height is measured above a grey opening with a square of this side: wider than a pillar of facets and
        narrower than what thickness and scatter change.
    blur_mm, fine_mm
        Gaussian sds before heights are measured, and before edges are.
    least_spared
        Fewest spared vertebrae that say what this patient's bone looks like.
    seed_excess, seed_over_bone, seed_mm2
        A claim holds an area of this size so far above the bone expected there, and so many times as high as
        the highest spared vertebra.
    outline_excess
        Height above the expected bone at the outline.
    midline_mm
        Beside the midline lie spinous processes and what is in front of them; nothing is claimed there.
    largest_beyond, largest_at_edge
        Share of an area out of reach, and share of its outline along the field's edge, from which it is turned down.
    sharpest_per_mm
        Steepest edge, as a share of the height per mm; contrast between fasciae has edges of millimetres.
    largest_excess
        48 mg/mL through 2 cm, behind the softest beam and beside the thinnest bone: denser is something else.
    largest_flat
        Share of an area at the image's brightest value from which it is turned down.
    hole_mm
        Holes narrower than this belong to the area.
    """

    opening_mm: float = 20.0
    blur_mm: float = 1.6
    fine_mm: float = 0.3
    least_spared: int = 2
    seed_excess: float = 1.4
    seed_over_bone: float = 1.3
    seed_mm2: float = 80.0
    outline_excess: float = 0.3
    midline_mm: float = 7.0
    largest_beyond: float = 0.3
    largest_at_edge: float = 0.25
    sharpest_per_mm: float = 0.7
    largest_excess: float = 4.0
    largest_flat: float = 0.2
    hole_mm: float = 4.0


@dataclass(frozen=True)
class Dense:
    """What was found.

    Attributes
    ----------
    mask
        (rows, cols), True where something denser than bone lies that can be contrast.
    excess
        (rows, cols) float32, height above the bone expected there, in heights of the spared vertebrae.
    reason
        Why the image was not searched; empty where it was.
    notes
        What was turned down, in words.
    """

    mask: BoolArray
    excess: FloatArray
    reason: str = ""
    notes: tuple[str, ...] = ()


def denser_than_bone(
    image: FloatArray,
    valid: BoolArray,
    spine: Spine,
    reach: BoolArray,
    metal: BoolArray,
    mm_per_px: float,
    settings: DenseSettings = DenseSettings(),
) -> Dense:
    """Areas within `reach` that are denser than the patient's own bone can be there.

    Parameters
    ----------
    reach
        True where contrast of the injection can lie.
    metal
        True over known needles, which are filled in from beside.
    """
    nothing = np.zeros(image.shape, dtype=np.bool_)
    none = np.zeros(image.shape, dtype=np.float32)
    place = _place(spine, image.shape, mm_per_px)
    if place is None or int(spine.spared.sum()) < settings.least_spared:
        return Dense(nothing, none, "too few vertebrae above the injection in view to know this patient's bone")
    fine = smooth_within(image, valid & ~metal, settings.fine_mm / mm_per_px)
    filled = np.where(metal | ~valid, smooth_within(image, valid & ~metal, 2.0 / mm_per_px), fine)
    height = _height(filled, mm_per_px, settings)
    known = valid & ~metal
    expected, bone = _expected(height, known, place, spine)
    if bone <= 0:
        return Dense(nothing, none, "the vertebrae above the injection do not stand out")
    excess = np.where(known, (height - expected) / np.float32(bone), np.float32(0)).astype(np.float32)
    beside = reach & known & (np.abs(place.lateral_mm) > settings.midline_mm)
    highest = _highest(height, known, place, spine)
    hot = beside & (excess > settings.seed_excess) & (height > settings.seed_over_bone * highest)
    seeds = nothing.copy()
    for region in regions(hot):
        if region.area_px * mm_per_px**2 >= settings.seed_mm2:
            region.paint(seeds)
    areas = hysteresis(seeds, (excess > settings.outline_excess) & known)
    areas = fill_small_holes(areas | (metal & grown(areas, 1.5)), (settings.hole_mm / mm_per_px) ** 2)
    top = float(image[valid].max())
    found, turned_down = nothing.copy(), dict[str, float]()
    for region in regions(areas):
        pixels = nothing.copy()
        region.paint(pixels)
        doubt = _doubt(pixels, (filled, height, excess, image >= top), reach, valid, mm_per_px, settings)
        if doubt:
            turned_down[doubt] = turned_down.get(doubt, 0.0) + region.area_px * mm_per_px**2
        else:
            found |= pixels & reach
    notes = tuple(f"{area:.0f} mm² not taken for contrast: {doubt}" for doubt, area in turned_down.items())
    return Dense(found, excess, notes=notes)


@dataclass(frozen=True)
class _Place:
    """Where each pixel lies along the spine: nearest vertebra, place within its pitch (-0.5..0.5), mm aside."""

    vertebra: npt.NDArray[np.intp]
    within: Vector
    lateral_mm: FloatArray


def _place(spine: Spine, shape: tuple[int, ...], mm_per_px: float) -> _Place | None:
    if len(spine.centers) < 3:
        return None
    order = np.argsort(spine.centers[:, 0])
    rows, cols = spine.centers[order, 0], spine.centers[order, 1]
    if (np.diff(rows) <= 0).any():
        return None
    image_rows = np.arange(shape[0], dtype=np.float64)
    along = np.interp(image_rows, rows, np.arange(len(rows), dtype=np.float64))
    # Half a pitch beyond the outermost centres still belongs to them.
    first, last = rows[1] - rows[0], rows[-1] - rows[-2]
    along = np.where(image_rows < rows[0], (image_rows - rows[0]) / first, along)
    along = np.where(image_rows > rows[-1], len(rows) - 1 + (image_rows - rows[-1]) / last, along)
    nearest = np.rint(along).astype(np.intp)
    outside = (nearest < 0) | (nearest >= len(rows))
    midline = np.interp(image_rows, rows, cols)
    lateral = ((np.arange(shape[1])[None, :] - midline[:, None]) * mm_per_px).astype(np.float32)
    return _Place(np.where(outside, -1, order[np.clip(nearest, 0, len(rows) - 1)]), along - np.rint(along), lateral)


def _height(image: FloatArray, mm_per_px: float, settings: DenseSettings) -> FloatArray:
    """Height above what thickness and scatter change over the field."""
    from scipy import ndimage

    calm = smooth(image, settings.blur_mm / mm_per_px)
    size = 2 * round(settings.opening_mm / mm_per_px / 2) + 1
    floor = ndimage.grey_opening(calm, size=(size, size))
    height: FloatArray = calm - smooth(floor, settings.opening_mm / 5.0 / mm_per_px)
    return height


# Cells of the template: over the pitch, and over the distance from the midline in mm.
_CELLS_ALONG, _WIDEST_MM = 24, 60
# Half of a vertebra's zone: pedicles, pillars and the roots of the transverse processes.
_VERTEBRA_MM = 26.0


def _expected(height: FloatArray, known: BoolArray, place: _Place, spine: Spine) -> tuple[FloatArray, float]:
    """Height of bone expected at each pixel, from the spared vertebrae of both sides, and their usual height."""
    aside = np.abs(place.lateral_mm)
    inside = known & (aside < _WIDEST_MM)
    cell = np.clip(((place.within + 0.5) * _CELLS_ALONG).astype(np.intp), 0, _CELLS_ALONG - 1)
    flat = cell[:, None] * _WIDEST_MM + np.clip(aside.astype(np.intp), 0, _WIDEST_MM - 1)
    halves, tops = [], []
    for index in np.flatnonzero(spine.spared):
        own = inside & (place.vertebra == index)[:, None]
        for side in (-1.0, 1.0):
            half = own & (np.sign(place.lateral_mm) == side)
            count = np.bincount(flat[half], minlength=_CELLS_ALONG * _WIDEST_MM)
            total = np.bincount(flat[half], height[half], minlength=_CELLS_ALONG * _WIDEST_MM)
            halves.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
        near = own & (aside < _VERTEBRA_MM)
        if near.any():
            tops.append(float(np.quantile(height[near], 0.98)))
    if not tops:
        return np.zeros_like(height), 0.0
    from scipy import ndimage

    stack = np.ma.masked_invalid(np.array(halves)).filled(0.0).reshape(-1, _CELLS_ALONG, _WIDEST_MM)
    # The upper quartile: bone differs between levels, and being too high here only costs a claim.
    template = ndimage.gaussian_filter(np.quantile(stack, 0.75, axis=0), 1.0)
    expected = template.ravel()[flat].astype(np.float32)
    return np.where(aside < _WIDEST_MM, expected, np.float32(0)), float(np.median(tops))


def _highest(height: FloatArray, known: BoolArray, place: _Place, spine: Spine) -> float:
    """Height of the highest spared vertebra."""
    near = known & (np.abs(place.lateral_mm) < _VERTEBRA_MM)
    own = [near & (place.vertebra == index)[:, None] for index in np.flatnonzero(spine.spared)]
    return max(float(np.quantile(height[one], 0.98)) for one in own if one.any())


def _doubt(
    pixels: BoolArray,
    shown: tuple[FloatArray, FloatArray, FloatArray, BoolArray],
    reach: BoolArray,
    valid: BoolArray,
    mm_per_px: float,
    settings: DenseSettings,
) -> str:
    """Why an area is no contrast, in words; empty when nothing speaks against it."""
    fine, height, excess, brightest = shown
    if float(reach[pixels].mean()) < 1.0 - settings.largest_beyond:
        return _BEYOND
    if float(brightest[pixels].mean()) > settings.largest_flat:
        return _FLAT
    rows, cols = rim(pixels)
    inner = ~grown(np.pad(~valid, 1, constant_values=True), 2.0 / mm_per_px)[1:-1, 1:-1]
    if float((~inner[rows, cols]).mean()) > settings.largest_at_edge:
        return _EDGE
    if float(excess[pixels].max()) > settings.largest_excess:
        return _DENSER
    # From one pixel to the next: over two, a pixel of half a millimetre would blunt metal's edge.
    down, right = np.diff(fine, axis=0, append=fine[-1:]), np.diff(fine, axis=1, append=fine[:, -1:])
    steep = np.hypot(down, right)[pixels] / mm_per_px
    if float(np.quantile(steep, 0.98)) > settings.sharpest_per_mm * float(height[pixels].max()):
        return _SHARP
    return ""
