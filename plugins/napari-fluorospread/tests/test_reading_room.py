"""A radiologist at the keyboard: work list, blind reading, reveal, signature, next case, all by key presses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import built_cases
import pytest
from napari.utils.interactions import mouse_press_callbacks
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from fluorospread.model.review import CaseStatus, EventKind
from fluorospread.store.review_store import ReviewStore
from fluorospread.store.verify_log import verify_log
from napari_fluorospread.layers import tag_of
from napari_fluorospread.worklist_widget import WorklistWidget

pytestmark = pytest.mark.viewer

KEYS = {
    "Y": Qt.Key.Key_Y,
    "N": Qt.Key.Key_N,
    "T": Qt.Key.Key_T,
    "H": Qt.Key.Key_H,
    "W": Qt.Key.Key_W,
    "X": Qt.Key.Key_X,
    "C": Qt.Key.Key_C,
    "M": Qt.Key.Key_M,
    "1": Qt.Key.Key_1,
    "3": Qt.Key.Key_3,
    "4": Qt.Key.Key_4,
    "5": Qt.Key.Key_5,
    "Enter": Qt.Key.Key_Enter,
    "Return": Qt.Key.Key_Return,
    "Esc": Qt.Key.Key_Escape,
    "Up": Qt.Key.Key_Up,
    "F1": Qt.Key.Key_F1,
}
# Level, target and confidence of each side, four junctions, flow, quality. The software found the left
# puncture at target, none on the right, and the right L4 junction not covered.
ANSWERS = ["5", "Y", "3", "5", "Y", "3", "Y", "N", "Y", "Y", "N", "1"]


@pytest.fixture
def room(make_napari_viewer_proxy: Callable, tmp_path: Path) -> Iterator[WorklistWidget]:
    for number in (1, 2):
        built_cases.write_case(tmp_path / "cases", f"P1-0{number}")
    viewer = make_napari_viewer_proxy()
    widget = WorklistWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Work list")
    widget.start("Dr. Āda", tmp_path / "cases", keys=tmp_path / "keys")
    yield widget
    widget.stop()


def press(room: WorklistWidget, *names: str) -> None:
    for name in names:
        QTest.keyClick(room.review, KEYS[name])


def click(room: WorklistWidget, row_mm: float, col_mm: float) -> None:
    mouse_press_callbacks(room._viewer, SimpleNamespace(position=(row_mm, col_mm), type="mouse_press", modifiers=()))


def finding_layers(room: WorklistWidget) -> list[str]:
    tagged = [(layer, tag_of({"metadata": layer.metadata})) for layer in room._viewer.layers]
    return [layer.name for layer, tag in tagged if tag is not None and tag.case is not None]


def test_two_cases_are_read_blind_revealed_and_signed_with_the_keyboard_alone(
    room: WorklistWidget, tmp_path: Path
) -> None:
    assert room.session is not None
    assert room.review is not None
    first, second = room.session.order
    assert room.review.title.text() == first
    assert finding_layers(room) == []
    assert room.review.table.columnCount() == 2

    # A key that is no answer to the question changes nothing; an early confirmation says what is missing.
    press(room, "Y", "Return")
    assert "not answered yet" in room.review.message.text()
    assert room.session.progress(first).status is CaseStatus.READING

    # A click outside the image is waited over; one inside marks the level, in stored pixels.
    others = list(room._viewer.mouse_drag_callbacks)
    press(room, "M")
    click(room, -50.0, 10.0)
    click(room, 146.5 * 0.8, 128.0 * 0.8)
    assert room.review.message.text() == "Marked."
    assert list(room._viewer.mouse_drag_callbacks) == others

    press(room, *ANSWERS, "Enter")
    assert room.session.progress(first).status is CaseStatus.OPEN
    locked = room.session.progress(first).first
    assert locked is not None
    assert locked.punctures[0].marked_px == pytest.approx((146.5, 128.0))
    assert finding_layers(room) == ["post: contrast", "post: levels", "post: junctions", "post: needle tips"]
    assert room.review.table.horizontalHeaderItem(2).text() == "Software"
    assert room.review.table.item(0, 2).text() == "L5"

    # The reading says more than the software found, so a signature needs a reason.
    press(room, "Return")
    assert "a comment is needed" in room.review.message.text()
    press(room, "C")
    QTest.keyClicks(room.review.comment, "Right tip seen at L5. Yes, certain.")
    QTest.keyClick(room.review.comment, Qt.Key.Key_Escape)
    press(room, "Return")
    assert room.session.progress(first).status is CaseStatus.SIGNED
    assert room.review.title.text() == second
    assert finding_layers(room) == []
    assert room.progress.text() == "Dr. Āda: 1 of 2 done"

    # Keys that look and do not answer.
    press(room, "W")
    assert room.review.message.text() == "window: contrast"
    press(room, "X", "F1")
    assert room.review.help.isVisibleTo(room.review)
    assert room.review.draft is not None
    assert room.review.draft.answers == {}

    press(room, *ANSWERS, "Return")
    press(room, "H")
    visible = {layer.name: layer.visible for layer in room._viewer.layers}
    assert not visible["post: junctions"]
    assert visible["post"]
    room.review.comment.setPlainText("as in the other case")
    press(room, "Return")
    assert room.review.message.text() == "Every case on the list is done, or cannot be opened."

    with ReviewStore(str(tmp_path / "cases" / "reviews.sqlite")) as store:
        assert verify_log(store).untouched
        for case_id in (first, second):
            assert [logged.event.kind for logged in store.events(case_id)] == [
                EventKind.OPENED,
                EventKind.FIRST_READ,
                EventKind.REVEALED,
                EventKind.SIGNED,
            ]

    # A signed case opens again for reading only.
    room.review.open_case(first)
    press(room, "4", "Y")
    assert room.session.progress(first).read_only
    assert room.review.stage.text() == "Signed: read only"
    assert room.review.table.item(0, 1).text() == "L5"
    assert room._model is not None
    room.refresh_button.click()
    assert [room._model.row(n).status for n in (0, 1)] == [CaseStatus.SIGNED] * 2

    room.stop_button.click()
    assert room.session is None
    assert finding_layers(room) == []
    assert room.form.isVisibleTo(room)
