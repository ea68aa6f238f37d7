"""Headers that would crash or stall a decoder never reach it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fluorospread.dicom.codestream import ExpectedFrame, check_codestream, check_rle
from fluorospread.errors import FluorospreadError, ImageSizeError, TruncatedImageError, UnsupportedImageError

EXPECTED = ExpectedFrame(rows=32, cols=24, samples=1, bits_allocated=16, file_name="a.dcm")


@pytest.fixture
def lossless(builders) -> bytes:
    return builders.jpeg_lossless(builders.ramp(32, 24))


def changed(data: bytes, position: int, value: int) -> bytes:
    copy = bytearray(data)
    copy[position] = value
    return bytes(copy)


def test_sound_streams_pass_and_tell_their_bits(builders, lossless):
    pixels = builders.ramp(32, 24)
    assert check_codestream(lossless, EXPECTED) == 16
    assert check_codestream(builders.jpeg_2000(pixels), EXPECTED) == 16
    assert check_codestream(builders.jpeg((pixels >> 4).astype(np.uint8)), replace(EXPECTED, bits_allocated=8)) == 8


@pytest.mark.parametrize("padding", [b"\x00", b"\xff", b"\x00\x00\x00", b"\x00\x00\xa2\x8a"])
def test_padding_after_the_end_marker_is_tolerated(lossless, padding):
    assert check_codestream(lossless + padding, EXPECTED) == 16


def test_a_stream_without_its_end_is_truncated(lossless):
    with pytest.raises(TruncatedImageError, match=r"a\.dcm"):
        check_codestream(lossless[:-40], EXPECTED)
    with pytest.raises(TruncatedImageError):
        check_codestream(b"\xff", EXPECTED)


def test_another_size_than_the_headers_is_refused(lossless, builders):
    with pytest.raises(ImageSizeError, match="32 x 24"):
        check_codestream(lossless, replace(EXPECTED, rows=33))
    with pytest.raises(ImageSizeError):
        check_codestream(builders.jpeg_2000(builders.ramp(32, 24)), replace(EXPECTED, cols=25))


# Offsets in the builder's lossless JPEG: the frame header at 2, its Huffman table at 15, its scan header at 53.
@pytest.mark.parametrize(
    ("position", "value", "words"),
    [
        (3, 0xC2, "progressive"),
        (6, 178, "178 bits"),
        (6, 1, "1 bits"),
        (11, 3, "wrong length"),
        (13, 0x00, "sampling"),
        (20, 200, "Huffman"),
        (19, 0x77, "Huffman"),
        (54, 0xDB, "quantisation|no scan|wrong length"),
        (58, 9, "unknown components"),
        (60, 9, "scan parameters"),
        (62, 0x3F, "scan parameters"),
    ],
)
def test_a_dangerous_header_is_refused(lossless, position, value, words):
    with pytest.raises(UnsupportedImageError, match=words):
        check_codestream(changed(lossless, position, value), EXPECTED)


def test_tiny_jpeg_2000_tiles_are_refused(builders):
    data = bytearray(builders.jpeg_2000(builders.ramp(600, 600)))
    # Tile width and height stand at bytes 24 to 32.
    data[24:32] = (1).to_bytes(4, "big") * 2
    with pytest.raises(UnsupportedImageError, match="tiles"):
        check_codestream(bytes(data), replace(EXPECTED, rows=600, cols=600))


def test_what_is_no_codestream_is_refused():
    with pytest.raises(UnsupportedImageError, match="neither JPEG"):
        check_codestream(b"GIF89a" + b"\x00" * 40 + b"\xff\xd9", EXPECTED)


def test_rle_segments_must_lie_within_the_frame():
    table = [2, 64, 70, *[0] * 13]
    good = np.asarray(table, "<u4").tobytes() + b"\x00" * 20
    check_rle(good, EXPECTED)
    for wrong in ([1, 64], [2, 64, 64], [2, 64, 999], [2, 60, 70]):
        data = np.asarray(wrong + [0] * (16 - len(wrong)), "<u4").tobytes() + b"\x00" * 20
        with pytest.raises(UnsupportedImageError, match="RLE"):
            check_rle(data, EXPECTED)
    with pytest.raises(TruncatedImageError):
        check_rle(b"\x00" * 10, EXPECTED)


def test_no_change_of_one_header_byte_raises_anything_unnamed(lossless):
    for position in range(64):
        for value in (0, 1, 0x7F, 0xFF):
            try:
                check_codestream(changed(lossless, position, value), EXPECTED)
            except FluorospreadError:
                continue
