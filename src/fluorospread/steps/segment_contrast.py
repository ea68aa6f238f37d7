"""Finds the contrast in an image by subtraction from a reference or a cine's own mask.

Assumes frontal images with attenuating structures bright. The claim falls with the evidence: natural-log pairs
give areal iodine, display pixels a relative signal. Where there is nothing to compare with the answer is *not
found* by the method *single-image*, and `segment_single_image` may look further.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.attenuation import (
    IodineScale,
    ScatterRatio,
    bone_mass_attenuation_cm2_g,
    iodine_scale,
    mass_relative_sd,
)
from fluorospread.imaging.background import changed_places, enlarged
from fluorospread.imaging.cine import CoarseRun, mean_frame
from fluorospread.imaging.frame_motion import SteadyRun, steadied
from fluorospread.imaging.normalisation import gradient, robust_sd, shrink, shrink_mask, smooth_within
from fluorospread.imaging.outlines import grown, rim
from fluorospread.imaging.pool_doubts import PoolSettings
from fluorospread.imaging.pools import Pools, find_pools
from fluorospread.imaging.registration import Match, MatchRefused, MatchSettings, match, warp_to_measured
from fluorospread.imaging.scatter import Evidence, Veil, bone_detail, ratio_by_bone, ratio_by_fading, veil_of
from fluorospread.imaging.subtraction import Difference, difference
from fluorospread.imaging.time_curves import TimeMaps, cleared, find_inflow, first_frames, time_maps
from fluorospread.model.findings import Alignment, ContrastMask, ContrastMethod, ContrastStatus
from fluorospread.model.radiograph import Beam, BoolImage, FloatImage, Quantity, Radiograph

# The detail of bone differs so much between people and exposures (1 sd, as a fraction).
_DISPLAY_SD = 0.3
# Scatter is told where contrast is whole (off its rim), and from bone beside it that is clear of it.
_OFF_RIM_MM, _CLEAR_MM, _BESIDE_MM = 1.0, 5.0, 24.0
# How the outline's stated place was brought in line with its errors on tuning pairs: noise and level over the slope,
# taken along so much of the outline, times a factor, and what neither explains (docs/evaluation.md).
_ALONG_MM, _SLOPE_FACTOR, _UNEXPLAINED_MM = 1.5, 1.2, 0.5
# An outline without slope is nowhere; it is stated as off by this much.
_LARGEST_SD_MM = 10.0


@dataclass(frozen=True)
class ContrastSettings:
    """How contrast is told from what is no contrast.

    Attributes
    ----------
    outline_mg_cm2
        Areal iodine at the outline of a pool.
    working_mm
        Images are compared on pixels of about this size: finer ones hold noise, not contrast.
    blur_mm
        Gaussian sd before comparing; wider loses thin tongues, narrower lets noise in.
    bone_detail
        Ninth decile of the detail of 0.8 to 4 mm in natural-log lumbar images, which gives pixels of an unknown
        display curve a scale. Median of tuning images, of which two in three lie within a quarter of it.
    pools
        How areas are judged.
    scatter
        Scatter-to-primary ratio behind a lumbar spine and a grid, with its 1 sd, for the outline alone: iodine and the
        detection limit are taken behind the scatter that the pair itself tells (`imaging.scatter`).
    assumed_field_mm
        Field width that sets filter sizes (nothing else) where no scale is known.
    """

    outline_mg_cm2: float = 4.0
    working_mm: float = 0.5
    blur_mm: float = 0.7
    bone_detail: float = 0.060
    pools: PoolSettings = field(default_factory=PoolSettings)
    scatter: ScatterRatio = field(default_factory=lambda: ScatterRatio(0.6, 0.4))
    assumed_field_mm: float = 250.0
    match: MatchSettings = field(default_factory=MatchSettings)


@dataclass(frozen=True)
class _Pair:
    """Two images to be compared, with what their pixels mean."""

    measured: FloatImage
    reference: FloatImage
    valid: tuple[BoolImage, BoolImage]
    quantity: Quantity
    beam: Beam
    mm_per_px: float
    method: ContrastMethod
    frame: int = 0
    run: tuple[SteadyRun, TimeMaps] | None = None


def segment_contrast(
    measured: Radiograph,
    reference: Radiograph | None,
    settings: ContrastSettings = ContrastSettings(),
) -> ContrastMask:
    """Contrast in `measured`; `reference` is an image of the same view without it (pre or needle image).

    A multi-frame `measured` is its own reference: mask frames come from its tags or from before the inflow.

    Returns
    -------
    ContrastMask
        Found with mask, signal and, from natural-log pixels with a stated tube voltage, areal iodine; else
        not-found with the reason, and a detection limit only where subtraction worked on such pixels.
    """
    notes: list[str] = []
    mm_per_px = measured.geometry.mm_per_px
    if mm_per_px is None:
        mm_per_px = settings.assumed_field_mm / max(measured.shape)
        notes.append("no scale: filter sizes rest on an assumed field of view")
    pair: _Pair | None = None
    if measured.is_cine:
        pair = _cine_pair(measured, mm_per_px, notes)
    if pair is None and reference is not None:
        pair = _image_pair(measured, reference, mm_per_px, notes)
    if pair is None:
        return _single_image(notes)
    found = _by_subtraction(pair, settings)
    if isinstance(found, MatchRefused):
        notes.append(f"subtraction refused: {found.reason}")
        return _single_image(notes)
    if pair.run is not None:
        found = _with_cleared(found, *pair.run, pair)
    return replace(found, notes=(*notes, *found.notes))


def _cine_pair(measured: Radiograph, mm_per_px: float, notes: list[str]) -> _Pair | None:
    """The end of a run, when all is in and vessels have cleared, against its mask; frames moved onto one another."""
    view = measured.field_of_view
    run = CoarseRun.read(measured.pixels, measured.frames.count, view, mm_per_px)
    steady = steadied(run, first_frames(run.count, measured.mask_frames))
    mask = find_inflow(steady, measured.mask_frames).mask
    if not mask:
        notes.append("the run shows no frame before an inflow")
        return None
    maps = time_maps(steady, mask)
    last, frame = maps.last, maps.last[len(maps.last) // 2]
    source = "named by the file" if measured.mask_frames else "before the inflow"
    notes.append(
        f"mask frames {mask[0]}-{mask[-1]} ({source}), measured at frame {frame} (mean of frames {last[0]}-{last[-1]})"
    )
    return _Pair(
        mean_frame(measured.pixels, last, steady.moves_onto(frame, last)),
        mean_frame(measured.pixels, mask, steady.moves_onto(mask[-1], mask)),
        (view, view),
        measured.quantity,
        measured.beam,
        mm_per_px,
        ContrastMethod.CINE,
        frame,
        (steady, maps),
    )


def _with_cleared(found: ContrastMask, steady: SteadyRun, maps: TimeMaps, pair: _Pair) -> ContrastMask:
    """`found` with what came and cleared again within the run, in the pixels of the frame that shows most of it."""
    coarse = cleared(maps, pair.mm_per_px * steady.factor)
    frame = int(np.median(maps.fullest[coarse])) if coarse.any() else pair.frame
    rows, cols = pair.measured.shape
    large = enlarged(coarse.astype(np.float32), steady.factor, (rows, cols)) > 0.5
    off_row, off_col = np.rint(steady.off_px[frame]).astype(int)
    return replace(found, cleared=np.roll(large, (off_row, off_col), axis=(0, 1)), cleared_frame=frame)


def _image_pair(measured: Radiograph, reference: Radiograph, mm_per_px: float, notes: list[str]) -> _Pair | None:
    if reference.shape != measured.shape:
        notes.append(f"the reference image has {reference.shape} pixels, this one {measured.shape}: not compared")
        return None
    both_log = measured.quantity is reference.quantity is Quantity.NATURAL_LOG
    frame = measured.frames.count - 1
    return _Pair(
        measured.pixels(frame),
        reference.pixels(0),
        (measured.field_of_view, reference.field_of_view),
        Quantity.NATURAL_LOG if both_log else Quantity.RELATIVE,
        measured.beam,
        mm_per_px,
        ContrastMethod.MASK_SUBTRACTION,
        frame,
    )


def _single_image(notes: list[str]) -> ContrastMask:
    return ContrastMask(
        ContrastStatus.NOT_FOUND,
        ContrastMethod.SINGLE_IMAGE,
        reason="one image alone does not tell contrast from bone; a reference image without contrast is needed",
        iodine_reason="no reference image to subtract",
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Level:
    """Signal at a pool's outline and what it rests on. `scale` is None where no iodine may be claimed.

    `relative_sd` is how far the level itself may be off (1 sd, as a fraction).
    """

    signal: float
    scale: IodineScale | None
    reason: str
    estimated: bool
    relative_sd: float


def _by_subtraction(pair: _Pair, settings: ContrastSettings) -> ContrastMask | MatchRefused:
    factor = max(1, round(settings.working_mm / pair.mm_per_px))
    mm_per_px = pair.mm_per_px * factor
    measured, reference = shrink(pair.measured, factor), shrink(pair.reference, factor)
    fields = tuple(shrink_mask(valid, factor) for valid in pair.valid)
    aligned = match(reference, measured, (fields[1], fields[0]), mm_per_px, settings.match)
    if isinstance(aligned, MatchRefused):
        return aligned
    warped, known = warp_to_measured(reference, aligned, fields[1])
    linear = pair.quantity is Quantity.NATURAL_LOG
    change = difference(measured, warped, known & fields[0], linear, settings.blur_mm / mm_per_px)
    bone = _told_by_bone(pair, change, mm_per_px)
    level = _outline_level(pair, change, mm_per_px, settings)
    if level.scale is not None and bone is not None:
        # What would have been seen is told behind the scatter that there is; the outline keeps the usual one, as
        # lower levels follow noise and misplaced bone more than iodine.
        before = veil_of(reference, fields[1], mm_per_px, [bone], fields[1]).mean
        level = replace(level, scale=replace(level.scale, scatter=before))
    found = find_pools(change, level.signal, mm_per_px, level.estimated, settings.pools)
    result = _result(pair, found, level, aligned.on_finer_grid(factor), factor, settings)
    if level.scale is None or not found.mask.any():
        return result
    return _with_iodine(result, pair, _veil(pair, change, found, bone, factor), factor)


def _told_by_bone(pair: _Pair, change: Difference, mm_per_px: float) -> Evidence | None:
    """Scatter over primary by the detail of the patient's own spine; None where pixels or beam say too little."""
    kv, copper_mm = pair.beam.tube_kv, pair.beam.filter_cu_mm or 0.0
    if pair.quantity is not Quantity.NATURAL_LOG or kv is None:
        return None
    try:
        bone_cm2_g = bone_mass_attenuation_cm2_g(kv, copper_mm)
    except ValueError:
        return None
    # Both images' noise is in their difference; contrast is a minority that a robust sd leaves out.
    noise = robust_sd(bone_detail(change.signal, change.valid, mm_per_px)[change.valid]) / float(np.sqrt(2.0))
    return ratio_by_bone(change.reference, change.valid, noise, bone_cm2_g, mm_per_px)


