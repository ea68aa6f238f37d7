"""A few of the damaged files of `benchmarks/damaged_files.py`: each is read or refused by name, in bounded time."""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fluorospread.dicom.read_radiograph import read_radiograph
from fluorospread.errors import FluorospreadError

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "sample_dicom" / "P1-02" / "needle.dcm"
ROUNDS = 3


@pytest.fixture(scope="module")
def mutations():
    """The module `benchmarks/harness/mutations.py`, which is no installed package."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        yield importlib.import_module("harness.mutations")
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
        for name in [name for name in sys.modules if name.split(".")[0] == "harness"]:
            del sys.modules[name]


def test_the_header_of_a_sample_is_walked_to_its_pixels(mutations):
    content = SAMPLE.read_bytes()
    walked = mutations.elements(content)
    assert content[walked[0][0] : walked[0][0] + 4] == b"\x02\x00\x00\x00"
    assert content[walked[-1][0] : walked[-1][0] + 4] == b"\xe0\x7f\x10\x00"
    assert len(walked) > 40


def test_the_same_seed_does_the_same_damage(mutations):
    content = SAMPLE.read_bytes()
    for seed in range(len(mutations.KINDS)):
        kind, damaged = mutations.mutated(content, seed)
        assert kind == mutations.KINDS[seed]
        assert damaged != content
        assert mutations.mutated(content, seed) == (kind, damaged)


def test_damaged_samples_are_read_or_refused_by_name(mutations, tmp_path):
    content = SAMPLE.read_bytes()
    path = tmp_path / "damaged.dcm"
    outcomes, messages = [], []
    for seed in range(ROUNDS * len(mutations.KINDS)):
        path.write_bytes(mutations.mutated(content, seed)[1])
        begin = time.process_time()
        try:
            assert np.isfinite(read_radiograph(path).pixels()).all()
            outcomes.append("read")
        except FluorospreadError as error:
            outcomes.append(type(error).__name__)
            messages.append(str(error))
        assert time.process_time() - begin < 10
    assert all(path.name in message for message in messages)
    # That some are read and others refused for different reasons shows that the damage is of many kinds.
    assert "read" in outcomes
    assert len(set(outcomes)) >= 4
