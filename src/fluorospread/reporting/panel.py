"""One image with its findings in, one annotated panel out: right way up, at most at natural size.

Colours are Okabe and Ito's, told apart by colour-blind readers; shapes differ as well: a disc is a
junction, a cross a needle tip, a closed line the contrast's outline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseImage
from fluorospread.model.findings import Junction
from fluorospread.model.geometry import ColumnsTowards, GeometrySource, PointPx, RowsTowards
from fluorospread.model.radiograph import BoolImage, FloatImage
from fluorospread.model.spread import Answer, Pool
from fluorospread.reporting.text_layout import Box, Font, LabelPlacer, font

# Okabe and Ito, "Color Universal Design" (2008).
ORANGE, SKY_BLUE, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"

_SIDE_COLOUR = {
    Side.LEFT: SKY_BLUE,
    Side.RIGHT: PURPLE,
    Side.IMAGE_LEFT: SKY_BLUE,
    Side.IMAGE_RIGHT: PURPLE,
}
_ANSWER_MARK = {Answer.YES: "covered", Answer.NO: "not covered", Answer.UNDETERMINED: "covered?"}
# Shapes are drawn this much larger and reduced, which smooths their edges.
_OVERSAMPLING = 2


@dataclass(frozen=True)
class Picture:
    """Pixels of one image as shown: (rows, cols) line-integral-like, bone bright, and the field of view."""

    pixels: FloatImage
    field_of_view: BoolImage


@dataclass(frozen=True)
class _View:
    """From stored pixels (row, col) to the panel's (x, y)."""

    rows: int
    scale: float
    upside_down: bool

    def xy(self, point: PointPx) -> tuple[float, float]:
        row = self.rows - 1 - point[0] if self.upside_down else point[0]
        return (point[1] + 0.5) * self.scale, (row + 0.5) * self.scale


