"""What a viewer shows besides layers: the scale bar, and the sentence every output carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluorospread.model.case import CaseResult
from fluorospread.model.geometry import GeometrySource
from fluorospread.model.verdict import STANDING_SENTENCE

if TYPE_CHECKING:
    from napari.components import ViewerModel


def dress_current_viewer(case: CaseResult | None) -> None:
    """`dress_viewer` for the viewer a file is being opened in; nothing where layers are read without one."""
    import napari

    viewer = napari.current_viewer()
    if viewer is not None:
        dress_viewer(viewer, case)


def dress_viewer(viewer: ViewerModel, case: CaseResult | None) -> None:
    """Show the scale bar and the standing sentence, and say when the scale is only estimated."""
    viewer.canvas.overlays.scale_bar.visible = True
    text = viewer.canvas.overlays.text
    text.text = overlay_text(case)
    text.position = "bottom_left"
    text.font_size = 9
    text.visible = True


def overlay_text(case: CaseResult | None) -> str:
    """The standing sentence, and above it why the scale bar is not in mm where that needs saying."""
    sources = {image.geometry.source for image in case.images} if case is not None else set()
    lines = []
    if GeometrySource.ESTIMATED_FROM_ANATOMY in sources:
        lines.append("Scale bar in pixels: the scale is only estimated from anatomy (about 10 %).")
    return "\n".join([*lines, STANDING_SENTENCE])
