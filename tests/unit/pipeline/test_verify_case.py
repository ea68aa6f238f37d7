"""The order of the steps, on images in memory: what is looked for is planted, what is measured is real.

A straight spine in 400 x 400 px of 0.5 mm: bodies every 60 px (30 mm) on column 200, junctions 40 px (20 mm)
to either side.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fluorospread.errors import CaseError, OrientationError, UsageError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import Override, Role
from fluorospread.model.findings import (
    Alignment,
    Anchor,
    ContrastMask,
    ContrastMethod,
    ContrastStatus,
    Junction,
    LevelLabels,
    LevelStatus,
    NeedleTip,
    NotFound,
    Vertebra,
)
from fluorospread.model.geometry import (
    NO_SCALE,
    ColumnsTowards,
    Geometry,
    GeometrySource,
    Orientation,
    RowsTowards,
)
from fluorospread.model.radiograph import ArrayFrames, ImageIdentity, PolaritySource, Quantity, Radiograph
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import CriterionResult, Outcome, PunctureSource
from fluorospread.pipeline import carry_findings, look_at_image, segment_case
from fluorospread.pipeline import verify_case as module
from fluorospread.pipeline.gather_case import CaseOverrides, CaseRequest, ImageRequest
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.pipeline.verify_case import verify_case

SHAPE = (400, 400)
ROWS = {Level.L3: 100.0, Level.L4: 160.0, Level.L5: 220.0, Level.S1: 280.0}
COLS = {Side.LEFT: 240.0, Side.RIGHT: 160.0}
SCALE = Geometry((0.5, 0.5), GeometrySource.ERMF, 0.0)
LABELS = LevelLabels(
    LevelStatus.CONFIDENT, Anchor.SACRUM, tuple(Vertebra(level, (row, 200.0), 0.99, 1.0) for level, row in ROWS.items())
)
JUNCTIONS = tuple(
    Junction(level, side, (row, col), 0.9, 1.0) for level, row in ROWS.items() for side, col in COLS.items()
)
SHIFT = Alignment(np.array([[1.0, 0.0, 5.0], [0.0, 1.0, -3.0]]), 1.0, 0.1)
AT_L5 = tuple(NeedleTip(side, (ROWS[Level.L5], col), 1.0, 0.9) for side, col in COLS.items())
PROTOCOL = load_protocol(DEFAULT_PROTOCOL)
NO_OVERRIDES = CaseOverrides()


def radiograph(name, frames=1, **changes):
    given = Radiograph(
        path=Path(name),
        sha256="ab" * 32,
        frames=ArrayFrames(np.zeros((frames, *SHAPE), dtype=np.float32)),
        field_of_view=np.ones(SHAPE, dtype=bool),
        quantity=Quantity.NATURAL_LOG,
        polarity_source=PolaritySource.TAG,
        geometry=SCALE,
        orientation=Orientation(ColumnsTowards.PATIENT_LEFT, RowsTowards.FEET, "PatientOrientation"),
    )
    return replace(given, **changes)


def contrast(*boxes, alignment=SHIFT, limit=2.0, method=ContrastMethod.MASK_SUBTRACTION):
    """Contrast in boxes (top, bottom, left, right) of the post image."""
    mask = np.zeros(SHAPE, dtype=bool)
    for top, bottom, left, right in boxes:
        mask[top:bottom, left:right] = True
    if not boxes:
        return ContrastMask(ContrastStatus.NOT_FOUND, method, "nothing rises above the noise", alignment=alignment)
    return ContrastMask(
        ContrastStatus.FOUND, method, mask=mask, alignment=alignment, detection_limit_mg_cm2=limit,
        iodine_reason="planted",
    )  # fmt: skip


# Over L4 and L5 of either side as they lie after the shift: rows 165 and 225, columns 237 and 157.
LEFT_POOL, RIGHT_POOL = (140, 250, 215, 260), (140, 250, 135, 180)


class Planted:
    """What each step is to find, by file name."""

    def __init__(self):
        self.images: dict[str, Radiograph] = {}
        self.levels: dict[str, LevelLabels] = {}
        self.junctions: dict[str, tuple[Junction, ...] | NotFound] = {}
        self.tips: dict[str, tuple[NeedleTip, ...]] = {}
        self.contrast = contrast()
        self.asked: list[tuple[str, ...]] = []

    def image(self, name, tips=(), **changes):
        self.images[name] = radiograph(name, **changes)
        self.tips[name] = tips

    def verify(self, *images, contrast_given=None, overrides=NO_OVERRIDES):
        requests = tuple(ImageRequest(Path(name), role, "test") for name, role in images)
        request = CaseRequest("case", requests, contrast_given, overrides=overrides)
        return verify_case(request, PROTOCOL)


@pytest.fixture
def planted(monkeypatch):
    plan = Planted()

    def label_levels(image, given, settings, frame):
        plan.asked.append(("levels", image.path.name, repr(given), str(frame)))
        return plan.levels.get(image.path.name, LABELS)

    def locate_needles(image, levels, settings, frame):
        plan.asked.append(("needles", image.path.name))
        return plan.tips[image.path.name] or NotFound("needle", "no straight line of metal")

    def segment_contrast(measured, reference, settings):
        plan.asked.append(("contrast", measured.path.name, "" if reference is None else reference.path.name))
        return plan.contrast

    monkeypatch.setattr(module, "read_radiograph", lambda path, overrides: plan.images[path.name])
    monkeypatch.setattr(module, "weights_sha256", lambda: "cd" * 32)
    monkeypatch.setattr(segment_case, "segment_contrast", segment_contrast)
    monkeypatch.setattr(look_at_image, "label_levels", label_levels)
    monkeypatch.setattr(
        look_at_image, "locate_junctions", lambda image, *_: plan.junctions.get(image.path.name, JUNCTIONS)
    )
    monkeypatch.setattr(look_at_image, "locate_needles", locate_needles)
    return plan


def test_a_needle_image_declared_as_without_contrast_is_verified(planted):
    planted.image("needle.dcm", AT_L5)
    result = planted.verify(("needle.dcm", Role.NEEDLE), contrast_given=False).result
    assert result.verdict.outcome is Outcome.VERIFIED
    assert result.verdict.coverage is Outcome.NOT_APPLICABLE
    assert result.reference_image == 0
    assert result.contrast.status is ContrastStatus.NOT_GIVEN
    assert [(p.side, p.level, p.distance_mm) for p in result.punctures] == [
        (Side.LEFT, Level.L5, 0.0),
        (Side.RIGHT, Level.L5, 0.0),
    ]
    assert result.protocol_sha256 == PROTOCOL.sha256
    assert result.software.weights_sha256 == "cd" * 32


def test_undeclared_contrast_without_an_image_of_it_is_undetermined(planted):
    planted.image("needle.dcm", AT_L5)
    result = planted.verify(("needle.dcm", Role.NEEDLE)).result
    assert result.verdict.puncture is Outcome.VERIFIED
    assert result.verdict.outcome is Outcome.UNDETERMINED
    assert result.contrast.status is ContrastStatus.NOT_IMAGED


def test_junctions_and_tips_are_carried_to_the_image_of_the_contrast(planted):
    planted.image("needle.dcm", AT_L5)
    planted.image("post.dcm")
    planted.contrast = contrast(LEFT_POOL, RIGHT_POOL)
    result = planted.verify(("needle.dcm", Role.NEEDLE), ("post.dcm", Role.POST)).result
    assert result.verdict.outcome is Outcome.VERIFIED
    assert result.contrast.image == 1
    post = result.images[1]
    l5_left = next(j for j in post.junctions if (j.level, j.side) == (Level.L5, Side.LEFT))
    assert l5_left.point_px == pytest.approx((225.0, 237.0))
    # 1 px of the junction and 1 px of the alignment.
    assert l5_left.uncertainty_px == pytest.approx(2**0.5)
    assert [tip.tip_px for tip in post.needles] == [pytest.approx((225.0, 237.0)), pytest.approx((225.0, 157.0))]
    assert any("carried from needle.dcm" in note for note in post.notes)
    assert result.images[0].junctions == JUNCTIONS


def test_a_carried_tip_is_not_a_second_puncture(planted):
    planted.image("needle.dcm", AT_L5)
    planted.image("post.dcm")
    planted.contrast = contrast(LEFT_POOL, RIGHT_POOL)
    result = planted.verify(("needle.dcm", Role.NEEDLE), ("post.dcm", Role.POST)).result
    assert len(result.punctures) == 2
    assert ("needles", "post.dcm") not in planted.asked


def test_contrast_short_of_l4_is_not_verified(planted):
    planted.image("needle.dcm", AT_L5)
    planted.image("post.dcm")
    planted.contrast = contrast((200, 250, 215, 260), (200, 250, 135, 180))
    result = planted.verify(("needle.dcm", Role.NEEDLE), ("post.dcm", Role.POST)).result
    assert result.verdict.puncture is Outcome.VERIFIED
    assert result.verdict.coverage is Outcome.NOT_VERIFIED


@pytest.mark.parametrize(("limit", "coverage"), [(2.0, Outcome.NOT_VERIFIED), (None, Outcome.UNDETERMINED)])
def test_an_empty_side_is_not_covered_only_where_the_detection_limit_is_known(planted, limit, coverage):
    planted.image("needle.dcm", AT_L5)
    planted.image("post.dcm")
    planted.contrast = contrast(LEFT_POOL, limit=limit)
    result = planted.verify(("needle.dcm", Role.NEEDLE), ("post.dcm", Role.POST)).result
    assert result.verdict.coverage is coverage
    answers = {c.covered for c in result.coverage if c.side is Side.RIGHT}
    assert answers == {Answer.NO if limit else Answer.UNDETERMINED}


def test_without_an_alignment_the_post_image_s_own_levels_are_used(planted):
    planted.image("post.dcm", AT_L5)
    planted.contrast = contrast(alignment=None, method=ContrastMethod.SINGLE_IMAGE)
    result = planted.verify(("post.dcm", Role.POST)).result
    assert ("contrast", "post.dcm", "") in planted.asked
    assert result.images[0].junctions == JUNCTIONS
    assert result.verdict.puncture is Outcome.VERIFIED
    assert result.verdict.coverage is Outcome.UNDETERMINED


def test_the_contrast_stands_in_for_a_needle_that_no_image_shows(planted):
    planted.image("post.dcm")
    planted.contrast = contrast((221, 230, 236, 245), (221, 230, 156, 165), alignment=None)
    result = planted.verify(("post.dcm", Role.POST)).result
    assert {p.source for p in result.punctures} == {PunctureSource.CONTRAST_EPICENTRE}
    assert {p.level for p in result.punctures} == {Level.L5}


def test_images_that_number_the_spine_differently_are_flagged_and_settle_no_coverage(planted):
    planted.image("needle.dcm", AT_L5)
    planted.image("post.dcm")
    shifted = tuple(replace(v, center_px=(v.center_px[0] - 60.0, v.center_px[1])) for v in LABELS.vertebrae)
    planted.levels["post.dcm"] = replace(LABELS, vertebrae=shifted)
    planted.contrast = contrast(LEFT_POOL, RIGHT_POOL)
    result = planted.verify(("needle.dcm", Role.NEEDLE), ("post.dcm", Role.POST)).result
    assert "numbering-differs-between-images" in {flag.code for flag in result.flags}
    assert result.verdict.coverage is Outcome.UNDETERMINED


def test_images_that_align_but_name_opposite_sides_are_refused(planted):
    planted.image("needle.dcm", AT_L5)
    planted.image("post.dcm", orientation=Orientation(ColumnsTowards.PATIENT_RIGHT, RowsTowards.FEET, "tags"))
    planted.contrast = contrast(LEFT_POOL, RIGHT_POOL)
    with pytest.raises(OrientationError, match="--columns-towards"):
        planted.verify(("needle.dcm", Role.NEEDLE), ("post.dcm", Role.POST))


def test_a_run_is_measured_against_its_own_frames(planted):
    planted.image("cine.dcm", AT_L5, frames=6, mask_frames=(1, 2))
    planted.contrast = replace(contrast(LEFT_POOL, RIGHT_POOL, method=ContrastMethod.CINE), frame=4)
    result = planted.verify(("cine.dcm", Role.CINE)).result
    assert ("levels", "cine.dcm", "None", "1") in planted.asked
    assert result.images[0].frame == 4
    assert result.verdict.outcome is Outcome.VERIFIED


def test_lateral_and_oblique_images_are_kept_and_not_measured(planted):
    planted.image("needle.dcm", AT_L5)
    planted.image("lateral.dcm")
    result = planted.verify(("lateral.dcm", Role.LATERAL), ("needle.dcm", Role.NEEDLE), contrast_given=False).result
    assert result.reference_image == 1
    assert result.images[0].levels is None
    assert result.verdict.outcome is Outcome.VERIFIED
    assert not any("lateral.dcm" in words for words in planted.asked)


def test_a_case_of_lateral_images_only_is_undetermined_and_not_an_error(planted):
    planted.image("lateral.dcm")
    result = planted.verify(("lateral.dcm", Role.LATERAL)).result
    assert result.reference_image is None
    assert result.verdict.outcome is Outcome.UNDETERMINED


@pytest.mark.parametrize(
    ("changes", "role"),
    [
        ({"view": "lateral"}, Role.LATERAL),
        ({"view": "oblique"}, Role.OBLIQUE),
        ({"frames": 3}, Role.CINE),
        ({}, Role.NEEDLE),
    ],
)
def test_an_image_without_a_role_gets_one_from_its_tags_and_never_post(planted, changes, role):
    planted.image("x.dcm", **changes)
    image = planted.verify(("x.dcm", None)).result.images[0]
    assert image.role is role
    assert image.role_source


def test_a_scale_is_estimated_from_anatomy_only_where_the_file_has_none(planted):
    planted.levels["needle.dcm"] = replace(LABELS, estimated_mm_per_px=0.55)
    planted.image("needle.dcm", AT_L5, geometry=NO_SCALE)
    bare = planted.verify(("needle.dcm", Role.NEEDLE), contrast_given=False).result
    assert bare.images[0].geometry.source is GeometrySource.ESTIMATED_FROM_ANATOMY
    assert bare.images[0].geometry.spacing_patient_mm == (0.55, 0.55)
    assert bare.images[0].geometry.relative_uncertainty == pytest.approx(0.10)
    assert "estimated" in bare.images[0].geometry.note
    planted.image("needle.dcm", AT_L5)
    known = planted.verify(("needle.dcm", Role.NEEDLE), contrast_given=False).result
    assert known.images[0].geometry == SCALE


def test_no_scale_is_estimated_from_vertebrae_that_are_not_sure(planted):
    planted.levels["needle.dcm"] = replace(
        LABELS, estimated_mm_per_px=0.55, status=LevelStatus.UNCERTAIN, reason="sacrum out of view"
    )
    planted.image("needle.dcm", AT_L5, geometry=NO_SCALE)
    assert planted.verify(("needle.dcm", Role.NEEDLE), contrast_given=False).result.images[0].geometry == NO_SCALE


def test_a_weaker_image_adds_tips_only_on_sides_the_needle_image_leaves_empty(planted):
    planted.image("needle.dcm", AT_L5[:1])
    wrong_left = NeedleTip(Side.LEFT, (ROWS[Level.L4], COLS[Side.LEFT]), 1.0, 0.9)
    planted.image("pre.dcm", (wrong_left, AT_L5[1]))
    result = planted.verify(("pre.dcm", Role.PRE), ("needle.dcm", Role.NEEDLE), contrast_given=False).result
    assert result.verdict.outcome is Outcome.VERIFIED
    assert sorted(p.reason.split(":")[0] for p in result.punctures) == ["needle.dcm", "pre.dcm"]


def test_several_needle_images_each_give_their_own_puncture(planted):
    planted.image("n1.dcm", AT_L5[:1])
    planted.image("n2.dcm", AT_L5[1:])
    result = planted.verify(("n1.dcm", Role.NEEDLE), ("n2.dcm", Role.NEEDLE), contrast_given=False).result
    assert result.verdict.outcome is Outcome.VERIFIED


def test_a_missing_needle_says_where_was_looked(planted):
    planted.image("needle.dcm")
    result = planted.verify(("needle.dcm", Role.NEEDLE), contrast_given=False).result
    assert result.verdict.outcome is Outcome.UNDETERMINED
    assert "needle.dcm: no straight line of metal" in result.verdict.criteria[0].reason


def test_the_reference_is_the_first_image_with_confident_levels(planted):
    planted.image("pre.dcm")
    planted.image("needle.dcm", AT_L5)
    planted.levels["pre.dcm"] = replace(LABELS, status=LevelStatus.UNCERTAIN, reason="sacrum out of view")
    images = (("pre.dcm", Role.PRE), ("needle.dcm", Role.NEEDLE))
    assert planted.verify(*images, contrast_given=False).result.reference_image == 1
    planted.levels["pre.dcm"] = LABELS
    assert planted.verify(*images, contrast_given=False).result.reference_image == 0


def test_a_person_s_numbering_goes_to_the_reference_and_is_recorded(planted):
    planted.image("needle.dcm", AT_L5)
    overrides = CaseOverrides(level_at={Level.L5: (220.0, 200.0)})
    result = planted.verify(("needle.dcm", Role.NEEDLE), contrast_given=False, overrides=overrides).result
    assert planted.asked[0][:2] == ("levels", "needle.dcm")
    assert "L5" in planted.asked[0][2]
    assert result.overrides == (Override("level-at", "L5=220,200"),)


def test_an_image_that_cannot_be_aligned_with_the_numbered_one_is_not_confident(planted, monkeypatch):
    planted.image("n1.dcm", AT_L5[:1])
    planted.image("n2.dcm", AT_L5[1:])
    images = (("n1.dcm", Role.NEEDLE), ("n2.dcm", Role.NEEDLE))
    overrides = CaseOverrides(level_at={Level.L5: (220.0, 200.0)})
    monkeypatch.setattr(carry_findings, "align", lambda *_: None)
    result = planted.verify(*images, contrast_given=False, overrides=overrides).result
    assert result.images[1].levels.status is LevelStatus.UNCERTAIN
    assert "a person numbered n1.dcm" in result.images[1].levels.reason
    monkeypatch.setattr(carry_findings, "align", lambda *_: SHIFT)
    result = planted.verify(*images, contrast_given=False, overrides=overrides).result
    assert result.images[1].levels.vertebra(Level.L5).center_px == pytest.approx((225.0, 197.0))


def test_a_point_outside_the_image_is_refused(planted):
    planted.image("needle.dcm")
    with pytest.raises(UsageError, match=r"L5=400,200 lies outside needle.dcm, which has 400 rows"):
        planted.verify(("needle.dcm", Role.NEEDLE), overrides=CaseOverrides(level_at={Level.L5: (400.0, 200.0)}))


def test_images_of_two_patients_are_no_case(planted):
    planted.image("a.dcm", identity=ImageIdentity(patient_id="1"))
    planted.image("b.dcm", identity=ImageIdentity(patient_id="2"))
    with pytest.raises(CaseError, match=r"2 patients .* a.dcm, b.dcm"):
        planted.verify(("a.dcm", Role.NEEDLE), ("b.dcm", Role.POST))


@pytest.mark.parametrize(("first_id", "is_refused"), [("1", False), ("", True)])
def test_names_tell_patients_apart_where_an_id_is_missing(planted, first_id, is_refused):
    """With an ID in every image, a changed or misspelt name is no other patient."""
    planted.image("a.dcm", identity=ImageIdentity(patient_id=first_id, name_digest="x"))
    planted.image("b.dcm", identity=ImageIdentity(patient_id="1", name_digest="y"))
    images = (("a.dcm", Role.NEEDLE), ("b.dcm", Role.NEEDLE))
    if is_refused:
        with pytest.raises(CaseError, match=r"2 patients .*PatientName differs"):
            planted.verify(*images)
    else:
        assert planted.verify(*images).result.images


def test_a_second_look_gives_the_same_result(planted):
    planted.image("needle.dcm", AT_L5)
    planted.image("post.dcm")
    planted.contrast = contrast(LEFT_POOL, RIGHT_POOL)
    images = (("needle.dcm", Role.NEEDLE), ("post.dcm", Role.POST))
    assert planted.verify(*images).result == planted.verify(*images).result


def test_every_criterion_has_a_reason(planted):
    planted.image("needle.dcm")
    planted.junctions["needle.dcm"] = NotFound("junctions", "none of L3, L4, L5 and S1 was found")
    result = planted.verify(("needle.dcm", Role.NEEDLE)).result
    assert all(criterion.reason for criterion in result.verdict.criteria)
    assert {criterion.result for criterion in result.verdict.criteria} == {CriterionResult.UNDETERMINED}
