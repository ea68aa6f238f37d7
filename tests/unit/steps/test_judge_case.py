"""A straight spine, pitch 40 px (30 mm at 0.75 mm/px), junctions 30 px beside the midline at column 200."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.findings import (
    Anchor,
    ContrastStatus,
    Junction,
    LevelLabels,
    LevelStatus,
    NeedleTip,
    Vertebra,
)
from fluorospread.model.geometry import NO_SCALE, Geometry, GeometrySource
from fluorospread.model.protocol import Protocol
from fluorospread.model.spread import Answer, Coverage
from fluorospread.model.verdict import CriterionResult, Outcome, PunctureSource
from fluorospread.steps.judge_case import CaseEvidence, ImageEvidence, judge_case

SPACING = 0.75
SCALE = Geometry((SPACING, SPACING), GeometrySource.GIVEN, 0.0)
ROWS = {Level.L3: 100.0, Level.L4: 140.0, Level.L5: 180.0, Level.S1: 220.0}
COLS = {Side.LEFT: 230.0, Side.RIGHT: 170.0, Side.IMAGE_LEFT: 170.0, Side.IMAGE_RIGHT: 230.0}
BOTH = (Side.LEFT, Side.RIGHT)
LABELS = LevelLabels(
    LevelStatus.CONFIDENT, Anchor.SACRUM, tuple(Vertebra(level, (row, 200.0), 0.99) for level, row in ROWS.items())
)
UNSURE = replace(LABELS, status=LevelStatus.UNCERTAIN, reason="sacrum out of view")
PROTOCOL = Protocol(
    name="block",
    title="block",
    target_level=Level.L5,
    target_sides=BOTH,
    tolerance_mm=10.0,
    covered_levels=(Level.L4, Level.L5),
    dose=None,
    source="made up for this test",
    sha256="0" * 64,
)
NO_CONTRAST = {"contrast_given": False, "contrast_status": ContrastStatus.NOT_GIVEN}


def junctions(sides=BOTH, levels=tuple(ROWS), sd=1.0):
    return tuple(Junction(level, side, (ROWS[level], COLS[side]), 0.9, sd) for level in levels for side in sides)


def tip(side, row, col=None, sd=1.0, confidence=0.9):
    return NeedleTip(side, (row, COLS[side] if col is None else col), sd, confidence)


def image(*tips, **changes):
    return replace(ImageEvidence("needle.dcm", LABELS, junctions(), tips, geometry=SCALE), **changes)


def judged(*images, protocol=PROTOCOL, **case):
    return judge_case(protocol, CaseEvidence(images=images, **{**NO_CONTRAST, **case}))


def result_of(verdict, name):
    return next(c for c in verdict.criteria if c.name == name).result


def covered(answer, levels=(Level.L4, Level.L5), sides=BOTH):
    return tuple(
        Coverage(level, side, answer, f"{answer.value}: {level.value} {side.value}")
        for level in levels
        for side in sides
    )


IMAGED = {"contrast_given": True, "contrast_status": ContrastStatus.FOUND}
AT_BOTH_TARGETS = (tip(Side.LEFT, 180), tip(Side.RIGHT, 180))


def test_tips_on_both_targets_without_contrast_given_are_verified():
    punctures, verdict = judged(image(*AT_BOTH_TARGETS))
    assert [(p.side, p.level, p.at_target) for p in punctures] == [
        (Side.LEFT, Level.L5, Answer.YES),
        (Side.RIGHT, Level.L5, Answer.YES),
    ]
    assert (verdict.outcome, verdict.puncture, verdict.coverage) == (
        Outcome.VERIFIED,
        Outcome.VERIFIED,
        Outcome.NOT_APPLICABLE,
    )


def test_a_tip_at_l4_is_not_verified():
    punctures, verdict = judged(image(tip(Side.LEFT, 140), tip(Side.RIGHT, 180)))
    assert punctures[0].level is Level.L4
    assert punctures[0].at_target is Answer.NO
    assert result_of(verdict, "puncture at L5, left") is CriterionResult.NOT_MET
    assert verdict.outcome is Outcome.NOT_VERIFIED


def test_distance_and_its_uncertainty_come_from_geometry():
    # 3 px up and 4 px out: 5 px, 3.75 mm; sd of tip and junction 1 px each: sqrt(2) * 0.75 mm.
    punctures, _ = judged(image(tip(Side.LEFT, 177, 234)))
    assert punctures[0].distance_px == pytest.approx(5.0)
    assert punctures[0].distance_mm == pytest.approx(3.75)
    assert punctures[0].sigma_mm == pytest.approx(2**0.5 * 0.75)


def test_the_scale_error_grows_with_the_distance():
    rough = Geometry((SPACING, SPACING), GeometrySource.ESTIMATED_FROM_ANATOMY, 0.10)
    punctures, _ = judged(image(tip(Side.LEFT, 180, 238), geometry=rough))
    # 6 mm at 10 %: 0.6 mm, in quadrature with sqrt(2) * 0.75 mm.
    assert punctures[0].sigma_mm == pytest.approx((0.6**2 + 2 * 0.75**2) ** 0.5)
    assert "estimated from anatomy" in punctures[0].reason


def test_half_way_between_two_junctions_the_level_is_undetermined_and_the_target_missed():
    # 20 px = 15 mm from both L4 and L5: no level, yet more than 10 mm from the target.
    punctures, verdict = judged(image(tip(Side.LEFT, 160), tip(Side.RIGHT, 180)))
    assert punctures[0].level is None
    assert punctures[0].at_target is Answer.NO
    assert verdict.outcome is Outcome.NOT_VERIFIED


def test_the_lead_of_the_nearest_junction_counts_the_tip_error_twice_between_two():
    # At row 163 the lead of L5 over L4 is 23 - 17 = 6 px; sd = sqrt((2*1)^2 + 1 + 1) = 2.45 px, 2 sd = 4.9 px.
    punctures, _ = judged(image(tip(Side.LEFT, 163)))
    assert punctures[0].level is Level.L5
    # At row 162 the lead is 4 px, less than 4.9.
    punctures, _ = judged(image(tip(Side.LEFT, 162)))
    assert punctures[0].level is None


def test_within_two_sd_of_the_radius_the_target_is_undetermined():
    # 12 px = 9 mm lateral of L5, sd sqrt(2)*0.75 = 1.06 mm: 9 + 2.12 > 10 and 9 - 2.12 < 10.
    punctures, verdict = judged(image(tip(Side.LEFT, 180, 242), tip(Side.RIGHT, 180)))
    assert punctures[0].level is Level.L5
    assert punctures[0].at_target is Answer.UNDETERMINED
    assert verdict.outcome is Outcome.UNDETERMINED


def test_beyond_the_radius_by_two_sd_the_target_is_missed():
    punctures, _ = judged(image(tip(Side.LEFT, 180, 250)))  # 15 mm lateral
    assert punctures[0].level is Level.L5
    assert punctures[0].at_target is Answer.NO


@pytest.mark.parametrize("status", [LevelStatus.UNCERTAIN, LevelStatus.INDETERMINATE])
def test_levels_that_are_not_confident_decide_nothing(status):
    labels = replace(UNSURE, status=status)
    punctures, verdict = judged(image(*AT_BOTH_TARGETS, levels=labels))
    assert {p.level for p in punctures} == {None}
    assert verdict.outcome is Outcome.UNDETERMINED
    assert "sacrum out of view" in verdict.criteria[0].reason


def test_a_tip_far_from_the_target_is_not_a_miss_when_levels_are_uncertain():
    _, verdict = judged(image(tip(Side.LEFT, 100), tip(Side.RIGHT, 100), levels=UNSURE))
    assert verdict.outcome is Outcome.UNDETERMINED


def test_without_a_scale_the_level_is_told_and_the_target_is_not():
    punctures, verdict = judged(image(*AT_BOTH_TARGETS, geometry=NO_SCALE))
    assert punctures[0].level is Level.L5
    assert punctures[0].at_target is Answer.UNDETERMINED
    assert (punctures[0].distance_mm, punctures[0].sigma_mm) == (None, None)
    assert verdict.outcome is Outcome.UNDETERMINED


def test_without_a_scale_another_level_is_still_a_miss():
    punctures, _ = judged(image(tip(Side.LEFT, 140), geometry=NO_SCALE))
    assert punctures[0].at_target is Answer.NO


def test_sides_of_the_image_are_reported_but_settle_no_criterion():
    shown = (Side.IMAGE_LEFT, Side.IMAGE_RIGHT)
    punctures, verdict = judged(
        image(tip(Side.IMAGE_LEFT, 180), tip(Side.IMAGE_RIGHT, 180), junctions=junctions(sides=shown))
    )
    assert [(p.side, p.level, p.at_target) for p in punctures] == [
        (Side.IMAGE_LEFT, Level.L5, Answer.YES),
        (Side.IMAGE_RIGHT, Level.L5, Answer.YES),
    ]
    assert {c.result for c in verdict.criteria[:2]} == {CriterionResult.UNDETERMINED}
    assert "which side is the patient's left is unknown" in verdict.criteria[0].reason


def test_a_side_without_a_needle_is_undetermined_not_missed():
    _, verdict = judged(image(tip(Side.LEFT, 180)), no_puncture_reason="it may have been withdrawn")
    assert result_of(verdict, "puncture at L5, left") is CriterionResult.MET
    assert result_of(verdict, "puncture at L5, right") is CriterionResult.UNDETERMINED
    assert verdict.criteria[1].reason == "it may have been withdrawn"


def test_a_tip_without_a_side_is_mentioned_and_decides_nothing():
    punctures, verdict = judged(image(NeedleTip(None, (180.0, 200.0), 1.0, 0.9)))
    assert punctures == ()
    assert "1 needle tip(s) too near the midline" in verdict.criteria[0].reason


def test_nothing_found_at_all_is_undetermined():
    punctures, verdict = judged(contrast_given=None, contrast_status=ContrastStatus.NOT_IMAGED)
    assert punctures == ()
    assert verdict.outcome is Outcome.UNDETERMINED
    assert {c.result for c in verdict.criteria} == {CriterionResult.UNDETERMINED}
    assert all(c.reason for c in verdict.criteria)


def test_tips_that_disagree_on_one_side_are_undetermined():
    _, verdict = judged(image(tip(Side.LEFT, 180), tip(Side.LEFT, 140), tip(Side.RIGHT, 180)))
    assert result_of(verdict, "puncture at L5, left") is CriterionResult.UNDETERMINED
    assert "disagree" in verdict.criteria[0].reason


def test_a_doubtful_tip_decides_nothing():
    punctures, _ = judged(image(tip(Side.LEFT, 180, confidence=0.4), tip(Side.RIGHT, 100, confidence=0.4)))
    assert {(p.level, p.at_target) for p in punctures} == {(None, Answer.UNDETERMINED)}


def test_a_tip_that_is_not_sure_does_not_deny_a_puncture():
    # At L4, a whole level off the target: denied only by a tip that is plainly one.
    for confidence, answer in ((0.95, Answer.NO), (0.8, Answer.UNDETERMINED)):
        (puncture,), _ = judged(image(tip(Side.LEFT, 140, confidence=confidence)))
        assert puncture.at_target is answer
    assert puncture.level is None
    assert "not sure enough" in puncture.reason


def test_a_tip_beyond_the_last_located_junction_is_not_ascribed_to_it():
    # Only L4 and L5 located; the tip lies where S1's junction is expected, one pitch below L5.
    some = junctions(levels=(Level.L4, Level.L5))
    punctures, _ = judged(image(tip(Side.LEFT, 220), junctions=some))
    assert punctures[0].level is None
    assert punctures[0].at_target is Answer.NO  # 30 mm from L5
    assert "S1 junction is expected" in punctures[0].reason


def test_one_located_junction_suffices_when_its_neighbours_are_labelled():
    punctures, _ = judged(image(tip(Side.LEFT, 180), junctions=junctions(levels=(Level.L5,))))
    assert punctures[0].level is Level.L5
    assert punctures[0].at_target is Answer.YES


def test_one_junction_with_nothing_to_compare_it_with_leaves_the_level_open():
    alone = replace(LABELS, vertebrae=(Vertebra(Level.L5, (180.0, 200.0), 0.99),))
    punctures, _ = judged(image(tip(Side.LEFT, 180), junctions=junctions(levels=(Level.L5,)), levels=alone))
    assert punctures[0].level is None


def test_no_junction_on_the_side_says_why():
    punctures, _ = judged(image(tip(Side.LEFT, 180), junctions=(), junctions_reason="levels indeterminate"))
    assert punctures[0].at_target is Answer.UNDETERMINED
    assert "levels indeterminate" in punctures[0].reason


@pytest.mark.parametrize(
    ("source", "words"),
    [(PunctureSource.CINE_ORIGIN, "first appears"), (PunctureSource.CONTRAST_EPICENTRE, "middle of the contrast")],
)
def test_contrast_as_evidence_of_the_puncture_says_so(source, words):
    punctures, _ = judged(image(tip(Side.LEFT, 180), source=source))
    assert punctures[0].source is source
    assert words in punctures[0].reason
    assert "weaker evidence" in punctures[0].reason


def test_the_middle_of_the_contrast_never_denies_a_puncture():
    # The tip's row is that of the L4 junction: a needle there is not at L5, a pool there may come from L5.
    needle, _ = judged(image(tip(Side.LEFT, 80)))
    pool, _ = judged(image(tip(Side.LEFT, 80), source=PunctureSource.CONTRAST_EPICENTRE))
    assert needle[0].at_target is Answer.NO
    assert pool[0].at_target is Answer.UNDETERMINED
    assert "does not deny where it was injected" in pool[0].reason


def test_all_junctions_covered_and_both_punctures_right_is_verified():
    _, verdict = judged(image(*AT_BOTH_TARGETS), coverage=covered(Answer.YES), **IMAGED)
    assert (verdict.outcome, verdict.puncture, verdict.coverage) == (Outcome.VERIFIED,) * 3
    assert len(verdict.criteria) == 6


def test_contrast_short_of_l4_is_not_verified_while_the_puncture_is():
    coverage = covered(Answer.YES, levels=(Level.L5,)) + covered(Answer.NO, levels=(Level.L4,))
    _, verdict = judged(image(*AT_BOTH_TARGETS), coverage=coverage, **IMAGED)
    assert (verdict.outcome, verdict.puncture, verdict.coverage) == (
        Outcome.NOT_VERIFIED,
        Outcome.VERIFIED,
        Outcome.NOT_VERIFIED,
    )


def test_contrast_on_one_side_only_is_not_verified_even_when_the_other_needle_is_gone():
    coverage = covered(Answer.YES, sides=(Side.LEFT,)) + covered(Answer.NO, sides=(Side.RIGHT,))
    _, verdict = judged(image(tip(Side.LEFT, 180)), coverage=coverage, **IMAGED)
    assert verdict.outcome is Outcome.NOT_VERIFIED
    assert verdict.puncture is Outcome.UNDETERMINED


@pytest.mark.parametrize("given", [True, None])
@pytest.mark.parametrize("status", [ContrastStatus.NOT_IMAGED, ContrastStatus.NOT_FOUND])
def test_contrast_not_seen_and_not_declared_absent_is_undetermined(given, status):
    _, verdict = judged(
        image(*AT_BOTH_TARGETS), contrast_given=given, contrast_status=status, contrast_reason="no post image"
    )
    assert verdict.coverage is Outcome.UNDETERMINED
    assert verdict.outcome is Outcome.UNDETERMINED
    assert verdict.criteria[-1].reason == "no post image"


def test_a_junction_whose_coverage_is_open_leaves_the_case_open():
    coverage = covered(Answer.YES, levels=(Level.L4,)) + covered(Answer.UNDETERMINED, levels=(Level.L5,))
    _, verdict = judged(image(*AT_BOTH_TARGETS), coverage=coverage, **IMAGED)
    assert verdict.coverage is Outcome.UNDETERMINED
    assert verdict.criteria[-1].reason == "undetermined: L5 right"


@pytest.mark.parametrize("answer", [Answer.YES, Answer.NO])
def test_coverage_told_from_one_image_alone_is_shown_and_decides_nothing(answer):
    _, verdict = judged(image(*AT_BOTH_TARGETS), coverage=covered(answer), from_one_image=True, **IMAGED)
    assert verdict.puncture is Outcome.VERIFIED
    assert verdict.coverage is Outcome.UNDETERMINED
    assert f"{answer.value} from one image alone" in verdict.criteria[-1].reason


def test_a_junction_that_was_not_located_leaves_its_coverage_open():
    _, verdict = judged(image(*AT_BOTH_TARGETS), coverage=covered(Answer.YES, levels=(Level.L5,)), **IMAGED)
    assert result_of(verdict, "contrast over the L4 junction, left") is CriterionResult.UNDETERMINED


def test_coverage_by_image_side_settles_no_criterion():
    coverage = covered(Answer.YES, sides=(Side.IMAGE_LEFT, Side.IMAGE_RIGHT))
    _, verdict = judged(image(*AT_BOTH_TARGETS), coverage=coverage, **IMAGED)
    assert verdict.coverage is Outcome.UNDETERMINED
    assert "image-left: yes: L4 image-left" in verdict.criteria[2].reason


class TestTwoTargetsASide:
    """A facet needs a needle at each of its two medial branches."""

    protocol = replace(PROTOCOL, target_level=Level.L3, further_target_levels=(Level.L4,))

    def test_a_needle_at_each_target_is_verified(self):
        tips = [tip(side, row) for side in BOTH for row in (100, 140)]
        _, verdict = judged(image(*tips), protocol=self.protocol)
        assert verdict.puncture is Outcome.VERIFIED
        assert [c.name for c in verdict.criteria[:4]] == [
            f"puncture at {level}, {side}" for level in ("L3", "L4") for side in ("left", "right")
        ]

    def test_a_needle_at_one_target_leaves_the_other_open(self):
        _, verdict = judged(image(tip(Side.LEFT, 100)), protocol=self.protocol)
        assert result_of(verdict, "puncture at L3, left") is CriterionResult.MET
        assert result_of(verdict, "puncture at L4, left") is CriterionResult.UNDETERMINED

    def test_a_second_needle_at_a_wrong_level_misses_the_other_target(self):
        _, verdict = judged(image(tip(Side.LEFT, 100), tip(Side.LEFT, 180)), protocol=self.protocol)
        assert result_of(verdict, "puncture at L4, left") is CriterionResult.NOT_MET


def test_six_lumbar_vertebrae_put_l6_between_l5_and_s1():
    rows = {Level.L4: 140.0, Level.L5: 180.0, Level.L6: 220.0, Level.S1: 260.0}
    labels = replace(LABELS, vertebrae=tuple(Vertebra(level, (row, 200.0), 0.99) for level, row in rows.items()))
    punctures, _ = judged(image(tip(Side.LEFT, 220), levels=labels, junctions=junctions(levels=(Level.L4, Level.L5))))
    assert "L6 junction is expected" in punctures[0].reason


@given(row=st.floats(60, 260), col=st.floats(205, 290), sd=st.floats(0.2, 15), wider=st.floats(1.01, 4))
def test_more_uncertainty_never_turns_a_tip_into_the_opposite_answer(row, col, sd, wider):
    (sure,), _ = judged(image(tip(Side.LEFT, row, col, sd=sd)))
    (less_sure,), _ = judged(image(tip(Side.LEFT, row, col, sd=sd * wider)))
    assert less_sure.at_target in (
        sure.at_target,
        Answer.UNDETERMINED,
        Answer.NO if sure.at_target is Answer.NO else None,
    )
    assert less_sure.level in (sure.level, None)


@given(row=st.floats(60, 260), col=st.floats(205, 290), factor=st.floats(0.2, 4))
def test_the_same_anatomy_at_another_spacing_gives_the_same_answer(row, col, factor):
    def scaled(point):
        return point[0] * factor, point[1] * factor

    scaled_image = ImageEvidence(
        "needle.dcm",
        replace(LABELS, vertebrae=tuple(replace(v, center_px=scaled(v.center_px)) for v in LABELS.vertebrae)),
        tuple(replace(j, point_px=scaled(j.point_px), uncertainty_px=factor) for j in junctions()),
        (NeedleTip(Side.LEFT, scaled((row, col)), factor, 0.9),),
        geometry=Geometry((SPACING / factor,) * 2, GeometrySource.GIVEN, 0.0),
    )
    (one,), _ = judged(image(tip(Side.LEFT, row, col)))
    (other,), _ = judged(scaled_image)
    assert other.level is one.level
    assert other.at_target is one.at_target
    assert other.distance_mm == pytest.approx(one.distance_mm)
