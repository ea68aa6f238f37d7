"""Views to trained weights: one loop for all networks, deterministic by step, resumable from checkpoints.

Batch number i is drawn from random states seeded with (seed, i), so an interrupted run that resumes sees
the batches that an unbroken one would.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from fluorospread.training.appearance import Appearance
from fluorospread.training.clutter import make_banks
from fluorospread.training.contrast_batches import contrast_batch
from fluorospread.training.datasets import CLOSE_UP_FLAGS, Batch, Shards, close_up_batch, level_batch
from fluorospread.training.network import ContrastNet, LandmarkNet, contrast_loss, location_loss
from fluorospread.training.plumes import plume_bank


@dataclass(frozen=True)
class LandmarkTask:
    """One landmark network: what it is fed, its size, the sd of its targets in map cells, its yes-no answers."""

    kind: str
    batch: Callable[[Shards, Appearance, int, np.random.Generator], Batch]
    landmarks: int
    widths: tuple[int, ...]
    sigma_cells: float
    flags: int = 1
    batch_size: int = 32
    peak_rate: float = 1.5e-3
    channels: int = 2

    def net(self) -> Any:
        return LandmarkNet(self.landmarks, self.widths, self.flags)

    def banks(self, seed: int) -> dict[str, Any]:
        """What lies over the spine, drawn once a run."""
        return dict(make_banks(48, seed))

    def draw(
        self, shards: Shards, banks: dict[str, Any], appearance_seed: int, rng: np.random.Generator
    ) -> tuple[Any, ...]:
        batch = self.batch(shards, Appearance(banks, appearance_seed), self.batch_size, rng)
        return batch.image, batch.cells, batch.present, batch.known, batch.flags[:, : self.flags]

    def loss(self, net: Any, parts: tuple[Any, ...]) -> Any:
        return loss_of(net, parts, self.sigma_cells)


@dataclass(frozen=True)
class ContrastTask:
    """The network that tells injected contrast from bone in one image."""

    widths: tuple[int, ...] = (16, 40, 64, 96, 128)
    kind: str = "whole"
    batch_size: int = 24
    peak_rate: float = 2e-3
    channels: int = 3
    plumes: int = 400

    def net(self) -> Any:
        return ContrastNet(self.widths)

    def banks(self, seed: int) -> dict[str, Any]:
        """What lies over the spine, drawn once a run; nothing in it but "plumes" could pass for injected contrast."""
        return {**make_banks(48, seed, pools=False), "plumes": plume_bank(self.plumes, seed)}

    def draw(
        self, shards: Shards, banks: dict[str, Any], appearance_seed: int, rng: np.random.Generator
    ) -> tuple[Any, ...]:
        around = {name: bank for name, bank in banks.items() if name != "plumes"}
        appearance = Appearance(around, appearance_seed)
        batch = contrast_batch(shards, appearance, banks["plumes"], self.batch_size, rng)
        return batch.image, batch.truth, batch.counted

    def loss(self, net: Any, parts: tuple[Any, ...]) -> Any:
        image, truth, counted = parts
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(image.contiguous(memory_format=torch.channels_last))
        return contrast_loss(logits.float(), truth, counted)


Task = LandmarkTask | ContrastTask
TASKS: dict[str, Task] = {
    "levels": LandmarkTask("whole", level_batch, 12, (32, 64, 96, 128, 144), 1.0),
    "close-ups": LandmarkTask("close", close_up_batch, 5, (32, 64, 96, 128), 0.8, flags=1 + CLOSE_UP_FLAGS),
    "contrast": ContrastTask(),
}


class Batches(torch.utils.data.Dataset):
    """Batch i of a task, made from its own seed."""

    def __init__(self, task: Task, cache: Path, families: tuple[str, ...], seed: int, first: int, last: int) -> None:
        self.task, self.cache, self.families, self.seed = task, cache, families, seed
        self.first, self.last = first, last
        self.state: tuple[Shards, dict[str, Any]] | None = None

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if index >= len(self):
            raise IndexError(index)
        number = self.first + index
        if self.state is None:
            torch.set_num_threads(1)
            self.state = Shards(self.cache, self.task.kind, self.families), self.task.banks(self.seed)
        shards, banks = self.state
        if number % 100 == 0:
            shards.refresh()
        rng = np.random.default_rng([self.seed, number])
        return self.task.draw(shards, banks, self.seed * 1_000_003 + number, rng)


def loss_of(net: Any, parts: tuple[Any, ...], sigma_cells: float) -> Any:
    """Location cross-entropy plus that of the known flags; landmarks of oblique and lateral views do not count."""
    image, cells, present, known, flags = parts
    with torch.autocast("cpu", torch.bfloat16):
        maps, absent, logits = net(image.contiguous(memory_format=torch.channels_last))
    counted = known & (flags[:, :1] > 0)
    where = location_loss(maps.float(), absent.float(), cells, present, counted, sigma_cells)
    told = torch.isfinite(flags)
    by_flag = F.binary_cross_entropy_with_logits(logits.float(), torch.nan_to_num(flags), reduction="none") * told
    return where + 0.5 * (by_flag.sum(0) / told.sum(0).clamp(min=1)).sum()


def _start_from(net: Any, earlier: Path) -> None:
    """Take over the averaged weights of an earlier run; yes-no answers that it did not have begin anew."""
    weights = net.state_dict()
    for key, value in torch.load(earlier, weights_only=True)["averaged"].items():
        if value.ndim:
            weights[key][: len(value)] = value
        else:
            weights[key].copy_(value)
    net.load_state_dict(weights)


def train(
    name: str, cache: Path, out: Path, steps: int, seed: int, families: tuple[str, ...], earlier: Path | None = None
) -> None:
    """Train one network to `out`/NAME.pt, saving a checkpoint every 200 steps and resuming from it.

    A fresh run starts from the weights of the checkpoint `earlier` where one is given.
    """
    task = TASKS[name]
    torch.manual_seed(seed)
    net = task.net().to(memory_format=torch.channels_last)
    if earlier is not None:
        _start_from(net, earlier)
    averaged = {key: value.clone() for key, value in net.state_dict().items()}
    decayed = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}])
    done = 0
    path = out / f"{name}.pt"
    out.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        stored = torch.load(path, weights_only=True)
        net.load_state_dict(stored["net"])
        averaged, done = stored["averaged"], stored["done"]
        optimiser.load_state_dict(stored["optimiser"])
    loader = torch.utils.data.DataLoader(
        Batches(task, cache, families, seed, done, steps), batch_size=None, num_workers=1, prefetch_factor=3
    )
    started, running = time.monotonic(), 0.0
    for step, parts in enumerate(loader, start=done):
        share = step / steps
        rate = task.peak_rate * min(1.0, (step + 1) / 100) * (0.02 + 0.49 * (1 + math.cos(math.pi * share)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss = task.loss(net, parts)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        keep = min(0.998, (step + 1) / (step + 20))
        with torch.no_grad():
            for key, value in net.state_dict().items():
                if value.dtype.is_floating_point:
                    averaged[key].lerp_(value, 1 - keep)
                else:
                    averaged[key].copy_(value)
        value = loss.item()
        running = 0.98 * running + 0.02 * value if step > done else value
        if (step + 1) % 50 == 0:
            pace = (step + 1 - done) * task.batch_size / (time.monotonic() - started)
            sys.stdout.write(f"{name} step {step + 1}/{steps} loss {running:.3f} {pace:.0f} images/s\n")
            sys.stdout.flush()
        if (step + 1) % 200 == 0 or step + 1 == steps:
            part = path.with_suffix(".part")
            torch.save(
                {"net": net.state_dict(), "averaged": averaged, "optimiser": optimiser.state_dict(), "done": step + 1},
                part,
            )
            part.rename(path)
