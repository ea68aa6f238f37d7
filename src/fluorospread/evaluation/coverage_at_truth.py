"""Contrast as found, at the junctions as they truly lie: coverage without the labeller's part in it."""

from __future__ import annotations

from pathlib import Path

from fluorospread.evaluation.metrics import DecisionScore
from fluorospread.evaluation.truth_files import TrueCase
from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, JUNCTION_LEVELS
from fluorospread.model.findings import Anchor, Junction, LevelLabels, LevelStatus, Vertebra
from fluorospread.model.spread import Answer
from fluorospread.pipeline.verify_case import VerifiedCase
from fluorospread.steps.measure_spread import measure_spread

# About the median error of the junctions that the labeller finds; a junction has a size, too.
_JUNCTION_SD_MM = 1.2


def coverage_at_truth(verified: VerifiedCase, truth: TrueCase) -> tuple[DecisionScore, ...]:
    """Coverage answers at the true junctions of the image that was measured; none where none was."""
    index = verified.result.contrast.image
    if index is None:
        return ()
    image = truth.image(Path(verified.result.images[index].path).name)
    if image is None:
        return ()
    sd_px = _JUNCTION_SD_MM / image.mm_per_px
    junctions = tuple(
        Junction(level, side, point, 1.0, sd_px)
        for (level, side), point in image.junctions.items()
        if level in JUNCTION_LEVELS and (level, side) in truth.coverage
    )
    centers = sorted(image.centers.items(), key=lambda own: CRANIAL_TO_CAUDAL.index(own[0]))
    levels = LevelLabels(
        LevelStatus.CONFIDENT, Anchor.GIVEN, tuple(Vertebra(level, point, 1.0) for level, point in centers)
    )
    spread = measure_spread(verified.contrast, levels, junctions, (), verified.radiographs[index].geometry)
    return tuple(
        DecisionScore(f"{c.level} {c.side}", c.covered, Answer.YES if truth.coverage[c.level, c.side] else Answer.NO)
        for c in spread.coverage
    )
