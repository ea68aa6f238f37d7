"""What passes for a needle: limits in millimetres and in shares of what the image shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NeedleSettings:
    """What passes for a needle. Chosen on tuning seeds and on films without needles; see docs/steps.

    Attributes
    ----------
    least_length_mm
        Shortest line looked at.
    least_log_odds
        That a line is a shaft: below it none is reported; see `likeness`.
    least_tail_log_odds
        That one end is the tail and not the other.
    least_filled
        Least share of the line that reaches half its slowly changing height.
    width_mm
        Full width at half height, smallest and largest, blur and magnification included.
    hub_over_shaft
        Height of a hub, averaged over 1.6 mm, over the height of the shaft (which itself would give about a
        half), from which it is certain.
    least_log_height, least_relative_height
        Height of the shaft in natural log (25 G behind twice as much scatter as primary gives 0.1), or as a
        share of the image's 1-99 % range.
    tip_level
        Height, as a share of the shaft's, taken for the tip; below a half because the bevel thins out.
    bevel_mm
        How far the tip lies beyond where its height falls to `tip_level`: the bevel thins it out.
    least_tip_sd_mm, spread_share
        1 sd of a clear tip, and how much of the spread of its possible ends along the shaft is added.
    ambiguous_spread_mm
        From this spread on, which one clear tip in a hundred has, the tip's 1 sd is twice the spread.
    hidden_rise, hidden_tip_sd_mm
        Rise of the level beyond a tip, over the shaft's height, from which something denser may hide the true
        tip, and its uncertainty (1 sd) then.
    spot_sigma_mm, spot_over_least
        Scale of the dense spot that a hub makes, and its least strength over the least height of a shaft.
    spot_salience
        Salience from which a spot of that strength is taken for a hub, and one of 0.7 of it, too.
    least_end_on_log_odds, least_plain_log_odds
        That a disc is the hub of a needle seen along its shaft; the second for one that is plainly a hub besides.
    end_on_least_salience
        Least salience of such a hub's disc: crossings of bone, with a ray of bone besides, reach 20.
    end_on_salience
        Least salience of such a hub's disc without a shaft in sight, times its height above all lines through it
        over the least height of a shaft, from which it needs no other proof.
    end_on_sd_mm
        1 sd of the tip of such a needle, with a short shaft in sight and without.
    end_on_lateral_mm
        Least and greatest distance of such a hub from the midline: the junctions lie 18 to 35 mm from it.
    end_on_beyond_mm
        Greatest distance of such a hub beyond the first and last body.
    alone_mm
        Within this distance of a shaft's tail a disc is that needle's hub. A disc with two others nearly as strong
        within it is none: letters and teeth of bone come in rows.
    ray_mm
        Nearest and farthest end of a foreshortened shaft from the middle of its hub.
    ray_over_hub
        Least height of a foreshortened shaft over its hub's.
    most_needles
        More plausible lines than this mean clutter, and none is reported.
    least_lateral_mm
        A line that stays this close to the midline from end to end is a spinous process or a catheter: junctions lie
        18 mm from it and farther, hubs beyond them.
    largest_lateral_mm, largest_beyond_mm
        Tips farther from the spine's midline, or beyond its first and last body, belong to something else.
    assumed_field_mm
        Field width that sets filter sizes where neither the file nor the levels give a scale.
    """

    least_length_mm: float = 7.0
    least_log_odds: float = 0.0
    least_tail_log_odds: float = 0.5
    least_filled: float = 0.8
    width_mm: tuple[float, float] = (0.4, 1.25)
    hub_over_shaft: float = 1.0
    least_log_height: float = 0.08
    least_relative_height: float = 0.07
    tip_level: float = 0.35
    bevel_mm: float = 0.3
    least_tip_sd_mm: float = 0.42
    spread_share: float = 0.4
    ambiguous_spread_mm: float = 1.9
    hidden_rise: float = 1.0
    hidden_tip_sd_mm: float = 5.0
    spot_sigma_mm: float = 0.85
    spot_over_least: float = 1.2
    spot_salience: tuple[float, float] = (17.0, 25.0)
    least_end_on_log_odds: float = -0.3
    least_plain_log_odds: float = -1.2
    end_on_least_salience: float = 22.0
    end_on_salience: float = 70.0
    end_on_sd_mm: tuple[float, float] = (0.7, 4.0)
    end_on_lateral_mm: tuple[float, float] = (15.0, 55.0)
    alone_mm: float = 12.0
    end_on_beyond_mm: float = 15.0
    ray_mm: tuple[float, float] = (1.8, 16.0)
    ray_over_hub: float = 0.6
    most_needles: int = 3
    least_lateral_mm: float = 16.0
    largest_lateral_mm: float = 60.0
    largest_beyond_mm: float = 45.0
    assumed_field_mm: float = 250.0
