"""The review dock: the questions of the open case, answered by single keys, locked, revealed and signed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from fluorospread.errors import FluorospreadError
from fluorospread.model.geometry import PointPx
from fluorospread.model.review import CaseStatus, Reading
from fluorospread.pipeline.reading_protocol import finding_for
from napari_fluorospread.case_display import CaseDisplay
from napari_fluorospread.draft_reading import DraftReading, Question, QuestionKind, answers_of, words
from napari_fluorospread.review_keys import Action, KeyFilter, configured_keys, help_text
from napari_fluorospread.review_session import ReviewSession

if TYPE_CHECKING:
    from napari.components import ViewerModel

STAGES = {
    CaseStatus.READING: "Blind reading: the software's finding is hidden",
    CaseStatus.BLIND_READ: "First reading locked: show the finding to go on",
    CaseStatus.OPEN: "With the finding: confirm or change, then sign",
    CaseStatus.SIGNED: "Signed: read only",
    CaseStatus.ADJUDICATE: "Two readers differ: a third decides",
    CaseStatus.ADJUDICATED: "Adjudicated: read only",
}


class CommentBox(QPlainTextEdit):
    """Free text; Escape gives the keyboard back to the questions."""

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        if event.key() == Qt.Key.Key_Escape:
            self.parentWidget().setFocus()
        else:
            super().keyPressEvent(event)


class ReviewWidget(QWidget):
    """Reads one case after another for one session. `recorded` names a case when something about it changed."""

    recorded = Signal(str)

    def __init__(self, viewer: ViewerModel, session: ReviewSession) -> None:
        super().__init__()
        self.session = session
        self.display = CaseDisplay(viewer)
        self.draft: DraftReading | None = None
        self._editable = False
        self._lay_out()
        self._do: dict[str, Callable[[], None]] = {
            Action.NEXT_QUESTION: lambda: self._step(1),
            Action.PREVIOUS_QUESTION: lambda: self._step(-1),
            Action.MARK: self._mark,
            Action.COMMENT: self.comment.setFocus,
            Action.CONFIRM: self.confirm,
            Action.NEXT_CASE: self.next_case,
            Action.FINDINGS: self.display.toggle_findings,
            Action.OTHER_IMAGE: lambda: self._say(f"image: {self.display.next_image()}"),
            Action.WINDOW: lambda: self._say(f"window: {self.display.next_window()}"),
            Action.HELP: lambda: self.help.setVisible(not self.help.isVisible()),
        }
        self._keys = KeyFilter(self, self.take_key)

    def _lay_out(self) -> None:
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.title, self.stage, self.message = QLabel(), QLabel(), QLabel()
        self.title.setStyleSheet("font-weight: bold; font-size: 14pt")
        for label in (self.stage, self.message):
            label.setWordWrap(True)
        self.table = QTableWidget(0, 2)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.verticalHeader().setVisible(False)
        # All questions of the usual protocol in sight, also beside the work list and the help.
        self.table.setMinimumHeight(330)
        self.table.cellClicked.connect(self._go_to_question)
        self.comment = CommentBox()
        self.comment.setPlaceholderText("Comment")
        self.comment.setMaximumHeight(70)
        self.help = QLabel(help_text(configured_keys()))
        self.help.setStyleSheet("font-family: monospace")
        self.help.setVisible(False)
        self.confirm_button, self.seen_button = QPushButton("Confirm"), QPushButton("I know this result already")
        self.seen_button.setToolTip("Records that you are not blind to this case")
        self.confirm_button.clicked.connect(self.confirm)
        self.seen_button.clicked.connect(self._declare_seen)
        buttons = QHBoxLayout()
        buttons.addWidget(self.confirm_button)
        buttons.addWidget(self.seen_button)
        layout = QVBoxLayout(self)
        for widget in (self.title, self.stage, self.table, self.comment):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        layout.addWidget(self.message)
        layout.addWidget(self.help)

    def stop(self) -> None:
        """Let go of the keyboard and of the case shown."""
        self._keys.stop()
        self.display.clear()

    def open_case(self, case_id: str) -> None:
        """Show a case at the stage this reader left it."""
        on_screen = self.display.shows_findings_of(case_id)
        try:
            opened = self.session.open(case_id, "its findings were open in the viewer" if on_screen else "")
        except FluorospreadError as error:
            self._say(str(error), bad=True)
            self.recorded.emit(case_id)
            return
        progress = self.session.progress(case_id)
        self.draft = DraftReading(self.session.questions, progress.latest)
        self._editable = not progress.read_only or self.session.adjudicates()
        self.display.show(opened, self.session.may_see_finding())
        self._show_marks()
        self._refresh()
        self._say("")
        self.setFocus()
        self.recorded.emit(case_id)
        self.session.prefetch()

    def next_case(self) -> None:
        """Show the next case that waits for this reader; the work list says why one cannot be opened."""
        before = self.session.opened
        while (case_id := self.session.next_open_case()) is not None:
            self.open_case(case_id)
            if self.session.opened is not before:
                return
        self._say("Every case on the list is done, or cannot be opened.")

    def take_key(self, name: str) -> bool:
        """Do what a key means; whether it meant anything here."""
        if self.draft is None:
            return False
        if self._editable and self.draft.takes(name):
            self.draft.answer(name)
            self._say("")
            self._refresh()
            return True
        if name in self._do:
            self._do[name]()
            return True
        return False

    def confirm(self) -> None:
        """Lock the first reading and show the finding; or sign (or adjudicate) and go on."""
        if self.draft is None or self.session.opened is None:
            return
        if not self._editable:
            self.next_case()
            return
        self.draft.comment = self.comment.toPlainText()
        case_id = self.session.opened.case.case_id
        status = self.session.progress(case_id).status
        try:
            reading = self.draft.to_reading()
            if self.session.adjudicates():
                self.session.adjudicate(reading)
            elif status is CaseStatus.OPEN:
                self.session.sign(reading)
            else:
                self.session.lock_and_reveal(reading)
                self.display.reveal()
                self._refresh()
                self._say("First reading locked. The finding is shown now.")
                self.recorded.emit(case_id)
                return
        except FluorospreadError as error:
            self._say(str(error), bad=True)
            return
        self.recorded.emit(case_id)
        self._editable = False
        self._refresh()
        self.next_case()

    def _declare_seen(self) -> None:
        try:
            self.session.declare_result_seen("declared by the reader")
        except FluorospreadError as error:
            self._say(str(error), bad=True)
            return
        self._refresh()
        self._say("Recorded: you are not blind to this case.")

    def _step(self, by: int) -> None:
        if self.draft is not None:
            self.draft.step(by)
            self._refresh()

    def _mark(self) -> None:
        draft = self.draft
        if draft is None or not self._editable:
            return
        side, target = draft.question.side, draft.question.level
        if side is None or target is None or draft.question.kind is QuestionKind.COVERED:
            self._say("Go to a question about a puncture to mark its level.", bad=True)
            return

        def take(point: PointPx) -> None:
            draft.marks[(side, target)] = point
            self._show_marks()
            self._say("Marked.")

        self.display.pick(take)
        self._say(f"Click on the image where the {side} needle (target {target}) ends.")

    def _show_marks(self) -> None:
        if self.draft is not None:
            self.display.show_marks({f"{side} {target}": at for (side, target), at in self.draft.marks.items()})

    def _go_to_question(self, row: int, _column: int) -> None:
        if self.draft is not None:
            self.draft.current = row
            self._refresh()

    def _say(self, text: str, bad: bool = False) -> None:
        self.message.setText(text)
        self.message.setStyleSheet("color: #E69F00; font-weight: bold" if bad else "")

    def _refresh(self) -> None:
        """Show the draft as it is now."""
        opened = self.session.opened
        if self.draft is None or opened is None:
            return
        progress = self.session.progress(opened.case.case_id)
        blind = "" if progress.blinded else " (not blind)"
        self.title.setText(opened.case.case_id)
        self.stage.setText(STAGES.get(progress.status, "") + blind)
        self.seen_button.setEnabled(progress.first is None and progress.blinded)
        self.comment.setReadOnly(not self._editable)
        if self.comment.toPlainText() != self.draft.comment and not self.comment.hasFocus():
            self.comment.setPlainText(self.draft.comment)
        columns = self._columns()
        self.table.setColumnCount(len(columns))
        self.table.setHorizontalHeaderLabels([name for name, _ in columns])
        self.table.setRowCount(len(self.draft.questions))
        for row, question in enumerate(self.draft.questions):
            for column, (_, text_of) in enumerate(columns):
                self.table.setItem(row, column, QTableWidgetItem(text_of(question)))
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.selectRow(self.draft.current)

    def _columns(self) -> list[tuple[str, Callable[[Question], str]]]:
        """Columns of the table: the questions, the answers, and what may be seen beside them."""
        draft = self.draft
        assert draft is not None  # called from _refresh only, which has looked
        columns: list[tuple[str, Callable[[Question], str]]] = [
            ("Question", lambda question: question.text),
            ("You", lambda question: words(draft.answers.get(question))),
        ]
        if self.session.may_see_finding():
            columns.append(("Software", self._software_answer))
        for reader, reading in self.session.readings_of_others():
            columns.append((reader, _answer_in(reading)))
        return columns

    def _software_answer(self, question: Question) -> str:
        opened, draft = self.session.opened, self.draft
        if opened is None or draft is None:
            return ""
        if question.kind is QuestionKind.COVERED:
            found = [c.covered for c in opened.case.coverage if (c.level, c.side) == (question.level, question.side)]
            return words(found[0]) if found else "-"
        if question.kind not in (QuestionKind.LEVEL, QuestionKind.AT_TARGET):
            return "-"
        puncture = finding_for(question.side, question.level, opened.case)
        if puncture is None:
            return "-"
        return (puncture.level or "can't tell") if question.kind is QuestionKind.LEVEL else words(puncture.at_target)


def _answer_in(reading: Reading) -> Callable[[Question], str]:
    answers: dict[Question, Any] = dict(answers_of(reading))
    return lambda question: words(answers.get(question))
