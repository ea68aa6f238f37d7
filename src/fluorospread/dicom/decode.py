"""Turns the bytes of one frame into stored pixel values.

Each encoding has one decoder, chosen for surviving damaged input: pydicom for RLE, Pillow for JPEG and
JPEG 2000, pyjpegls for JPEG-LS, SimpleITK for lossless and 12-bit JPEG. The header of a compressed frame is
checked first (see `codestream`).
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from fluorospread.dicom.codestream import ExpectedFrame, check_codestream, check_rle
from fluorospread.dicom.pixel_layout import PixelLayout
from fluorospread.errors import FluorospreadError, ImageSizeError, UnsupportedImageError

StoredFrame = npt.NDArray[Any]

UNCOMPRESSED = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
LOSSY = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEG2000, JPEGLSNearLossless)
_PLUGIN = {
    RLELossless: "pydicom",
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: "pillow",
    JPEG2000: "pillow",
    JPEG2000Lossless: "pillow",
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
}
_BY_SIMPLEITK = (JPEGLossless, JPEGLosslessSV1)
READABLE = (*UNCOMPRESSED, *_PLUGIN, *_BY_SIMPLEITK)

_SILENCE = threading.Lock()


def decode_frame(data: bytes, syntax: UID, layout: PixelLayout, where: str) -> StoredFrame:
    """Decode one frame.

    Parameters
    ----------
    where
        File and frame, for messages.

    Returns
    -------
    array
        (rows, cols), or (rows, cols, 3) RGB; integers reduced to the bits stored.

    Raises
    ------
    TruncatedImageError, UnsupportedImageError, ImageSizeError
        When the bytes are too few, damaged or of another size.
    """
    if syntax in UNCOMPRESSED:
        return _native(data, syntax, layout)
    try:
        decoded = _decompressed(data, syntax, layout, where)
    except FluorospreadError:
        raise
    except Exception as error:
        # Decoders raise whatever they like on damaged bytes.
        raise UnsupportedImageError(
            f"{where} ({syntax.name}) cannot be decoded ({short_reason(error)}); it is damaged or of an unknown kind. "
            "Copy it again or export it uncompressed."
        ) from error
    if decoded.shape[:2] != (layout.rows, layout.cols):
        raise ImageSizeError(
            f"{where} decodes to {decoded.shape[:2]}; the header says {(layout.rows, layout.cols)}. Export it again."
        )
    if decoded.ndim == 2 and decoded.dtype.kind != layout.dtype.kind:
        raise UnsupportedImageError(
            f"{where}: PixelRepresentation contradicts the compressed frame about signed values; export it again."
        )
    return decoded if decoded.ndim == 3 else decoded.astype(layout.dtype, copy=False)


def short_reason(error: BaseException) -> str:
    """The last line of another library's message, where the cause stands, short enough for one of ours."""
    lines = str(error).strip().splitlines()
    return (lines[-1].strip() if lines else type(error).__name__)[:160]


def _native(data: bytes, syntax: UID, layout: PixelLayout) -> StoredFrame:
    if layout.samples > 1:
        array, _ = get_decoder(ExplicitVRLittleEndian).as_array(data, index=0, **_options(layout, planar=layout.planar))
        return array
    stored = layout.dtype.newbyteorder(">" if syntax == ExplicitVRBigEndian else "<")
    values = np.frombuffer(data, stored).reshape(layout.rows, layout.cols)
    values = values.astype(layout.dtype)
    return values if layout.float_bytes else _only_stored_bits(values, layout)


def _decompressed(data: bytes, syntax: UID, layout: PixelLayout, where: str) -> StoredFrame:
    expected = ExpectedFrame(layout.rows, layout.cols, layout.samples, layout.bits_allocated, where)
    bits = layout.bits_stored
    if syntax == RLELossless:
        check_rle(data, expected)
    else:
        bits = check_codestream(data, expected)
    if syntax in _BY_SIMPLEITK or (syntax == JPEGExtended12Bit and bits > 8):
        if layout.samples > 1:
            raise UnsupportedImageError(f"{where} is a colour image in {syntax.name}; export a grey image.")
        return _only_stored_bits(_decode_with_simpleitk(data, syntax, layout), layout)
    array, properties = get_decoder(syntax).as_array(
        encapsulate([data], has_bot=False),
        index=0,
        decoding_plugin=_PLUGIN[syntax],
        **_options(layout),
    )
    if layout.samples > 1 and str(properties["photometric_interpretation"]).startswith("YBR"):
        array = convert_color_space(array, str(properties["photometric_interpretation"]), "RGB")
    if layout.samples > 1 or syntax != RLELossless:
        return array
    return _only_stored_bits(array, layout)


def _options(layout: PixelLayout, planar: bool = False) -> dict[str, Any]:
    return {
        "planar_configuration": int(planar),
        "rows": layout.rows,
        "columns": layout.cols,
        "samples_per_pixel": layout.samples,
        "bits_allocated": layout.bits_allocated,
        "bits_stored": layout.bits_stored,
        "pixel_representation": int(layout.signed),
        "photometric_interpretation": layout.photometric or "MONOCHROME2",
        "number_of_frames": 1,
        "pixel_keyword": "PixelData",
    }


def _only_stored_bits(values: StoredFrame, layout: PixelLayout) -> StoredFrame:
    """Drop what stands beside the stored bits (old overlays, vendor padding) and extend the sign."""
    up = layout.bits_allocated - 1 - layout.high_bit
    down = layout.bits_allocated - layout.bits_stored
    if down == 0:
        return values
    return np.right_shift(np.left_shift(values, up), down)


def _decode_with_simpleitk(data: bytes, syntax: UID, layout: PixelLayout) -> StoredFrame:
    """Decode through a one-frame DICOM file, which is the only way SimpleITK takes a codestream."""
    # Imported here because it takes half a second and few files need it.
    import SimpleITK as sitk  # noqa: N813

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = UID("2.25.1")
    dataset.Rows, dataset.Columns = layout.rows, layout.cols
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = layout.samples, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored = layout.bits_allocated, layout.bits_stored
    dataset.HighBit, dataset.PixelRepresentation = layout.high_bit, int(layout.signed)
    dataset.PixelData = encapsulate([data], has_bot=False)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.dcm"
        dcmwrite(path, dataset, enforce_file_format=True)
        sitk.ProcessObject.SetGlobalWarningDisplay(False)
        with _SILENCE, _no_error_stream():
            image = sitk.ReadImage(str(path), imageIO="GDCMImageIO")
    array: StoredFrame = sitk.GetArrayFromImage(image)
    return array.reshape(array.shape[-2:]).astype(layout.dtype)


@contextmanager
def _no_error_stream() -> Iterator[None]:
    """Keep C++ off the process's error stream: GDCM tries one JPEG decoder after the other, and each that does not
    fit says so."""
    try:
        kept = os.dup(2)
    except OSError:
        # A process without an error stream has nothing to keep clean.
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
