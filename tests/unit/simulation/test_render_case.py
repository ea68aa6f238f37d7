"""Whole cases: the truth is where the recipe put it, and the same recipe gives the same bytes."""

import dataclasses
from types import ModuleType

import numpy as np
import pytest

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import Role
from fluorospread.model.geometry import ColumnsTowards
from fluorospread.model.verdict import Outcome
from fluorospread.simulation.aberrant import Aberrant, AberrantKind
from fluorospread.simulation.anatomy.surface import Anatomy
from fluorospread.simulation.case_recipe import (
    CaseRecipe,
    FieldRecipe,
    ImageRecipe,
    PersonRecipe,
    PunctureRecipe,
    ViewRecipe,
)
from fluorospread.simulation.cases import PLUME_FAMILIES, Split, sample_cases, sample_split
from fluorospread.simulation.contrast import Spread
from fluorospread.simulation.render_case import SimulatedCase, render_case
from fluorospread.simulation.truth import coverage_of

L3, L4, L5 = Level.L3, Level.L4, Level.L5
LEFT, RIGHT = Side.LEFT, Side.RIGHT


VIEW = ViewRecipe(offset_mm=(0.0, 25.0, 0.0), detector_spacing_mm=1.0, rows=260, cols=260)
AT_L5 = tuple(PunctureRecipe(L5, side, lateral_mm=1.0, cranial_mm=2.0) for side in (LEFT, RIGHT))
WITH_CONTRAST = CaseRecipe(
    "test",
    "both sides",
    5,
    PersonRecipe(0),
    (
        ImageRecipe(Role.NEEDLE),
        ImageRecipe(Role.POST, contrast=True, shift_mm=(3.0, 0.0, -4.0), roll_deg=1.0),
    ),
    AT_L5,
    tuple(Spread(side, (L4, L5)) for side in (LEFT, RIGHT)),
    contrast_given=True,
    view=VIEW,
)


@pytest.fixture(scope="module")
def spine(builders: ModuleType) -> Anatomy:
    return builders.box_spine()


@pytest.fixture(scope="module")
def case(spine: Anatomy) -> SimulatedCase:
    return render_case(WITH_CONTRAST, spine)


def test_points_lie_where_the_c_arm_projects_them(case: SimulatedCase) -> None:
    truth = case.image(Role.NEEDLE).truth
    # Columns run to the left, rows to the feet; the junctions lie in the isocentre's plane, where a
    # pixel is 1.0 x 720/1000 = 0.72 mm: L5 left is 24 mm to the left and 27 mm to the feet.
    junction = truth.junction(L5, LEFT)
    assert junction is not None
    assert junction.point_px == pytest.approx((129.5 + 27 / 0.72, 129.5 + 24 / 0.72), abs=1e-6)
    assert truth.spacing_patient_mm == pytest.approx((0.72, 0.72))
    assert [v.level.value for v in truth.vertebrae] == ["L2", "L3", "L4", "L5", "S1"]


def test_the_tip_lies_beside_the_junction_as_asked(case: SimulatedCase) -> None:
    truth = case.image(Role.NEEDLE).truth
    for needle in truth.needles:
        junction = truth.junction(L5, needle.side)
        assert junction is not None
        outwards = 1.0 if needle.side is LEFT else -1.0
        # 2 mm to the head is up; 1 mm lateral is away from the midline; the tip lies 1.5 mm nearer to the
        # detector, behind the bone, which magnifies by 0.2 % less.
        expected = (junction.point_px[0] - 2 / 0.72, junction.point_px[1] + outwards / 0.72)
        assert needle.tip_px == pytest.approx(expected, abs=0.15)
        assert needle.direction is not None
        # From lateral and caudal: the shaft runs inwards and up.
        assert needle.direction[0] < 0
        assert needle.direction[1] * outwards < 0


def test_needles_and_contrast_darken_the_pixels_they_lie_on(case: SimulatedCase, spine: Anatomy) -> None:
    post, needle = case.image(Role.POST), case.image(Role.NEEDLE)
    tip = needle.truth.needles[0]
    row, col = np.rint(np.array(tip.tip_px) - 12 * np.array(tip.direction)).astype(int)
    along = needle.log_path[row - 2 : row + 3, col - 2 : col + 3]
    assert along.max() > along.min() + 0.2
    iodine, mask = post.truth.areal_iodine_mg_cm2, post.truth.contrast_mask
    assert iodine is not None
    assert mask is not None
    assert needle.truth.contrast_mask is None
    bare = render_case(
        dataclasses.replace(WITH_CONTRAST, images=(dataclasses.replace(WITH_CONTRAST.images[1], contrast=False),)),
        spine,
    )
    added = post.log_path - bare.image(Role.POST).log_path
    # Effective mass attenuation of iodine at 80 kV behind a patient lies near 10 cm²/g.
    assert np.median(added[mask] / iodine[mask]) == pytest.approx(0.0100, rel=0.15)
    assert np.abs(added[iodine == 0]).max() < 1e-4


