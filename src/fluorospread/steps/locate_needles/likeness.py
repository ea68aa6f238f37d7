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
    "scatter": -0.43,
    "background": -0.91,
    "wide": -1.69,
    "narrow": -0.74,
    "lowest": -1.57,
    "noise": 0.92,
    "height": 0.4,
    "hub": 0.83,
    "spot": 2.42,
    "bend": -1.57,
    "midline": -1.52,
    "lower drop": 0.38,
    "higher drop": 1.03,
    "votes": 2.05,
}
_SHAFT_CONSTANT = -0.11
_TAIL_WEIGHTS = {"hub": 0.97, "spot": 1.01, "lateral": 0.98, "leaves": 0.19, "target": 1.36}


def shaft_measures(line: Line, levels_known: bool) -> dict[str, float]:
    """What counts for and against a line being a shaft, by name."""
    profile, run = line.profile, line.run
    drops = [profile.drop_at(end) for end in line.ends]
    return {
        "scatter": min(run.scatter / 0.2, 4.0),
        "background": min(run.background / 0.3, 5.0),
        "wide": max(profile.width_mm - 0.7, 0.0) / 0.4,
        "narrow": max(0.6 - profile.width_mm, 0.0) / 0.2,
        "lowest": float(np.clip(run.lowest / 0.35, 0.0, 4.0)),
        "noise": float(np.log(max(profile.plateau / run.noise, 1.0) / 20.0)),
        "height": float(np.log(profile.plateau / line.least_height / 2.0)),
        "hub": float(np.clip(np.log(max(*line.hubs, 0.3) / 0.6), -0.7, 1.5)),
        "spot": float(max(line.spots) > 0),
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
