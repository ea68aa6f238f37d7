"""What can be done for the next case while the reader looks at this one, in steps that the keyboard does not feel."""

from __future__ import annotations

import gc
from collections.abc import Iterator

from qtpy.QtCore import QObject, QTimer

from napari_fluorospread.case_display import CaseDisplay
from napari_fluorospread.review_session import ReviewSession

# Time for the case that was just opened to be drawn; then the time between two steps.
_DRAWN_MS, _BETWEEN_MS = 200, 40


class LookAhead(QObject):
    """Reads the next case in the background, then makes the layers it needs and the viewer does not have yet."""

    def __init__(self, session: ReviewSession, display: CaseDisplay, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._display = display
        self._steps: Iterator[None] | None = None
        self._keeps = False
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._step)

    @property
    def busy(self) -> bool:
        return self._steps is not None

    def begin(self) -> None:
        """Look ahead from the case that is open now."""
        self._steps = self._look()
        self._timer.start(_DRAWN_MS)

    def stop(self) -> None:
        self._timer.stop()
        self._steps = None
        if self._keeps:
            self._keeps = False
            gc.unfreeze()

    def _step(self) -> None:
        if self._steps is None:
            self._timer.stop()
        elif next(self._steps, self) is self:
            self._timer.stop()
            self._steps = None
            self._keep_what_stands()
        else:
            self._timer.setInterval(_BETWEEN_MS)

    def _look(self) -> Iterator[None]:
        session = self._session
        session.prefetch()
        if session.opened is not None:
            yield from self._display.make_ready(session.opened, session.pictures)
        while session.reads_ahead:
            yield
        ready = session.read_next()
        if ready is not None:
            yield from self._display.make_ready(ready.opened, ready.pictures)

    def _keep_what_stands(self) -> None:
        # napari collects all garbage of the process whenever layers come or go, and looks at every object of the
        # program for it: a quarter of a second. What stands until the session ends need not be looked at.
        if not self._keeps:
            self._keeps = True
            gc.freeze()
