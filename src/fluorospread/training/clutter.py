"""Banks of things that lie over a spine in a film: gas, stool, contrast, metal, writing; drawn once, reused.

Layers are (n, 192, 192) float32 in 0..1; the augmentation places them with random size and strength.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FloatImages = npt.NDArray[np.float32]
SIZE = 192
_ROWS, _COLS = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)


def _ellipsoid(centre: tuple[float, float], radii: tuple[float, float], angle: float) -> npt.NDArray[np.float32]:
    """Thickness profile of an ellipsoid, 1 at its middle."""
    y, x = _ROWS - centre[0], _COLS - centre[1]
    u = (np.cos(angle) * x + np.sin(angle) * y) / radii[0]
    v = (-np.sin(angle) * x + np.cos(angle) * y) / radii[1]
    return np.asarray(np.sqrt(np.clip(1 - u * u - v * v, 0, None)), dtype=np.float32)


def _path(rng: np.random.Generator, points: int, step: float, turn: float) -> npt.NDArray[np.float64]:
    """A wandering line of (row, col) points."""
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, turn, points))
    steps = step * np.column_stack([np.sin(heading), np.cos(heading)])
    return np.asarray(rng.uniform(30, SIZE - 30, 2) + np.cumsum(steps, axis=0))


def gas_layer(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Bubbles along gut loops, some wide and haustrated, some a spray."""
    layer = np.zeros((SIZE, SIZE), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        width = rng.uniform(5, 26)
        for centre in _path(rng, int(rng.integers(1, 12)), width * rng.uniform(0.9, 1.6), 0.5):
            radii = width * rng.uniform(0.5, 1.2, 2)
            bubble = _ellipsoid((centre[0], centre[1]), (radii[0], radii[1]), rng.uniform(0, np.pi))
            layer = np.maximum(layer, bubble * np.float32(width / 26 * rng.uniform(0.6, 1.0)))
    return layer


def stool_layer(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Mottled content of the colon."""
    mask = ndimage.gaussian_filter(gas_layer(rng) + gas_layer(rng), 6)
    noise = ndimage.gaussian_filter(rng.normal(size=(SIZE, SIZE)), rng.uniform(1.2, 3.5))
    mottle = noise / noise.std()
    return np.asarray(np.clip(mottle, -2, 2) / 4 * mask / max(float(mask.max()), 1e-6), dtype=np.float32)


def contrast_layer(rng: np.random.Generator, pools: bool = True) -> npt.NDArray[np.float32]:
    """Contrast: feathered pools (where `pools`), branching vessels or filled gut."""
    layer = np.zeros((SIZE, SIZE), np.float32)
    kind = rng.integers(0 if pools else 1, 3)
    if kind == 0:
        for centre in _path(rng, int(rng.integers(2, 8)), 14, 0.6):
            blob = _ellipsoid((centre[0], centre[1]), (rng.uniform(6, 24), rng.uniform(5, 14)), rng.uniform(0, np.pi))
            layer += blob * np.float32(rng.uniform(0.3, 1))
        layer = ndimage.gaussian_filter(layer, rng.uniform(0.5, 3)) * np.clip(
            1 + 0.5 * ndimage.gaussian_filter(rng.normal(size=layer.shape), 2) * 4, 0, None
        ).astype(np.float32)
    elif kind == 1:
        start = rng.uniform(60, 196, 2)
        for _ in range(int(rng.integers(4, 14))):
            line = _path(rng, 30, 5, 0.25)
            line += start - line[0]
            layer = np.maximum(layer, stroke(line, rng.uniform(1, 4)))
            start = line[int(rng.integers(5, 25))]
    else:
        width = rng.uniform(8, 22)
        for centre in _path(rng, int(rng.integers(8, 30)), width * 0.7, 0.35):
            layer = np.maximum(layer, _ellipsoid((centre[0], centre[1]), (width, width * rng.uniform(0.7, 1)), 0.0))
    return np.asarray(np.clip(layer, 0, 1.5) / 1.5, dtype=np.float32)


def stroke(line: npt.NDArray[np.float64], width: float) -> npt.NDArray[np.float32]:
    """A polyline of (row, col) points, `width` px thick, as coverage 0..1."""
    layer = np.zeros((SIZE, SIZE), np.float32)
    for a, b in pairwise(line):
        top, left = np.floor(np.minimum(a, b) - width - 1).astype(int).clip(0, SIZE)
        bottom, right = np.ceil(np.maximum(a, b) + width + 2).astype(int).clip(0, SIZE)
        if top >= bottom or left >= right:
            continue
        y, x = _ROWS[top:bottom, left:right] - a[0], _COLS[top:bottom, left:right] - a[1]
        d = b - a
        along = np.clip((y * d[0] + x * d[1]) / max(float(d @ d), 1e-6), 0, 1)
        gap = np.hypot(y - along * d[0], x - along * d[1])
        cover = np.clip(width / 2 + 0.5 - gap, 0, 1)
        np.maximum(layer[top:bottom, left:right], cover, out=layer[top:bottom, left:right])
    return layer


def metal_layer(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Needles, wires, clips, screws and rods."""
    layer = np.zeros((SIZE, SIZE), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        kind = rng.integers(4)
        start = rng.uniform(20, SIZE - 20, 2)
        if kind == 0:  # needle with hub
            tip = start + rng.normal(0, 50, 2)
            layer = np.maximum(layer, stroke(np.array([start, tip]), rng.uniform(1, 2.2)))
            layer = np.maximum(layer, stroke(np.array([start, start + 0.12 * (start - tip)]), rng.uniform(4, 8)))
        elif kind == 1:  # catheter, lead or wire
            layer = np.maximum(layer, stroke(_path(rng, 40, 7, 0.15), rng.uniform(1, 2.5)))
        elif kind == 2:  # clips
            for _ in range(int(rng.integers(1, 10))):
                at = start + rng.normal(0, 30, 2)
                layer = np.maximum(layer, stroke(np.array([at, at + rng.normal(0, 4, 2)]), rng.uniform(1, 2.5)))
        else:  # rods with screws
            lean = rng.normal(0, 0.1)
            for side in (-1, 1):
                rod = np.array(
                    [[start[0] - 40, start[1] + side * 18], [start[0] + 40, start[1] + side * 18 + 80 * lean]]
                )
                layer = np.maximum(layer, stroke(rod, rng.uniform(4, 7)))
                for share in (0.1, 0.5, 0.9):
                    at = rod[0] + share * (rod[1] - rod[0])
                    layer = np.maximum(layer, stroke(np.array([at, at + np.array([rng.normal(0, 3), -side * 16])]), 5))
    return layer


def writing_layer(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Letters, side markers, arrows and rulers made of random 5 by 7 dot patterns and lines."""
    layer = np.zeros((SIZE, SIZE), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        dot = int(rng.choice([1, 1, 2, 3, 5]))
        top, left = int(rng.integers(2, SIZE - 8 * dot)), int(rng.integers(2, SIZE - 8 * dot))
        for letter in range(int(rng.choice([1, 1, 3, 8, 14]))):
            glyph = np.kron((rng.random((7, 5)) < 0.5).astype(np.float32), np.ones((dot, dot), np.float32))
            at = left + 6 * dot * letter
            if at + 5 * dot < SIZE and top + 7 * dot < SIZE:
                layer[top : top + 7 * dot, at : at + 5 * dot] = glyph
    if rng.random() < 0.3:
        start = rng.uniform(30, SIZE - 30, 2)
        tip = start + rng.normal(0, 20, 2)
        back = 0.35 * (start - tip)
        side = np.array([-back[1], back[0]]) * 0.6
        layer = np.maximum(layer, stroke(np.array([start, tip, tip + back + side, tip, tip + back - side]), 2))
    return layer


def make_banks(count: int, seed: int, pools: bool = True) -> dict[str, FloatImages]:
    """`count` layers of each kind; without `pools` none that could pass for contrast injected beside the spine."""
    kinds: dict[str, Callable[[np.random.Generator], FloatImages]] = {
        "gas": gas_layer, "stool": stool_layer, "contrast": partial(contrast_layer, pools=pools),
        "metal": metal_layer, "writing": writing_layer,
    }  # fmt: skip
    rng = np.random.default_rng(seed)
    return {name: np.stack([draw(rng) for _ in range(count)]) for name, draw in kinds.items()}
