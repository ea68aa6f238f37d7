"""Spread and coverage of rectangles of contrast beside a straight spine; every length follows from geometry."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.findings import (
    Alignment,
    Anchor,
    ContrastMask,
    ContrastMethod,
    ContrastStatus,
    Junction,
    LevelAlternative,
    LevelLabels,
    LevelStatus,
    NeedleTip,
    Vertebra,
)
from fluorospread.model.geometry import NO_SCALE, Geometry, GeometrySource
from fluorospread.model.spread import Answer
from fluorospread.steps.measure_spread import measure_spread

SHAPE = (400, 300)
HALF_MM = Geometry((0.5, 0.5), GeometrySource.GIVEN, 0.0)
LEVELS = (Level.L3, Level.L4, Level.L5, Level.S1)


def levels(status: LevelStatus = LevelStatus.CONFIDENT, alternatives: tuple[LevelAlternative, ...] = ()) -> LevelLabels:
    """Body centres 80 px apart on column 150: L3 at row 80, S1 at row 320."""
    vertebrae = tuple(Vertebra(level, (80.0 * (i + 1), 150.0), 0.9) for i, level in enumerate(LEVELS))
    reason = "" if status is LevelStatus.CONFIDENT else "no sacrum in view"
    return LevelLabels(status, Anchor.SACRUM, vertebrae, alternatives=alternatives, reason=reason)


def junctions(uncertainty_px: float = 2.0) -> tuple[Junction, ...]:
    """40 px to either side of the bodies; the patient's left on high columns."""
    return tuple(
        Junction(level, side, (80.0 * (i + 1), col), 0.9, uncertainty_px)
        for i, level in enumerate(LEVELS)
        for side, col in ((Side.RIGHT, 110.0), (Side.LEFT, 190.0))
    )


