"""Flags what a reader must look at: contrast where the block does not aim, and what no frontal image can show.

Nothing is ever excluded: from a still image vascular uptake is seen in about half of the cases (Lee 2008: 59 %)
and epidural spread is read no better than by chance (Sagir 2025: kappa 0.15). So a flag says *suspected* with
its evidence, or *cannot be excluded*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.outlines import outlines, regions
from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, Level, Side
from fluorospread.model.findings import ContrastMask, ContrastMethod, Junction, LevelLabels, LevelStatus
from fluorospread.model.geometry import Geometry, PointPx
from fluorospread.model.radiograph import BoolImage
from fluorospread.model.spread import Pool, Spread
from fluorospread.model.verdict import Flag


@dataclass(frozen=True)
class AberrantSettings:
    """When contrast counts as being where it should not.

    Attributes
    ----------
    most_cranial, most_caudal
        Levels the block's contrast is expected to stay within.
    pedicle_share
        Where the line of the pedicles' inner borders runs between the midline (0) and the SAP-TP junction (1).
        Ordinary pools reach up to it, epidural and foraminal contrast lies within it (docs/evaluation.md).
    medial_least_mm2, medial_least_length_mm
        Contrast medial to that line counts from this area and craniocaudal length on.
    longitudinal_mm
        Longer contrast there runs along the spine, as epidural contrast does; shorter, along a root.
    joint_above_mm, joint_medial_mm
        Where the middle of a facet joint lies, cranial and medial to the junction of its lower vertebra.
    joint_reach_mm, joint_mm2, joint_length_mm, joint_width_mm
        A pool of its own so near to that place counts with an area between these two and no longer or wider than
        this: a joint's slit with its recesses.
    branch_width_mm, branch_length_mm
        Widest and shortest thin branch that may be a vessel.
    """

    most_cranial: Level = Level.L3
    most_caudal: Level = Level.S1
    pedicle_share: float = 0.45
    medial_least_mm2: float = 15.0
    medial_least_length_mm: float = 10.0
    longitudinal_mm: float = 30.0
    joint_above_mm: float = 6.0
    joint_medial_mm: float = 4.0
    joint_reach_mm: float = 8.0
    joint_mm2: tuple[float, float] = (30.0, 180.0)
    joint_length_mm: float = 28.0
    joint_width_mm: float = 12.0
    branch_width_mm: float = 3.0
    branch_length_mm: float = 15.0


def flag_aberrant(
    contrast: ContrastMask,
    spread: Spread,
    levels: LevelLabels,
    junctions: tuple[Junction, ...],
    geometry: Geometry,
    settings: AberrantSettings = AberrantSettings(),
) -> tuple[Flag, ...]:
    """Flags for the reader, each suspected one with the outline of what raised it; empty only without contrast."""
    mm_per_px = geometry.mm_per_px or levels.estimated_mm_per_px
    flags: list[Flag] = []
    if contrast.cleared is not None and contrast.cleared.any():
        flags += _run_off(contrast.cleared, contrast.cleared_frame, mm_per_px)
    if contrast.mask is None:
        # What cleared may have been all there was.
        return tuple(flags)
    if not flags and mm_per_px is not None:
        flags += _vascular(contrast.mask, mm_per_px, settings)
    if mm_per_px is not None:
        flags += _medial(contrast.mask, levels, junctions, mm_per_px, settings)
        flags += _in_joint(contrast.mask, levels, junctions, mm_per_px, settings)
    flags += _beyond(contrast.mask, spread, levels, settings)
    named = {flag.code for flag in flags}
    if "vascular-uptake-suspected" not in named:
        seen = "a cine" if contrast.method is ContrastMethod.CINE else "still images (which show about half of it)"
        flags.append(
            Flag("vascular-uptake-not-excluded", f"intravascular uptake cannot be excluded from {seen}; none suspected")
        )
    if "epidural-spread-suspected" not in named:
        flags.append(
            Flag(
                "epidural-spread-not-excluded",
                "epidural or foraminal spread cannot be excluded from a frontal image; none suspected",
            )
        )
    flags.append(
        Flag(
            "depth-not-verified",
            "superficial, intramuscular, intra-articular or intrathecal contrast cannot be excluded: "
            "depth is not visible in frontal projection",
        )
    )
    return tuple(flags)


def _outline(mask: BoolImage) -> tuple[tuple[PointPx, ...], ...]:
    """Outlines to a tenth of a pixel, which is as fine as a picture shows."""
    return tuple(tuple((round(row, 1), round(col, 1)) for row, col in ring) for ring in outlines(mask))


def _run_off(cleared: BoolImage, frame: int | None, mm_per_px: float | None) -> list[Flag]:
    """Contrast that a run shows to come and go: a depot only fills."""
    largest = regions(cleared)[0]
    rows, cols = np.nonzero(largest.pixels)
    length = _length_px(rows, cols)
    shown = f"{length:.0f} px" if mm_per_px is None else f"{length * mm_per_px:.0f} mm"
    row, col = largest.window[0].start + rows.mean(), largest.window[1].start + cols.mean()
    where = f"about row {row:.0f}, column {col:.0f}" + ("" if frame is None else f", fullest in frame {frame}")
    evidence = f"intravascular uptake suspected: contrast came and cleared again within the run over {shown} {where}"
    return [Flag("vascular-uptake-suspected", evidence, _outline(cleared), frame)]


def _vascular(contrast: BoolImage, mm_per_px: float, settings: AberrantSettings) -> list[Flag]:
    """Thin branches: what a disc of the branch's width does not fit into, and that is long."""
    from scipy import ndimage

    radius = 0.5 * settings.branch_width_mm / mm_per_px
    (inside,) = ndimage.find_objects(contrast.astype(np.uint8), 1)
    # One pixel about the contrast, as its edge is where distances start.
    around = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in inside)
    top, left = around[0].start, around[1].start
    mask = contrast[around]
    core = ndimage.distance_transform_edt(mask) > radius
    opened = ndimage.distance_transform_edt(~core) <= radius + 1.0 if core.any() else np.zeros_like(mask)
    found: list[str] = []
    branches = np.zeros_like(contrast)
    for region in regions(mask & ~opened):
        rows, cols = np.nonzero(region.pixels)
        if rows.size * mm_per_px < settings.branch_length_mm:
            break
        length_mm = _length_px(rows, cols) * mm_per_px
        width_mm = rows.size * mm_per_px**2 / max(length_mm, 1e-9)
        if length_mm >= settings.branch_length_mm and width_mm <= settings.branch_width_mm:
            row, col = top + region.window[0].start + rows.mean(), left + region.window[1].start + cols.mean()
            found.append(f"{length_mm:.0f} mm long, {width_mm:.1f} mm wide at row {row:.0f}, column {col:.0f}")
            region.paint(branches[around])
    if not found:
        return []
    evidence = "intravascular uptake suspected: thin branch " + "; ".join(found[:3])
    return [Flag("vascular-uptake-suspected", evidence, _outline(branches))]


