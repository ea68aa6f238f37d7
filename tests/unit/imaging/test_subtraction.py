"""Gas, tissue and iodine drawn as discs of known attenuation into a difference."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.imaging.subtraction import Difference, where_gas_left

ROWS, COLS = np.indices((160, 160)).astype(float)
TISSUE, GAS, IODINE = 1.0, 0.5, 0.3


def disc(row: float, col: float, radius: float) -> np.ndarray:
    return np.hypot(ROWS - row, COLS - col) <= radius


def change(before: np.ndarray, after: np.ndarray, iodine: np.ndarray) -> Difference:
    reference = np.where(before, GAS, TISSUE).astype(np.float32)
    measured = (np.where(after, GAS, TISSUE) + IODINE * iodine).astype(np.float32)
    everywhere = np.ones(reference.shape, dtype=bool)
    return Difference(measured - reference, np.full_like(reference, 0.01), reference, everywhere, 0.01)


def test_gas_that_left_is_taken_from_a_region_and_iodine_beside_it_is_kept():
    before, after, iodine = disc(80, 80, 14), disc(80, 100, 14), disc(80, 50, 14)
    moved = change(before, after, iodine)
    gained = moved.signal > 0.1
    left = where_gas_left(moved, gained, 1.0, 20.0)
    # Tissue keeps its value over iodine; gas was there only where the first disc was and the second is not.
    truth = before & ~after
    assert not (left & iodine).any()
    # Blocks of 3 x 3 pixels settle it, hence a ragged outline.
    assert (left ^ truth).sum() < 0.2 * truth.sum()


@pytest.mark.parametrize("gas", [False, True])
def test_nothing_is_gas_that_left_where_no_gas_arrived(gas):
    still = disc(80, 80, 14) & gas
    unmoved = change(still, still, disc(80, 50, 14))
    assert not where_gas_left(unmoved, unmoved.signal > 0.1, 1.0, 20.0).any()
