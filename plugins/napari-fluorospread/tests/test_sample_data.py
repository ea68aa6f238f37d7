"""A sample opens with its findings, and its absence is said with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluorospread.errors import MissingFileError
from napari_fluorospread.sample_data import open_sample


def test_absent_samples_are_said_to_be_absent(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="come with the source repository"):
        open_sample("P1-01", tmp_path)


def test_a_sample_opens_with_images_and_findings() -> None:
    layers = open_sample("P1-01")
    names = [layer[1]["name"] for layer in layers]
    assert names[:4] == ["needle", "needle: patient sides", "post", "post: patient sides"]
    assert {"needle: levels", "needle: junctions", "needle: needle tips"} <= set(names)
    assert {layer[1]["units"][-1] for layer in layers} == {"mm"}
