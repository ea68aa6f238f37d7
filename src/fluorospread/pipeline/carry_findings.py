"""Levels, junctions and needle tips of one image carried to another through their alignment.

Contrast hides the junctions it covers, so they are located before it and carried to where it is seen. The
spine repeats itself from level to level: an alignment that slipped by one is caught where the second image,
read on its own, numbers its vertebrae otherwise.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

from fluorospread.errors import OrientationError
from fluorospread.model.findings import Alignment, Junction, LevelLabels, LevelStatus, NeedleTip
from fluorospread.model.geometry import PointPx
from fluorospread.model.verdict import Flag
from fluorospread.pipeline.look_at_image import Look

# Two readings of one vertebra further apart than this share of the pitch are two different vertebrae.
_OTHER_VERTEBRA = 0.5


def carry_findings(reference: Look, measured: Look, alignment: Alignment) -> tuple[Look, tuple[Flag, ...]]:
    """`measured` with the findings of `reference`; a flag when the two number the spine differently.

    Needle tips are carried only where `measured` shows none of its own.

    Raises
    ------
    OrientationError
        The two images align, yet their tags name opposite sides.
    """
    ours, theirs = reference.radiograph.orientation.columns_towards, measured.radiograph.orientation.columns_towards
    if ours is not None and theirs is not None and ours is not theirs:
        raise OrientationError(
            f"{reference.name} and {measured.name} show the same view, yet by their tags columns run towards "
            f"{ours} in one and {theirs} in the other; settle it with --columns-towards"
        )
    if reference.levels is None:
        return measured, ()
    levels = _carried_levels(reference.levels, alignment, measured.radiograph.shape)
    clash = _clash(levels, measured.levels, reference.name, measured.name)
    flags: tuple[Flag, ...] = ()
    if clash:
        # Which of the two slipped is unknown, so the runner-up numberings of one of them say nothing.
        levels = replace(levels, status=LevelStatus.UNCERTAIN, reason=clash, alternatives=())
        flags = (Flag("numbering-differs-between-images", clash),)
    carried = replace(
        measured,
        levels=levels,
        junctions=tuple(
            replace(j, uncertainty_px=math.hypot(j.uncertainty_px, alignment.uncertainty_px))
            for j in carried_junctions(reference.junctions, alignment)
        ),
        junctions_reason=reference.junctions_reason,
        needles=measured.needles or carried_tips(reference.needles, alignment),
    )
    note = f"levels and junctions carried from {reference.name}, within {alignment.uncertainty_px:.1f} px"
    return carried.noting(note), flags


def carried_tips(tips: tuple[NeedleTip, ...], alignment: Alignment) -> tuple[NeedleTip, ...]:
    """Tips where they lie in the measured image; their direction is kept, as images of one view hardly turn."""
    return tuple(
        replace(
            tip,
            tip_px=alignment.carry(tip.tip_px),
            uncertainty_px=math.hypot(tip.uncertainty_px, alignment.uncertainty_px),
        )
        for tip in tips
    )


def carried_junctions(junctions: tuple[Junction, ...], alignment: Alignment) -> tuple[Junction, ...]:
    """Junctions where they lie in the measured image, with the uncertainty they had before."""
    return tuple(replace(junction, point_px=alignment.carry(junction.point_px)) for junction in junctions)


def _carried_levels(levels: LevelLabels, alignment: Alignment, shape: tuple[int, int]) -> LevelLabels:
    vertebrae = []
    for vertebra in levels.vertebrae:
        center = alignment.carry(vertebra.center_px)
        if _inside(center, shape):
            own = vertebra.uncertainty_px
            sigma = None if own is None else math.hypot(own, alignment.uncertainty_px)
            vertebrae.append(replace(vertebra, center_px=center, uncertainty_px=sigma))
    return replace(levels, vertebrae=tuple(vertebrae))


def _inside(point: PointPx, shape: tuple[int, int]) -> bool:
    return all(-0.5 <= value < size - 0.5 for value, size in zip(point, shape, strict=True))


def _clash(carried: LevelLabels, own: LevelLabels | None, from_name: str, to_name: str) -> str:
    """How the image's own numbering contradicts the carried one, in words; empty when it does not, or when
    its own reading is not sure enough to contradict anything."""
    if own is None or own.status is not LevelStatus.CONFIDENT or carried.status is not LevelStatus.CONFIDENT:
        return ""
    centers = [v.center_px for v in carried.vertebrae]
    pitches = [math.dist(a, b) for a, b in pairwise(centers)]
    if not pitches:
        return ""
    limit = _OTHER_VERTEBRA * sum(pitches) / len(pitches)
    for vertebra in carried.vertebrae:
        other = own.vertebra(vertebra.level)
        if other is not None and math.dist(vertebra.center_px, other.center_px) > limit:
            return (
                f"{vertebra.level} carried from {from_name} does not lie where {to_name}, read on its own, "
                f"shows {vertebra.level}"
            )
    return ""


def align(reference: Look, measured: Look) -> Alignment | None:
    """Where points of `reference` lie in `measured`, or None where the two do not show one view."""
    from fluorospread.imaging.registration import MatchRefused, match

    mm_per_px = measured.radiograph.geometry.mm_per_px
    if mm_per_px is None or reference.radiograph.shape != measured.radiograph.shape:
        return None
    found = match(
        reference.radiograph.pixels(reference.frame),
        measured.radiograph.pixels(measured.frame),
        (reference.radiograph.field_of_view, measured.radiograph.field_of_view),
        mm_per_px,
    )
    if isinstance(found, MatchRefused):
        return None
    return Alignment(found.matrix, found.uncertainty_px, 1.0 - found.correlation)


def apply_given_numbering(looks: tuple[Look, ...], numbered: int) -> tuple[Look, ...]:
    """Every image numbered as a person numbered one of them.

    Images that align with it take over its levels and junctions; in those that do not, the numbering is
    not confident, as nothing connects it with what the person settled.
    """
    source = looks[numbered]
    return tuple(
        look if index == numbered or look.levels is None else _renumbered(source, look)
        for index, look in enumerate(looks)
    )


def _renumbered(source: Look, look: Look) -> Look:
    alignment = align(source, look)
    if alignment is not None:
        return carry_findings(source, replace(look, levels=None, needles=()), alignment)[0]
    if look.levels is None:
        return look
    reason = f"a person numbered {source.name}, with which this image could not be aligned"
    return replace(look, levels=replace(look.levels, status=LevelStatus.UNCERTAIN, reason=reason))
