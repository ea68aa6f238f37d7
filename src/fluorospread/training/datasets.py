"""Shards of cached views to shuffled batches with random windows, landmarks in map cells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fluorospread.errors import MissingFileError
from fluorospread.training.appearance import Appearance
from fluorospread.training.views import CLOSE_UP_MM_PER_PX, CLOSE_UP_PX, VIEW_MM_PER_PX
from fluorospread.training.window import SIZE, Window

Tensor = Any
CELL_PX = 4
FRONTAL_DEG = 22.0
# What shards store beside the bones.
_TRUTH = {"whole": ("points", "known", "angles", "lumbar"), "close": ("points", "angles", "flags", "step")}
# How much more often a view of four or six lumbar vertebrae is shown than the others.
UNUSUAL_COUNT_WEIGHT = 1.5
# How much more often a shard of close-ups that knows flags is drawn from than one that does not.
FLAGGED_WEIGHT = 2.5
_STORED_FLAGS = 2
CLOSE_UP_FLAGS = 1 + _STORED_FLAGS
# Share of windows that the rendered view fills, as a film fills the region that is looked at first.
FILLED_SHARE = 0.75
# Share of windows that are bent.
BENT_SHARE = 0.5


@dataclass(frozen=True)
class Batch:
    """Inputs, true cells (n, k, 2), presence and knowledge of landmarks (n, k).

    flags (n, f): 1 or 0, NaN where unknown; the first says whether an image is frontal, and of close-ups the
    second whether a last lumbar vertebra is transitional, the third whether the vertebra bears a rib, the fourth
    whether it is the first sacral one.
    """

    image: Tensor
    cells: Tensor
    present: Tensor
    known: Tensor
    flags: Tensor


class Shards:
    """All shards of one kind ("whole" or "close") in a folder, read lazily; `refresh` sees new ones."""

    def __init__(self, cache: Path, kind: str, families: tuple[str, ...]) -> None:
        self.cache, self.kind, self.families = cache, kind, families
        self.bones: list[npt.NDArray[np.uint8]] = []
        self.truths: list[dict[str, npt.NDArray[Any]]] = []
        self.names: set[str] = set()
        self.refresh()

    def refresh(self) -> None:
        for family in self.families:
            for path in sorted(self.cache.glob(f"{family}_[0-9]*_{self.kind}_bone.npy")):
                if path.name not in self.names and ".part" not in path.name:
                    self.names.add(path.name)
                    self.bones.append(np.load(path, mmap_mode="r"))
                    with np.load(str(path).replace("_bone.npy", "_truth.npz")) as stored:
                        # Shards made before close-ups had flags know none.
                        unknown = {"flags": np.full((len(stored["points"]), _STORED_FLAGS), np.nan)}
                        self.truths.append({key: (unknown | dict(stored))[key] for key in _TRUTH[self.kind]})
        if not self.bones:
            raise MissingFileError(f"no {self.kind} shards of {self.families} in {self.cache}; run `views` first")

    def draw(self, count: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.uint8], dict[str, npt.NDArray[Any]]]:
        """`count` views at random, with their truths stacked; four and six lumbar vertebrae more often."""
        picks = []
        flagged = [bool(np.isfinite(truth.get("flags", np.nan)).any()) for truth in self.truths]
        shares = np.where(flagged, FLAGGED_WEIGHT, 1.0)
        for _ in range(count):
            shard = int(rng.choice(len(self.bones), p=shares / shares.sum()))
            lumbar = self.truths[shard].get("lumbar", np.full(len(self.bones[shard]), 5))
            weight = np.where(lumbar == 5, 1.0, UNUSUAL_COUNT_WEIGHT)
            picks.append((shard, int(rng.choice(len(weight), p=weight / weight.sum()))))
        truth = {key: np.stack([self.truths[s][key][i] for s, i in picks]) for key in self.truths[0]}
        return np.stack([self.bones[s][i] for s, i in picks]), truth


def _finish(
    appearance: Appearance, bones: npt.NDArray[np.uint8], window: Window, points: npt.NDArray[np.float64],
    truth: dict[str, npt.NDArray[Any]], top: npt.NDArray[np.float64],
) -> Batch:  # fmt: skip
    """`truth` holds known (n, k) and angles (n, 2), and of close-ups flags (n, CLOSE_UP_FLAGS)."""
    image, field = appearance(bones, window, window.to_image(top[:, None])[:, 0, 0])
    px = window.to_image(points)
    nearest = np.nan_to_num(np.rint(px), nan=-1).astype(int)
    inside = ((nearest >= 2) & (nearest < SIZE - 2)).all(axis=2)
    rows, cols = nearest.clip(0, SIZE - 1)[..., 0], nearest.clip(0, SIZE - 1)[..., 1]
    lit = field.numpy()[np.arange(len(px))[:, None], rows, cols] > 0
    present = inside & lit & np.isfinite(px).all(axis=2)
    cells = (np.nan_to_num(px) + 0.5) / CELL_PX - 0.5
    frontal = np.abs(truth["angles"][:, :1]) < FRONTAL_DEG
    others = truth.get("flags", np.empty((len(px), 0)))
    return Batch(
        image,
        torch.from_numpy(np.where(present[..., None], cells, 0).astype(np.float32)),
        torch.from_numpy(present),
        torch.from_numpy(truth["known"]),
        torch.from_numpy(np.concatenate([frontal, others], axis=1).astype(np.float32)),
    )


def level_batch(shards: Shards, appearance: Appearance, count: int, rng: np.random.Generator) -> Batch:
    """Whole films, refined crops and tight C-arm fields of the trunk."""
    bones, truth = shards.draw(count, rng)
    points = truth["points"].astype(np.float64)
    side_mm = np.empty(count)
    centre = np.empty((count, 2))
    for i in range(count):
        chance = rng.random()
        marked = np.isfinite(points[i, :8, 0]) & (points[i, :8] > 0).all(axis=1)
        spine = points[i, :8][marked & (points[i, :8] < bones.shape[2:]).all(axis=1)]
        if chance < 0.29 or len(spine) < 3:  # a film of the whole trunk
            side_mm[i] = rng.uniform(300, 490)
            middle = spine.mean(axis=0) if len(spine) else np.array(bones.shape[2:]) / 2
            centre[i] = middle + rng.normal(0, [70, 40]) / VIEW_MM_PER_PX
        elif chance < 0.37:  # a film of the pelvis
            side_mm[i] = rng.uniform(260, 430)
            lowest = spine[int(spine[:, 0].argmax())]
            centre[i] = lowest + np.array([rng.uniform(20, 130), rng.normal(0, 25)]) / VIEW_MM_PER_PX
        elif chance < 0.8:  # a crop around part of the spine
            side_mm[i] = rng.uniform(190, 310)
            centre[i] = spine[int(rng.integers(len(spine)))] + rng.normal(0, [30, 25]) / VIEW_MM_PER_PX
        elif chance < 0.96:  # a C-arm field
            side_mm[i] = rng.uniform(115, 260)
            centre[i] = spine[int(rng.integers(len(spine)))] + rng.normal(0, [20, 15]) / VIEW_MM_PER_PX
        else:  # somewhere beside the spine
            side_mm[i] = rng.uniform(115, 260)
            centre[i] = rng.uniform(0, 1, 2) * bones.shape[2:]
    centre = np.where(rng.random((count, 1)) < FILLED_SHARE, _filled(centre, side_mm, bones.shape[2:]), centre)
    window = Window(
        centre, side_mm / VIEW_MM_PER_PX, np.radians(rng.normal(0, 3.5, count)), rng.random(count) < 0.5,
        _proportions(count, rng), _waves(count, side_mm, rng),
    )  # fmt: skip
    # The last two channels are named by image side.
    mirrored = points.copy()
    mirrored[:, -2:] = points[:, :-3:-1]
    points = np.where(window.mirrored[:, None, None], mirrored, points)
    truth = truth | {"known": truth["known"] & np.ones((count, 1), dtype=bool)}
    return _finish(appearance, bones, window, points, truth, _spine_tops(points))


def _filled(
    centre: npt.NDArray[np.float64], side_mm: npt.NDArray[np.float64], shape: tuple[int, ...]
) -> npt.NDArray[np.float64]:
    """Centres (n, 2) moved so that windows of `side_mm` (n,) lie within views of `shape`, or at their middle."""
    half = side_mm[:, None] / VIEW_MM_PER_PX / 2
    size = np.array(shape)
    low, high = np.minimum(half, size / 2), np.maximum(size - half, size / 2)
    return np.asarray(np.clip(centre, low, high))


def _proportions(count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Heights over widths of `count` windows: people, discs and tilts differ more than the anatomies do."""
    return np.asarray(np.exp(rng.normal(0, 0.07, count).clip(-0.16, 0.16)))


