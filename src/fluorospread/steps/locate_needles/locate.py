"""From lines and spots that may be needles to tips with sides, or a reason why there is none."""

from __future__ import annotations

import numpy as np

from fluorospread.model.anatomy import Side
from fluorospread.model.findings import LevelLabels, LevelStatus, NeedleTip, NotFound
from fluorospread.model.geometry import PointPx
from fluorospread.model.radiograph import Radiograph
from fluorospread.steps.locate_needles.end_on import end_on_needles
from fluorospread.steps.locate_needles.lines import line_segments
from fluorospread.steps.locate_needles.searched import SearchedFrame, Shaft, apart_px, searched_frame
from fluorospread.steps.locate_needles.settings import NeedleSettings
from fluorospread.steps.locate_needles.shafts import as_shaft


def locate_needles(
    radiograph: Radiograph,
    levels: LevelLabels,
    settings: NeedleSettings = NeedleSettings(),  # noqa: B008 - frozen
    frame: int = 0,
) -> tuple[NeedleTip, ...] | NotFound:
    """Needle tips in `frame`, best first; sides need the spine's midline and, for the patient's, the orientation."""
    if not radiograph.field_of_view.any():
        return NotFound("needle", "nothing of the image lies inside the field of view")
    searched = searched_frame(radiograph, levels, settings, frame)
    reasons: list[str] = []
    shafts: list[Shaft] = []
    for segment in line_segments(searched, settings):
        shaft = as_shaft(searched, segment, settings)
        if isinstance(shaft, str):
            reasons.append(shaft)
        elif (
            searched.lateral_mm(shaft.tip) > settings.largest_lateral_mm
            or searched.beyond_mm(shaft.tip) > settings.largest_beyond_mm
        ):
            reasons.append("lines end far from the spine")
        else:
            shafts.append(shaft)
    shafts = _one_each(shafts, searched.mm_per_px)
    shafts += end_on_needles(searched, shafts, settings)
    if not shafts:
        return NotFound("needle", _why_none(reasons))
    if len(shafts) > settings.most_needles:
        return NotFound("needle", f"{len(shafts)} lines look like needles; which is one cannot be told")
    return tuple(_tip(shaft, searched, radiograph) for shaft in shafts)


def _one_each(shafts: list[Shaft], mm_per_px: float) -> list[Shaft]:
    """Best first, with second finds on one needle left out."""
    kept: list[Shaft] = []
    for shaft in sorted(shafts, key=lambda s: (-s.score, -s.length_px)):
        if not any(_same_line(shaft, other, mm_per_px) for other in kept):
            kept.append(shaft)
    return kept


def _same_line(a: Shaft, b: Shaft, mm_per_px: float) -> bool:
    """True for two finds on one needle: parallel, and one's tip close to the other's axis.

    Two needles that come from either side in one line show a hub each, and their tips lie between them.
    """
    if a.direction is None or b.direction is None:
        return apart_px(a.tip, b.tip) < 3.0 / mm_per_px
    parallel = abs(a.direction[0] * b.direction[0] + a.direction[1] * b.direction[1]) > np.cos(np.deg2rad(12.0))
    away = (a.tip[0] - b.tip[0], a.tip[1] - b.tip[1])
    off_axis = abs(away[0] * b.direction[1] - away[1] * b.direction[0])
    opposed = a.direction[0] * b.direction[0] + a.direction[1] * b.direction[1] < 0
    facing = opposed and apart_px(a.tail, b.tail) > apart_px(a.tip, b.tip) + 0.9 * (a.length_px + b.length_px)
    if facing and a.with_hub and b.with_hub:
        return False
    return bool(parallel and off_axis < 3.0 / mm_per_px)


def _tip(shaft: Shaft, frame: SearchedFrame, radiograph: Radiograph) -> NeedleTip:
    tip, sd_px = frame.stored(shaft.tip), shaft.tip_sd_px * frame.factor
    side = _side(tip, sd_px, radiograph, frame.levels)
    return NeedleTip(side, tip, sd_px, float(np.clip(shaft.score, 0.0, 1.0)), shaft.direction)


def _side(tip: PointPx, sd_px: float, radiograph: Radiograph, levels: LevelLabels) -> Side | None:
    """Side of the spine's midline, None within 2 sd of it or where no midline is known."""
    midline = levels.midline_col(tip[0])
    if midline is None or levels.status is LevelStatus.INDETERMINATE:
        return None
    own = [v.uncertainty_px for v in levels.vertebrae if v.uncertainty_px is not None]
    sigma = float(np.hypot(sd_px, np.median(own) if own else 0.0))
    if abs(tip[1] - midline) < 2.0 * sigma:
        return None
    return radiograph.orientation.side_at(tip[1], midline)


def _why_none(reasons: list[str]) -> str:
    if not reasons:
        return "no straight line of metal stands out"
    most = max(set(reasons), key=reasons.count)
    return f"no line passes as a needle: {most}"
