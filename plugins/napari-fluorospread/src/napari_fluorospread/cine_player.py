"""Plays a run of many frames at the rate it was recorded with; frames are passed over rather than slowed down."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from qtpy.QtCore import QObject, QTimer

from napari_fluorospread.case_display import CaseDisplay, View

# Where the file states no rate: common for pulsed fluoroscopy, and said on the screen.
ASSUMED_FRAME_TIME_MS = 1000.0 / 7.5
# About what the eye compares two images best at.
_FLICKER_MS = 400


class CinePlayer(QObject):
    """Plays, and flickers between an image and the one before contrast."""

    def __init__(self, display: CaseDisplay, parent: QObject) -> None:
        super().__init__(parent)
        self._display = display
        self._start = (0.0, 0)
        self._play, self._flicker = QTimer(self), QTimer(self)
        self._play.timeout.connect(self._next_frame)
        self._flicker.timeout.connect(self._other_view)

    @property
    def playing(self) -> bool:
        return bool(self._play.isActive())

    @property
    def flickering(self) -> bool:
        return bool(self._flicker.isActive())

    def toggle_play(self) -> str:
        """Start or stop the run that is shown; what to say about it."""
        if self.playing:
            self._play.stop()
            return f"Stopped at frame {self._display.frame + 1} of {self._display.frame_count}."
        if self._display.frame_count < 2:
            return "This image is not a run."
        recorded = self._display.frame_time_ms
        self._start = (monotonic(), self._display.frame)
        self._play.start(max(1, round(recorded or ASSUMED_FRAME_TIME_MS)))
        rate = 1000.0 / (recorded or ASSUMED_FRAME_TIME_MS)
        source = "as recorded" if recorded else "assumed: the file states no rate"
        return f"Playing {rate:.3g} frames a second ({source})."

    def toggle_flicker(self, say: Callable[[str], None]) -> None:
        """Start or stop the flicker between the images before and after contrast."""
        if self.flickering:
            self._flicker.stop()
            self._display.look_at(View.IMAGE)
            say("")
        else:
            self._other_view()
            self._flicker.start(_FLICKER_MS)
            say("Flicker between before and after contrast, aligned.")

    def stop(self) -> None:
        self._play.stop()
        self._flicker.stop()

    def _next_frame(self) -> None:
        since, first = self._start
        frame_time_ms = self._display.frame_time_ms or ASSUMED_FRAME_TIME_MS
        self._display.show_frame(first + round(1000.0 * (monotonic() - since) / frame_time_ms))

    def _other_view(self) -> None:
        self._display.look_at(View.IMAGE if self._display.view is View.BEFORE else View.BEFORE)
