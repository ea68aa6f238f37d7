"""Every encoding gives back the stored values, one frame at a time, and damage is refused by name."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from pydicom.encaps import encapsulate_extended
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)

from fluorospread.dicom import deflated, stored_frames
from fluorospread.dicom.stored_frames import open_frames
from fluorospread.errors import (
    ImageSizeError,
    MissingFileError,
    NotAnImageError,
    TagError,
    TruncatedImageError,
    UnsupportedImageError,
)

UNCOMPRESSED = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]


@pytest.mark.parametrize(
    ("syntax", "dtype"),
    [
        (syntax, dtype)
        for syntax in (*UNCOMPRESSED, RLELossless)
        for dtype in (np.uint8, np.uint16, np.int16)
        # 8 bits in big-endian words have a test of their own.
        if (syntax, dtype) != (ExplicitVRBigEndian, np.uint8)
    ],
)
def test_stored_values_survive_every_native_encoding(builders, tmp_path, syntax, dtype):
    pixels = (builders.ramp(top=250 if dtype is np.uint8 else 4000)).astype(dtype)
    pixels[0, 0] = np.iinfo(dtype).min
    path = builders.write_dicom(tmp_path / "a.dcm", builders.xray_dataset(pixels), syntax)
    _, frames = open_frames(path)
    np.testing.assert_array_equal(frames.stored(0), pixels)
    assert frames.stored(0).dtype == dtype


def test_8_bit_pixels_in_big_endian_words_are_put_in_order(builders, tmp_path):
    pixels = (np.arange(2 * 9 * 9) % 251).astype(np.uint8).reshape(2, 9, 9)
    dataset = builders.xray_dataset(pixels)
    dataset["PixelData"].VR = "OW"
    swapped = bytearray(dataset.PixelData)
    swapped[0::2], swapped[1::2] = swapped[1::2], swapped[0::2]
    dataset.PixelData = bytes(swapped)
    path = builders.write_dicom(tmp_path / "a.dcm", dataset, ExplicitVRBigEndian)
    _, frames = open_frames(path)
    # The second frame begins at an odd byte.
    np.testing.assert_array_equal(frames.stored(0), pixels[0])
    np.testing.assert_array_equal(frames.stored(1), pixels[1])


def test_lossless_jpeg_gives_the_stored_values(builders, tmp_path):
    pixels = builders.ramp()
    dataset = builders.xray_dataset(pixels)
    path = builders.write_encapsulated(tmp_path / "a.dcm", dataset, [builders.jpeg_lossless(pixels)], JPEGLosslessSV1)
    np.testing.assert_array_equal(open_frames(path)[1].stored(0), pixels)


def test_lossless_jpeg_2000_gives_the_stored_values(builders, tmp_path):
    pixels = builders.ramp(64, 48)
    path = builders.write_encapsulated(
        tmp_path / "a.dcm", builders.xray_dataset(pixels), [builders.jpeg_2000(pixels)], JPEG2000Lossless
    )
    np.testing.assert_array_equal(open_frames(path)[1].stored(0), pixels)


def test_baseline_jpeg_gives_the_stored_values_within_its_loss(builders, tmp_path):
    pixels = builders.ramp(64, 64, top=250).astype(np.uint8)
    path = builders.write_encapsulated(
        tmp_path / "a.dcm", builders.xray_dataset(pixels), [builders.jpeg(pixels)], JPEGBaseline8Bit
    )
    # Quality 95 quantises a smooth ramp to within 2 grey values.
    assert np.abs(open_frames(path)[1].stored(0).astype(int) - pixels).max() <= 2


def test_bits_beside_the_stored_ones_are_dropped_and_the_sign_extended(builders, tmp_path):
    values = np.array([-2048, -1, 0, 2047], np.int16).repeat(16).reshape(8, 8)
    # Twelve bits at bits 3..14, an overlay in the others.
    raw = ((values.astype(np.int32) & 0xFFF) << 3 | 0x8005).astype(np.uint16).view(np.int16)
    dataset = builders.xray_dataset(raw, BitsStored=12, HighBit=14)
    path = builders.write_dicom(tmp_path / "a.dcm", dataset)
    np.testing.assert_array_equal(open_frames(path)[1].stored(0), values)


@pytest.mark.parametrize(("fragments", "has_bot"), [(1, True), (1, False), (3, True), (3, False)])
def test_each_frame_is_found_however_it_is_fragmented(builders, tmp_path, fragments, has_bot):
    stack = np.stack([builders.ramp(32, 32, top=250 - 40 * i).astype(np.uint8) for i in range(3)])
    coded = [builders.jpeg(frame) for frame in stack]
    path = builders.write_encapsulated(
        tmp_path / "a.dcm",
        builders.xray_dataset(stack),
        coded,
        JPEGBaseline8Bit,
        fragments=fragments,
        has_bot=has_bot,
    )
    _, frames = open_frames(path)
    for index in (2, 0, 1):
        assert np.abs(frames.stored(index).astype(int) - stack[index]).max() <= 3


def test_an_extended_offset_table_is_followed(builders, tmp_path):
    stack = np.stack([builders.ramp(32, 32, top=250 - 40 * i).astype(np.uint8) for i in range(3)])
    dataset = builders.xray_dataset(stack)
    data, table, lengths = encapsulate_extended([builders.jpeg(frame) for frame in stack])
    dataset.PixelData = data
    dataset["PixelData"].is_undefined_length = True
    dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = table, lengths
    path = builders.write_dicom(tmp_path / "a.dcm", dataset, JPEGBaseline8Bit)
    assert np.abs(open_frames(path)[1].stored(1).astype(int) - stack[1]).max() <= 3


class CountingFile(io.BytesIO):
    """Counts the bytes read."""

    total = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        CountingFile.total += len(data)
        return data


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless], ids=lambda syntax: syntax.keyword)
def test_one_frame_of_a_cine_costs_one_frame(builders, tmp_path, syntax):
    stack = np.stack([builders.ramp(40, 40, top=4000 - index) for index in range(30)])
    path = builders.write_dicom(tmp_path / "a.dcm", builders.xray_dataset(stack), syntax)
    _, frames = open_frames(path)
    content = path.read_bytes()
    counted = stored_frames.StoredFrames(
        frames.file_name, lambda: CountingFile(content), frames.syntax, frames.layout, frames.extents
    )
    CountingFile.total = 0
    np.testing.assert_array_equal(counted.stored(17), stack[17])
    # RLE of a ramp is at most a little larger than the frame itself.
    assert CountingFile.total <= 1.2 * stack[0].nbytes


@pytest.mark.parametrize("syntax", [*UNCOMPRESSED, RLELossless], ids=lambda syntax: syntax.keyword)
def test_a_file_cut_within_its_pixels_is_truncated(builders, tmp_path, syntax):
    path = builders.write_dicom(tmp_path / "a.dcm", builders.xray_dataset(builders.ramp()), syntax)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(TruncatedImageError, match=r"a\.dcm"):
        open_frames(path)[1].stored(0)


def test_more_frames_than_bytes_is_truncated(builders, tmp_path):
    path = builders.write_dicom(tmp_path / "a.dcm", builders.xray_dataset(builders.ramp(), NumberOfFrames=100_000))
    with pytest.raises(TruncatedImageError):
        open_frames(path)


@pytest.mark.parametrize(
    ("tags", "error", "words"),
    [
        ({"Rows": None}, NotAnImageError, "no Rows"),
        ({"Rows": 0}, ImageSizeError, "0 x 20"),
        ({"Rows": 65535, "Columns": 65535}, ImageSizeError, "65535 x 65535"),
        ({"NumberOfFrames": 0}, ImageSizeError, "NumberOfFrames is 0"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, UnsupportedImageError, "32 bits"),
        ({"HighBit": 3}, TagError, "contradict"),
        ({"PixelRepresentation": 7}, TagError, "PixelRepresentation"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, UnsupportedImageError, "PALETTE COLOR"),
        ({"SamplesPerPixel": 3}, UnsupportedImageError, "3 sample"),
    ],
)
def test_an_impossible_layout_is_refused_before_anything_is_allocated(builders, tmp_path, tags, error, words):
    path = builders.write_dicom(tmp_path / "a.dcm", builders.xray_dataset(builders.ramp(), **tags))
    with pytest.raises(error, match=words):
        open_frames(path)


def test_an_encoding_that_is_not_read_is_named(builders, tmp_path):
    path = builders.write_encapsulated(
        tmp_path / "a.dcm", builders.xray_dataset(builders.ramp()), [b"\x00\x00\x01\xb3"], MPEG2MPML
    )
    with pytest.raises(UnsupportedImageError, match="MPEG2"):
        open_frames(path)


def test_a_dicom_object_without_pixels_is_no_image(builders, tmp_path):
    dataset = builders.xray_dataset(builders.ramp(), PixelData=None, Rows=None)
    path = builders.write_dicom(tmp_path / "a.dcm", dataset)
    with pytest.raises(NotAnImageError, match="without pixels"):
        open_frames(path)


def test_a_compressed_frame_of_another_size_is_refused(builders, tmp_path):
    coded = builders.jpeg(np.zeros((64, 64), np.uint8))
    dataset = builders.xray_dataset(builders.ramp(top=250).astype(np.uint8))
    path = builders.write_encapsulated(tmp_path / "a.dcm", dataset, [coded], JPEGBaseline8Bit)
    with pytest.raises(ImageSizeError, match="64 x 64"):
        open_frames(path)[1].stored(0)


def test_a_deflated_file_that_inflates_without_end_is_refused(builders, tmp_path, monkeypatch):
    path = builders.write_dicom(
        tmp_path / "a.dcm", builders.xray_dataset(np.zeros((600, 600), np.uint16)), DeflatedExplicitVRLittleEndian
    )
    assert path.stat().st_size < 5_000
    monkeypatch.setattr(deflated, "_MAX_INFLATED_BYTES", 100_000)
    with pytest.raises(ImageSizeError, match="inflates"):
        open_frames(path)


def test_fragments_that_cannot_be_shared_out_are_refused(builders, tmp_path):
    stack = np.stack([builders.ramp(32, 32, top=250).astype(np.uint8)] * 2)
    coded = builders.jpeg(stack[0])
    # Three pieces, one end marker, two frames, no table.
    cut = len(coded) // 3
    pieces = [coded[:cut], coded[cut : 2 * cut], coded[2 * cut :]]
    path = builders.write_encapsulated(
        tmp_path / "a.dcm", builders.xray_dataset(stack), pieces, JPEGBaseline8Bit, has_bot=False
    )
    with pytest.raises(UnsupportedImageError, match="shared out"):
        open_frames(path)


def test_a_missing_file_is_missing(tmp_path: Path):
    with pytest.raises(MissingFileError, match=r"none\.dcm"):
        open_frames(tmp_path / "none.dcm")


def test_a_file_without_meta_information_is_read_as_it_is_encoded(builders, tmp_path):
    pixels = builders.ramp()
    path = builders.write_dicom(tmp_path / "a.dcm", builders.xray_dataset(pixels))
    content = path.read_bytes()
    meta_length = struct.unpack("<L", content[140:144])[0]
    path.write_bytes(content[144 + meta_length :])
    np.testing.assert_array_equal(open_frames(path)[1].stored(0), pixels)
