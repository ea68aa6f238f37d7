"""Detector readings to stored pixels: linear, logarithmic, or processed for display as fluoroscopy units do.

The sign follows DICOM's Pixel Intensity Relationship Sign: +1, a lower value is less X-ray (bone low);
-1, the opposite (bone high).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
import numpy.typing as npt

from fluorospread.errors import UsageError

FloatMap = npt.NDArray[np.float32]
BoolMap = npt.NDArray[np.bool_]
StoredPixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

# The open beam may be this many times brighter than the metered middle before a linear detector saturates.
_HEADROOM = 12.0
# LOG pixels span this natural-log range, down from this many times the metered reading.
_LOG_RANGE = 9.0
_LOG_HEADROOM = 120.0


class Relationship(StrEnum):
    """What a stored value means, as in Pixel Intensity Relationship."""

    LIN = "LIN"
    LOG = "LOG"
    DISP = "DISP"


@dataclass(frozen=True)
class Look:
    """Processing for display.

    Attributes
    ----------
    edge_gain, edge_sigma_mm
        Fine detail (below this Gaussian sigma at the detector) is added this many times more.
    flattening, flattening_sigma_mm
        Share of the slow background (above this sigma) that is taken out, 0 to 1.
    contrast
        Steepness of the S-curve; 1 is straight within the window.
    window_percentiles
        Log values that become black and white.
    """

    edge_gain: float = 0.35
    edge_sigma_mm: float = 1.5
    flattening: float = 0.35
    flattening_sigma_mm: float = 25.0
    contrast: float = 1.1
    window_percentiles: tuple[float, float] = (0.2, 99.8)


@dataclass(frozen=True)
class PixelFormat:
    """How readings are stored. `blank_outside_field` is an electronic shutter: outside is value 0
    whatever the sign. `look` is used by DISP only."""

    relationship: Relationship = Relationship.LOG
    bits_stored: int = 12
    sign: Literal[1, -1] = -1
    photometric: Literal["MONOCHROME1", "MONOCHROME2"] = "MONOCHROME2"
    blank_outside_field: bool = False
    look: Look = Look()

    def __post_init__(self) -> None:
        if not 8 <= self.bits_stored <= 16:
            raise UsageError(f"pixels are stored in 8 to 16 bits, got {self.bits_stored}")


@dataclass(frozen=True)
class StoredImage:
    """Pixels as a file holds them. `log_per_step` is the natural-log signal of one grey value, for LOG
    only; `quanta_per_step` the reading of one grey value, for LIN only."""

    pixels: StoredPixels
    pixel_format: PixelFormat
    log_per_step: float | None = None
    quanta_per_step: float | None = None


def store(reading: FloatMap, metered: float, open_mask: BoolMap, spacing_mm: float, fmt: PixelFormat) -> StoredImage:
    """Stored pixels of a detector reading.

    Parameters
    ----------
    reading, metered
        (rows, cols) detected quanta, and their level in the middle of the field (sets the gain).
    open_mask
        True where the collimator is open.
    spacing_mm
        At the detector; scales the display filters.
    """
    top = (1 << fmt.bits_stored) - 1
    log_per_step = quanta_per_step = None
    if fmt.relationship is Relationship.LIN:
        quanta_per_step = metered * _HEADROOM / top
        grey = reading / quanta_per_step
        grey = grey if fmt.sign == 1 else top - grey
    elif fmt.relationship is Relationship.LOG:
        log_per_step = _LOG_RANGE / top
        # The floor keeps the logarithm finite where nothing was read.
        steps = -np.log(np.maximum(reading, 1e-3) / (metered * _LOG_HEADROOM)) / log_per_step
        grey = steps if fmt.sign == -1 else top - steps
    else:
        bright_bone = displayed(np.maximum(reading, 0.5), open_mask, spacing_mm, fmt.look)
        grey = top * (bright_bone if fmt.sign == -1 else 1.0 - bright_bone)
    if fmt.blank_outside_field:
        grey = np.where(open_mask, grey, 0.0)
    whole = np.rint(np.clip(grey, 0, top))
    pixels: StoredPixels = whole.astype(np.uint8) if fmt.bits_stored == 8 else whole.astype(np.uint16)
    return StoredImage(pixels, fmt, log_per_step, quanta_per_step)


def burn_in(stored: StoredImage, writing: BoolMap) -> StoredImage:
    """The image with white writing (rows, cols) over its pixels."""
    fmt = stored.pixel_format
    white = (1 << fmt.bits_stored) - 1 if fmt.photometric == "MONOCHROME2" else 0
    pixels = stored.pixels.copy()
    pixels[writing] = white
    return dataclasses.replace(stored, pixels=pixels)


def displayed(reading: FloatMap, open_mask: BoolMap, spacing_mm: float, look: Look) -> FloatMap:
    """Display brightness in 0..1, bone bright, of a reading in quanta."""
    from scipy.ndimage import gaussian_filter

    depth = -np.log(reading)
    inside = depth[open_mask]
    # Blades would pull the background of the field's rim up, so they take the field's own level first.
    depth = np.where(open_mask, depth, np.float32(np.median(inside)))
    slow = _coarse_blur(depth, look.flattening_sigma_mm / spacing_mm)
    fine = depth - gaussian_filter(depth, look.edge_sigma_mm / spacing_mm)
    flat = depth - look.flattening * slow + look.edge_gain * fine
    low, high = np.percentile(flat[open_mask], look.window_percentiles)
    unit = (flat - low) / max(float(high - low), 1e-6)
    curved = 0.5 + 0.5 * np.tanh(look.contrast * (2 * unit - 1)) / np.tanh(look.contrast)
    return np.clip(np.where(open_mask, curved, 1.0), 0.0, 1.0).astype(np.float32)


def _coarse_blur(image: FloatMap, sigma_px: float) -> FloatMap:
    """Gaussian blur that is too wide to need every pixel."""
    from scipy.ndimage import gaussian_filter, zoom

    step = max(1, int(sigma_px / 6))
    small = gaussian_filter(image, step / 2)[::step, ::step]
    blurred = gaussian_filter(small, sigma_px / step)
    scale = (image.shape[0] / small.shape[0], image.shape[1] / small.shape[1])
    return np.asarray(zoom(blurred, scale, order=1, grid_mode=True, mode="nearest"), dtype=np.float32)
