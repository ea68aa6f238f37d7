"""What passes for a needle: limits in millimetres and in shares of what the image shows."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ShaftLimits:
    """What a line must be to pass as a shaft.

    Attributes
    ----------
    length_mm
        Least length between its ends.
    even
        Least share of it that reaches half its median height.
    unlikeness
        Greatest sum of its unevenness, width and background; see `_unlikeness`.
    """

    length_mm: float
    even: float
    unlikeness: float


@dataclass(frozen=True)
class NeedleSettings:
    """What passes for a needle. Chosen on tuning seeds and on films without needles; see docs/steps.

    Attributes
    ----------
    with_hub, without_hub
        Limits for a line that ends in a hub, and for one that only leaves the field of view.
    width_mm
        Full width at half height, smallest and largest, blur and magnification included.
    hub_over_shaft, least_hub_over_shaft
        Height of a hub, averaged over 1.6 mm, over the height of the shaft (which itself would give about a
        half): from the first a hub is certain, from the second it is likely, as display curves flatten metal.
    least_snr
        Height of the shaft over the noise along it.
    least_log_height, least_relative_height
        Height of the shaft in natural log (25 G behind twice as much scatter as primary gives 0.1), or as a
        share of the image's 1-99 % range.
    tip_level
        Height, as a share of the shaft's, taken for the tip; below a half because the bevel thins out.
    with_spot
        Limits for a line that ends in a dense spot of a hub's size lateral to it, which bone edges hardly do.
    spot_sigma_mm, spot_over_least
        Scale of the dense spot that a hub makes, and its least strength over the least height of a shaft.
    spot_salience
        Salience from which a spot of that strength is taken for a hub, and one of 0.7 of it, too.
    spot_beyond_mm
        How far beyond the end of a shaft the middle of its hub's spot may lie.
    end_on_salience
        A needle seen along its shaft: least salience of its spot, times its height above all lines through it
        over the least height of a shaft.
    end_on_lateral_mm
        Least and greatest distance of such a hub from the midline: the junctions lie 18 to 35 mm from it.
    end_on_beyond_mm
        Greatest distance of such a hub beyond the first and last body.
    alone_mm
        Least distance of such a hub from other spots of at least half its strength: letters and teeth of bone
        come in rows.
    ray_mm
        Nearest and farthest end of a foreshortened shaft from the middle of its hub.
    most_needles
        More plausible lines than this mean clutter, and none is reported.
    least_lateral_mm
        A line that stays this close to the midline from end to end is a spinous process.
    largest_lateral_mm, largest_beyond_mm
        Tips farther from the spine's midline, or beyond its first and last body, belong to something else.
    assumed_field_mm
        Field width that sets filter sizes where neither the file nor the levels give a scale.
    """

    with_hub: ShaftLimits = field(default_factory=lambda: ShaftLimits(7.0, 0.9, 3.0))
    without_hub: ShaftLimits = field(default_factory=lambda: ShaftLimits(25.0, 0.92, 2.6))
    width_mm: tuple[float, float] = (0.4, 1.25)
    hub_over_shaft: float = 1.0
    least_hub_over_shaft: float = 0.62
    least_snr: float = 6.0
    least_log_height: float = 0.08
    least_relative_height: float = 0.07
    tip_level: float = 0.35
    with_spot: ShaftLimits = field(default_factory=lambda: ShaftLimits(4.0, 0.85, 3.9))
    spot_sigma_mm: float = 0.85
    spot_over_least: float = 1.2
    spot_salience: tuple[float, float] = (17.0, 25.0)
    spot_beyond_mm: float = 3.5
    end_on_salience: float = 70.0
    end_on_lateral_mm: tuple[float, float] = (15.0, 55.0)
    alone_mm: float = 12.0
    end_on_beyond_mm: float = 15.0
    ray_mm: tuple[float, float] = (1.8, 16.0)
    most_needles: int = 3
    least_lateral_mm: float = 9.0
    largest_lateral_mm: float = 75.0
    largest_beyond_mm: float = 45.0
    assumed_field_mm: float = 250.0
