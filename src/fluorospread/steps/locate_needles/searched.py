"""The frame in which needles are looked for, at a pixel size that fits them, and what a needle in it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluorospread.imaging.normalisation import shrink, shrink_mask
from fluorospread.imaging.spots import Spot, compact_spots
from fluorospread.model.findings import LevelLabels
from fluorospread.model.geometry import PointPx
from fluorospread.model.radiograph import BoolImage, FloatImage, Quantity, Radiograph
from fluorospread.steps.locate_needles.settings import NeedleSettings

# More discs of a hub's size than this are letters or trabeculae.
_MOST_SPOTS, _MOST_DISCS = 12, 60


@dataclass(frozen=True)
class Shaft:
    """A line that passed as a needle's shaft, in pixels of the searched frame; `with_hub`: its hub was seen."""

    tip: PointPx
    tail: PointPx
    direction: tuple[float, float] | None
    tip_sd_px: float
    score: float
    length_px: float
    with_hub: bool


@dataclass(frozen=True)
class SearchedFrame:
    """The searched frame, shrunk by `factor`; `mm_per_px` and `least_height` are for its pixels.

    `spots` are dense discs that prove the hub of a line that ends in one, `discs` all that may be hubs.
    """

    image: FloatImage
    valid: BoolImage
    factor: int
    mm_per_px: float
    least_height: float
    levels: LevelLabels
    spots: tuple[Spot, ...] = ()
    discs: tuple[Spot, ...] = ()

    def stored(self, point: PointPx) -> PointPx:
        """A point of the shrunk frame in stored pixels."""
        shift = (self.factor - 1) / 2.0
        return point[0] * self.factor + shift, point[1] * self.factor + shift

    def lateral_mm(self, point: PointPx) -> float:
        """Distance of a point of the shrunk frame from the spine's midline; 0 where no midline is known."""
        row, col = self.stored(point)
        midline = self.levels.midline_col(row)
        return 0.0 if midline is None else abs(col - midline) * self.mm_per_px / self.factor

    def right_of_midline(self, point: PointPx) -> bool:
        """Whether a point of the shrunk frame lies on the far-column side of the midline; False without one."""
        row, col = self.stored(point)
        midline = self.levels.midline_col(row)
        return midline is not None and col > midline

    def beyond_mm(self, point: PointPx) -> float:
        """How far a point lies above the first or below the last body; 0 between them or without any."""
        if not self.levels.vertebrae:
            return 0.0
        row = self.stored(point)[0]
        rows = [v.center_px[0] for v in self.levels.vertebrae]
        return max(min(rows) - row, row - max(rows), 0.0) * self.mm_per_px / self.factor


def searched_frame(radiograph: Radiograph, levels: LevelLabels, settings: NeedleSettings, frame: int) -> SearchedFrame:
    mm_per_px = radiograph.geometry.mm_per_px or levels.estimated_mm_per_px
    if mm_per_px is None:
        mm_per_px = settings.assumed_field_mm / max(radiograph.shape)
    # A shaft is 0.7 mm wide: below 0.18 mm a pixel it only gets wider in pixels, not clearer.
    factor = max(1, int(0.36 / mm_per_px))
    image = shrink(radiograph.pixels(frame), factor)
    valid = shrink_mask(radiograph.field_of_view, factor)
    least_height = settings.least_log_height
    if radiograph.quantity is not Quantity.NATURAL_LOG and valid.any():
        low, high = np.quantile(image[valid][::5], [0.01, 0.99])
        least_height = settings.least_relative_height * float(high - low)
    scale = mm_per_px * factor
    strong = settings.spot_over_least * least_height
    # A display curve takes a hub's height away, but leaves it the most salient disc around.
    spots = compact_spots(image, valid, settings.spot_sigma_mm / scale, 0.7 * strong, 5.0 / scale, 4 * _MOST_SPOTS)
    discs = compact_spots(image, valid, settings.spot_sigma_mm / scale, 0.4 * strong, 5.0 / scale, _MOST_DISCS)
    likely, certain = settings.spot_salience
    hubs = [s for s in spots if s.salience >= certain or (s.strength >= strong and s.salience >= likely)]
    return SearchedFrame(image, valid, factor, scale, least_height, levels, tuple(hubs[:_MOST_SPOTS]), tuple(discs))


def apart_px(a: PointPx, b: PointPx) -> float:
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))
