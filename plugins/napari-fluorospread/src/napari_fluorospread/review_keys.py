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
    SUBTRACTION = "subtraction"
    FLICKER = "flicker"
    PLAY = "play"
    PAINT = "paint"
    ERASE = "erase"
    LEVELS_UP = "levels_up"
    LEVELS_DOWN = "levels_down"
    UNDO = "undo"
    REDO = "redo"
    REPORT = "report"
    PANELS = "panels"
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
    Action.SUBTRACTION: "S",
    Action.FLICKER: "F",
    Action.PLAY: "Space",
    Action.PAINT: "B",
    Action.ERASE: "E",
    Action.LEVELS_UP: "Shift+Up",
    Action.LEVELS_DOWN: "Shift+Down",
    Action.UNDO: "Ctrl+Z",
    Action.REDO: "Ctrl+Shift+Z",
    Action.REPORT: "R",
    Action.PANELS: "L",
    Action.HELP: "F1",
}

WORDS: Mapping[Action, str] = {
    Action.YES: "yes",
    Action.NO: "no",
    Action.CANNOT_TELL: "can't tell",
    Action.NEXT_QUESTION: "next question",
    Action.PREVIOUS_QUESTION: "previous question",
    Action.MARK: "mark the level by the next click",
    Action.COMMENT: "comment (Esc: back to the keys)",
    Action.CONFIRM: "lock and reveal; then sign and go on",
    Action.NEXT_CASE: "next case, this one left as it is",
    Action.FINDINGS: "findings on and off",
    Action.OTHER_IMAGE: "other image of the case",
    Action.WINDOW: "other window",
    Action.SUBTRACTION: "subtraction on and off",
    Action.FLICKER: "flicker before / after contrast",
    Action.PLAY: "play or stop a run",
    Action.PAINT: "paint contrast",
    Action.ERASE: "erase contrast",
    Action.LEVELS_UP: "rename all levels, one up",
    Action.LEVELS_DOWN: "rename all levels, one down",
    Action.UNDO: "undo a change of findings",
    Action.REDO: "do it again",
    Action.REPORT: "write the report (once signed)",
    Action.PANELS: "napari's own panels",
    Action.HELP: "these keys",
}

GROUPS: Mapping[str, tuple[Action, ...]] = {
    "Answer": (
        Action.YES,
        Action.NO,
        Action.CANNOT_TELL,
        Action.NEXT_QUESTION,
        Action.PREVIOUS_QUESTION,
        Action.MARK,
        Action.COMMENT,
    ),
    "Go on": (Action.CONFIRM, Action.NEXT_CASE, Action.REPORT),
    "Look": (
        Action.OTHER_IMAGE,
        Action.WINDOW,
        Action.SUBTRACTION,
        Action.FLICKER,
        Action.PLAY,
        Action.FINDINGS,
        Action.PANELS,
        Action.HELP,
    ),
    "Correct the findings": (
        Action.PAINT,
        Action.ERASE,
        Action.LEVELS_UP,
        Action.LEVELS_DOWN,
        Action.UNDO,
        Action.REDO,
    ),
}
"""Every action, in the order the help shows them."""


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
