"""What is put into a film is where the reader's points say, as much as the truth says, and nothing else changes."""

import dataclasses

import numpy as np
import pytest

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import Role
from fluorospread.model.geometry import ColumnsTowards
from fluorospread.model.verdict import Outcome
from fluorospread.simulation import spectrum
from fluorospread.simulation.case_recipe import PunctureRecipe
from fluorospread.simulation.cases import PLUME_FAMILIES, Split
from fluorospread.simulation.contrast import PlumeFamily, Spread
from fluorospread.simulation.detector import Exposure
from fluorospread.simulation.implant import Film, ImplantRecipe, added_log, implant, sample_implant
from fluorospread.simulation.spectrum import Substance
from fluorospread.simulation.stored_pixels import Relationship

L3, L4, L5 = Level.L3, Level.L4, Level.L5
LEFT, RIGHT = Side.LEFT, Side.RIGHT
MM = 0.6
CENTERS = {L3: (110.0, 200.0), L4: (170.0, 200.0), L5: (230.0, 200.0)}
# Columns grow towards the patient's left, so the left junctions have the higher columns.
JUNCTIONS = {
    (level, side): (row - 10.0, col + (40.0 if side is LEFT else -40.0))
    for level, (row, col) in CENTERS.items()
    for side in (LEFT, RIGHT)
}


def film(**changes) -> Film:
    flat = np.zeros((400, 400), dtype=np.float32)
    base = Film("film", flat, np.ones(flat.shape, np.bool_), MM, CENTERS, JUNCTIONS, 0.001, True)
    return dataclasses.replace(base, **changes)


AT_L5 = tuple(PunctureRecipe(L5, side) for side in (LEFT, RIGHT))
BOTH = tuple(Spread(side, (L4, L5), PlumeFamily.FASCIAL_SHEET) for side in (LEFT, RIGHT))
CLEAN = Exposure(80.0, 3.0, 0.0, scatter_to_primary=0.0, detector_sigma_mm=0.0, focal_spot_mm=0.0)
PAIR = ImplantRecipe("pair", Split.TUNING, 3, (Role.NEEDLE, Role.POST), AT_L5, BOTH, CLEAN)


def test_all_iodine_lies_in_the_image():
    iodine = implant(film(), PAIR).images[1].truth.areal_iodine_mg_cm2
    # The sheet lies 2 mm behind the junctions, so a pixel measures 0.2 % less there.
    assert iodine.sum() * (MM / 10) ** 2 == pytest.approx(480.0, rel=0.01)


def test_the_difference_of_a_still_pair_is_the_iodine():
    case = implant(film(), dataclasses.replace(PAIR, punctures=AT_L5))
    needle, post = case.images
    change = (post.log_path - needle.log_path)[40:360, 40:360]
    iodine = post.truth.areal_iodine_mg_cm2[40:360, 40:360]
    inside = (iodine > 8.0) & (needle.log_path[40:360, 40:360] < 0.01)
    per_mg = spectrum.effective_attenuation_cm2_g(Substance.IODINE, 80.0) / 1000.0
    # Noise averages out; hardening by the iodine itself costs under 3 % at these depths.
    assert change[inside].sum() / iodine[inside].sum() == pytest.approx(per_mg, rel=0.03)
    assert np.abs(change[iodine < 0.01]).mean() < 0.01


def test_scatter_dilutes_by_the_share_it_has_of_the_signal():
    layer = {Substance.IODINE: np.full((4, 4), 0.02, dtype=np.float32)}
    carm = film().carm()
    alone = float(added_log(layer, CLEAN, carm)[0, 0])
    diluted = float(added_log(layer, dataclasses.replace(CLEAN, scatter_to_primary=1.0), carm)[0, 0])
    assert diluted == pytest.approx(-np.log((np.exp(-alone) + 1.0) / 2.0), abs=1e-5)
    assert 0.4 * alone < diluted < 0.5 * alone


