"""Stored values mean what their relationship and sign say."""

import numpy as np
import pytest

from fluorospread.errors import UsageError
from fluorospread.simulation.stored_pixels import PixelFormat, Relationship, store

METERED = 1000.0
READING = np.array([[1000.0, 500.0], [250.0, 2000.0]], dtype=np.float32)
OPEN = np.ones((2, 2), dtype=np.bool_)


def test_linear_pixels_are_proportional_to_the_reading() -> None:
    stored = store(READING, METERED, OPEN, 0.3, PixelFormat(Relationship.LIN, 16, 1))
    assert stored.quanta_per_step is not None
    np.testing.assert_allclose(stored.pixels * stored.quanta_per_step, READING, atol=stored.quanta_per_step)


def test_log_pixels_differ_by_log_ratios() -> None:
    stored = store(READING, METERED, OPEN, 0.3, PixelFormat(Relationship.LOG, 14, -1))
    assert stored.log_per_step is not None
    logs = stored.pixels.astype(float) * stored.log_per_step
    # Halving the reading adds ln 2; two roundings of half a step.
    assert logs[0, 1] - logs[0, 0] == pytest.approx(np.log(2), abs=stored.log_per_step)
    assert logs[1, 0] - logs[0, 1] == pytest.approx(np.log(2), abs=stored.log_per_step)


@pytest.mark.parametrize("relationship", [Relationship.LIN, Relationship.LOG])
def test_the_sign_turns_values_about(relationship: Relationship) -> None:
    up, down = (store(READING, METERED, OPEN, 0.3, PixelFormat(relationship, 12, s)).pixels for s in (1, -1))  # type: ignore[arg-type]
    # +1: lower value, less X-ray.
    assert up[0, 1] < up[0, 0]
    assert down[0, 1] > down[0, 0]
    np.testing.assert_allclose(up.astype(int) + down, 4095, atol=1)


def test_display_pixels_fill_the_range_with_bone_on_the_side_of_the_sign() -> None:
    reading = np.full((200, 200), 1000.0, dtype=np.float32)
    reading[80:120] = 400.0
    reading += np.random.default_rng(0).normal(0, 5, reading.shape).astype(np.float32)
    mask = np.ones(reading.shape, dtype=np.bool_)
    bright, dark = (
        store(reading, METERED, mask, 0.3, PixelFormat(Relationship.DISP, 12, s)).pixels for s in (-1, 1)  # type: ignore[arg-type]
    )  # fmt: skip
    assert bright[100].mean() > bright[20].mean() + 500
    assert dark[100].mean() < dark[20].mean() - 500
    assert bright.max() > 3900
    assert bright.min() < 200


def test_a_shutter_blanks_to_zero_whatever_the_sign() -> None:
    mask = np.array([[True, False], [True, True]])
    for sign in (1, -1):
        fmt = PixelFormat(Relationship.LOG, 12, sign, blank_outside_field=True)  # type: ignore[arg-type]
        assert store(READING, METERED, mask, 0.3, fmt).pixels[0, 1] == 0


def test_eight_bits_are_bytes_and_more_are_words() -> None:
    assert store(READING, METERED, OPEN, 0.3, PixelFormat(Relationship.LOG, 8)).pixels.dtype == np.uint8
    deep = store(READING, METERED, OPEN, 0.3, PixelFormat(Relationship.LOG, 10)).pixels
    assert deep.dtype == np.uint16
    assert deep.max() <= 1023


def test_no_reading_at_all_stays_within_range() -> None:
    stored = store(np.zeros((2, 2), dtype=np.float32), METERED, OPEN, 0.3, PixelFormat(Relationship.LOG, 12, -1))
    assert (stored.pixels == 4095).all()


def test_odd_depths_are_refused() -> None:
    with pytest.raises(UsageError, match="8 to 16 bits"):
        PixelFormat(bits_stored=7)