def _veil(pair: _Pair, change: Difference, found: Pools, bone: Evidence | None, factor: int) -> Veil:
    """Scatter over primary under the pools, as far as the two images tell it."""
    mm_per_px = pair.mm_per_px * factor
    off_rim = ~grown(~found.mask, _OFF_RIM_MM / mm_per_px)
    clear = ~grown(found.mask, _CLEAR_MM / mm_per_px) & ~grown(found.undecidable, _OFF_RIM_MM / mm_per_px)
    beside = grown(found.mask, _BESIDE_MM / mm_per_px) & clear & change.valid
    faded = ratio_by_fading(found.signal, change.reference, off_rim, beside, mm_per_px)
    field_of_view = shrink_mask(pair.valid[1], factor)
    told = [evidence for evidence in (bone, faded) if evidence is not None]
    return veil_of(shrink(pair.reference, factor), field_of_view, mm_per_px, told, found.mask)


def _with_iodine(result: ContrastMask, pair: _Pair, veil: Veil, factor: int) -> ContrastMask:
    """`result` with its areal iodine behind the scatter that was found."""
    if result.signal is None or result.mask is None or pair.beam.tube_kv is None:
        return result
    rows, cols = pair.measured.shape
    scale = iodine_scale(pair.beam.tube_kv, pair.beam.filter_cu_mm or 0.0, veil.mean)
    ratio = enlarged(veil.ratio, factor, (rows, cols))
    areal = scale.areal_mg_cm2(result.signal, ratio)
    note = f"scatter {veil.mean.value:.1f} ± {veil.mean.sd:.1f} of the primary under the contrast, from {veil.source}"
    return replace(
        result,
        areal_iodine_mg_cm2=areal,
        iodine_relative_uncertainty=mass_relative_sd(scale, result.signal[result.mask], ratio[result.mask]),
        notes=(*result.notes, note),
    )


