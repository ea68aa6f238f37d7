"""A difference image in, the areas that are contrast out, and those of which neither can be said.

An area counts when it stands out, is no line, keeps off the field's edge, and its outline is not one that the
reference already had. What falls short of that is not contrast, but does not disprove it either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluorospread.imaging.background import interpolated, without_background
from fluorospread.imaging.left_behind import edge_ownership, explained_by_reference
from fluorospread.imaging.misplaced_edges import without_misplaced_edges
from fluorospread.imaging.normalisation import BoolArray, FloatArray, robust_sd, smooth
from fluorospread.imaging.outlines import fill_small_holes, grown, hysteresis, lobes, regions
from fluorospread.imaging.pool_doubts import (
    BESIDE_LOSS,
    LIKE_LOSSES,
    NO_BACKGROUND,
    Losses,
    PoolSettings,
    Scene,
    beside_proven,
    beyond_losses,
    doubt_about,
    losses_of,
    rise_of,
)
from fluorospread.imaging.subtraction import Difference, without_thin_metal

_SMALL = "areas this small are more often gas or metal on their own"


@dataclass(frozen=True)
class Pools:
    """What was found in a difference.

    Attributes
    ----------
    mask
        (rows, cols), True where contrast lies.
    height
        (rows, cols) float32; the outline runs where it passes 0.
    signal
        (rows, cols) float32 difference without background, metal and what left.
    undecidable
        True where gas, metal or an area turned down leaves open whether contrast is there.
    noise, limit
        1 sd of the calmed difference, and the least signal told from it.
    blur_mm
        Gaussian sd by which it was calmed.
    notes
        What was turned down, in words.
    """

    mask: BoolArray
    height: FloatArray
    signal: FloatArray
    undecidable: BoolArray
    noise: float
    limit: float
    blur_mm: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Search:
    kept: BoolArray
    calm: FloatArray
    noise: float
    blur_mm: float
    turned_down: dict[str, float]
    doubtful: BoolArray
    owned: BoolArray
    """Turned down for doubt about where the gain came from: no background either."""


def find_pools(
    change: Difference,
    level: float,
    mm_per_px: float,
    adaptive: bool,
    settings: PoolSettings = PoolSettings(),  # noqa: B008 - frozen
) -> Pools:
    """Pools of contrast whose outline runs at a signal of `level`.

    Parameters
    ----------
    adaptive
        `level` is an estimate: each pool's outline leans towards a fixed share of its own height.
    """
    valid, reference = change.valid, change.reference
    signal, quiet = without_background(change.signal, valid, mm_per_px, settings.background_mm)
    signal = np.where(valid, signal, np.float32(0)).astype(np.float32)
    # Streaks of iodine along fascicles are thin, too; steel rises farther above what lies beside it.
    noise = np.full(signal.shape, max(robust_sd(signal[quiet]), 0.25 * level), dtype=np.float32)
    signal, metal = without_thin_metal(
        signal, noise, settings.needle_width_mm / mm_per_px, settings.needle_length_mm / mm_per_px
    )
    usable = valid & ~metal
    left = _what_left(signal, explained_by_reference(signal, reference, usable, mm_per_px), valid, mm_per_px, settings)
    scene = Scene(
        valid,
        ~grown(np.pad(~valid, 1, constant_values=True), 2.0 / mm_per_px)[1:-1, 1:-1],
        left | ~valid,
        grown(left | (smooth(signal, 1.0 / mm_per_px) < -settings.dark_levels * level), 1.0 / mm_per_px),
        edge_ownership(signal, reference, usable & ~left, mm_per_px),
        reference,
        level,
        mm_per_px,
    )
    signal = np.where(scene.held, np.float32(0), signal)
    search = _search(signal, quiet & ~left, scene, adaptive, settings)
    # The closer background swallows weak areas, so what leaves them open is settled before it.
    weak = search.doubtful
    dark = np.zeros_like(valid)
    for _ in range(2):
        # A background that follows everything but pools and gas is nearer to the truth beneath them.
        dark = _dark(signal, scene, settings)
        quiet = valid & ~left & ~grown(search.kept | search.owned, 4.0 / mm_per_px) & ~grown(dark, 2.0 / mm_per_px)
        slow = interpolated(signal, quiet, settings.close_background_mm / mm_per_px)
        signal = np.where(scene.held, np.float32(0), signal - slow)
        search = _search(signal, quiet, scene, adaptive, settings)
    notes = [f"{area:.0f} mm² not taken for contrast: {doubt}" for doubt, area in search.turned_down.items()]
    if metal.any():
        notes.append("a needle in one of the two images was left out of the difference")
    # A pool reaches farther than a needle with its flanks is wide, so what lies beside tells of what lies beneath.
    hidden = ~grown(~metal, 2.0 * settings.least_radius_mm / mm_per_px)
    open_question = (left | dark | hidden | weak | search.doubtful) & ~search.kept & valid
    return Pools(
        search.kept,
        _height(search, level),
        signal,
        open_question,
        search.noise,
        max(level, 3.0 * search.noise),
        search.blur_mm,
        tuple(notes),
    )


def _height(search: _Search, level: float) -> FloatArray:
    """Signal above the outline's level, of the sign that the mask gives each pixel, for an outline between pixels."""
    height, least = search.calm - np.float32(level), np.float32(0.02 * level)
    near = np.where(search.kept, np.maximum(height, least), np.minimum(height, -least))
    return np.where(grown(search.kept, 1.5), near, np.float32(-level)).astype(np.float32)


