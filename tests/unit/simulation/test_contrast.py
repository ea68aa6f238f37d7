"""Plumes keep their iodine and lie where they were asked to."""

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import Level, Side
from fluorospread.simulation.contrast import (
    MASK_THRESHOLD_MG_CM2,
    PlumeFamily,
    Spread,
    areal_iodine_mg_cm2,
    make_plume,
)
from fluorospread.simulation.projection import CArm

L3, L4, L5, S1 = Level.L3, Level.L4, Level.L5, Level.S1
# Junctions 30 mm apart on a straight line, 25 mm beside the midline.
LANDMARKS = {
    f"{level}.junction.{side}": np.array([25.0 if side == "left" else -25.0, 30.0, z])
    for level, z in (("L3", 60.0), ("L4", 30.0), ("L5", 0.0), ("S1", -25.0))
    for side in ("left", "right")
}
CARM = CArm(1000.0, 700.0, (0.5, 0.5), 320, 320, isocentre_mm=(0.0, 32.0, 15.0), beam="AP")
BOTH = Spread(Side.LEFT, (L4, L5))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def mass_mg(areal: npt.NDArray[np.float32], carm: CArm) -> float:
    """Mass under a map of iodine along rays: each ray's cone is cosine times narrower than its pixel."""
    down = (np.arange(carm.rows) - carm.centre_px[0]) * carm.detector_spacing_mm[0] / carm.sid_mm
    along = (np.arange(carm.cols) - carm.centre_px[1]) * carm.detector_spacing_mm[1] / carm.sid_mm
    cosine = 1.0 / np.sqrt(1.0 + down[:, None] ** 2 + along[None, :] ** 2)
    row_mm, col_mm = carm.spacing_patient_mm()
    return float((areal * cosine).sum()) * row_mm * col_mm / 100.0


@pytest.mark.parametrize("family", list(PlumeFamily))
def test_a_plume_holds_exactly_the_iodine_injected(family: PlumeFamily) -> None:
    plume = make_plume(LANDMARKS, dataclasses.replace(BOTH, family=family, iodine_mg=237.0), rng())
    assert plume.iodine_mg == pytest.approx(237.0, rel=1e-9)
    assert plume.areal_mg_cm2.min() >= 0


@pytest.mark.parametrize("family", list(PlumeFamily))
def test_the_projected_map_integrates_to_the_mass(family: PlumeFamily) -> None:
    plume = make_plume(LANDMARKS, dataclasses.replace(BOTH, family=family), rng(3))
    # The sheet is flat and lies in the isocentre's plane, so pixels there have one size.
    areal = areal_iodine_mg_cm2([plume], CARM)
    assert mass_mg(areal, CARM) == pytest.approx(240.0, rel=1e-3)


def test_turning_the_c_arm_keeps_the_mass() -> None:
    plume = make_plume(LANDMARKS, BOTH, rng(3))
    x, y, z = (float(v) for v in plume.centre_mm)
    turned = dataclasses.replace(CARM, isocentre_mm=(x, y, z), axial_deg=12.0, sagittal_deg=-8.0, roll_deg=5.0)
    # Near and far parts of a tilted sheet are magnified differently, which cancels to second order.
    assert mass_mg(areal_iodine_mg_cm2([plume], turned), turned) == pytest.approx(240.0, rel=5e-3)


@pytest.mark.parametrize("family", list(PlumeFamily))
@pytest.mark.parametrize("covered", [(L4, L5), (L5,), (L3, L4), (L3, L4, L5)])
@pytest.mark.parametrize("seed", [0, 1])
def test_covered_junctions_lie_well_inside_and_others_well_outside(
    family: PlumeFamily, covered: tuple[Level, ...], seed: int
) -> None:
    from scipy.ndimage import distance_transform_edt

    spread = Spread(Side.LEFT, covered, family, dilution=0.3)
    mask = areal_iodine_mg_cm2([make_plume(LANDMARKS, spread, rng(seed))], CARM) >= MASK_THRESHOLD_MG_CM2
    spacing = CARM.spacing_patient_mm()
    inside, outside = (distance_transform_edt(m, sampling=spacing) for m in (mask, ~mask))
    for level in (L3, L4, L5):
        row, col = np.rint(CARM.project(LANDMARKS[f"{level.value}.junction.left"])[0]).astype(int)
        if level in covered:
            assert inside[row, col] >= 6.0, f"{level} is inside by {inside[row, col]:.1f} mm only"
        else:
            assert outside[row, col] >= 6.0, f"{level} is outside by {outside[row, col]:.1f} mm only"


def test_contrast_stays_on_its_side() -> None:
    for side, sign in ((Side.LEFT, 1), (Side.RIGHT, -1)):
        plume = make_plume(LANDMARKS, dataclasses.replace(BOTH, side=side), rng())
        assert sign * plume.centre_mm[0] > 20
        areal = areal_iodine_mg_cm2([plume], CARM)
        # Columns run to the patient's left.
        halves = areal[:, :160].sum(), areal[:, 160:].sum()
        assert (halves[1] > halves[0]) == (side is Side.LEFT)


def test_two_plumes_add_up() -> None:
    plumes = [make_plume(LANDMARKS, dataclasses.replace(BOTH, side=side), rng()) for side in (Side.LEFT, Side.RIGHT)]
    single = [areal_iodine_mg_cm2([plume], CARM) for plume in plumes]
    np.testing.assert_allclose(areal_iodine_mg_cm2(plumes, CARM), single[0] + single[1], rtol=1e-6)


def test_families_differ_in_how_they_break_up() -> None:
    def roughness(family: PlumeFamily) -> float:
        areal = make_plume(LANDMARKS, dataclasses.replace(BOTH, family=family, dilution=0.0), rng(5)).areal_mg_cm2
        return float(np.abs(np.diff(areal, axis=1)).sum() / areal.sum())

    assert roughness(PlumeFamily.FASCICLE_STRIATED) > 2 * roughness(PlumeFamily.FASCIAL_SHEET)


def test_dilution_spreads_the_same_mass_over_more_area() -> None:
    plumes = [make_plume(LANDMARKS, dataclasses.replace(BOTH, dilution=d), rng(2)) for d in (0.0, 0.9)]
    areas = [int((p.areal_mg_cm2 > 0.5).sum()) for p in plumes]
    assert areas[1] > areas[0]


def test_the_same_seed_gives_the_same_plume() -> None:
    first, second = (make_plume(LANDMARKS, BOTH, rng(9)).areal_mg_cm2 for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_a_plume_off_the_detector_leaves_it_empty() -> None:
    away = dataclasses.replace(CARM, isocentre_mm=(0.0, 32.0, 900.0))
    assert not areal_iodine_mg_cm2([make_plume(LANDMARKS, BOTH, rng())], away).any()


def test_too_little_iodine_to_cover_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot cover"):
        make_plume(LANDMARKS, dataclasses.replace(BOTH, iodine_mg=20.0), rng())


def test_an_absent_junction_is_refused() -> None:
    with pytest.raises(UsageError, match="no junction of L2"):
        make_plume(LANDMARKS, Spread(Side.LEFT, (Level.L2, L3)), rng())


def test_levels_that_are_not_neighbours_are_refused() -> None:
    with pytest.raises(UsageError, match="neighbours"):
        Spread(Side.LEFT, (L3, L5))
