"""A run in, where its contrast first appears on each side out: what stands in for a needle that is not seen.

The run is walked from its mask towards its peak until contrast is found for the first time; that first pool
is small and lies where the contrast came from.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from fluorospread.imaging.cine import CoarseRun, mean_frame
from fluorospread.imaging.frame_motion import steadied
from fluorospread.imaging.time_curves import find_inflow, first_frames
from fluorospread.model.anatomy import Side
from fluorospread.model.findings import ContrastMask, Junction, NeedleTip
from fluorospread.model.radiograph import ArrayFrames, FloatImage, Radiograph
from fluorospread.model.spread import Pool
from fluorospread.pipeline.look_at_image import Look
from fluorospread.pipeline.settings import VerifySettings
from fluorospread.steps.measure_spread import measure_spread
from fluorospread.steps.segment_contrast import segment_contrast

# Frames looked at between mask and peak; more would only refine a place that the pool's own size blurs.
_MOST_FRAMES = 6
# A sliver of one side's contrast beyond the midline is no origin of the other side's.
_LEAST_MM2 = 20.0


def find_contrast_origin(
    run: Look, junctions: tuple[Junction, ...], sides: frozenset[Side], settings: VerifySettings
) -> tuple[NeedleTip, ...]:
    """Places where contrast first appears, at most one on each of `sides`; their sd is the first pool's radius.

    `run` has levels in the pixels of its measured frame, as have `junctions`. Empty where the run shows no
    inflow.
    """
    radiograph, levels = run.radiograph, run.levels
    if levels is None or not radiograph.is_cine:
        return ()
    frames = CoarseRun.read(
        radiograph.pixels, radiograph.frames.count, radiograph.field_of_view, _mm_per_px(radiograph, settings)
    )
    steady = steadied(frames, first_frames(frames.count, radiograph.mask_frames))
    inflow = find_inflow(steady, radiograph.mask_frames)
    if not inflow.mask or not inflow.flows_in:
        return ()
    before = _single(
        radiograph, mean_frame(radiograph.pixels, inflow.mask, steady.moves_onto(inflow.mask[-1], inflow.mask))
    )
    # Where a run as a whole shows an inflow, its first pools may be small.
    early = replace(settings.contrast, pools=replace(settings.contrast.pools, least_main_mm2=0.0))
    found: dict[Side, NeedleTip] = {}
    least_px = _LEAST_MM2 / _mm_per_px(radiograph, settings) ** 2
    for index in _walk(inflow.mask[-1], inflow.peak):
        contrast = segment_contrast(_single(radiograph, radiograph.pixels(index)), before, early)
        if contrast.mask is None:
            continue
        spread = measure_spread(contrast, levels, junctions, (), radiograph.geometry, settings.spread)
        for pool in spread.pools:
            if pool.area_px < least_px:
                continue
            if pool.side in sides and pool.side is not None and pool.side not in found:
                found[pool.side] = _origin(pool, pool.side, contrast)
        if len(found) == len(sides):
            break
    return tuple(found.values())


def _mm_per_px(radiograph: Radiograph, settings: VerifySettings) -> float:
    return radiograph.geometry.mm_per_px or settings.contrast.assumed_field_mm / max(radiograph.shape)


def _walk(last_mask: int, peak: int) -> list[int]:
    """Frames from after the mask up to the peak, evenly spread."""
    count = min(_MOST_FRAMES, peak - last_mask)
    return [round(index) for index in np.linspace(last_mask + 1, peak, count)] if count > 0 else []


def _single(radiograph: Radiograph, pixels: FloatImage) -> Radiograph:
    return replace(radiograph, frames=ArrayFrames(np.array(pixels, dtype=np.float32)[None]), mask_frames=())


def _origin(pool: Pool, side: Side, contrast: ContrastMask) -> NeedleTip:
    radius_px = math.sqrt(pool.area_px / math.pi)
    return NeedleTip(side, pool.centroid_px, math.hypot(radius_px, contrast.outline_uncertainty_px), 1.0)
