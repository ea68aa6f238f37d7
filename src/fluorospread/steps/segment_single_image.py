"""Contrast in one image alone, told from bone by a network that was taught on simulated injections.

The weakest of the ways in: there is nothing to compare with. Areas the network is sure of are outlined; nothing is
denied, no iodine is stated, and what it knows of plumes it learnt from simulated ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fluorospread.landmarks.contrast_map import ContrastMap, look_for_contrast
from fluorospread.model.anatomy import Level
from fluorospread.model.findings import ContrastMask, ContrastMethod, ContrastStatus, LevelLabels, LevelStatus
from fluorospread.model.geometry import PointPx, RowsTowards
from fluorospread.model.radiograph import Radiograph

_NO_IODINE = "no reference image to subtract"
_LOWER_CLAIM = (
    "provisional: read from one image alone, by a network taught on simulated contrast; the outline is rougher than "
    "from a pair of images, decides no criterion, and denies nothing"
)


@dataclass(frozen=True)
class SingleImageSettings:
    """When an area is claimed to be contrast.

    Attributes
    ----------
    side_pitches
        Side of the square that is searched, around the middle between L4 and L5, over their distance.
    outline
        Probability at the outline (0..1).
    sure
        Probability from which on a place counts as sure (0..1).
    sure_pitches2
        So much must be sure in all, over the pitch squared (0.1 is about 1.3 cm²), or nothing is claimed.
    area_pitches2
        So much of a single area must be sure for it to be claimed with the others.
    outline_sd_pitches
        1 sd of the outline's place, over the pitch.
    """

    side_pitches: float = 4.2
    outline: float = 0.5
    sure: float = 0.85
    sure_pitches2: float = 0.6
    area_pitches2: float = 0.1
    outline_sd_pitches: float = 0.14


def segment_single_image(
    radiograph: Radiograph,
    levels: LevelLabels | None,
    notes: tuple[str, ...] = (),
    settings: SingleImageSettings = SingleImageSettings(),
) -> ContrastMask:
    """Contrast in the last frame of `radiograph`, found or not found, never with a detection limit.

    Parameters
    ----------
    levels
        As found in this image: they say where to look; the answer stands whatever their names.
    notes
        Why no other way was taken.

    Raises
    ------
    WeightsError
        When the network's weights are missing or not the recorded ones.
    """
    frame = radiograph.frames.count - 1
    placed = None if levels is None or levels.status is LevelStatus.INDETERMINATE else _l4_and_l5(levels)
    if placed is None:
        return _not_found("L4 and L5, which say where to look, were not found in this one image", notes, frame)
    image, field = radiograph.pixels(frame), radiograph.field_of_view
    upside_down = radiograph.orientation.rows_towards is RowsTowards.HEAD
    if upside_down:
        image, field = image[::-1], field[::-1]
        placed = np.array([[len(image) - 1 - row, col] for row, col in placed])
    pitch = float(np.hypot(*(placed[0] - placed[1])))
    middle = placed.mean(axis=0)
    seen = look_for_contrast(image, field, (float(middle[0]), float(middle[1])), settings.side_pitches * pitch)
    claimed = _claimed(seen, pitch, settings)
    if not claimed.any():
        reason = "one image alone shows no area that is surely contrast, which does not prove that there is none"
        return _not_found(reason, notes, frame)
    probability = replace(seen, probability=np.where(claimed, seen.probability, 0)).enlarged(radiograph.shape)
    mask = (probability > settings.outline) & field
    return ContrastMask(
        ContrastStatus.FOUND,
        ContrastMethod.SINGLE_IMAGE,
        mask=mask[::-1].copy() if upside_down else mask,
        iodine_reason=_NO_IODINE,
        outline_uncertainty_px=settings.outline_sd_pitches * pitch,
        frame=frame,
        notes=(*notes, _LOWER_CLAIM),
    )


def _l4_and_l5(levels: LevelLabels) -> npt.NDArray[np.float64] | None:
    """Centres (2, 2) of L4 and L5, px; None without both."""
    pair: list[PointPx] = [v.center_px for v in levels.vertebrae if v.level in (Level.L4, Level.L5)]
    return np.array(pair) if len(pair) == 2 else None


def _claimed(seen: ContrastMap, pitch_px: float, settings: SingleImageSettings) -> npt.NDArray[np.bool_]:
    """Cells of the areas that are claimed, with a rim that lets the outline run between cells; none where all of
    them together are not sure enough."""
    areas, count = ndimage.label(seen.probability > settings.outline)
    cell = (seen.cell_px / pitch_px) ** 2
    sure = ndimage.sum_labels(seen.probability > settings.sure, areas, np.arange(1, count + 1)) * cell
    if float(np.sum(sure)) < settings.sure_pitches2:
        return np.zeros(areas.shape, dtype=np.bool_)
    kept = np.isin(areas, 1 + np.flatnonzero(sure >= settings.area_pitches2))
    return np.asarray(ndimage.binary_dilation(kept, iterations=1))


def _not_found(reason: str, notes: tuple[str, ...], frame: int) -> ContrastMask:
    return ContrastMask(
        ContrastStatus.NOT_FOUND,
        ContrastMethod.SINGLE_IMAGE,
        reason=reason,
        iodine_reason=_NO_IODINE,
        frame=frame,
        notes=notes,
    )
