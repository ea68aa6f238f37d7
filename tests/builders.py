"""Small images and DICOM files for tests, made from numbers that a reader can check by hand.

Tests are no package, so this is handed out by the `builders` fixture.
"""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
    XRayAngiographicImageStorage,
)

from fluorospread.simulation.anatomy.surface import Anatomy, Bone, Surface

Array = npt.NDArray[Any]

# Body centres of `grey_film`, (row, col), and a reader's points on it; L4 is 80 px wide: 0.6 mm a pixel.
FILM_CENTERS = {"L2": (90, 200), "L3": (150, 200), "L4": (210, 200), "L5": (270, 200)}
FILM_POINTS = {
    "vertebrae": {**{level: list(at) for level, at in FILM_CENTERS.items()}, "T12": None},
    "junctions": {
        f"{level}_image_{side}": [FILM_CENTERS[level][0] - 10, 200 + sign * 40]
        for level in ("L3", "L4", "L5")
        for side, sign in (("left", -1), ("right", 1))
    },
    "body_width_px": {"L4": 80},
    "junction_quality": "good",
    "usable": True,
    "out_of_scope": "none",
}


def ramp(rows: int = 24, cols: int = 20, top: int = 4000) -> Array:
    """uint16 values from 100 to `top`, growing along the rows, with no flat border."""
    return np.linspace(100, top, rows * cols).round().astype(np.uint16).reshape(rows, cols)


def trunk(rows: int = 256, cols: int = 256, *, bone_bright: bool = True, top: int = 4095) -> Array:
    """uint16: an upright attenuating band (spine) in soft tissue, with thin attenuating lines and noise."""
    rng = np.random.default_rng(5)
    row, col = np.mgrid[:rows, :cols] / np.array([rows, cols])[:, None, None]
    attenuation = 0.45 + 0.25 * (np.abs(col - 0.5) < 0.08) - 0.1 * np.abs(col - 0.5)
    attenuation += 0.15 * ((np.abs(np.sin(14 * row)) < 0.06) & (np.abs(col - 0.5) < 0.08))
    attenuation += 0.03 * rng.normal(size=attenuation.shape)
    grey = np.clip(attenuation if bone_bright else 1.0 - attenuation, 0.02, 0.98)
    return (grey * top).round().astype(np.uint16)


def grey_film() -> Array:
    """uint8 (400, 400), bone bright: bodies of 60 greys, crossed by processes of 15, on soft tissue with noise."""
    image = 60.0 + 0.15 * np.arange(400.0)[:, None] + np.random.default_rng(0).normal(0.0, 2.0, (400, 400))
    for row, col in FILM_CENTERS.values():
        image[row - 22 : row + 22, col - 38 : col + 38] += 60.0
        image[row - 6 : row + 6, col - 60 : col + 60] += 15.0
    return np.clip(image, 0, 255).astype(np.uint8)


def write_film(image: Path, points: Path) -> tuple[Path, Path]:
    """`grey_film` and its points, in files of these names; folders are made."""
    for path in (image, points):
        path.parent.mkdir(parents=True, exist_ok=True)
    image.write_bytes(png(grey_film()))
    points.write_text(json.dumps(FILM_POINTS), encoding="utf-8")
    return image, points


def xray_dataset(pixels: Array, *, bits_stored: int | None = None, **tags: Any) -> Dataset:
    """An XA data set around (rows, cols) or (frames, rows, cols) pixels; `tags` are set, None removes one."""
    stack = pixels if pixels.ndim == 3 else pixels[None]
    dataset = Dataset()
    dataset.SOPClassUID = XRayAngiographicImageStorage
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "2.25.11", "2.25.12", "2.25.13"
    dataset.Modality, dataset.PatientID, dataset.PatientName = "XA", "P-1", "Test^Case"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = stack.shape[1:]
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored = bits_stored or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    if len(stack) > 1:
        dataset.NumberOfFrames = len(stack)
    raw = stack.astype(stack.dtype.newbyteorder("<")).tobytes()
    dataset.add_new("PixelData", "OB" if pixels.dtype.itemsize == 1 else "OW", raw + b"\x00" * (len(raw) % 2))
    for keyword, value in tags.items():
        if value is None:
            dataset.pop(keyword, None)
        else:
            setattr(dataset, keyword, value)
    return dataset