def test_coverage_punctures_and_outcome_follow_from_the_recipe(case: SimulatedCase) -> None:
    truth = case.truth
    covered = {(c.level, c.side) for c in truth.coverage if c.covered}
    assert covered == {(level, side) for level in (L4, L5) for side in (LEFT, RIGHT)}
    assert all(abs(c.margin_mm) >= 5.0 for c in truth.coverage)
    assert [(p.side, p.level) for p in truth.punctures] == [(LEFT, L5), (RIGHT, L5)]
    assert truth.punctures[0].distance_mm == pytest.approx(np.sqrt(5.0))
    assert truth.iodine_mg == pytest.approx({LEFT: 240.0, RIGHT: 240.0})
    assert truth.outcome is Outcome.VERIFIED


def test_coverage_of_an_image_without_contrast_is_nothing(case: SimulatedCase) -> None:
    assert coverage_of(case.image(Role.NEEDLE).truth) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"punctures": (dataclasses.replace(AT_L5[0], level=L4), AT_L5[1])},
        {"punctures": AT_L5[:1]},
        {"punctures": (dataclasses.replace(AT_L5[0], lateral_mm=14.0), AT_L5[1])},
        {"spreads": (Spread(LEFT, (L4, L5)),)},
        {"spreads": (Spread(LEFT, (L4, L5)), Spread(RIGHT, (L5,)))},
    ],
    ids=["one-at-L4", "one-side", "14-mm-off", "contrast-one-side", "short-of-L4"],
)
def test_what_falls_short_of_the_protocol_is_not_verified(changes: dict[str, object], spine: Anatomy) -> None:
    recipe = dataclasses.replace(WITH_CONTRAST, images=WITH_CONTRAST.images[1:], **changes)  # type: ignore[arg-type]
    assert render_case(recipe, spine).truth.outcome is Outcome.NOT_VERIFIED


def test_the_same_recipe_gives_the_same_bytes_and_another_seed_other_noise(case: SimulatedCase, spine: Anatomy) -> None:
    again = render_case(WITH_CONTRAST, spine)
    other = render_case(dataclasses.replace(WITH_CONTRAST, seed=6), spine)
    for image in case.images:
        assert image.stored.pixels.tobytes() == again.image(image.role).stored.pixels.tobytes()
        assert image.stored.pixels.tobytes() != other.image(image.role).stored.pixels.tobytes()


def test_turning_the_columns_mirrors_the_truth(spine: Anatomy) -> None:
    needle = dataclasses.replace(WITH_CONTRAST, images=WITH_CONTRAST.images[:1], spreads=(), contrast_given=False)
    turned = dataclasses.replace(needle, view=dataclasses.replace(VIEW, columns_towards=ColumnsTowards.PATIENT_RIGHT))
    here, there = (render_case(r, spine).images[0] for r in (needle, turned))
    for a, b in zip(here.truth.junctions, there.truth.junctions, strict=True):
        assert b.point_px == pytest.approx((a.point_px[0], 259 - a.point_px[1]), abs=1e-6)
    np.testing.assert_allclose(there.log_path[:, ::-1], here.log_path, atol=0.2)


def test_points_behind_the_blades_are_not_in_view(spine: Anatomy) -> None:
    view = dataclasses.replace(VIEW, field=FieldRecipe("rectangle", 60.0, 60.0))
    recipe = dataclasses.replace(
        WITH_CONTRAST, images=WITH_CONTRAST.images[:1], spreads=(), contrast_given=False, view=view
    )
    image = render_case(recipe, spine).images[0]
    # Open to 60 x 0.72 = 43 mm each way: L3 to L5 centres, not L2 (64 mm) or S1 (60 mm).
    assert [v.level.value for v in image.truth.vertebrae if v.in_view] == ["L3", "L4", "L5"]
    assert not image.truth.open_field[0].any()


def test_an_anatomy_without_the_named_junction_is_refused(spine: Anatomy) -> None:
    recipe = dataclasses.replace(WITH_CONTRAST, punctures=(PunctureRecipe(Level.L1, LEFT),))
    with pytest.raises(UsageError, match=r"L1\.junction\.left"):
        render_case(recipe, spine)