def test_targets_are_the_readers_points():
    moved = {key: (at[0] + 12.0, at[1] - 7.0) for key, at in JUNCTIONS.items()}
    here, there = (implant(film(junctions=points), PAIR).images[0].truth for points in (JUNCTIONS, moved))
    for a, b in zip(here.needles, there.needles, strict=True):
        assert np.subtract(b.tip_px, a.tip_px) == pytest.approx([12.0, -7.0], abs=0.1)
        # Within 3 mm of the junction they aim at, whatever lies in the picture.
        assert np.hypot(*np.subtract(a.tip_px, JUNCTIONS[L5, a.side])) * MM < 3.0
    assert {(c.level, c.side) for c in implant(film(), PAIR).truth.coverage if c.covered} == {
        (level, side) for level in (L4, L5) for side in (LEFT, RIGHT)
    }


def test_left_is_where_the_columns_lead():
    mirrored = {key: (at[0], 400.0 - at[1]) for key, at in JUNCTIONS.items()}
    case = implant(film(junctions=mirrored, columns_towards=ColumnsTowards.PATIENT_RIGHT), PAIR)
    assert case.truth.outcome is Outcome.VERIFIED
    assert all((n.tip_px[1] < 200) == (n.side is LEFT) for n in case.images[0].truth.needles)


def test_truth_moves_with_the_patient():
    dotted = np.zeros((400, 400), dtype=np.float32)
    rows, cols = np.indices(dotted.shape)
    for row, col in JUNCTIONS.values():
        dotted += np.exp(-0.5 * ((rows - row) ** 2 + (cols - col) ** 2) / 2.0**2).astype(np.float32)
    recipe = dataclasses.replace(PAIR, motion_mm=6.0, punctures=())
    case = implant(film(log_path=3 * dotted), recipe)
    needle, post = case.images
    assert needle.stored.pixels.shape == (400 - 2 * case.cut_px, 400 - 2 * case.cut_px)
    shifts = []
    for before, after in zip(needle.truth.junctions, post.truth.junctions, strict=True):
        row, col = (round(v) for v in after.point_px)
        window = post.log_path[row - 5 : row + 6, col - 5 : col + 6]
        peak = np.unravel_index(int(window.argmax()), window.shape)
        assert np.hypot(*np.subtract(peak, (5, 5))) <= 1.5
        shifts.append(np.hypot(*np.subtract(after.point_px, before.point_px)) * MM)
    assert 0.5 < max(shifts) <= 6.0


def test_each_image_has_noise_of_its_own():
    noisy = np.random.default_rng(0).normal(0.0, 0.02, (400, 400)).astype(np.float32)
    needle, post = implant(film(log_path=noisy), PAIR).images
    far = (slice(330, 390), slice(10, 390))
    added = (needle.log_path - noisy)[far], (post.log_path - noisy)[far]
    assert abs(np.corrcoef(added[0].ravel(), added[1].ravel())[0, 1]) < 0.05
    assert added[0].std() > 0.01


def test_gain_shifts_logs_and_stretches_displays():
    recipe = dataclasses.replace(PAIR, gain=1.1)
    ramp = np.tile(np.linspace(0, 1, 400, dtype=np.float32), (400, 1))
    for natural, expected in ((True, [1.0, -np.log(1.1)]), (False, [1.1, None])):
        needle, post = implant(film(log_path=ramp, natural_log=natural), recipe).images
        corner = (slice(330, 390), slice(10, 390))
        slope, offset = np.polyfit(needle.log_path[corner].ravel(), post.log_path[corner].ravel(), 1)
        assert slope == pytest.approx(expected[0], abs=0.01)
        if expected[1] is not None:
            assert offset == pytest.approx(expected[1], abs=0.01)


def test_only_known_logs_are_stored_as_logs():
    assert implant(film(), PAIR).images[0].stored.pixel_format.relationship is Relationship.LOG
    shown = implant(film(natural_log=False), PAIR).images[0].stored
    assert shown.pixel_format.relationship is Relationship.DISP
    assert shown.log_per_step is None


def test_a_single_image_has_needles_and_contrast():
    (post,) = implant(film(), dataclasses.replace(PAIR, images=(Role.POST,))).images
    assert len(post.truth.needles) == 2
    assert post.truth.contrast_mask.any()


def test_unmarked_junctions_leave_the_outcome_open():
    fewer = {key: at for key, at in JUNCTIONS.items() if key != (L4, RIGHT)}
    all_that_is_marked = (BOTH[0], dataclasses.replace(BOTH[1], covered=(L5,)))
    as_far_as_seen = dataclasses.replace(PAIR, spreads=all_that_is_marked)
    assert implant(film(junctions=fewer), as_far_as_seen).truth.outcome is Outcome.UNDETERMINED


