"""The questions of one case with the reader's answers, and what may be seen beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from fluorospread.model.case import CaseResult
from fluorospread.model.review import Reading
from fluorospread.pipeline.reading_protocol import finding_for
from napari_fluorospread.draft_reading import DraftReading, Question, QuestionKind, answers_of, words
from napari_fluorospread.layer_styles import ORANGE

Column = tuple[str, Callable[[Question], str]]

_ROW_HEIGHT_PX = 23
# As many rows as the study's protocol asks questions where contrast was given.
_ROWS_SHOWN = 12


class QuestionTable(QTableWidget):
    """One row a question; the current one is selected. `asked` names a row that was clicked."""

    asked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 2, parent)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT_PX)
        self.verticalHeader().setMinimumSectionSize(_ROW_HEIGHT_PX)
        self.setMinimumHeight((_ROWS_SHOWN + 1) * _ROW_HEIGHT_PX + 12)
        self.cellClicked.connect(lambda row, _column: self.asked.emit(row))

    def show_draft(self, draft: DraftReading, beside: Sequence[Column]) -> None:
        """Show the answers so far and the columns `beside` them; an answer that differs is set in orange."""
        columns: list[Column] = [
            ("Question", lambda question: question.text),
            ("You", lambda question: words(draft.answers.get(question))),
            *beside,
        ]
        self.setColumnCount(len(columns))
        self.setHorizontalHeaderLabels([name for name, _ in columns])
        self.setRowCount(len(draft.questions))
        for row, question in enumerate(draft.questions):
            mine = words(draft.answers.get(question))
            for column, (_, text_of) in enumerate(columns):
                item = QTableWidgetItem(text_of(question))
                if column > 1 and mine and item.text() not in (mine, "-", ""):
                    item.setForeground(QColor(ORANGE))
                self.setItem(row, column, item)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.selectRow(draft.current)


def software_column(name: str, case: CaseResult) -> Column:
    """What the software concluded, question by question."""
    stated = case.stated_coverage()

    def answer(question: Question) -> str:
        if question.kind is QuestionKind.COVERED:
            found = [said for junction, said in stated.items() if junction == (question.level, question.side)]
            return words(found[0]) if found else "-"
        if question.kind not in (QuestionKind.LEVEL, QuestionKind.AT_TARGET):
            return "-"
        puncture = finding_for(question.side, question.level, case)
        if puncture is None:
            return "-"
        return (puncture.level or "can't tell") if question.kind is QuestionKind.LEVEL else words(puncture.at_target)

    return name, answer


def reading_column(reader: str, reading: Reading) -> Column:
    """Another reader's answers."""
    answers = answers_of(reading)
    return reader, lambda question: words(answers.get(question))
