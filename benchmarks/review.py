"""The review: start to first image, next case, a drag concluded anew, a long work list, a long log verified."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from harness.process import fluorospread, run_process
from harness.result import Result, Row, arguments, write

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ("P1-01", "P1-02", "P1-03", "P1-04", "P1-05")
LONG_LIST, EVENTS = 1000, 10_000

# Run with the cases' folder; prints "name seconds processor-seconds" lines. A process of its own, as napari is
# started once. A time ends when the canvas has drawn what was asked for and nothing waits to be drawn.
VIEWER = """
import sys, tempfile, time
from pathlib import Path
started = time.perf_counter(), time.process_time()
import napari
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

drawn = 0

def on_draw(_event):
    global drawn
    drawn += 1

def settle():
    for _ in range(3):
        QApplication.processEvents()

def said(name, since):
    print(name, time.perf_counter() - since[0], time.process_time() - since[1], flush=True)

def timed(name, do):
    before, since = drawn, (time.perf_counter(), time.process_time())
    do()
    while drawn == before:
        QApplication.processEvents()
        if time.perf_counter() - since[0] > 120:
            raise SystemExit(f"{name}: nothing was drawn; {review.message.text()}")
    settle()
    said(name, since)

def rest():
    # What the program does while a reader answers, as it is done by then.
    while review.looks_ahead:
        QApplication.processEvents()
        time.sleep(0.01)
    review.session.subtraction()
    settle()

def redraw(name):
    for _ in range(4):
        timed(name, scene.update)

viewer = napari.Viewer()
settle()
said("napari", started)
since = time.perf_counter(), time.process_time()
from napari_fluorospread.draft_reading import QuestionKind as Asked
from napari_fluorospread.worklist_widget import WorklistWidget
ANSWERS = {
    Asked.LEVEL: "5", Asked.AT_TARGET: "yes", Asked.CONFIDENCE: "3",
    Asked.COVERED: "yes", Asked.FLOW: "no", Asked.QUALITY: "1",
}
keys = Path(tempfile.mkdtemp())
room = WorklistWidget(viewer)
viewer.window.add_dock_widget(room, name="Work list", area="left")
room.start("A", Path(sys.argv[1]), str(keys / "reviews.sqlite"), keys=keys)
settle()
said("first", since)
scene = viewer.window._qt_viewer.canvas._scene_canvas
scene.events.draw.connect(on_draw)
review = room.review
rest()
redraw("redraw-blind")
for case_id in room.session.order[1:5]:
    timed("next", lambda: review.open_case(case_id))
    rest()
if len(sys.argv) > 2:
    review.session.read_only = True
    for text in ("C-0", "", "C-01", ""):
        since = time.perf_counter(), time.process_time()
        room.filter.setText(text)
        settle()
        said("filter", since)
    for column in (1, 0):
        since = time.perf_counter(), time.process_time()
        room.table.sortByColumn(column, Qt.SortOrder.AscendingOrder)
        settle()
        said("sort", since)
else:
    for _ in range(3):
        for _question in review.draft.questions:
            review.take_key(ANSWERS[review.draft.question.kind])
        timed("reveal", review.confirm)
        review.session.reopened()
        review.comment.setPlainText("as measured")
        timed("signed", review.confirm)
        rest()
    from fluorospread.pipeline.edit_case import FindingKind, FindingPlace
    from napari_fluorospread.finding_editor import EditedCase
    review.session.open("P1-01")
    opened = review.session.opened
    review.display.show(opened, True)
    review.session.reopened()
    review.editor.begin(EditedCase(opened.case, opened.contrast_mask), review.session.protocol, review.session.reopened)
    settle()
    redraw("redraw-findings")
    for number in range(8):
        kind = FindingKind.JUNCTION if number % 2 else FindingKind.NEEDLE
        points = opened.case.images[0].junctions[3].point_px if number % 2 else opened.case.images[0].needles[0].tip_px
        place = FindingPlace(0, kind, 3 if number % 2 else 0)
        timed("drag", lambda: review.editor.move(place, (points[0] + number, points[1] - number)))
    layer = review.display.contrast_layer()
    review.editor.paint(erase=False)
    for number in range(4):
        settle()
        layer.data[500 + 10 * number : 510 + 10 * number, 380:420] = 1
        timed("paint", lambda: review.editor._on_painted(None))