def block(rows: tuple[int, int], cols: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[rows[0] : rows[1], cols[0] : cols[1]] = True
    return mask


def contrast(mask: np.ndarray, **fields) -> ContrastMask:
    given = {"signal": mask.astype(np.float32), "outline_uncertainty_px": 1.0, "detection_limit_mg_cm2": 4.0} | fields
    return ContrastMask(ContrastStatus.FOUND, ContrastMethod.MASK_SUBTRACTION, mask=mask, **given)


LEFT_POOL = block((140, 260), (170, 210))  # L4 and L5 of the left side, 120 x 40 px


def covered(spread, level: Level, side: Side = Side.LEFT) -> Answer:
    return next(c for c in spread.coverage if c.level is level and c.side is side).covered


def test_a_rectangle_has_its_own_area_extent_side_and_centroid():
    (pool,) = measure_spread(contrast(LEFT_POOL), levels(), junctions(), (), HALF_MM).pools
    assert pool.side is Side.LEFT
    assert pool.area_px == 4800
    assert pool.area_mm2.value == pytest.approx(1200)
    assert pool.craniocaudal_mm.value == pytest.approx(60.0)
    assert pool.mediolateral_mm.value == pytest.approx(20.0)
    assert pool.centroid_px == pytest.approx((199.5, 189.5))
    assert pool.levels_spanned == (Level.L4, Level.L5)
    assert pool.relative_share == pytest.approx(1.0)


def test_reaches_run_from_the_needle_tip_of_the_side():
    tips = (NeedleTip(Side.LEFT, (240.0, 190.0), 1.0, 0.9), NeedleTip(Side.RIGHT, (10.0, 20.0), 1.0, 0.9))
    (pool,) = measure_spread(contrast(LEFT_POOL), levels(), junctions(), tips, HALF_MM).pools
    # The pool's outline runs from row 139.5 to 259.5 and out to column 209.5.
    assert pool.cranial_reach_mm.value == pytest.approx(100.5 / 2)
    assert pool.caudal_reach_mm.value == pytest.approx(19.5 / 2)
    assert pool.lateral_reach_mm.value == pytest.approx(19.5 / 2)


def test_without_a_tip_reaches_run_from_the_target_junction():
    (pool,) = measure_spread(contrast(LEFT_POOL), levels(), junctions(), (), HALF_MM).pools
    assert pool.cranial_reach_mm.value == pytest.approx(100.5 / 2)  # The L5 junction lies at row 240.


def test_on_low_columns_lateral_runs_the_other_way():
    mask = block((140, 260), (80, 120))
    (pool,) = measure_spread(contrast(mask), levels(), junctions(), (), HALF_MM).pools
    assert pool.side is Side.RIGHT
    assert pool.lateral_reach_mm.value == pytest.approx((110 - 79.5) / 2)


def test_doubling_the_spacing_doubles_lengths_and_quadruples_area():
    double = Geometry((1.0, 1.0), GeometrySource.GIVEN, 0.0)
    (small,) = measure_spread(contrast(LEFT_POOL), levels(), junctions(), (), HALF_MM).pools
    (large,) = measure_spread(contrast(LEFT_POOL), levels(), junctions(), (), double).pools
    assert large.craniocaudal_mm.value == pytest.approx(2 * small.craniocaudal_mm.value)
    assert large.cranial_reach_mm.value == pytest.approx(2 * small.cranial_reach_mm.value)
    assert large.area_mm2.value == pytest.approx(4 * small.area_mm2.value)


def test_an_uncertain_scale_makes_lengths_and_twice_as_much_areas_uncertain():
    vague = Geometry((0.5, 0.5), GeometrySource.ESTIMATED_FROM_ANATOMY, 0.1)
    (pool,) = measure_spread(contrast(LEFT_POOL), levels(), junctions(), (), vague).pools
    assert pool.craniocaudal_mm.uncertainty == pytest.approx(np.hypot(6.0, np.sqrt(2) * 0.5))
    assert pool.area_mm2.uncertainty > 0.2 * pool.area_mm2.value


def test_without_a_scale_millimetres_are_absent_and_coverage_still_told():
    spread = measure_spread(contrast(LEFT_POOL), levels(), junctions(), (), NO_SCALE)
    (pool,) = spread.pools
    assert pool.area_px == 4800
    assert pool.area_mm2 is pool.craniocaudal_mm is pool.cranial_reach_mm is None
    assert covered(spread, Level.L5) is Answer.YES
    assert all(c.gap_mm is None and c.fraction is None for c in spread.coverage)


def test_one_pool_across_the_midline_is_cut_into_two_sides():
    pools = measure_spread(contrast(block((140, 260), (90, 211))), levels(), junctions(), (), HALF_MM).pools
    assert {pool.side for pool in pools} == {Side.LEFT, Side.RIGHT}
    assert sum(pool.relative_share for pool in pools) == pytest.approx(1.0)


def test_sides_are_the_images_where_the_junctions_are():
    of_image = tuple(
        Junction(j.level, Side.IMAGE_RIGHT if j.side is Side.LEFT else Side.IMAGE_LEFT, j.point_px, 0.9, 2.0)
        for j in junctions()
    )
    (pool,) = measure_spread(contrast(LEFT_POOL), levels(), of_image, (), HALF_MM).pools
    assert pool.side is Side.IMAGE_RIGHT


def test_contrast_over_l4_and_l5_covers_those_and_no_other():
    spread = measure_spread(contrast(LEFT_POOL), levels(), junctions(), (), HALF_MM)
    assert [covered(spread, level) for level in LEVELS] == [Answer.NO, Answer.YES, Answer.YES, Answer.NO]
    assert all(covered(spread, level, Side.RIGHT) is Answer.NO for level in LEVELS)


def test_contrast_only_beside_the_junction_does_not_cover_it():
    # The junction lies on column 190, the contrast begins at 200: a gap of 9.5 px, 4.75 mm.
    spread = measure_spread(contrast(block((140, 260), (200, 240))), levels(), junctions(1.0), (), HALF_MM)
    found = next(c for c in spread.coverage if c.level is Level.L5 and c.side is Side.LEFT)
    assert found.covered is Answer.NO
    assert found.gap_mm == pytest.approx(4.75)
    assert found.margin_px == pytest.approx(-9.5)


@pytest.mark.parametrize(("junction_sd", "outline_sd", "carried_sd"), [(11, 1, 0), (2, 11, 0), (2, 1, 11)])
def test_every_uncertainty_alone_can_leave_coverage_open(junction_sd, outline_sd, carried_sd):
    # The L5 junction lies 19.5 px inside the outline, less than 2 * 11 px.
    alignment = Alignment(np.eye(2, 3), carried_sd, 0.0)
    found = contrast(LEFT_POOL, outline_uncertainty_px=outline_sd, alignment=alignment)
    spread = measure_spread(found, levels(), junctions(junction_sd), (), HALF_MM)
    cover = next(c for c in spread.coverage if c.level is Level.L5 and c.side is Side.LEFT)
    assert cover.sigma_px == pytest.approx(np.sqrt(junction_sd**2 + outline_sd**2 + carried_sd**2))
    assert cover.covered is Answer.UNDETERMINED


@pytest.mark.parametrize(("near_sd", "far_sd", "said"), [(1.0, 30.0, Answer.YES), (30.0, 1.0, Answer.UNDETERMINED)])
def test_the_outline_counts_as_sure_as_it_is_nearest_to_the_junction(near_sd, far_sd, said):
    # The junction of L4 lies 19.5 px within the outline's high-column edge, and 99.5 px from its caudal end.
    edges = np.array([[160.0, 209.0, near_sd], [259.0, 190.0, far_sd]], dtype=np.float32)
    spread = measure_spread(contrast(LEFT_POOL, outline_sd=edges), levels(), junctions(), (), HALF_MM)
    assert covered(spread, Level.L4) is said


def test_the_fraction_is_that_of_a_five_mm_disc():
    # The outline cuts the disc of 10 px radius about the L5 junction (column 190) in half.
    spread = measure_spread(contrast(block((140, 340), (190, 260))), levels(), junctions(), (), HALF_MM)
    cover = next(c for c in spread.coverage if c.level is Level.L5 and c.side is Side.LEFT)
    assert cover.fraction == pytest.approx(0.5, abs=0.05)
    assert cover.covered is Answer.UNDETERMINED


def test_indeterminate_levels_give_pools_without_side_and_no_coverage():
    spread = measure_spread(contrast(LEFT_POOL), levels(LevelStatus.INDETERMINATE), junctions(), (), HALF_MM)
    (pool,) = spread.pools
    assert pool.side is None
    assert pool.levels_spanned == ()
    assert {c.covered for c in spread.coverage} == {Answer.UNDETERMINED}
    assert all("no sacrum in view" in c.reason for c in spread.coverage)


def test_uncertain_numbering_stands_only_where_the_runner_up_agrees():
    shifted = (LevelAlternative(1, 0.2),)
    spread = measure_spread(contrast(LEFT_POOL), levels(LevelStatus.UNCERTAIN, shifted), junctions(), (), HALF_MM)
    # Were every vertebra one lower, the place now called L4 (covered) would be L5, and L3's (not) would be L4.
    assert covered(spread, Level.L5) is Answer.YES
    assert covered(spread, Level.L4) is Answer.UNDETERMINED


def test_iodine_is_the_sum_over_the_pool():
    areal = np.where(LEFT_POOL, 10.0, 3.0).astype(np.float32)
    found = contrast(LEFT_POOL, areal_iodine_mg_cm2=areal, iodine_relative_uncertainty=0.2)
    (pool,) = measure_spread(found, levels(), junctions(), (), HALF_MM).pools
    # 4800 px of 0.0025 cm2 with 10 mg/cm2
    assert pool.iodine_mg.value == pytest.approx(120.0)
    assert pool.iodine_mg.uncertainty == pytest.approx(24.0)


@pytest.mark.parametrize(
    ("limit", "expected"), [(4.0, Answer.NO), (9.0, Answer.UNDETERMINED), (None, Answer.UNDETERMINED)]
)
def test_no_contrast_found_denies_coverage_only_with_a_detection_limit(limit, expected):
    nothing = ContrastMask(
        ContrastStatus.NOT_FOUND,
        ContrastMethod.MASK_SUBTRACTION,
        reason="nothing above the noise",
        detection_limit_mg_cm2=limit,
    )
    spread = measure_spread(nothing, levels(), junctions(), (), HALF_MM)
    assert spread.pools == ()
    assert {c.covered for c in spread.coverage} == {expected}


@pytest.mark.parametrize(("limit", "said"), [(None, "is not known"), (9.0, "less than 9.0 mg/cm² would not")])
def test_contrast_elsewhere_denies_no_coverage_where_faint_contrast_would_not_be_seen(limit, said):
    spread = measure_spread(contrast(LEFT_POOL, detection_limit_mg_cm2=limit), levels(), junctions(), (), HALF_MM)
    assert covered(spread, Level.L4) is Answer.YES
    assert covered(spread, Level.L3) is Answer.UNDETERMINED
    assert said in next(c for c in spread.coverage if c.level is Level.L3).reason


def test_one_image_alone_denies_no_coverage_and_says_so_once():
    reason = "one image alone shows no area that is surely contrast"
    nothing = ContrastMask(ContrastStatus.NOT_FOUND, ContrastMethod.SINGLE_IMAGE, reason=reason)
    for cover in measure_spread(nothing, levels(), junctions(), (), HALF_MM).coverage:
        assert (cover.covered, cover.reason) == (Answer.UNDETERMINED, f"no contrast found: {reason}")
    found = ContrastMask(ContrastStatus.FOUND, ContrastMethod.SINGLE_IMAGE, mask=LEFT_POOL)
    spread = measure_spread(found, levels(), junctions(), (), HALF_MM)
    (outside,) = [c for c in spread.coverage if c.level is Level.L4 and c.side is Side.RIGHT]
    assert outside.covered is Answer.UNDETERMINED
    assert outside.reason.endswith("outside the outline, but one image alone cannot show that none lies there")


def test_contrast_that_was_not_imaged_leaves_coverage_open():
    nothing = ContrastMask(ContrastStatus.NOT_IMAGED, ContrastMethod.NONE, reason="no image after contrast")
    spread = measure_spread(nothing, levels(), junctions(), (), HALF_MM)
    assert {c.covered for c in spread.coverage} == {Answer.UNDETERMINED}
    assert "no image after contrast" in spread.coverage[0].reason


def test_a_junction_outside_the_image_is_undetermined():
    outside = (Junction(Level.L5, Side.LEFT, (500.0, 190.0), 0.9, 2.0),)
    (cover,) = measure_spread(contrast(LEFT_POOL), levels(), outside, (), HALF_MM).coverage
    assert cover.covered is Answer.UNDETERMINED
    assert "outside the image" in cover.reason
