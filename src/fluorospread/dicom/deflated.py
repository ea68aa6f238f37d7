"""Inflates a deflated DICOM file (PS3.5 A.5) into a nameless temporary file, so that its frames can be read one
at a time like those of any other: no frame of a cine waits in memory, and nothing is left behind on the disk."""

from __future__ import annotations

import io
import tempfile
import threading
import weakref
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, BinaryIO

import pydicom
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from fluorospread.dicom.attributes import raw_or_none
from fluorospread.dicom.open_file import open_file, truncated, unreadable
from fluorospread.errors import ImageSizeError, UnsupportedImageError

# A deflated file larger than this inflated is no radiograph but a decompression bomb.
_MAX_INFLATED_BYTES = 1 << 30
_PIECE_BYTES = 1 << 20


def inflated(path: Path) -> Callable[[], BinaryIO] | None:
    """A function that opens the file as if it had been written explicit little endian; None when it is not deflated.

    Raises
    ------
    MissingFileError, TruncatedImageError
        When the file cannot be read, or its deflated data are damaged.
    ImageSizeError
        When it inflates to more than any radiograph.
    UnsupportedImageError
        When there is no room for the inflated copy.
    """
    try:
        meta = pydicom.filereader.read_file_meta_info(path)
        if raw_or_none(meta, "TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return None
        # Preamble, DICM and the group length element itself are 144 bytes.
        start = 144 + int(meta.FileMetaInformationGroupLength)
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        head = DicomBytesIO()
        head.is_little_endian, head.is_implicit_VR = True, False
        write_file_meta_info(head, meta, enforce_standard=False)
    except OSError as error:
        raise unreadable(path.name, error) from error
    except Exception:
        # No readable file meta information: then nothing says that the data set is deflated.
        return None
    try:
        copy = _InflatedCopy(path.name)
        copy.file.write(b"\x00" * 128 + b"DICM" + head.getvalue())
        _inflate(path, start, copy.file)
    except OSError as error:
        raise UnsupportedImageError(
            f"{path.name} is deflated and cannot be inflated to a temporary file ({error.strerror or error}); "
            "make room for it or export it uncompressed."
        ) from error
    return copy


def _inflate(path: Path, start: int, copy: IO[bytes]) -> None:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    size = 0
    with open_file(path) as stream:
        stream.seek(start)
        pending = stream.read(_PIECE_BYTES)
        while pending and not inflater.eof:
            try:
                piece = inflater.decompress(pending, _PIECE_BYTES)
            except zlib.error as error:
                raise truncated(path.name) from error
            size += len(piece)
            if size > _MAX_INFLATED_BYTES:
                raise ImageSizeError(
                    f"{path.name} inflates to more than {_MAX_INFLATED_BYTES >> 20} MiB; export it again."
                )
            copy.write(piece)
            pending = inflater.unconsumed_tail or stream.read(_PIECE_BYTES)


class _InflatedCopy:
    """The temporary file; called, it opens it. It is closed, and so gone, with the last frame source that uses it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the finalizer
        self.lock = threading.Lock()
        weakref.finalize(self, self.file.close)

    def __call__(self) -> BinaryIO:
        return io.BufferedReader(_SharedFile(self))


class _SharedFile(io.RawIOBase):
    """A reader with a place of its own in a file that several read."""

    def __init__(self, copy: _InflatedCopy) -> None:
        super().__init__()
        self._copy, self._position = copy, 0
        # pydicom asks buffered readers for a name.
        self.name = copy.name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with self._copy.lock:
            self._copy.file.seek(self._position)
            data = self._copy.file.read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        with self._copy.lock:
            if whence == io.SEEK_CUR:
                offset, whence = self._position + offset, io.SEEK_SET
            self._position = self._copy.file.seek(offset, whence)
        return self._position

    def tell(self) -> int:
        return self._position
