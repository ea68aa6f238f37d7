"""A square of one image to where it shows injected contrast: the contrast network's probability map.

The square is looked at as it is, mirrored, and a little closer; the answers are averaged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from fluorospread.landmarks.network import INPUT_PX, Pyramid, Region, local_contrast, session
from fluorospread.model.radiograph import BoolImage, FloatImage

CONTRAST_CELLS = 96
# Middle of the range the network was trained with.
BROAD_SIGMA_PX = 30.0
_CLOSER = 0.87


@dataclass(frozen=True)
class ContrastMap:
    """Probability (CONTRAST_CELLS, CONTRAST_CELLS) that contrast lies in a cell of a square of the image."""

    region: Region
    probability: npt.NDArray[np.float32]

    @property
    def cell_px(self) -> float:
        return self.region.side_px / CONTRAST_CELLS

    def enlarged(self, shape: tuple[int, int]) -> FloatImage:
        """The map on an image's pixels, bilinear between cells; 0 off the square."""
        at = [self._cells(np.arange(size), middle) for size, middle in zip(shape, self.region.centre, strict=True)]
        grid = np.meshgrid(*at, indexing="ij")
        return np.asarray(map_coordinates(self.probability, grid, order=1, mode="constant"), dtype=np.float32)

    def _cells(self, pixels: npt.NDArray[np.intp], middle: float) -> npt.NDArray[np.float64]:
        return np.asarray((pixels - middle) / self.cell_px + (CONTRAST_CELLS - 1) / 2)


def look_for_contrast(
    image: FloatImage, field: BoolImage, centre_px: tuple[float, float], side_px: float
) -> ContrastMap:
    """Where a square of the image, bone bright and cranial up, shows injected contrast.

    Raises
    ------
    WeightsError
        When the weights are missing or are not the recorded ones.
    """
    pyramid = Pyramid(image, field)
    regions = [Region(centre_px, side_px * scale, mirrored) for scale in (1.0, _CLOSER) for mirrored in (False, True)]
    inputs = []
    for region in regions:
        sampled = pyramid.sample(region)
        fine, seen = local_contrast(sampled)
        inputs.append(np.stack([fine, local_contrast(sampled, BROAD_SIGMA_PX)[0], seen]))
    (logits,) = session("contrast").run(None, {"image": np.stack(inputs)})
    step = INPUT_PX // CONTRAST_CELLS
    maps = []
    for region, logit, given in zip(regions, logits[:, 0], inputs, strict=True):
        seen = given[2].reshape(CONTRAST_CELLS, step, CONTRAST_CELLS, step).mean((1, 3)) > 0.5
        p = seen / (1 + np.exp(-logit.astype(np.float64)))
        maps.append(p[:, ::-1] if region.mirrored else p)
    whole = (maps[0] + maps[1]) / 2
    return ContrastMap(regions[0], _refined(whole, (maps[2] + maps[3]) / 2).astype(np.float32))


def _refined(whole: npt.NDArray[np.float64], closer: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """`whole` averaged with the closer look where that reaches."""
    middle = (CONTRAST_CELLS - 1) / 2
    at = (np.arange(CONTRAST_CELLS) - middle) / _CLOSER + middle
    reached = (at >= 0) & (at <= CONTRAST_CELLS - 1)
    grid = np.meshgrid(at[reached], at[reached], indexing="ij")
    inner = np.ix_(reached, reached)
    refined = whole.copy()
    refined[inner] = (whole[inner] + map_coordinates(closer, grid, order=1)) / 2
    return refined
