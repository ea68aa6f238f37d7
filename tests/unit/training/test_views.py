"""What a close-up is said to show: a transitional vertebra, a rib."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.simulation.anatomy.surface import Anatomy, Bone, Surface

pytest.importorskip("numba", reason="numba is installed for simulation and training only")

from fluorospread.training.views import _close_up_flags

EMPTY = Surface(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int32))


def anatomy(*bones: str, transitional: bool = False) -> Anatomy:
    built = tuple(Bone(name, EMPTY, None) for name in bones)
    return Anatomy("toy", "test", built, None, (), {}, 5, transitional=transitional)


@pytest.mark.parametrize(
    ("name", "step", "bones", "transitional", "rib"),
    [
        ("L5", 1, (), 1.0, 0.0),
        ("L4", 2, (), np.nan, 0.0),
        ("L1", 5, ("rib12.left",), np.nan, 0.0),
        ("T12", 6, ("rib12.left",), np.nan, 1.0),
        ("T12", 6, (), np.nan, 0.0),
        ("T11", 7, ("rib11.right",), np.nan, 1.0),
        # Its ribs may lie outside what was scanned.
        ("T11", 7, (), np.nan, np.nan),
    ],
)
def test_flags_say_only_what_is_known(
    name: str, step: int, bones: tuple[str, ...], transitional: float, rib: float
) -> None:
    found = _close_up_flags(anatomy(*bones, transitional=True), name, step)
    assert found == pytest.approx([transitional, rib], nan_ok=True)


def test_a_plain_last_lumbar_vertebra_is_known_to_be_one() -> None:
    assert _close_up_flags(anatomy(), "L5", 1)[0] == 0
