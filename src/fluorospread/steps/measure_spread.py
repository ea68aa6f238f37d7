"""Turns a contrast mask into pools per side and the coverage of each SAP-TP junction.

Levels, junctions and tips are in the measured image's pixels. Lengths run along the spine's axis, in the patient
plane; without a scale they are absent. Coverage is decided only beyond 2 combined sds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.outlines import outlines, regions, signed_distance_at, touching
from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, Level, Side
from fluorospread.model.findings import (
    ContrastMask,
    ContrastMethod,
    ContrastStatus,
    Junction,
    LevelLabels,
    LevelStatus,
    NeedleTip,
)
from fluorospread.model.geometry import Geometry, PointPx
from fluorospread.model.radiograph import BoolImage
from fluorospread.model.spread import Answer, Coverage, Measured, Pool, Spread

# How far the detection limit may exceed the outline's iodine before an absence proves nothing; our choice.
_LIMIT_OVER_OUTLINE = 1.5


@dataclass(frozen=True)
class SpreadSettings:
    """What is measured from where.

    Attributes
    ----------
    target_level
        Junction that reaches are measured from where no needle tip is known.
    disc_radius_mm
        Radius about a junction over which its covered fraction is taken.
    decision_sds
        Margin or gap, in combined sds, from which coverage is decided.
    outline_mg_cm2
        Areal iodine that an outline stands for. Coverage is denied only where the image shows little more
        than this: an absence that would not have been seen proves nothing.
    """

    target_level: Level = Level.L5
    disc_radius_mm: float = 5.0
    decision_sds: float = 2.0
    outline_mg_cm2: float = 4.0


@dataclass(frozen=True)
class _Axes:
    """The spine's directions at the pools, in mm (or px where there is no scale): unit vectors (row, col)."""

    caudal: npt.NDArray[np.float64]
    lateral: npt.NDArray[np.float64]
    """Towards high columns."""
    unit: npt.NDArray[np.float64]
    """Size of a pixel along (row, col): mm, or 1."""
    in_mm: bool

    def caudal_of(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray((points * self.unit) @ self.caudal)

    def lateral_of(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray((points * self.unit) @ self.lateral)


@dataclass(frozen=True)
class _Origin:
    """Where reaches start, along the spine and away from it (in the axes' unit), and its 1 sd in px."""

    caudal: float
    outwards: float
    sd_px: float


@dataclass(frozen=True)
class _Part:
    """Contrast on one side; `outwards` is +1 where lateral means towards high columns, 0 where unknown."""

    side: Side | None
    outwards: int
    mask: BoolImage


def measure_spread(
    contrast: ContrastMask,
    levels: LevelLabels,
    junctions: tuple[Junction, ...],
    tips: tuple[NeedleTip, ...],
    geometry: Geometry,
    settings: SpreadSettings = SpreadSettings(),
) -> Spread:
    """Pools by side of the spine's midline, and one `Coverage` per junction given, in their order."""
    pools = measure_pools(contrast, levels, junctions, tips, geometry, settings)
    return Spread(pools, measure_coverage(contrast, levels, junctions, geometry, settings))


def measure_pools(
    contrast: ContrastMask,
    levels: LevelLabels,
    junctions: tuple[Junction, ...],
    tips: tuple[NeedleTip, ...],
    geometry: Geometry,
    settings: SpreadSettings = SpreadSettings(),
) -> tuple[Pool, ...]:
    """The first half of `measure_spread`, for a viewer in which only what it depends on was changed."""
    if contrast.mask is None:
        return ()
    axes = _axes(levels, geometry)
    return tuple(
        _pool(contrast, part, (levels, junctions, tips), (axes, geometry), settings)
        for part in _parts(contrast.mask, levels, junctions, tips)
    )


def _axes(levels: LevelLabels, geometry: Geometry) -> _Axes:
    """Least-squares axis through the body centres; the image's columns where fewer than two are known."""
    spacing = geometry.spacing_patient_mm
    unit = np.array(spacing if spacing is not None else (1.0, 1.0))
    caudal = np.array([1.0, 0.0])
    if len(levels.vertebrae) >= 2:
        centres = np.array([v.center_px for v in levels.vertebrae]) * unit
        order = np.array([CRANIAL_TO_CAUDAL.index(v.level) for v in levels.vertebrae], dtype=float)
        # Regression on the level's rank: it keeps the head-to-feet sign and copes with a curved spine.
        slope = ((order - order.mean())[:, None] * (centres - centres.mean(axis=0))).sum(axis=0)
        caudal = slope / max(float(np.hypot(*slope)), 1e-9)
    lateral = np.array([-caudal[1], caudal[0]])
    if lateral[1] < 0:
        lateral = -lateral
    return _Axes(caudal, lateral, unit, spacing is not None)


def _parts(
    mask: BoolImage, levels: LevelLabels, junctions: tuple[Junction, ...], tips: tuple[NeedleTip, ...]
) -> list[_Part]:
    """The mask cut along the spine's midline into named sides; by connected region where no midline is known."""
    rows = np.arange(mask.shape[0])
    if levels.status is LevelStatus.INDETERMINATE or levels.midline_col(0.0) is None:
        pieces: list[_Part] = []
        for region in regions(mask):
            part = np.zeros_like(mask)
            region.paint(part)
            pieces.append(_Part(None, 0, part))
        return pieces
    midline = np.array([levels.midline_col(float(row)) for row in rows], dtype=float)
    on_high = np.arange(mask.shape[1])[None, :] > midline[:, None]
    low_name, high_name = _side_names(levels, junctions, tips)
    parts = [_Part(low_name, -1, mask & ~on_high), _Part(high_name, 1, mask & on_high)]
    return [part for part in parts if part.mask.any()]


def _side_names(levels: LevelLabels, junctions: tuple[Junction, ...], tips: tuple[NeedleTip, ...]) -> tuple[Side, Side]:
    """Names of the low-column and the high-column side, by majority of what already has a side."""
    votes: dict[Side, int] = {}
    named: list[tuple[PointPx, Side]] = [(j.point_px, j.side) for j in junctions]
    named += [(t.tip_px, t.side) for t in tips if t.side is not None]
    for point, side in named:
        midline = levels.midline_col(point[0])
        if midline is not None:
            low = side if point[1] < midline else side.opposite
            votes[low] = votes.get(low, 0) + 1
    low = max(votes, key=lambda side: votes[side]) if votes else Side.IMAGE_LEFT
    return low, low.opposite


def _pool(
    contrast: ContrastMask,
    part: _Part,
    anatomy: tuple[LevelLabels, tuple[Junction, ...], tuple[NeedleTip, ...]],
    scale: tuple[_Axes, Geometry],
    settings: SpreadSettings,
) -> Pool:
    levels, junctions, tips = anatomy
    axes, geometry = scale
    points = np.argwhere(part.mask).astype(np.float64)
    weights = None if contrast.signal is None else np.maximum(contrast.signal[part.mask], 0.0).astype(np.float64)
    whole = None if contrast.signal is None or contrast.mask is None else contrast.signal[contrast.mask]
    share = None
    if weights is not None and whole is not None and float(np.maximum(whole, 0.0).sum()) > 0:
        share = float(min(weights.sum() / np.maximum(whole, 0.0).sum(), 1.0))
    centroid = points.mean(axis=0)
    caudal, lateral = axes.caudal_of(points), axes.lateral_of(points)
    lengths: dict[str, Measured | None] = {}
    if axes.in_mm:
        origin = _origin(part, axes, junctions, tips, settings)
        lengths = _lengths(contrast, (caudal, part.outwards * lateral), origin, axes, geometry)
    return Pool(
        side=part.side,
        area_px=float(part.mask.sum()),
        centroid_px=(float(centroid[0]), float(centroid[1])),
        outline_px=outlines(part.mask),
        area_mm2=_area_mm2(contrast, part.mask, geometry),
        iodine_mg=_iodine_mg(contrast, part.mask, geometry),
        levels_spanned=_levels_spanned(points, levels, axes),
        relative_share=share,
        **lengths,
    )


def _origin(
    part: _Part,
    axes: _Axes,
    junctions: tuple[Junction, ...],
    tips: tuple[NeedleTip, ...],
    settings: SpreadSettings,
) -> _Origin | None:
    """The side's needle tip, else its target junction; None where the side or both are unknown."""
    if part.side is None:
        return None
    own = [(t.confidence, t.tip_px, t.uncertainty_px) for t in tips if t.side is part.side]
    target = [
        (j.confidence, j.point_px, j.uncertainty_px)
        for j in junctions
        if j.side is part.side and j.level is settings.target_level
    ]
    if not own and not target:
        return None
    _, point, sd_px = max(own or target)
    at = np.array([point])
    return _Origin(float(axes.caudal_of(at)[0]), part.outwards * float(axes.lateral_of(at)[0]), sd_px)


def _lengths(
    contrast: ContrastMask,
    along: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
    origin: _Origin | None,
    axes: _Axes,
    geometry: Geometry,
) -> dict[str, Measured | None]:
    """Extents and reaches in mm; half a pixel is added at both ends, as pixels have width."""
    caudal, lateral = along
    pixel = float(np.sqrt(axes.unit[0] * axes.unit[1]))
    outline_mm = contrast.outline_uncertainty_px * pixel
    relative = geometry.relative_uncertainty or 0.0

    def measured(value: float, sd_mm: float) -> Measured:
        return Measured(max(value, 0.0), float(np.hypot(sd_mm, relative * max(value, 0.0))))

    # Both ends of an extent are uncertain, one end of a reach and the point it starts from.
    both = float(np.sqrt(2.0)) * outline_mm
    found: dict[str, Measured | None] = {
        "craniocaudal_mm": measured(float(np.ptp(caudal)) + pixel, both),
        "mediolateral_mm": measured(float(np.ptp(lateral)) + pixel, both),
    }
    if origin is None:
        return found
    sd = float(np.hypot(outline_mm, origin.sd_px * pixel))
    found["cranial_reach_mm"] = measured(origin.caudal - float(caudal.min()) + pixel / 2, sd)
    found["caudal_reach_mm"] = measured(float(caudal.max()) - origin.caudal + pixel / 2, sd)
    found["lateral_reach_mm"] = measured(float(lateral.max()) - origin.outwards + pixel / 2, sd)
    return found


def _area_mm2(contrast: ContrastMask, part: BoolImage, geometry: Geometry) -> Measured | None:
    spacing = geometry.spacing_patient_mm
    if spacing is None:
        return None
    pixel_mm2 = spacing[0] * spacing[1]
    area = float(part.sum()) * pixel_mm2
    rim_px = float(touching(part).sum())
    outline_sd = rim_px * contrast.outline_uncertainty_px * pixel_mm2
    return Measured(area, float(np.hypot(outline_sd, 2.0 * (geometry.relative_uncertainty or 0.0) * area)))


def _iodine_mg(contrast: ContrastMask, part: BoolImage, geometry: Geometry) -> Measured | None:
    spacing, areal = geometry.spacing_patient_mm, contrast.areal_iodine_mg_cm2
    if spacing is None or areal is None or contrast.iodine_relative_uncertainty is None:
        return None
    mass = max(float(areal[part].sum(dtype=np.float64)) * spacing[0] * spacing[1] / 100.0, 0.0)
    relative = float(np.hypot(contrast.iodine_relative_uncertainty, 2.0 * (geometry.relative_uncertainty or 0.0)))
    return Measured(mass, relative * mass)


def _levels_spanned(points: npt.NDArray[np.float64], levels: LevelLabels, axes: _Axes) -> tuple[Level, ...]:
    """Vertebrae with contrast beside them: a vertebra reaches half way to its neighbours along the axis."""
    if levels.status is LevelStatus.INDETERMINATE or len(levels.vertebrae) < 2:
        return ()
    places = axes.caudal_of(np.array([v.center_px for v in levels.vertebrae]))
    between = 0.5 * (places[1:] + places[:-1])
    edges = np.concatenate([[2 * places[0] - between[0]], between, [2 * places[-1] - between[-1]]])
    counts = np.histogram(axes.caudal_of(points), np.maximum.accumulate(edges))[0]
    # A sliver of a hundredth of the pool over the border is not yet the next level.
    return tuple(v.level for v, n in zip(levels.vertebrae, counts, strict=True) if n > 0.01 * len(points))


def measure_coverage(
    contrast: ContrastMask,
    levels: LevelLabels,
    junctions: tuple[Junction, ...],
    geometry: Geometry,
    settings: SpreadSettings = SpreadSettings(),
) -> tuple[Coverage, ...]:
    """The second half of `measure_spread`: one `Coverage` per junction given, in their order."""
    if contrast.mask is None:
        return tuple(_uncovered(contrast, junction, levels, settings) for junction in junctions)
    spacing = geometry.spacing_patient_mm
    pixel_mm = geometry.mm_per_px
    # Distances in pixels of equal area, so that one outline uncertainty serves both directions.
    unit = (1.0, 1.0) if spacing is None or pixel_mm is None else (spacing[0] / pixel_mm, spacing[1] / pixel_mm)
    answers = [_covered(contrast, contrast.mask, unit, junction, geometry, settings) for junction in junctions]
    return tuple(_as_numbered(cover, answers, levels) for cover in answers)


def _uncovered(contrast: ContrastMask, junction: Junction, levels: LevelLabels, settings: SpreadSettings) -> Coverage:
    """The answer for a junction where no contrast was found at all."""
    answer, reason = _without_contrast(contrast, levels, settings)
    carried = contrast.alignment.uncertainty_px if contrast.alignment is not None else 0.0
    unclear = _open_question(contrast, junction.point_px, float(np.hypot(junction.uncertainty_px, carried)))
    if answer is Answer.NO and unclear:
        answer, reason = Answer.UNDETERMINED, f"no contrast found, but {unclear}"
    return Coverage(junction.level, junction.side, answer, reason)


def _without_contrast(contrast: ContrastMask, levels: LevelLabels, settings: SpreadSettings) -> tuple[Answer, str]:
    """The answer where no contrast was found: a denial needs to know what would have been seen."""
    if contrast.status is not ContrastStatus.NOT_FOUND:
        return Answer.UNDETERMINED, f"contrast {contrast.status.value}: {contrast.reason}"
    limit = contrast.detection_limit_mg_cm2
    if contrast.method is ContrastMethod.SINGLE_IMAGE:
        return Answer.UNDETERMINED, f"no contrast found: {contrast.reason}"
    unproven = _unproven_absence(contrast, settings)
    if unproven:
        return Answer.UNDETERMINED, f"no contrast found, but {unproven}: {contrast.reason}"
    if levels.status is LevelStatus.INDETERMINATE:
        return Answer.UNDETERMINED, f"no contrast found; levels indeterminate: {levels.reason}"
    return Answer.NO, f"no contrast found above {limit:.1f} mg/cm²"


def _unproven_absence(contrast: ContrastMask, settings: SpreadSettings) -> str:
    """Why contrast may be where none was seen: the image does not show as little as the outline means, or
    does not say how little it shows. Empty when an absence is proven."""
    limit = contrast.detection_limit_mg_cm2
    if contrast.method is ContrastMethod.SINGLE_IMAGE:
        return "one image alone cannot show that none lies there"
    if limit is None:
        return "how little of it this image would show is not known"
    if limit > _LIMIT_OVER_OUTLINE * settings.outline_mg_cm2:
        return f"less than {limit:.1f} mg/cm² would not have been seen"
    return ""


def _open_question(contrast: ContrastMask, point: PointPx, sigma: float) -> str:
    """What within 1 sd of a place leaves open whether contrast is there; empty when nothing does."""
    if contrast.undecidable is None:
        return ""
    reach = max(1, round(sigma))
    row, col = round(point[0]), round(point[1])
    window = contrast.undecidable[max(row - reach, 0) : row + reach + 1, max(col - reach, 0) : col + reach + 1]
    # A thin line across the window hides nothing; a tenth of it is more than a line.
    if window.size and float(window.mean()) > 0.1:
        return "gas that moved, metal or an unclear shadow lies over it"
    return ""


def _covered(
    contrast: ContrastMask,
    mask: BoolImage,
    unit: tuple[float, float],
    junction: Junction,
    geometry: Geometry,
    settings: SpreadSettings,
) -> Coverage:
    """Coverage of the place itself, whatever it is called."""
    row, col = junction.point_px
    rows, cols = mask.shape
    if not (0 <= row <= rows - 1 and 0 <= col <= cols - 1):
        reason = "the junction lies outside the image"
        return Coverage(junction.level, junction.side, Answer.UNDETERMINED, reason)
    margin = _margin(mask, row, col, unit)
    carried = contrast.alignment.uncertainty_px if contrast.alignment is not None else 0.0
    sigma = float(np.sqrt(junction.uncertainty_px**2 + _outline_sd_near(contrast, row, col) ** 2 + carried**2))
    decided = settings.decision_sds * sigma
    pixel_mm = geometry.mm_per_px
    off, needed = _length(abs(margin), pixel_mm), _length(decided, pixel_mm)
    where = "inside" if margin >= 0 else "outside"
    if margin >= decided:
        answer, reason = Answer.YES, f"{off} inside the outline, {needed} needed"
    elif -margin > decided:
        unproven = _unproven_absence(contrast, settings) or _open_question(contrast, junction.point_px, sigma)
        answer = Answer.UNDETERMINED if unproven else Answer.NO
        reason = f"{off} outside the outline, " + (f"but {unproven}" if unproven else f"{needed} needed")
    else:
        answer = Answer.UNDETERMINED
        reason = f"{off} {where} the outline, within its uncertainty of {needed}"
    return Coverage(
        junction.level,
        junction.side,
        answer,
        reason,
        fraction=_disc_fraction(contrast, junction.point_px, geometry, settings.disc_radius_mm),
        gap_mm=None if pixel_mm is None else max(0.0, -margin) * pixel_mm,
        margin_px=margin,
        sigma_px=sigma,
    )


def _outline_sd_near(contrast: ContrastMask, row: float, col: float) -> float:
    """1 sd, px, of the place of that part of the outline which is nearest to a point."""
    if contrast.outline_sd is None:
        return contrast.outline_uncertainty_px
    away = np.hypot(contrast.outline_sd[:, 0] - row, contrast.outline_sd[:, 1] - col)
    return float(contrast.outline_sd[int(np.argmin(away)), 2])


def _length(pixels: float, pixel_mm: float | None) -> str:
    """A length in words: mm where the image has a scale, else pixels."""
    return f"{pixels:.1f} px" if pixel_mm is None else f"{pixels * pixel_mm:.1f} mm"


def _margin(mask: BoolImage, row: float, col: float, unit: tuple[float, float]) -> float:
    """Signed distance to the outline at a point between pixels, bilinear."""
    r0, c0 = min(int(row), mask.shape[0] - 2), min(int(col), mask.shape[1] - 2)
    dr, dc = row - r0, col - c0
    corners = np.array([(r0, c0), (r0, c0 + 1), (r0 + 1, c0), (r0 + 1, c0 + 1)], dtype=np.intp)
    distances = signed_distance_at(mask, corners, unit).reshape(2, 2)
    return float(np.array([1 - dr, dr]) @ distances @ np.array([1 - dc, dc]))


def _disc_fraction(contrast: ContrastMask, point: PointPx, geometry: Geometry, radius_mm: float) -> float | None:
    """Share of a disc about the point that is contrast; None without a scale."""
    spacing = geometry.spacing_patient_mm
    if spacing is None or contrast.mask is None:
        return None
    rows = np.arange(contrast.mask.shape[0])[:, None] - point[0]
    cols = np.arange(contrast.mask.shape[1])[None, :] - point[1]
    disc = (rows * spacing[0]) ** 2 + (cols * spacing[1]) ** 2 <= radius_mm**2
    return float(contrast.mask[disc].mean()) if disc.any() else None


def _as_numbered(cover: Coverage, places: list[Coverage], levels: LevelLabels) -> Coverage:
    """The answer for a named junction, given how sure the numbering is.

    An uncertain numbering leaves an answer standing only where every runner-up numbering gives it, too.
    """
    if levels.status is LevelStatus.CONFIDENT or cover.covered is Answer.UNDETERMINED:
        return cover
    if levels.status is LevelStatus.UNCERTAIN and levels.alternatives:
        rank = CRANIAL_TO_CAUDAL.index(cover.level)
        others = []
        for alternative in levels.alternatives:
            # Under a shift of +1 the place we call L3 is the L4 asked for.
            at = rank - alternative.shift
            level = CRANIAL_TO_CAUDAL[at] if 0 <= at < len(CRANIAL_TO_CAUDAL) else None
            others += [p.covered for p in places if p.level is level and p.side is cover.side] or [Answer.UNDETERMINED]
        if all(answer is cover.covered for answer in others):
            return replace(cover, reason=f"{cover.reason}; the same under every numbering considered")
    return replace(cover, covered=Answer.UNDETERMINED, reason=f"levels {levels.status.value}: {levels.reason}")
