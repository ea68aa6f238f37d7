"""One finding changed by a person: what follows it, what is marked, and what is concluded anew.

The spine is upright at column 100, its vertebrae 50 px (40 mm) apart, junctions 25 px to either side; the
patient's left lies at high columns. The post image shows everything 3 rows lower and 4 columns further right.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseImage, CaseResult, ContrastResult, Role, SoftwareVersion
from fluorospread.model.findings import (
    Anchor,
    ContrastMask,
    ContrastMethod,
    ContrastStatus,
    Junction,
    LevelLabels,
    LevelStatus,
    NeedleTip,
    Vertebra,
)
from fluorospread.model.geometry import ColumnsTowards, Geometry, GeometrySource, Orientation, RowsTowards
from fluorospread.model.radiograph import ArrayFrames, PolaritySource, Quantity, Radiograph
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import CriterionResult, Outcome, PunctureSource, Verdict
from fluorospread.pipeline.conclude_again import conclude_again
from fluorospread.pipeline.edit_case import (
    PERSON,
    FindingKind,
    FindingPlace,
    move_finding,
    paint_contrast,
    renumber_levels,
)
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.pipeline.reopen_case import ReopenedCase, look_of

SHAPE = (300, 200)
SHIFT = (3.0, 4.0)
PROTOCOL = load_protocol(DEFAULT_PROTOCOL)
ROWS = {Level.L3: 60.0, Level.L4: 110.0, Level.L5: 160.0, Level.S1: 210.0}
UPRIGHT = Orientation(ColumnsTowards.PATIENT_LEFT, RowsTowards.FEET, "PatientOrientation")
GEOMETRY = Geometry((0.8, 0.8), GeometrySource.ERMF, 0.02, 1.33)
UNDECIDED = Verdict(Outcome.UNDETERMINED, Outcome.UNDETERMINED, Outcome.UNDETERMINED, ())


def shown(role: Role, shift: tuple[float, float] = (0.0, 0.0), sd_px: float = 2.0) -> CaseImage:
    """An image of the spine above, moved by `shift`, with a tip 1 px from each L5 junction."""
    down, right = shift
    vertebrae = tuple(Vertebra(level, (row + down, 100.0 + right), 0.9, 2.0) for level, row in ROWS.items())
    junctions = tuple(
        Junction(level, side, (row + down, 100.0 + off + right), 0.9, sd_px)
        for level, row in ROWS.items()
        for side, off in ((Side.RIGHT, -25.0), (Side.LEFT, 25.0))
    )
    tips = tuple(
        NeedleTip(side, (161.0 + down, 100.0 + off + right), 1.0, 0.9)
        for side, off in ((Side.RIGHT, -25.0), (Side.LEFT, 25.0))
    )
    return CaseImage(
        path=f"{role}.dcm",
        sha256="0" * 64,
        role=role,
        role_source="file name",
        rows=SHAPE[0],
        cols=SHAPE[1],
        frames=1,
        sop_instance_uid="",
        geometry=GEOMETRY,
        orientation=UPRIGHT,
        quantity=Quantity.NATURAL_LOG,
        polarity_source=PolaritySource.TAG,
        levels=LevelLabels(LevelStatus.CONFIDENT, Anchor.SACRUM, vertebrae),
        junctions=junctions,
        needles=tips,
    )


def both_sides() -> np.ndarray:
    """Contrast from 20 px above L4 to 20 px below L5 on either side of the post image, 30 px wide."""
    mask = np.zeros(SHAPE, dtype=bool)
    mask[93:184, 64:94] = mask[93:184, 114:144] = True
    return mask


MASK = both_sides()


@pytest.fixture
def case() -> CaseResult:
    found = ContrastResult(
        ContrastStatus.FOUND, ContrastMethod.MASK_SUBTRACTION, image=1, mask_file="contrast_mask.png"
    )
    bare = CaseResult(
        case_id="P1-01",
        software=SoftwareVersion("fluorospread", "0.1.0", "a" * 64),
        protocol_name=PROTOCOL.name,
        protocol_sha256=PROTOCOL.sha256,
        contrast_given=True,
        images=(shown(Role.NEEDLE), shown(Role.POST, SHIFT, 2.1)),
        reference_image=0,
        contrast=found,
        coverage=(),
        punctures=(),
        flags=(),
        verdict=UNDECIDED,
    )
    return conclude_again(reopened(bare), bare, MASK, PROTOCOL)


def reopened(case: CaseResult) -> ReopenedCase:
    def radiograph(image: CaseImage) -> Radiograph:
        frames = ArrayFrames(np.zeros((1, *SHAPE), dtype=np.float32))
        inside = np.ones(SHAPE, dtype=bool)
        return Radiograph(Path(image.path), image.sha256, frames, inside, Quantity.NATURAL_LOG, PolaritySource.TAG)

    contrast = ContrastMask(
        ContrastStatus.FOUND,
        ContrastMethod.MASK_SUBTRACTION,
        mask=MASK.copy(),
        detection_limit_mg_cm2=2.0,
        outline_uncertainty_px=0.5,
    )
    return ReopenedCase(case, tuple(look_of(image, radiograph(image)) for image in case.images), contrast, ())


def place(case: CaseResult, kind: FindingKind, level: Level | None, side: Side | None, image: int = 0) -> FindingPlace:
    shown_image = case.images[image]
    if kind is FindingKind.JUNCTION:
        names: list[object] = [(j.level, j.side) for j in shown_image.junctions]
        return FindingPlace(image, kind, names.index((level, side)))
    return FindingPlace(image, kind, [n.side for n in shown_image.needles].index(side))


def criterion(case: CaseResult, name: str) -> CriterionResult:
    return next(c.result for c in case.verdict.criteria if c.name == name)


def test_the_case_as_planted_is_verified(case: CaseResult) -> None:
    assert case.verdict.outcome is Outcome.VERIFIED
    assert {p.source for p in case.punctures} == {PunctureSource.NEEDLE_TIP}
    # The tips of the post image were carried to it and are no second evidence.
    assert len(case.punctures) == 2
    assert case.contrast.pools[0].area_px == 91 * 30


def test_a_junction_dragged_out_of_the_contrast_is_no_longer_covered_in_either_image(case: CaseResult) -> None:
    edited = move_finding(case, place(case, FindingKind.JUNCTION, Level.L4, Side.LEFT), (110.0, 185.0))
    there = edited.images[1].junctions[3]
    assert (there.level, there.side, there.assigned_by) == (Level.L4, Side.LEFT, PERSON)
    assert there.point_px == pytest.approx((113.0, 189.0))
    assert edited.overrides[-1].name == "needle: junctions: L4 left"
    assert edited.overrides[-1].value == "110.0,185.0"

    concluded = conclude_again(reopened(case), edited, MASK, PROTOCOL, (case, MASK))
    cover = next(c for c in concluded.coverage if (c.level, c.side) == (Level.L4, Side.LEFT))
    assert cover.covered is Answer.NO
    # Contrast ends at column 143.5; the junction lies at 189 in that image.
    assert cover.gap_mm == pytest.approx((189.0 - 143.5) * 0.8)
    assert concluded.verdict.outcome is Outcome.NOT_VERIFIED
    assert criterion(concluded, "contrast over the L4 junction, right") is CriterionResult.MET
    # Reaches start from the tips, so the pools are the very same.
    assert concluded.contrast.pools is case.contrast.pools


def test_a_tip_dragged_to_l4_makes_the_puncture_on_that_side_alone_miss(case: CaseResult) -> None:
    edited = move_finding(case, place(case, FindingKind.NEEDLE, None, Side.RIGHT), (111.0, 76.0))
    assert edited.images[1].needles[0].tip_px == pytest.approx((114.0, 80.0))
    concluded = conclude_again(reopened(case), edited, MASK, PROTOCOL, (case, MASK))
    assert criterion(concluded, "puncture at L5, right") is CriterionResult.NOT_MET
    assert criterion(concluded, "puncture at L5, left") is CriterionResult.MET
    assert concluded.coverage is case.coverage
    right = next(pool for pool in concluded.contrast.pools if pool.side is Side.RIGHT)
    assert right.cranial_reach_mm is not None
    # From the tip at row 114 to the upper edge at 92.5.
    assert right.cranial_reach_mm.value == pytest.approx((114.0 - 92.5) * 0.8, abs=0.01)


@pytest.mark.parametrize(("col", "side"), [(160.0, Side.LEFT), (100.5, None)])
def test_a_tip_has_the_side_it_is_dragged_to(case: CaseResult, col: float, side: Side | None) -> None:
    edited = move_finding(case, place(case, FindingKind.NEEDLE, None, Side.RIGHT), (161.0, col))
    assert edited.images[0].needles[0].side is side


def test_a_point_moved_twice_is_recorded_once_where_it_ended(case: CaseResult) -> None:
    at = place(case, FindingKind.JUNCTION, Level.L5, Side.LEFT)
    edited = move_finding(move_finding(case, at, (150.0, 120.0)), at, (155.0, 121.0))
    assert [(o.name, o.value) for o in edited.overrides] == [("needle: junctions: L5 left", "155.0,121.0")]


def test_one_level_renamed_renames_all_others_and_their_junctions_in_every_linked_image(case: CaseResult) -> None:
    edited = renumber_levels(case, 1, 2, Level.L4)
    for image in edited.images:
        assert image.levels is not None
        assert [v.level for v in image.levels.vertebrae] == [Level.L2, Level.L3, Level.L4, Level.L5]
        assert image.levels.anchor is Anchor.GIVEN
        assert {j.level for j in image.junctions} == {Level.L2, Level.L3, Level.L4, Level.L5}
    concluded = conclude_again(reopened(case), edited, MASK, PROTOCOL, (case, MASK))
    assert {p.level for p in concluded.punctures} == {Level.L4}
    assert criterion(concluded, "puncture at L5, left") is CriterionResult.NOT_MET
    assert edited.overrides[-1].value == "L5 is L4"


def test_a_shift_towards_the_feet_drops_what_would_lie_below_the_sacrum(case: CaseResult) -> None:
    edited = renumber_levels(case, 0, 1, Level.L5)
    assert edited.images[0].levels is not None
    assert [v.level for v in edited.images[0].levels.vertebrae] == [Level.L4, Level.L5, Level.S1]
    assert len(edited.images[0].junctions) == 6


def test_an_image_that_shares_no_findings_keeps_its_points_and_loses_its_confidence(case: CaseResult) -> None:
    other = replace(case.images[1], junctions=(), levels=shown(Role.POST, (9.0, 9.0)).levels)
    bent = replace(
        other.levels,
        vertebrae=tuple(replace(v, center_px=(v.center_px[0] ** 1.01, 100.0)) for v in other.levels.vertebrae),
    )
    apart = replace(case, images=(case.images[0], replace(other, levels=bent)))
    renamed = renumber_levels(apart, 0, 2, Level.L4).images[1]
    assert renamed.levels is not None
    assert renamed.levels.status is LevelStatus.UNCERTAIN
    assert [v.level for v in renamed.levels.vertebrae] == list(ROWS)
    moved = move_finding(apart, FindingPlace(0, FindingKind.LEVEL, 0), (50.0, 100.0)).images[1]
    assert moved == apart.images[1]


def test_painted_contrast_is_measured_anew(case: CaseResult) -> None:
    painted = MASK.copy()
    painted[:, 100:] = False
    edited = paint_contrast(case, painted)
    concluded = conclude_again(reopened(case), edited, painted, PROTOCOL, (case, MASK))
    assert [pool.side for pool in concluded.contrast.pools] == [Side.RIGHT]
    assert criterion(concluded, "contrast over the L5 junction, left") is CriterionResult.NOT_MET
    assert edited.overrides[-1].value == "painted"


def test_erased_contrast_is_not_found_and_its_mask_is_gone(case: CaseResult) -> None:
    erased = np.zeros(SHAPE, dtype=bool)
    concluded = conclude_again(reopened(case), paint_contrast(case, erased), erased, PROTOCOL, (case, MASK))
    assert concluded.contrast.status is ContrastStatus.NOT_FOUND
    assert concluded.contrast.mask_file is None
    assert concluded.contrast.pools == ()


def test_what_nobody_changed_is_concluded_as_before(case: CaseResult) -> None:
    assert conclude_again(reopened(case), case, MASK, PROTOCOL) == case


@pytest.mark.parametrize("point", [(-1.0, 10.0), (10.0, 200.0)])
def test_a_point_outside_its_image_is_refused(case: CaseResult, point: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="outside an image of 300 rows"):
        move_finding(case, FindingPlace(0, FindingKind.JUNCTION, 0), point)


def test_a_finding_that_is_not_there_is_refused(case: CaseResult) -> None:
    with pytest.raises(UsageError, match="no finding 9 among 8 junctions"):
        move_finding(case, FindingPlace(0, FindingKind.JUNCTION, 8), (10.0, 10.0))
    with pytest.raises(UsageError, match="no image 3"):
        move_finding(case, FindingPlace(2, FindingKind.JUNCTION, 0), (10.0, 10.0))
    with pytest.raises(UsageError, match="no vertebra 5"):
        renumber_levels(case, 0, 4, Level.L4)
    with pytest.raises(UsageError, match="none to outline"):
        paint_contrast(replace(case, contrast=replace(case.contrast, image=None)), MASK)
