"""A case with one finding changed by a person: a point moved, the spine renumbered, the contrast painted anew.

Findings that were carried to another image follow there. What was concluded from the former findings stands
until `conclude_again` replaces it. Every change is marked as a person's, in the finding where it has room for
that and in the case's overrides always.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, Level
from fluorospread.model.case import CaseImage, CaseResult, Override
from fluorospread.model.findings import Anchor, ContrastStatus, LevelLabels, LevelStatus, NeedleTip
from fluorospread.model.geometry import PointPx
from fluorospread.model.radiograph import BoolImage
from fluorospread.pipeline.link_images import link_images

PERSON = "person"
_Item = TypeVar("_Item")


class FindingKind(StrEnum):
    """Findings that are points. The text names their overrides."""

    LEVEL = "levels"
    JUNCTION = "junctions"
    NEEDLE = "needle tips"


@dataclass(frozen=True)
class FindingPlace:
    """One finding: the index of its image, its kind, and its place in that image's list."""

    image: int
    kind: FindingKind
    index: int


def move_finding(case: CaseResult, place: FindingPlace, point: PointPx) -> CaseResult:
    """`case` with one point moved to `point`, (row, col) px of its image.

    Raises
    ------
    UsageError
        There is no such finding, or the point lies outside its image.
    """
    image = _image(case, place.image)
    if not (-0.5 <= point[0] <= image.rows - 0.5 and -0.5 <= point[1] <= image.cols - 0.5):
        raise UsageError(f"{point} lies outside an image of {image.rows} rows and {image.cols} columns")
    points = points_of(image, place.kind)
    if not 0 <= place.index < len(points):
        raise UsageError(f"there is no finding {place.index + 1} among {len(points)} {place.kind}")
    images = list(case.images)
    images[place.image] = _moved(image, place.kind, place.index, point)
    for number, link in link_images(case, place.image).items():
        index = link.find(points[place.index], points_of(images[number], place.kind))
        if index is not None:
            images[number] = _moved(images[number], place.kind, index, link.carry(point))
    override = Override(_name(images[place.image], place), f"{point[0]:.1f},{point[1]:.1f}")
    return replace(case, images=tuple(images), overrides=_noted(case.overrides, override))


def renumber_levels(case: CaseResult, image: int, index: int, level: Level) -> CaseResult:
    """`case` with vertebra `index` of an image called `level`, and every other vertebra and junction
    renamed by the same shift. A name the shift leads out of the spine is dropped with its finding.

    Images that share the findings are renamed alike; in the others nothing connects the numbering with what
    the person settled, and it is no longer confident.

    Raises
    ------
    UsageError
        The image has no such vertebra.
    """
    levels = _image(case, image).levels
    if levels is None or not 0 <= index < len(levels.vertebrae):
        raise UsageError(f"image {image + 1} has no vertebra {index + 1} to be renamed")
    chain = _chain({v.level for v in levels.vertebrae} | {level})
    shift = chain.index(level) - chain.index(levels.vertebrae[index].level)
    follow = {image, *link_images(case, image)}
    images = tuple(
        _renamed(item, chain, shift) if number in follow else _doubted(item, case.images[image].role)
        for number, item in enumerate(case.images)
    )
    override = Override("numbering", f"{levels.vertebrae[index].level} is {level}")
    return replace(case, images=images, overrides=(*case.overrides, override))


def paint_contrast(case: CaseResult, mask: BoolImage | None) -> CaseResult:
    """`case` with the contrast outlined by a person; `mask` is None, or empty, where it was erased.

    Raises
    ------
    UsageError
        No image of the case was searched for contrast.
    """
    if case.contrast.image is None:
        raise UsageError("no image of this case shows contrast, so there is none to outline")
    if mask is None or not mask.any():
        contrast = replace(
            case.contrast, status=ContrastStatus.NOT_FOUND, reason="the outline was erased by a person", mask_file=None
        )
        value = "erased"
    else:
        contrast = replace(case.contrast, status=ContrastStatus.FOUND, reason="")
        value = "painted"
    return replace(case, contrast=contrast, overrides=_noted(case.overrides, Override("contrast", value)))


def _image(case: CaseResult, index: int) -> CaseImage:
    if not 0 <= index < len(case.images):
        raise UsageError(f"there is no image {index + 1} among {len(case.images)}")
    return case.images[index]


