"""Flags what a reader must look at: contrast where the block does not aim, and what no frontal image can show.

Nothing is ever excluded: from a still image vascular uptake is seen in about half of the cases (Lee 2008: 59 %)
and epidural spread is read no better than by chance (Sagir 2025: kappa 0.15). So a flag says *suspected* with
its evidence, or *cannot be excluded*.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    pedicle_share_sd
        1 sd of that share from person to person: 0.054 in 62 pairs of pedicle and junction that a reader marked on 13
        real films, the pedicle being 10 mm wide.
    medial_least_mm2, medial_least_length_mm
        Contrast medial to that line counts from this area and craniocaudal length on.
    medial_sds
        It is suspected where as much lies beyond the line moved medially by so many sds of line and outline. Half a sd
        is likely (69 %), not proven, as fits a suspicion: from 1 sd on too few are found (docs/steps/flag_aberrant.md).
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
    pedicle_share_sd: float = 0.05
    medial_least_mm2: float = 15.0
    medial_least_length_mm: float = 10.0
    medial_sds: float = 0.5
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
    """Flags for the reader, with the outline of what raised them where something did; empty only without contrast."""
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
        flags += _medial(contrast, levels, junctions, mm_per_px, settings)
        flags += _in_joint(contrast.mask, levels, junctions, mm_per_px, settings)
    flags += _beyond(contrast.mask, spread, levels, settings)
    named = {flag.code for flag in flags}
    if "vascular-uptake-suspected" not in named:
        seen = "a cine" if contrast.method is ContrastMethod.CINE else "still images (which show about half of it)"
        flags.append(
            Flag("vascular-uptake-not-excluded", f"intravascular uptake cannot be excluded from {seen}; none suspected")
        )
    if not named & {"epidural-spread-suspected", "epidural-spread-not-excluded"}:
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


@dataclass(frozen=True)
class _PedicleLine:
    """The pedicles' inner borders on one side, row by row: columns of the line and of the spine's midline, and 1 sd
    (px) of where contrast lies to the line; `seen` are the rows near the junctions that the line is drawn through."""

    col: npt.NDArray[np.float64]
    midline: npt.NDArray[np.float64]
    sd_px: npt.NDArray[np.float64]
    seen: npt.NDArray[np.bool_]

    def medial_part(self, mask: BoolImage, sds: float) -> BoolImage:
        """What of a mask lies between the midline and the line moved towards it by so many sds."""
        cols = np.arange(mask.shape[1])[None, :]
        inwards = np.sign(self.midline - self.col)
        depth = inwards[:, None] * (cols - (self.col + sds * inwards * self.sd_px)[:, None])
        to_midline = inwards[:, None] * (self.midline[:, None] - cols)
        return mask & (depth >= 0) & (to_midline >= 0) & self.seen[:, None]


def _medial(
    contrast: ContrastMask,
    levels: LevelLabels,
    junctions: tuple[Junction, ...],
    mm_per_px: float,
    settings: AberrantSettings,
) -> list[Flag]:
    """Contrast between the pedicle lines of the two sides, along the spine: suspected where it lies farther beyond
    the line than line and outline are uncertain, else, and in one image alone, not to be excluded."""
    if contrast.mask is None or levels.status is LevelStatus.INDETERMINATE or levels.midline_col(0.0) is None:
        return []
    flags = []
    for side in sorted({j.side for j in junctions}):
        line = _pedicle_line(contrast, levels, tuple(j for j in junctions if j.side is side), mm_per_px, settings)
        beyond = line.medial_part(contrast.mask, 0.0)
        area_mm2, length_mm = _area_and_length(beyond, mm_per_px)
        if area_mm2 < settings.medial_least_mm2 or length_mm < settings.medial_least_length_mm:
            continue
        sure_mm2, sure_length_mm = _area_and_length(line.medial_part(contrast.mask, settings.medial_sds), mm_per_px)
        from_one_image = contrast.method is ContrastMethod.SINGLE_IMAGE
        enough = sure_mm2 >= settings.medial_least_mm2 and sure_length_mm >= settings.medial_least_length_mm
        # Outlines from one image alone are too rough to suspect anything by.
        suspected = enough and not from_one_image
        row, col = (float(place.mean()) for place in np.nonzero(beyond))
        form = "along the spine, as epidural" if length_mm >= settings.longitudinal_mm else "short, as along a root"
        alone = " as one image alone shows it" if from_one_image else ""
        sd_mm = float(line.sd_px[beyond.any(axis=1)].mean()) * mm_per_px
        how_far = (
            f"{sure_mm2:.0f} mm² of it by {settings.medial_sds:g} sd or more (1 sd of line and outline: {sd_mm:.1f} mm)"
        )
        evidence = (
            f"epidural or foraminal spread {'suspected' if suspected else 'cannot be excluded'}: {area_mm2:.0f} mm² of "
            f"contrast{alone} over {length_mm:.0f} mm ({form}) medial to the pedicle line, {_side_words(side)}, about "
            f"row {row:.0f}, column {col:.0f}; {how_far}; contrast behind the lamina looks the same"
        )
        code = "epidural-spread-suspected" if suspected else "epidural-spread-not-excluded"
        flags.append(Flag(code, evidence, _outline(beyond)))
    return flags


def _pedicle_line(
    contrast: ContrastMask,
    levels: LevelLabels,
    junctions: tuple[Junction, ...],
    mm_per_px: float,
    settings: AberrantSettings,
) -> _PedicleLine:
    """The line through the junctions of one side. Its sd has the midline's part, the junctions', that of the share,
    which differs from person to person, of the junctions' transfer between images, and of the outline near the line."""
    rows = np.arange(0 if contrast.mask is None else contrast.mask.shape[0], dtype=np.float64)
    bodies = sorted((v.center_px, v.uncertainty_px or 0.0) for v in levels.vertebrae)
    midline, midline_sd = _at_rows(rows, bodies)
    junction, junction_sd = _at_rows(rows, sorted((j.point_px, j.uncertainty_px) for j in junctions))
    share = settings.pedicle_share
    col = midline + share * (junction - midline)
    parts = (
        (1.0 - share) * midline_sd,
        share * junction_sd,
        settings.pedicle_share_sd * np.abs(junction - midline),
        contrast.alignment.uncertainty_px if contrast.alignment is not None else 0.0,
        _outline_sd_along(contrast, rows, col),
    )
    sd_px = np.sqrt(sum(np.square(part) for part in parts))
    # Beyond the outermost junctions the line is a guess, so leave those rows out.
    reach = 0.5 * 35.0 / mm_per_px
    known = [j.point_px[0] for j in junctions]
    return _PedicleLine(col, midline, sd_px, (rows >= min(known) - reach) & (rows <= max(known) + reach))


def _at_rows(
    rows: npt.NDArray[np.float64], known: Sequence[tuple[PointPx, float]]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Column and sd at each row, interpolated between points that are sorted by row."""
    at = [point[0] for point, _ in known]
    cols = np.interp(rows, at, [point[1] for point, _ in known])
    return cols, np.interp(rows, at, [sd for _, sd in known])


def _outline_sd_along(
    contrast: ContrastMask, rows: npt.NDArray[np.float64], cols: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """1 sd, px, of that part of the contrast's outline which is nearest to each point."""
    if contrast.outline_sd is None or not len(contrast.outline_sd):
        return np.full(len(rows), contrast.outline_uncertainty_px)
    from scipy.spatial import cKDTree

    nearest = cKDTree(contrast.outline_sd[:, :2]).query(np.stack([rows, cols], axis=1))[1]
    return np.asarray(contrast.outline_sd[nearest, 2], dtype=np.float64)


def _area_and_length(part: BoolImage, mm_per_px: float) -> tuple[float, float]:
    """Area (mm²), and length (mm) along the rows that it lies in."""
    return float(part.sum()) * mm_per_px**2, float(part.any(axis=1).sum()) * mm_per_px


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
