"""A difference image in, the areas that are contrast out, and those of which neither can be said.

An area counts when it stands out, is no line, keeps off the field's edge, and its outline is not one that the
reference already had. What falls short of that is not contrast, but does not disprove it either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fluorospread.imaging.background import interpolated, without_background
from fluorospread.imaging.left_behind import EdgeOwnership, edge_ownership, explained_by_reference
from fluorospread.imaging.normalisation import BoolArray, FloatArray, robust_sd, smooth
from fluorospread.imaging.outlines import Region, fill_small_holes, grown, hysteresis, lobes, regions, rim
from fluorospread.imaging.subtraction import Difference, without_thin_metal

_ALONG_GAS = "it lies along gas that moved"
_OWNED = "its outline is one that the reference has, too (gas or tissue that moved)"
_BESIDE_LOSS = "beside it nearly as much attenuation was lost, as where gas moves"
_SMALL = "areas this small are more often gas or metal on their own"
# Turned down for doubt about where a gain came from, not for its size: no background is taken there.
_NO_BACKGROUND = frozenset({_OWNED, _BESIDE_LOSS})


@dataclass(frozen=True)
class PoolSettings:
    """How an area of contrast is told from noise, gas, metal and soft tissue that moved.

    The numbers without a physical reason were chosen on tuning pairs (docs/evaluation.md).

    Attributes
    ----------
    background_mm, close_background_mm
        Gaussian sds of the slow background: until pools are known, and once they are.
    needle_width_mm, needle_length_mm
        Thin straight metal in one image only is filled in from beside.
    left_share, left_blur_mm, left_rim_mm
        Gain counts as something that left where the reference explains this share of it (averaged over the
        Gaussian sd), and for a rim about there.
    calming_mm, outline_sd
        The difference is blurred by the least of these Gaussian sds that brings `outline_sd` noise sds below
        the outline's level.
    seed_blur_mm, seed_sd, seed_levels
        A pool holds a place above so many noise sds and outline levels under this blur.
    least_area_mm2, least_radius_mm
        Smallest pool: area, and radius of the largest disc inside.
    least_rise
        Least upper fifth of a pool's signal, in outline levels.
    wonder_levels
        Signal, in outline levels, from which an area too weak to claim is not denied either.
    small_area_mm2, small_rise
        Beside a larger pool, smaller areas than this must rise so far.
    least_main_mm2
        Without an area of this size, small ones are more often gas or metal than contrast, and none is claimed.
    neck_mm
        Parts joined by less are judged apart.
    largest_ownership, largest_along_gas, largest_at_edge
        Share of the outline that the reference has, that runs along gas, and that runs at the field's edge,
        from which an area is turned down.
    least_over_losses
        An area must rise by this many times what the most losing tenth of the field lost at least.
    loss_reach_mm, largest_loss
        An area is turned down where the loss within this reach of it is more than that share of its gain: what
        moved by less than the reach has lost elsewhere what it gained here.
    hole_mm
        Holes narrower than this belong to the pool.
    dark_levels
        Loss, in outline levels, from which gas arrived and may hide contrast.
    """

    background_mm: float = 25.0
    close_background_mm: float = 12.0
    needle_width_mm: float = 2.2
    needle_length_mm: float = 10.0
    left_share: float = 0.65
    left_blur_mm: float = 1.5
    left_rim_mm: float = 1.0
    calming_mm: tuple[float, ...] = (0.0, 0.8, 1.2, 1.7, 2.4)
    outline_sd: float = 2.0
    seed_blur_mm: float = 1.6
    seed_sd: float = 5.0
    seed_levels: float = 1.8
    least_area_mm2: float = 25.0
    least_radius_mm: float = 2.5
    least_rise: float = 1.5
    wonder_levels: float = 0.6
    small_area_mm2: float = 200.0
    small_rise: float = 3.0
    least_main_mm2: float = 300.0
    neck_mm: float = 3.0
    largest_ownership: float = 0.68
    largest_along_gas: float = 0.5
    largest_at_edge: float = 0.25
    least_over_losses: float = 3.2
    loss_reach_mm: float = 15.0
    largest_loss: float = 0.4
    hole_mm: float = 3.0
    dark_levels: float = 2.0


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
class _Scene:
    """The difference being searched. `held` pixels are set to 0 and never become background."""

    valid: BoolArray
    held: BoolArray
    gas: BoolArray
    """Where gas came or went, and a rim of 1 mm."""
    ownership: EdgeOwnership
    level: float
    mm_per_px: float


@dataclass(frozen=True)
class _Losses:
    """What a field without contrast would gain as well: places that lost, and how much a tenth of the field lost."""

    calm: FloatArray
    usual: float


@dataclass(frozen=True)
class _Search:
    kept: BoolArray
    calm: FloatArray
    noise: float
    blur_mm: float
    turned_down: dict[str, float]
    doubtful: BoolArray
    owned: BoolArray
    """Turned down for its outline or for a loss beside it: no background either."""


def find_pools(
    change: Difference, level: float, mm_per_px: float, adaptive: bool, settings: PoolSettings = PoolSettings()
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
    scene = _Scene(
        valid,
        left | ~valid,
        grown(left | (smooth(signal, 1.0 / mm_per_px) < -settings.dark_levels * level), 1.0 / mm_per_px),
        edge_ownership(signal, reference, usable & ~left, mm_per_px),
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
    open_question = (left | dark | metal | weak | search.doubtful) & ~search.kept & valid
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


def _dark(signal: FloatArray, scene: _Scene, settings: PoolSettings) -> BoolArray:
    """Where attenuation was lost: gas that arrived."""
    calm = smooth(signal, 1.0 / scene.mm_per_px)
    return hysteresis(calm < -settings.dark_levels * scene.level, calm < -scene.level)


def _search(signal: FloatArray, quiet: BoolArray, scene: _Scene, adaptive: bool, settings: PoolSettings) -> _Search:
    """The areas above the outline's level that pass every test."""
    mm_per_px, level = scene.mm_per_px, scene.level
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
    losses = _losses(signal, wide, filled, scene)
    for lobe in lobes(filled, settings.neck_mm / mm_per_px):
        area_mm2 = lobe.area_px * mm_per_px**2
        if area_mm2 < settings.least_area_mm2 or lobe.largest_radius_px * mm_per_px < settings.least_radius_mm:
            continue
        pixels = np.zeros_like(kept)
        lobe.paint(pixels)
        rise = _rise(wide, lobe, level)
        doubt = _doubt(pixels, rise, losses, scene, settings)
        if doubt:
            turned_down[doubt] = turned_down.get(doubt, 0.0) + area_mm2
            doubtful |= pixels
            if doubt in _NO_BACKGROUND:
                owned |= pixels
        elif adaptive:
            # Pools of this block rise about 4.5 outline levels; half of what differs from that is the estimate's.
            kept |= pixels & (calm > level * float(np.clip(np.sqrt(rise / 4.5), 0.7, 2.0)))
        else:
            kept |= pixels
    weak = _small_beside_large(kept, wide, scene, settings)
    if kept.any() and not (kept & ~weak).any():
        turned_down[_SMALL] = turned_down.get(_SMALL, 0.0) + float(kept.sum()) * mm_per_px**2
    return _Search(kept & ~weak, calm, noise, blur_mm, turned_down, doubtful | weak, owned)


