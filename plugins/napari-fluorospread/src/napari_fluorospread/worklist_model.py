"""The work list as a table: one row a case, filtered by status and text, sorted by what a column means."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt
from qtpy.QtGui import QColor, QFont

from fluorospread.model.review import CaseStatus
from napari_fluorospread.layer_styles import BLUISH_GREEN, ORANGE, SKY_BLUE, YELLOW
from napari_fluorospread.review_session import ReviewSession, WorklistRow

COLUMNS = ("Case", "Status", "Mine", "Others")
# A glyph and a colour for each status, in the order of the work, so that neither is the only cue.
STATUS_MARKS = {
    CaseStatus.NEW: ("○", "#9a9a9a"),
    CaseStatus.READING: ("◔", YELLOW),
    CaseStatus.BLIND_READ: ("◑", YELLOW),
    CaseStatus.OPEN: ("◕", SKY_BLUE),
    CaseStatus.SIGNED: ("●", BLUISH_GREEN),
    CaseStatus.ADJUDICATE: ("▲", ORANGE),
    CaseStatus.ADJUDICATED: ("■", BLUISH_GREEN),
}
_ORDER = list(STATUS_MARKS)
_SORT_ROLE = int(Qt.ItemDataRole.UserRole)


class WorklistModel(QAbstractTableModel):
    """Rows of a session's work list, in the reader's order; a row is asked for only when it is looked at."""

    def __init__(self, session: ReviewSession) -> None:
        super().__init__()
        self._session = session
        self._rows: list[WorklistRow | None] = [None] * len(session.order)
        self._numbers = {case_id: number for number, case_id in enumerate(session.order)}

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return COLUMNS[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row, column = self.row(index.row()), index.column()
        mark, colour = STATUS_MARKS[row.status]
        cells = (row.case_id, f"{mark} {row.status.value}", row.problem or row.mine, row.others)
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return cells[column]
        if role == _SORT_ROLE:
            return _ORDER.index(row.status) if column == 1 else cells[column]
        if role == Qt.ItemDataRole.ForegroundRole:
            return QColor(ORANGE) if row.problem and column == 2 else QColor(colour) if column == 1 else None
        if role == Qt.ItemDataRole.FontRole and self.is_open(row.case_id):
            font = QFont()
            font.setBold(True)
            return font
        return None

    def is_open(self, case_id: str) -> bool:
        """Whether that case is the one on the screen."""
        return self._session.opened is not None and self._session.opened.case.case_id == case_id

    def row(self, number: int) -> WorklistRow:
        row = self._rows[number]
        if row is None:
            row = self._rows[number] = self._session.row(self._session.order[number])
        return row

    def number_of(self, case_id: str) -> int:
        return self._numbers[case_id]

    def refresh_all(self) -> None:
        """Look at every case anew."""
        self.beginResetModel()
        self._rows = [None] * len(self._session.order)
        self.endResetModel()

    def refresh(self, case_id: str) -> None:
        """Look at one case anew."""
        number = self._numbers[case_id]
        self._rows[number] = None
        self.dataChanged.emit(self.index(number, 0), self.index(number, len(COLUMNS) - 1))


class WorklistFilter(QSortFilterProxyModel):
    """Shows the rows of one status (of all, where none is chosen) that hold a text in any column."""

    def __init__(self) -> None:
        super().__init__()
        self._status: CaseStatus | None = None
        self._text = ""
        self.setSortRole(_SORT_ROLE)

    def show_status(self, status: CaseStatus | None) -> None:
        self._status = status
        self.invalidate()

    def show_text(self, text: str) -> None:
        self._text = text.casefold()
        self.invalidate()

    def filterAcceptsRow(self, number: int, _parent: QModelIndex) -> bool:  # noqa: N802 - Qt's name
        row = self.sourceModel().row(number)
        if self._status is not None and row.status is not self._status:
            return False
        cells = (row.case_id, row.status.value, row.problem or row.mine, row.others)
        return not self._text or any(self._text in cell.casefold() for cell in cells)
