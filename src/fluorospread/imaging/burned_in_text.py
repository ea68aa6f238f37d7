"""An image in, the boxes that look like burned-in text out. An aid for a person, not a judge.

Text is many small marks of one height beside each other, much brighter or much darker than what lies around
them. That is all that is looked for: no letter is read, so any script is found, and rows of clips or markers
may be taken for text. Handwriting, very large or very faint letters and single characters can be missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

BoolImage = npt.NDArray[np.bool_]
FloatImage = npt.NDArray[np.float32]


@dataclass(frozen=True, order=True)
class Box:
    """Rows `top` to `bottom` and columns `left` to `right`, the last ones not included."""

    top: int
    left: int
    bottom: int
    right: int

    def __post_init__(self) -> None:
        if not (0 <= self.top < self.bottom and 0 <= self.left < self.right):
            raise ValueError(f"a box needs 0 <= top < bottom and 0 <= left < right, got {self}")

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True)
class TextSettings:
    """What counts as text.

    Attributes
    ----------
    smallest_px, largest_fraction
        Height of a letter: in pixels, and as a fraction of the image's height.
    contrast_fractions, contrast_noise_sd
        A mark stands out from what lies around by this much of the image's range (0.5 to 99.5 per cent of its
        pixels) and by this many standard deviations of its noise. Each fraction is tried: faint letters need a
        low one, letters that touch bone a high one.
    sharpness
        Step from one pixel to the next along a mark's edge, as a fraction of its contrast (median). Letters are
        drawn, so it is 0.5 to 1; bone is blurred by focus and detector and stays below 0.3.
    fewest_marks
        In a row; single letters are too often no letters.
    """

    smallest_px: int = 5
    largest_fraction: float = 0.06
    contrast_fractions: tuple[float, ...] = (0.18, 0.4)
    contrast_noise_sd: float = 6.0
    sharpness: float = 0.4
    fewest_marks: int = 3


def find_burned_in_text(pixels: npt.NDArray[Any], settings: TextSettings = TextSettings()) -> tuple[Box, ...]:
    """Boxes around rows of marks that look like text, widened by a few pixels, from top to bottom.

    Parameters
    ----------
    pixels
        (rows, cols), any scale and polarity.
    """
    image = np.asarray(pixels, np.float32)
    low, high = np.percentile(image, (0.5, 99.5))
    if high <= low:
        low, high = float(image.min()), float(image.max())
    if high <= low:
        return ()
    tallest = max(2 * settings.smallest_px, round(settings.largest_fraction * image.shape[0]))
    steps = _largest_step(image)
    # The median step of neighbours tells the noise: most pixels lie on no edge.
    noise = float(np.median(steps)) / 1.2
    found = np.zeros(image.shape, bool)
    for bright in (image, -image):
        contrast = bright - ndimage.grey_opening(bright, size=(tallest, tallest))
        letters: list[Box] = []
        for fraction in settings.contrast_fractions:
            threshold = max(fraction * float(high - low), settings.contrast_noise_sd * noise)
            letters += _letters(contrast, threshold, steps, tallest, settings)
        _fill_rows(found, sorted(set(letters), key=lambda box: box.left), settings)
    return _boxes(found)


def _largest_step(image: FloatImage) -> FloatImage:
    """Largest absolute difference of each pixel to its four neighbours."""
    steps = np.zeros_like(image)
    for axis in (0, 1):
        difference = np.abs(np.diff(image, axis=axis))
        ahead = (slice(1, None), slice(None)) if axis == 0 else (slice(None), slice(1, None))
        behind = (slice(None, -1), slice(None)) if axis == 0 else (slice(None), slice(None, -1))
        np.maximum(steps[ahead], difference, out=steps[ahead])
        np.maximum(steps[behind], difference, out=steps[behind])
    return steps


def _letters(
    contrast: FloatImage, threshold: float, steps: FloatImage, tallest: int, settings: TextSettings
) -> list[Box]:
    """Boxes of marks of a letter's size whose edges are as sharp as drawn ones."""
    labels, _ = ndimage.label(contrast > threshold, np.ones((3, 3), bool))
    found = []
    for number, where in enumerate(ndimage.find_objects(labels), start=1):
        box = _box(where)
        if not _is_letter(box, tallest, settings):
            continue
        inside = labels[where] == number
        edge = inside & ~ndimage.binary_erosion(inside)
        sharpness = np.median(steps[where][edge]) / np.percentile(contrast[where][inside], 90)
        if sharpness >= settings.sharpness:
            found.append(box)
    return found


def _fill_rows(mask: BoolImage, letters: list[Box], settings: TextSettings) -> None:
    """Set `mask` in the boxes of those rows that hold enough letters of about one height."""
    while letters:
        row, rest = [letters[0]], []
        for box in letters[1:]:
            if any(_continues(last, box) for last in row[-4:]):
                row.append(box)
            else:
                rest.append(box)
        letters = rest
        if len(row) >= settings.fewest_marks:
            margin = max(3, max(box.bottom - box.top for box in row) // 3)
            top, bottom = min(b.top for b in row) - margin, max(b.bottom for b in row) + margin
            left, right = min(b.left for b in row) - 2 * margin, max(b.right for b in row) + 2 * margin
            mask[max(0, top) : bottom, max(0, left) : right] = True


def _is_letter(box: Box, tallest: int, settings: TextSettings) -> bool:
    height, width = box.bottom - box.top, box.right - box.left
    return settings.smallest_px <= height <= tallest and width <= 2 * tallest


def _continues(last: Box, box: Box) -> bool:
    """True when `box` stands on the same line as `last`, near enough to belong to it."""
    heights = last.bottom - last.top, box.bottom - box.top
    overlap = min(last.bottom, box.bottom) - max(last.top, box.top)
    near = box.left - last.right <= 2.5 * max(heights)
    return near and overlap >= 0.5 * min(heights) and max(heights) <= 2.5 * min(heights)


def _boxes(mask: BoolImage) -> tuple[Box, ...]:
    labels, _ = ndimage.label(mask, np.ones((3, 3), bool))
    return tuple(sorted(map(_box, ndimage.find_objects(labels))))


def _box(where: tuple[slice, slice]) -> Box:
    rows, cols = where
    return Box(int(rows.start), int(cols.start), int(rows.stop), int(cols.stop))