def _length_px(rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp]) -> float:
    """Extent of a region along its principal axis."""
    if rows.size < 3:
        return float(rows.size)
    points = np.stack([rows, cols]).astype(np.float64)
    axis = np.linalg.eigh(np.cov(points))[1][:, 1]
    return float(np.ptp(axis @ points)) + 1.0


def _medial(
    mask: BoolImage,
    levels: LevelLabels,
    junctions: tuple[Junction, ...],
    mm_per_px: float,
    settings: AberrantSettings,
) -> list[Flag]:
    """Contrast between the pedicle lines of the two sides, along the spine."""
    if levels.status is LevelStatus.INDETERMINATE or levels.midline_col(0.0) is None:
        return []
    flags = []
    rows = np.arange(mask.shape[0])
    cols = np.arange(mask.shape[1])
    midline = np.array([levels.midline_col(float(row)) for row in rows], dtype=float)
    for side in sorted({j.side for j in junctions}):
        own = sorted(j.point_px for j in junctions if j.side is side)
        junction_line = np.interp(rows, [p[0] for p in own], [p[1] for p in own])
        pedicle = midline + settings.pedicle_share * (junction_line - midline)
        low, high = np.minimum(pedicle, midline), np.maximum(pedicle, midline)
        between = mask & (cols[None, :] >= low[:, None]) & (cols[None, :] <= high[:, None])
        # Beyond the outermost junctions the line is a guess, so leave those rows out.
        pitch = 0.5 * 35.0 / mm_per_px
        between[(rows < own[0][0] - pitch) | (rows > own[-1][0] + pitch)] = False
        area_mm2 = float(between.sum()) * mm_per_px**2
        length_mm = float(between.any(axis=1).sum()) * mm_per_px
        if area_mm2 >= settings.medial_least_mm2 and length_mm >= settings.medial_least_length_mm:
            row, col = (float(place.mean()) for place in np.nonzero(between))
            form = "along the spine, as epidural" if length_mm >= settings.longitudinal_mm else "short, as along a root"
            evidence = (
                f"epidural or foraminal spread suspected: {area_mm2:.0f} mm² of contrast over {length_mm:.0f} mm "
                f"({form}) medial to the pedicle line, {_side_words(side)}, about row {row:.0f}, column {col:.0f}; "
                "contrast behind the lamina looks the same"
            )
            flags.append(Flag("epidural-spread-suspected", evidence, _outline(between)))
    return flags


