"""How a film would differ had it been taken a moment later: motion, and noise of its own.

A real pair of images never matches: patient and C-arm shift, the trunk breathes, and each exposure has other
quanta. Positions are (row, col) in pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fluorospread.model.geometry import PointPx
from fluorospread.simulation.textures import grain

FloatMap = npt.NDArray[np.float32]
BoolMap = npt.NDArray[np.bool_]

# Breathing moves soft tissue smoothly over about this length (1 sd), in random parts of the trunk.
_BREATHING_SIGMA_MM = 45.0
# Shares of the whole motion before its largest displacement is set: shift, turn, breathing.
_TURN_DEG = 0.5
_BREATHING_SHARE = 0.3
# Films are resampled on their way to a file, which leaves noise this smooth (1 sd, pixels).
_NOISE_SIGMA_PX = 0.6
_NOISE_WINDOW_PX = 24
_PULL_ROUNDS = 12


@dataclass(frozen=True)
class Motion:
    """Where each pixel of the later image shows the earlier one.

    Attributes
    ----------
    pull_px
        (2, rows, cols) float32, rows then columns: the later image at p is the earlier one at p + pull.
    """

    pull_px: FloatMap = field(repr=False)

    @property
    def largest_px(self) -> float:
        """Largest displacement of any pixel."""
        return float(np.hypot(*self.pull_px).max())

    def image(self, earlier: npt.NDArray[np.floating], order: int = 3) -> FloatMap:
        """The later image (rows, cols) of an earlier one, by splines of `order`."""
        from scipy.ndimage import map_coordinates

        at = np.indices(earlier.shape, dtype=np.float32) + self.pull_px
        return np.asarray(map_coordinates(earlier, at, order=order, mode="nearest"), dtype=np.float32)

    def point(self, earlier: PointPx) -> PointPx:
        """Where a point of the earlier image lies in the later one."""
        from scipy.ndimage import map_coordinates

        here = np.array(earlier, dtype=np.float64)
        # The pull varies slowly, so this fixed point is reached to far below a hundredth of a pixel.
        for _ in range(_PULL_ROUNDS):
            pull = [float(map_coordinates(p, here[:, None], order=1, mode="nearest")[0]) for p in self.pull_px]
            here = np.array(earlier) - pull
        return float(here[0]), float(here[1])


def draw_motion(shape: tuple[int, int], mm_per_px: float, largest_mm: float, rng: np.random.Generator) -> Motion:
    """A shift, a turn about the middle and breathing, scaled so that no pixel moves more than `largest_mm`."""
    rows, cols = shape
    down, along = np.indices(shape, dtype=np.float32)
    down, along = down - (rows - 1) / 2, along - (cols - 1) / 2
    heading = rng.uniform(0.0, 2.0 * math.pi)
    turn = math.radians(rng.normal(0.0, _TURN_DEG))
    reach = 0.5 * math.hypot(rows, cols)
    # The shift makes up the larger part, as the turn's share is set by the image's size.
    shift = reach * math.radians(_TURN_DEG) * 1.5
    pull = np.stack([shift * math.sin(heading) + turn * along, shift * math.cos(heading) - turn * down])
    breathing = _coarse_field(shape, _BREATHING_SIGMA_MM / mm_per_px, rng)
    # Breathing moves along the body first of all.
    pull += _BREATHING_SHARE * shift * np.stack([breathing[0], 0.4 * breathing[1]])
    largest_px = float(np.hypot(*pull).max())
    return Motion((pull * (largest_mm / mm_per_px / largest_px)).astype(np.float32))


def _coarse_field(shape: tuple[int, int], sigma_px: float, rng: np.random.Generator) -> FloatMap:
    """Two smooth random fields (2, rows, cols) within about -1..1, drawn on a grid that resolves them."""
    from scipy.ndimage import zoom

    step = max(sigma_px / 6.0, 1.0)
    small = (max(math.ceil(shape[0] / step), 8), max(math.ceil(shape[1] / step), 8))
    fields = [zoom(grain(rng, small, 6.0), (shape[0] / small[0], shape[1] / small[1]), order=1, grid_mode=True,
                   mode="nearest") for _ in range(2)]  # fmt: skip
    return np.asarray([f / max(float(np.abs(f).max()), 1e-6) for f in fields], dtype=np.float32)


def _fine_detail(image: FloatMap) -> FloatMap:
    """Detail below two pixels: the mask of Immerkær, Comput Vis Image Underst 64 (1996) 300, whose answer to
    white noise of standard deviation 1 has standard deviation 1."""
    from scipy.ndimage import convolve

    kernel = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]], dtype=np.float32) / 6.0
    return np.asarray(convolve(image, kernel, mode="nearest"), dtype=np.float32)


def local_noise(image: FloatMap, floor: float) -> FloatMap:
    """1 sd (rows, cols) of the noise around each pixel, in the image's unit, at least `floor`.

    Noise is what varies below two pixels, with the smoothness that `fresh_noise` has; edges are kept out by
    taking the median magnitude of a neighbourhood.
    """
    from scipy.ndimage import gaussian_filter, zoom

    detail = np.abs(_fine_detail(image))
    cell = _NOISE_WINDOW_PX
    rows, cols = (max(size // cell, 1) for size in image.shape)
    blocks = [np.array_split(band, cols, axis=1) for band in np.array_split(detail, rows, axis=0)]
    medians = np.array([[float(np.median(block)) for block in band] for band in blocks], dtype=np.float32)
    # The median of a normal variable's magnitude is 0.6745 of its standard deviation.
    sigma = gaussian_filter(medians, 1.0, mode="nearest") / (0.6745 * _smooth_noise_detail())
    scale = (image.shape[0] / rows, image.shape[1] / cols)
    full = zoom(sigma, scale, order=1, grid_mode=True, mode="nearest")
    return np.asarray(np.maximum(full, floor), dtype=np.float32)


def fresh_noise(sigma: FloatMap, rng: np.random.Generator) -> FloatMap:
    """Noise (rows, cols) of mean 0 and the given local standard deviation, as smooth as a film's."""
    return np.asarray(sigma * grain(rng, (sigma.shape[0], sigma.shape[1]), _NOISE_SIGMA_PX), dtype=np.float32)


def _smooth_noise_detail() -> float:
    """Standard deviation that `_fine_detail` leaves of noise as smooth as `fresh_noise` with sd 1."""
    reach = np.arange(-6, 7)
    # Along one axis the mask is (1, -2, 1); both axes multiply, and white noise must give 1 in total.
    spread = np.exp(-0.5 * (reach / _NOISE_SIGMA_PX) ** 2)
    spread /= spread.sum()
    second = np.convolve(spread, [1.0, -2.0, 1.0])
    along_one_axis = float((second**2).sum() / (spread**2).sum())
    return along_one_axis / 6.0
