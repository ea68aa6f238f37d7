"""Findings changed by hand on the image: points dragged, levels renamed, contrast painted; undone and done again.

A finding is taken hold of wherever it is drawn, whatever layer is selected. When it is let go, only what lies
downstream of it is concluded anew. Knows nothing of readings or the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fluorospread.errors import FluorospreadError
from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, Level
from fluorospread.model.case import CaseResult
from fluorospread.model.geometry import PointPx
from fluorospread.model.protocol import Protocol
from fluorospread.model.radiograph import BoolImage
from fluorospread.pipeline.conclude_again import conclude_again
from fluorospread.pipeline.edit_case import (
    FindingKind,
    FindingPlace,
    move_finding,
    paint_contrast,
    renumber_levels,
)
from fluorospread.pipeline.reopen_case import ReopenedCase
from napari_fluorospread.case_display import CaseDisplay
from napari_fluorospread.finding_layers import layer_to_mask
from napari_fluorospread.layers import JUNCTIONS, LEVELS, NEEDLES

if TYPE_CHECKING:
    from napari.components import ViewerModel

_KINDS = {LEVELS: FindingKind.LEVEL, JUNCTIONS: FindingKind.JUNCTION, NEEDLES: FindingKind.NEEDLE}
# How near a press must be to a finding to take hold of it: about the width of a fingertip on a mouse.
_REACH_SCREEN_PX = 9.0
# A press that moves less is a click.
_CLICK_SCREEN_PX = 3.0
_BRUSH_PX = 12


@dataclass(frozen=True)
class EditedCase:
    """A concluded case with the mask of its contrast."""

    case: CaseResult
    mask: BoolImage | None


@dataclass(frozen=True)
class _Hold:
    """A finding taken hold of: its layer, where it is, and what it is."""

    layer: Any
    place: FindingPlace


class FindingEditor:
    """Edits of one case in one viewer.

    Attributes
    ----------
    changed
        Called with nothing after every change, undo and redo.
    said
        Called with words for the reader, and whether they say that something went wrong.
    chosen
        Called with a vertebra that was clicked on (image, index): which level is it?
    """

    def __init__(self, viewer: ViewerModel, display: CaseDisplay) -> None:
        self._viewer = viewer
        self._display = display
        self._protocol: Protocol | None = None
        self._reopen: Callable[[], ReopenedCase] | None = None
        self._states: list[EditedCase] = []
        self._at = 0
        self._painted_on: Any = None
        self.changed: Callable[[], None] = lambda: None
        self.said: Callable[[str, bool], None] = lambda _text, _bad: None
        self.chosen: Callable[[int, int], None] = lambda _image, _index: None
        viewer.mouse_drag_callbacks.append(self._on_press)

    def begin(self, case: EditedCase, protocol: Protocol, reopen: Callable[[], ReopenedCase]) -> None:
        """Take changes to a case that is shown with its findings. `reopen` gives what they are measured with;
        it is asked at the first change and may wait."""
        self.end()
        self._states, self._at = [case], 0
        self._protocol, self._reopen = protocol, reopen

    def end(self) -> None:
        """Take no more changes."""
        self.stop_painting()
        self._states, self._at, self._reopen = [], 0, None

    def close(self) -> None:
        self.end()
        self._viewer.mouse_drag_callbacks.remove(self._on_press)

    @property
    def active(self) -> bool:
        return bool(self._states)

    @property
    def edited(self) -> EditedCase | None:
        """The case as it is now; None while nobody changed it."""
        return self._states[self._at] if self._at else None

    # Changes ----------------------------------------------------------------------------------------------

    def move(self, place: FindingPlace, point: PointPx) -> None:
        self._apply(lambda now: EditedCase(move_finding(now.case, place, point), now.mask))

    def rename(self, image: int, index: int, level: Level) -> None:
        """Call one vertebra `level`; all others follow."""
        self._apply(lambda now: EditedCase(renumber_levels(now.case, image, index, level), now.mask))

    def shift_numbering(self, by: int) -> None:
        """Rename every vertebra of the image that is shown by one level towards the feet (+1) or head (-1)."""
        if not self._states:
            return
        image = self._display.image
        levels = self._states[self._at].case.images[image].levels
        names = [level for level in CRANIAL_TO_CAUDAL if level is not Level.L6]
        for index, vertebra in enumerate(levels.vertebrae if levels is not None else ()):
            at = names.index(vertebra.level) + by if vertebra.level in names else -1
            if 0 <= at < len(names):
                self.rename(image, index, names[at])
                return

    def undo(self) -> None:
        self._go(self._at - 1, "Undone.")

    def redo(self) -> None:
        self._go(self._at + 1, "Done again.")

    def paint(self, erase: bool) -> None:
        """Paint contrast, or erase it, by the mouse; a second time lets go of the brush."""
        layer = self._display.contrast_layer()
        if not self._states or layer is None:
            self.said("No image of this case was searched for contrast, so there is none to outline.", True)
            return
        label = 0 if erase else 1
        if self._painted_on == layer and layer.selected_label == label:
            self.stop_painting()
            self.said("", False)
            return
        self.stop_painting()
        self._display.show_contrast()
        self._painted_on = layer
        layer.mode, layer.selected_label, layer.brush_size = "paint", label, _BRUSH_PX
        layer.events.paint.connect(self._on_painted)
        self._display.activate(layer)
        self.said("Erase contrast by dragging." if erase else "Paint contrast by dragging.", False)

    def stop_painting(self) -> None:
        layer, self._painted_on = self._painted_on, None
        if layer is not None:
            layer.events.paint.disconnect(self._on_painted)
            layer.mode = "pan_zoom"
            self._display.activate(None)

    def _on_painted(self, _event: Any) -> None:
        mask = layer_to_mask(self._painted_on.data)
        self._apply(lambda now: EditedCase(paint_contrast(now.case, mask), mask))

    def _apply(self, change: Callable[[EditedCase], EditedCase]) -> None:
        if not self._states or self._reopen is None or self._protocol is None:
            return
        now = self._states[self._at]
        try:
            found = change(now)
            case = conclude_again(self._reopen(), found.case, found.mask, self._protocol, (now.case, now.mask))
        except FluorospreadError as error:
            self._display.update_findings(now.case, now.mask)
            self.said(str(error), True)
            return
        self._states[self._at + 1 :] = [EditedCase(case, found.mask)]
        self._go(self._at + 1, f"Changed by you: {case.overrides[-1].name}.")

    def _go(self, at: int, words: str) -> None:
        if not 0 <= at < len(self._states):
            return
        self._at = at
        now = self._states[at]
        self._display.update_findings(now.case, now.mask)
        self.said(words, False)
        self.changed()

    # The mouse --------------------------------------------------------------------------------------------

    def _on_press(self, _viewer: Any, event: Any) -> Iterator[None]:
        """Drag a finding; a click on a vertebra asks for its name."""
        hold = None if not self._takes(event) else self._finding_at(event.position)
        if hold is None:
            return
        camera = self._viewer.scene.camera
        pans, camera.mouse_pan = camera.mouse_pan, False
        start, points = np.asarray(event.position), np.array(hold.layer.data)
        moved = False
        yield
        # Moves that come fast are passed over by napari, so where the button is let go counts, too.
        while event.type in ("mouse_move", "mouse_release"):
            way = np.asarray(event.position) - start
            moved = moved or float(np.hypot(*way[-2:])) * camera.zoom > _CLICK_SCREEN_PX
            if moved:
                points[hold.place.index] = hold.layer.world_to_data(event.position)[-2:]
                hold.layer.data = points
            if event.type == "mouse_release":
                break
            yield
        camera.mouse_pan = pans
        if moved:
            row, col = points[hold.place.index]
            self.move(hold.place, (float(row), float(col)))
        elif hold.place.kind is FindingKind.LEVEL:
            self.chosen(hold.place.image, hold.place.index)

    def _takes(self, event: Any) -> bool:
        # While the brush or a mark is waited for, the mouse is theirs; other buttons and Shift are napari's.
        free = self._painted_on is None and not self._display.picks
        return self.active and free and event.button == 1 and not event.modifiers

    def _finding_at(self, position: Any) -> _Hold | None:
        """The nearest finding under the mouse, the one drawn last where two are as near."""
        best: tuple[float, _Hold] | None = None
        for layer, tag in self._display.finding_layers():
            if tag.kind not in _KINDS or not len(layer.data):
                continue
            here = np.asarray(layer.world_to_data(position)[-2:])
            # Layers are placed by scale and rotation only, so a distance in data pixels is one on the screen.
            screen_px = np.hypot(*(layer.data - here).T) * float(layer.scale[-1]) * self._viewer.scene.camera.zoom
            index = int(np.argmin(screen_px))
            if screen_px[index] <= _REACH_SCREEN_PX and (best is None or screen_px[index] <= best[0]):
                best = (screen_px[index], _Hold(layer, FindingPlace(tag.image, _KINDS[tag.kind], index)))
        return None if best is None else best[1]
