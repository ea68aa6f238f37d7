"""Finds the contrast in an image: by subtraction from a reference or a cine's own mask, else from one image.

Assumes frontal images with attenuating structures bright. The claim falls with the evidence: natural-log pairs
give areal iodine, display pixels a relative signal, and a single image only what stands out from all bone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from fluorospread.imaging.attenuation import IodineScale, ScatterRatio, iodine_scale
from fluorospread.imaging.cine import find_inflow, mean_frame
from fluorospread.imaging.normalisation import gradient, robust_sd, smooth
from fluorospread.imaging.outlines import fill_small_holes, hysteresis, lobes, rim
from fluorospread.imaging.registration import Match, MatchRefused, MatchSettings, match, warp_to_measured
from fluorospread.imaging.subtraction import (
    Difference,
    difference,
    explained_by_reference,
    mirrored_loss,
    share_at_edge,
    where_gas_left,
    without_thin_metal,
)
from fluorospread.model.findings import Alignment, ContrastMask, ContrastMethod, ContrastStatus
from fluorospread.model.radiograph import Beam, BoolImage, FloatImage, Quantity, Radiograph


@dataclass(frozen=True)
class ContrastSettings:
    """How contrast is told from what is no contrast.

    Attributes
    ----------
    outline_mg_cm2
        Areal iodine at the outline of a pool.
    outline_of_peak
        The same as a fraction of a pool's own peak, where pixels carry no physical unit.
    blur_mm
        Gaussian sd before thresholding; wider loses thin tongues, narrower lets noise in.
    seed_blur_mm, seed_sd
        A pool must rise above `seed_sd` noise sds under the wider blur.
    least_area_mm2, least_radius_mm
        Smallest pool reported: area, and radius of the largest disc inside.
    outline_sd, calming_mm
        The outline's signal must exceed so many noise sds; else the difference is blurred by these Gaussian sds.
    gas_reach_mm
        Gaussian sd over which arriving gas tells what gas looks like in the reference.
    neck_mm
        Parts joined by less are told apart: gas beside a pool must not borrow its good name.
    largest_explained, largest_loss, largest_at_edge
        Rejection of gas, motion and field edges: correlation with what the reference had less, area within
        `loss_reach_mm` that lost as much over the area that gained, share of the outline at the field's edge.
    scatter
        Scatter-to-primary ratio behind a lumbar spine with its 1 sd, as no image states it.
    assumed_field_mm
        Field width that sets filter sizes (nothing else) where no scale is known.
    """

    outline_mg_cm2: float = 4.0
    outline_of_peak: float = 0.15
    blur_mm: float = 0.7
    seed_blur_mm: float = 1.6
    seed_sd: float = 6.0
    least_area_mm2: float = 25.0
    least_radius_mm: float = 1.8
    neck_mm: float = 3.0
    calming_mm: tuple[float, ...] = (1.0, 1.6, 2.4)
    outline_sd: float = 2.0
    gas_reach_mm: float = 12.0
    largest_explained: float = 0.4
    largest_loss: float = 0.3
    loss_reach_mm: float = 16.0
    largest_at_edge: float = 0.06
    scatter: ScatterRatio = field(default_factory=lambda: ScatterRatio(0.7, 0.4))
    assumed_field_mm: float = 250.0
    needle_width_mm: float = 2.2
    needle_length_mm: float = 10.0
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
    return replace(found, notes=(*notes, *found.notes))


def _cine_pair(measured: Radiograph, mm_per_px: float, notes: list[str]) -> _Pair | None:
    frames = find_inflow(measured.pixels, measured.frames.count, measured.field_of_view, measured.mask_frames)
    if not frames.mask:
        notes.append("the run shows no frame before an inflow")
        return None
    source = "named by the file" if measured.mask_frames else "before the inflow"
    notes.append(f"mask frames {frames.mask[0]}-{frames.mask[-1]} ({source}), measured at frame {frames.peak}")
    view = measured.field_of_view
    return _Pair(
        mean_frame(measured.pixels, frames.filled),
        mean_frame(measured.pixels, frames.mask),
        (view, view),
        measured.quantity,
        measured.beam,
        mm_per_px,
        ContrastMethod.CINE,
        frames.peak,
    )


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


def _by_subtraction(pair: _Pair, settings: ContrastSettings) -> ContrastMask | MatchRefused:
    aligned = match(pair.reference, pair.measured, (pair.valid[1], pair.valid[0]), pair.mm_per_px, settings.match)
    if isinstance(aligned, MatchRefused):
        return aligned
    warped, known = warp_to_measured(pair.reference, aligned, pair.valid[1])
    valid = known & pair.valid[0]
    blur_px = settings.blur_mm / pair.mm_per_px
    linear = pair.quantity is Quantity.NATURAL_LOG
    change = difference(pair.measured, warped, valid, linear, blur_px)
    clean, metal = without_thin_metal(
        change.signal, change.sd, settings.needle_width_mm / pair.mm_per_px, settings.needle_length_mm / pair.mm_per_px
    )
    change = replace(change, signal=np.where(valid, clean, np.float32(0)).astype(np.float32))
    scale, iodine_reason = _scale_of(pair, settings)
    mask, doubts = _pools(change, _outline_level(scale, linear, settings), pair.mm_per_px, settings)
    if metal.any():
        doubts.append("a needle in one of the two images was left out of the difference")
    return _result(pair, change, mask, aligned, (scale, linear, iodine_reason, doubts), settings)


def _scale_of(pair: _Pair, settings: ContrastSettings) -> tuple[IodineScale | None, str]:
    """The iodine scale that may be claimed, or None with the reason."""
    if pair.quantity is not Quantity.NATURAL_LOG:
        return None, "display pixels carry no absolute attenuation"
    if pair.beam.tube_kv is None:
        return None, "the tube voltage is not stated"
    try:
        return iodine_scale(pair.beam.tube_kv, pair.beam.filter_cu_mm or 0.0, settings.scatter), ""
    except ValueError as error:
        return None, str(error)


def _pools(
    change: Difference, level: float | None, mm_per_px: float, settings: ContrastSettings
) -> tuple[BoolImage, list[str]]:
    """Mask of the pools and what was turned down. `level` is the outline's signal; None: a share of each peak."""
    bulk = change.valid & (np.abs(change.signal) < 4.0 * change.floor_sd)
    wide = smooth(change.signal, settings.seed_blur_mm / mm_per_px)
    seeds = (wide > np.maximum(settings.seed_sd * robust_sd(wide[bulk]), 1.3 * (level or 0.0))) & change.valid
    aim = settings.outline_of_peak * float(np.quantile(wide[seeds], 0.9)) if level is None and seeds.any() else level
    calm, lowest = _calmed(change, bulk, aim or 0.0, mm_per_px, settings)
    low = (calm > np.maximum(lowest, level or 0.0)) & change.valid
    low &= ~where_gas_left(change, low, settings.seed_blur_mm / mm_per_px, settings.gas_reach_mm / mm_per_px)
    seeds &= low
    kept = np.zeros(change.valid.shape, dtype=np.bool_)
    turned_down: dict[str, float] = {}
    filled = fill_small_holes(hysteresis(seeds, low), (2.0 / mm_per_px) ** 2)
    for lobe in lobes(filled, settings.neck_mm / mm_per_px):
        pixels = np.zeros_like(kept)
        lobe.paint(pixels)
        if level is None:
            peak = float(np.quantile(calm[pixels], 0.95))
            pixels &= calm > settings.outline_of_peak * peak
        area_mm2 = float(pixels.sum()) * mm_per_px**2
        if area_mm2 < settings.least_area_mm2 or lobe.largest_radius_px * mm_per_px < settings.least_radius_mm:
            continue
        doubt = _doubt(change, pixels, mm_per_px, settings)
        if doubt:
            turned_down[doubt] = turned_down.get(doubt, 0.0) + area_mm2
        else:
            kept |= pixels
    return kept, [f"{area_mm2:.0f} mm² not taken for contrast: {doubt}" for doubt, area_mm2 in turned_down.items()]