def test_a_bare_junction_settles_the_outcome_whatever_is_not_marked():
    fewer = {key: at for key, at in JUNCTIONS.items() if key != (L4, RIGHT)}
    left_only = dataclasses.replace(PAIR, spreads=BOTH[:1])
    assert implant(film(junctions=fewer), left_only).truth.outcome is Outcome.NOT_VERIFIED


def test_a_needle_elsewhere_settles_the_outcome_whatever_is_not_marked():
    fewer = {key: at for key, at in JUNCTIONS.items() if key[1] is LEFT}
    too_high = dataclasses.replace(PAIR, punctures=(PunctureRecipe(L4, LEFT),), spreads=BOTH[:1])
    assert implant(film(junctions=fewer), too_high).truth.outcome is Outcome.NOT_VERIFIED


@pytest.mark.parametrize("split", list(Split))
def test_splits_draw_their_own_plume_families(split):
    recipes = [sample_implant(film(), split, index, (Role.NEEDLE, Role.POST)) for index in range(20)]
    families = {spread.family for recipe in recipes for spread in recipe.spreads}
    assert families <= set(PLUME_FAMILIES[split])
    assert len(families) > 1
    assert len({recipe.seed for recipe in recipes}) == 20
    assert recipes[3] == sample_implant(film(), split, 3, (Role.NEEDLE, Role.POST))
    assert recipes[3] != sample_implant(film(), split, 3, (Role.NEEDLE, Role.POST), seed=1)
    assert all(0 < r.motion_mm <= 6 and 0.9 <= r.gain <= 1.1 for r in recipes)


def test_spreads_keep_to_marked_junctions():
    some = {(L4, LEFT): JUNCTIONS[L4, LEFT], (L5, LEFT): JUNCTIONS[L5, LEFT]}
    for index in range(10):
        recipe = sample_implant(film(junctions=some), Split.JUDGING, index, (Role.POST,))
        assert {s.side for s in recipe.spreads} == {LEFT}
        assert all(level in (L4, L5) for s in recipe.spreads for level in s.covered)


def test_a_lone_junction_takes_no_contrast():
    with pytest.raises(UsageError, match="two marked junctions"):
        sample_implant(film(junctions={(L5, LEFT): JUNCTIONS[L5, LEFT]}), Split.TUNING, 0, (Role.POST,))


@pytest.mark.parametrize("images", [(Role.NEEDLE,), (Role.NEEDLE, Role.POST), (Role.PRE, Role.POST)])
def test_nothing_is_put_into_a_film_without_junctions(images):
    with pytest.raises(UsageError, match="no SAP-TP junction"):
        sample_implant(film(junctions={}), Split.TUNING, 0, images)


def test_a_film_without_junctions_can_be_moved():
    recipe = sample_implant(film(junctions={}), Split.TUNING, 0, (Role.PRE, Role.POST), contrast=False)
    assert recipe.punctures == recipe.spreads == ()
    assert recipe.motion_mm > 0


def test_a_pair_without_contrast_gains_needles_and_nothing_else():
    drawn = sample_implant(film(), Split.JUDGING, 4, (Role.PRE, Role.POST), contrast=False)
    recipe = dataclasses.replace(drawn, motion_mm=0.0, gain=1.0, exposure=CLEAN)
    assert recipe.case_id == "film-pre-post-empty-judging-0004"
    case = implant(film(), recipe)
    pre, post = case.images
    gained = (post.log_path - pre.log_path) > 0.05
    assert gained.any()
    # Steel takes a thousandth of the image, contrast would take some twentieth.
    assert gained.mean() < 0.005
    assert post.truth.contrast_mask is None
    # Someone injected, as far as anyone knows, and no junction is covered.
    assert case.truth.outcome is Outcome.NOT_VERIFIED


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": ()}, "pre, needle or post"),
        ({"images": (Role.NEEDLE, Role.NEEDLE)}, "once"),
        ({"images": (Role.NEEDLE,)}, "only there"),
        ({"motion_mm": 7.0}, "0..6 mm"),
        ({"gain": 1.2}, "0.9..1.1"),
    ],
)
def test_impossible_recipes_are_refused(change, message):
    with pytest.raises(UsageError, match=message):
        dataclasses.replace(PAIR, **change)
