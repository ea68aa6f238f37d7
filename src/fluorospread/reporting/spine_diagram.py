"""Findings of one image placed on one drawn lumbar spine, as SVG that reads in black and white.

The spine is drawn in millimetres about the centre of L4, seen from the front: down is caudal, the
patient's left is on the right. An affine map, fitted to the labelled vertebral centres and SAP-TP
junctions, carries points of an image there, so spines of any size and tilt can share one drawing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseImage, CaseResult
from fluorospread.model.findings import NotFound
from fluorospread.model.geometry import PointPx
from fluorospread.model.spread import Answer, Pool

# Medians of twelve annotated frontal films of adults (L4 body taken as 48 mm wide), in mm from L4's
# centre, caudal positive; the S1 junction was not annotated and is placed by its anatomy.
CENTRE_MM: dict[Level, float] = {
    Level.T12: -117.0,
    Level.L1: -92.0,
    Level.L2: -64.0,
    Level.L3: -34.0,
    Level.L4: 0.0,
    Level.L5: 29.0,
    Level.S1: 54.0,
}
JUNCTION_MM: dict[Level, tuple[float, float]] = {
    Level.L3: (-39.0, 20.0),
    Level.L4: (-7.0, 22.5),
    Level.L5: (20.0, 25.0),
    Level.S1: (44.0, 26.0),
}
_BODY_HALF_WIDTH_MM = {Level.L2: 22.0, Level.L3: 23.0, Level.L4: 24.0, Level.L5: 25.0}
_BODY_HALF_HEIGHT_MM = 12.5
# What is drawn: (left, top, width, height) in mm; holds L2 to the upper sacrum and the transverse processes.
VIEW_MM = (-75.0, -84.0, 150.0, 160.0)


@dataclass(frozen=True)
class SpineMap:
    """Image pixels (row, col) to the drawn spine (down, right) in mm. `rms_mm` is how far the labelled
    points lie from the drawn ones after the map (lower is better)."""

    matrix: npt.NDArray[np.float64]
    rms_mm: float

    def place(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Points of shape (n, 2), (row, col) px, as (n, 2), (down, right) mm."""
        placed: npt.NDArray[np.float64] = points @ self.matrix[:, :2].T + self.matrix[:, 2]
        return placed


def map_to_spine(image: CaseImage) -> SpineMap | NotFound:
    """The map from one image to the drawn spine, or why there is none."""
    here: list[PointPx] = []
    there: list[tuple[float, float]] = []
    for junction in image.junctions:
        if junction.level in JUNCTION_MM:
            down, lateral = JUNCTION_MM[junction.level]
            here.append(junction.point_px)
            there.append((down, lateral * _right(junction.side)))
    sides = {math.copysign(1.0, right) for _, right in there}
    if len(here) < 3 or len(sides) < 2:
        return NotFound("spine map", "fewer than three junctions on both sides are known in this image")
    for vertebra in image.levels.vertebrae if image.levels is not None else ():
        if vertebra.level in CENTRE_MM:
            here.append(vertebra.center_px)
            there.append((CENTRE_MM[vertebra.level], 0.0))
    source = np.column_stack([np.array(here), np.ones(len(here))])
    target = np.array(there)
    solution, _, rank, _ = np.linalg.lstsq(source, target, rcond=None)
    if rank < 3:
        return NotFound("spine map", "the known points of this image lie on one line")
    residual = source @ solution - target
    return SpineMap(solution.T, float(np.sqrt((residual**2).sum(axis=1).mean())))


def _right(side: Side) -> float:
    """+1 for what is drawn on the right: the patient's left, or high columns while sides are unknown."""
    return 1.0 if side in (Side.LEFT, Side.IMAGE_RIGHT) else -1.0


def spine_drawing(inner: str, title: str, of_patient: bool) -> str:
    """The drawn spine with `inner` SVG on top. Sides are lettered R and L only when the patient's are known."""
    left, top, width, height = VIEW_MM
    letters = ("R", "L") if of_patient else ("image left", "image right")
    behind = "".join(_transverse_processes(level) for level in _BODY_HALF_WIDTH_MM)
    bodies = "".join(_body(level) for level in _BODY_HALF_WIDTH_MM)
    # Names stand beside the spine, where neither contrast nor a needle can cover them.
    names = "".join(
        f'<text x="{left + 3:g}" y="{CENTRE_MM[level] + 2.2:.1f}" font-size="6.5">{level}</text>'
        for level in (*_BODY_HALF_WIDTH_MM, Level.S1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left:g} {top:g} {width:g} {height:g}" '
        f'role="img" aria-label="{title}" font-family="sans-serif">'
        '<defs><pattern id="hatch" width="2.4" height="2.4" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="2.4" height="2.4" fill="#d9d9d9"/>'
        '<line x1="0" y1="0" x2="0" y2="2.4" stroke="#444" stroke-width="0.9"/></pattern></defs>'
        f'<g fill="#fff" stroke="#777" stroke-width="0.7">{_sacrum()}{behind}{bodies}</g>'
        f"{inner}<g>{names}"
        f'<text x="{left + 3:g}" y="{top + 8:g}" font-size="7" font-weight="bold">{letters[0]}</text>'
        f'<text x="{left + width - 3:g}" y="{top + 8:g}" font-size="7" font-weight="bold" '
        f'text-anchor="end">{letters[1]}</text></g></svg>'
    )


