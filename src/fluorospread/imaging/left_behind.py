"""Which part of a gain in attenuation is something that only left: gas that moved, told from iodine that came.

Where iodine came, its outline stands in the measured image and the reference runs on smoothly beneath it. Where
gas left, its outline stands in the reference, turned over. So each edge of the difference belongs to the image
that has it. Adding up the reference's share of the edges (Poisson's equation, as in gradient-domain editing:
Perez et al. 2003) gives the part of the difference that the reference explains. Nothing is assumed of how the
gas moved.

Arrays are (rows, cols) float32 at one resolution; positive = more attenuation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.normalisation import BoolArray, FloatArray, smooth
from fluorospread.imaging.outlines import grown

# Edges are compared over windows of this Gaussian sd after this blur, mm.
_WINDOW_MM, _BLUR_MM = 1.5, 0.5
# Correlation of the two images' edges from which an edge begins to be the reference's, and over how much more
# it wholly is. Chosen on tuning pairs (docs/evaluation.md).
_LEAST_CORRELATION, _FULL_OVER = 0.6, 0.2
# Beyond this an edge no longer holds the sum up, so that small errors do not add up to a slope.
_MEMORY_MM = 60.0


@dataclass(frozen=True)
class EdgeOwnership:
    """`correlation` 0..1 of the difference's edges with the reference's turned over; `energy` of the former.

    `matched` -1..1 is the share of that energy that the reference's edges take away when added: 1 where the reference
    alone made the edge, 0 or less where its edges only run alike.
    """

    correlation: FloatArray
    matched: FloatArray
    energy: FloatArray


def edge_ownership(change: FloatArray, reference: FloatArray, usable: BoolArray, mm_per_px: float) -> EdgeOwnership:
    """How far each edge of `change` is the reference's own; near 1 for gas that left, below 0.5 for iodine."""
    return _attributed(change, reference, usable, mm_per_px)[0]


def explained_by_reference(
    change: FloatArray, reference: FloatArray, usable: BoolArray, mm_per_px: float
) -> FloatArray:
    """The part of `change` whose edges are the reference's; up to a slow background.

    Parameters
    ----------
    usable
        False where edges must not count: outside the field, and where metal was taken out.
    """
    _, weighted = _attributed(change, reference, usable, mm_per_px)
    return _potential(*weighted, _MEMORY_MM / mm_per_px)


def _attributed(
    change: FloatArray, reference: FloatArray, usable: BoolArray, mm_per_px: float
) -> tuple[EdgeOwnership, tuple[FloatArray, FloatArray]]:
    window = _WINDOW_MM / mm_per_px
    inner = ~grown(~usable, max(2.0, _WINDOW_MM / mm_per_px))
    gained = [np.where(inner, step, np.float32(0)) for step in _steps(smooth(change, _BLUR_MM / mm_per_px))]
    before = [np.where(inner, step, np.float32(0)) for step in _steps(smooth(reference, _BLUR_MM / mm_per_px))]
    together = -smooth(gained[0] * before[0] + gained[1] * before[1], window)
    energy = smooth(gained[0] ** 2 + gained[1] ** 2, window)
    own = smooth(before[0] ** 2 + before[1] ** 2, window)
    correlation = np.clip(together / np.sqrt(np.maximum(energy * own, 1e-24)), 0.0, 1.0).astype(np.float32)
    matched = np.clip((2.0 * together - own) / np.maximum(energy, 1e-24), -1.0, 1.0).astype(np.float32)
    floor = float(np.median(energy[inner])) if inner.any() else 0.0
    weight = np.clip((correlation - _LEAST_CORRELATION) / _FULL_OVER, 0.0, 1.0)
    # An edge of about the noise belongs to nobody, and one that explains little of the gain is met by chance.
    weight *= np.clip((energy - 4.0 * floor) / max(8.0 * floor, 1e-24), 0.0, 1.0)
    weight *= np.clip((together / np.maximum(energy, 1e-24) - 0.3) / 0.3, 0.0, 1.0)
    kept = weight.astype(np.float32)
    return EdgeOwnership(correlation, matched, energy), (kept * gained[0], kept * gained[1])


def _steps(image: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Differences to the next pixel along rows and columns, zero at the end."""
    return (
        np.diff(image, axis=0, append=image[-1:]).astype(np.float32),
        np.diff(image, axis=1, append=image[:, -1:]).astype(np.float32),
    )


def _potential(along_rows: FloatArray, along_cols: FloatArray, memory_px: float) -> FloatArray:
    """The image whose steps are nearest to those given, forgetting over `memory_px` (cosine transform)."""
    from scipy.fft import dctn, idctn

    divergence = along_rows + along_cols
    divergence[1:] -= along_rows[:-1]
    divergence[:, 1:] -= along_cols[:, :-1]
    rows, cols = divergence.shape
    eigenvalues = _laplacian(rows)[:, None] + _laplacian(cols)[None, :] - 1.0 / memory_px**2
    solved: FloatArray = idctn(dctn(divergence, norm="ortho") / eigenvalues, norm="ortho").astype(np.float32)
    return solved


def _laplacian(size: int) -> npt.NDArray[np.float64]:
    return np.asarray(2.0 * np.cos(np.pi * np.arange(size) / size) - 2.0)
