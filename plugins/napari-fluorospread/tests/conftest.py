"""Lets the viewer's tests share their hand-made cases under one name."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from napari_fluorospread import results_shown, viewer_overlays

os.environ.setdefault("NAPARI_ENSURE_PLUGIN_MAIN_THREAD", "1")

# Tests are imported by path (import-mode=importlib), so a module beside them has to be registered.
_spec = importlib.util.spec_from_file_location("built_cases", Path(__file__).with_name("built_cases.py"))
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["built_cases"] = _module
_spec.loader.exec_module(_module)


@pytest.fixture(autouse=True)
def _nothing_shown_before(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which results were shown is remembered as long as napari runs and beyond; every test is its own computer."""
    viewer_overlays._SHOWN_RESULTS.clear()
    kept = tmp_path_factory.mktemp("state")
    monkeypatch.setattr(results_shown, "list_path", lambda: kept / "results-shown.txt")
