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

# Run with the cases' folder; prints one "name seconds" a line. A process of its own, as napari is started once.
VIEWER = """
import sys, tempfile, time
from pathlib import Path
started = time.perf_counter()
import napari
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

def settle():
    for _ in range(3):
        QApplication.processEvents()

def said(name, since):
    print(name, time.perf_counter() - since, flush=True)

viewer = napari.Viewer()
settle()
said("napari", started)
since = time.perf_counter()
from napari_fluorospread.worklist_widget import WorklistWidget
keys = Path(tempfile.mkdtemp())
room = WorklistWidget(viewer)
viewer.window.add_dock_widget(room, name="Work list", area="left")
room.start("A", Path(sys.argv[1]), str(keys / "reviews.sqlite"), keys=keys)
settle()
said("first", since)
review = room.review
for case_id in room.session.order[1:5]:
    if review.session._loader._next is not None:
        review.session._loader._next[1].result()
    since = time.perf_counter()
    review.open_case(case_id)
    settle()
    said("next", since)
if len(sys.argv) > 2:
    review.session.read_only = True
    for text in ("C-0", "", "C-01", ""):
        since = time.perf_counter()
        room.filter.setText(text)
        settle()
        said("filter", since)
    for column in (1, 0):
        since = time.perf_counter()
        room.table.sortByColumn(column, Qt.SortOrder.AscendingOrder)
        settle()
        said("sort", since)
else:
    from fluorospread.pipeline.edit_case import FindingKind, FindingPlace
    from napari_fluorospread.finding_editor import EditedCase
    review.session.open("P1-01")
    opened = review.session.opened
    review.display.show(opened, True)
    review.session.reopened()
    review.editor.begin(EditedCase(opened.case, opened.contrast_mask), review.session.protocol, review.session.reopened)
    for number in range(8):
        kind = FindingKind.JUNCTION if number % 2 else FindingKind.NEEDLE
        points = opened.case.images[0].junctions[3].point_px if number % 2 else opened.case.images[0].needles[0].tip_px
        since = time.perf_counter()
        review.editor.move(FindingPlace(0, kind, 3 if number % 2 else 0), (points[0] + number, points[1] - number))
        settle()
        said("drag", since)
    mask = opened.contrast_mask.copy()
    mask[500:540, 380:420] = True
    layer = review.display.contrast_layer()
    review.editor.paint(erase=False)
    layer.data[mask] = 1
    since = time.perf_counter()
    review.editor._on_painted(None)
    settle()
    said("paint", since)
room.stop()
viewer.close()
"""


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
    measured = {name: tuple(value for run in runs for value in run[name]) for name in runs[0]}
    rows = (
        Row("napari's own start", "s", measured["napari"]),
        Row("work list and first image", "s", measured["first"], at_most=5.0),
        Row("next case", "s", measured["next"], at_most=0.3),
        Row("junction or tip dragged, 1024 x 1024", "s", measured["drag"], at_most=0.2),
        Row("contrast painted, 1024 x 1024", "s", measured["paint"], at_most=0.2),
        Row(f"work list of {LONG_LIST:,} cases and first image", "s", long_list["first"]),
        Row(f"next case of {LONG_LIST:,}", "s", long_list["next"], at_most=0.3),
        Row(f"filter {LONG_LIST:,} cases", "s", long_list["filter"]),
        Row(f"sort {LONG_LIST:,} cases", "s", long_list["sort"]),
        Row(f"log of {EVENTS:,} events verified", "s", log, at_most=1.0),
    )
    about = (
        "The sample cases of protocol 1, verified, in napari under Xvfb. Times end when the window has drawn. A "
        "next case was read ahead, as it is while a reader answers; what is dragged or painted is concluded anew."
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


def viewer(cases: Path, *more: str) -> dict[str, list[float]]:
    """What the viewer's process measured, under a display of its own where there is none."""
    command = [sys.executable, "-c", VIEWER, str(cases), *more]
    if not os.environ.get("DISPLAY"):
        xvfb = shutil.which("xvfb-run")
        if xvfb is None:
            raise SystemExit("the review needs a display, or Debian's xvfb")
        command = [xvfb, "-a", "-s", "-screen 0 1600x1200x24", *command]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, list[float]] = {}
    for name, seconds in (line.split() for line in done.stdout.splitlines()):
        found.setdefault(name, []).append(float(seconds))
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