def _what_left(
    signal: FloatArray, explained: FloatArray, valid: BoolArray, mm_per_px: float, settings: PoolSettings
) -> BoolArray:
    """Pixels whose gain is what the reference lost: gas, or another shadow that moved away."""
    from scipy import ndimage

    explained, _ = without_background(explained, valid, mm_per_px, settings.background_mm)
    blur = settings.left_blur_mm / mm_per_px
    share = smooth(explained * signal, blur) / np.maximum(smooth(signal * signal, blur), 1e-24)
    left = (share > settings.left_share) & (signal > 0) & (np.abs(explained) > robust_sd(signal[valid]))
    left = ndimage.binary_opening(left)
    return grown(left, settings.left_rim_mm / mm_per_px) & (signal > 0)


def _dark(signal: FloatArray, scene: Scene, settings: PoolSettings) -> BoolArray:
    """Where attenuation was lost: gas that arrived."""
    calm = smooth(signal, 1.0 / scene.mm_per_px)
    return hysteresis(calm < -settings.dark_levels * scene.level, calm < -scene.level)


def _search(signal: FloatArray, quiet: BoolArray, scene: Scene, adaptive: bool, settings: PoolSettings) -> _Search:
    """The areas above the outline's level that pass every test."""
    mm_per_px, level = scene.mm_per_px, scene.level
    steady = without_misplaced_edges(signal, scene.reference, quiet, 0.25 * level, mm_per_px)
    signal = np.where(scene.held, np.float32(0), steady)
    calm, noise, blur_mm = signal, 0.0, 0.0
    for blur_mm in settings.calming_mm:
        calm = smooth(signal, blur_mm / mm_per_px)
        noise = robust_sd(calm[quiet])
        if settings.outline_sd * noise <= level:
            break
    above = (calm > max(level, 0.8 * settings.outline_sd * noise)) & scene.valid
    wide = smooth(signal, settings.seed_blur_mm / mm_per_px)
    seeds = wide > max(settings.seed_sd * robust_sd(wide[quiet]), settings.seed_levels * level)
    filled = fill_small_holes(hysteresis(seeds & above, above), (settings.hole_mm / mm_per_px) ** 2)
    kept, owned = np.zeros_like(above), np.zeros_like(above)
    doubtful = _weak_areas(wide > settings.wonder_levels * level, filled, mm_per_px, settings)
    turned_down: dict[str, float] = {}
    losses = losses_of(signal, wide, filled, scene)
    parts = lobes(filled, settings.neck_mm / mm_per_px)
    # What rises most is judged first: a pool that is beyond doubt speaks for a fainter one.
    for lobe in sorted(parts, key=lambda part: -rise_of(wide[part.window], part.pixels, level)):
        area_mm2 = lobe.area_px * mm_per_px**2
        if area_mm2 < settings.least_area_mm2 or lobe.largest_radius_px * mm_per_px < settings.least_radius_mm:
            continue
        pixels = np.zeros_like(kept)
        lobe.paint(pixels)
        claimed, doubt = _claimed(pixels, wide, losses, scene, settings)
        if doubt == LIKE_LOSSES and area_mm2 >= settings.least_main_mm2 and _proven(kept, scene, settings):
            claimed, doubt = _claimed(pixels, wide, losses, scene, beside_proven(settings))
        open_question = pixels & ~claimed
        if doubt and open_question.any():
            open_mm2 = float(open_question.sum()) * mm_per_px**2
            turned_down[doubt] = turned_down.get(doubt, 0.0) + open_mm2
            doubtful |= open_question
            if doubt in NO_BACKGROUND:
                owned |= open_question
        if adaptive:
            # Pools of this block rise about 4.5 outline levels; half of what differs from that is the estimate's.
            rise = rise_of(wide[lobe.window], lobe.pixels, level)
            claimed = claimed & (calm > level * float(np.clip(np.sqrt(rise / 4.5), 0.7, 2.0)))
        kept |= claimed
    weak = _small_beside_large(kept, wide, scene, settings)
    if kept.any() and not (kept & ~weak).any():
        turned_down[_SMALL] = turned_down.get(_SMALL, 0.0) + float(kept.sum()) * mm_per_px**2
    return _Search(kept & ~weak, calm, noise, blur_mm, turned_down, doubtful | weak, owned)


