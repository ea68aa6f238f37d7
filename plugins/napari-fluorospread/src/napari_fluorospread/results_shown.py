"""Which results were opened as files on this computer, in this account: whoever reads one of them now is not blind.

A result is known by what its case.json holds, wherever it lies; another result of the same case is another one. The
list outlives napari, one SHA-256 a line.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from platformdirs import user_state_path

_LIST = "results-shown.txt"


def list_path() -> Path:
    """The file that keeps the list."""
    return user_state_path("fluorospread") / _LIST


def remember_shown(case_json: Path) -> None:
    """Note that the result in `case_json` was shown.

    Raises
    ------
    OSError
        The list cannot be written, or the result not read.
    """
    if was_shown(case_json):
        return
    path = list_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    # One short line in one write: several napari windows may note something at once.
    with path.open("a", encoding="ascii") as file:
        file.write(f"{_digest(case_json)}\n")


def was_shown(case_json: Path) -> bool:
    """Whether the result in `case_json` was noted before; False where there is no list yet."""
    path = list_path()
    return path.is_file() and _digest(case_json) in path.read_text("ascii").split()


def _digest(case_json: Path) -> str:
    return hashlib.sha256(case_json.read_bytes()).hexdigest()