def draw_panel(
    image: CaseImage,
    picture: Picture,
    largest_px: int,
    pools: tuple[Pool, ...] = (),
    covered: Mapping[tuple[Level, Side], Answer] | None = None,
    provisional: bool = False,
) -> tuple[Image.Image, int]:
    """The annotated panel, and how many labels had no room in it.

    `pools` and `covered` are those of this image; outlines of `provisional` pools are dashed and labelled so.
    `largest_px` limits the longer side; a smaller image is not enlarged.
    """
    scale = min(1.0, largest_px / max(image.rows, image.cols))
    view = _View(image.rows, scale, image.orientation.rows_towards is RowsTowards.HEAD)
    panel = _shown(picture, view)
    panel = _with_shapes(panel, image, view, pools, provisional)
    placer = LabelPlacer((2.0, 2.0, panel.width - 2.0, panel.height - 2.0))
    face = font(max(13, min(22, panel.height // 42)), bold=True)
    placer.taken += _shape_boxes(image, view, panel.height)
    pen = _Pen(ImageDraw.Draw(panel), placer)
    _write_sides(pen, panel, image, face)
    _write_scale(pen, panel, image, scale, face)
    _write_levels(pen, image, view, face)
    _write_coverage(pen, image, view, face, covered or {})
    if provisional:
        _write_provisional(pen, view, face, pools)
    return panel, placer.omitted


def _shown(picture: Picture, view: _View) -> Image.Image:
    """Grey values between the darkest and brightest half percent of the field of view; black outside it."""
    pixels, inside = picture.pixels, picture.field_of_view
    sample = pixels[inside][:: max(1, int(inside.sum()) // 200_000)] if inside.any() else pixels.ravel()
    low, high = (float(value) for value in np.quantile(sample, [0.005, 0.995]))
    grey = np.clip((pixels - low) / max(high - low, 1e-9), 0.0, 1.0) * 255.0
    bytes_ = np.where(inside, grey, 0.0).astype(np.uint8)
    shown = Image.fromarray(bytes_[::-1] if view.upside_down else bytes_)
    if view.scale < 1.0:
        size = (max(1, round(shown.width * view.scale)), max(1, round(shown.height * view.scale)))
        shown = shown.resize(size, Image.Resampling.LANCZOS)
    return shown.convert("RGB")


def _with_shapes(
    panel: Image.Image, image: CaseImage, view: _View, pools: tuple[Pool, ...], dashed: bool
) -> Image.Image:
    large = _OVERSAMPLING
    overlay = Image.new("RGBA", (panel.width * large, panel.height * large), (0, 0, 0, 0))
    draw = ImageDraw.Draw(overlay)
    unit = large * max(1.0, panel.height / 512.0)
    # Every line first in black and wider: printed in grey, a colour alone vanishes on bone.
    for casing in (unit, 0.0):
        _draw_shapes(_Stylus(draw, view, large, unit, casing), image, pools, dashed)
    shapes = overlay.reduce(large)
    return Image.alpha_composite(panel.convert("RGBA"), shapes).convert("RGB")


@dataclass(frozen=True)
class _Stylus:
    """Draws points of the image `large` times larger; with a `casing` in black, by that much wider on each side."""

    draw: ImageDraw.ImageDraw
    view: _View
    large: int
    unit: float
    casing: float

    def at(self, point: PointPx) -> tuple[float, float]:
        x, y = self.view.xy(point)
        return x * self.large, y * self.large

    def radius(self, least: float, sigma_px: float) -> float:
        """Two sd, but no less than `least` units."""
        return max(least * self.unit, 2.0 * sigma_px * self.view.scale * self.large)

    def line(self, points: list[tuple[float, float]], colour: str) -> None:
        width = round(1.6 * self.unit + 2.0 * self.casing)
        self.draw.line(points, fill="black" if self.casing else colour, width=width, joint="curve")

    def dashes(self, points: list[tuple[float, float]], colour: str) -> None:
        """A line of dashes 6 units long, 4 units apart."""
        places = np.array(points)
        way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(places, axis=0).T))])
        for start in np.arange(0.0, way[-1], 10.0 * self.unit):
            end = min(start + 6.0 * self.unit, way[-1])
            inner = way[(way > start) & (way < end)]
            at = np.concatenate([[start], inner, [end]])
            xs, ys = (np.interp(at, way, places[:, axis]) for axis in (0, 1))
            self.line([(float(x), float(y)) for x, y in zip(xs, ys, strict=True)], colour)

    def circle(self, centre: tuple[float, float], radius: float, colour: str) -> None:
        (x, y), r = centre, radius + self.casing
        width = round(1.6 * self.unit + 2.0 * self.casing)
        self.draw.ellipse((x - r, y - r, x + r, y + r), outline="black" if self.casing else colour, width=width)

    def dot(self, centre: tuple[float, float], radius: float, colour: str) -> None:
        (x, y), r = centre, radius + self.casing
        self.draw.ellipse((x - r, y - r, x + r, y + r), fill="black" if self.casing else colour)


def _draw_shapes(stylus: _Stylus, image: CaseImage, pools: tuple[Pool, ...], dashed: bool) -> None:
    draw_outline = stylus.dashes if dashed else stylus.line
    for pool in pools:
        for ring in pool.outline_px:
            if len(ring) > 1:
                draw_outline([stylus.at(point) for point in (*ring, ring[0])], ORANGE)
    for junction in image.junctions:
        centre, colour = stylus.at(junction.point_px), _SIDE_COLOUR[junction.side]
        stylus.circle(centre, stylus.radius(4.0, junction.uncertainty_px), colour)
        stylus.dot(centre, 1.4 * stylus.unit, colour)
    for vertebra in image.levels.vertebrae if image.levels else ():
        stylus.dot(stylus.at(vertebra.center_px), 1.8 * stylus.unit, "white")
    for tip in image.needles:
        x, y = stylus.at(tip.tip_px)
        arm = stylus.radius(7.0, tip.uncertainty_px)
        # Open in the middle, so that the tip itself can be seen.
        for right, down in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
            inner = (x + right * 0.35 * arm, y + down * 0.35 * arm)
            stylus.line([inner, (x + right * arm, y + down * arm)], YELLOW)


def _shape_boxes(image: CaseImage, view: _View, panel_height: int) -> list[Box]:
    """What labels must not cover: junctions and needle tips."""
    unit = max(1.0, panel_height / 512.0)
    marks = [(j.point_px, max(4.0 * unit, 2.0 * j.uncertainty_px * view.scale)) for j in image.junctions]
    marks += [(tip.tip_px, max(7.0 * unit, 2.0 * tip.uncertainty_px * view.scale)) for tip in image.needles]
    boxes = []
    for point, radius in marks:
        x, y = view.xy(point)
        boxes.append((x - radius, y - radius, x + radius, y + radius))
    return boxes


@dataclass(frozen=True)
class _Pen:
    """Writes labels into a panel, each where the placer finds room."""

    draw: ImageDraw.ImageDraw
    placer: LabelPlacer

    def write(
        self, text: str, anchor: tuple[float, float], face: Font, fill: str, gap: float = 4.0, first: str = "right"
    ) -> None:
        box = self.placer.place(anchor, _size(face, text), gap, first)
        if box is not None:
            _ink(self.draw, (box[0], box[1]), text, face, fill)


def _size(face: Font, text: str) -> tuple[float, float]:
    ascent, descent = face.getmetrics()
    return face.getlength(text) + 4.0, ascent + descent + 2.0


def _ink(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, face: Font, fill: str) -> None:
    draw.text((at[0] + 2, at[1] + 1), text, font=face, fill=fill, stroke_width=2, stroke_fill="black")


def _write_sides(pen: _Pen, panel: Image.Image, image: CaseImage, face: Font) -> None:
    """Patient's sides in the upper corners, where they hide least."""
    towards = image.orientation.columns_towards
    low, high = {
        None: ("side unknown", "side unknown"),
        ColumnsTowards.PATIENT_LEFT: ("R", "L"),
        ColumnsTowards.PATIENT_RIGHT: ("L", "R"),
    }[towards]
    big = font(round(face.size * 1.5), bold=True) if towards is not None else face
    width, height = _size(big, low)
    pen.write(low, (4 + width / 2, 4 + height / 2), big, "white", first="on")
    if towards is not None:
        width, height = _size(big, high)
        pen.write(high, (panel.width - 4 - width / 2, 4 + height / 2), big, "white", first="on")
    if image.orientation.rows_towards is None:
        width, height = _size(face, "head or feet up unknown")
        pen.write("head or feet up unknown", (panel.width / 2, 4 + height / 2), face, "white", first="on")


def _write_scale(pen: _Pen, panel: Image.Image, image: CaseImage, scale: float, face: Font) -> None:
    """A bar of a round length at the lower left, or that there is no scale."""
    spacing = image.geometry.spacing_patient_mm
    height = _size(face, "50 mm")[1]
    bottom = panel.height - 6.0
    if spacing is None:
        text, bar_px = "no scale", 0.0
    else:
        px_per_mm = scale / spacing[1]
        fits = [mm for mm in (100, 50, 20, 10, 5, 2, 1) if mm * px_per_mm <= panel.width / 3]
        length_mm = fits[0] if fits else 1
        bar_px = length_mm * px_per_mm
        text = f"{length_mm} mm"
        if image.geometry.source is GeometrySource.ESTIMATED_FROM_ANATOMY:
            text += " (estimated)"
    width = max(_size(face, text)[0], bar_px)
    box = (4.0, bottom - height - 8.0, 12.0 + width, bottom + 4.0)
    pen.placer.taken.append(box)
    _ink(pen.draw, (8.0, bottom - height - 8.0), text, face, "white")
    if bar_px:
        pen.draw.rectangle((7.0, bottom - 6.0, 9.0 + bar_px, bottom), fill="black")
        pen.draw.rectangle((8.0, bottom - 5.0, 8.0 + bar_px, bottom - 1.0), fill="white")


def _write_levels(pen: _Pen, image: CaseImage, view: _View, face: Font) -> None:
    if image.levels is None:
        return
    doubt = "" if image.levels.status == "confident" else "?"
    for vertebra in image.levels.vertebrae:
        pen.write(f"{vertebra.level}{doubt}", view.xy(vertebra.center_px), face, "white", gap=6.0)


def _write_coverage(
    pen: _Pen,
    image: CaseImage,
    view: _View,
    face: Font,
    covered: Mapping[tuple[Level, Side], Answer],
) -> None:
    """Beside each junction of the measured image whether contrast covers it."""
    small = font(max(12, round(face.size * 0.8)), bold=True)
    for junction in image.junctions:
        answer = covered.get((junction.level, junction.side))
        if answer is not None:
            gap = 2.0 * junction.uncertainty_px * view.scale + 4.0
            text = f"{junction.level} {_ANSWER_MARK[answer]}"
            first = _away_from_midline(image, junction)
            pen.write(text, view.xy(junction.point_px), small, _SIDE_COLOUR[junction.side], gap, first)


def _write_provisional(pen: _Pen, view: _View, face: Font, pools: tuple[Pool, ...]) -> None:
    """Above each pool that its outline is not to be relied on."""
    small = font(max(12, round(face.size * 0.8)), bold=True)
    above = 0.5 * _size(small, "provisional")[1] + 6.0
    for pool in pools:
        places = [view.xy(point) for ring in pool.outline_px for point in ring]
        if places:
            x, y = min(places, key=lambda place: place[1])
            pen.write("provisional", (x, y - above), small, ORANGE, first="on")


def _away_from_midline(image: CaseImage, junction: Junction) -> str:
    """Where a junction's label hides no bone that matters."""
    midline = None if image.levels is None else image.levels.midline_col(junction.point_px[0])
    return "left" if midline is not None and junction.point_px[1] < midline else "right"
