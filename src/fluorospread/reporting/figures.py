"""A case result and its pictures in, one annotated page out: images side by side, verdict and reasons below.

The page grows with its text, so nothing is cut off or printed over, however long a reason or a file name.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw

from fluorospread.model.case import PROVISIONAL, CaseImage, CaseResult
from fluorospread.model.geometry import GeometrySource
from fluorospread.model.verdict import STANDING_SENTENCE, CriterionResult, Outcome
from fluorospread.reporting.panel import BLUE, GREEN, ORANGE, VERMILLION, Picture, draw_panel
from fluorospread.reporting.text_layout import draw_lines, elided, font, line_height, wrapped
from fluorospread.reporting.wording import OUTCOME_WORDS, RESULT_WORDS, role_is_assumed, statements

_MARGIN = 16
_NARROWEST_PAGE = 820
_WIDEST_PAGE = 3200
_LARGEST_PANEL = 1024
_INK, _PAPER, _FAINT = "#1a1a1a", "#ffffff", "#555555"
_RESULT_COLOUR = {
    CriterionResult.MET: GREEN,
    CriterionResult.NOT_MET: VERMILLION,
    CriterionResult.UNDETERMINED: ORANGE,
    CriterionResult.NOT_APPLICABLE: _FAINT,
}
# Each banner's ink keeps a contrast of at least 4.5 to its ground.
_BANNER = {
    Outcome.VERIFIED: ("#007a5a", "#ffffff"),
    Outcome.NOT_VERIFIED: ("#b84e00", "#ffffff"),
    Outcome.UNDETERMINED: (ORANGE, "#000000"),
}


def annotated_png(result: CaseResult, pictures: Sequence[Picture]) -> bytes:
    """The annotated page as PNG bytes; `pictures` are those of `result.images`, in their order.

    Raises
    ------
    ValueError
        There is not one picture for each image, or a picture has another shape than its image.
    """
    buffer = io.BytesIO()
    draw_case(result, pictures).save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()


def draw_case(result: CaseResult, pictures: Sequence[Picture]) -> Image.Image:
    """The annotated page as an RGB image; see `annotated_png`."""
    _check(result, pictures)
    panels, omitted = _panels(result, pictures)
    rows = _rows(panels)
    row_widths = [sum(panel.width for panel in row) + _MARGIN * (len(row) + 1) for row in rows]
    width = max(_NARROWEST_PAGE, *row_widths)
    height = _MARGIN + sum(max(panel.height for panel in row) + _MARGIN for row in rows)
    text = _text_block(result, width - 2 * _MARGIN, omitted)
    page = Image.new("RGB", (width, height + text.height + _MARGIN), _PAPER)
    y = _MARGIN
    for row in rows:
        x = _MARGIN
        for panel in row:
            page.paste(panel, (x, y))
            x += panel.width + _MARGIN
        y += max(panel.height for panel in row) + _MARGIN
    page.paste(text, (_MARGIN, y))
    return page


def _check(result: CaseResult, pictures: Sequence[Picture]) -> None:
    if len(pictures) != len(result.images):
        raise ValueError(f"{len(result.images)} image(s), but {len(pictures)} picture(s)")
    for image, picture in zip(result.images, pictures, strict=True):
        if picture.pixels.shape != (image.rows, image.cols) or picture.field_of_view.shape != picture.pixels.shape:
            raise ValueError(f"{image.path}: picture of {picture.pixels.shape}, image of {(image.rows, image.cols)}")


def _panels(result: CaseResult, pictures: Sequence[Picture]) -> tuple[list[Image.Image], int]:
    """Captioned panels of equal scale rules, and how many labels found no room."""
    largest = _LARGEST_PANEL if len(pictures) <= 3 else 768
    panels, omitted = [], 0
    for index, (image, picture) in enumerate(zip(result.images, pictures, strict=True)):
        is_contrast = index == result.contrast.image
        pools = result.contrast.pools if is_contrast else ()
        covered = result.stated_coverage() if is_contrast else {}
        provisional = is_contrast and result.contrast_is_provisional
        panel, left_out = draw_panel(image, picture, largest, pools, covered, provisional)
        omitted += left_out
        panels.append(_captioned(panel, image, is_reference=index == result.reference_image))
    return panels, omitted


def _captioned(panel: Image.Image, image: CaseImage, is_reference: bool) -> Image.Image:
    bold, plain = font(17, bold=True), font(14)
    width = max(panel.width, 260)
    name = image.path.replace("\\", "/").rsplit("/", 1)[-1]
    role = f"{image.role} (assumed)" if role_is_assumed(image) else image.role.value
    title = f"{role}{', reference' if is_reference else ''}: {name}"
    height = line_height(bold) + line_height(plain)
    captioned = Image.new("RGB", (width, panel.height + height), _PAPER)
    draw = ImageDraw.Draw(captioned)
    draw.text((0, 0), elided(title, bold, width), font=bold, fill=_INK)
    draw.text((0, line_height(bold)), elided(_scale_words(image), plain, width), font=plain, fill=_FAINT)
    captioned.paste(panel, (0, height))
    return captioned


def _scale_words(image: CaseImage) -> str:
    scale, doubt = image.geometry.mm_per_px, image.geometry.relative_uncertainty
    if scale is None or doubt is None:
        return "no scale: lengths in mm unknown"
    source = image.geometry.source
    origin = "estimated from anatomy" if source is GeometrySource.ESTIMATED_FROM_ANATOMY else f"from {source}"
    return f"{scale:.3f} mm per pixel ± {100 * doubt:.0f} %, {origin}"


def _rows(panels: list[Image.Image]) -> list[list[Image.Image]]:
    """Panels side by side, in as many rows as the widest page needs."""
    rows: list[list[Image.Image]] = [[]]
    for panel in panels:
        taken = sum(other.width + _MARGIN for other in rows[-1]) + _MARGIN
        if rows[-1] and taken + panel.width + _MARGIN > _WIDEST_PAGE:
            rows.append([])
        rows[-1].append(panel)
    return rows


def _text_block(result: CaseResult, width: int, omitted: int) -> Image.Image:
    """Verdict banner, legend, criteria, assumptions and the standing sentence, as high as they need."""
    canvas = Image.new("RGB", (width, _text_height(result, width, omitted)), _PAPER)
    _write_text(ImageDraw.Draw(canvas), result, width, omitted)
    return canvas


def _text_height(result: CaseResult, width: int, omitted: int) -> int:
    scratch = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    return int(_write_text(scratch, result, width, omitted)) + 2


def _write_text(draw: ImageDraw.ImageDraw, result: CaseResult, width: int, omitted: int) -> float:
    """Writes the block at the origin of `draw`; returns its height. Measured by writing it off the canvas."""
    heading, bold, plain = font(24, bold=True), font(16, bold=True), font(16)
    ground, ink = _BANNER[result.verdict.outcome]
    title = wrapped(f"{result.case_id}: {OUTCOME_WORDS[result.verdict.outcome].upper()}", heading, width - 24)
    parts = (
        f"puncture: {OUTCOME_WORDS[result.verdict.puncture]}; coverage: {OUTCOME_WORDS[result.verdict.coverage]}; "
        f"protocol: {result.protocol_name}"
    )
    subtitle = wrapped(parts, plain, width - 24)
    bottom = 16 + len(title) * line_height(heading) + len(subtitle) * line_height(plain)
    draw.rectangle((0, 0, width, bottom), fill=ground)
    y = draw_lines(draw, title, (12, 8), heading, ink)
    draw_lines(draw, subtitle, (12, y), plain, ink)
    y = _write_legend(draw, bottom + 10, width, result.contrast_is_provisional) + 6
    for criterion in result.verdict.criteria:
        draw.rectangle((0, y + 3, 12, y + 15), fill=_RESULT_COLOUR[criterion.result])
        y = draw_lines(
            draw, wrapped(f"{criterion.name}: {RESULT_WORDS[criterion.result]}", bold, width - 22), (22, y), bold, _INK
        )
        y = draw_lines(draw, wrapped(criterion.reason, plain, width - 22), (22, y), plain, _FAINT) + 4
    y += 6
    for statement in statements(result, omitted):
        y = draw_lines(draw, wrapped(statement, plain, width), (0, y), plain, _INK) + 2
    y += 8
    return draw_lines(draw, wrapped(STANDING_SENTENCE, bold, width), (0, y), bold, BLUE)


def _write_legend(draw: ImageDraw.ImageDraw, top: float, width: int, provisional: bool) -> float:
    plain = font(14)
    contrast = f"dashed orange line: contrast, {PROVISIONAL}" if provisional else "orange line: contrast"
    text = (
        "circle: SAP-TP junction with its 2 sd radius (blue: left, purple: right; of the image where the patient's "
        f"sides are unknown) · yellow cross: needle tip · {contrast} · white dot: vertebral body"
    )
    return draw_lines(draw, wrapped(text, plain, width), (0, top), plain, _FAINT)