@pytest.mark.parametrize(("still_share", "shown"), [(0.0, None), (0.8, Role.POST)])
def test_a_still_image_shows_vessels_only_as_far_as_they_have_not_cleared(
    still_share: float, shown: Role | None, spine: Anatomy
) -> None:
    vessel = Aberrant(AberrantKind.VASCULAR, RIGHT, L5, concentration_mg_ml=150.0, still_share=still_share)
    with_vessel = render_case(dataclasses.replace(WITH_CONTRAST, aberrant=(vessel,)), spine)
    plain, marked = (c.image(Role.POST).truth for c in (render_case(WITH_CONTRAST, spine), with_vessel))
    (flow,) = with_vessel.truth.aberrant
    assert (flow.side, flow.shown_in, flow.area_mm2 > 0) == (RIGHT, shown, shown is not None)
    assert with_vessel.truth.vascular_sides == (RIGHT,)
    assert plain.contrast_mask is not None
    assert marked.contrast_mask is not None
    added = marked.contrast_mask & ~plain.contrast_mask
    assert added.any() == (shown is not None)
    # What it covers is unchanged: contrast in a vessel does not stay.
    assert with_vessel.truth.coverage == render_case(WITH_CONTRAST, spine).truth.coverage


def test_contrast_in_a_joint_is_added_to_the_spread_and_stays(builders: ModuleType) -> None:
    body = builders.box_spine()
    body.landmarks_mm["L5.sap_tip.left"] = np.array([16.0, 20.0, -15.0])
    joint = Aberrant(AberrantKind.INTRA_ARTICULAR, LEFT, L5, iodine_mg=12.0)
    truth = render_case(dataclasses.replace(WITH_CONTRAST, aberrant=(joint,)), body).truth
    (flow,) = truth.aberrant
    assert (flow.iodine_mg, flow.shown_in) == (pytest.approx(12.0), Role.POST)
    assert 20.0 < flow.area_mm2 < 250.0
    assert truth.iodine_mg == pytest.approx({LEFT: 240.0, RIGHT: 240.0})
    areal = truth.images[1].areal_iodine_mg_cm2
    assert areal is not None
    # All of it, magnified into the junctions' plane: 240 + 240 + 12 mg, the joint a few mm in front of it.
    mm_per_px = truth.images[1].spacing_patient_mm[0]
    assert areal.sum() * (mm_per_px / 10.0) ** 2 == pytest.approx(492.0, rel=0.02)


def test_contrast_that_was_not_given_cannot_be_imaged() -> None:
    with pytest.raises(UsageError, match="needs spreads"):
        dataclasses.replace(WITH_CONTRAST, spreads=(), contrast_given=False)


def test_the_samples_are_five_of_the_protocol_and_eight_that_must_not_pass() -> None:
    cases = sample_cases()
    assert [c.case_id for c in cases[:5]] == ["P1-01", "P1-02", "P1-03", "P1-04", "P1-05"]
    assert [c.expected for c in cases[:5]] == ["verified"] * 5
    assert [c.contrast_given for c in cases[:5]] == [True, False, False, False, False]
    assert {c.case_id: c.expected for c in cases[5:]} == {
        "F-puncture-at-L4": "not-verified",
        "F-one-side-only": "not-verified",
        "F-short-of-L4": "not-verified",
        "F-no-anchor": "undetermined",
        "F-puncture-at-S1": "not-verified",
        "F-vascular-uptake": "not-verified",
        "F-sides-contradicted": "undetermined",
        "F-six-lumbar": "undetermined",
    }
    assert len({c.case_id for c in cases}) == len({c.seed for c in cases}) == 13


def test_tuning_and_judging_share_neither_plumes_nor_people() -> None:
    assert not set(PLUME_FAMILIES[Split.TUNING]) & set(PLUME_FAMILIES[Split.JUDGING])
    cases = {split: [sample_split(split, k) for k in range(200)] for split in Split}
    people = {split: {c.person.seed for c in found} for split, found in cases.items()}
    assert not people[Split.TUNING] & people[Split.JUDGING]
    for split, found in cases.items():
        families = {spread.family for c in found for spread in c.spreads}
        assert families == set(PLUME_FAMILIES[split])


def test_random_cases_are_repeatable_and_varied() -> None:
    assert sample_split(Split.TUNING, 3) == sample_split(Split.TUNING, 3)
    found = [sample_split(Split.JUDGING, k) for k in range(200)]
    assert 0.5 < np.mean([c.contrast_given for c in found]) < 0.7
    wrong = [any(p.level is not L5 for p in c.punctures) for c in found]
    assert 0.08 < np.mean(wrong) < 0.35
    assert len({c.pixel_format.relationship for c in found}) == 3
