"""Checks the header of one compressed frame before a decoder sees it.

The decoders are C++ libraries that trust their input: a JPEG whose header claims another size, a precision
of 178 bits or an over-full Huffman table makes some of them crash the whole process, and a JPEG-LS stream
that ends early makes one wait for ever. So size, precision, component count, tables and the end marker are
checked here, after ISO/IEC 10918-1 annex B (JPEG), 14495-1 annex C (JPEG-LS), 15444-1 annex A (JPEG 2000)
and PS3.5 annex G (RLE). What passes may still be damaged, but no longer dangerous.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from fluorospread.errors import ImageSizeError, TruncatedImageError, UnsupportedImageError

_SOS, _DHT, _DQT, _DRI, _LSE = 0xDA, 0xC4, 0xDB, 0xDD, 0xF8
_BASELINE, _EXTENDED, _LOSSLESS, _JPEG_LS = 0xC0, 0xC1, 0xC3, 0xF7
_FRAME_MARKERS = {*range(0xC0, 0xD0), _JPEG_LS} - {_DHT, 0xC8, 0xCC}

_MAX_PADDING = 16


@dataclass(frozen=True)
class ExpectedFrame:
    """What the DICOM header says about every frame."""

    rows: int
    cols: int
    samples: int
    bits_allocated: int
    file_name: str


def check_codestream(data: bytes, expected: ExpectedFrame) -> int:
    """Check one frame that is a JPEG, JPEG-LS or JPEG 2000 codestream.

    Returns
    -------
    int
        Bits a sample holds in the codestream.

    Raises
    ------
    TruncatedImageError
        When the stream ends before its end marker.
    ImageSizeError
        When the stream's size is not the header's.
    UnsupportedImageError
        When the stream is of a kind or precision that is not read, or its header is damaged.
    """
    if len(data) < 4:
        raise TruncatedImageError(f"{expected.file_name} ends before its pixels do: a frame is empty; copy it again.")
    # A few bytes of padding may follow the end marker, and encoders pad with more than zeros.
    if b"\xff\xd9" not in data.rstrip(b"\x00")[-_MAX_PADDING:]:
        raise TruncatedImageError(
            f"{expected.file_name} ends before its pixels do: a compressed frame lacks its end marker; copy it again."
        )
    if data[:4] == b"\xff\x4f\xff\x51":
        return _check_jpeg_2000(data, expected)
    if data[:2] == b"\xff\xd8":
        return _check_jpeg(data, expected)
    raise UnsupportedImageError(
        f"{expected.file_name} holds a frame that is neither JPEG nor JPEG 2000 though it claims to; "
        "export it again uncompressed."
    )


def check_rle(data: bytes, expected: ExpectedFrame) -> None:
    """Check the segment table of one RLE frame (PS3.5 G.5)."""
    if len(data) < 64:
        raise TruncatedImageError(f"{expected.file_name} ends within an RLE header; copy it again.")
    count, *offsets = struct.unpack("<16L", data[:64])
    wanted = expected.samples * expected.bits_allocated // 8
    if count != wanted:
        raise _damaged(expected, f"{count} RLE segments where {wanted} were expected")
    used = offsets[:count]
    if used[0] != 64 or any(b <= a for a, b in zip(used, [*used[1:], len(data) + 1], strict=True)):
        raise _damaged(expected, "RLE segments out of order or beyond the end of the frame")


def _damaged(expected: ExpectedFrame, what: str) -> UnsupportedImageError:
    return UnsupportedImageError(
        f"{expected.file_name} holds a damaged compressed frame ({what}); copy or export it again."
    )


def _check_size(expected: ExpectedFrame, rows: int, cols: int, components: int, bits: int) -> None:
    if (rows, cols) != (expected.rows, expected.cols):
        raise ImageSizeError(
            f"{expected.file_name}: Rows and Columns say {expected.rows} x {expected.cols}, "
            f"the compressed frame {rows} x {cols}; export it again."
        )
    if components != expected.samples:
        raise _damaged(expected, f"{components} colour components where {expected.samples} were expected")
    if not 2 <= bits <= expected.bits_allocated:
        raise _damaged(expected, f"{bits} bits a sample in {expected.bits_allocated} bits allocated")


def _check_jpeg(data: bytes, expected: ExpectedFrame) -> int:
    """Walk the markers up to the first scan."""
    position, bits, kind = 2, 0, 0
    component_ids: tuple[int, ...] = ()
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise _damaged(expected, "no marker where one must be")
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        segment = data[position + 4 : position + 2 + length]
        if length < 2 or len(segment) != length - 2:
            raise _damaged(expected, "a header segment runs past the end")
        if marker in _FRAME_MARKERS:
            if kind:
                raise _damaged(expected, "two frame headers")
            kind = marker
            bits, component_ids = _check_frame_header(marker, segment, expected)
        elif marker == _DHT:
            _check_huffman_tables(segment, expected)
        elif marker == _DQT:
            _check_quantisation_tables(segment, expected)
        elif marker == _DRI and length != 4:
            raise _damaged(expected, "a restart interval of the wrong length")
        elif marker == _LSE:
            _check_jpeg_ls_parameters(segment, bits, expected)
        elif marker == _SOS:
            if not kind:
                raise _damaged(expected, "a scan before the frame header")
            _check_scan_header(segment, kind, bits, component_ids, expected)
            return bits
        position += 2 + length
    raise _damaged(expected, "no scan")


def _check_frame_header(marker: int, segment: bytes, expected: ExpectedFrame) -> tuple[int, tuple[int, ...]]:
    if marker not in (_BASELINE, _EXTENDED, _LOSSLESS, _JPEG_LS):
        raise UnsupportedImageError(
            f"{expected.file_name} uses progressive, hierarchical or arithmetic JPEG, which is not read; "
            "export it uncompressed."
        )
    if len(segment) < 6 or len(segment) != 6 + 3 * segment[5]:
        raise _damaged(expected, "a frame header of the wrong length")
    bits, rows, cols, components = struct.unpack(">BHHB", segment[:6])
    _check_size(expected, rows, cols, components, bits)
    allowed = {_BASELINE: (8,), _EXTENDED: (8, 12)}.get(marker)
    if allowed is not None and bits not in allowed:
        raise _damaged(expected, f"{bits} bits in a JPEG that holds {' or '.join(map(str, allowed))}")
    for component in range(components):
        sampling, table = segment[7 + 3 * component], segment[8 + 3 * component]
        if not (1 <= sampling >> 4 <= 4 and 1 <= sampling & 15 <= 4) or table > 3:
            raise _damaged(expected, "impossible sampling factors")
    return bits, tuple(segment[6::3])


def _check_huffman_tables(segment: bytes, expected: ExpectedFrame) -> None:
    position = 0
    while position < len(segment):
        counts = segment[position + 1 : position + 17]
        # The code space must not be over-full, or decoding tables are written out of bounds.
        space = sum(count << (16 - length) for length, count in enumerate(counts, start=1))
        if len(counts) != 16 or segment[position] & 0xEC or not 0 < sum(counts) <= 256 or space > 1 << 16:
            raise _damaged(expected, "an impossible Huffman table")
        position += 17 + sum(counts)
    if position != len(segment):
        raise _damaged(expected, "a Huffman table of the wrong length")


def _check_quantisation_tables(segment: bytes, expected: ExpectedFrame) -> None:
    position = 0
    while position < len(segment):
        if segment[position] & 0xEC:
            raise _damaged(expected, "an impossible quantisation table")
        position += 1 + 64 * (1 + (segment[position] >> 4))
    if position != len(segment):
        raise _damaged(expected, "a quantisation table of the wrong length")


def _check_jpeg_ls_parameters(segment: bytes, bits: int, expected: ExpectedFrame) -> None:
    if len(segment) != 11 or segment[0] != 1 or not bits:
        raise _damaged(expected, "JPEG-LS parameters of an unknown kind")
    maximum, t1, t2, t3, reset = struct.unpack(">5H", segment[1:])
    if not (0 <= maximum < 1 << bits and t1 <= t2 <= t3 <= max(maximum, 1) and (reset == 0 or reset >= 3)):
        raise _damaged(expected, "impossible JPEG-LS parameters")


def _check_scan_header(
    segment: bytes, kind: int, bits: int, component_ids: tuple[int, ...], expected: ExpectedFrame
) -> None:
    if len(segment) < 4 or len(segment) != 4 + 2 * segment[0]:
        raise _damaged(expected, "a scan header of the wrong length")
    scanned = tuple(segment[1 : 1 + 2 * segment[0] : 2])
    if not scanned or not set(scanned) <= set(component_ids):
        raise _damaged(expected, "a scan of unknown components")
    if any(table >> 4 > 3 or table & 15 > 3 for table in segment[2 : 2 + 2 * segment[0] : 2]):
        raise _damaged(expected, "a scan with unknown tables")
    start, end, shift = segment[-3], segment[-2], segment[-1]
    fits = {
        _LOSSLESS: 1 <= start <= 7 and end == 0 and shift & 15 < bits and shift < 16,
        _JPEG_LS: start <= min(255, (1 << bits) // 2) and end <= 2 and shift == 0,
    }.get(kind, start == 0 and end <= 63 and shift == 0)
    if not fits:
        raise _damaged(expected, "impossible scan parameters")


def _check_jpeg_2000(data: bytes, expected: ExpectedFrame) -> int:
    if len(data) < 45:
        raise TruncatedImageError(f"{expected.file_name} ends within a JPEG 2000 header; copy it again.")
    length, _, x, y, x0, y0, tile_x, tile_y, tile_x0, tile_y0, components = struct.unpack(">HH8LH", data[4:42])
    if length != 38 + 3 * components or len(data) < 4 + length:
        raise _damaged(expected, "a JPEG 2000 header of the wrong length")
    depths = data[42 : 42 + 3 * components : 3]
    bits = max((depth & 0x7F) + 1 for depth in depths) if components else 0
    _check_size(expected, y - y0, x - x0, components, bits)
    steps = data[43 : 42 + 3 * components]
    if tile_x0 > x0 or tile_y0 > y0 or not tile_x or not tile_y or 0 in steps[0::3] + steps[1::3]:
        raise _damaged(expected, "impossible JPEG 2000 tiles")
    tiles = -(-(x - tile_x0) // tile_x) * -(-(y - tile_y0) // tile_y)
    if tiles > 65535:
        raise _damaged(expected, f"{tiles} JPEG 2000 tiles")
    return bits
