"""A suspected flag in, the picture of its evidence out: the place as imaged, beside it the same place with what raised
the flag outlined, and the contrast there alone.

A reader sees the bare place first, so that the line neither hides nor suggests what is there.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from fluorospread.model.case import CaseImage, CaseResult
from fluorospread.model.geometry import PointPx
from fluorospread.model.spread import Pool
from fluorospread.model.verdict import STANDING_SENTENCE, Flag
from fluorospread.reporting.panel import BLUE, Picture, draw_panel
from fluorospread.reporting.text_layout import draw_lines, elided, font, line_height, wrapped

FLAG_FILES = "flag_*.png"
# What is shown about the outline, and the least that is shown at all, mm; of images without a scale, shares of them.
_ABOUT_MM, _LEAST_MM, _ABOUT_SHARE, _LEAST_SHARE = 12.0, 60.0, 0.05, 0.25
_PANEL_PX, _MOST_ENLARGED = 440, 4
_MARGIN = 14
_INK, _PAPER, _FAINT = "#1a1a1a", "#ffffff", "#555555"

Window = tuple[slice, slice]


@dataclass(frozen=True)
class FlagFrame:
    """Pixels of the image that a flag is about, in its rows and columns; `words` say what they show."""

    words: str
    picture: Picture


def flag_file(flag: Flag, number: int) -> str:
    """Name of the flag's picture beside case.json; `number` counts the pictures of a case from 1."""
    return f"flag_{number}_{flag.code}.png"


def can_be_shown(result: CaseResult, flag: Flag) -> bool:
    """Whether there is a place to show."""
    return bool(flag.outline_px) and result.contrast.image is not None


def flag_png(image: CaseImage, flag: Flag, frames: Sequence[FlagFrame]) -> bytes:
    """The picture as PNG bytes.

    Parameters
    ----------
    image
        The image that shows the contrast.
    frames
        The frame that shows the flag's evidence best, then what else shows it: a difference, say.

    Raises
    ------
    ValueError
        The flag has no outline, or there is no frame.
    """
    if not flag.outline_px or not frames:
        raise ValueError(f"{flag.code}: a picture needs an outline and a frame")
    window = _window(image, flag)
    first, *others = frames
    titled = [
        (first.words, _bare(image), first.picture, ()),
        ("What raised the flag", image, first.picture, _pools(flag)),
        *((other.words, _bare(image), other.picture, ()) for other in others),
    ]
    panels = [(title, _cropped_panel(shown, picture, window, pools)) for title, shown, picture, pools in titled]
    buffer = io.BytesIO()
    _page(flag, panels).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()


def _pools(flag: Flag) -> tuple[Pool, ...]:
    """The outline as the panel draws contrast."""
    return (Pool(None, 1.0, flag.outline_px[0][0], flag.outline_px),)


def _bare(image: CaseImage) -> CaseImage:
    """The image without its findings."""
    return replace(image, levels=None, junctions=(), needles=())


def _window(image: CaseImage, flag: Flag) -> Window:
    """The part of the image to show, with room about the outline."""
    scale = image.geometry.mm_per_px
    if scale is None:
        about, least = _ABOUT_SHARE * max(image.rows, image.cols), _LEAST_SHARE * max(image.rows, image.cols)
    else:
        about, least = _ABOUT_MM / scale, _LEAST_MM / scale
    points = np.array([point for ring in flag.outline_px for point in ring])
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    half = 0.5 * np.maximum(np.ptp(points, axis=0) + 2.0 * about, least)
    # Panels side by side are wanted about square.
    half = np.maximum(half, 0.75 * half.max())
    spans = []
    for centre, reach, size in zip(middle, half, (image.rows, image.cols), strict=True):
        start = int(np.clip(centre - reach, 0, max(size - 2.0 * reach, 0)))
        spans.append(slice(start, int(min(np.ceil(start + 2.0 * reach), size))))
    return spans[0], spans[1]


