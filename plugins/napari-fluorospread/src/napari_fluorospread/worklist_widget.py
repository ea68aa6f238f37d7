"""The work list dock: who reads which folder, what is done and what waits, and the next case by one key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_config_path
from qtpy.QtCore import QModelIndex, Qt, QTimer
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDockWidget,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMainWindow,
    QProgressBar,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from fluorospread.errors import FluorospreadError
from fluorospread.model.protocol import Protocol
from fluorospread.pipeline.review_cohort import STORE_FILE, find_case_files, store_of
from fluorospread.store.reader_key import open_reader_key
from fluorospread.store.review_store import ReviewStore
from napari_fluorospread.review_session import ReviewSession
from napari_fluorospread.review_widget import ReviewWidget
from napari_fluorospread.worklist_model import COLUMNS, STATUS_MARKS, WorklistFilter, WorklistModel

if TYPE_CHECKING:
    from napari.viewer import Viewer

# Wide enough for what is not there yet when columns are fitted: both sides' answers in short, a bold status.
_WIDTHS = {"Status": 104, "Mine": 148}
_WORKLIST_WIDTH, _REVIEW_WIDTH = 372, 390
_SETTLED_MS = 150


class WorklistWidget(QWidget):
    """Asks for reader, cases and store; then shows the work list and opens the review dock."""

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.session: ReviewSession | None = None
        self.review: ReviewWidget | None = None
        self._review_dock: Any = None
        self._model: WorklistModel | None = None
        self._on_screen = ""
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
        self.message, self.progress = QLabel(), QProgressBar()
        self.message.setWordWrap(True)
        self.running = QWidget()
        self.refresh_button, self.stop_button = QPushButton("Refresh"), QPushButton("Stop reading")
        self.refresh_button.setToolTip("Take in what other workstations recorded")
        self.refresh_button.clicked.connect(self._refresh_all)
        self.stop_button.clicked.connect(self.stop)
        self.filter, self.status_filter = QLineEdit(), QComboBox()
        self.filter.setPlaceholderText("Find")
        self.status_filter.addItem("all", None)
        for status, (mark, _) in STATUS_MARKS.items():
            self.status_filter.addItem(f"{mark} {status.value}", status)
        self._sorted = WorklistFilter()
        self.filter.textChanged.connect(self._sorted.show_text)
        self.status_filter.currentIndexChanged.connect(
            lambda _index: self._sorted.show_status(self.status_filter.currentData())
        )
        self.table = QTableView()
        self.table.setModel(self._sorted)
        self.table.setSortingEnabled(True)
        self.table.setShowGrid(False)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setWordWrap(False)
        self.table.verticalHeader().setVisible(False)
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.doubleClicked.connect(self._open_row)
        above, below = QHBoxLayout(), QHBoxLayout()
        above.addWidget(self.filter, 2)
        above.addWidget(self.status_filter, 1)
        below.addWidget(self.refresh_button)
        below.addWidget(self.stop_button)
        running = QVBoxLayout(self.running)
        running.setContentsMargins(0, 0, 0, 0)
        running.addWidget(self.progress)
        running.addLayout(above)
        running.addWidget(self.table)
        running.addLayout(below)
        self.running.setVisible(False)
        layout = QVBoxLayout(self)
        for widget in (self.form, self.message, self.running):
            layout.addWidget(widget)
        layout.addStretch()
        layout.setStretchFactor(self.running, 1)

    def start(
        self,
        reader: str,
        folder: Path,
        store_url: str = "",
        keys: Path | None = None,
        read_only: bool = False,
        protocol: Protocol | None = None,
    ) -> None:
        """Begin, or go on, reading the cases of `folder`; what ran before in this dock is closed.

        Parameters
        ----------
        store_url
            File or database URL; a file in `folder` when empty.
        keys
            Folder of the readers' keys; the user's configuration folder when None.
        read_only
            Look and record nothing.
        protocol
            For cases whose protocol is not a built-in one.

        Raises
        ------
        FluorospreadError
            The folder holds no cases, or the store or the key cannot be opened.
        """
        case_files = find_case_files(folder)
        key = open_reader_key(reader, keys or user_config_path("fluorospread") / "keys")
        store = ReviewStore(store_of(folder, store_url))
        try:
            session = ReviewSession(case_files, store, key, protocol=protocol, read_only=read_only)
        except FluorospreadError:
            store.close()
            raise
        self.stop()
        self.session = session
        self._model = WorklistModel(session)
        self._sorted.setSourceModel(self._model)
        # The reader's own order, until a column is clicked.
        self.table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.table.resizeColumnsToContents()
        for name, width in _WIDTHS.items():
            self.table.setColumnWidth(COLUMNS.index(name), width)
        self.review = ReviewWidget(self._viewer, session)
        self.review.recorded.connect(self._refresh)
        self._review_dock = self._viewer.window.add_dock_widget(self.review, name="Review", area="right")
        self._say("")
        self.form.setVisible(False)
        self.running.setVisible(True)
        self._furnish()
        self._show_progress()
        self.review.resume()

    def _furnish(self) -> None:
        """The work list to the left, the review to the right, napari's own panels away, the image between."""
        window = self.window()
        if self.review is None or not isinstance(window, QMainWindow):
            return
        self.review.toggle_panels()
        docks = [_dock_of(widget, window) for widget in (self, self.review)]
        if docks[0] is not None and docks[1] is not None:
            window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, docks[0])
            window.resizeDocks(docks, [_WORKLIST_WIDTH, _REVIEW_WIDTH], Qt.Orientation.Horizontal)
        # Docks take their places when the event loop comes round; only then is the canvas as large as it stays.
        QTimer.singleShot(_SETTLED_MS, self, self._fit)

    def _fit(self) -> None:
        if self.review is not None:
            self.review.display.fit()

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

    def choose_folder(self, folder: Path) -> None:
        """Fill in the folder of cases, as when one was dropped onto napari."""
        self.folder.setText(str(folder))
        self._say("Give your name, then start reading.")

    def closeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        self.stop()
        super().closeEvent(event)

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder with verified cases", self.folder.text())
        if chosen:
            self.folder.setText(chosen)

    def _start_clicked(self) -> None:
        if not self.folder.text().strip():
            self._say("Choose the folder with the verified cases.")
            return
        try:
            self.start(self.reader.text().strip(), Path(self.folder.text().strip()), self.store.text().strip())
        except FluorospreadError as error:
            self._say(str(error))

    def _open_row(self, index: QModelIndex) -> None:
        if self._model is not None and self.review is not None:
            self.review.open_case(self._model.row(self._sorted.mapToSource(index).row()).case_id)

    def _refresh(self, case_id: str) -> None:
        if self._model is not None:
            former, self._on_screen = self._on_screen, case_id
            for changed in {former, case_id} - {""}:
                self._model.refresh(changed)
            row = self._sorted.mapFromSource(self._model.index(self._model.number_of(case_id), 0))
            if row.isValid():
                self.table.selectRow(row.row())
                self.table.scrollTo(row)
        self._show_progress()

    def _refresh_all(self) -> None:
        if self.session is None or self._model is None:
            return
        try:
            self.session.refresh_all()
        except FluorospreadError as error:
            self._say(str(error))
            return
        self._model.refresh_all()
        self._show_progress()

    def _say(self, text: str) -> None:
        self.message.setText(text)
        self.message.setVisible(bool(text))

    def _show_progress(self) -> None:
        if self.session is not None:
            total = len(self.session.order)
            done = self.session.done_count()
            self.progress.setMaximum(total)
            self.progress.setValue(done)
            reading = " (read only)" if self.session.read_only else ""
            self.progress.setFormat(f"{self.session.reader}{reading}: {done} of {total} done")


def _dock_of(widget: QWidget, window: QMainWindow) -> QDockWidget | None:
    return next((dock for dock in window.findChildren(QDockWidget) if dock.isAncestorOf(widget)), None)