def write_dicom(path: Path, dataset: Dataset, syntax: UID = ExplicitVRLittleEndian) -> Path:
    """Write with file meta information; encodes the pixels for big endian, RLE and JPEG-LS."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "2.25.1")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "2.25.2")
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian and dataset.BitsAllocated == 16:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").byteswap().tobytes()
    if syntax in (RLELossless, JPEGLSLossless) and not dataset["PixelData"].is_undefined_length:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        plugin = "pydicom" if syntax == RLELossless else "pyjpegls"
        dataset.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
    dcmwrite(
        path,
        dataset,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
        enforce_file_format=True,
    )
    return path


def write_encapsulated(
    path: Path, dataset: Dataset, frames: list[bytes], syntax: UID, *, fragments: int = 1, has_bot: bool = True
) -> Path:
    """Write already compressed frames, each in `fragments` pieces, with or without a basic offset table."""
    dataset.PixelData = encapsulate(frames, fragments_per_frame=fragments, has_bot=has_bot)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return write_dicom(path, dataset, syntax)


def jpeg(pixels: Array, quality: int = 95) -> bytes:
    """Baseline JPEG of uint8 pixels."""
    return _saved(pixels, "JPEG", quality=quality, subsampling=0)


def jpeg_2000(pixels: Array) -> bytes:
    """Lossless JPEG 2000 codestream of uint8 or uint16 pixels."""
    return _saved(pixels, "JPEG2000", irreversible=False, no_jp2=True)


def png(pixels: Array) -> bytes:
    """PNG of uint8 or uint16 grey, or uint8 colour (rows, cols, 3)."""
    return _saved(pixels, "PNG")


def tiff(pixels: Array) -> bytes:
    """TIFF of uint8, uint16 or float32 grey."""
    return _saved(pixels, "TIFF")


def _saved(pixels: Array, kind: str, **options: Any) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg_lossless(pixels: Array, bits: int = 16) -> bytes:
    """Lossless JPEG (process 14, predictor 1) of uint16 pixels: ISO/IEC 10918-1 annex H, plainly.

    Its one Huffman table gives every difference category 0 to 16 a code of five bits.
    """
    rows, cols = pixels.shape
    values = pixels.astype(np.int64)
    predicted = np.empty_like(values)
    predicted[:, 1:] = values[:, :-1]
    predicted[1:, 0] = values[:-1, 0]
    predicted[0, 0] = 1 << (bits - 1)
    text = []
    for difference in ((values - predicted + 32768) % 65536 - 32768).ravel().tolist():
        size = abs(difference).bit_length()
        text.append(f"{size:05b}")
        if 0 < size < 16:
            text.append(f"{difference if difference > 0 else difference + (1 << size) - 1:0{size}b}")
    joined = "".join(text)
    joined += "1" * (-len(joined) % 8)
    entropy = int(joined, 2).to_bytes(len(joined) // 8, "big").replace(b"\xff", b"\xff\x00")
    counts = bytes([0, 0, 0, 0, 17] + [0] * 11)
    table = b"\xff\xc4" + struct.pack(">HB", 19 + 17, 0) + counts + bytes(range(17))
    frame = b"\xff\xc3" + struct.pack(">HBHHB3B", 11, bits, rows, cols, 1, 1, 0x11, 0)
    scan = b"\xff\xda" + struct.pack(">HB5B", 8, 1, 1, 0, 1, 0, 0)
    return b"\xff\xd8" + frame + table + scan + entropy + b"\xff\xd9"


def box(size: tuple[float, float, float], at: tuple[float, float, float]) -> Surface:
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]) * size + at
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return Surface(corners, np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], dtype=np.int32))


def box_spine() -> Anatomy:
    """Boxes 32 mm apart with junctions 24 mm beside the midline, L4 at the origin."""
    bones, landmarks = [], {}
    for level, z in (("L2", 64.0), ("L3", 32.0), ("L4", 0.0), ("L5", -32.0), ("S1", -60.0)):
        bones.append(Bone(level, box((42, 32, 24), (0, 0, z)), box((40, 30, 22), (0, 0, z))))
        landmarks[f"{level}.center"] = np.array([0.0, 0.0, z])
        for side, sign in (("left", 1.0), ("right", -1.0)):
            landmarks[f"{level}.junction.{side}"] = np.array([sign * 24.0, 25.0, z + 5.0])
    return Anatomy("boxes", "test", tuple(bones), box((320, 200, 400), (0, -20, 0)), (), landmarks, 5)