def _waves(count: int, side_mm: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Bends of half of `count` windows (n, 4, 5): waves of 35 to 160 mm that stretch and tilt by up to some 20 %.

    Vertebrae, discs and sacra of people whom no anatomy stands for.
    """
    numbers = rng.normal(size=(count, 4, 2))
    length_px = rng.uniform(35, 160, (count, 4, 1)) * (SIZE / side_mm)[:, None, None]
    numbers *= 2 * np.pi / (length_px * np.linalg.norm(numbers, axis=2, keepdims=True))
    bent = (rng.random((count, 1, 1)) < BENT_SHARE) * rng.uniform(0.02, 0.08, (count, 1, 1))
    heights = bent * length_px / (2 * np.pi) * rng.normal(size=(count, 4, 2))
    return np.concatenate([numbers, rng.uniform(0, 2 * np.pi, (count, 4, 1)), heights], axis=2)


def _spine_tops(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Where each anatomy's modelled spine ends above, (n, 2) in view px; far off where unknown.

    A spine that just ends would tell the network how many vertebrae there are; real films never show that.
    """
    tops = np.full((len(points), 2), -1e4)
    for i, spine in enumerate(points[:, :8]):
        seen = spine[np.isfinite(spine[:, 0])]
        if len(seen) >= 2:
            tops[i] = seen[-1] + 1.6 * (seen[-1] - seen[-2])
    return tops


def close_up_batch(shards: Shards, appearance: Appearance, count: int, rng: np.random.Generator) -> Batch:
    """Close-ups of about 100 mm around one vertebra, off centre and turned as a labeller's estimate would be."""
    bones, truth = shards.draw(count, rng)
    points = truth["points"].astype(np.float64)
    side_mm = 108.0 * np.exp(rng.normal(0, 0.12, count)).clip(0.75, 1.3)
    centre = points[:, 4] + rng.normal(0, 6.0, (count, 2)) / CLOSE_UP_MM_PER_PX
    centre = np.clip(np.nan_to_num(centre, nan=CLOSE_UP_PX / 2), 90, CLOSE_UP_PX - 90)
    window = Window(
        centre, side_mm / CLOSE_UP_MM_PER_PX, np.radians(rng.normal(0, 6, count)), rng.random(count) < 0.5,
        _proportions(count, rng),
    )  # fmt: skip
    mirrored = points[:, [1, 0, 3, 2, 4]]
    points = np.where(window.mirrored[:, None, None], mirrored, points)
    sacral = (truth["step"] == 0).astype(np.float32)
    truth = truth | {
        "known": np.asarray(np.isfinite(points).all(axis=2)),
        "flags": np.column_stack([truth["flags"], sacral]),
    }
    return _finish(appearance, bones, window, points, truth, np.full((count, 2), -1e4))
