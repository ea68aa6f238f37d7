"""A radiologist at the keyboard: work list, blind reading, reveal, signature, next case, all by key presses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import built_cases
import numpy as np
import pytest
from napari.utils.interactions import mouse_press_callbacks
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMenu, QWidget

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.review import CaseStatus, EventKind
from fluorospread.pipeline.review_cohort import find_case_files, review_cohort
from fluorospread.store.review_store import ReviewStore
from fluorospread.store.verify_log import verify_log
from napari_fluorospread.layers import tag_of
from napari_fluorospread.worklist_widget import WorklistWidget

pytestmark = pytest.mark.viewer

KEYS = {
    "B": Qt.Key.Key_B,
    "F": Qt.Key.Key_F,
    "S": Qt.Key.Key_S,
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


@pytest.fixture
def shown_room(make_napari_viewer_proxy: Callable, tmp_path: Path) -> Iterator[WorklistWidget]:
    """A room on the screen, as the mouse and the canvas need it."""
    for number in (1, 2):
        built_cases.write_case(tmp_path / "cases", f"P1-0{number}")
    viewer = make_napari_viewer_proxy(show=True)
    widget = WorklistWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Work list")
    widget.start("Dr. A", tmp_path / "cases", keys=tmp_path / "keys")
    # Until the docks have taken their places and the image fills the canvas between them.
    QTest.qWait(800)
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
    assert room.progress.format() == "Dr. Āda: 1 of 2 done"

    # Keys that look and do not answer.
    press(room, "W")
    assert room.review.message.text() == "window: contrast"
    press(room, "X", "F1")
    assert room.review.help_is_shown
    press(room, "F1")
    assert not room.review.help_is_shown
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


def test_five_cases_are_read_by_two_readers_with_the_keyboard_alone_and_agreement_comes_out(
    make_napari_viewer_proxy: Callable, tmp_path: Path
) -> None:
    """As in the source study: contrast in one of five cases. The second reader sees one puncture otherwise."""
    cases = tmp_path / "cases"
    for number in range(1, 6):
        built_cases.write_case(cases, f"P1-0{number}", contrast_given=number == 1)
    viewer = make_napari_viewer_proxy()
    room = WorklistWidget(viewer)
    viewer.window.add_dock_widget(room, name="Work list")
    orders = []
    for reader in ("Dr. A", "Dr. B"):
        room.start(reader, cases, keys=tmp_path / "keys")
        assert room.session is not None
        assert room.review is not None
        orders.append(room.session.order)
        for case_id in room.session.order:
            assert room.review.title.text() == case_id
            assert room.review.stage.text().startswith("Blind reading")
            left = ["4", "N", "3"] if (reader, case_id) == ("Dr. B", "P1-03") else ["5", "Y", "3"]
            contrast = ["Y", "N", "Y", "Y", "N"] if case_id == "P1-01" else []
            press(room, *left, "5", "Y", "3", *contrast, "1", "Return")
            assert room.review.stage.text().startswith("With the finding")
            # The software found no tip on the right, so a signature asks for a reason.
            press(room, "C")
            QTest.keyClicks(room.review.comment, "tip seen")
            QTest.keyClick(room.review.comment, Qt.Key.Key_Escape)
            press(room, "Return")
            assert room.session.progress(case_id).read_only
        assert room.session.done_count() == (5 if reader == "Dr. A" else 4)
        room.stop()
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])

    with ReviewStore(str(cases / "reviews.sqlite")) as store:
        found = review_cohort(find_case_files(cases), store)
        assert verify_log(store).untouched
    assert all(reader.blinded and reader.seconds > 0 for case in found.cases.values() for reader in case.readers)
    assert found.cases["P1-03"].decision is None
    assert found.cases["P1-01"].verdict is not None
    blind = next(pair for pair in found.agreement if pair.kind is EventKind.FIRST_READ)
    numbers = {item.question: item.agreement for item in blind.questions}
    # Four of five answers are the same; "yes" was the only answer of one reader, so kappa is 0.
    assert numbers["at target L5, left"].agreement.value == pytest.approx(0.8)
    assert numbers["at target L5, left"].kappa.value == pytest.approx(0.0)
    assert numbers["at target L5, right"].agreement.value == 1.0
    assert numbers["L4 covered, left"].n == 1


def canvas_of(room: WorklistWidget) -> tuple[QWidget, Callable[[float, float], QPoint]]:
    """The canvas, and where a point (row, col) in mm of the scene lies on it."""
    canvas = next(w for w in room.window().findChildren(QWidget) if type(w).__name__ == "CanvasBackendDesktop")
    camera = room._viewer.scene.camera

    def at(row: float, col: float) -> QPoint:
        middle = canvas.rect().center()
        down, right = (
            camera.zoom * (value - centre) for value, centre in zip((row, col), camera.center[-2:], strict=True)
        )
        # napari counts in device pixels, Qt in its own.
        ratio = canvas.devicePixelRatioF()
        return QPoint(round(middle.x() + right / ratio), round(middle.y() + down / ratio))

    return canvas, at


def drag(room: WorklistWidget, start: tuple[float, float], end: tuple[float, float]) -> None:
    canvas, at = canvas_of(room)
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at(*start))
    for share in (0.3, 0.7, 1.0):
        there = at(*(a + share * (b - a) for a, b in zip(start, end, strict=True)))
        # QTest's own moves carry no pressed button, and a drag is a move with one.
        place = QPointF(there)
        QApplication.sendEvent(
            canvas,
            QMouseEvent(
                QEvent.Type.MouseMove,
                place,
                canvas.mapToGlobal(place),
                Qt.MouseButton.NoButton,
                Qt.MouseButton.LeftButton,
                Qt.KeyboardModifier.NoModifier,
            ),
        )
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at(*end))


def test_findings_are_corrected_by_the_mouse_concluded_anew_undone_and_kept(shown_room: WorklistWidget) -> None:
    room = shown_room
    assert room.session is not None
    assert room.review is not None
    review, editor = room.review, room.review.editor
    press(room, *ANSWERS, "Return")
    first = review.title.text()
    center = tuple(room._viewer.scene.camera.center)

    # The left L4 junction, at row 100.5 and column 126 of 0.8 mm, is dragged 40 px away from the contrast.
    start = (100.5 * 0.8, 126.0 * 0.8)
    drag(room, start, (start[0], start[1] + 32.0))
    assert editor.edited is not None
    moved = editor.edited.case.images[0].junctions[1]
    assert moved.assigned_by == "person"
    assert moved.point_px == pytest.approx((100.5, 166.0), abs=1.0)
    assert editor.edited.case.overrides[-1].name == "post: junctions: L4 left"
    # The drag moved the finding, not the picture.
    assert tuple(room._viewer.scene.camera.center) == pytest.approx(center)
    assert review.table.horizontalHeaderItem(3).text() == "Corrected"
    covered = next(c for c in editor.edited.case.coverage if (c.level, c.side) == (Level.L4, Side.LEFT))
    assert covered.gap_mm == pytest.approx((166.0 - 139.5) * 0.8, abs=1.0)

    QTest.keyClick(review, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert editor.edited is None
    np.testing.assert_allclose(room._viewer.layers["post: junctions"].data[1], (100.5, 126.0))
    QTest.keyClick(review, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert editor.edited is not None

    # All levels one up: the junction that was L4's is L3's now.
    QTest.keyClick(review, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    assert [v.level for v in editor.edited.case.images[0].levels.vertebrae] == [Level.L2, Level.L3, Level.L4, Level.L5]
    assert [p.level for p in editor.edited.case.punctures] == [Level.L4]

    # Paint: a stroke above the contrast, then the brush is put away.
    before = int((room._viewer.layers["post: contrast"].data > 0).sum())
    press(room, "B")
    drag(room, (30.0, 100.0), (40.0, 100.0))
    press(room, "B")
    assert editor.edited.case.overrides[-1].name == "contrast"
    assert int((room._viewer.layers["post: contrast"].data > 0).sum()) > before
    assert sum(pool.area_px for pool in editor.edited.case.contrast.pools) == np.sum(editor.edited.mask)

    review.comment.setPlainText("corrected by hand")
    press(room, "Return")
    assert room.session.progress(first).status is CaseStatus.SIGNED
    signed = room.session._events[first][-1].event
    assert signed.why.startswith("findings corrected: corrected/1/case.json, SHA-256 ")


def test_a_click_on_a_vertebra_asks_for_its_name_and_all_others_follow(shown_room: WorklistWidget) -> None:
    room = shown_room
    assert room.review is not None
    press(room, *ANSWERS, "Return")
    canvas, at = canvas_of(room)
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at(150.0 * 0.8, 101.5 * 0.8))
    menu = next(menu for menu in room.review.findChildren(QMenu) if menu.isVisible())
    next(action for action in menu.actions() if action.text() == "L4").trigger()
    menu.close()
    assert room.review.editor.edited is not None
    levels = room.review.editor.edited.case.images[0].levels
    assert levels is not None
    assert [v.level for v in levels.vertebrae] == [Level.L2, Level.L3, Level.L4, Level.L5]


def test_a_folder_of_cases_opens_the_work_list(make_napari_viewer_proxy: Callable, tmp_path: Path) -> None:
    built_cases.write_case(tmp_path, "P1-01")
    viewer = make_napari_viewer_proxy()
    viewer.open(str(tmp_path), plugin="napari-fluorospread")
    assert list(viewer.layers) == []
    (work_list,) = [widget for widget in QApplication.allWidgets() if isinstance(widget, WorklistWidget)]
    assert work_list.folder.text() == str(tmp_path)


def test_no_frame_shows_a_finding_before_its_case_is_revealed(shown_room: WorklistWidget) -> None:
    """What is drawn is looked at frame by frame, from one revealed case over signing it into the next, blind one."""
    room = shown_room
    assert room.session is not None
    assert room.review is not None
    canvas = room._viewer.__wrapped__.window._qt_viewer.canvas
    frames: list[tuple[str, list[str], int]] = []

    def look(_event: object) -> None:
        """The case that its reader has open, the kinds of findings that can be seen, and what is drawn of them."""
        assert room.session is not None
        assert room.session.opened is not None
        revealed = room.session.may_see_finding()
        seen = [tag for layer, tag in room.review.display._layers.in_use() if layer.visible and tag.case is not None]
        drawn = 0
        for layer, visual in canvas.layer_to_visual.items():
            tag = tag_of({"metadata": layer.metadata})
            if visual.node.visible and (tag is None or tag.case is not None):
                drawn += int(np.asarray(layer.data).any())
        owner = {tag.case.case_id for tag in seen if tag.case is not None}
        assert owner <= {room.session.opened.case.case_id}
        frames.append(("revealed" if revealed else "blind", [tag.kind for tag in seen], drawn))

    canvas._scene_canvas.events.draw.connect(look)
    try:
        for _ in range(2):
            canvas._scene_canvas.update()
            QTest.qWait(400)
            press(room, *ANSWERS, "Return")
            room.review.comment.setPlainText("tip seen")
            QTest.qWait(200)
            press(room, "Return")
            QTest.qWait(200)
    finally:
        canvas._scene_canvas.events.draw.disconnect(look)
    assert room.session.done_count() == 2
    blind = [frame for frame in frames if frame[0] == "blind"]
    revealed = [frame for frame in frames if frame[0] == "revealed"]
    assert len(blind) >= 2
    assert all(kinds == [] and drawn == 0 for _, kinds, drawn in blind)
    assert any(len(kinds) == 4 and drawn == 4 for _, kinds, drawn in revealed)