def _proven(kept: BoolArray, scene: Scene, settings: PoolSettings) -> bool:
    """Whether a pool was found that is large enough to stand alone."""
    return bool(kept.any()) and regions(kept)[0].area_px * scene.mm_per_px**2 >= settings.least_main_mm2


def _claimed(
    pixels: BoolArray, wide: FloatArray, losses: Losses, scene: Scene, settings: PoolSettings
) -> tuple[BoolArray, str]:
    """What of an area is contrast, and why the rest of it may be none (empty when all of it is contrast)."""
    rise = rise_of(wide, pixels, scene.level)
    doubt = doubt_about(pixels, rise, losses, scene, settings)
    if not doubt:
        return pixels, ""
    nothing = np.zeros_like(pixels)
    if doubt != BESIDE_LOSS:
        return nothing, doubt
    # Gas can have brought about only what lies within its reach; the rest of a long pool stands by itself.
    apart = beyond_losses(pixels, losses, scene, settings)
    if float(apart.sum()) * scene.mm_per_px**2 < settings.least_main_mm2:
        return nothing, doubt
    rise_apart = rise_of(wide, apart, scene.level)
    if doubt_about(apart, rise_apart, losses, scene, settings):
        return nothing, doubt
    near = pixels & ~apart
    alike = 1.0 / settings.alike < rise_of(wide, near, scene.level) / rise_apart < settings.alike
    return (pixels if alike else apart), doubt


def _weak_areas(above: BoolArray, seeded: BoolArray, mm_per_px: float, settings: PoolSettings) -> BoolArray:
    """Areas that rise a little and hold nothing strong enough: too little to claim, enough to wonder."""
    weak, large = np.zeros_like(above), np.zeros_like(above)
    for region in regions(above & ~seeded):
        area_mm2 = region.area_px * mm_per_px**2
        if area_mm2 < settings.least_area_mm2:
            break
        if region.largest_radius_px * mm_per_px >= settings.least_radius_mm:
            region.paint(large if area_mm2 >= settings.least_main_mm2 else weak)
    return weak | grown(large, settings.wonder_rim_mm / mm_per_px)


def _small_beside_large(kept: BoolArray, wide: FloatArray, scene: Scene, settings: PoolSettings) -> BoolArray:
    """Small weak areas beside a large one: soft tissue and bone edges far more often than contrast."""
    found = regions(kept)
    if found and found[0].area_px * scene.mm_per_px**2 < settings.least_main_mm2:
        return kept
    weak = np.zeros_like(kept)
    for area in found:
        small = area.area_px * scene.mm_per_px**2 < settings.small_area_mm2
        faint = rise_of(wide[area.window], area.pixels, scene.level) < settings.small_rise
        if small and (faint or area.area_px < 0.05 * found[0].area_px):
            area.paint(weak)
    return weak