def _calmed(
    change: Difference, bulk: BoolImage, level: float, mm_per_px: float, settings: ContrastSettings
) -> tuple[FloatImage, FloatImage]:
    """The difference blurred just enough for an outline at `level` to clear the noise, and the lowest outline."""
    calm = change.signal
    for blur_mm in (0.0, *settings.calming_mm):
        calm = smooth(change.signal, blur_mm / mm_per_px)
        noise = robust_sd(calm[bulk])
        if settings.outline_sd * noise <= level:
            break
    # What blurring leaves of the noise it leaves of what bone edges make, too.
    left = min(noise / max(change.floor_sd, 1e-12), 1.0)
    return calm, np.maximum(settings.outline_sd * noise, np.float32(left) * change.sd)


def _doubt(change: Difference, pixels: BoolImage, mm_per_px: float, settings: ContrastSettings) -> str:
    """Why a region is no contrast, in words; empty when nothing speaks against it."""
    if share_at_edge(pixels, change.valid, round(2.0 / mm_per_px)) > settings.largest_at_edge:
        return "it runs along the edge of the common field of view"
    if explained_by_reference(change, pixels, settings.seed_blur_mm / mm_per_px) > settings.largest_explained:
        return "its outline is that of a darker area in the reference (gas that moved)"
    if mirrored_loss(change, pixels, settings.loss_reach_mm / mm_per_px) > settings.largest_loss:
        return "as much attenuation was lost beside it (something moved)"
    return ""


