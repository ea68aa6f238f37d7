"""Findings drawn over an image, as a Grayscale Softcopy Presentation State: viewers show it, pixels stay untouched.

Circles are junctions with their 2 sd radius, crosses needle tips, lines the contrast's outline, dots vertebral
bodies, as in the annotated picture. Coordinates are (column, row) from the corner of the first pixel
(PS3.3 C.10.5); numbers fall inside the image or are not drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from highdicom import ModalityLUTTransformation, PresentationLUTTransformation
from highdicom.color import CIELabColor
from highdicom.pr import (
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GrayscaleSoftcopyPresentationState,
    SoftcopyVOILUTTransformation,
    TextObject,
)
from pydicom.dataset import Dataset

from fluorospread.dicom.attributes import number_or_none, text
from fluorospread.dicom.read_radiograph import stored_grey
from fluorospread.dicom.report_items import LARGEST_OUTLINE, closed, printable, to_graphic
from fluorospread.dicom.result_object import ResultContext, ResultKind, finish_series, names_of_one_component
from fluorospread.dicom.result_source import SourceImage
from fluorospread.dicom.stored_frames import open_frames
from fluorospread.errors import UnsupportedImageError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import PROVISIONAL, CaseResult
from fluorospread.model.findings import Junction
from fluorospread.model.geometry import ColumnsTowards, PointPx
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import RESEARCH_USE_ONLY

# Okabe and Ito, "Color Universal Design" (2008), as in the annotated picture.
_WHITE, _SKY_BLUE, _YELLOW, _ORANGE = (255, 255, 255), (86, 180, 233), (240, 228, 66), (230, 159, 0)
_COVERED_WORDS = {Answer.YES: "covered", Answer.NO: "not covered", Answer.UNDETERMINED: "covered?"}
_SIDES = {
    ColumnsTowards.PATIENT_LEFT: ("R", "L"),
    ColumnsTowards.PATIENT_RIGHT: ("L", "R"),
    None: ("side unknown", "side unknown"),
}
_SMALLEST_WINDOW = 1.0
_WINDOW_PERCENTILES = (0.5, 99.5)


def presentation_states(result: CaseResult, context: ResultContext, notes: list[str]) -> dict[int, Dataset]:
    """One state for each image with findings, by the image's index; `notes` get what was left out and why."""
    drawn: dict[int, Dataset] = {}
    for source in context.sources.images:
        try:
            state = _state(result, source, context, notes)
        except UnsupportedImageError as error:
            notes.append(str(error))
            continue
        if state is not None:
            drawn[source.index] = state
    finish_series(list(drawn.values()), context, ResultKind.PRESENTATION_STATE)
    return drawn


@names_of_one_component()
def _state(result: CaseResult, source: SourceImage, context: ResultContext, notes: list[str]) -> Dataset | None:
    drawing = _Drawing(source)
    drawing.levels()
    drawing.junctions(_covered_in(result, source))
    drawing.needles()
    if source.index == result.contrast.image:
        drawing.outlines([ring for pool in result.contrast.pools for ring in pool.outline_px])
        drawing.say_provisional(result)
    if drawing.is_empty:
        return None
    if drawing.outside:
        notes.append(
            f"image {source.index + 1}: {drawing.outside} finding(s) reach outside the image and are not drawn."
        )
    drawing.corners(result)
    header = source.header
    name = f"image {source.index + 1}"
    if text(header, "PhotometricInterpretation") not in ("MONOCHROME1", "MONOCHROME2"):
        raise UnsupportedImageError(f"{name} is a colour image, which has no grayscale presentation state")
    if source.has_own_modality_lut:
        raise UnsupportedImageError(
            f"{name} is shown through a Modality LUT, which its presentation state cannot carry"
        )
    slope, intercept = _rescale(header)
    center, width = _window(source)
    inverse = text(header, "PhotometricInterpretation") == "MONOCHROME1"
    series = context.series(ResultKind.PRESENTATION_STATE)
    del series["content_date"], series["content_time"]
    state: Dataset = GrayscaleSoftcopyPresentationState(
        referenced_images=[header],
        device_serial_number=context.serial_number,
        content_label=f"FINDINGS {source.index + 1}"[:16],
        content_description=f"{name}: {source.image.role.value}. {RESEARCH_USE_ONLY}"[:64],
        graphic_layers=drawing.layers,
        graphic_annotations=drawing.annotations(),
        modality_lut_transformation=ModalityLUTTransformation(intercept, slope, text(header, "RescaleType") or "US"),
        voi_lut_transformations=[SoftcopyVOILUTTransformation(window_center=center, window_width=width)],
        presentation_lut_transformation=PresentationLUTTransformation("INVERSE" if inverse else "IDENTITY"),
        **series,
    )
    # Not a paired structure, so that no Laterality is asked for.
    state.BodyPartExamined = "LSPINE"
    state.PresentationCreationDate, state.PresentationCreationTime = context.date, context.time
    return state


