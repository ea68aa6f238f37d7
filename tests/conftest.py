"""Fixtures for every test."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def builders() -> ModuleType:
    """The module `tests/builders.py`, which no test can import because tests are no package."""
    path = Path(__file__).parent / "builders.py"
    spec = importlib.util.spec_from_file_location("fluorospread_test_builders", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
