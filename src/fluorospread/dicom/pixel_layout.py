"""How samples are stored, from the Image Pixel module, checked before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from fluorospread.dicom.attributes import text, whole_number
from fluorospread.errors import ImageSizeError, NotAnImageError, TagError, UnsupportedImageError

# The largest digitised films and mammography detectors have about 30 million pixels.
MAX_PIXELS = 40_000_000
MAX_SIDE_PX = 16_384
# Smaller than this shows no vertebra at any sensible spacing.
MIN_SIDE_PX = 8
# A day of fluoroscopy at 30 frames a second would be 2.6 million.
MAX_FRAMES = 200_000

_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
# Screenshots of grey images are often stored as colour; whether the channels agree is seen when decoding.
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def check_image_size(rows: int, cols: int, name: str) -> None:
    """Refuse a size that is no radiograph's, before memory is asked for. Raises ImageSizeError."""
    if rows <= 0 or cols <= 0:
        raise ImageSizeError(f"{name} is {rows} x {cols} pixels; expected an image with rows and columns.")
    if rows > MAX_SIDE_PX or cols > MAX_SIDE_PX or rows * cols > MAX_PIXELS:
        raise ImageSizeError(
            f"{name} is {rows} x {cols} pixels; a radiograph has at most {MAX_PIXELS // 1_000_000} million. "
            "Export it at its original size."
        )
    if rows < MIN_SIDE_PX or cols < MIN_SIDE_PX:
        raise ImageSizeError(f"{name} is {rows} x {cols} pixels; too small to be a radiograph.")


@dataclass(frozen=True)
class PixelLayout:
    """How samples are stored. `float_bytes` is 4 or 8 for float pixels, else 0."""

    rows: int
    cols: int
    frames: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    planar: bool = False
    float_bytes: int = 0

    @property
    def dtype(self) -> np.dtype[np.generic]:
        if self.float_bytes:
            return np.dtype(f"f{self.float_bytes}")
        return np.dtype(f"{'i' if self.signed else 'u'}{self.bits_allocated // 8}")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one uncompressed frame."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.cols * samples * self.dtype.itemsize


def pixel_layout(dataset: Dataset, keyword: str, file_name: str) -> PixelLayout:
    """The layout of the pixels in attribute `keyword` (PixelData, FloatPixelData, DoubleFloatPixelData).

    Raises
    ------
    NotAnImageError
        When Rows, Columns or Bits Allocated are missing.
    ImageSizeError
        When rows, columns or frames are none or too many.
    UnsupportedImageError
        When the bits or the colour space are not read.
    TagError
        When an attribute is malformed or contradicts another.
    """
    rows, cols = _needed(dataset, "Rows", file_name), _needed(dataset, "Columns", file_name)
    check_image_size(rows, cols, file_name)
    frames = whole_number(dataset, "NumberOfFrames")
    frames = 1 if frames is None else frames
    if not 1 <= frames <= MAX_FRAMES:
        raise ImageSizeError(f"{file_name}: NumberOfFrames is {frames}; expected 1 to {MAX_FRAMES}.")
    samples = whole_number(dataset, "SamplesPerPixel") or 1
    photometric = text(dataset, "PhotometricInterpretation").upper()
    _check_colour_space(photometric, samples, file_name)
    float_bytes = {"FloatPixelData": 4, "DoubleFloatPixelData": 8}.get(keyword, 0)
    if float_bytes:
        if samples != 1:
            raise UnsupportedImageError(f"{file_name} holds float colour pixels; expected grey values.")
        bits = 8 * float_bytes
        return PixelLayout(rows, cols, frames, 1, photometric, bits, bits, bits - 1, True, False, float_bytes)
    allocated = _needed(dataset, "BitsAllocated", file_name)
    stored = whole_number(dataset, "BitsStored")
    stored = allocated if stored is None else stored
    high_bit = whole_number(dataset, "HighBit")
    high_bit = stored - 1 if high_bit is None else high_bit
    _check_bits(allocated, stored, high_bit, samples, file_name)
    representation = whole_number(dataset, "PixelRepresentation") or 0
    if representation not in (0, 1):
        raise TagError(f"{file_name}: PixelRepresentation is {representation}; expected 0 or 1.")
    planar = samples > 1 and whole_number(dataset, "PlanarConfiguration") == 1
    return PixelLayout(
        rows, cols, frames, samples, photometric, allocated, stored, high_bit, bool(representation), planar
    )


def _needed(dataset: Dataset, keyword: str, file_name: str) -> int:
    value = whole_number(dataset, keyword)
    if value is None:
        raise NotAnImageError(f"{file_name} has no {keyword}; expected a complete image. Export it again.")
    return value


def _check_colour_space(photometric: str, samples: int, file_name: str) -> None:
    if samples == 1 and photometric in (*_MONOCHROME, ""):
        return
    if samples == 3 and photometric in _COLOUR:
        return
    raise UnsupportedImageError(
        f"{file_name} holds {samples} sample(s) a pixel as {photometric or 'an unnamed colour space'}; "
        "expected MONOCHROME1 or MONOCHROME2. Export a grey image."
    )


def _check_bits(allocated: int, stored: int, high_bit: int, samples: int, file_name: str) -> None:
    if samples > 1 and allocated != 8:
        raise UnsupportedImageError(
            f"{file_name} stores colour in {allocated} bits a sample; expected 8 to 16 bits of grey. Export it as such."
        )
    if allocated not in (8, 16) or not 8 <= stored <= 16:
        raise UnsupportedImageError(
            f"{file_name} stores {stored} bits in {allocated} allocated; expected 8 to 16 bits of grey. "
            "Export it as such."
        )
    if not stored <= high_bit + 1 <= allocated:
        raise TagError(
            f"{file_name}: BitsAllocated {allocated}, BitsStored {stored} and HighBit {high_bit} contradict each other."
        )
