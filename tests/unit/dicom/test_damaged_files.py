"""Whatever happened to a file, only named errors leave the reader, and no process dies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from fluorospread.dicom.describe_file import describe_file
from fluorospread.dicom.read_radiograph import read_radiograph
from fluorospread.errors import FluorospreadError

TRIALS = 40


def sound_files(builders, folder):
    """One small file of each kind, by name."""
    grey16 = builders.trunk(48, 40)
    grey8 = (grey16 >> 4).astype(np.uint8)
    tags = {
        "PixelIntensityRelationshipSign": 1,
        "PatientOrientation": ["L", "F"],
        "ImagerPixelSpacing": [0.4, 0.4],
        "DistanceSourceToDetector": 1000,
        "DistanceSourceToPatient": 750,
        "ShutterShape": "RECTANGULAR",
        "ShutterLeftVerticalEdge": 3,
    }
    for syntax in (
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGLSLossless,
    ):
        dataset = builders.xray_dataset(np.stack([grey16, grey16]), **tags)
        yield builders.write_dicom(folder / f"{syntax.keyword}.dcm", dataset, syntax)
    for syntax, pixels, coded in (
        (JPEGBaseline8Bit, grey8, builders.jpeg(grey8)),
        (JPEG2000Lossless, grey16, builders.jpeg_2000(grey16)),
        (JPEGLosslessSV1, grey16, builders.jpeg_lossless(grey16)),
    ):
        dataset = builders.xray_dataset(pixels, **tags)
        yield builders.write_encapsulated(folder / f"{syntax.keyword}.dcm", dataset, [coded], syntax)
    for kind, content in (
        ("png", builders.png(grey16)),
        ("tif", builders.tiff(grey16)),
        ("jpg", builders.jpeg(grey8)),
    ):
        path = folder / f"picture.{kind}"
        path.write_bytes(content)
        yield path


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip bits, overwrite bytes, cut, or let two stretches change places."""
    data = bytearray(content)
    kind = rng.integers(4)
    if kind == 0:
        for _ in range(int(rng.integers(1, 12))):
            data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        # Headers are at the front, so most damage is done there.
        for _ in range(int(rng.integers(1, 8))):
            data[int(rng.integers(min(len(data), 1200)))] = int(rng.integers(256))
    elif kind == 2:
        del data[int(rng.integers(len(data))) :]
    else:
        size = int(rng.integers(4, 40))
        a, b = (int(value) for value in rng.integers(0, max(1, len(data) - size), 2))
        data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]
    return bytes(data)


def read_all(path: Path) -> None:
    radiograph = read_radiograph(path)
    assert np.isfinite(radiograph.pixels(radiograph.frames.count - 1)).all()


def refusal_of(reader: Callable[[Path], object], path: Path) -> str:
    """The message of a named error, or "" when the file is read; anything else fails the test."""
    try:
        reader(path)
    except FluorospreadError as error:
        return str(error) or "an error without a message"
    return ""


def test_sound_files_are_read(builders, tmp_path):
    for path in sound_files(builders, tmp_path):
        radiograph = read_radiograph(path)
        assert radiograph.shape == (48, 40), path.name


def test_only_named_errors_leave_the_reader(builders, tmp_path):
    rng = np.random.default_rng(20240607)
    refused = 0
    for sound in list(sound_files(builders, tmp_path)):
        content = sound.read_bytes()
        for trial in range(TRIALS):
            path = tmp_path / f"damaged-{trial}{sound.suffix}"
            path.write_bytes(damaged(content, rng))
            refused += bool(refusal_of(read_all, path))
            refusal_of(describe_file, path)
            path.unlink()
    # Most damage either shows or is harmless; that a good part is refused shows that the test bites.
    assert refused > 100


@pytest.mark.parametrize("keyword", ["Rows", "BitsStored", "NumberOfFrames", "SamplesPerPixel", "RescaleSlope", "KVP"])
@pytest.mark.parametrize("raw", [b"", b"\x00", b"\xff\xff", b"abc", b"1\\2\\3", b"NaN ", b"1e400 "])
def test_a_numeric_tag_of_any_bytes_is_read_or_refused_by_name(builders, tmp_path, keyword, raw):
    dataset = builders.xray_dataset(builders.trunk(32, 32), NumberOfFrames=1, RescaleSlope=1, KVP=80)
    path = builders.write_dicom(tmp_path / "a.dcm", dataset)
    content = bytearray(path.read_bytes())
    element = dataset[keyword]
    head = element.tag.group.to_bytes(2, "little") + element.tag.element.to_bytes(2, "little") + element.VR.encode()
    at = content.index(head)
    length = int.from_bytes(content[at + 6 : at + 8], "little")
    content[at + 6 : at + 8 + length] = len(raw).to_bytes(2, "little") + raw
    path.write_bytes(content)
    refusal = refusal_of(read_all, path)
    assert not refusal or "a.dcm" in refusal