def points_of(image: CaseImage, kind: FindingKind) -> tuple[PointPx, ...]:
    """The image's points of one kind, in the order of its list."""
    if kind is FindingKind.LEVEL:
        return tuple(v.center_px for v in image.levels.vertebrae) if image.levels is not None else ()
    if kind is FindingKind.JUNCTION:
        return tuple(j.point_px for j in image.junctions)
    return tuple(n.tip_px for n in image.needles)


def _moved(image: CaseImage, kind: FindingKind, index: int, point: PointPx) -> CaseImage:
    """The image with one point moved. A person who places a point is taken to mean it."""
    if kind is FindingKind.JUNCTION:
        junction = replace(image.junctions[index], point_px=point, confidence=1.0, assigned_by=PERSON)
        return replace(image, junctions=_exchanged(image.junctions, index, junction))
    if kind is FindingKind.NEEDLE:
        tip = replace(image.needles[index], tip_px=point, confidence=1.0)
        return replace(image, needles=_exchanged(image.needles, index, _on_its_side(tip, image)))
    levels = image.levels
    if levels is None:
        return image
    vertebra = replace(levels.vertebrae[index], center_px=point, confidence=1.0)
    return replace(image, levels=replace(levels, vertebrae=_exchanged(levels.vertebrae, index, vertebra)))


def _on_its_side(tip: NeedleTip, image: CaseImage) -> NeedleTip:
    """The tip with the side it lies on now; none within 2 sd of the spine's midline, as where it was found."""
    midline = None if image.levels is None else image.levels.midline_col(tip.tip_px[0])
    if midline is None:
        return tip
    if abs(tip.tip_px[1] - midline) < 2.0 * tip.uncertainty_px:
        return replace(tip, side=None)
    return replace(tip, side=image.orientation.side_at(tip.tip_px[1], midline))


def _chain(named: Iterable[Level]) -> tuple[Level, ...]:
    """The names to count along: with L6 only where somebody named one."""
    named = set(named)
    return tuple(level for level in CRANIAL_TO_CAUDAL if level is not Level.L6 or level in named)


def _renamed(image: CaseImage, chain: tuple[Level, ...], shift: int) -> CaseImage:
    def new(level: Level) -> Level | None:
        at = chain.index(level) + shift if level in chain else -1
        return chain[at] if 0 <= at < len(chain) else None

    junctions = tuple(replace(j, level=to) for j in image.junctions if (to := new(j.level)) is not None)
    if image.levels is None:
        return replace(image, junctions=junctions)
    vertebrae = tuple(
        replace(v, level=to, confidence=1.0) for v in image.levels.vertebrae if (to := new(v.level)) is not None
    )
    levels = LevelLabels(
        LevelStatus.CONFIDENT,
        Anchor.GIVEN,
        vertebrae,
        numbering_assumption="numbered by a person in the viewer",
        estimated_mm_per_px=image.levels.estimated_mm_per_px,
    )
    return replace(image, junctions=junctions, levels=levels)


def _doubted(image: CaseImage, numbered: str) -> CaseImage:
    if image.levels is None:
        return image
    reason = f"a person numbered the {numbered} image, with which this image was not aligned"
    return replace(image, levels=replace(image.levels, status=LevelStatus.UNCERTAIN, reason=reason))


def _name(image: CaseImage, place: FindingPlace) -> str:
    """What the change is recorded as, e.g. `needle: junctions: L5 left`."""
    if place.kind is FindingKind.JUNCTION:
        what = f"{image.junctions[place.index].level} {image.junctions[place.index].side}"
    elif place.kind is FindingKind.NEEDLE:
        what = str(image.needles[place.index].side or f"{place.index + 1}, no side")
    else:
        what = "" if image.levels is None else image.levels.vertebrae[place.index].level.value
    return f"{image.role}: {place.kind}: {what}"


def _noted(known: tuple[Override, ...], added: Override) -> tuple[Override, ...]:
    """A place moved twice is noted once, where it ended."""
    return (*(item for item in known if item.name != added.name), added)


def _exchanged(items: tuple[_Item, ...], index: int, item: _Item) -> tuple[_Item, ...]:
    return (*items[:index], item, *items[index + 1 :])
