"""Reads PNG, JPEG and TIFF screenshots as stored grey values.

They carry no geometry, no sides and no polarity; colour is accepted only where the channels agree.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageFile, ImageSequence

from fluorospread.dicom.decode import short_reason
from fluorospread.dicom.pixel_layout import PixelLayout, check_image_size
from fluorospread.errors import FluorospreadError, NotAnImageError, TruncatedImageError, UnsupportedImageError

_FORMATS = ("PNG", "JPEG", "TIFF")
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
# Chroma that JPEG leaves behind in a grey picture stays below this many of 255 grey values.
_CHANNEL_TOLERANCE = 6


def is_picture(head: bytes) -> bool:
    """True when the first bytes are those of a PNG, JPEG or TIFF file."""
    return head.startswith(_SIGNATURES)


def read_picture(path: Path) -> tuple[npt.NDArray[Any], PixelLayout, list[str]]:
    """Read a picture file.

    Returns
    -------
    tuple
        Stored grey values (rows, cols), uint8, uint16 or float32; their layout; notes.

    Raises
    ------
    ImageSizeError, TruncatedImageError, NotAnImageError, UnsupportedImageError
        When it is no grey picture of a sensible size, or damaged.
    """
    try:
        content = path.read_bytes()
        with warnings.catch_warnings():
            # Pillow warns of large pictures and odd metadata; size is checked here, metadata is not used.
            warnings.simplefilter("ignore")
            with _whole_files_only(), Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                check_image_size(image.height, image.width, path.name)
                return _grey(image, path.name)
    except FluorospreadError:
        raise
    except Image.DecompressionBombError as error:
        raise UnsupportedImageError(f"{path.name} inflates beyond any picture ({short_reason(error)}).") from error
    except Exception as error:
        # Pillow's decoders raise OSError, SyntaxError, ValueError and more on damaged files.
        if "trunc" in str(error).lower() or "unexpected end" in str(error).lower():
            raise TruncatedImageError(f"{path.name} ends before its pixels do; copy or export it again.") from error
        raise NotAnImageError(
            f"{path.name} cannot be read as PNG, JPEG or TIFF ({short_reason(error)}); export it again."
        ) from error


@contextmanager
def _whole_files_only() -> Iterator[None]:
    """Pillow's switch for truncated files is global and other libraries (WeasyPrint) turn it on."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _grey(image: Image.Image, name: str) -> tuple[npt.NDArray[Any], PixelLayout, list[str]]:
    notes = [f"A picture file ({image.format}): no geometry, sides or polarity in it."]
    if sum(1 for _ in ImageSequence.Iterator(image)) > 1:
        notes.append("The picture file holds several pages; the first is used.")
    image.seek(0)
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        notes.append("The picture asks viewers to turn or flip it; its pixels are read as they are stored.")
    if image.mode == "1":
        raise UnsupportedImageError(f"{name} is pure black and white; expected 8 or 16 bits of grey.")
    if image.mode in ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        image = image.convert("RGB")
    bands = np.asarray(image)
    if bands.ndim == 3:
        colours = 1 if bands.shape[2] == 2 else 3
        if bands.shape[2] in (2, 4) and bands[..., -1].min() < np.iinfo(bands.dtype).max:
            notes.append("Transparency in the picture was ignored.")
        bands, note = equal_channels(bands[..., :colours], name)
        notes.append(note)
    if bands.dtype == np.int32:
        # Pillow opens some 16-bit pictures as 32-bit integers.
        if bands.min() < 0 or bands.max() > 0xFFFF:
            raise UnsupportedImageError(f"{name} holds 32-bit integers; expected 8 or 16 bits of grey.")
        bands = bands.astype(np.uint16)
    if bands.dtype.kind not in "uf" or bands.dtype.itemsize > 4:
        raise UnsupportedImageError(f"{name} holds {bands.dtype} values; expected 8 or 16 bits of grey.")
    grey = np.ascontiguousarray(bands, bands.dtype.newbyteorder("="))
    bits = 8 * grey.dtype.itemsize
    float_bytes = grey.dtype.itemsize if grey.dtype.kind == "f" else 0
    rows, cols = grey.shape
    layout = PixelLayout(
        rows, cols, 1, 1, "MONOCHROME2", bits, bits, bits - 1, bool(float_bytes), float_bytes=float_bytes
    )
    return grey, layout, notes


def equal_channels(colour: npt.NDArray[Any], name: str) -> tuple[npt.NDArray[Any], str]:
    """The grey values of a colour picture whose channels agree, with a note.

    Parameters
    ----------
    colour
        (rows, cols, channels).

    Raises
    ------
    UnsupportedImageError
        When the channels differ: a true colour picture.
    """
    spread = int((colour.max(axis=2).astype(np.int32) - colour.min(axis=2)).max())
    tolerance = _CHANNEL_TOLERANCE * np.iinfo(colour.dtype).max // 255
    if spread > tolerance:
        raise UnsupportedImageError(
            f"{name} is a colour picture (channels differ by up to {spread}); expected grey. "
            "Export the image without coloured annotations."
        )
    middle = colour.shape[2] // 2
    return colour[..., middle], "Stored as colour with equal channels; read as grey."
