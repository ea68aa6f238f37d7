"""Image regions to landmark probabilities: sampling, local contrast and the networks (onnxruntime).

A region is a square of the image, resampled to `INPUT_PX` squared; the networks answer with one probability
map a landmark over `MAP_CELLS` squared cells and the probability that the landmark is not in the region.
Weights are those whose SHA-256 stands in `weights/SHA256SUMS`; anything else is refused.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fluorospread.errors import WeightsError
from fluorospread.model.radiograph import BoolImage, FloatImage

# Output channels of the level network. C1 is the vertebra on the sacrum (L5 in most people), C2 the next.
LEVEL_CHANNELS = (
    "S1", "C1", "C2", "C3", "C4", "C5", "C6", "C7", "S2", "last-rib", "crest-image-left", "crest-image-right",
)  # fmt: skip
JUNCTION_CHANNELS = (
    "junction-image-left", "junction-image-right", "pedicle-image-left", "pedicle-image-right", "centre",
)  # fmt: skip
INPUT_PX = 192
MAP_CELLS = 48
# Middle of the range the networks were trained with.
CONTRAST_SIGMA_PX = 9.5
WEIGHTS = Path(__file__).parent / "weights"
_FILES = {name: f"{name}.onnx" for name in ("levels", "close-ups", "contrast")}
# More than two threads gain little in batches this small.
_MOST_THREADS = 2


@dataclass(frozen=True)
class Region:
    """A square of an image: centre (row, col) and side in its pixels; `mirrored` flips its columns."""

    centre: tuple[float, float]
    side_px: float
    mirrored: bool = False

    @property
    def cell_px(self) -> float:
        """Image pixels a map cell."""
        return self.side_px / MAP_CELLS

    def to_image(self, cells: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Map cells (..., 2) to image px; the centre of the first cell is (0, 0)."""
        offset = (np.asarray(cells) - (MAP_CELLS - 1) / 2) * self.cell_px
        if self.mirrored:
            offset = offset * np.array([1.0, -1.0])
        return np.asarray(offset + np.array(self.centre))

    def to_cells(self, points_px: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Image px (..., 2) to map cells."""
        offset = np.asarray(points_px) - np.array(self.centre)
        if self.mirrored:
            offset = offset * np.array([1.0, -1.0])
        return np.asarray(offset / self.cell_px + (MAP_CELLS - 1) / 2)


@dataclass(frozen=True)
class Maps:
    """One region's answer: maps (k, cells, cells) and absent (k,) sum to 1 a landmark; frontal 0..1.

    transitional, rib, sacral: what a close-up says of the vertebra in its middle (0..1): a last lumbar one is
    transitional, it bears a rib, it is the first of the sacrum; NaN from the level network.
    """

    region: Region
    maps: npt.NDArray[np.float32]
    absent: npt.NDArray[np.float32]
    frontal: float
    transitional: float = float("nan")
    rib: float = float("nan")
    sacral: float = float("nan")

    def mirrored_back(self, swap: tuple[tuple[int, int], ...]) -> Maps:
        """The answer of a mirrored region in the image's own sense; `swap` names left-right channel pairs."""
        if not self.region.mirrored:
            return self
        order = list(range(len(self.maps)))
        for a, b in swap:
            order[a], order[b] = b, a
        unmirrored = Region(self.region.centre, self.region.side_px)
        return replace(self, region=unmirrored, maps=self.maps[order][:, :, ::-1], absent=self.absent[order])


LEVEL_SWAPS = ((10, 11),)
JUNCTION_SWAPS = ((0, 1), (2, 3))


class Pyramid:
    """An image and its field of view at halved resolutions, so that regions of any size sample cleanly."""

    def __init__(self, image: FloatImage, field: BoolImage) -> None:
        low, high = np.percentile(image[field], [0.1, 99.9]) if field.any() else (0.0, 1.0)
        grey = np.clip((image - low) / max(float(high - low), 1e-9), 0, 1).astype(np.float32)
        weight = field.astype(np.float32)
        self.levels = [np.stack([grey * weight, weight])]
        self.shape = image.shape
        while min(self.levels[-1].shape[1:]) >= 64:
            last = self.levels[-1]
            rows, cols = last.shape[1] // 2 * 2, last.shape[2] // 2 * 2
            even = last[:, :rows, :cols]
            self.levels.append(
                0.25 * (even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2])
            )

    def sample(self, region: Region) -> npt.NDArray[np.float32]:
        """Grey values and field of a region, (2, INPUT_PX, INPUT_PX); both 0 outside the image."""
        step = region.side_px / INPUT_PX
        level = int(np.clip(np.floor(np.log2(max(step, 1e-6)) + 0.3), 0, len(self.levels) - 1))
        stack, scale = self.levels[level], 2.0**level
        at = (np.arange(INPUT_PX) - (INPUT_PX - 1) / 2) * step
        # Pixel i of a halved level is centred between pixels 2 i and 2 i + 1 of the level below.
        rows = (region.centre[0] + at + 0.5) / scale - 0.5
        cols = (region.centre[1] + (-at if region.mirrored else at) + 0.5) / scale - 0.5
        by_row = _lerp(stack, rows, 1)
        grey, weight = _lerp(by_row, cols, 2)
        known = weight > 1e-3
        return np.stack([np.where(known, grey / np.maximum(weight, 1e-3), 0), weight > 0.5]).astype(np.float32)


