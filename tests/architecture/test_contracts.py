"""The architecture holds: import contracts, lazy imports, and a lock that names no address."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_import_contracts_are_kept() -> None:
    result = _run(str(Path(sys.executable).with_name("lint-imports")), "--no-cache")
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_packages_pass_strict_type_checking() -> None:
    result = _run(sys.executable, "-m", "mypy")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("module", ["fluorospread", "fluorospread.training"])
def test_importing_the_root_needs_no_dicom_library(module: str) -> None:
    code = f"import sys; sys.modules['pydicom'] = None; import {module}"
    result = _run(sys.executable, "-c", code)
    assert result.returncode == 0, result.stderr


def test_the_command_line_never_loads_the_viewer_or_the_training_library() -> None:
    code = (
        "import sys, fluorospread.cli, fluorospread.pipeline.verify_case;"
        "print([m for m in ('torch', 'napari', 'qtpy', 'numba', 'dask') if m in sys.modules])"
    )
    result = _run(sys.executable, "-c", code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


def test_the_lock_has_hashes_and_names_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert not re.search(r"^(torch|nvidia)", lock, re.MULTILINE)
    pinned = re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE | re.IGNORECASE)
    assert len(pinned) > 50
    assert lock.count("--hash=sha256:") >= len(pinned)
