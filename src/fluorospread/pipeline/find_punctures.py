"""Where each needle went: tips from the image that shows them best, else what the contrast says of them."""

from __future__ import annotations

import math
from dataclasses import replace

from fluorospread.model.anatomy import Side
from fluorospread.model.case import Role
from fluorospread.model.findings import Junction, NeedleTip
from fluorospread.model.spread import Pool
from fluorospread.model.verdict import PunctureSource
from fluorospread.pipeline.find_contrast_origin import find_contrast_origin
from fluorospread.pipeline.look_at_image import Look, look_for_needles
from fluorospread.pipeline.settings import VerifySettings
from fluorospread.steps.judge_case import ImageEvidence

# Contrast runs off to one side of where it was injected: the place of injection lies within the pool, about
# a quarter of its length from its middle (1 sd, our estimate; it mostly leaves the level undetermined).
_EPICENTRE_SD_OF_LENGTH = 0.25
# A tip less sure than this (1 sd) is said aloud: 2 sd are then as far as half the way to the next junction.
_UNSURE_TIP_MM = 3.0


def find_tips(looks: tuple[Look, ...], wanted_sides: int, settings: VerifySettings) -> tuple[Look, ...]:
    """The looks with needle tips in those that were searched.

    Needle images come first, then images before contrast; where there is neither, runs and images with
    contrast, which may hide a tip. A weaker image adds tips only on sides the stronger ones left empty.
    """
    found = list(looks)
    roles = [look.role for look in looks]
    clear: list[Role] = [role for role in (Role.NEEDLE, Role.PRE) if role in roles]
    sides: set[Side] = set()
    for role in clear or [Role.CINE, Role.POST]:
        settled = frozenset(sides)
        for index, look in enumerate(looks):
            if look.role is role and len(settled) < wanted_sides:
                searched = look_for_needles(look, settings)
                found[index] = _noting_unsure(_without_sides(searched, settled))
                sides |= {tip.side for tip in found[index].needles if tip.side is not None}
    return tuple(found)


def _without_sides(look: Look, sides: frozenset[Side]) -> Look:
    return replace(look, needles=tuple(tip for tip in look.needles if tip.side not in sides))


def _noting_unsure(look: Look) -> Look:
    """The look with a note for every needle whose tip is not sure."""
    mm_per_px = look.radiograph.geometry.mm_per_px
    if mm_per_px is None:
        return look
    unsure = [tip for tip in look.needles if tip.uncertainty_px * mm_per_px >= _UNSURE_TIP_MM]
    return look.noting(
        *(
            f"a needle is seen{'' if tip.side is None else f' ({tip.side.value})'}, but its tip is sure only to within "
            f"about {2.0 * tip.uncertainty_px * mm_per_px:.0f} mm"
            for tip in unsure
        )
    )


def tip_evidence(looks: tuple[Look, ...]) -> tuple[ImageEvidence, ...]:
    """What the needle tips of each image say, each judged by its own image's junctions."""
    return tuple(_evidence(look, look.needles, PunctureSource.NEEDLE_TIP) for look in looks if look.needles)


def contrast_evidence(
    look: Look,
    pools: tuple[Pool, ...],
    junctions: tuple[Junction, ...],
    tips: tuple[ImageEvidence, ...],
    settings: VerifySettings,
    known_origins: tuple[NeedleTip, ...] | None = None,
) -> tuple[ImageEvidence, ...]:
    """What the contrast in `look` says of punctures on sides where no needle tip is seen: where a run first
    shows it, else its middle. `junctions` are those of the image that shows the contrast; `known_origins`
    is where a run first shows it on either side, looked for where None."""
    seen = {tip.side for image in tips for tip in image.tips}
    open_sides = frozenset(pool.side for pool in pools if pool.side is not None and pool.side not in seen)
    if look.levels is None or not open_sides:
        return ()
    if known_origins is None:
        origins = find_contrast_origin(look, junctions, open_sides, settings)
    else:
        origins = tuple(origin for origin in known_origins if origin.side in open_sides)
    middles = tuple(
        NeedleTip(pool.side, pool.centroid_px, _EPICENTRE_SD_OF_LENGTH * _length_px(pool), 1.0)
        for pool in pools
        if pool.side in open_sides - {origin.side for origin in origins}
    )
    found = ((origins, PunctureSource.CINE_ORIGIN), (middles, PunctureSource.CONTRAST_EPICENTRE))
    return tuple(_evidence(look, places, source) for places, source in found if places)


def _length_px(pool: Pool) -> float:
    points = [point for ring in pool.outline_px for point in ring]
    if not points:
        return math.sqrt(pool.area_px)
    rows, cols = zip(*points, strict=True)
    return float(max(max(rows) - min(rows), max(cols) - min(cols)))


def _evidence(look: Look, tips: tuple[NeedleTip, ...], source: PunctureSource) -> ImageEvidence:
    if look.levels is None:
        raise ValueError(f"{look.name} was not measured")
    return ImageEvidence(
        name=look.name,
        levels=look.levels,
        junctions=look.junctions,
        tips=tips,
        source=source,
        geometry=look.radiograph.geometry,
        junctions_reason=look.junctions_reason,
    )
