"""Opens a DICOM file: its header without the pixels, and where each frame's bytes lie.

Frame i then costs one frame, never the whole cine: uncompressed frames are found by arithmetic, compressed
ones by walking the fragments once (offset tables where the file has them).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from fluorospread.dicom.attributes import raw_or_none
from fluorospread.dicom.decode import READABLE, UNCOMPRESSED, StoredFrame, decode_frame, short_reason
from fluorospread.dicom.deflated import inflated
from fluorospread.dicom.open_file import open_file, truncated, unreadable
from fluorospread.dicom.pixel_layout import PixelLayout, pixel_layout
from fluorospread.errors import (
    NotAnImageError,
    UnsupportedImageError,
)

Opener = Callable[[], BinaryIO]
Extents = tuple[tuple[int, int], ...]
"""(offset, length) of each piece of one frame."""

_UNDEFINED_LENGTH = 0xFFFFFFFF
_ITEM, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD
_PIXEL_KEYWORDS = {0x7FE00010: "PixelData", 0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData"}
# VRs whose explicit length takes four bytes after two reserved ones (PS3.5 table 7.1-1).
_LONG_VRS = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN")


@dataclass(frozen=True)
class StoredFrames:
    """Stored values of every frame, read on demand."""

    file_name: str
    opener: Opener
    syntax: UID
    layout: PixelLayout
    extents: tuple[Extents, ...] | range
    swapped_pairs: bool = False
    """8-bit pixels written as big-endian words: neighbours change places."""

    def stored(self, index: int) -> StoredFrame:
        """Frame `index` (zero-based): see `decode.decode_frame`."""
        where = f"{self.file_name}: frame {index + 1}" if self.layout.frames > 1 else self.file_name
        return decode_frame(self._bytes(index), self.syntax, self.layout, where)

    def _bytes(self, index: int) -> bytes:
        if isinstance(self.extents, range):
            start, length = self.extents[index], self.layout.frame_bytes
            if self.swapped_pairs:
                return self._swapped(start, length)
            return self._read(((start, length),))
        return self._read(self.extents[index])

    def _swapped(self, start: int, length: int) -> bytes:
        lead = (start - self.extents[0]) % 2 if isinstance(self.extents, range) else 0
        raw = bytearray(self._read(((start - lead, lead + length + (lead + length) % 2),)))
        raw[0::2], raw[1::2] = raw[1::2], raw[0::2]
        return bytes(raw[lead : lead + length])

    def _read(self, pieces: Extents) -> bytes:
        parts = []
        try:
            with self.opener() as stream:
                for offset, length in pieces:
                    stream.seek(offset)
                    parts.append(stream.read(length))
        except OSError as error:
            raise unreadable(self.file_name, error) from error
        data = b"".join(parts)
        if len(data) < sum(length for _, length in pieces):
            raise truncated(self.file_name)
        return data


def open_frames(path: Path, check: Callable[[Dataset], None] = lambda _: None) -> tuple[Dataset, StoredFrames]:
    """Open a DICOM file.

    Parameters
    ----------
    check
        Looks at the header of a file with pixels before their layout is judged; may raise an InputError.

    Returns
    -------
    tuple
        The header without pixels, and the frames.

    Raises
    ------
    InputError
        MissingFileError, NotAnImageError, TruncatedImageError, UnsupportedImageError, ImageSizeError or
        TagError, each naming the file.
    """
    dataset, opener, end_of_header = read_header(path)
    syntax = transfer_syntax(dataset, path.name)
    try:
        with opener() as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(end_of_header)
            keyword, is_word, length = _pixel_element(stream, dataset, syntax, path.name)
            check(dataset)
            layout = pixel_layout(dataset, keyword, path.name)
            start = stream.tell()
            if syntax not in UNCOMPRESSED:
                extents = _encapsulated_extents(stream, dataset, layout, path.name)
                return dataset, StoredFrames(path.name, opener, syntax, layout, extents)
    except (struct.error, OSError) as error:
        raise truncated(path.name) from error
    available = size - start if length == _UNDEFINED_LENGTH else min(length, size - start)
    if available < layout.frame_bytes * layout.frames:
        raise truncated(path.name)
    starts = range(start, start + layout.frame_bytes * layout.frames, layout.frame_bytes)
    swapped = syntax == ExplicitVRBigEndian and layout.bits_allocated == 8 and is_word
    return dataset, StoredFrames(path.name, opener, syntax, layout, starts, swapped)


def read_header(path: Path) -> tuple[Dataset, Opener, int]:
    """Read a DICOM header without its pixels.

    Returns
    -------
    tuple
        The header, a function that opens the bytes it was read from, and the offset where it ends.

    Raises
    ------
    InputError
        MissingFileError, NotAnImageError or TruncatedImageError.
    """
    opener: Opener = inflated(path) or (lambda: open_file(path))
    with opener() as stream:
        try:
            dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
            end = stream.tell()
        except (EOFError, struct.error) as error:
            raise truncated(path.name) from error
        except Exception as error:
            # A damaged header makes pydicom raise whatever its parser trips over.
            raise NotAnImageError(
                f"{path.name} cannot be read as DICOM ({short_reason(error)}); expected a DICOM image. Export it again."
            ) from error
    return dataset, opener, end


def transfer_syntax(dataset: Dataset, file_name: str) -> UID:
    """The transfer syntax, taken from the header's own encoding where the file does not name one.

    Raises
    ------
    UnsupportedImageError
        When it is not one that is read.
    """
    meta = getattr(dataset, "file_meta", None)
    named = None if meta is None else raw_or_none(meta, "TransferSyntaxUID")
    if named is None:
        is_implicit, is_little = dataset.original_encoding
        if is_implicit:
            return ImplicitVRLittleEndian
        return ExplicitVRLittleEndian if is_little is not False else ExplicitVRBigEndian
    if named not in READABLE:
        syntax = UID(str(named))
        raise UnsupportedImageError(
            f"{file_name} is encoded as {syntax.name}, which is not read; export it uncompressed or as JPEG-LS."
        )
    return UID(str(named))


def _pixel_element(stream: BinaryIO, dataset: Dataset, syntax: UID, file_name: str) -> tuple[str, bool, int]:
    """Read the pixel element's head: its keyword, whether it is written in words, and its length."""
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    head = stream.read(4)
    if len(head) < 4:
        if raw_or_none(dataset, "Rows") is not None:
            raise truncated(file_name)
        raise NotAnImageError(f"{file_name} is a DICOM object without pixels; expected an image.")
    group, element = struct.unpack(f"{order}HH", head)
    keyword = _PIXEL_KEYWORDS.get(group << 16 | element)
    if keyword is None:
        raise NotAnImageError(f"{file_name} is a DICOM object without pixels; expected an image.")
    if syntax == ImplicitVRLittleEndian:
        return keyword, True, struct.unpack("<L", stream.read(4))[0]
    representation = stream.read(2)
    if representation in _LONG_VRS:
        stream.read(2)
        return keyword, representation == b"OW", struct.unpack(f"{order}L", stream.read(4))[0]
    return keyword, True, struct.unpack(f"{order}H", stream.read(2))[0]


