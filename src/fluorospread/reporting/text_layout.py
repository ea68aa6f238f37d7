"""Fonts, wrapped lines and places for labels that never overlap, whatever the length of the text."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageDraw, ImageFont

from fluorospread.errors import OutputError

# No line holds more; it bounds the work on a text of any length.
_MOST_LETTERS, _MOST_WORDS = 1000, 200

Font = ImageFont.FreeTypeFont
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the picture."""


@cache
def font(size_px: int, bold: bool = False) -> Font:
    """DejaVu Sans as matplotlib ships it; found without importing matplotlib, which costs most of a second."""
    spec = find_spec("matplotlib")
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    if spec is None or spec.origin is None:
        raise OutputError("matplotlib, whose fonts label the pictures, is not installed; reinstall fluorospread")
    return ImageFont.truetype(str(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / name), size_px)


def line_height(face: Font) -> int:
    """Distance of two baselines in pixels."""
    ascent, descent = face.getmetrics()
    return math.ceil(1.15 * (ascent + descent))


def elided(text: str, face: Font, width: float) -> str:
    """The text, its middle left out where it is wider than `width`, so that both ends can be read."""
    if len(text) <= _longest_fit(text, face, width):
        return text

    def shortened(kept: int) -> str:
        head = math.ceil(kept / 2)
        return f"{text[:head]}…{text[len(text) - (kept - head) :]}"

    # Lengths grow with the letters kept, so the best number is found by halving.
    most = min(len(text) - 1, _MOST_LETTERS)
    kept = bisect_right(range(most + 1), width, key=lambda count: face.getlength(shortened(count))) - 1
    return shortened(kept) if kept > 0 else "…"


def _longest_fit(text: str, face: Font, width: float) -> int:
    """How many letters from the start fit into `width`."""
    most = min(len(text), _MOST_LETTERS)
    return bisect_right(range(most + 1), width, key=lambda count: face.getlength(text[:count])) - 1


def wrapped(text: str, face: Font, width: float) -> list[str]:
    """Lines no wider than `width`; a single word that is wider is broken."""
    words = list(_breakable(text, face, width))
    lines: list[str] = []
    while words:
        most = min(len(words), _MOST_WORDS)
        count = bisect_right(range(1, most + 1), width, key=lambda n: face.getlength(" ".join(words[:n])))
        lines.append(" ".join(words[: max(1, count)]))
        del words[: max(1, count)]
    return lines or [""]


def _breakable(text: str, face: Font, width: float) -> Iterator[str]:
    narrow = width / (2.0 * face.size)
    for word in text.split():
        rest = word
        # No letter is wider than twice the font's size, so short words need no measuring.
        while len(rest) > narrow:
            cut = max(1, _longest_fit(rest, face, width))
            yield rest[:cut]
            rest = rest[cut:]
        if rest:
            yield rest


def overlap(a: Box, b: Box) -> bool:
    """Whether two boxes share any area."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@dataclass
class LabelPlacer:
    """Puts labels into one panel so that none covers another or leaves the panel.

    A label goes as near to its point as there is room; `omitted` counts those for which there was none.
    """

    panel: Box
    taken: list[Box] = field(default_factory=list)
    omitted: int = 0

    def place(
        self, anchor: tuple[float, float], size: tuple[float, float], gap: float, first: str = "right"
    ) -> Box | None:
        """A free box of (width, height) `size` near the (x, y) `anchor`, at least `gap` away from it.

        `first` is the side tried first: "right" or "left", or "on" for right on the point. None when the
        panel is full.
        """
        for x, y in self._candidates(anchor, size, gap, first):
            box = (x, y, x + size[0], y + size[1])
            if self._inside(box) and not any(overlap(box, other) for other in self.taken):
                self.taken.append(box)
                return box
        self.omitted += 1
        return None

    def _inside(self, box: Box) -> bool:
        left, top, right, bottom = self.panel
        return left <= box[0] and top <= box[1] and box[2] <= right and box[3] <= bottom

    @staticmethod
    def _candidates(
        anchor: tuple[float, float], size: tuple[float, float], gap: float, first: str
    ) -> Iterator[tuple[float, float]]:
        x, y = anchor[0] - size[0] / 2, anchor[1] - size[1] / 2
        if first == "on":
            yield x, y
        side = -1 if first == "left" else 1
        # Beside, below, above, then the diagonals; then the same further out.
        turns = ((side, 0), (-side, 0), (0, 1), (0, -1), (side, 1), (-side, 1), (side, -1), (-side, -1))
        for ring in range(6):
            reach_x = size[0] / 2 + gap + ring * size[1]
            reach_y = size[1] / 2 + gap + ring * size[1]
            for right, down in turns:
                yield x + right * reach_x, y + down * reach_y


def draw_lines(draw: ImageDraw.ImageDraw, lines: list[str], at: tuple[float, float], face: Font, fill: str) -> float:
    """Draw lines below each other from the top left corner `at`; returns the y below the last one."""
    x, y = at
    for line in lines:
        draw.text((x, y), line, font=face, fill=fill)
        y += line_height(face)
    return y
