"""Contrast in time: depots fill from the needle on at a constant rate, vessels fill with the flow and clear."""

import numpy as np
import pytest

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import Side
from fluorospread.simulation.contrast import Plume, PlumeFamily
from fluorospread.simulation.inflow import Depot, Injection, VesselFlow, fill_order, filled

X, Z = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])


def sheet(areal: np.ndarray) -> Plume:
    """Samples 0.5 mm apart, the first at the origin, columns to the left, rows to the head."""
    return Plume(Side.LEFT, np.zeros(3), X, Z, areal.astype(np.float64))


EVEN = sheet(np.full((61, 41), 10.0))
CORNER = np.zeros(3)


@pytest.mark.parametrize("family", list(PlumeFamily))
@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.97, 1.0])
def test_the_mass_in_the_tissue_is_what_was_injected(family: PlumeFamily, share: float) -> None:
    areal = np.random.default_rng(1).uniform(2.0, 12.0, (61, 41))
    plume = sheet(areal)
    part = filled(plume, fill_order(plume, CORNER, family), share)
    assert part.iodine_mg == pytest.approx(share * plume.iodine_mg, abs=0.01 * plume.iodine_mg)


def test_nothing_is_there_before_and_everything_after() -> None:
    order = fill_order(EVEN, CORNER, PlumeFamily.FASCIAL_SHEET)
    assert filled(EVEN, order, 0.0).iodine_mg == 0.0
    np.testing.assert_allclose(filled(EVEN, order, 1.0).areal_mg_cm2, EVEN.areal_mg_cm2, rtol=1e-9)


def test_contrast_never_leaves_where_it_has_been() -> None:
    order = fill_order(EVEN, CORNER, PlumeFamily.FASCICLE_STRIATED)
    before = np.zeros_like(EVEN.areal_mg_cm2)
    for share in np.linspace(0.0, 1.0, 21):
        now = filled(EVEN, order, float(share)).areal_mg_cm2
        assert (now >= before - 1e-12).all()
        before = now


def test_a_depot_fills_from_the_needle() -> None:
    order = fill_order(EVEN, np.array([10.0, 5.0, 15.0]), PlumeFamily.FASCIAL_SHEET)
    # 10 mm to the left and 15 mm to the head: column 20, row 30.
    assert np.unravel_index(int(order.argmin()), order.shape) == (30, 20)
    assert order[30, 20] < order[30, 30] < order[30, 40]


def test_fascicles_fill_lengthwise_and_sheets_nearly_round() -> None:
    middle = np.array([10.0, 0.0, 15.0])
    spans = {}
    for family in (PlumeFamily.FASCICLE_STRIATED, PlumeFamily.FASCIAL_SHEET):
        wet = filled(EVEN, fill_order(EVEN, middle, family), 0.2).areal_mg_cm2 > 5.0
        spans[family] = np.ptp(np.nonzero(wet.any(axis=1))) / np.ptp(np.nonzero(wet.any(axis=0)))
    assert spans[PlumeFamily.FASCICLE_STRIATED] > 1.6
    assert 0.9 < spans[PlumeFamily.FASCIAL_SHEET] < 1.5


def test_a_pool_behind_a_neck_fills_after_the_pool_in_front_of_it() -> None:
    areal = np.zeros((21, 61))
    areal[:, :25] = areal[:, 36:] = 10.0
    areal[8:13, 25:36] = 1.0
    order = fill_order(sheet(areal), np.array([0.0, 0.0, 5.0]), PlumeFamily.MULTILOBULAR)
    assert order[:, :25].max() < order[:, 36:].min()


def test_a_depot_keeps_its_contrast_after_the_injection() -> None:
    depot = Depot(EVEN, fill_order(EVEN, CORNER, PlumeFamily.FASCIAL_SHEET), Injection(2.0, 4.0))
    masses = [depot.at(t).iodine_mg / EVEN.iodine_mg for t in (0.0, 2.0, 4.0, 6.0, 60.0)]
    assert masses == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.0], abs=0.01)


def test_a_vessel_fills_with_the_flow_and_clears_linearly() -> None:
    delay = np.tile(np.linspace(0.0, 2.0, 41), (61, 1))
    flow = VesselFlow(EVEN, delay, Injection(1.0, 3.0), rise_s=0.2, clears_s=2.0)
    near, far = (30, 0), (30, 40)
    assert flow.concentration(0.9)[near] == 0.0
    assert flow.concentration(1.3)[near] == 1.0
    # Blood takes 2 s to the far end, and the front has spread threefold on its way.
    assert flow.concentration(2.9)[far] == 0.0
    assert flow.concentration(3.3)[far] == pytest.approx(0.5)
    # The injection ends at 4 s: half gone at 5 s, clear at 6 s, 2 s later at the far end.
    assert [flow.concentration(t)[near] for t in (4.0, 5.0, 6.0)] == pytest.approx([1.0, 0.5, 0.0])
    assert flow.clear_from_s == pytest.approx(8.0)
    assert flow.at(7.9).iodine_mg > 0.0
    assert flow.at(8.0).iodine_mg == 0.0


def test_impossible_times_are_refused() -> None:
    with pytest.raises(UsageError, match="starts at 0 s or later"):
        Injection(-1.0, 2.0)
    with pytest.raises(UsageError, match="takes time"):
        VesselFlow(EVEN, np.zeros((61, 41)), Injection(0.0, 1.0), clears_s=0.0)
