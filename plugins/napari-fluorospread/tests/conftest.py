"""Lets the viewer's tests share their hand-made cases under one name."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from napari_fluorospread import viewer_overlays

os.environ.setdefault("NAPARI_ENSURE_PLUGIN_MAIN_THREAD", "1")

# Tests are imported by path (import-mode=importlib), so a module beside them has to be registered.
_spec = importlib.util.spec_from_file_location("built_cases", Path(__file__).with_name("built_cases.py"))
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["built_cases"] = _module
_spec.loader.exec_module(_module)


@pytest.fixture(autouse=True)
def _nothing_shown_before() -> None:
    """Which results were shown is remembered as long as napari runs; every test is its own run."""
    viewer_overlays._SHOWN_RESULTS.clear()