def _in_joint(
    mask: BoolImage,
    levels: LevelLabels,
    junctions: tuple[Junction, ...],
    mm_per_px: float,
    settings: AberrantSettings,
) -> list[Flag]:
    """Small pools of their own where a facet joint lies; within a large pool a joint cannot be seen."""
    if levels.status is LevelStatus.INDETERMINATE or len(levels.vertebrae) < 2:
        return []
    # Rows grow towards the feet or the head, as the names of the vertebrae say.
    cranial = -1.0 if levels.vertebrae[-1].center_px[0] > levels.vertebrae[0].center_px[0] else 1.0
    flags = []
    for region in regions(mask):
        rows, cols = np.nonzero(region.pixels)
        area_mm2 = rows.size * mm_per_px**2
        length_mm, width_mm = (float(np.ptp(place) + 1) * mm_per_px for place in (rows, cols))
        if not settings.joint_mm2[0] <= area_mm2 <= settings.joint_mm2[1]:
            continue
        if length_mm > settings.joint_length_mm or width_mm > settings.joint_width_mm or width_mm > length_mm:
            continue
        row, col = region.window[0].start + float(rows.mean()), region.window[1].start + float(cols.mean())
        for junction in junctions:
            at_row, at_col = junction.point_px
            midline = levels.midline_col(at_row)
            if midline is None:
                continue
            joint_row = at_row + cranial * settings.joint_above_mm / mm_per_px
            joint_col = at_col + np.sign(midline - at_col) * settings.joint_medial_mm / mm_per_px
            away_mm = float(np.hypot(row - joint_row, col - joint_col)) * mm_per_px
            if away_mm <= settings.joint_reach_mm:
                evidence = (
                    f"contrast in the facet joint above {junction.level.value} suspected: a pool of its own of "
                    f"{area_mm2:.0f} mm², {length_mm:.0f} mm long and {width_mm:.0f} mm wide, {away_mm:.0f} mm from "
                    f"where that joint lies, {_side_words(junction.side)}, about row {row:.0f}, column {col:.0f}"
                )
                own = np.zeros_like(mask)
                region.paint(own)
                flags.append(Flag("intra-articular-contrast-suspected", evidence, _outline(own)))
                break
    return flags


def _beyond(mask: BoolImage, spread: Spread, levels: LevelLabels, settings: AberrantSettings) -> list[Flag]:
    """Contrast beside vertebrae above or below the expected ones."""
    if levels.status is LevelStatus.INDETERMINATE:
        return []
    flags = []
    first, last = CRANIAL_TO_CAUDAL.index(settings.most_cranial), CRANIAL_TO_CAUDAL.index(settings.most_caudal)
    for pool in spread.pools:
        above = [level for level in pool.levels_spanned if CRANIAL_TO_CAUDAL.index(level) < first]
        below = [level for level in pool.levels_spanned if CRANIAL_TO_CAUDAL.index(level) > last]
        for code, found, limit in (
            ("spread-cranial-of-expected", above, settings.most_cranial),
            ("spread-caudal-of-expected", below, settings.most_caudal),
        ):
            if found:
                names = ", ".join(level.value for level in found)
                evidence = f"contrast suspected beside {names}, beyond {limit.value}, {_side_words(pool.side)}"
                outline = _outline_beyond(mask, pool, levels, limit, found[-1] if found is above else found[0])
                flags.append(Flag(code, evidence, outline))
    return flags


def _outline_beyond(
    mask: BoolImage, pool: Pool, levels: LevelLabels, limit: Level, beyond: Level
) -> tuple[tuple[PointPx, ...], ...]:
    """Outline of a pool's part nearer to the vertebra `beyond` than to the last expected one; all of it where the
    border between the two is not known."""
    expected, other, midline = levels.vertebra(limit), levels.vertebra(beyond), levels.midline_col(pool.centroid_px[0])
    if expected is None or other is None or midline is None:
        return pool.outline_px
    border = 0.5 * (expected.center_px[0] + other.center_px[0])
    rows, cols = np.arange(mask.shape[0])[:, None], np.arange(mask.shape[1])[None, :]
    part = mask & ((rows < border) if other.center_px[0] < border else (rows > border))
    part = part & ((cols < midline) if pool.centroid_px[1] < midline else (cols > midline))
    return _outline(part) or pool.outline_px


def _side_words(side: Side | None) -> str:
    return "side unknown" if side is None else side.value