def _outline_level(pair: _Pair, change: Difference, mm_per_px: float, settings: ContrastSettings) -> _Level:
    """The signal of `outline_mg_cm2`: by physics for natural logs, else by the detail of the patient's own bone."""
    # Without a stated voltage 80 kVp serves for the outline only; no iodine is claimed from it.
    typical = iodine_scale(80.0, 0.0, settings.scatter)
    if pair.quantity is not Quantity.NATURAL_LOG:
        shown = _bone_detail(change, mm_per_px) / settings.bone_detail
        signal = shown * typical.signal_of(settings.outline_mg_cm2)
        return _Level(signal, None, "display pixels carry no absolute attenuation", True, _DISPLAY_SD)
    reason = "the tube voltage is not stated"
    if pair.beam.tube_kv is not None:
        try:
            scale = iodine_scale(pair.beam.tube_kv, pair.beam.filter_cu_mm or 0.0, settings.scatter)
            return _Level(scale.signal_of(settings.outline_mg_cm2), scale, "", False, scale.relative_sd)
        except ValueError as error:
            reason = str(error)
    return _Level(typical.signal_of(settings.outline_mg_cm2), None, reason, False, typical.relative_sd)


def _bone_detail(change: Difference, mm_per_px: float) -> float:
    """Ninth decile of the size of detail between 0.8 and 4 mm, off the field's edge, contrast, gas and metal."""
    edge = np.pad(~change.valid, 1, constant_values=True)
    inner = ~grown(edge, 6.0 / mm_per_px)[1:-1, 1:-1] & ~changed_places(change.signal, change.valid, mm_per_px)
    if not inner.any():
        inner = change.valid
    coarse = smooth_within(change.reference, change.valid, 4.0 / mm_per_px)
    return float(np.quantile(np.abs(change.reference - coarse)[inner], 0.9))