def _cropped_panel(image: CaseImage, picture: Picture, window: Window, pools: tuple[Pool, ...]) -> Image.Image:
    rows, cols = window
    height, width = rows.stop - rows.start, cols.stop - cols.start
    factor = int(np.clip(round(_PANEL_PX / height), 1, _MOST_ENLARGED))
    pixels = Image.fromarray(np.ascontiguousarray(picture.pixels[window], dtype=np.float32))
    large = np.asarray(pixels.resize((width * factor, height * factor), Image.Resampling.BICUBIC))
    field_of_view = np.kron(picture.field_of_view[window], np.ones((factor, factor), dtype=np.bool_))
    panel, _ = draw_panel(
        _cropped(image, window, factor), Picture(large, field_of_view), 2 * _PANEL_PX, _moved(pools, window, factor)
    )
    return panel


def _cropped(image: CaseImage, window: Window, factor: int) -> CaseImage:
    """The image's findings that lie in the window, in pixels `factor` times finer."""
    rows, cols = window
    levels, spacing = image.levels, image.geometry.spacing_patient_mm
    if levels is not None:
        inside = [v for v in levels.vertebrae if _is_inside(v.center_px, window)]
        moved = tuple(replace(v, center_px=_move(v.center_px, window, factor)) for v in inside)
        levels = replace(levels, vertebrae=moved)
    if spacing is not None:
        spacing = (spacing[0] / factor, spacing[1] / factor)
    return replace(
        image,
        rows=(rows.stop - rows.start) * factor,
        cols=(cols.stop - cols.start) * factor,
        geometry=replace(image.geometry, spacing_patient_mm=spacing),
        levels=levels,
        junctions=tuple(
            replace(j, point_px=_move(j.point_px, window, factor), uncertainty_px=j.uncertainty_px * factor)
            for j in image.junctions
            if _is_inside(j.point_px, window)
        ),
        needles=tuple(
            replace(n, tip_px=_move(n.tip_px, window, factor), uncertainty_px=n.uncertainty_px * factor)
            for n in image.needles
            if _is_inside(n.tip_px, window)
        ),
    )


def _moved(pools: tuple[Pool, ...], window: Window, factor: int) -> tuple[Pool, ...]:
    return tuple(
        replace(
            pool,
            outline_px=tuple(tuple(_move(point, window, factor) for point in ring) for ring in pool.outline_px),
        )
        for pool in pools
    )


def _move(point: PointPx, window: Window, factor: int) -> PointPx:
    # Pixel centres are whole numbers: the first of the finer pixels lies half of one inside the first coarse one.
    inside = 0.5 * (factor - 1)
    return (point[0] - window[0].start) * factor + inside, (point[1] - window[1].start) * factor + inside


def _is_inside(point: PointPx, window: Window) -> bool:
    return all(part.start <= place <= part.stop - 1 for place, part in zip(point, window, strict=True))


def _page(flag: Flag, panels: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    heading, bold, plain = font(18, bold=True), font(14, bold=True), font(14)
    width = sum(panel.width for _, panel in panels) + _MARGIN * (len(panels) + 1)
    inner = width - 2 * _MARGIN
    words = flag.code.replace("-", " ")
    title = wrapped(words[:1].upper() + words[1:], heading, inner)
    evidence, standing = wrapped(flag.evidence, plain, inner), wrapped(STANDING_SENTENCE, bold, inner)
    top = _MARGIN + len(title) * line_height(heading) + 4
    below = top + line_height(bold) + max(panel.height for _, panel in panels) + 8
    height = below + len(evidence) * line_height(plain) + 6 + len(standing) * line_height(bold) + _MARGIN
    page = Image.new("RGB", (width, int(np.ceil(height))), _PAPER)
    draw = ImageDraw.Draw(page)
    draw_lines(draw, title, (_MARGIN, _MARGIN), heading, _INK)
    x = _MARGIN
    for name, panel in panels:
        draw.text((x, top), elided(name, bold, panel.width), font=bold, fill=_FAINT)
        page.paste(panel, (x, top + line_height(bold)))
        x += panel.width + _MARGIN
    y = draw_lines(draw, evidence, (_MARGIN, below), plain, _INK) + 6
    draw_lines(draw, standing, (_MARGIN, y), bold, BLUE)
    return page
