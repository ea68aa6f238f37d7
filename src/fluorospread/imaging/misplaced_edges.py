"""A difference with the edges of what moved otherwise in it, in; the same with those places told from beside, out.

Bone at another depth than what the images were aligned on is off by a fraction of a millimetre. Along its edges the
difference then errs by that much times their slope, brighter and darker by turns. How far edges are off is measured on
the image itself, and each pixel counts by how well it is known.

Arrays are (rows, cols) float32 at one resolution; positive = more attenuation.
"""

from __future__ import annotations

import numpy as np

from fluorospread.imaging.normalisation import BoolArray, FloatArray, gradient, robust_sd, smooth

# Detail finer than this (Gaussian sd) tells noise and edges; edges are told from beside over this much.
_DETAIL_MM, _BESIDE_MM = 2.5, 1.5
# Shares of the quiet pixels with the flattest and the steepest reference.
_FLAT, _STEEP = 0.5, 0.9
_FEWEST_PX = 1000


def without_misplaced_edges(
    change: FloatArray, reference: FloatArray, quiet: BoolArray, least_noise: float, mm_per_px: float
) -> FloatArray:
    """`change` with pixels on steep edges of `reference` leaning on their surroundings, the more the steeper.

    Parameters
    ----------
    quiet
        True where the two images differ by noise and misplaced edges alone.
    least_noise
        1 sd below which a pixel never counts as better known.
    """
    from scipy import ndimage

    if quiet.sum() < _FEWEST_PX:
        return change
    slope = np.hypot(*gradient(reference))
    slope = ndimage.maximum_filter(slope, 3)
    detail = change - smooth(change, _DETAIL_MM / mm_per_px)
    flat, steep = np.quantile(slope[quiet], (_FLAT, _STEEP))
    noise = robust_sd(detail[quiet & (slope <= flat)])
    on_edges = quiet & (slope >= steep)
    excess = max(robust_sd(detail[on_edges]) ** 2 - noise**2, 0.0)
    off_px2 = excess / max(float(np.median(slope[on_edges] ** 2)), 1e-24)
    own = max(noise, least_noise) ** 2
    weight = (own / (own + off_px2 * slope**2)).astype(np.float32)
    blur = _BESIDE_MM / mm_per_px
    beside = smooth(weight * change, blur) / np.maximum(smooth(weight, blur), 1e-4)
    return np.asarray(weight * change + (1 - weight) * beside, dtype=np.float32)
