"""The window as a reading room: napari's own panels out of the way, as much of it as possible for the image."""

from __future__ import annotations

from qtpy.QtWidgets import QDockWidget, QWidget

# Object names of napari's own docks.
_PANELS = ("layer list", "layer controls")


class RoomLayout:
    """Hides napari's panels of one window, and brings back those that were there."""

    def __init__(self, window: QWidget) -> None:
        docks = [dock for dock in window.findChildren(QDockWidget) if dock.objectName() in _PANELS]
        self._docks = [dock for dock in docks if dock.isVisibleTo(window)]
        self._hidden = False

    def toggle(self) -> None:
        """Hide the panels, or show them."""
        self._hidden = not self._hidden
        for dock in self._docks:
            dock.setVisible(not self._hidden)

    def restore(self) -> None:
        if self._hidden:
            self.toggle()
