"""A verified case and its truth in, its scores out."""

from __future__ import annotations

from pathlib import Path

from fluorospread.evaluation.coverage_at_truth import coverage_at_truth
from fluorospread.evaluation.flags_at_truth import flags_at_truth
from fluorospread.evaluation.match import dice as dice_of
from fluorospread.evaluation.match import distance_px, match_levels, match_points
from fluorospread.evaluation.metrics import CaseScore, DecisionScore, ImageScore, IodineScore
from fluorospread.evaluation.truth_files import TrueCase, TrueImage
from fluorospread.model.anatomy import JUNCTION_LEVELS, Level, Side
from fluorospread.model.case import CaseImage, Role
from fluorospread.model.findings import ContrastStatus, LevelLabels
from fluorospread.model.geometry import ColumnsTowards
from fluorospread.model.radiograph import BoolImage
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import Puncture, PunctureSource
from fluorospread.pipeline.verify_case import VerifiedCase

# A found tip farther from every true one is another thing.
_TIP_REACH_MM = 12.0
_SCORED_LEVELS = (Level.T12, Level.L1, Level.L2, Level.L3, Level.L4, Level.L5, Level.L6, Level.S1)


def score_case(verified: VerifiedCase, truth: TrueCase, tolerance_mm: float, target: Level) -> CaseScore:
    """Score one case.

    Parameters
    ----------
    tolerance_mm, target
        Of the protocol the case was judged by: a true puncture is at its target when the junction nearest
        to the true tip is the target's and no farther than the tolerance.
    """
    result = verified.result
    images = tuple(
        _score_image(image, image.levels, true)
        for image in result.images
        if image.levels is not None and (true := truth.image(Path(image.path).name)) is not None
    )
    found = result.contrast.status is ContrastStatus.FOUND
    return CaseScore(
        case_id=truth.case_id,
        expected=truth.outcome,
        found=result.verdict.outcome,
        images=images,
        contrast_there=truth.contrast_to_find,
        contrast_found=found,
        dice=_dice(verified, truth) if found else None,
        area_ratio=_area_ratio(verified, truth) if found else None,
        iodine=_iodine(verified, truth),
        method=result.contrast.method.value,
        implanted=bool(truth.film),
        coverage=tuple(
            DecisionScore(f"{c.level} {c.side}", c.covered, _answer(truth.coverage[c.level, c.side]))
            for c in result.coverage
            if (c.level, c.side) in truth.coverage
        ),
        coverage_at_true_junctions=coverage_at_truth(verified, truth),
        flags=flags_at_truth(verified, truth),
        punctures=tuple(d for p in result.punctures for d in _score_puncture(p, truth, tolerance_mm, target)),
    )


def _answer(value: bool) -> Answer:
    return Answer.YES if value else Answer.NO


def _score_image(image: CaseImage, labels: LevelLabels, truth: TrueImage) -> ImageScore:
    scored = tuple(level for level in _SCORED_LEVELS if level in truth.in_view)
    match = match_levels(labels, truth.centers, scored)
    junctions: list[float] = []
    within: list[bool] = []
    for junction in image.junctions:
        true_side = _true_side(junction.side, truth)
        point = truth.junctions.get((junction.level, true_side))
        if point is None or junction.level not in match.right or junction.level not in JUNCTION_LEVELS:
            continue
        error_px = distance_px(junction.point_px, point)
        junctions.append(error_px * truth.mm_per_px)
        within.append(error_px <= junction.uncertainty_px)
    # Images after contrast carry the tips of the image that was searched; only a search can miss or invent one.
    searched = image.role in (Role.NEEDLE, Role.PRE)
    tips = match_points(
        [n.tip_px for n in image.needles] if searched else [],
        [n.tip_px for n in truth.needles] if searched else [],
        _TIP_REACH_MM / truth.mm_per_px,
    )
    return ImageScore(
        name=Path(image.path).name,
        status=labels.status,
        levels=match,
        center_errors_mm=tuple(e * truth.mm_per_px for e in match.errors_px),
        junction_errors_mm=tuple(junctions),
        junctions_within_sigma=tuple(within),
        tip_errors_mm=tuple(e * truth.mm_per_px for e in tips.errors_px),
        tips_missed=tips.missed,
        tips_false=tips.false,
        tips_within_sigma=tuple(
            error <= image.needles[index].uncertainty_px
            for error, index in zip(tips.errors_px, tips.found, strict=True)
        ),
        searched=searched,
    )


def _true_side(side: Side, truth: TrueImage) -> Side:
    """The patient's side of an image side, by the true orientation."""
    if side.of_patient:
        return side
    on_high_columns = side is Side.IMAGE_RIGHT
    towards_left = truth.columns_towards is ColumnsTowards.PATIENT_LEFT
    return Side.LEFT if on_high_columns == towards_left else Side.RIGHT


def _dice(verified: VerifiedCase, truth: TrueCase) -> float | None:
    true = _true_mask(verified, truth)
    return None if true is None or verified.contrast.mask is None else dice_of(verified.contrast.mask, true)


def _area_ratio(verified: VerifiedCase, truth: TrueCase) -> float | None:
    true = _true_mask(verified, truth)
    if true is None or verified.contrast.mask is None or not true.any():
        return None
    return float(verified.contrast.mask.sum() / true.sum())


def _iodine(verified: VerifiedCase, truth: TrueCase) -> IodineScore | None:
    """Pools share the uncertainty of scatter and spectrum, so that their sds add up like their masses."""
    stated = [pool.iodine_mg for pool in verified.result.contrast.pools if pool.iodine_mg is not None]
    if not stated or truth.iodine_mg is None:
        return None
    return IodineScore(sum(m.value for m in stated), sum(m.uncertainty for m in stated), truth.iodine_mg)


def _true_mask(verified: VerifiedCase, truth: TrueCase) -> BoolImage | None:
    index = verified.result.contrast.image
    if index is None:
        return None
    true = truth.image(Path(verified.result.images[index].path).name)
    return None if true is None else true.mask_at(verified.result.images[index].frame)


def _score_puncture(puncture: Puncture, truth: TrueCase, tolerance_mm: float, target: Level) -> list[DecisionScore]:
    """Two statements: whether it is at the target, and which level it is at (when one is named)."""
    if puncture.source is PunctureSource.NONE or not puncture.side.of_patient:
        return []
    true_level = truth.punctures.get(puncture.side)
    at_target = true_level is target and truth.puncture_distance_mm[puncture.side] <= tolerance_mm
    scores = [DecisionScore(f"at {target}, {puncture.side}", puncture.at_target, _answer(at_target))]
    if puncture.level is not None:
        # Naming a level says "it is this one": wrong when it is another.
        scores.append(
            DecisionScore(f"level {puncture.level}, {puncture.side}", Answer.YES, _answer(puncture.level is true_level))
        )
    return scores
