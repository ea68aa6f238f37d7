"""Take the pictures of docs/review.md: a reader at work on the sample cases, by real key presses.

xvfb-run -a -s "-screen 0 1600x1000x24" .venv/bin/python docs/take_review_screenshots.py
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from pathlib import Path

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QBuffer, QIODevice, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from fluorospread.pipeline.gather_case import CaseOverrides, gather_case
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.pipeline.verify_case import verify_case
from fluorospread.pipeline.write_case import write_case
from napari_fluorospread.worklist_widget import WorklistWidget

ROOT = Path(__file__).parents[1]
SAMPLES = ("P1-01", "P1-02", "P1-03", "P1-04", "P1-05", "F-short-of-L4")
WINDOW, SHOWN = (1500, 900), (1200, 720)
# What a reader sees in P1-01: both punctures at L5, both junctions covered on both sides, no aberrant flow.
ANSWERS = ["5", "Y", "3", "5", "Y", "3", "Y", "Y", "Y", "Y", "N", "1"]
KEYS = {name: getattr(Qt.Key, f"Key_{name}") for name in (*"YNTSXWHB", "Return", "F1", "Escape")}
KEYS |= {digit: getattr(Qt.Key, f"Key_{digit}") for digit in "12345"}


class Screen:
    """The window of a viewer: pressed, dragged in, and photographed."""

    def __init__(self, viewer: napari.Viewer, room: WorklistWidget, out: Path) -> None:
        self._viewer, self._room, self._out = viewer, room, out
        self._window = room.window()

    def press(self, *names: str) -> None:
        for name in names:
            QTest.keyClick(self._room.review, KEYS[name])
        self.settle()

    def settle(self, seconds: float = 0.6) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.02)

    def take(self, name: str) -> None:
        self.settle()
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        self._window.grab().save(buffer, "PNG")
        picture = Image.open(io.BytesIO(bytes(buffer.data()))).convert("RGB")
        reduced(picture.resize(SHOWN, Image.Resampling.LANCZOS)).save(self._out / f"{name}.png", optimize=True)
        print(self._out / f"{name}.png")  # noqa: T201 - a script

    def drag(self, layer: str, index: int, rows: float, cols: float) -> None:
        """Drag a finding by the mouse, by so many stored pixels."""
        from fluorospread.pipeline.edit_case import FindingKind, FindingPlace

        kind = FindingKind(layer)
        image = self._room.review.display.image
        point = self._room.review.session.opened.case.images[image].junctions[index].point_px
        self._room.review.editor.move(FindingPlace(image, kind, index), (point[0] + rows, point[1] + cols))
        self.settle()


def reduced(picture: Image.Image) -> Image.Image:
    """The picture with 256 colours, half of them grey: a third as large, and the markers keep their colour."""
    pixels = np.asarray(picture).reshape(-1, 3)
    coloured = pixels[np.ptp(pixels.astype(int), axis=1) > 24]
    colours = Image.fromarray(coloured[None]).quantize(128, method=Image.Quantize.MEDIANCUT).getpalette() or []
    greys = [value for grey in np.linspace(0, 255, 128).astype(int) for value in (grey, grey, grey)]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*greys, *colours[: 3 * 128]])
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "review")
    parser.add_argument("--cases", type=Path, help="verified sample cases; verified anew where not given")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        cases = given.cases or verified_samples(Path(folder) / "cases")
        viewer = napari.Viewer()
        viewer.window.resize(*WINDOW)
        room = WorklistWidget(viewer)
        viewer.window.add_dock_widget(room, name="Work list")
        room.start("Dr. Reader", cases, str(Path(folder) / "reviews.sqlite"), keys=Path(folder) / "keys")
        read(Screen(viewer, room, given.out), room)
        room.stop()
        viewer.close()


def verified_samples(folder: Path) -> Path:
    protocol = load_protocol(DEFAULT_PROTOCOL)
    for name in SAMPLES:
        request = gather_case(ROOT / "sample_dicom" / name, None, CaseOverrides())
        write_case(verify_case(request, protocol), folder / name)
    return folder


def read(screen: Screen, room: WorklistWidget) -> None:
    """Read P1-01 blind, reveal it, correct it, and sign another case."""
    screen.settle()
    room.review.open_case("P1-01")
    screen.settle()
    screen.press("5", "Y", "3")
    screen.take("blind")
    screen.press("F1")
    screen.take("keys")
    screen.press("F1", "S")
    screen.take("subtraction")
    screen.press("S", *ANSWERS[3:], "Return")
    screen.take("revealed")
    screen.press("X")
    screen.drag("junctions", 3, -6.0, 80.0)
    screen.take("corrected")
    room.review.editor.undo()
    screen.press("Return")
    screen.take("signed")


if __name__ == "__main__":
    main()
