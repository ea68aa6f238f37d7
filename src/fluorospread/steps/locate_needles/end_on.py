"""Needles seen almost along their shaft: the dense spot of a hub, with a short shaft or none."""

from __future__ import annotations

from fluorospread.imaging.spots import Spot, ray_from
from fluorospread.steps.locate_needles.searched import SearchedFrame, Shaft, apart_px
from fluorospread.steps.locate_needles.settings import NeedleSettings


def end_on_needles(frame: SearchedFrame, shafts: list[Shaft], settings: NeedleSettings) -> list[Shaft]:
    """Needles seen almost along their shaft: the dense spot of a hub with a short shaft or none.

    At most one on each side of the midline, and none where a shaft was found on that side: a spot says less.
    """
    if not frame.levels.vertebrae:
        return []
    scale = frame.mm_per_px
    taken = {frame.right_of_midline(shaft.tip) for shaft in shafts}
    found: list[Shaft] = []
    for spot in frame.spots:
        if frame.right_of_midline(spot.centre) in taken or frame.beyond_mm(spot.centre) > settings.end_on_beyond_mm:
            continue
        nearest, farthest = settings.end_on_lateral_mm
        if not nearest <= frame.lateral_mm(spot.centre) <= farthest:
            continue
        rivals = [other for other in frame.spots if other is not spot and other.strength > 0.5 * spot.strength]
        if any(apart_px(spot.centre, rival.centre) * scale < settings.alone_mm for rival in rivals):
            continue
        shaft = _foreshortened(frame, spot, settings)
        if shaft is not None and not any(apart_px(spot.centre, s.tail) * scale < 12.0 for s in shafts):
            taken.add(frame.right_of_midline(spot.centre))
            found.append(shaft)
    return found


def _foreshortened(frame: SearchedFrame, spot: Spot, settings: NeedleSettings) -> Shaft | None:
    """The needle whose hub is this spot, None where neither a shaft nor its own density shows it to be one."""
    scale, least = frame.mm_per_px, frame.least_height
    reach = (settings.ray_mm[0] / scale, settings.ray_mm[1] / scale)
    ray = ray_from(frame.image, spot.centre, reach, scale, 1.3 * least)
    if ray is not None:
        tip = (spot.centre[0] + ray.end_px * ray.direction[0], spot.centre[1] + ray.end_px * ray.direction[1])
        return Shaft(tip, spot.centre, ray.direction, 1.0 / scale, 0.7, ray.end_px)
    if spot.salience * spot.height < settings.end_on_salience * least:
        return None
    return Shaft(spot.centre, spot.centre, None, 1.8 / scale, 0.6, 0.0)
