"""Marks a reader makes on the image by a click, in stored pixels; they are the reader's answer, not a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fluorospread.model.case import CaseResult
from fluorospread.model.geometry import PointPx
from napari_fluorospread import layer_styles
from napari_fluorospread.finding_layers import LayerData
from napari_fluorospread.layers import METADATA_KEY, LayerTag, image_names, shown_image
from napari_fluorospread.placement import placement, shown_in_mm

if TYPE_CHECKING:
    from napari.components import ViewerModel

MARKS = "your marks"


def marks_to_layer(case: CaseResult, marks: Mapping[str, PointPx]) -> LayerData:
    """The marks, by their names, on the image that the verdict rests on."""
    index = shown_image(case)
    image = case.images[index]
    state = {
        "name": f"{image_names(case)[index]}: {MARKS}",
        "features": {"label": np.array(list(marks), dtype=object)},
        "metadata": {METADATA_KEY: LayerTag(MARKS, index)},
        **layer_styles.mark_style(),
        **placement(
            image.geometry,
            image.orientation,
            (image.rows, image.cols),
            shown_in_mm(item.geometry for item in case.images),
        ),
    }
    return np.array(list(marks.values()), dtype=np.float64), state, "points"


class PointPicker:
    """Waits for one click inside a picture."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._waiting: Callable[[Any, Any], None] | None = None

    @property
    def waits(self) -> bool:
        return self._waiting is not None

    def wait(self, layer: Any, take: Callable[[PointPx], None]) -> None:
        """Hand the pixel (row, col) of the next click inside `layer` to `take`; clicks outside are waited over."""

        def on_press(_viewer: Any, event: Any) -> None:
            row, col = (float(value) for value in layer.world_to_data(event.position)[-2:])
            rows, cols = layer.data.shape[-2:]
            if -0.5 <= row <= rows - 0.5 and -0.5 <= col <= cols - 0.5:
                self.stop()
                take((row, col))

        self.stop()
        self._waiting = on_press
        self._viewer.mouse_drag_callbacks.append(on_press)

    def stop(self) -> None:
        if self._waiting is not None:
            self._viewer.mouse_drag_callbacks.remove(self._waiting)
            self._waiting = None
