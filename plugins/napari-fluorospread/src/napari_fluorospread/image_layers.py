"""Turns a radiograph into napari layers: the image, upright and windowed, and the letters of the sides."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt

from fluorospread.model.geometry import ColumnsTowards, Geometry, Orientation, RowsTowards
from fluorospread.model.radiograph import BoolImage, FloatImage, FrameSource, Radiograph
from fluorospread.pipeline.subtraction_view import SubtractionView
from napari_fluorospread import layer_styles
from napari_fluorospread.finding_layers import LayerData
from napari_fluorospread.layers import METADATA_KEY, LayerTag
from napari_fluorospread.placement import placement

IMAGE, SIDES = "image", "patient sides"
SUBTRACTION, ALIGNED = "subtraction", "before contrast, aligned"

# Decoded frames kept while a run is played back and forth.
_KEPT_BYTES = 256 * 1024 * 1024
# Percentiles of the picture between which the grey scale runs. Chosen by eye on lumbar films, so that neither
# metal nor an open field at the skin takes the grey scale from the bones; iodine is among the brightest hundredth.
WINDOWS = {"bone": (1.0, 99.7), "contrast": (50.0, 99.95), "whole range": (0.0, 100.0)}
# Contrast covers a few per cent of a difference; what got less dense is moved gas and of no interest.
SUBTRACTION_WINDOWS = {"subtraction": (2.0, 99.8), "faint contrast": (40.0, 99.0), "whole range": (0.0, 100.0)}


class LazyFrames:
    """Frames as one array of shape (frames, rows, cols), float32, of which only what is shown is read."""

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self._kept: OrderedDict[int, FloatImage] = OrderedDict()
        rows, cols = source.shape
        self._keep = max(2, _KEPT_BYTES // (4 * rows * cols))

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self._source.count, *self._source.shape)

    @property
    def ndim(self) -> int:
        return 3

    @property
    def dtype(self) -> np.dtype[np.float32]:
        return np.dtype(np.float32)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self._source.count

    def __getitem__(self, key: Any) -> npt.NDArray[np.float32]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(first, (int, np.integer)):
            frame: FloatImage = self._frame(range(self._source.count)[int(first)])[tuple(rest)]
            return frame
        wanted = np.arange(self._source.count)[first]
        rows, cols = self._source.shape
        frames = np.empty((len(wanted), rows, cols), dtype=np.float32)
        for place, index in enumerate(wanted):
            frames[place] = self._frame(int(index))
        return frames[(slice(None), *rest)]

    def _frame(self, index: int) -> FloatImage:
        frame = self._kept.pop(index, None)
        if frame is None:
            frame = self._source.frame(index)
        self._kept[index] = frame
        while len(self._kept) > self._keep:
            self._kept.popitem(last=False)
        return frame


def radiograph_to_layers(
    radiograph: Radiograph,
    tag: LayerTag,
    name: str,
    in_mm: bool,
    visible: bool = True,
    settled: tuple[Geometry, Orientation] | None = None,
) -> list[LayerData]:
    """The image and the letters of its sides.

    Parameters
    ----------
    tag
        Which image of which case this is; its kind is replaced.
    settled
        Geometry and orientation that a case settled, where they differ from the file's.
    """
    geometry, orientation = settled or (radiograph.geometry, radiograph.orientation)
    first = radiograph.pixels(0)
    data: Any = LazyFrames(radiograph.frames) if radiograph.is_cine else first
    limits = window_of(first, radiograph.field_of_view)
    image = {
        "name": name,
        "colormap": "gray",
        "contrast_limits": limits,
        "interpolation2d": "linear",
        "multiscale": False,
        "rgb": False,
        "visible": visible,
        "metadata": {METADATA_KEY: LayerTag(IMAGE, tag.image), "frame_time_ms": radiograph.frame_time_ms},
        **placement(geometry, orientation, radiograph.shape, in_mm, leading_axes=data.ndim - 2),
    }
    sides = sides_layer(orientation, radiograph.shape) | {
        "name": f"{name}: {SIDES}",
        "visible": visible,
        "metadata": {METADATA_KEY: LayerTag(SIDES, tag.image)},
        **placement(geometry, orientation, radiograph.shape, in_mm),
    }
    return [(data, image, "image"), (sides.pop("data"), sides, "points")]


def subtraction_to_layers(view: SubtractionView, measured: str, reference: str) -> list[LayerData]:
    """The difference and the earlier image, both switched off and not yet placed; `measured` and `reference`
    name the images."""
    data: Any = LazyFrames(view.frames) if view.frames.count > 1 else view.frames.frame(0)
    # A run's first frames are before its contrast and say nothing of the window it needs.
    last = view.frames.frame(view.frames.count - 1)
    common = {"colormap": "gray", "interpolation2d": "linear", "multiscale": False, "rgb": False, "visible": False}
    difference = {
        "name": f"{measured}: {SUBTRACTION}",
        "contrast_limits": window_of(last, view.field_of_view, SUBTRACTION_WINDOWS["subtraction"]),
        "metadata": {METADATA_KEY: LayerTag(SUBTRACTION, view.measured)},
        **common,
    }
    before = {
        "name": f"{reference}: {ALIGNED}",
        "contrast_limits": window_of(view.aligned_reference, view.field_of_view),
        "metadata": {METADATA_KEY: LayerTag(ALIGNED, view.measured)},
        **common,
    }
    return [(data, difference, "image"), (view.aligned_reference, before, "image")]


def window_of(
    pixels: FloatImage, field_of_view: BoolImage | None, percent: tuple[float, float] = WINDOWS["bone"]
) -> tuple[float, float]:
    """Darkest and brightest pixel value shown, from inside the field of view."""
    seen = pixels[field_of_view] if field_of_view is not None and field_of_view.any() else pixels
    low, high = np.percentile(seen, percent)
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def sides_layer(orientation: Orientation, shape: tuple[int, int]) -> dict[str, Any]:
    """Points (row, col) and style of the side letters; one line saying so where the sides are unknown."""
    rows, cols = shape
    upper = 0.05 * (rows - 1)
    row = (rows - 1) - upper if orientation.rows_towards is RowsTowards.HEAD else upper
    known = orientation.columns_towards is not None
    if not known:
        places, letters = [(row, 0.5 * (cols - 1))], ["patient's sides unknown"]
    else:
        low, high = ("R", "L") if orientation.columns_towards is ColumnsTowards.PATIENT_LEFT else ("L", "R")
        places, letters = [(row, 0.05 * (cols - 1)), (row, 0.95 * (cols - 1))], [low, high]
    features = {"letter": np.array(letters, dtype=object)}
    return {
        "data": np.array(places),
        "features": features,
        **layer_styles.side_style(orientation.columns_towards is not None),
    }