def _losses(signal: FloatArray, wide: FloatArray, above: BoolArray, scene: _Scene) -> _Losses:
    """Losses are free of contrast, and where nothing was injected they are as large as the gains."""
    elsewhere = scene.valid & ~above
    usual = -float(np.quantile(wide[elsewhere], 0.1)) if elsewhere.any() else 0.0
    return _Losses(smooth(signal, 1.0 / scene.mm_per_px), usual)


def _weak_areas(above: BoolArray, seeded: BoolArray, mm_per_px: float, settings: PoolSettings) -> BoolArray:
    """Areas that rise a little and hold nothing strong enough: too little to claim, enough to wonder."""
    weak = np.zeros_like(above)
    for region in regions(above & ~seeded):
        if region.area_px * mm_per_px**2 < settings.least_area_mm2:
            break
        if region.largest_radius_px * mm_per_px >= settings.least_radius_mm:
            region.paint(weak)
    return weak


def _rise(wide: FloatArray, area: Region, level: float) -> float:
    return float(np.quantile(wide[area.window][area.pixels], 0.8)) / max(level, 1e-12)


def _doubt(pixels: BoolArray, rise: float, losses: _Losses, scene: _Scene, settings: PoolSettings) -> str:
    """Why an area is no contrast, in words; empty when nothing speaks against it."""
    rows, cols = rim(pixels)
    inner = ~grown(np.pad(~scene.valid, 1, constant_values=True), 2.0 / scene.mm_per_px)[1:-1, 1:-1]
    if float((~inner[rows, cols]).mean()) > settings.largest_at_edge:
        return "it runs along the edge of the common field of view"
    energy = scene.ownership.energy[rows, cols]
    owned = float((scene.ownership.correlation[rows, cols] * energy).sum() / max(float(energy.sum()), 1e-24))
    if owned > settings.largest_ownership:
        return _OWNED
    if float(scene.gas[rows, cols].mean()) > settings.largest_along_gas:
        return _ALONG_GAS
    if rise < settings.least_rise:
        return "it hardly rises above the outline's level"
    if rise * scene.level < settings.least_over_losses * losses.usual:
        return "it rises no more than this field loses elsewhere"
    if _loss_beside(losses.calm, pixels, scene, settings) > settings.largest_loss:
        return _BESIDE_LOSS
    return ""


def _loss_beside(calm: FloatArray, pixels: BoolArray, scene: _Scene, settings: PoolSettings) -> float:
    """Attenuation lost around an area, as a share of what it gained."""
    near = grown(pixels, settings.loss_reach_mm / scene.mm_per_px) & scene.valid & ~pixels
    lost = float(-calm[near & (calm < -scene.level)].sum())
    return lost / max(float(np.maximum(calm[pixels], 0.0).sum()), 1e-12)


def _small_beside_large(kept: BoolArray, wide: FloatArray, scene: _Scene, settings: PoolSettings) -> BoolArray:
    """Small weak areas beside a large one: soft tissue and bone edges far more often than contrast."""
    found = regions(kept)
    if found and found[0].area_px * scene.mm_per_px**2 < settings.least_main_mm2:
        return kept
    weak = np.zeros_like(kept)
    for area in found:
        small = area.area_px * scene.mm_per_px**2 < settings.small_area_mm2
        faint = _rise(wide, area, scene.level) < settings.small_rise
        if small and (faint or area.area_px < 0.05 * found[0].area_px):
            area.paint(weak)
    return weak
