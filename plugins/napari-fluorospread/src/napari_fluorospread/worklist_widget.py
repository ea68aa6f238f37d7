"""The work list dock: who reads which folder, what is done and what waits, and the next case by one key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_config_path
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from fluorospread.errors import FluorospreadError
from fluorospread.store.reader_key import open_reader_key
from fluorospread.store.review_store import ReviewStore
from napari_fluorospread.review_session import ReviewSession, WorklistRow, find_case_files
from napari_fluorospread.review_widget import ReviewWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer

STORE_FILE = "reviews.sqlite"
# Wide enough for both sides' answers in short, which are not there yet when columns are fitted.
_MINE_WIDTH = 150
COLUMNS = ("Case", "Status", "Mine", "Others")


class WorklistModel(QAbstractTableModel):
    """Rows of a session's work list, in the reader's order; a row is asked for only when it is looked at."""

    def __init__(self, session: ReviewSession) -> None:
        super().__init__()
        self._session = session
        self._rows: list[WorklistRow | None] = [None] * len(session.order)

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return COLUMNS[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role != Qt.ItemDataRole.DisplayRole or not index.isValid():
            return None
        row = self.row(index.row())
        return (row.case_id, row.status.value, row.problem or row.mine, row.others)[index.column()]

    def row(self, number: int) -> WorklistRow:
        row = self._rows[number]
        if row is None:
            row = self._rows[number] = self._session.row(self._session.order[number])
        return row

    def refresh_all(self) -> None:
        """Look at every case anew."""
        self.beginResetModel()
        self._rows = [None] * len(self._session.order)
        self.endResetModel()

    def refresh(self, case_id: str) -> None:
        """Look at one case anew."""
        number = self._session.order.index(case_id)
        self._rows[number] = None
        self.dataChanged.emit(self.index(number, 0), self.index(number, len(COLUMNS) - 1))


class WorklistWidget(QWidget):
    """Asks for reader, cases and store; then shows the work list and opens the review dock."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.session: ReviewSession | None = None
        self.review: ReviewWidget | None = None
        self._review_dock: Any = None
        self._model: WorklistModel | None = None
        self._lay_out()

    def _lay_out(self) -> None:
        self.reader, self.folder, self.store = QLineEdit(), QLineEdit(), QLineEdit()
        self.reader.setPlaceholderText("your name, the same every time")
        self.store.setPlaceholderText(f"{STORE_FILE} in that folder, or postgresql://…")
        browse, self.start_button = QPushButton("Browse…"), QPushButton("Start reading")
        browse.clicked.connect(self._browse)
        self.start_button.clicked.connect(self._start_clicked)
        cases = QHBoxLayout()
        cases.addWidget(self.folder)
        cases.addWidget(browse)
        self.form = QWidget()
        form = QFormLayout(self.form)
        form.addRow("Reader", self.reader)
        form.addRow("Cases", cases)
        form.addRow("Store", self.store)
        form.addRow(self.start_button)
        self.message, self.progress = QLabel(), QLabel()
        self.running = QWidget()
        self.refresh_button, self.stop_button = QPushButton("Refresh"), QPushButton("Stop reading")
        self.refresh_button.setToolTip("Take in what other workstations recorded")
        self.refresh_button.clicked.connect(self._refresh_all)
        self.stop_button.clicked.connect(self.stop)
        running = QHBoxLayout(self.running)
        running.addWidget(self.refresh_button)
        running.addWidget(self.stop_button)
        self.running.setVisible(False)
        self.message.setWordWrap(True)
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter, e.g. new")
        self._sorted = QSortFilterProxyModel()
        self._sorted.setFilterKeyColumn(-1)
        self._sorted.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.filter.textChanged.connect(self._sorted.setFilterFixedString)
        self.table = QTableView()
        self.table.setModel(self._sorted)
        self.table.setSortingEnabled(True)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setWordWrap(False)
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.doubleClicked.connect(self._open_row)
        layout = QVBoxLayout(self)
        for widget in (self.form, self.message, self.progress, self.running, self.filter, self.table):
            layout.addWidget(widget)

    def start(self, reader: str, folder: Path, store_url: str = "", keys: Path | None = None) -> None:
        """Begin, or go on, reading the cases of `folder`; what ran before in this dock is closed.

        Parameters
        ----------
        store_url
            File or database URL; a file in `folder` when empty.
        keys
            Folder of the readers' keys; the user's configuration folder when None.

        Raises
        ------
        FluorospreadError
            The folder holds no cases, or the store or the key cannot be opened.
        """
        case_files = find_case_files(folder)
        key = open_reader_key(reader, keys or user_config_path("fluorospread") / "keys")
        session = ReviewSession(case_files, ReviewStore(store_url or str(folder / STORE_FILE)), key)
        self.stop()
        self.session = session
        self._model = WorklistModel(session)
        self._sorted.setSourceModel(self._model)
        # The reader's own order, until a column is clicked.
        self.table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.table.resizeColumnsToContents()
        self.table.setColumnWidth(COLUMNS.index("Mine"), _MINE_WIDTH)
        self.review = ReviewWidget(self._viewer, session)
        self.review.recorded.connect(self._refresh)
        self._review_dock = self._viewer.window.add_dock_widget(self.review, name="Review", area="right")
        self.message.setText("")
        self.form.setVisible(False)
        self.running.setVisible(True)
        self._show_progress()
        self.review.next_case()

    def stop(self) -> None:
        """Close the session. Nothing is lost by it: every step was recorded when it was taken."""
        if self.review is not None:
            self.review.stop()
            self._viewer.window.remove_dock_widget(self._review_dock)
            self.review = self._review_dock = None
        if self.session is not None:
            self.session.close()
            self.session = None
        self.form.setVisible(True)
        self.running.setVisible(False)
        self.progress.setText("")

    def closeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        self.stop()
        super().closeEvent(event)

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder with verified cases", self.folder.text())
        if chosen:
            self.folder.setText(chosen)

    def _start_clicked(self) -> None:
        if not self.folder.text().strip():
            self.message.setText("Choose the folder with the verified cases.")
            return
        try:
            self.start(self.reader.text().strip(), Path(self.folder.text().strip()), self.store.text().strip())
        except FluorospreadError as error:
            self.message.setText(str(error))

    def _open_row(self, index: QModelIndex) -> None:
        if self._model is not None and self.review is not None:
            self.review.open_case(self._model.row(self._sorted.mapToSource(index).row()).case_id)

    def _refresh(self, case_id: str) -> None:
        if self._model is not None:
            self._model.refresh(case_id)
        self._show_progress()

    def _refresh_all(self) -> None:
        if self.session is None or self._model is None:
            return
        try:
            self.session.refresh_all()
        except FluorospreadError as error:
            self.message.setText(str(error))
            return
        self._model.refresh_all()
        self._show_progress()

    def _show_progress(self) -> None:
        if self.session is not None:
            self.progress.setText(
                f"{self.session.reader}: {self.session.done_count()} of {len(self.session.order)} done"
            )
