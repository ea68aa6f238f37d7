"""Puts one case on the screen: its images, its findings only when allowed, windowed and switched by keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fluorospread.model.geometry import PointPx
from napari_fluorospread import layer_styles
from napari_fluorospread.finding_layers import LayerData
from napari_fluorospread.image_layers import IMAGE, radiograph_to_layers
from napari_fluorospread.layers import METADATA_KEY, LayerTag, case_to_layers, image_names, shown_image, tag_of
from napari_fluorospread.open_case import OpenedCase
from napari_fluorospread.placement import placement, shown_in_mm
from napari_fluorospread.viewer_overlays import dress_viewer

if TYPE_CHECKING:
    from napari.components import ViewerModel

MARKS = "your marks"

# Percentiles of the picture between which the grey scale runs. Chosen by eye on lumbar films: iodine is
# among the brightest hundredth, bone in the upper half.
WINDOWS = {"bone": (1.0, 99.7), "contrast": (50.0, 99.95), "whole range": (0.0, 100.0)}


def image_part(opened: OpenedCase) -> list[LayerData]:
    """The images of a case, the one the verdict rests on switched on."""
    case = opened.case
    in_mm = shown_in_mm(image.geometry for image in case.images)
    layers: list[LayerData] = []
    named = zip(case.images, opened.radiographs, image_names(case), strict=True)
    for index, (image, radiograph, name) in enumerate(named):
        layers += radiograph_to_layers(
            radiograph,
            LayerTag("", index),
            name,
            in_mm,
            visible=index == shown_image(case),
            settled=(image.geometry, image.orientation),
        )
    return layers


class CaseDisplay:
    """One case in one viewer. Layers of the case shown before are taken away; other layers stay."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._opened: OpenedCase | None = None
        self._image = 0
        self._window = 0
        self._findings_shown = False
        self.has_findings = False
        self._picking: Callable[[Any, Any], None] | None = None

    def show(self, opened: OpenedCase, with_findings: bool) -> None:
        self.clear()
        self._opened = opened
        self._image = shown_image(opened.case)
        self._window = 0
        dress_viewer(self._viewer, opened.case)
        self._add(image_part(opened))
        self._viewer.reset_view()
        if with_findings:
            self.reveal()

    def shows_findings_of(self, case_id: str) -> bool:
        """Whether findings of that case are in the viewer, whoever put them there."""
        return any(tag.case is not None and tag.case.case_id == case_id for _, tag in self._tagged())

    def reveal(self) -> None:
        """Add the findings to the case that is shown."""
        if self._opened is not None and not self.has_findings:
            self._add(case_to_layers(self._opened.case, self._opened.contrast_mask))
            self.has_findings = self._findings_shown = True
            self._switch()

    def clear(self) -> None:
        self._stop_picking()
        for layer in [layer for layer in self._viewer.layers if tag_of({"metadata": layer.metadata})]:
            self._viewer.layers.remove(layer)
        self._opened = None
        self.has_findings = self._findings_shown = False

    def pick(self, take: Callable[[PointPx], None]) -> None:
        """Hand the stored pixel (row, col) of the next click inside the image to `take`. The image is the
        one the verdict rests on, and is switched to."""
        if self._opened is None:
            return
        self._image = shown_image(self._opened.case)
        self._switch()
        layer = next(layer for layer, tag in self._tagged() if tag.kind == IMAGE and tag.image == self._image)

        def on_press(_viewer: Any, event: Any) -> None:
            row, col = (float(value) for value in layer.world_to_data(event.position)[-2:])
            rows, cols = layer.data.shape[-2:]
            if -0.5 <= row <= rows - 0.5 and -0.5 <= col <= cols - 0.5:
                self._stop_picking()
                take((row, col))

        self._stop_picking()
        self._picking = on_press
        self._viewer.mouse_drag_callbacks.append(on_press)

    def _stop_picking(self) -> None:
        if self._picking is not None:
            self._viewer.mouse_drag_callbacks.remove(self._picking)
            self._picking = None

    def show_marks(self, marks: Mapping[str, PointPx]) -> None:
        """Show the reader's own marks, named, in place of those shown before."""
        for layer in [layer for layer, tag in self._tagged() if tag.kind == MARKS]:
            self._viewer.layers.remove(layer)
        if self._opened is None or not marks:
            return
        index = shown_image(self._opened.case)
        image = self._opened.case.images[index]
        in_mm = shown_in_mm(item.geometry for item in self._opened.case.images)
        state = {
            "name": f"{image_names(self._opened.case)[index]}: {MARKS}",
            "features": {"label": np.array(list(marks), dtype=object)},
            "metadata": {METADATA_KEY: LayerTag(MARKS, index)},
            **layer_styles.mark_style(),
            **placement(image.geometry, image.orientation, (image.rows, image.cols), in_mm),
        }
        self._add([(np.array(list(marks.values()), dtype=np.float64), state, "points")])

    def toggle_findings(self) -> None:
        self._findings_shown = not self._findings_shown
        self._switch()

    def next_image(self) -> str:
        """Switch to the case's next image; its name."""
        if self._opened is None:
            return ""
        self._image = (self._image + 1) % len(self._opened.case.images)
        self._switch()
        return image_names(self._opened.case)[self._image]

    def next_window(self) -> str:
        """Set the next window on the image that is shown; the window's name."""
        self._window = (self._window + 1) % len(WINDOWS)
        name = list(WINDOWS)[self._window]
        for layer, tag in self._tagged():
            if tag.kind == IMAGE and tag.image == self._image:
                frame = np.asarray(
                    layer.data[int(self._viewer.dims.current_step[0])] if layer.ndim == 3 else layer.data
                )
                low, high = np.percentile(frame, WINDOWS[name])
                layer.contrast_limits = (float(low), max(float(high), float(low) + 1e-6))
        return name

    def _switch(self) -> None:
        for layer, tag in self._tagged():
            finding = tag.case is not None
            layer.visible = tag.image == self._image and (self._findings_shown or not finding)

    def _tagged(self) -> list[tuple[Any, LayerTag]]:
        pairs = [(layer, tag_of({"metadata": layer.metadata})) for layer in self._viewer.layers]
        return [(layer, tag) for layer, tag in pairs if tag is not None]

    def _add(self, layers: list[LayerData]) -> None:
        from napari.layers import Layer

        for data in layers:
            self._viewer.add_layer(Layer.create(*data))
        # Keys and mouse act on the selected layer; an image cannot be changed by a slip.
        images = [layer for layer, tag in self._tagged() if tag.kind == IMAGE]
        if images:
            self._viewer.layers.selection.active = images[0]