def _outline_level(scale: IodineScale | None, linear: bool, settings: ContrastSettings) -> float | None:
    """Signal at a pool's outline, or None where pixels have no physical unit."""
    if not linear:
        return None
    # Without a stated voltage 80 kVp serves for the outline only; no iodine is claimed from it.
    return (scale or iodine_scale(80.0, 0.0, settings.scatter)).signal_of(settings.outline_mg_cm2)


def _outline_sd_px(change: Difference, mask: BoolImage, level: float | None, blur_px: float) -> float:
    """1 sd of the outline's place: noise, and a threshold that may be off by a quarter, over the rim's slope."""
    rows, cols = rim(mask)
    grad_r, grad_c = gradient(change.signal)
    slope = float(np.median(np.hypot(grad_r[rows, cols], grad_c[rows, cols])))
    at_rim = level if level is not None else float(np.median(change.signal[rows, cols]))
    shift = np.hypot(change.floor_sd, 0.25 * at_rim) / max(slope, 1e-12)
    return float(np.clip(np.hypot(shift, 0.3), 0.3, 4.0 * blur_px + 1.0))


def _result(
    pair: _Pair,
    change: Difference,
    mask: BoolImage,
    aligned: Match,
    found: tuple[IodineScale | None, bool, str, list[str]],
    settings: ContrastSettings,
) -> ContrastMask:
    scale, linear, iodine_reason, doubts = found
    moved = float(np.sqrt((aligned.displacement**2).sum(axis=-1).mean() / 2.0))
    alignment = Alignment(aligned.matrix, float(np.hypot(aligned.uncertainty_px, moved)), 1.0 - aligned.correlation)
    limit = None
    if scale is not None:
        lowest = settings.seed_sd / 2.0 * change.floor_sd
        limit = float(scale.areal_mg_cm2(np.array([max(lowest, scale.signal_of(settings.outline_mg_cm2))]))[0])
    if not mask.any():
        return ContrastMask(
            ContrastStatus.NOT_FOUND,
            pair.method,
            reason="no area rises above the noise of the difference" if not doubts else "; ".join(doubts),
            iodine_reason=iodine_reason or "no contrast found",
            detection_limit_mg_cm2=limit,
            alignment=alignment,
            frame=pair.frame,
        )
    blur_px = settings.blur_mm / pair.mm_per_px
    level = _outline_level(scale, linear, settings)
    return ContrastMask(
        ContrastStatus.FOUND,
        pair.method,
        mask=mask,
        signal=change.signal,
        areal_iodine_mg_cm2=None if scale is None else scale.areal_mg_cm2(change.signal),
        iodine_reason=iodine_reason,
        iodine_relative_uncertainty=None if scale is None else scale.relative_sd,
        outline_uncertainty_px=_outline_sd_px(change, mask, level, blur_px),
        detection_limit_mg_cm2=limit,
        alignment=alignment,
        frame=pair.frame,
        notes=tuple(doubts),
    )
