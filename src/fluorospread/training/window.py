"""Where images lie on thickness views: cut out, turned, mirrored, stretched and bent, and where points go with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

Tensor = Any
SIZE = 192


@dataclass(frozen=True)
class Window:
    """Where each image of a batch lies on its view: all arrays of shape (n,).

    centre (n, 2) in view px, side_px the width in view px, turn in radians, mirrored bool, aspect the height
    over the width: other proportions than the anatomy was made with. waves (n, k, 5), where given, bend the image:
    each is a wave number along rows and columns (radians a px of the image), a phase, and its height in px of the
    image along rows and columns.
    """

    centre: npt.NDArray[np.float64]
    side_px: npt.NDArray[np.float64]
    turn: npt.NDArray[np.float64]
    mirrored: npt.NDArray[np.bool_]
    aspect: npt.NDArray[np.float64]
    waves: npt.NDArray[np.float64] | None = None

    def one(self, i: int, corner: npt.NDArray[np.float64]) -> Window:
        """Image i alone, on its view cut to begin at `corner`."""
        kept = slice(i, i + 1)
        return Window(
            self.centre[kept] - corner, self.side_px[kept], self.turn[kept], self.mirrored[kept], self.aspect[kept],
            None if self.waves is None else self.waves[kept],
        )  # fmt: skip

    def bend(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """How far from (n, k, 2) image px the unbent image shows what lies there, in px."""
        if self.waves is None:
            return np.zeros_like(points)
        phase = points @ self.waves[:, :, :2].transpose(0, 2, 1) + self.waves[:, None, :, 2]
        return np.asarray(np.sin(phase) @ self.waves[:, :, 3:])

    def to_image(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """View px (n, k, 2) to image px of a SIZE square, (row, col)."""
        gap = points - self.centre[:, None]
        c, s = np.cos(self.turn)[:, None], np.sin(self.turn)[:, None]
        row, col = c * gap[..., 0] - s * gap[..., 1], s * gap[..., 0] + c * gap[..., 1]
        col = np.where(self.mirrored[:, None], -col, col)
        scale = (SIZE / self.side_px)[:, None]
        unbent = np.stack([row * scale / self.aspect[:, None], col * scale], axis=2) + (SIZE - 1) / 2
        bent = unbent
        for _ in range(8 if self.waves is not None else 0):
            bent = unbent - self.bend(bent)
        return bent

    def theta(self, view_shape: tuple[int, int]) -> Tensor:
        """Affine (n, 2, 3) for torch's grid_sample (x, y in -1..1 of the view)."""
        rows, cols = view_shape
        c, s = np.cos(self.turn), np.sin(self.turn)
        half, tall = self.side_px / 2, self.side_px / 2 * self.aspect
        flip = np.where(self.mirrored, -1.0, 1.0)
        # Inverse of to_image: gap_row = c * r + s * q, gap_col = -s * r + c * q with q the unmirrored column.
        theta = np.zeros((len(c), 2, 3))
        theta[:, 0, 0], theta[:, 0, 1] = c * half * flip * 2 / cols, -s * tall * 2 / cols
        theta[:, 1, 0], theta[:, 1, 1] = s * half * flip * 2 / rows, c * tall * 2 / rows
        theta[:, 0, 2] = (2 * self.centre[:, 1] + 1) / cols - 1
        theta[:, 1, 2] = (2 * self.centre[:, 0] + 1) / rows - 1
        return torch.from_numpy(theta.astype(np.float32))


def place(images: Tensor, theta: Tensor) -> Tensor:
    """Images (n, k, rows, cols) resampled to SIZE by affine maps (n, 2, 3), zero outside."""
    return F.grid_sample(images, _grid(theta), padding_mode="zeros", align_corners=False)


def _grid(theta: Tensor, bend: Tensor | float = 0.0) -> Tensor:
    """Where (n, SIZE, SIZE, 2) an affine map (n, 2, 3) looks, each pixel moved by `bend` (n, 2, SIZE, SIZE) before."""
    at = (torch.arange(SIZE, dtype=torch.float32) * 2 + 1) / SIZE - 1
    x, y = torch.meshgrid(at, at, indexing="xy")
    from_here = torch.stack([x, y])[None] + bend
    return (
        torch.einsum("nij,njrc->nrci", theta[:, :, :2], from_here.expand(len(theta), -1, -1, -1))
        + theta[:, None, None, :, 2]
    )


_PIXELS = np.indices((SIZE, SIZE)).reshape(2, -1).T[None].astype(np.float64)


def _bend_of(window: Window) -> Tensor | float:
    """The bend of each pixel (n, 2, SIZE, SIZE), x then y, in half image widths."""
    if window.waves is None or not window.waves[:, :, 3:].any():
        return 0.0
    bend = window.bend(np.repeat(_PIXELS, len(window.side_px), axis=0))
    halves = (bend * 2 / SIZE).astype(np.float32)
    return torch.from_numpy(halves).reshape(-1, SIZE, SIZE, 2).permute(0, 3, 1, 2).flip(1)


def cut_out(views: npt.NDArray[np.uint8], window: Window) -> tuple[Tensor, Tensor]:
    """The windows' bone (n, 2, SIZE, SIZE) float and where the view reaches (n, 1, SIZE, SIZE).

    Each view is first cut to its window's bounds, and halved where a window pixel spans many view pixels.
    """
    pieces, inside = [], []
    rows, cols = views.shape[2:]
    for i, view in enumerate(views):
        own = window.one(i, np.zeros(2))
        bend = _bend_of(own)
        reach = (
            window.side_px[i]
            / 2
            * max(1.0, window.aspect[i])
            * (abs(np.cos(window.turn[i])) + abs(np.sin(window.turn[i])))
            * (1.0 if isinstance(bend, float) else 1 + 1.5 * float(bend.abs().max()))
        )
        low = np.floor(window.centre[i] - reach - 4).astype(int).clip(0, [rows - 8, cols - 8])
        high = np.ceil(window.centre[i] + reach + 5).astype(int).clip(low + 8, [rows, cols])
        piece = torch.from_numpy(np.ascontiguousarray(view[:, low[0] : high[0], low[1] : high[1]])).float()[None]
        if window.side_px[i] / SIZE > 1.6:
            piece = F.avg_pool2d(piece[:, :, : piece.shape[2] // 2 * 2, : piece.shape[3] // 2 * 2], 2)
            high = low + 2 * np.array(piece.shape[2:])
        theta = window.one(i, low).theta((int(high[0] - low[0]), int(high[1] - low[1])))
        pieces.append(F.grid_sample(piece, _grid(theta, bend), padding_mode="zeros", align_corners=False))
        inside.append((_grid(own.theta((rows, cols)), bend).abs() < 1).all(3).float()[:, None])
    return torch.cat(pieces), torch.cat(inside)
