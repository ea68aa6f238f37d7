"""Needles seen almost along their shaft: the dense disc of a hub, with a short shaft or none.

A disc is taken for a hub where it is plainly one, or by logistic regression over what it shows.
"""

from __future__ import annotations

import numpy as np

from fluorospread.imaging.spots import Ray, Spot, ray_from, ring_about
from fluorospread.steps.locate_needles.searched import SearchedFrame, Shaft, apart_px
from fluorospread.steps.locate_needles.settings import NeedleSettings

# Fitted on tuning images and films without needles; see docs/steps/locate_needles.md.
_WEIGHTS = {"salience": 2.65, "ring": 1.27, "ray": 2.41, "ripple": -2.74}
_CONSTANT = -4.29
# Hubs have up to 3 times the least height of a shaft, letters from 10 times on.
_MOST_RIPPLE = 4.0


def end_on_needles(frame: SearchedFrame, shafts: list[Shaft], settings: NeedleSettings) -> list[Shaft]:
    """Needles seen almost along their shaft: the dense disc of a hub with a short shaft or none, likeliest first.

    At most one on each side of the midline, and none where a shaft was found on that side: a disc says less.
    """
    if not frame.levels.vertebrae:
        return []
    taken = {frame.right_of_midline(shaft.tip) for shaft in shafts}
    likely = [
        shaft
        for spot in frame.discs
        if _may_be(frame, spot, shafts, settings) and (shaft := _foreshortened(frame, spot, settings)) is not None
    ]
    found: list[Shaft] = []
    for shaft in sorted(likely, key=lambda one: -one.score):
        side = frame.right_of_midline(shaft.tail)
        if side not in taken:
            taken.add(side)
            found.append(shaft)
    return found


def _may_be(frame: SearchedFrame, spot: Spot, shafts: list[Shaft], settings: NeedleSettings) -> bool:
    """Whether a disc lies where hubs of foreshortened needles lie, and is no other needle's hub."""
    nearest, farthest = settings.end_on_lateral_mm
    return (
        spot.salience >= settings.end_on_least_salience
        and frame.beyond_mm(spot.centre) <= settings.end_on_beyond_mm
        and nearest <= frame.lateral_mm(spot.centre) <= farthest
        and not any(apart_px(spot.centre, shaft.tail) * frame.mm_per_px < settings.alone_mm for shaft in shafts)
        and _rivals(frame, spot, settings) < 2
    )


def _rivals(frame: SearchedFrame, spot: Spot, settings: NeedleSettings) -> int:
    """How many discs nearly as strong lie close by."""
    return sum(
        other is not spot
        and other.strength > 0.7 * spot.strength
        and apart_px(spot.centre, other.centre) * frame.mm_per_px < settings.alone_mm
        for other in frame.discs
    )


def _foreshortened(frame: SearchedFrame, spot: Spot, settings: NeedleSettings) -> Shaft | None:
    """The needle whose hub is this disc, None where too little speaks for its being one."""
    scale = frame.mm_per_px
    reach = (settings.ray_mm[0] / scale, settings.ray_mm[1] / scale)
    ray = ray_from(frame.image, spot.centre, reach, scale, 1.3 * frame.least_height)
    # A foreshortened shaft is crossed lengthwise: it is about as dense as the hub, which bone beside it is not.
    if ray is not None and ray.height < settings.ray_over_hub * ring_about(frame.image, spot.centre, scale).height:
        ray = None
    log_odds = _log_odds(frame, spot, ray)
    plain = log_odds >= settings.least_plain_log_odds and _is_plain_hub(frame, spot, ray, settings)
    if log_odds < settings.least_end_on_log_odds and not plain:
        return None
    score = float(1.0 / (1.0 + np.exp(-log_odds)))
    if ray is None:
        return Shaft(spot.centre, spot.centre, None, settings.end_on_sd_mm[1] / scale, score, 0.0, True)
    tip = (spot.centre[0] + ray.end_px * ray.direction[0], spot.centre[1] + ray.end_px * ray.direction[1])
    return Shaft(tip, spot.centre, ray.direction, settings.end_on_sd_mm[0] / scale, score, ray.end_px, True)


def _is_plain_hub(frame: SearchedFrame, spot: Spot, ray: Ray | None, settings: NeedleSettings) -> bool:
    """Whether a disc is one of the most salient, smooth, stands alone, and has a shaft or enough height of its own."""
    alone = not any(
        other.strength > 0.5 * spot.strength
        and 0.0 < apart_px(spot.centre, other.centre) * frame.mm_per_px < settings.alone_mm
        for other in frame.spots
    )
    plain = [other for other in frame.spots if apart_px(spot.centre, other.centre) * frame.mm_per_px < 0.5]
    smooth = ring_about(frame.image, spot.centre, frame.mm_per_px).ripple <= _MOST_RIPPLE * frame.least_height
    if not plain or not alone or not smooth:
        return False
    return ray is not None or plain[0].salience * plain[0].height >= settings.end_on_salience * frame.least_height


def _log_odds(frame: SearchedFrame, spot: Spot, ray: Ray | None) -> float:
    """Natural log-odds that a disc is a hub."""
    least = frame.least_height
    ring = ring_about(frame.image, spot.centre, frame.mm_per_px)
    measures = {
        "salience": float(np.log(max(spot.salience, 1.0) / 20.0)),
        "ring": float(np.clip(ring.height / least, -2.0, 8.0)) / 2.0,
        "ray": 0.0 if ray is None else float(np.clip(np.log(ray.height / least), 0.0, 2.2)),
        "ripple": min(ring.ripple / least, 3.0),
    }
    return _CONSTANT + sum(weight * measures[name] for name, weight in _WEIGHTS.items())
