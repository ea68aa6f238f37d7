"""Contrast in time: a depot that fills from the needle outwards, and what flows off in a vessel and clears.

A depot fills along the ways that contrast takes: the distance from the needle to each sample of its sheet is
measured through the iodine itself, where deep contrast is easy to cross, and samples fill in that order at a
constant rate of injection. So the imaged mass is the injected mass at every moment, and each plume family
fills as its own form asks: fascicles lengthwise, lobes one after the other, septa before what they enclose.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fluorospread.errors import UsageError
from fluorospread.simulation.contrast import Plume, PlumeFamily

Floats = npt.NDArray[np.float64]

# Share of the mass over which the front is graded: a film deepens behind its rim.
_FRONT_WIDTH = 0.12
_LEAST_IODINE = 1e-9


@dataclass(frozen=True)
class _Ways:
    """How contrast of one family travels: cost of a step along the fascicles against one across, and how
    much easier deep contrast is to cross than thin (cost 1 / (thin + depth^power), depth 1 on average)."""

    along: float
    thin: float
    power: float


_WAYS: dict[PlumeFamily, _Ways] = {
    PlumeFamily.FASCICLE_STRIATED: _Ways(0.4, 0.2, 1.0),
    PlumeFamily.FASCIAL_SHEET: _Ways(0.8, 1.0, 0.5),
    PlumeFamily.MULTILOBULAR: _Ways(0.9, 0.05, 1.5),
    PlumeFamily.POOL_WITH_TAILS: _Ways(1.0, 0.25, 1.0),
    PlumeFamily.RETICULATED: _Ways(0.6, 0.1, 2.0),
}


@dataclass(frozen=True)
class Injection:
    """When contrast is injected, s from the first frame."""

    starts_s: float
    lasts_s: float

    def __post_init__(self) -> None:
        if self.starts_s < 0 or self.lasts_s <= 0:
            raise UsageError(f"an injection starts at 0 s or later and lasts, got {self.starts_s}, {self.lasts_s} s")

    @property
    def ends_s(self) -> float:
        return self.starts_s + self.lasts_s

    def share_at(self, time_s: float) -> float:
        """Share of the volume that is in by then, 0 to 1."""
        return float(np.clip((time_s - self.starts_s) / self.lasts_s, 0.0, 1.0))


def fill_order(plume: Plume, source_mm: Floats, family: PlumeFamily) -> Floats:
    """Share of the plume's iodine that lies nearer to the needle than each sample, (n, m), 0 to 1.

    Parameters
    ----------
    source_mm
        Needle tip (3,); the plume's sample nearest to it that holds iodine fills first.
    """
    from skimage.graph import MCP_Geometric

    areal = plume.areal_mg_cm2
    wet = areal > _LEAST_IODINE
    depth = areal / areal[wet].mean()
    ways = _WAYS[family]
    mcp = MCP_Geometric(1.0 / (ways.thin + depth**ways.power), sampling=(ways.along, 1.0))
    distance, _ = mcp.find_costs([_nearest_wet(plume, source_mm)])
    ranked = np.argsort(distance, axis=None, kind="stable")
    mass = np.cumsum(areal.ravel()[ranked])
    order = np.empty(areal.size)
    order[ranked] = mass / mass[-1]
    return order.reshape(areal.shape)


def _nearest_wet(plume: Plume, source_mm: Floats) -> tuple[int, int]:
    """Sample with noticeable iodine nearest to a point."""
    rows, cols = np.nonzero(plume.areal_mg_cm2 > 0.2 * plume.areal_mg_cm2.max())
    relative = source_mm - plume.origin_mm
    at = (float(relative @ plume.cranial) / plume.grid_mm, float(relative @ plume.lateral) / plume.grid_mm)
    pick = int(np.argmin((rows - at[0]) ** 2 + (cols - at[1]) ** 2))
    return int(rows[pick]), int(cols[pick])


def filled(plume: Plume, order: Floats, share: float) -> Plume:
    """The plume when `share` (0 to 1) of its iodine is in; its mass is that share to within 1 %."""
    return dataclasses.replace(plume, areal_mg_cm2=plume.areal_mg_cm2 * _behind_front(order, share))


def _behind_front(order: Floats, share: float) -> Floats:
    """How full each sample is: a ramp of width w whose foot stands where the mass behind it is `share`."""
    w = _FRONT_WIDTH
    if share < 0.5 * w:
        foot = math.sqrt(2 * w * max(share, 0.0))
    elif share <= 1 - 0.5 * w:
        foot = share + 0.5 * w
    else:
        foot = 1 + w - math.sqrt(2 * w * max(1 - share, 0.0))
    return np.asarray(np.clip((foot - order) / w, 0.0, 1.0))


@dataclass(frozen=True)
class Depot:
    """Contrast that stays: a plume with the order and the time in which it fills."""

    plume: Plume
    order: Floats = field(repr=False)
    injection: Injection

    def at(self, time_s: float) -> Plume:
        """What lies in the tissue at a time."""
        return filled(self.plume, self.order, self.injection.share_at(time_s))


@dataclass(frozen=True)
class VesselFlow:
    """Contrast that a vessel carries away while it is injected and clears afterwards.

    Attributes
    ----------
    vessels
        Iodine of the vessels full of undiluted contrast.
    delay_s
        (n, m) time the blood takes from the needle to each sample.
    rise_s
        Time to full concentration.
    clears_s
        Time in which the concentration falls to nothing, linearly, when the injection has ended.
    """

    vessels: Plume
    delay_s: Floats = field(repr=False)
    injection: Injection
    rise_s: float = 0.3
    clears_s: float = 2.0

    def __post_init__(self) -> None:
        if self.rise_s <= 0 or self.clears_s <= 0:
            raise UsageError("contrast in a vessel takes time to come and to clear")

    def at(self, time_s: float) -> Plume:
        """What the vessels hold at a time."""
        return dataclasses.replace(self.vessels, areal_mg_cm2=self.vessels.areal_mg_cm2 * self.concentration(time_s))

    def concentration(self, time_s: float) -> Floats:
        """(n, m) share of the undiluted concentration, 0 to 1; the bolus spreads as it travels."""
        spread = 1.0 + self.delay_s
        came = (time_s - self.delay_s - self.injection.starts_s) / (self.rise_s * spread)
        left = (time_s - self.delay_s - self.injection.ends_s) / self.clears_s
        return np.asarray(np.clip(came, 0.0, 1.0) * (1.0 - np.clip(left, 0.0, 1.0)))

    @property
    def clear_from_s(self) -> float:
        """When the last of it has gone."""
        return self.injection.ends_s + self.clears_s + float(self.delay_s.max())


Flow = Depot | VesselFlow
