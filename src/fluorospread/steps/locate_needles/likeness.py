"""How much a line is like a needle's shaft, and which of its ends is like a tail, as log-odds.

Both are logistic regressions over what `lines` measures, each measure taken over its usual size or as a logarithm.
"""

from __future__ import annotations

import numpy as np

from fluorospread.steps.locate_needles.lines import Line

# Junctions lie about so far from the midline (18 to 35 mm), and tips near them.
_JUNCTION_LATERAL_MM = 27.0
# Fitted on tuning images and films without needles; see docs/steps/locate_needles.md.
_SHAFT_WEIGHTS = {
    "scatter": -1.02,
    "background": -1.79,
    "width": -2.89,
    "lowest": -1.16,
    "height": -0.76,
    "hub": 1.09,
    "disc": 0.69,
    "salience": 1.07,
    "leaves": 1.06,
    "wander": -1.51,
    "bend": -1.45,
    "midline": -1.13,
    "lower drop": 0.25,
    "higher drop": 0.66,
    "votes": 1.31,
}
_SHAFT_CONSTANT = 5.12
# 1 sd across of what a shaft of 22 to 25 G shows, weighted by the square of its height, blur included.
_SHAFT_SPREAD_MM = 0.22
_TAIL_WEIGHTS = {"hub": 0.97, "spot": 1.01, "lateral": 0.98, "leaves": 0.19, "target": 1.36}


def shaft_measures(line: Line, levels_known: bool) -> dict[str, float]:
    """What counts for and against a line being a shaft, by name."""
    profile, run = line.profile, line.run
    drops = [profile.drop_at(end) for end in line.ends]
    strength = max(disc.strength for disc in line.discs)
    salience = max(disc.salience for disc in line.discs)
    return {
        "scatter": min(run.scatter / 0.2, 4.0),
        "background": min(run.background / 0.3, 5.0),
        "width": min(abs(line.spread_mm - _SHAFT_SPREAD_MM) / 0.05, 4.0),
        "lowest": float(np.clip(run.lowest / 0.35, 0.0, 4.0)),
        "height": float(np.log(profile.plateau / line.least_height / 2.0)),
        "hub": float(np.clip(np.log(max(*line.hubs, 0.3) / 0.6), -0.7, 1.5)),
        "disc": float(np.clip(np.log(max(strength, 1e-3) / 0.3), -1.5, 1.2)),
        "salience": float(np.clip(np.log(max(salience, 5.0) / 15.0), -1.0, 1.5)),
        "leaves": float(any(line.leaves)),
        "wander": min(line.wander_mm / 0.05, 4.0),
        "bend": min(profile.bend_mm(line.first, line.last), 3.0),
        "midline": float(levels_known and max(line.lateral_mm) < 9.0),
        "lower drop": float(np.clip(min(drops), -1.0, 2.0)),
        "higher drop": float(np.clip(max(drops), -1.0, 2.0)),
        "votes": float(np.log(max(line.votes, 1.0) / 300.0)),
    }


def shaft_log_odds(line: Line, levels_known: bool) -> float:
    """Natural log-odds that a line is a needle's shaft."""
    measures = shaft_measures(line, levels_known)
    return _SHAFT_CONSTANT + sum(weight * measures[name] for name, weight in _SHAFT_WEIGHTS.items())


def tail_measures(line: Line, levels_known: bool) -> dict[str, float]:
    """What speaks for the last end being the tail, by name; negative for the first."""
    hubs = [max(hub, 0.15) for hub in line.hubs]
    known = float(levels_known)
    off_target = [float(np.clip(abs(mm - _JUNCTION_LATERAL_MM), 0.0, 40.0)) for mm in line.lateral_mm]
    return {
        "hub": float(np.log(hubs[1] / hubs[0])),
        "spot": float(np.log((line.spots[1] + 0.3) / (line.spots[0] + 0.3))),
        "lateral": known * float(np.tanh((line.lateral_mm[1] - line.lateral_mm[0]) / 10.0)),
        "leaves": float(line.leaves[1]) - float(line.leaves[0]),
        "target": known * (off_target[1] - off_target[0]) / 10.0,
    }


def tail_log_odds(line: Line, levels_known: bool) -> float:
    """Natural log-odds that the last end is the tail, not the first."""
    measures = tail_measures(line, levels_known)
    return sum(weight * measures[name] for name, weight in _TAIL_WEIGHTS.items())