def _body(level: Level) -> str:
    """A waisted body with its two pedicles and, below its middle, the spinous process."""
    middle, half, tall = CENTRE_MM[level], _BODY_HALF_WIDTH_MM[level], _BODY_HALF_HEIGHT_MM
    top, bottom, waist = middle - tall, middle + tall, half - 5.0
    outline = (
        f'<path d="M{-half:g},{top:g}Q0,{top + 2:g} {half:g},{top:g}Q{waist:g},{middle:g} {half:g},{bottom:g}'
        f'Q0,{bottom - 2:g} {-half:g},{bottom:g}Q{-waist:g},{middle:g} {-half:g},{top:g}Z"/>'
    )
    pedicles = "".join(f'<ellipse cx="{s * (half - 9):g}" cy="{middle - 4:g}" rx="3.4" ry="5"/>' for s in (-1, 1))
    return f'{outline}{pedicles}<ellipse cx="0" cy="{middle + 6:g}" rx="2.6" ry="6"/>'


def _transverse_processes(level: Level) -> str:
    row = JUNCTION_MM.get(level, (CENTRE_MM[level] - 5.0, 20.0))[0]
    parts = []
    for sign in (-1.0, 1.0):
        root, tip = sign * 10.0, sign * (_BODY_HALF_WIDTH_MM[level] + 17.0)
        parts.append(
            f'<path d="M{root:g},{row:g}Q{sign * 30:g},{row - 1:g} {tip:g},{row - 4:g}'
            f'Q{tip + sign * 4:g},{row:g} {tip:g},{row + 3.5:g}Q{sign * 30:g},{row + 6:g} {root:g},{row + 9:g}Z"/>'
        )
    return "".join(parts)


def _sacrum() -> str:
    return '<path d="M-25,43Q-34,33 -48,42Q-62,52 -40,76H40Q62,52 48,42Q34,33 25,43Q0,46 -25,43Z"/>' + "".join(
        f'<ellipse cx="{sign * 17}" cy="66" rx="3.4" ry="2.6"/>' for sign in (-1, 1)
    )


@dataclass(frozen=True)
class SpreadDiagram:
    """The drawing, empty where there is nothing to draw, and in words what could not be placed on it."""

    svg: str
    missing: tuple[str, ...]


def draw_spread(result: CaseResult) -> SpreadDiagram:
    """Contrast, needle tips and covered junctions of a case on the drawn spine."""
    parts: list[str] = []
    missing: list[str] = []
    shown = result.contrast.image
    if result.contrast.pools and shown is not None:
        fit = map_to_spine(result.images[shown])
        if isinstance(fit, NotFound):
            missing.append(f"the contrast's outline ({fit.reason})")
        else:
            parts += [_pool(pool, fit, result.contrast_is_provisional) for pool in result.contrast.pools]
    parts.append(_junction_marks(result))
    for index, image in enumerate(result.images):
        if not image.needles:
            continue
        fit = map_to_spine(image)
        if isinstance(fit, NotFound):
            missing.append(f"the needle of image {index + 1} ({fit.reason})")
        else:
            parts += [_needle_mark(needle.tip_px, fit) for needle in image.needles]
    if not any(parts):
        return SpreadDiagram("", tuple(missing))
    sides = [item.side for item in result.coverage] + [item.side for item in result.punctures]
    of_patient = all(side.of_patient for side in sides) and _orientation_known(result)
    return SpreadDiagram(spine_drawing("".join(parts), "Spread on the spine", of_patient), tuple(missing))


def _orientation_known(result: CaseResult) -> bool:
    measured = [image for image in result.images if image.role.is_measured]
    return bool(measured) and all(image.orientation.columns_towards is not None for image in measured)


def outline_path(pool: Pool, fit: SpineMap) -> str:
    """The pool's rings as SVG path data on the drawn spine, to a tenth of a millimetre."""
    rings = []
    for ring in pool.outline_px:
        if len(ring) < 3:
            continue
        placed = np.round(fit.place(np.array(ring)), 1)
        keep = np.r_[True, np.any(np.diff(placed, axis=0) != 0.0, axis=1)]
        rings.append("M" + "L".join(f"{right:g},{down:g}" for down, right in placed[keep]) + "Z")
    return "".join(rings)


def _pool(pool: Pool, fit: SpineMap, provisional: bool) -> str:
    """Hatched; an outline that is only provisional is empty and dashed."""
    path = f'<path d="{outline_path(pool, fit)}" stroke="#000" stroke-width="0.8" '
    if provisional:
        return f'{path}fill="none" stroke-dasharray="3 2"/>'
    return f'{path}fill="url(#hatch)" fill-rule="evenodd" fill-opacity="0.85"/>'


def _junction_marks(result: CaseResult) -> str:
    """Filled: covered. Open: not covered. Question mark: undetermined. Placed where the drawing has them."""
    marks = []
    for (level, side), covered in result.stated_coverage().items():
        if level not in JUNCTION_MM:
            continue
        down, lateral = JUNCTION_MM[level]
        right = lateral * _right(side)
        fill = "#000" if covered is Answer.YES else "#fff"
        marks.append(
            f'<circle cx="{right:g}" cy="{down:g}" r="3.6" fill="{fill}" stroke="#fff" stroke-width="2.4"/>'
            f'<circle cx="{right:g}" cy="{down:g}" r="3.6" fill="{fill}" stroke="#000" stroke-width="1"/>'
        )
        if covered is Answer.UNDETERMINED:
            marks.append(
                f'<text x="{right:g}" y="{down + 2:g}" font-size="5.5" font-weight="bold" text-anchor="middle">?</text>'
            )
    return "".join(marks)


def _needle_mark(tip: PointPx, fit: SpineMap) -> str:
    down, right = fit.place(np.array([tip]))[0]
    cross = f"M{right - 4:.1f},{down:.1f}h8M{right:.1f},{down - 4:.1f}v8"
    return (
        f'<path d="{cross}" stroke="#fff" stroke-width="3" fill="none"/>'
        f'<path d="{cross}" stroke="#000" stroke-width="1.2" fill="none"/>'
    )
