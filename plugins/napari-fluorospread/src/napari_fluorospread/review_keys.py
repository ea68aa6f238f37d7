"""Which key does what in the review; remappable in napari's Preferences (the manifest's configurations).

napari does not wire a manifest's key bindings, and a layer's own keys would come before the viewer's, so the
review dock looks at key presses of its window itself and takes those that are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QLineEdit, QPlainTextEdit, QTextEdit, QWidget

PLUGIN = "napari-fluorospread"
DIGITS = "0123456789"


class Action(StrEnum):
    """Everything a key can do besides giving an answer by its digit. Names are the configuration's."""

    YES = "yes"
    NO = "no"
    CANNOT_TELL = "cannot_tell"
    NEXT_QUESTION = "next_question"
    PREVIOUS_QUESTION = "previous_question"
    MARK = "mark"
    COMMENT = "comment"
    CONFIRM = "confirm"
    NEXT_CASE = "next_case"
    FINDINGS = "findings"
    OTHER_IMAGE = "other_image"
    WINDOW = "window"
    HELP = "help"


DEFAULT_KEYS: Mapping[Action, str] = {
    Action.YES: "Y",
    Action.NO: "N",
    Action.CANNOT_TELL: "T",
    Action.NEXT_QUESTION: "Down",
    Action.PREVIOUS_QUESTION: "Up",
    Action.MARK: "M",
    Action.COMMENT: "C",
    Action.CONFIRM: "Return",
    Action.NEXT_CASE: "PgDown",
    Action.FINDINGS: "H",
    Action.OTHER_IMAGE: "X",
    Action.WINDOW: "W",
    Action.HELP: "F1",
}

WORDS: Mapping[Action, str] = {
    Action.YES: "yes",
    Action.NO: "no",
    Action.CANNOT_TELL: "can't tell",
    Action.NEXT_QUESTION: "next question",
    Action.PREVIOUS_QUESTION: "previous question",
    Action.MARK: "mark the level by the next click on the image",
    Action.COMMENT: "comment (Esc: back to the keys)",
    Action.CONFIRM: "lock and reveal; then sign and go on",
    Action.NEXT_CASE: "next case, this one left as it is",
    Action.FINDINGS: "hide and show the findings",
    Action.OTHER_IMAGE: "other image of the case",
    Action.WINDOW: "other window (bone, contrast, whole)",
    Action.HELP: "show and hide these keys",
}


def configured_keys() -> dict[Action, str]:
    """The keys as set in Preferences; the default where a key is empty or is no key."""
    from napari.settings import get_plugin_settings

    try:
        settings: Any = get_plugin_settings(PLUGIN).review_keys
    except KeyError:  # The plugin is used without being installed in napari, as in a script.
        return dict(DEFAULT_KEYS)
    given = {action: str(getattr(settings, action.value, "")) for action in Action}
    return {action: key if _is_key(key) else DEFAULT_KEYS[action] for action, key in given.items()}


def _is_key(text: str) -> bool:
    # Qt makes a sequence of any text; one it does not know has no printable form.
    sequence = QKeySequence(text)
    return sequence.count() == 1 and bool(sequence.toString())


def help_text(keys: Mapping[Action, str]) -> str:
    """The keys as a table in text."""
    lines = [f"{keys[action]:>7}  {WORDS[action]}" for action in Action]
    digits = [
        f"{'2 3 4 5':>7}  level seen L2 … L5;  1  S1",
        f"{'1 2 3':>7}  confidence low … high; image quality good … inadequate",
    ]
    return "\n".join([*digits, *lines])


class KeyFilter(QObject):
    """Passes the key presses of one window to a handler, unless somebody is typing text."""

    def __init__(self, widget: QWidget, handle: Callable[[str], bool]) -> None:
        """`handle` gets a digit or an action's name and says whether it took it."""
        super().__init__(widget)
        self._widget = widget
        self._handle = handle
        self._names = {QKeySequence(key).toString(): action.value for action, key in configured_keys().items()}
        QApplication.instance().installEventFilter(self)

    def stop(self) -> None:
        QApplication.instance().removeEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if event.type() != QEvent.Type.KeyPress or not isinstance(watched, QWidget):
            return False
        if not self._is_ours(watched) or _takes_text(watched):
            return False
        name = self._name_of(event)
        return name is not None and self._handle(name)

    def _is_ours(self, watched: QWidget) -> bool:
        """Whether a key pressed in `watched` is meant for the review: it is in the review's window, or in
        the window that the review floats over, and the review is not closed."""
        own, pressed = self._widget.window(), watched.window()
        return (pressed is own or pressed is own.parentWidget()) and self._widget.isVisibleTo(own)

    def _name_of(self, event: QKeyEvent) -> str | None:
        modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        key = Qt.Key.Key_Return if event.key() == Qt.Key.Key_Enter else event.key()
        text = QKeySequence(modifiers.value | int(key)).toString()
        return text if text in DIGITS else self._names.get(text)


def _takes_text(widget: QWidget) -> bool:
    return isinstance(widget, (QLineEdit, QTextEdit, QPlainTextEdit, QAbstractSpinBox))
