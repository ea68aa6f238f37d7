"""Contrast gone astray lies in the space it names."""

import numpy as np
import pytest

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import Level, Side
from fluorospread.simulation.aberrant import Aberrant, AberrantKind, make_depot, make_vessels

DEPOTS = [kind for kind in AberrantKind if kind is not AberrantKind.VASCULAR]
LEFT, RIGHT = Side.LEFT, Side.RIGHT


def landmarks() -> dict[str, np.ndarray]:
    """Levels 35 mm apart; pedicles 15 mm beside the midline, junctions 24 mm beside and 25 mm behind them."""
    points = {}
    for level, z in (("L3", 70.0), ("L4", 35.0), ("L5", 0.0)):
        for side, sign in (("left", 1.0), ("right", -1.0)):
            points[f"{level}.pedicle.{side}"] = np.array([sign * 15.0, 0.0, z + 5.0])
            points[f"{level}.junction.{side}"] = np.array([sign * 24.0, 25.0, z + 6.0])
            points[f"{level}.sap_tip.{side}"] = np.array([sign * 16.0, 22.0, z + 20.0])
    return points


def depot(kind: AberrantKind, side: Side = LEFT, seed: int = 0):
    return make_depot(Aberrant(kind, side, Level.L5, iodine_mg=25.0), landmarks(), np.random.default_rng(seed))


@pytest.mark.parametrize("kind", DEPOTS)
@pytest.mark.parametrize("side", [LEFT, RIGHT])
def test_a_depot_holds_its_mass_on_its_side(kind: AberrantKind, side: Side) -> None:
    plume = depot(kind, side)
    assert plume.iodine_mg == pytest.approx(25.0)
    assert plume.centre_mm[0] * (1.0 if side is LEFT else -1.0) > 0
    assert (plume.areal_mg_cm2 >= 0).all()
    # Nothing is cut off at the border of the sheet.
    rim = np.concatenate([plume.areal_mg_cm2[[0, -1]].ravel(), plume.areal_mg_cm2[:, [0, -1]].ravel()])
    assert rim.max() < 0.02 * plume.areal_mg_cm2.max()


def spread_mm(plume) -> tuple[float, float, np.ndarray]:
    """Lateral and craniocaudal sd of the iodine, and the patient's x of every sample."""
    mass = plume.areal_mg_cm2 / plume.areal_mg_cm2.sum()
    rows, cols = np.indices(mass.shape)
    sds = [float(np.sqrt((mass * i**2).sum() - (mass * i).sum() ** 2)) * plume.grid_mm for i in (cols, rows)]
    return sds[0], sds[1], plume.origin_mm[0] + cols * plume.grid_mm * plume.lateral[0]


@pytest.mark.parametrize("seed", range(4))
def test_epidural_contrast_runs_lengthwise_medial_to_the_pedicles(seed: int) -> None:
    plume = depot(AberrantKind.EPIDURAL, seed=seed)
    across, along, x = spread_mm(plume)
    assert along > 2.0 * across
    # The pedicles' centres lie 15 mm beside the midline.
    assert plume.areal_mg_cm2[x < 15.0].sum() > 0.95 * plume.areal_mg_cm2.sum()
    assert 0.0 < plume.origin_mm[1] < 25.0


@pytest.mark.parametrize("seed", range(4))
def test_foraminal_contrast_leads_from_the_canal_out_below_the_pedicle(seed: int) -> None:
    plume = depot(AberrantKind.FORAMINAL, seed=seed)
    rows, cols = np.nonzero(plume.areal_mg_cm2 > 0.3 * plume.areal_mg_cm2.max())
    x = plume.origin_mm[0] + cols * plume.grid_mm
    z = plume.origin_mm[2] + rows * plume.grid_mm
    assert x.min() < 12.0
    assert x.max() > 25.0
    # Lateral to the pedicle it lies wholly below its centre (5 mm above L5's), and falls outwards.
    assert z[x > 16.0].max() < -3.0
    assert z[x > 25.0].mean() < z[(x > 14.0) & (x < 20.0)].mean()


def test_joint_contrast_is_a_slit_no_longer_than_a_joint() -> None:
    plume = depot(AberrantKind.INTRA_ARTICULAR)
    wet = plume.areal_mg_cm2 > 0.15 * plume.areal_mg_cm2.max()
    height, width = (np.ptp(np.nonzero(wet.any(axis=axis))) * plume.grid_mm for axis in (1, 0))
    assert 12.0 < height < 28.0
    assert width < 0.6 * height


def test_superficial_contrast_lies_well_behind_the_bone() -> None:
    assert depot(AberrantKind.SUPERFICIAL).centre_mm[1] > 25.0 + 15.0


@pytest.mark.parametrize("seed", range(4))
def test_vessels_branch_from_the_tip_and_hold_no_more_than_their_width_of_contrast(seed: int) -> None:
    tip = np.array([25.0, 30.0, 4.0])
    flow = Aberrant(AberrantKind.VASCULAR, LEFT, concentration_mg_ml=48.0, speed_mm_s=40.0)
    vessels = make_vessels(flow, tip, np.random.default_rng(seed))
    areal = vessels.plume.areal_mg_cm2
    # 48 mg/mL in a vessel of at most 2 x 1.725 mm: 16.6 mg/cm².
    assert 8.0 < areal.max() <= 48.0 * 0.345
    start = (tip - vessels.plume.origin_mm)[[2, 0]] / vessels.plume.grid_mm
    row, col = np.rint(start).astype(int)
    assert areal[row - 2 : row + 3, col - 2 : col + 3].max() > 8.0
    assert vessels.delay_s[row, col] < 0.05
    # The whole tree is longer than its trunk: at least 55 mm at 40 mm/s.
    assert vessels.delay_s[areal > 0].max() > 55.0 / 40.0 - 0.05
    # Thin: over 2 mm from its border there is nothing.
    from scipy.ndimage import distance_transform_edt

    assert distance_transform_edt(areal > 0).max() * vessels.plume.grid_mm < 3.0


def test_blood_reaches_farther_places_later() -> None:
    vessels = make_vessels(Aberrant(AberrantKind.VASCULAR, LEFT), np.zeros(3), np.random.default_rng(2))
    rows, cols = np.nonzero(vessels.plume.areal_mg_cm2 > 0)
    away = np.hypot(*(np.stack([rows, cols]) * 0.25 + vessels.plume.origin_mm[[2, 0]][:, None]))
    # Straight distance is the least way.
    assert (vessels.delay_s[rows, cols] * 40.0 > away - 3.0).all()


def test_flow_that_leaves_no_depot_or_lacks_its_level_is_refused() -> None:
    with pytest.raises(UsageError, match="make its vessels"):
        depot(AberrantKind.VASCULAR)
    with pytest.raises(UsageError, match=r"no L2\.pedicle\.left"):
        make_depot(Aberrant(AberrantKind.EPIDURAL, LEFT, Level.L2), landmarks(), np.random.default_rng(0))
    with pytest.raises(UsageError, match="left or right"):
        Aberrant(AberrantKind.EPIDURAL, Side.IMAGE_LEFT)
