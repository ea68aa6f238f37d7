"""Opens the bytes an image is read from, and names what goes wrong with them."""

from __future__ import annotations

import io
from pathlib import Path

from fluorospread.errors import MissingFileError, TruncatedImageError


def open_file(path: Path) -> io.BufferedReader:
    """Open for reading. Raises MissingFileError."""
    try:
        return path.open("rb")
    except OSError as error:
        raise unreadable(path.name or str(path), error) from error
    except ValueError as error:
        # A name with a null character.
        raise unreadable(path.name or str(path), OSError(str(error))) from error


def unreadable(file_name: str, error: OSError) -> MissingFileError:
    """The error of a file that the system does not let be read."""
    return MissingFileError(f"{file_name} cannot be opened ({error.strerror or error}); check name and permissions.")


def truncated(file_name: str) -> TruncatedImageError:
    """The error of a file that holds less than its header says."""
    return TruncatedImageError(f"{file_name} ends before its pixels do; copy or export it again.")
