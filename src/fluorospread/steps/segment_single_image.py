"""Claims contrast in one image alone, from its levels, junctions and needle tips: what is far denser than bone.

The weakest of the ways in. It claims few pools, of those their dense part, never denies any, and states no iodine.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fluorospread.imaging.background import enlarged
from fluorospread.imaging.normalisation import shrink, shrink_mask
from fluorospread.imaging.outlines import grown
from fluorospread.imaging.single_image import DenseSettings, Spine, denser_than_bone
from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, Level
from fluorospread.model.findings import (
    ContrastMask,
    ContrastMethod,
    ContrastStatus,
    Junction,
    LevelLabels,
    LevelStatus,
    NeedleTip,
)
from fluorospread.model.geometry import PointPx
from fluorospread.model.radiograph import BoolImage, Radiograph

_NO_IODINE = "no reference image to subtract"
_DENSE_PART = (
    "from one image alone: only what is far denser than this patient's bone is outlined; contrast reaches farther, "
    "areas and lengths are the least it has, and nothing is denied"
)


@dataclass(frozen=True)
class SingleImageSettings:
    """Where dense areas may be contrast of the block.

    Attributes
    ----------
    lowest_spared
        The block is expected to leave vertebrae down to this one mostly free: they show this patient's bone.
    reach_mm
        From the nearest junction: a pool's half width, and half the way from one junction to the next.
    needle_mm, needle_length_mm, hub_mm
        Half width and length of what is taken for a needle's shaft from its tip on, and the radius of a hub that
        lies over the tip of a needle along the beam.
    working_mm
        The image is searched on pixels of about this size.
    outline_sd_mm
        1 sd of the outline's place: how far within the true outline the dense part ends.
    dense
        How dense areas are told.
    """

    lowest_spared: Level = Level.L3
    reach_mm: float = 28.0
    needle_mm: float = 1.5
    needle_length_mm: float = 90.0
    hub_mm: float = 4.0
    working_mm: float = 0.5
    outline_sd_mm: float = 4.0
    dense: DenseSettings = field(default_factory=DenseSettings)


def segment_single_image(
    radiograph: Radiograph,
    levels: LevelLabels | None,
    junctions: tuple[Junction, ...],
    tips: tuple[NeedleTip, ...],
    notes: tuple[str, ...] = (),
    settings: SingleImageSettings = SingleImageSettings(),
) -> ContrastMask:
    """Contrast in the last frame of `radiograph`, found or not found, never with a detection limit.

    Parameters
    ----------
    levels, junctions, tips
        As found in this image; sides do not matter.
    notes
        Why no other way was taken.
    """
    mm_per_px = radiograph.geometry.mm_per_px
    if levels is None or levels.status is LevelStatus.INDETERMINATE or not junctions or mm_per_px is None:
        return _not_found("levels, junctions and a scale are needed to know where contrast can lie", notes)
    frame = radiograph.frames.count - 1
    factor = max(1, round(settings.working_mm / mm_per_px))
    coarse_mm = mm_per_px * factor
    image = shrink(radiograph.pixels(frame), factor)
    valid = shrink_mask(radiograph.field_of_view, factor)
    reach = _near([junction.point_px for junction in junctions], factor, image.shape, settings.reach_mm / coarse_mm)
    metal = _needles(tips, factor, image.shape, coarse_mm, settings)
    found = denser_than_bone(image, valid, _spine(levels, factor, settings), reach, metal, coarse_mm, settings.dense)
    if not found.mask.any():
        turned_down = "; ".join(found.notes)
        reason = "nothing near the junctions is so much denser than this patient's bone that one image shows it"
        reason = found.reason or (f"{reason}; {turned_down}" if turned_down else reason)
        return _not_found(f"{reason}; a reference image without contrast shows far more", notes, frame)
    mask = (enlarged(found.mask.astype(np.float32), factor, radiograph.shape) > 0.5) & radiograph.field_of_view
    return ContrastMask(
        ContrastStatus.FOUND,
        ContrastMethod.SINGLE_IMAGE,
        mask=mask,
        iodine_reason=_NO_IODINE,
        outline_uncertainty_px=settings.outline_sd_mm / mm_per_px,
        frame=frame,
        notes=(*notes, _DENSE_PART, *found.notes),
        undecidable=radiograph.field_of_view & ~mask,
    )


def _not_found(reason: str, notes: tuple[str, ...], frame: int = 0) -> ContrastMask:
    return ContrastMask(
        ContrastStatus.NOT_FOUND,
        ContrastMethod.SINGLE_IMAGE,
        reason=reason,
        iodine_reason=_NO_IODINE,
        frame=frame,
        notes=notes,
    )


def _spine(levels: LevelLabels, factor: int, settings: SingleImageSettings) -> Spine:
    lowest = CRANIAL_TO_CAUDAL.index(settings.lowest_spared)
    centers = np.array([_coarse(vertebra.center_px, factor) for vertebra in levels.vertebrae]).reshape(-1, 2)
    spared = [CRANIAL_TO_CAUDAL.index(vertebra.level) <= lowest for vertebra in levels.vertebrae]
    return Spine(centers, np.array(spared, dtype=np.bool_))


def _coarse(point: PointPx, factor: int) -> PointPx:
    """A point of the image on the grid of its blocks of `factor` pixels."""
    shift = (factor - 1) / 2.0
    return (point[0] - shift) / factor, (point[1] - shift) / factor


def _near(points: list[PointPx], factor: int, shape: tuple[int, ...], radius_px: float) -> BoolImage:
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    near = np.zeros(shape, dtype=np.bool_)
    for row, col in (_coarse(point, factor) for point in points):
        near |= (rows - row) ** 2 + (cols - col) ** 2 <= radius_px**2
    return near


def _needles(
    tips: tuple[NeedleTip, ...], factor: int, shape: tuple[int, ...], mm_per_px: float, settings: SingleImageSettings
) -> BoolImage:
    """Shafts from their tips backwards, and hubs over the tips of needles seen end-on."""
    metal = np.zeros(shape, dtype=np.bool_)
    for tip in tips:
        if tip.direction is None:
            metal |= _near([tip.tip_px], factor, shape, settings.hub_mm / mm_per_px)
            continue
        back = np.arange(0.0, settings.needle_length_mm / mm_per_px, 0.5)[:, None]
        line = np.rint(np.array(_coarse(tip.tip_px, factor)) - back * np.array(tip.direction)).astype(np.intp)
        line = line[((line >= 0) & (line < np.array(shape))).all(axis=1)]
        shaft = np.zeros(shape, dtype=np.bool_)
        shaft[line[:, 0], line[:, 1]] = True
        metal |= grown(shaft, settings.needle_mm / mm_per_px)
    return metal