def _lerp(stack: npt.NDArray[np.float32], at: npt.NDArray[np.floating[Any]], axis: int) -> npt.NDArray[np.float32]:
    """Linear interpolation along one axis at fractional indices, 0 beyond the ends."""
    size = stack.shape[axis]
    low = np.floor(at).astype(int)
    share = (at - low).astype(np.float32)
    shape = [1, 1, 1]
    shape[axis] = len(at)
    out = 0.0
    for index, weight in ((low, 1 - share), (low + 1, share)):
        inside = (index >= 0) & (index < size)
        out = out + np.take(stack, index.clip(0, size - 1), axis=axis) * (weight * inside).reshape(shape)
    return np.asarray(out, dtype=np.float32)


@lru_cache(maxsize=4)
def _wide_blur(size: int, sigma_px: float) -> npt.NDArray[np.float32]:
    """(size, size / 4): a Gaussian blur of 4-pixel means along one axis, interpolated back to all pixels.

    The same as the training's blur at a quarter of the resolution: mirrored at the ends, cut at 2.5 sigma.
    """
    coarse, sigma = size // 4, sigma_px / 4
    radius = max(1, int(np.ceil(2.5 * sigma)))
    taps = np.arange(-radius, radius + 1)
    kernel = np.exp(-(taps**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    blurred = np.zeros((coarse, coarse))
    for row in range(coarse):
        at = np.abs(row + taps)
        np.add.at(blurred[row], np.where(at > coarse - 1, 2 * (coarse - 1) - at, at), kernel)
    place = np.clip((np.arange(size) + 0.5) / 4 - 0.5, 0, coarse - 1)
    low = np.minimum(place.astype(int), coarse - 2)
    back = np.zeros((size, coarse))
    back[np.arange(size), low] = 1 - (place - low)
    back[np.arange(size), low + 1] += place - low
    return np.asarray(back @ blurred, dtype=np.float32)


def local_contrast(sampled: npt.NDArray[np.float32], sigma_px: float = CONTRAST_SIGMA_PX) -> npt.NDArray[np.float32]:
    """Network input (2, size, size) of grey values and field: deviation from the local mean over the local
    spread, -3..3, 0 outside the field; and the field itself. `size` is a multiple of 4."""
    grey, field = sampled
    size = len(grey)
    spread = _wide_blur(size, sigma_px)

    def wide(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        means = values.reshape(size // 4, 4, size // 4, 4).mean(axis=(1, 3))
        return np.asarray(spread @ means @ spread.T, dtype=np.float32)

    weight = np.maximum(wide(field), 1e-3)
    deviation = (grey - wide(grey * field) / weight) * field
    power = wide(deviation**2) / weight
    overall = float((deviation**2).sum()) / max(float(field.sum()), 1.0)
    contrast = np.clip(deviation / np.sqrt(power + 0.02 * overall + 1e-9), -3, 3) * field
    return np.stack([contrast, field]).astype(np.float32)


def _recorded() -> dict[str, str]:
    sums = WEIGHTS / "SHA256SUMS"
    if not sums.is_file():
        raise WeightsError(f"{sums} is missing; reinstall fluorospread")
    return {name: digest for digest, name in (line.split() for line in sums.read_text("ascii").splitlines() if line)}


@lru_cache(maxsize=1)
def weights_sha256() -> str:
    """One SHA-256 for all weights: that of the list of files and digests they were released with."""
    return hashlib.sha256((WEIGHTS / "SHA256SUMS").read_bytes()).hexdigest() if _recorded() else ""


def _threads() -> int:
    """Threads of a network's run: two, or fewer where OMP_NUM_THREADS says so.

    Whoever runs several processes side by side sets that variable for each of them, as dask does for its workers;
    NumPy's libraries keep to it as well, so that a process of a cohort takes one core and no more.
    """
    given = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(_MOST_THREADS, max(1, int(given))) if given.isdecimal() else _MOST_THREADS


@lru_cache(maxsize=len(_FILES))
def session(name: str) -> Any:
    """The onnxruntime session of a network, made once.

    Raises
    ------
    WeightsError
        When the weights are missing or are not the recorded ones.
    """
    import onnxruntime

    path = WEIGHTS / _FILES[name]
    if not path.is_file():
        raise WeightsError(f"{path} is missing; reinstall fluorospread")
    content = path.read_bytes()
    digest, recorded = hashlib.sha256(content).hexdigest(), _recorded().get(path.name)
    if digest != recorded:
        raise WeightsError(f"{path} has SHA-256 {digest}, expected {recorded}; reinstall fluorospread")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning threads gain nothing in batches this small and starve whatever else runs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def look(name: str, pyramid: Pyramid, regions: list[Region]) -> list[Maps]:
    """Answers of network `name` ("levels" or "close-ups") for each region, mirrored ones turned back.

    Raises
    ------
    WeightsError
        When the weights are missing or are not the recorded ones.
    """
    if not regions:
        return []
    inputs = np.stack([local_contrast(pyramid.sample(region)) for region in regions])
    maps, absent, flags = session(name).run(None, {"image": inputs})
    k = maps.shape[1]
    logits = np.concatenate([maps.reshape(len(regions), k, -1), absent[:, :, None]], axis=2).astype(np.float64)
    logits -= logits.max(axis=2, keepdims=True)
    p = np.exp(logits)
    p = (p / p.sum(axis=2, keepdims=True)).astype(np.float32)
    swaps = LEVEL_SWAPS if name == "levels" else JUNCTION_SWAPS
    return [
        Maps(
            region, p[i, :, :-1].reshape(k, MAP_CELLS, MAP_CELLS), p[i, :, -1],
            *(1 / (1 + np.exp(-flags[i].astype(float)))).tolist(),
        ).mirrored_back(swaps)
        for i, region in enumerate(regions)
    ]  # fmt: skip


def peak(maps: Maps, channel: int, radius: int = 3) -> tuple[npt.NDArray[np.float64], float, float]:
    """Sub-cell peak of one channel: image px (2,), probability around it, and its spread in px (1 sd)."""
    p = maps.maps[channel]
    top = np.unravel_index(int(p.argmax()), p.shape)
    rows = slice(max(int(top[0]) - radius, 0), int(top[0]) + radius + 1)
    cols = slice(max(int(top[1]) - radius, 0), int(top[1]) + radius + 1)
    near = p[rows, cols].astype(np.float64)
    mass = float(near.sum())
    r, c = np.arange(rows.start, rows.start + near.shape[0]), np.arange(cols.start, cols.start + near.shape[1])
    at = np.array([(near.sum(1) * r).sum(), (near.sum(0) * c).sum()]) / max(mass, 1e-12)
    variance = ((near.sum(1) * (r - at[0]) ** 2).sum() + (near.sum(0) * (c - at[1]) ** 2).sum()) / max(mass, 1e-12)
    return maps.region.to_image(at), mass, float(np.sqrt(variance / 2)) * maps.region.cell_px
