"""Puts one case on the screen: its images, its findings only when allowed, windowed and switched by keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from fluorospread.model.case import CaseResult
from fluorospread.model.geometry import PointPx
from fluorospread.model.radiograph import BoolImage
from fluorospread.pipeline.subtraction_view import SubtractionView
from napari_fluorospread.finding_layers import LayerData
from napari_fluorospread.image_layers import (
    ALIGNED,
    IMAGE,
    SUBTRACTION,
    SUBTRACTION_WINDOWS,
    WINDOWS,
    radiograph_to_layers,
    subtraction_to_layers,
    window_of,
)
from napari_fluorospread.layers import (
    CONTRAST,
    METADATA_KEY,
    LayerTag,
    case_to_layers,
    empty_findings,
    image_names,
    shown_image,
)
from napari_fluorospread.open_case import OpenedCase
from napari_fluorospread.placement import placement, shown_in_mm
from napari_fluorospread.reader_marks import MARKS, PointPicker, marks_to_layer
from napari_fluorospread.standing_layers import StandingLayers, place_of
from napari_fluorospread.viewer_overlays import dress_viewer

if TYPE_CHECKING:
    from napari.components import ViewerModel

# The image fills the canvas up to this share of it.
_MARGIN = 0.01


class View(Enum):
    """What of an image is shown; the value is the kind of its layer."""

    IMAGE = IMAGE
    SUBTRACTION = SUBTRACTION
    BEFORE = ALIGNED


_PICTURES = frozenset(view.value for view in View)


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
    """One case in one viewer, in place of the case shown before; layers that show no case stay."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._layers = StandingLayers(viewer, _PICTURES)
        self._opened: OpenedCase | None = None
        self._image = 0
        self._view = View.IMAGE
        self._window = 0
        self._subtraction: SubtractionView | None = None
        self._findings_shown = False
        self.has_findings = False
        self._picker = PointPicker(viewer)

    def show(self, opened: OpenedCase, with_findings: bool, pictures: list[LayerData] | None = None) -> None:
        """Show a case. `pictures` are the layers of its images where they were made before."""
        self._forget()
        self._opened = opened
        self._image = shown_image(opened.case)
        self.has_findings = self._findings_shown = with_findings
        dress_viewer(self._viewer, opened.case)
        layers = image_part(opened) if pictures is None else pictures
        if with_findings:
            layers = layers + case_to_layers(opened.case, opened.contrast_mask)
        with self._layers.at_once():
            self._layers.show_only(layers)
            self._switch()
        self.activate(None)
        self.fit()

    def make_ready(self, opened: OpenedCase, pictures: list[LayerData]) -> Iterator[None]:
        """Have empty layers for what that case shows now and once it is revealed, one at each step."""
        for layer in (*pictures, *empty_findings(opened.case)):
            active = self._viewer.layers.selection.active
            if self._layers.make_ready(layer):
                # The brush may be in somebody's hand, and a new layer takes it away.
                self.activate(active)
                yield

    def shows_findings_of(self, case_id: str) -> bool:
        """Whether findings of that case are in the viewer, whoever put them there."""
        return any(tag.case is not None and tag.case.case_id == case_id for _, tag in self._layers.in_use())

    def reveal(self) -> None:
        """Add the findings to the case that is shown."""
        if self._opened is not None and not self.has_findings:
            self.has_findings = self._findings_shown = True
            with self._layers.at_once():
                self._layers.show(case_to_layers(self._opened.case, self._opened.contrast_mask))
                self._switch()
            self.activate(None)

    def clear(self) -> None:
        """Take the case, and every layer made for one, out of the viewer."""
        self._forget()
        self._layers.remove_all()

    def _forget(self) -> None:
        self._picker.stop()
        self._opened = self._subtraction = None
        self._view, self._window = View.IMAGE, 0
        self.has_findings = self._findings_shown = False

    # Looking ----------------------------------------------------------------------------------------------

    @property
    def image(self) -> int:
        """Index of the image that is shown."""
        return self._image

    def fit(self) -> None:
        """The whole image, as large as the canvas allows."""
        self._viewer.reset_view(margin=_MARGIN)

    def toggle_findings(self) -> None:
        self._findings_shown = not self._findings_shown
        self._switch()

    def next_image(self) -> str:
        """Switch to the case's next image; its name."""
        if self._opened is None:
            return ""
        self._image = (self._image + 1) % len(self._opened.case.images)
        self._view, self._window = View.IMAGE, 0
        self._switch()
        return image_names(self._opened.case)[self._image]

    def add_subtraction(self, view: SubtractionView) -> None:
        """Make the subtraction, and the earlier image where it lies in the later one, ready to be shown."""
        if self._opened is None or self._subtraction is not None:
            return
        self._subtraction = view
        image = self._opened.case.images[view.measured]
        in_mm = shown_in_mm(item.geometry for item in self._opened.case.images)
        names = image_names(self._opened.case)
        placed: list[LayerData] = []
        for data, state, kind in subtraction_to_layers(view, names[view.measured], names[view.reference]):
            shape = (image.rows, image.cols)
            state |= placement(image.geometry, image.orientation, shape, in_mm, leading_axes=data.ndim - 2)
            placed.append((data, state, kind))
        with self._layers.at_once():
            self._layers.show(placed)
            self._switch()
        self.activate(None)

    @property
    def has_subtraction(self) -> bool:
        return self._subtraction is not None

    def look_at(self, view: View) -> None:
        """Show the image, its subtraction, or the image before it, aligned; the last two where there is one."""
        if view is not View.IMAGE:
            if self._subtraction is None:
                return
            self._image = self._subtraction.measured
        self._view, self._window = view, 0
        self._switch()

    @property
    def view(self) -> View:
        return self._view

    def next_window(self) -> str:
        """Set the next window on what is shown; the window's name."""
        windows = WINDOWS if self._view is not View.SUBTRACTION else SUBTRACTION_WINDOWS
        self._window = (self._window + 1) % len(windows)
        name = list(windows)[self._window]
        layer, field_of_view = self._shown_layer()
        if layer is not None:
            frame = np.asarray(layer.data[self.frame] if layer.ndim == 3 else layer.data)
            layer.contrast_limits = window_of(frame, field_of_view, windows[name])
        return name

    # Runs of many frames ----------------------------------------------------------------------------------

    @property
    def frame(self) -> int:
        """The frame that is shown."""
        return int(self._viewer.dims.current_step[0]) if self._viewer.dims.ndim == 3 else 0

    @property
    def frame_count(self) -> int:
        """Frames of the image that is shown."""
        return 0 if self._opened is None else self._opened.radiographs[self._image].frames.count

    @property
    def frame_time_ms(self) -> float | None:
        """Time between frames as the file states it, or None."""
        return None if self._opened is None else self._opened.radiographs[self._image].frame_time_ms

    def show_frame(self, index: int) -> None:
        if self.frame_count > 1:
            self._viewer.dims.set_current_step(0, index % self.frame_count)

    # Marks and findings -----------------------------------------------------------------------------------

    def pick(self, take: Callable[[PointPx], None]) -> None:
        """Hand the stored pixel (row, col) of the next click inside the image to `take`. The image is the
        one the verdict rests on, and is switched to."""
        if self._opened is None:
            return
        self._image = shown_image(self._opened.case)
        self._view = View.IMAGE
        self._switch()
        layer = next(layer for layer, tag in self._layers.in_use() if tag.kind == IMAGE and tag.image == self._image)
        self._picker.wait(layer, take)

    @property
    def picks(self) -> bool:
        """Whether the next click is waited for."""
        return self._picker.waits

    def show_marks(self, marks: Mapping[str, PointPx]) -> None:
        """Show the reader's own marks, named, in place of those shown before."""
        if self._opened is not None and marks:
            self._layers.show([marks_to_layer(self._opened.case, marks)])
            self._switch()
            self.activate(None)
            return
        for layer in [layer for layer, tag in self._layers.in_use() if tag.kind == MARKS]:
            self._layers.put_away(layer)

    def update_findings(self, case: CaseResult, contrast_mask: BoolImage | None) -> None:
        """Show the findings of `case`, the case that is shown with some of them changed, in place of the former."""
        fresh = case_to_layers(case, contrast_mask)
        places = {place_of(state) for _, state, _ in fresh}
        for layer, tag in self._layers.in_use():
            if tag.case is not None and (tag.kind, tag.image) not in places:
                self._layers.put_away(layer)
        self._layers.show(fresh)
        self._switch()

    def finding_layers(self) -> list[tuple[Any, LayerTag]]:
        """Layers of findings that can be seen now, with what they show."""
        return [(layer, tag) for layer, tag in self._layers.in_use() if tag.case is not None and layer.visible]

    def contrast_layer(self) -> Any | None:
        """The layer the contrast is painted on; None where no image was searched for contrast, or blind."""
        return next((layer for layer, tag in self._layers.in_use() if tag.kind == CONTRAST), None)

    def show_contrast(self) -> None:
        """Switch to the image that shows contrast, with its findings."""
        layer = self.contrast_layer()
        if layer is not None:
            self._image = layer.metadata[METADATA_KEY].image
            self._findings_shown = True
            self._switch()

    def activate(self, layer: Any | None) -> None:
        """Let keys and mouse act on `layer`; on the image, which a slip cannot change, where None."""
        images = [item for item, tag in self._layers.in_use() if tag.kind == IMAGE]
        if layer is not None or images:
            wanted = layer if layer is not None else images[0]
            if self._viewer.layers.selection.active != wanted:
                self._viewer.layers.selection.active = wanted

    def _shown_layer(self) -> tuple[Any | None, BoolImage | None]:
        """The picture that is shown, and where X-rays reached it."""
        if self._opened is None:
            return None, None
        layer = next(
            (item for item, tag in self._layers.in_use() if tag.kind == self._view.value and tag.image == self._image),
            None,
        )
        if self._view is not View.IMAGE and self._subtraction is not None:
            return layer, self._subtraction.field_of_view
        return layer, self._opened.radiographs[self._image].field_of_view

    def _switch(self) -> None:
        seen = []
        for layer, tag in self._layers.in_use():
            shown = tag.image == self._image
            if tag.kind in _PICTURES:
                shown = shown and tag.kind == self._view.value
            elif tag.case is not None:
                shown = shown and self._findings_shown
            seen.append((layer, shown))
        self._layers.see(seen)