room.stop()
viewer.close()
"""
BLIND, FINDINGS = "an empty redraw of the canvas, blind case", "an empty redraw of the canvas, with findings"


def main() -> None:
    options = arguments(__doc__ or "")
    with tempfile.TemporaryDirectory() as folder:
        cases, many = Path(folder) / "cases", Path(folder) / "many"
        run_process(
            fluorospread("verify", *(ROOT / "sample_dicom" / name for name in SAMPLES), "--out", cases), (0, 4, 5)
        )
        repeat(cases / "P1-02", many, LONG_LIST)
        runs = [viewer(cases) for _ in range(1 if options.quick else 3)]
        long_list = viewer(many, "long")
        log = verified_log(Path(folder), 3 if options.quick else 7)

    def wall(name: str, what: str, against: str | None = None, at_most: float | None = None) -> Row:
        return Row(what, "s", tuple(seconds for run in runs for seconds, _ in run[name]), against, at_most)

    def processor(name: str, what: str) -> Row:
        return Row(f"{what}: processor time", "s", tuple(seconds for run in runs for _, seconds in run[name]))

    def listed(name: str, what: str, at_most: float | None = None) -> Row:
        return Row(what, "s", tuple(seconds for seconds, _ in long_list[name]), at_most=at_most)

    rows = (
        wall("napari", "napari's own start"),
        wall("first", "work list and first image", at_most=5.0),
        wall("redraw-blind", BLIND),
        wall("redraw-findings", FINDINGS),
        wall("next", "next case", BLIND, 0.3),
        processor("next", "next case"),
        wall("reveal", "first reading locked, finding shown", FINDINGS),
        wall("signed", "signed, next case shown", BLIND),
        processor("signed", "signed, next case shown"),
        wall("drag", "junction or tip dragged, 1024 x 1024", FINDINGS, 0.2),
        processor("drag", "junction or tip dragged"),
        wall("paint", "contrast painted, 1024 x 1024", FINDINGS, 0.2),
        processor("paint", "contrast painted"),
        listed("first", f"work list of {LONG_LIST:,} cases and first image"),
        listed("next", f"next case of {LONG_LIST:,}", 0.3),
        listed("filter", f"filter {LONG_LIST:,} cases"),
        listed("sort", f"sort {LONG_LIST:,} cases"),
        Row(f"log of {EVENTS:,} events verified", "s", log, at_most=1.0),
    )
    about = (
        "The sample cases of protocol 1, verified, in napari under Xvfb. Times end when the canvas has drawn. A "
        "next case was read ahead, as it is while a reader answers; what is dragged or painted is concluded anew. "
        "An empty redraw, nothing changed, is what drawing one frame in software takes by itself: the floor of all "
        "others. Processor time is that of all threads, which other work on the machine changes little."
    )
    write(Result("review", "Review", about, rows), options.out)


def repeat(case: Path, folder: Path, count: int) -> None:
    """`count` cases that differ in their name only; their image is linked, not copied."""
    text = (case / "case.json").read_text(encoding="utf-8")
    image = ROOT / "sample_dicom" / case.name / "needle.dcm"
    for number in range(count):
        name = f"C-{number:04d}"
        (folder / name).mkdir(parents=True)
        (folder / name / "case.json").write_text(text.replace(f'"{case.name}"', f'"{name}"', 1), encoding="utf-8")
        (folder / name / "needle.dcm").symlink_to(image)


def viewer(cases: Path, *more: str) -> dict[str, list[tuple[float, float]]]:
    """What the viewer's process measured, (wall, processor) seconds, under a display of its own where there is none."""
    command = [sys.executable, "-c", VIEWER, str(cases), *more]
    if not os.environ.get("DISPLAY"):
        xvfb = shutil.which("xvfb-run")
        if xvfb is None:
            raise SystemExit("the review needs a display, or Debian's xvfb")
        command = [xvfb, "-a", "-s", "-screen 0 1600x1200x24", *command]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, list[tuple[float, float]]] = {}
    for name, wall, processor in (line.split() for line in done.stdout.splitlines()):
        found.setdefault(name, []).append((float(wall), float(processor)))
    return found


def verified_log(folder: Path, repeats: int) -> tuple[float, ...]:
    """Seconds to verify a log of two readers, ten events a case."""
    from fluorospread.model.anatomy import Level, Side
    from fluorospread.model.review import (
        Confidence,
        EventKind,
        ImageQuality,
        PunctureReading,
        Reading,
        ReviewEvent,
        ReviewSubject,
    )
    from fluorospread.model.spread import Answer
    from fluorospread.store.reader_key import open_reader_key
    from fluorospread.store.review_store import ReviewStore
    from fluorospread.store.verify_log import verify_log

    steps = (EventKind.OPENED, EventKind.FIRST_READ, EventKind.REVEALED, EventKind.REVISED, EventKind.SIGNED)
    both = tuple(PunctureReading(s, Level.L5, Level.L5, Answer.YES, Confidence.HIGH) for s in (Side.LEFT, Side.RIGHT))
    reading = Reading(both, (), None, ImageQuality.GOOD, "as the software")
    readers = [open_reader_key(name, folder / "keys") for name in ("A", "B")]
    with ReviewStore(str(folder / "log.sqlite")) as store:
        for number in range(EVENTS // (len(steps) * len(readers))):
            subject = ReviewSubject(f"C-{number:04d}", "fluorospread", "a" * 64, "a" * 64, "b" * 64)
            for key in readers:
                for step in steps:
                    answers = reading if step.carries_reading else None
                    store.append(ReviewEvent(subject, step, key.reader, datetime.now(UTC), answers), key)
        seconds = []
        for _ in range(repeats):
            start = perf_counter()
            report = verify_log(store)
            seconds.append(perf_counter() - start)
            if not report.untouched or report.events != EVENTS:
                raise SystemExit(f"the log was not verified: {report.problems[:1]}")
    return tuple(seconds)


if __name__ == "__main__":
    main()
