"""Bytes in, files out that are there whole or not at all, whatever ends the program meanwhile.

Each file is written beside its place, under a hidden name of its own, and moved there when complete. Knows no
format, so that every package can use it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from fluorospread.errors import OutputError


def write_atomically(path: Path, content: bytes, durable: bool = False) -> None:
    """Write a file whole or not at all, making its folder.

    Parameters
    ----------
    durable
        Wait until the disk has it, so that it also outlives a power cut; costs some milliseconds.

    Raises
    ------
    OutputError
        The folder or file cannot be written; what stood there before still does.
    """
    partial = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(partial, content, durable)
        partial.replace(path)
    except OSError as error:
        raise OutputError(_cannot_write(path, error)) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def write_all_atomically(folder: Path, contents: Mapping[str, bytes], obsolete: Collection[str] = ()) -> None:
    """Write files that belong together into one folder, which is made; none is replaced before all are written.

    They are moved to their places in the order given: put last the one whose presence says that the others are
    there. `obsolete` names files of an earlier run that are removed unless they are among the new ones.

    Raises
    ------
    OutputError
        The folder or a file cannot be written; nothing half-written is left behind.
    """
    partials = {name: _beside(folder / name) for name in contents}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, partial in partials.items():
            _write(partial, contents[name], durable=False)
        for name in obsolete:
            if name not in contents:
                (folder / name).unlink(missing_ok=True)
        for name, partial in partials.items():
            partial.replace(folder / name)
    except OSError as error:
        raise OutputError(_cannot_write(folder, error)) from error
    finally:
        for partial in partials.values():
            with suppress(OSError):
                partial.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    """A name nobody else writes to: other processes, and other threads of this one, may write the same file."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")


def _write(path: Path, content: bytes, durable: bool) -> None:
    with path.open("xb") as stream:
        stream.write(content)
        if durable:
            stream.flush()
            os.fsync(stream.fileno())


def _cannot_write(path: Path, error: OSError) -> str:
    return f"{path}: cannot be written ({error.strerror or error}); give a writable place with room on the disk"
