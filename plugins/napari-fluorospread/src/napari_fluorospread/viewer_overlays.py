"""What a viewer shows besides layers: the scale bar, and the sentence every output carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fluorospread.model.case import CaseResult
from fluorospread.model.geometry import GeometrySource
from fluorospread.model.verdict import STANDING_SENTENCE
from napari_fluorospread import layer_styles
from napari_fluorospread.layers import CONTRAST, tag_of

if TYPE_CHECKING:
    from napari.components import ViewerModel


# Cases whose result was opened as a file since napari started: whoever reads one of them now is not blind.
_SHOWN_RESULTS: set[str] = set()


def has_shown_result(case_id: str) -> bool:
    """Whether the result of that case was opened, outside a review, since napari started."""
    return case_id in _SHOWN_RESULTS


def dress_current_viewer(case: CaseResult | None) -> None:
    """`dress_viewer` for the viewer a file is being opened in; nothing where layers are read without one."""
    import napari

    if case is not None:
        _SHOWN_RESULTS.add(case.case_id)
    viewer = napari.current_viewer()
    if viewer is not None:
        dress_viewer(viewer, case)


def dress_viewer(viewer: ViewerModel, case: CaseResult | None) -> None:
    """Show the scale bar and the standing sentence, and outline contrast in the layers added from now on."""
    viewer.canvas.overlays.scale_bar.visible = True
    text = viewer.canvas.overlays.text
    text.text = overlay_text(case)
    # Two overlays in one corner are stacked; in two corners they overlap on a narrow canvas.
    text.position = "bottom_right"
    text.font_size = 6
    text.visible = True
    viewer.layers.events.inserted.connect(_outline_contrast)


def _outline_contrast(event: Any) -> None:
    tag = tag_of({"metadata": event.value.metadata})
    if tag is not None and tag.kind == CONTRAST:
        layer_styles.outline(event.value)


def overlay_text(case: CaseResult | None) -> str:
    """The standing sentence, and above it why the scale bar is not in mm where that needs saying."""
    sources = {image.geometry.source for image in case.images} if case is not None else set()
    lines = STANDING_SENTENCE.replace(". ", ".\n")
    if GeometrySource.ESTIMATED_FROM_ANATOMY in sources:
        return f"Scale bar in pixels: the scale is only\nestimated from anatomy (about 10 %).\n{lines}"
    return lines