def _covered_in(result: CaseResult, source: SourceImage) -> dict[tuple[Level, Side], Answer]:
    if source.index != result.contrast.image:
        return {}
    return result.stated_coverage()


def _window(source: SourceImage) -> tuple[float, float]:
    """Center and width: the image's own, else what its pixels span but for the darkest and brightest 0.5 %."""
    center, width = (number_or_none(source.header, key) for key in ("WindowCenter", "WindowWidth"))
    if center is not None and width is not None and width >= _SMALLEST_WINDOW:
        return center, width
    frames = open_frames(source.path)[1]
    slope, intercept = _rescale(source.header)
    stored = stored_grey(frames, source.image.frame)
    low, high = (float(v) * slope + intercept for v in np.percentile(stored, _WINDOW_PERCENTILES))
    return (low + high) / 2, max(abs(high - low), _SMALLEST_WINDOW)


def _rescale(header: Dataset) -> tuple[float, float]:
    return number_or_none(header, "RescaleSlope") or 1.0, number_or_none(header, "RescaleIntercept") or 0.0


class _Drawing:
    """Graphics and texts of one image, layer by layer."""

    def __init__(self, source: SourceImage) -> None:
        self.source = source
        self.image = source.image
        self.outside = 0
        self._graphics: dict[str, list[GraphicObject]] = {}
        self._texts: dict[str, list[TextObject]] = {}
        # Text of a fortieth of the image's height is legible at any display size that shows the whole image.
        self._line = max(6.0, self.image.rows / 40)
        colours = {"CONTRAST": _ORANGE, "LEVELS": _WHITE, "JUNCTIONS": _SKY_BLUE, "NEEDLES": _YELLOW, "NOTES": _WHITE}
        self._layers = {
            name: GraphicLayer(name, order, f"fluorospread {name.lower()}", CIELabColor.from_rgb(*colour))
            for order, (name, colour) in enumerate(colours.items(), start=1)
        }

    @property
    def is_empty(self) -> bool:
        return not self._graphics and not self._texts

    @property
    def layers(self) -> list[GraphicLayer]:
        return [layer for name, layer in self._layers.items() if name in self._graphics or name in self._texts]

    def annotations(self) -> list[GraphicAnnotation]:
        frame = self.source.frame_numbers
        return [
            GraphicAnnotation(
                referenced_images=[self.source.header],
                graphic_layer=layer,
                referenced_frame_number=None if frame is None else frame[0],
                graphic_objects=self._graphics.get(layer.GraphicLayer),
                text_objects=self._texts.get(layer.GraphicLayer),
            )
            for layer in self.layers
        ]

    def levels(self) -> None:
        labels = self.image.levels
        doubt = "" if labels is None or labels.status == "confident" else "?"
        for vertebra in labels.vertebrae if labels is not None else ():
            if self._draw("LEVELS", "POINT", [vertebra.center_px]):
                self._label("LEVELS", f"{vertebra.level.value}{doubt}", vertebra.center_px, 1)

    def junctions(self, covered: dict[tuple[Level, Side], Answer]) -> None:
        for junction in self.image.junctions:
            row, col = junction.point_px
            radius = max(2.0 * junction.uncertainty_px, self._line / 3)
            rim = col + radius if col + radius <= self.image.cols - 0.5 else col - radius
            if not self._draw("JUNCTIONS", "CIRCLE", [(row, col), (row, rim)]):
                continue
            words = f"{junction.level.value} {junction.side.value}"
            if (answer := covered.get((junction.level, junction.side))) is not None:
                words += f": {_COVERED_WORDS[answer]}"
            self._label("JUNCTIONS", words, junction.point_px, self._outwards(junction), radius)

    def needles(self) -> None:
        for tip in self.image.needles:
            row, col = tip.tip_px
            arm = max(2.0 * tip.uncertainty_px, self._line / 2)
            falling = self._draw("NEEDLES", "POLYLINE", [(row - arm, col - arm), (row + arm, col + arm)])
            rising = self._draw("NEEDLES", "POLYLINE", [(row + arm, col - arm), (row - arm, col + arm)])
            if falling and rising:
                # Below the cross: the junction's own label is beside it.
                side = "side unknown" if tip.side is None else tip.side.value
                self._label("NEEDLES", f"tip {side}", (row + arm + self._line, col), 1)

    def outlines(self, rings: Sequence[Sequence[PointPx]]) -> None:
        for ring in rings:
            if 2 <= len(ring) < LARGEST_OUTLINE:
                self._draw("CONTRAST", "POLYLINE", closed(ring))
            else:
                self.outside += 1

    def say_provisional(self, result: CaseResult) -> None:
        if result.contrast_is_provisional:
            self._place("CONTRAST", f"Contrast {PROVISIONAL}.", (0.01, 0.87, 0.99, 0.91), "LEFT")

    def corners(self, result: CaseResult) -> None:
        """The patient's sides in the upper corners, the standing words along the lower edge."""
        left, right = _SIDES[self.image.orientation.columns_towards]
        self._place("NOTES", left, (0.01, 0.01, 0.25, 0.06), "LEFT")
        self._place("NOTES", right, (0.75, 0.01, 0.99, 0.06), "RIGHT")
        verdict = result.verdict.outcome.value.replace("-", " ")
        self._place("NOTES", f"Software's proposal: {verdict}.", (0.01, 0.91, 0.99, 0.95), "LEFT")
        self._place("NOTES", RESEARCH_USE_ONLY, (0.01, 0.95, 0.99, 0.99), "LEFT")

    def _outwards(self, junction: Junction) -> int:
        """Away from the midline, where a label hides no bone that matters: 1 towards high columns, else -1."""
        labels = self.image.levels
        midline = None if labels is None else labels.midline_col(junction.point_px[0])
        return -1 if midline is not None and junction.point_px[1] < midline else 1

    def _draw(self, layer: str, kind: str, points: Sequence[PointPx]) -> bool:
        data = to_graphic(points)
        if data.min() < 0 or (data > (self.image.cols, self.image.rows)).any():
            self.outside += 1
            return False
        self._graphics.setdefault(layer, []).append(GraphicObject(kind, data, units="PIXEL"))
        return True

    def _label(self, layer: str, words: str, point: PointPx, towards: int, gap: float = 4.0) -> None:
        """Words beside a point, kept inside the image."""
        width = min(0.62 * self._line * (len(words) + 1), self.image.cols - 1.0)
        near = point[1] + 0.5 + towards * (gap + 2.0)
        left = near if towards > 0 else near - width
        left = min(max(left, 0.0), self.image.cols - width)
        top = min(max(point[0] + 0.5 - self._line / 2, 0.0), self.image.rows - self._line)
        box = (left, top, math.nextafter(left + width, 0.0), top + self._line)
        self._texts.setdefault(layer, []).append(
            TextObject(printable(words), "PIXEL", box, text_justification="LEFT" if towards > 0 else "RIGHT")
        )

    def _place(self, layer: str, words: str, box: tuple[float, float, float, float], justified: str) -> None:
        self._texts.setdefault(layer, []).append(
            TextObject(printable(words), "DISPLAY", box, text_justification=justified)
        )
