"""The keys, shown over the image until the next press."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QWidget

from napari_fluorospread.review_keys import GROUPS, WORDS, Action

_STYLE = (
    "QLabel { background: rgba(12, 12, 14, 235); color: #e8e8e8; border: 1px solid #555; border-radius: 8px;"
    " padding: 14px; font-size: 12px; }"
)
_DIGITS = {
    "2 3 4 5": "level seen: L2 … L5",
    "1": "level seen: S1",
    "1 2 3": "confidence: low … high; quality: good … inadequate",
}
_MOUSE = {
    "drag": "move a junction, a tip or a vertebra",
    "click": "a vertebra: give it another name, all follow",
}


def help_html(keys: Mapping[Action, str]) -> str:
    """The keys and what the mouse does, in two columns."""

    def rows(entries: Mapping[str, str]) -> str:
        return "".join(
            f"<tr><td align='right' style='color:#F0E442'><b>{escape(key)}</b></td><td>&nbsp;{escape(words)}</td></tr>"
            for key, words in entries.items()
        )

    def block(title: str, entries: Mapping[str, str]) -> str:
        return f"<p style='margin:6px 0 2px 0'><b>{escape(title)}</b></p><table>{rows(entries)}</table>"

    blocks = {title: {keys[action]: WORDS[action] for action in actions} for title, actions in GROUPS.items()}
    blocks["Answer"] = _DIGITS | blocks["Answer"]
    blocks["Correct the findings"] = _MOUSE | blocks["Correct the findings"]
    left = "".join(block(title, blocks[title]) for title in ("Answer", "Go on"))
    right = "".join(block(title, blocks[title]) for title in ("Look", "Correct the findings"))
    return f"<table><tr><td>{left}</td><td width='28'></td><td>{right}</td></tr></table>"


class HelpOverlay(QLabel):
    """A panel over the middle of a window; a click takes it away."""

    def __init__(self, window: QWidget, keys: Mapping[Action, str]) -> None:
        super().__init__(help_html(keys), window)
        self.setStyleSheet(_STYLE)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.hide()

    def toggle(self) -> None:
        if self.isVisibleTo(self.parentWidget()):
            self.hide()
            return
        self.adjustSize()
        around = self.parentWidget().rect()
        self.move((around.width() - self.width()) // 2, (around.height() - self.height()) // 2)
        self.show()
        self.raise_()

    def mousePressEvent(self, _event: object) -> None:  # noqa: N802 - Qt's name
        self.hide()
