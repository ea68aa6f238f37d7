"""Injected contrast for training: whose mass it has, where it is laid, and what the network is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is installed for training only")

from fluorospread.training import plumes  # noqa: E402
from fluorospread.training.appearance import Appearance  # noqa: E402
from fluorospread.training.clutter import make_banks  # noqa: E402
from fluorospread.training.contrast_batches import _bank_theta, contrast_batch  # noqa: E402
from fluorospread.training.datasets import Shards  # noqa: E402
from fluorospread.training.network import ContrastNet, contrast_loss  # noqa: E402
from fluorospread.training.train import TASKS  # noqa: E402
from fluorospread.training.window import SIZE, place  # noqa: E402


def test_layers_hold_the_iodine_of_one_or_two_injections_about_l4_and_l5() -> None:
    bank = plumes.plume_bank(6, seed=2).astype(float)
    iodine_mg = bank.sum((1, 2)) * (plumes.MM_PER_PX / 10) ** 2
    # One side gets 180 to 300 mg; half a percent is lost to half precision.
    assert ((iodine_mg > 175) & (iodine_mg < 605)).all()
    rows = (bank.sum(2) * np.arange(plumes.SIZE)).sum(1) / bank.sum((1, 2))
    assert (np.abs(rows - (plumes.SIZE - 1) / 2) * plumes.MM_PER_PX < plumes.PITCH_MM).all()
    assert np.array_equal(plumes.plume_bank(6, seed=2).astype(float), bank)


def test_a_layer_lies_on_the_spine_as_the_spine_leans() -> None:
    rng = np.random.default_rng(0)
    # L5 at (120, 90) and L4 40 px away from it, leaning to the right.
    lean = np.radians(20.0)
    l5 = np.array([120.0, 90.0])
    l4 = l5 + 40 * np.array([-np.cos(lean), np.sin(lean)])
    pair = np.repeat(np.stack([l5, l4])[None], 300, axis=0)
    spot = np.zeros((300, 1, plumes.SIZE, plumes.SIZE), np.float32)
    # 30 mm cranial of the middle between the bodies: 33 px along the spine at 40 px over 36 mm.
    at = round((plumes.SIZE - 1) / 2 - 30.0 / plumes.MM_PER_PX)
    spot[:, 0, at - 2 : at + 3, 94:98] = 1.0
    laid = place(torch.from_numpy(spot), torch.from_numpy(_bank_theta(pair, rng)))[:, 0].numpy()
    total = laid.sum((1, 2))
    rows = (laid.sum(2) * np.arange(SIZE)).sum(1)[total > 0] / total[total > 0]
    cols = (laid.sum(1) * np.arange(SIZE)).sum(1)[total > 0] / total[total > 0]
    expected = (l4 + l5) / 2 + 30 / 36 * (l4 - l5)
    # A quarter lies upside down, a quarter a level or two away: the median is where it was meant.
    assert np.median(rows) == pytest.approx(expected[0], abs=6.0)
    assert np.median(cols) == pytest.approx(expected[1], abs=4.0)


def shard_of_two_bodies(cache: Path, count: int = 6) -> Shards:
    points = np.full((count, 12, 2), np.nan, np.float32)
    points[:, 1], points[:, 2] = (360.0, 300.0), (309.0, 300.0)
    np.save(cache / "real_000_whole_bone.npy", np.full((count, 2, 704, 600), 20, np.uint8))
    np.savez(
        cache / "real_000_whole_truth.npz",
        points=points, known=np.ones((count, 12), bool), angles=np.zeros((count, 2), np.float32),
        lumbar=np.full(count, 5, np.int16),
    )  # fmt: skip
    return Shards(cache, "whole", ("real",))


def test_contrast_is_asked_for_where_it_was_put_and_nowhere_without_it(tmp_path: Path) -> None:
    shards = shard_of_two_bodies(tmp_path)
    appearance = Appearance(make_banks(2, 1, pools=False), 3)
    nothing = np.zeros((2, plumes.SIZE, plumes.SIZE), np.float16)
    batch = contrast_batch(shards, appearance, nothing, 4, np.random.default_rng(1))
    assert batch.image.shape == (4, 3, SIZE, SIZE)
    assert batch.truth.shape == batch.counted.shape == (4, 1, SIZE // 2, SIZE // 2)
    assert float(batch.truth.sum()) == 0
    everywhere = np.full((2, plumes.SIZE, plumes.SIZE), 20, np.float16)
    batch = contrast_batch(shards, appearance, everywhere, 40, np.random.default_rng(1))
    share = batch.truth.mean((1, 2, 3)).numpy()
    # 62 % of the views get contrast, and four in ten of them less than half of it.
    assert 0.4 < (share > 0.2).mean() < 0.8


def test_the_contrast_network_answers_at_half_the_resolution_and_is_taught_by_dice() -> None:
    assert ContrastNet((8, 8, 8))(torch.zeros(2, 3, 64, 64)).shape == (2, 1, 32, 32)
    truth = torch.zeros(2, 1, 8, 8)
    truth[0, 0, 2:5, 2:5] = 1
    everywhere = torch.ones_like(truth)
    right = contrast_loss(20 * (2 * truth - 1), truth, everywhere)
    assert float(right) == pytest.approx(0.0, abs=1e-3)
    assert float(contrast_loss(20 * (1 - 2 * truth), truth, everywhere)) > 2
    # What lies outside the field does not count.
    assert float(contrast_loss(20 * (1 - 2 * truth), truth, 0 * everywhere)) == pytest.approx(0.5)


def test_the_task_brings_its_own_plumes() -> None:
    task = TASKS["contrast"]
    assert task.channels == 3
    assert next(iter(task.net().parameters())).shape[1] == 4 * task.channels
