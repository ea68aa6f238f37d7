"""The frames of a run in, how each differs from its first ones out: moved onto them, and without what varies slowly.

Motion is that of the whole body; breathing also bends it, which is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.cine import CoarseRun
from fluorospread.imaging.normalisation import BoolArray, FloatArray, robust_sd, shrink, shrink_mask, smooth

Floats = npt.NDArray[np.float64]

# Fine and coarse Gaussian sds (px of the coarse grid) of what frames are aligned by, and the farthest shift.
_FINE_PX, _COARSE_PX, _REACH_PX = 1.0, 3.0, 12
# Frequencies (cycles a pixel) that count: Gaussian sd from above, and the lowest.
_HIGHEST, _LOWEST = 0.16, 0.02
# The field's own edge stands still, so what lies nearer to it counts the less.
_TAPER_PX = 16.0
_SMOOTH_PX = 0.8
# A surface of second order needs few points.
_SLOW_FACTOR, _SLOW_ORDER, _SLOW_ROUNDS = 8, 2, 10


@dataclass(frozen=True)
class SteadyRun:
    """A run whose frames lie on one another.

    Attributes
    ----------
    factor
        Pixels of the frame along one pixel of the grid.
    inside
        (rows, cols) of the grid, True where every frame, moved, still shows the field of view.
    change
        (count, rows, cols) float32: each frame less the reference frames' mean, slightly smoothed; 0 outside.
    off_px
        (count, 2): how far the body lies off the reference in each frame, (rows, cols) in pixels of the frame.
    """

    factor: int
    inside: BoolArray = field(repr=False)
    change: FloatArray = field(repr=False)
    off_px: Floats = field(repr=False)

    def moves_onto(self, frame: int, others: Sequence[int]) -> npt.NDArray[np.int64]:
        """(n, 2): whole rows and columns that bring each of the other frames onto one frame."""
        moves: npt.NDArray[np.int64] = np.rint(self.off_px[frame] - self.off_px[list(others)]).astype(np.int64)
        return moves


def steadied(run: CoarseRun, reference_frames: Sequence[int]) -> SteadyRun:
    """Move each frame onto the mean of the reference frames and take from it what varies slowly over the field."""
    reference = run.frames[list(reference_frames)].mean(axis=0)
    target = _Target.of(reference, run.inside)
    change = np.empty_like(run.frames)
    off_px = np.empty((run.count, 2))
    for index, frame in enumerate(run.frames):
        aligned, off_px[index] = target.aligned(frame)
        change[index] = np.where(run.inside, aligned - reference, np.float32(0))
    _without_slow(change, run.inside)
    inside = _always_inside(run.inside, off_px)
    for index in range(run.count):
        change[index] = np.where(inside, smooth(change[index], _SMOOTH_PX), np.float32(0))
    return SteadyRun(run.factor, inside, change, off_px * run.factor)


def _always_inside(inside: BoolArray, off_px: Floats) -> BoolArray:
    """The field without a rim that moved frames bring in from outside, or that smoothing mixes with it."""
    from scipy import ndimage

    rim = int(np.ceil(np.abs(off_px).max() + 2.0 * _SMOOTH_PX))
    inner: BoolArray = ndimage.binary_erosion(inside, np.ones((3, 3)), iterations=rim)
    return inner if inner.any() else inside


def _without_slow(change: FloatArray, inside: BoolArray) -> None:
    """Take from each frame, in place, the surface of second order that exposure control and scatter change.

    All frames at once, as one by one their many small fits take most of the time. Pixels above the surface lose
    weight sooner than those below, because contrast only ever adds (as in `normalisation.slow_background`).
    """
    rows, cols = change.shape[1:]
    r, c = np.linspace(-1.0, 1.0, rows), np.linspace(-1.0, 1.0, cols)
    powers = [(i, j) for i in range(_SLOW_ORDER + 1) for j in range(_SLOW_ORDER + 1 - i)]
    surfaces = np.stack([np.outer(r**i, c**j) for i, j in powers]).astype(np.float32)
    known = shrink_mask(inside, _SLOW_FACTOR)
    if known.sum() < 10 * len(powers):
        return
    design = np.stack([shrink(surface, _SLOW_FACTOR)[known] for surface in surfaces], axis=1).astype(np.float64)
    values = np.stack([shrink(frame, _SLOW_FACTOR)[known] for frame in change]).astype(np.float64)
    coefficients = _surface_fits(design, values).astype(np.float32)
    for frame, own in zip(change, coefficients, strict=True):
        frame -= np.where(inside, np.tensordot(own, surfaces, axes=1), np.float32(0))


def _surface_fits(design: Floats, values: Floats) -> Floats:
    """Robust fit of each row of `values` (frames, points) by the columns of `design` (points, terms)."""
    terms = design.shape[1]
    squares = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)
    coefficients = np.zeros((len(values), terms))
    coefficients[:, 0] = np.median(values, axis=1)
    for _ in range(_SLOW_ROUNDS):
        residual = values - coefficients @ design.T
        off = residual - np.median(residual, axis=1, keepdims=True)
        scale = np.maximum(1.4826 * np.median(np.abs(off), axis=1, keepdims=True), 1e-9)
        cut = np.where(residual > 0, 2.5, 4.0) * scale
        weight = np.clip(1.0 - (residual / cut) ** 2, 0.0, None) ** 2
        normal = (weight @ squares).reshape(-1, terms, terms) + 1e-9 * np.eye(terms)
        coefficients = np.linalg.solve(normal, ((weight * values) @ design)[..., None])[..., 0]
    return coefficients


@dataclass(frozen=True)
class _Target:
    """What frames are moved onto: the spectrum of the reference's band, made once for all of them.

    Every frequency counts alike (phase correlation: Kuglin and Hines 1975), so that the straight edges of a
    collimator that the file does not name, which stand still, weigh next to nothing.
    """

    spectrum: npt.NDArray[np.complexfloating]
    weight: Floats
    shape: tuple[int, ...]
    taper: FloatArray

    @classmethod
    def of(cls, reference: FloatArray, inside: BoolArray) -> _Target:
        from scipy import fft, ndimage

        depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        taper = np.sin(0.5 * np.pi * np.clip(depth / _TAPER_PX, 0.0, 1.0)).astype(np.float32) ** 2
        shape = tuple(fft.next_fast_len(n + _REACH_PX, real=True) for n in reference.shape)
        frequency = np.hypot(fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None])
        weight = np.exp(-0.5 * (frequency / _HIGHEST) ** 2) * (frequency > _LOWEST)
        return cls(np.conj(fft.rfft2(_band(reference, taper), shape)), weight, shape, taper)

    def aligned(self, frame: FloatArray) -> tuple[FloatArray, tuple[float, float]]:
        """The frame moved by whole-body shift onto the reference, to a tenth of a pixel, and how far off it lay."""
        from scipy import fft, ndimage

        cross = self.spectrum * fft.rfft2(_band(frame, self.taper), self.shape)
        size = np.abs(cross)
        surface = fft.irfft2(cross * (self.weight / np.maximum(size, 1e-9 * max(float(size.max()), 1e-30))), self.shape)
        reach = np.arange(-_REACH_PX, _REACH_PX + 1)
        near = surface[np.ix_(reach, reach)]
        row, col = (int(v) for v in np.unravel_index(int(np.argmax(near)), near.shape))
        shift = (_vertex(near[:, col], row) - _REACH_PX, _vertex(near[row], col) - _REACH_PX)
        if max(abs(shift[0]), abs(shift[1])) < 0.05:
            return frame, (0.0, 0.0)
        moved: FloatArray = ndimage.shift(frame, (-shift[0], -shift[1]), order=1, mode="nearest")
        return moved, shift


def _band(image: FloatArray, taper: FloatArray) -> FloatArray:
    band = smooth(image, _FINE_PX) - smooth(image, _COARSE_PX)
    # Twenty thousand values give the spread well enough.
    strength = band[taper > 0.5]
    limit = 4.0 * max(robust_sd(strength[:: max(1, strength.size // 20_000)]), 1e-9)
    clipped: FloatArray = taper * np.clip(band, -limit, limit).astype(np.float32)
    return clipped


def _vertex(values: npt.NDArray[np.floating], at: int) -> float:
    """Place of the parabola's top through three samples."""
    if not 0 < at < len(values) - 1:
        return float(at)
    low, top, high = (float(v) for v in values[at - 1 : at + 2])
    bend = low - 2.0 * top + high
    return at + 0.5 * (low - high) / bend if bend < 0 else float(at)
