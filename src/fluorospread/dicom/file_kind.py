"""Tells DICOM from pictures from anything else by a file's first bytes."""

from __future__ import annotations

import hashlib
import struct
from enum import StrEnum
from pathlib import Path

from fluorospread.dicom.open_file import open_file
from fluorospread.dicom.picture_files import is_picture
from fluorospread.errors import MissingFileError, NotAnImageError, TruncatedImageError


class FileKind(StrEnum):
    DICOM = "dicom"
    PICTURE = "picture"


def file_kind(path: Path) -> FileKind:
    """What the first bytes of a file say it is.

    Raises
    ------
    MissingFileError
        When there is no such file.
    TruncatedImageError
        When it is empty.
    NotAnImageError
        When it is neither DICOM nor PNG, JPEG or TIFF.
    """
    if path.is_dir():
        raise MissingFileError(f"{path} is a folder; expected an image file.")
    with open_file(path) as stream:
        head = stream.read(132)
    if not head:
        raise TruncatedImageError(f"{path.name} is empty; copy or export it again.")
    # DICOM first: its preamble may hold a TIFF header (PS3.10 7.1).
    if head[128:132] == b"DICM" or _starts_with_a_tag(head):
        return FileKind.DICOM
    if is_picture(head):
        return FileKind.PICTURE
    raise NotAnImageError(f"{path.name} is neither DICOM nor PNG, JPEG or TIFF; expected an X-ray image.")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    with open_file(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _starts_with_a_tag(head: bytes) -> bool:
    """True for the first element of a DICOM data set without preamble: group 2 or 8, low element number."""
    if len(head) < 8:
        return False
    return any(
        group in (0x0002, 0x0008) and element <= 0x0070
        for group, element in (struct.unpack("<HH", head[:4]), struct.unpack(">HH", head[:4]))
    )
