"""The U-Nets (torch): local-contrast images in, a location softmax with "absent" a landmark, or contrast, out."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

Tensor = Any


def _conv(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


class LandmarkNet(nn.Module):
    """U-Net whose maps have a quarter of the input's resolution.

    Parameters
    ----------
    landmarks
        Number of output channels.
    widths
        Channels from the finest (1/4) to the coarsest level.
    flags
        Number of yes-no logits: the first about the whole image, others about the vertebra in its middle.

    Inputs are (n, 2, size, size): local contrast and field of view (1 inside). Outputs: location logits
    (n, landmarks, size / 4, size / 4), absence logits (n, landmarks), flags (n, flags).
    """

    def __init__(self, landmarks: int, widths: tuple[int, ...], flags: int = 1) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), _conv(8, widths[0], 2), _conv(widths[0], widths[0]))
        self.down = nn.ModuleList(nn.Sequential(_conv(a, b, 2), _conv(b, b), _conv(b, b)) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_conv(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.last = _conv(widths[0], widths[0])
        self.maps = nn.Conv2d(widths[0], landmarks, 1)
        self.globals = nn.Linear(widths[-1] + widths[-2], landmarks + flags)
        # Those about the vertebra in the middle also see what the middle half looks like, coarse and fine.
        self.middle = nn.Linear(widths[-1] + 2 * widths[0], flags - 1) if flags > 1 else None
        self.landmarks = landmarks

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = [self.stem(image)]
        for stage in self.down:
            features.append(stage(features[-1]))
        x = features[-1]
        pooled = torch.cat([x.mean((2, 3)), features[-2].amax((2, 3))], 1)
        for stage, skip in zip(self.up, features[-2::-1], strict=True):
            x = stage(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), skip], 1))
        fine = self.last(x)
        whole = self.globals(pooled)
        flags = whole[:, self.landmarks :]
        if self.middle is not None:
            coarse, near = _middle(features[-1]), _middle(fine)
            seen = torch.cat([coarse.mean((2, 3)), near.mean((2, 3)), near.amax((2, 3))], 1)
            flags = torch.cat([flags[:, :1], flags[:, 1:] + self.middle(seen)], 1)
        return self.maps(fine), whole[:, : self.landmarks], flags


def _middle(maps: Tensor) -> Tensor:
    """The middle half of maps (n, k, rows, cols) along both axes."""
    rows, cols = maps.shape[2:]
    return maps[:, :, rows // 4 : rows - rows // 4, cols // 4 : cols - cols // 4]


def location_log_probabilities(maps: Tensor, absent: Tensor) -> Tensor:
    """Joint log softmax over all cells and "absent" (last), shape (n, landmarks, cells + 1)."""
    return torch.log_softmax(torch.cat([maps.flatten(2), absent[:, :, None]], 2).float(), 2)


def location_loss(maps: Tensor, absent: Tensor, cells: Tensor, present: Tensor, known: Tensor, sigma: float) -> Tensor:
    """Cross-entropy against a Gaussian around the true cell, or against "absent".

    cells: (n, landmarks, 2) true (row, col) in map cells; present, known: (n, landmarks) bool; channels not
    known are left out.
    """
    rows, cols = maps.shape[2:]
    log_p = location_log_probabilities(maps, absent)
    row_gap = torch.arange(rows)[None, None, :] - cells[:, :, 0:1]
    col_gap = torch.arange(cols)[None, None, :] - cells[:, :, 1:2]
    by_row = torch.softmax(-(row_gap**2) / (2 * sigma**2), 2)
    by_col = torch.softmax(-(col_gap**2) / (2 * sigma**2), 2)
    on_map = log_p[:, :, :-1].unflatten(2, (rows, cols))
    found = -torch.einsum("nkrc,nkr,nkc->nk", on_map, by_row, by_col)
    loss = torch.where(present, found, -log_p[:, :, -1])
    return (loss * known).sum() / known.sum().clamp(min=1)


class ContrastNet(nn.Module):
    """U-Net whose map has half of the input's resolution: where injected contrast lies.

    Parameters
    ----------
    widths
        Channels from the finest (1/2) to the coarsest level.

    Inputs are (n, 3, size, size): fine and broad local contrast, and field of view (1 inside). Output: logits
    (n, 1, size / 2, size / 2).
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), _conv(12, widths[0]), _conv(widths[0], widths[0]))
        self.down = nn.ModuleList(nn.Sequential(_conv(a, b, 2), _conv(b, b)) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_conv(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.last = nn.Sequential(_conv(widths[0], widths[0]), nn.Conv2d(widths[0], 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        features = [self.stem(image)]
        for stage in self.down:
            features.append(stage(features[-1]))
        x = features[-1]
        for stage, skip in zip(self.up, features[-2::-1], strict=True):
            x = stage(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), skip], 1))
        return self.last(x)


def contrast_loss(logits: Tensor, truth: Tensor, counted: Tensor) -> Tensor:
    """Cross-entropy and one minus Dice over a batch of maps (n, 1, rows, cols); where `counted` is 0 nothing counts.

    Half of the Dice is pooled over the batch, so that maps without contrast still teach that there is none.
    """
    by_cell = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    entropy = (by_cell * counted).sum() / counted.sum().clamp(min=1)
    p = torch.sigmoid(logits) * counted
    t = truth * counted
    pooled = 1 - 2 * (p * t).sum() / (p.sum() + t.sum()).clamp(min=1)
    there = (t.sum((1, 2, 3)) > 0).float()
    each = 1 - 2 * (p * t).sum((1, 2, 3)) / (p.sum((1, 2, 3)) + t.sum((1, 2, 3))).clamp(min=1)
    return 4 * entropy + 0.5 * pooled + 0.5 * (each * there).sum() / there.sum().clamp(min=1)
