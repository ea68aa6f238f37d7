"""An area that gained attenuation in, why it may be no contrast out: the tests that an area must pass.

What falls short of one is not contrast, but does not disprove it either.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fluorospread.imaging.left_behind import EdgeOwnership
from fluorospread.imaging.normalisation import BoolArray, FloatArray, smooth
from fluorospread.imaging.outlines import grown, hysteresis, rim

ALONG_GAS = "it lies along gas that moved"
OWNED = "its outline is one that the reference has, too (gas or tissue that moved)"
BESIDE_LOSS = "beside it nearly as much attenuation was lost, as where gas moves"
LIKE_LOSSES = "it rises no more than this field loses elsewhere"
# Turned down for doubt about where a gain came from, not for its size: no background is taken there.
NO_BACKGROUND = frozenset({OWNED, BESIDE_LOSS, LIKE_LOSSES})


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
    wonder_rim_mm
        A weak area as large as a pool is not denied this far about it either, as its outline is not known.
    small_area_mm2, small_rise
        Beside a larger pool, smaller areas than this must rise so far.
    least_main_mm2
        Without an area of this size, small ones are more often gas or metal than contrast, and none is claimed.
    neck_mm
        Parts joined by less are judged apart.
    largest_ownership, least_matched
        Share of the outline off gas that the reference has, from which an area is turned down, unless the reference's
        edges take away less than this share of the outline's (`EdgeOwnership.matched`).
    largest_along_gas, largest_at_edge
        Share of the outline that runs along gas, and that runs at the field's edge, from which an area is turned down.
    least_over_losses
        An area must rise by this many times what the most losing tenth of the field lost at least, gas left out.
    least_over_losses_beside, largest_loss_beside
        The same two limits for an area of `least_main_mm2` beside a pool that passed every test: contrast was injected
        then, and what moved by itself would have lost beside it what it gained.
    loss_reach_mm, largest_loss
        An area is turned down where the loss within this reach of it is more than that share of its gain: what
        moved by less than the reach has lost elsewhere what it gained here. What of the area lies beyond that reach is
        judged on its own.
    alike
        What lies within reach of a loss belongs to a pool beyond it only if its rise is the pool's within this factor.
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
    wonder_rim_mm: float = 4.0
    small_area_mm2: float = 200.0
    small_rise: float = 3.0
    least_main_mm2: float = 450.0
    neck_mm: float = 3.0
    largest_ownership: float = 0.68
    least_matched: float = -0.3
    largest_along_gas: float = 0.5
    largest_at_edge: float = 0.12
    least_over_losses: float = 6.2
    least_over_losses_beside: float = 4.0
    largest_loss_beside: float = 0.1
    loss_reach_mm: float = 15.0
    largest_loss: float = 0.4
    alike: float = 1.6
    hole_mm: float = 3.0
    dark_levels: float = 2.0


def beside_proven(settings: PoolSettings) -> PoolSettings:
    """Settings for a large area beside a pool that is beyond doubt."""
    return replace(
        settings, least_over_losses=settings.least_over_losses_beside, largest_loss=settings.largest_loss_beside
    )


@dataclass(frozen=True)
class Scene:
    """The difference being searched. `held` pixels are set to 0 and never become background."""

    valid: BoolArray
    inner: BoolArray
    """2 mm and more off the field's edge."""
    held: BoolArray
    gas: BoolArray
    """Where gas came or went, and a rim of 1 mm."""
    ownership: EdgeOwnership
    reference: FloatArray
    level: float
    mm_per_px: float


@dataclass(frozen=True)
class Losses:
    """What a field without contrast would gain as well: places that lost, and how much a tenth of the field lost."""

    calm: FloatArray
    gas: BoolArray
    """Where so much was lost that gas arrived."""
    usual: float


def losses_of(signal: FloatArray, wide: FloatArray, above: BoolArray, scene: Scene) -> Losses:
    """Losses are free of contrast, and where nothing was injected they are as large as the gains.

    Gas that moved loses far more than soft tissue does and tells of itself alone, so it is left out.
    """
    calm = smooth(signal, 1.0 / scene.mm_per_px)
    gas = hysteresis(calm < -2.0 * scene.level, calm < -scene.level)
    elsewhere = scene.valid & ~above
    apart = elsewhere & ~grown(gas | (scene.held & scene.valid), 3.0 / scene.mm_per_px)
    if apart.sum() > 0.2 * scene.valid.sum():
        elsewhere = apart
    usual = -float(np.quantile(wide[elsewhere], 0.1)) if elsewhere.any() else 0.0
    return Losses(calm, gas, usual)


def rise_of(wide: FloatArray, pixels: BoolArray, level: float) -> float:
    """Upper fifth of the signal of some pixels, in outline levels; 0 of none."""
    if not pixels.any():
        return 0.0
    return float(np.quantile(wide[pixels], 0.8)) / max(level, 1e-12)


def doubt_about(pixels: BoolArray, rise: float, losses: Losses, scene: Scene, settings: PoolSettings) -> str:
    """Why an area is no contrast, in words; empty when nothing speaks against it."""
    rows, cols = rim(pixels)
    if float((~scene.inner[rows, cols]).mean()) > settings.largest_at_edge:
        return "it runs along the edge of the common field of view"
    along_gas = scene.gas[rows, cols]
    if float(along_gas.mean()) > settings.largest_along_gas:
        return ALONG_GAS
    if _owned_by_reference(rows[~along_gas], cols[~along_gas], scene, settings):
        return OWNED
    if rise < settings.least_rise:
        return "it hardly rises above the outline's level"
    if rise * scene.level < settings.least_over_losses * losses.usual:
        return LIKE_LOSSES
    if _loss_beside(losses.calm, pixels, scene, settings) > settings.largest_loss:
        return BESIDE_LOSS
    return ""


def _loss_beside(calm: FloatArray, pixels: BoolArray, scene: Scene, settings: PoolSettings) -> float:
    """Attenuation lost around an area, as a share of what it gained."""
    near = grown(pixels, settings.loss_reach_mm / scene.mm_per_px) & scene.valid & ~pixels
    lost = float(-calm[near & (calm < -scene.level)].sum())
    return lost / max(float(np.maximum(calm[pixels], 0.0).sum()), 1e-12)


def _owned_by_reference(
    rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp], scene: Scene, settings: PoolSettings
) -> bool:
    """Whether an outline is the reference's own: its edges run alike, and taking them away leaves little."""
    energy = scene.ownership.energy[rows, cols]
    total = max(float(energy.sum()), 1e-24)
    owned = float((scene.ownership.correlation[rows, cols] * energy).sum()) / total
    matched = float((scene.ownership.matched[rows, cols] * energy).sum()) / total
    return owned > settings.largest_ownership and matched > settings.least_matched


def beyond_losses(pixels: BoolArray, losses: Losses, scene: Scene, settings: PoolSettings) -> BoolArray:
    """What of an area lies farther from any gas that arrived than gas moves."""
    return pixels & ~grown(losses.gas, settings.loss_reach_mm / scene.mm_per_px)
