"""Fixtures for every test."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def _module(name: str) -> ModuleType:
    """A module beside this file, which no test can import because tests are no package."""
    path = Path(__file__).parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"fluorospread_test_{name}", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def builders() -> ModuleType:
    """The module `tests/builders.py`."""
    return _module("builders")


@pytest.fixture(scope="session")
def result_cases() -> ModuleType:
    """The module `tests/result_cases.py`."""
    return _module("result_cases")
