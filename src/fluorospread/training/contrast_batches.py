"""Views of the lower lumbar spine with injected contrast of known place, or without any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from fluorospread.training import plumes
from fluorospread.training.appearance import Appearance
from fluorospread.training.datasets import Shards
from fluorospread.training.views import VIEW_MM_PER_PX
from fluorospread.training.window import SIZE, Window, place

Tensor = Any
# Truth of the simulated cases: areal iodine of at least this much.
_OUTLINE_MG_CM2 = 4.0
_WITH_CONTRAST = 0.62
# Shares of injections that lie a level or two away from where they were meant, of those shown on one side alone,
# and of those turned upside down: the network is to see contrast, not to expect it.
_ELSEWHERE, _ONE_SIDE, _UPSIDE_DOWN = 0.25, 0.3, 0.25
_STRENGTH_SD, _SIZE_SD, _OFF_MM, _TURN_DEG = 0.25, 0.08, 4.0, 4.0
_SIDE_MM = (120.0, 190.0)
_LAST, _NEXT = 1, 2  # the two lowest lumbar vertebrae among the channels of whole views


@dataclass(frozen=True)
class ContrastBatch:
    """Inputs (n, 3, SIZE, SIZE); truth and what counts, (n, 1, SIZE / 2, SIZE / 2), 0 or 1."""

    image: Tensor
    truth: Tensor
    counted: Tensor


def _bank_theta(pair_px: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Affines (n, 2, 3) that lay layers of the bank over images in which L5 and L4 lie at `pair_px` (n, 2, 2)."""
    n = len(pair_px)
    up = pair_px[:, 1] - pair_px[:, 0]
    pitch = np.hypot(*up.T)
    scale = pitch / plumes.PITCH_MM * np.exp(rng.normal(0, _SIZE_SD, n))  # image px a mm
    away = np.where(rng.random(n) < _ELSEWHERE, rng.choice([-1.0, 1.0, 2.0], n), 0.0)
    middle = pair_px.mean(axis=1) + away[:, None] * up + rng.normal(0, _OFF_MM, (n, 2)) * scale[:, None]
    turn = np.arctan2(up[:, 1], -up[:, 0]) + np.radians(rng.normal(0, _TURN_DEG, n))
    flip = rng.choice([-1.0, 1.0], n)
    down = np.where(rng.random(n) < _UPSIDE_DOWN, -1.0, 1.0)
    # Bank coordinates -1..1 of image coordinates -1..1: along the spine's columns and rows.
    half_bank, half_image = plumes.SIZE * plumes.MM_PER_PX / 2, SIZE / 2
    zoom = half_image / scale / half_bank
    c, s = np.cos(turn), np.sin(turn)
    row, col = (middle + 0.5 - half_image).T / half_image
    theta = np.zeros((n, 2, 3))
    theta[:, 0, 0], theta[:, 0, 1] = flip * zoom * c, flip * zoom * s
    theta[:, 1, 0], theta[:, 1, 1] = -down * zoom * s, down * zoom * c
    theta[:, 0, 2] = -(theta[:, 0, 0] * col + theta[:, 0, 1] * row)
    theta[:, 1, 2] = -(theta[:, 1, 0] * col + theta[:, 1, 1] * row)
    return theta.astype(np.float32)


def contrast_batch(
    shards: Shards, appearance: Appearance, bank: npt.NDArray[np.float16], count: int, rng: np.random.Generator
) -> ContrastBatch:
    """Squares of 120 to 190 mm around the two lowest lumbar vertebrae."""
    bones, truth = shards.draw(count, rng)
    points = truth["points"].astype(np.float64)
    pair = points[:, [_LAST, _NEXT]]
    known = np.asarray(np.isfinite(pair).all(axis=(1, 2)))
    middle = np.where(known[:, None], np.nan_to_num(pair).mean(axis=1), np.array(bones.shape[2:]) / 2)
    side_px = rng.uniform(*_SIDE_MM, count) / VIEW_MM_PER_PX
    window = Window(
        middle + rng.normal(0, 14.0, (count, 2)) / VIEW_MM_PER_PX, side_px, np.radians(rng.normal(0, 6, count)),
        rng.random(count) < 0.5, np.exp(rng.normal(0, 0.05, count).clip(-0.12, 0.12)),
    )  # fmt: skip
    there = known & (rng.random(count) < _WITH_CONTRAST)
    drawn = bank[rng.integers(len(bank), size=count)].astype(np.float32)
    drawn[rng.random(count) < _ONE_SIDE, :, : plumes.SIZE // 2] = 0
    layers = torch.from_numpy(drawn)[:, None]
    pair_px = np.where(known[:, None, None], window.to_image(np.nan_to_num(pair)), [[60.0, 96.0], [20.0, 96.0]])
    strength = np.where(there, np.exp(rng.normal(0, _STRENGTH_SD, count)), 0.0).astype(np.float32)
    iodine = (
        place(layers, torch.from_numpy(_bank_theta(pair_px, rng))) * torch.from_numpy(strength)[:, None, None, None]
    )
    image, field = appearance(bones, window, np.full(count, -1e4), iodine)
    return ContrastBatch(
        image,
        (F.avg_pool2d(iodine, 2) >= _OUTLINE_MG_CM2).float(),
        (F.avg_pool2d(field[:, None], 2) > 0.5).float(),
    )