def _outline_sd(found: Pools, level: _Level, factor: int, mm_per_px: float) -> npt.NDArray[np.float32]:
    """`ContrastMask.outline_sd` in pixels of which `factor` x `factor` made one of the pools' `mm_per_px`: noise, and a
    level that may be off, over the outline's slope there, and what neither explains."""
    rows, cols = rim(found.mask)
    on_rim = np.zeros_like(found.mask)
    on_rim[rows, cols] = True
    slope = smooth_within(np.hypot(*gradient(found.height)), on_rim, _ALONG_MM / mm_per_px)[rows, cols]
    shift = _SLOPE_FACTOR * np.hypot(found.noise, level.relative_sd * level.signal) / np.maximum(slope, 1e-12)
    sd = np.minimum(np.hypot(shift, _UNEXPLAINED_MM / mm_per_px), _LARGEST_SD_MM / mm_per_px)
    middle = (factor - 1) / 2
    return np.column_stack([rows * factor + middle, cols * factor + middle, sd * factor]).astype(np.float32)


def _result(
    pair: _Pair, found: Pools, level: _Level, aligned: Match, factor: int, settings: ContrastSettings
) -> ContrastMask:
    moved = float(np.sqrt((aligned.displacement**2).sum(axis=-1).mean() / 2.0))
    alignment = Alignment(aligned.matrix, float(np.hypot(aligned.uncertainty_px, moved)), 1.0 - aligned.correlation)
    rows, cols = pair.measured.shape
    limit = settings.outline_mg_cm2 * found.limit / level.signal
    if level.scale is not None:
        limit = max(float(level.scale.areal_mg_cm2(np.array([found.limit]))[0]), settings.outline_mg_cm2)
    undecidable = enlarged(found.undecidable.astype(np.float32), factor, (rows, cols)) > 0.5
    height = enlarged(found.height, factor, (rows, cols))
    mask = (height > 0) & pair.valid[0]
    notes = found.notes
    if level.estimated:
        notes = (*notes, "outline and detection limit rest on the detail of the patient's own bone (display pixels)")
    nothing = ContrastMask(
        ContrastStatus.NOT_FOUND,
        pair.method,
        reason="; ".join(found.notes) or "no area rises above the noise of the difference",
        iodine_reason=level.reason or "no contrast found",
        detection_limit_mg_cm2=limit,
        alignment=alignment,
        frame=pair.frame,
        undecidable=undecidable,
    )
    if not mask.any():
        return nothing
    signal = enlarged(found.signal, factor, (rows, cols))
    outline_sd = _outline_sd(found, level, factor, pair.mm_per_px * factor)
    return replace(
        nothing,
        status=ContrastStatus.FOUND,
        reason="",
        mask=mask,
        signal=signal,
        iodine_reason=level.reason,
        outline_uncertainty_px=float(np.median(outline_sd[:, 2])),
        outline_sd=outline_sd,
        notes=notes,
    )
