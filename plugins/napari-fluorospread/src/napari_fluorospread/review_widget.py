"""The review dock: the questions of the open case, answered by single keys, locked, revealed and signed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QUrl, Signal
from qtpy.QtGui import QCursor, QDesktopServices, QKeyEvent
from qtpy.QtWidgets import QHBoxLayout, QLabel, QMenu, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from fluorospread.errors import FluorospreadError
from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL
from fluorospread.model.case import CaseResult
from fluorospread.model.geometry import PointPx
from fluorospread.model.review import CaseStatus
from napari_fluorospread.case_display import CaseDisplay, View
from napari_fluorospread.cine_player import CinePlayer
from napari_fluorospread.draft_reading import DraftReading, QuestionKind
from napari_fluorospread.finding_editor import EditedCase, FindingEditor
from napari_fluorospread.help_overlay import HelpOverlay
from napari_fluorospread.layer_styles import ORANGE
from napari_fluorospread.look_ahead import LookAhead
from napari_fluorospread.question_table import Column, QuestionTable, reading_column, software_column
from napari_fluorospread.review_keys import Action, KeyFilter, configured_keys
from napari_fluorospread.review_session import ReviewSession
from napari_fluorospread.room_layout import RoomLayout
from napari_fluorospread.viewer_overlays import has_shown_result

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
        self.editor = FindingEditor(viewer, self.display)
        self.player = CinePlayer(self.display, self)
        self._ahead = LookAhead(session, self.display, self)
        self.draft: DraftReading | None = None
        self._editable = False
        self._room: RoomLayout | None = None
        self._help: HelpOverlay | None = None
        self._lay_out()
        self.editor.changed = self._refresh
        self.editor.said = self._say
        self.editor.chosen = self._ask_level
        self._do: dict[str, Callable[[], None]] = {
            Action.NEXT_QUESTION: lambda: self._step(1),
            Action.PREVIOUS_QUESTION: lambda: self._step(-1),
            Action.MARK: self._mark,
            Action.COMMENT: self.comment.setFocus,
            Action.CONFIRM: self.confirm,
            Action.NEXT_CASE: self.next_case,
            Action.FINDINGS: self.display.toggle_findings,
            Action.OTHER_IMAGE: self._other_image,
            Action.WINDOW: lambda: self._say(f"window: {self.display.next_window()}"),
            Action.SUBTRACTION: self._toggle_subtraction,
            Action.FLICKER: self._toggle_flicker,
            Action.PLAY: lambda: self._say(self.player.toggle_play()),
            Action.PAINT: lambda: self.editor.paint(erase=False),
            Action.ERASE: lambda: self.editor.paint(erase=True),
            Action.LEVELS_UP: lambda: self.editor.shift_numbering(-1),
            Action.LEVELS_DOWN: lambda: self.editor.shift_numbering(1),
            Action.UNDO: self.editor.undo,
            Action.REDO: self.editor.redo,
            Action.REPORT: self.report,
            Action.PANELS: self.toggle_panels,
            Action.HELP: self.toggle_help,
        }
        self._keys = KeyFilter(self, self.take_key)

    def _lay_out(self) -> None:
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.title, self.stage, self.finding, self.message = QLabel(), QLabel(), QLabel(), QLabel()
        self.title.setStyleSheet("font-weight: bold; font-size: 13pt")
        for label in (self.stage, self.finding, self.message):
            label.setWordWrap(True)
        self.table = QuestionTable()
        self.table.asked.connect(self._go_to_question)
        self.comment = CommentBox()
        self.comment.setPlaceholderText("Comment")
        self.comment.setMaximumHeight(56)
        self.confirm_button, self.seen_button = QPushButton("Confirm"), QPushButton("I know this result")
        self.report_button, self.help_button = QPushButton("Report"), QPushButton("Keys")
        self.confirm_button.setToolTip("Lock and reveal; then sign and go on")
        self.seen_button.setToolTip("Records that you are not blind to this case")
        self.report_button.setToolTip("Write the case's QA report with the signed decision, and open it")
        buttons = QHBoxLayout()
        for button, action in (
            (self.confirm_button, self.confirm),
            (self.seen_button, self._declare_seen),
            (self.report_button, self.report),
            (self.help_button, self.toggle_help),
        ):
            # A button that took the focus would take Return and Space for itself.
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(lambda _checked=False, do=action: do())
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setSpacing(4)
        for widget in (self.title, self.stage, self.table, self.finding, self.comment):
            layout.addWidget(widget)
        layout.addLayout(buttons)
        layout.addWidget(self.message)
        layout.addStretch()

    def stop(self) -> None:
        """Let go of the keyboard, of the case shown, and of napari's panels."""
        self._keys.stop()
        self._ahead.stop()
        self.player.stop()
        self.editor.close()
        self.display.clear()
        if self._room is not None:
            self._room.restore()
        if self._help is not None:
            self._help.deleteLater()
            self._help = None

    @property
    def looks_ahead(self) -> bool:
        """Whether something is still being made ready for the next case."""
        return self._ahead.busy

    # Going from case to case ------------------------------------------------------------------------------

    def open_case(self, case_id: str) -> None:
        """Show a case at the stage this reader left it."""
        seen = ""
        if self.display.shows_findings_of(case_id) or has_shown_result(case_id):
            seen = "its result was opened in this viewer before"
        elif self.session.result_was_shown(case_id):
            seen = "its result was opened on this computer before"
        try:
            opened = self.session.open(case_id, seen)
        except FluorospreadError as error:
            self._say(str(error), bad=True)
            self.recorded.emit(case_id)
            return
        progress = self.session.progress(case_id)
        self.player.stop()
        self.editor.end()
        self.draft = DraftReading(self.session.questions, progress.latest)
        self._editable = not self.session.read_only and (not progress.read_only or self.session.adjudicates())
        self.display.show(opened, self.session.may_see_finding(), self.session.pictures)
        self._show_marks()
        self._begin_edits()
        self._refresh()
        self._say("")
        self.setFocus()
        self.recorded.emit(case_id)
        self._ahead.begin()

    def next_case(self) -> None:
        """Show the next case that waits for this reader; the work list says why one cannot be opened."""
        self._show_waiting(self.session.next_open_case)

    def resume(self) -> None:
        """Show the case this reader stopped at."""
        self._show_waiting(self.session.resume_case)

    def _show_waiting(self, choose: Callable[[], str | None]) -> None:
        before = self.session.opened
        while (case_id := choose()) is not None:
            self.open_case(case_id)
            if self.session.opened is not before:
                return
            choose = self.session.next_open_case
        self._say("Every case on the list is done, or cannot be opened.")

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
                self.session.adjudicate(reading, self.editor.edited)
            elif status is CaseStatus.OPEN:
                self.session.sign(reading, self.editor.edited)
            else:
                self.session.lock_and_reveal(reading)
                self.display.reveal()
                self._begin_edits()
                self._refresh()
                self._say("First reading locked. The finding is shown now.")
                self.recorded.emit(case_id)
                return
        except FluorospreadError as error:
            self._say(str(error), bad=True)
            return
        self.recorded.emit(case_id)
        self._editable = False
        self.editor.end()
        self._refresh()
        self.next_case()

    def report(self) -> None:
        """Write the report of the open case and show it."""
        if self.session.opened is None:
            return
        try:
            path = self.session.report()
        except FluorospreadError as error:
            self._say(str(error), bad=True)
            return
        self._say(f"Report written: {path}")
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))

    def _declare_seen(self) -> None:
        try:
            self.session.declare_result_seen("declared by the reader")
        except FluorospreadError as error:
            self._say(str(error), bad=True)
            return
        self._refresh()
        self._say("Recorded: you are not blind to this case.")

    # Answering --------------------------------------------------------------------------------------------

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

    def _step(self, by: int) -> None:
        if self.draft is not None:
            self.draft.step(by)
            self._refresh()

    def _go_to_question(self, row: int) -> None:
        if self.draft is not None:
            self.draft.current = row
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

    # Looking and correcting -------------------------------------------------------------------------------

    def toggle_panels(self) -> None:
        """Napari's own panels away, and back."""
        if self._room is None:
            self._room = RoomLayout(self._main_window())
        self._room.toggle()

    def toggle_help(self) -> None:
        """The keys, over the middle of the window."""
        if self._help is None:
            self._help = HelpOverlay(self._main_window(), configured_keys())
        self._help.toggle()

    @property
    def help_is_shown(self) -> bool:
        return self._help is not None and bool(self._help.isVisibleTo(self._main_window()))

    def _main_window(self) -> QWidget:
        """The window of the image, also where this dock floats over it."""
        own = self.window()
        return own.parentWidget() or own

    def _other_image(self) -> None:
        self.player.stop()
        self._say(f"image: {self.display.next_image()}")

    def _toggle_subtraction(self) -> None:
        self.player.stop()
        if self.display.view is View.SUBTRACTION:
            self.display.look_at(View.IMAGE)
            self._say("")
        elif self._has_subtraction():
            self.display.look_at(View.SUBTRACTION)
            self._say("Subtraction: contrast is bright. For the eye only; nothing is measured from it.")

    def _toggle_flicker(self) -> None:
        if self.player.flickering or self._has_subtraction():
            self.player.toggle_flicker(self._say)

    def _has_subtraction(self) -> bool:
        """Whether there is something to subtract; said where there is not."""
        if self.session.opened is None:
            return False
        if not self.display.has_subtraction:
            try:
                view = self.session.subtraction()
            except FluorospreadError as error:
                self._say(str(error), bad=True)
                return False
            if view is not None:
                self.display.add_subtraction(view)
        if not self.display.has_subtraction:
            self._say("No earlier image of this view to subtract.", bad=True)
        return self.display.has_subtraction

    def _begin_edits(self) -> None:
        opened = self.session.opened
        if opened is None or not self._editable or not self.display.has_findings:
            return
        self.session.prepare_edits()
        case = EditedCase(opened.case, opened.contrast_mask)
        self.editor.begin(case, self.session.protocol, self.session.reopened)

    def _ask_level(self, image: int, index: int) -> None:
        """Ask for a vertebra's name where the mouse is."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for level in CRANIAL_TO_CAUDAL:
            menu.addAction(level.value, lambda level=level: self.editor.rename(image, index, level))
        menu.popup(QCursor.pos())

    # Showing ----------------------------------------------------------------------------------------------

    def _say(self, text: str, bad: bool = False) -> None:
        self.message.setText(text)
        self.message.setStyleSheet(f"color: {ORANGE}; font-weight: bold" if bad else "")

    def _refresh(self) -> None:
        """Show the draft as it is now."""
        opened = self.session.opened
        if self.draft is None or opened is None:
            return
        progress = self.session.progress(opened.case.case_id)
        blind = "" if progress.blinded else " (not blind)"
        self.title.setText(opened.case.case_id)
        stage = "Read-only session" if self.session.read_only else STAGES.get(progress.status, "")
        self.stage.setText(stage + blind)
        self.confirm_button.setText(self._next_step(progress.status))
        self.seen_button.setVisible(progress.first is None and progress.blinded and not self.session.read_only)
        self.report_button.setEnabled(progress.read_only)
        self.comment.setReadOnly(not self._editable)
        if self.comment.toPlainText() != self.draft.comment and not self.comment.hasFocus():
            self.comment.setPlainText(self.draft.comment)
        self.table.show_draft(self.draft, self._beside())
        self.finding.setText(self._finding_words() if self.session.may_see_finding() else "")

    def _next_step(self, status: CaseStatus) -> str:
        if not self._editable:
            return "Next case"
        return {CaseStatus.OPEN: "Sign", CaseStatus.ADJUDICATE: "Adjudicate"}.get(status, "Lock")

    def _beside(self) -> list[Column]:
        """What may be seen beside the reader's answers."""
        columns: list[Column] = []
        opened, edited = self.session.opened, self.editor.edited
        if opened is not None and self.session.may_see_finding():
            columns.append(software_column("Software", opened.case))
            if edited is not None:
                columns.append(software_column("Corrected", edited.case))
        columns += [reading_column(reader, reading) for reader, reading in self.session.readings_of_others()]
        return columns

    def _finding_words(self) -> str:
        opened, edited = self.session.opened, self.editor.edited
        if opened is None:
            return ""
        text = f"Software: <b>{_outcome(opened.case)}</b>"
        if edited is not None:
            text += f"<br>As you corrected it: <b>{_outcome(edited.case)}</b> (saved when you sign)"
        return text


def _outcome(case: CaseResult) -> str:
    return case.verdict.outcome.value.replace("-", " ")