def _encapsulated_extents(
    stream: BinaryIO, dataset: Dataset, layout: PixelLayout, file_name: str
) -> tuple[Extents, ...]:
    """Where each frame's fragments lie (PS3.5 A.4).

    Raises
    ------
    TruncatedImageError
        When there are fewer fragments than frames.
    """
    fragments = _fragments(stream, file_name)
    if not fragments:
        raise truncated(file_name)
    table, fragments = fragments[0], fragments[1:]
    if len(fragments) < layout.frames:
        raise truncated(file_name)
    if len(fragments) == layout.frames:
        return tuple((fragment,) for fragment in fragments)
    if layout.frames == 1:
        return (tuple(fragments),)
    offsets = _offset_table(stream, dataset, table)
    if len(offsets) != layout.frames:
        return _split_at_end_markers(stream, fragments, layout.frames, file_name)
    # Offsets count from the first fragment's item tag, 8 bytes before its data.
    starts = [fragments[0][0] - 8 + offset for offset in offsets]
    frames: list[list[tuple[int, int]]] = [[] for _ in starts]
    index = 0
    for position, length in fragments:
        while index + 1 < len(starts) and position - 8 >= starts[index + 1]:
            index += 1
        frames[index].append((position, length))
    if not all(frames):
        raise truncated(file_name)
    return tuple(tuple(frame) for frame in frames)


def _fragments(stream: BinaryIO, file_name: str) -> list[tuple[int, int]]:
    """(offset, length) of every item's data, the offset table's first."""
    size = os.fstat(stream.fileno()).st_size
    found: list[tuple[int, int]] = []
    while len(head := stream.read(8)) == 8:
        group, element, length = struct.unpack("<HHL", head)
        tag = group << 16 | element
        if tag == _SEQUENCE_END:
            return found
        if tag != _ITEM:
            raise UnsupportedImageError(f"{file_name} holds damaged compressed pixels; copy or export it again.")
        if length > size - stream.tell():
            raise truncated(file_name)
        found.append((stream.tell(), length))
        stream.seek(length, os.SEEK_CUR)
    # The end marker is missing; what is there may still be whole, and each frame is checked when decoded.
    return found


def _offset_table(stream: BinaryIO, dataset: Dataset, table: tuple[int, int]) -> tuple[int, ...]:
    """Frame offsets from the extended or the basic offset table; empty when there is neither."""
    extended = raw_or_none(dataset, "ExtendedOffsetTable")
    if isinstance(extended, bytes):
        return struct.unpack(f"<{len(extended) // 8}Q", extended[: len(extended) // 8 * 8])
    stream.seek(table[0])
    basic = stream.read(table[1] // 4 * 4)
    return struct.unpack(f"<{len(basic) // 4}L", basic)


def _split_at_end_markers(
    stream: BinaryIO, fragments: list[tuple[int, int]], frames: int, file_name: str
) -> tuple[Extents, ...]:
    """Group fragments into frames where no table does: a frame ends with JPEG's end marker."""
    grouped: list[Extents] = []
    current: list[tuple[int, int]] = []
    for position, length in fragments:
        current.append((position, length))
        stream.seek(position + max(0, length - 10))
        if b"\xff\xd9" in stream.read(min(length, 10)):
            grouped.append(tuple(current))
            current = []
    if len(grouped) != frames:
        raise UnsupportedImageError(
            f"{file_name}: {len(fragments)} compressed pieces cannot be shared out among {frames} frames; "
            "export it with an offset table."
        )
    return tuple(grouped)
