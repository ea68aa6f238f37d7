"""Runs: contrast comes in time, the patient moves, exposure control follows, and truth says all of it."""

import dataclasses
from types import ModuleType

import numpy as np
import pytest

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import Role
from fluorospread.model.verdict import Outcome
from fluorospread.simulation.aberrant import Aberrant, AberrantKind
from fluorospread.simulation.anatomy.surface import Anatomy
from fluorospread.simulation.case_recipe import (
    CaseRecipe,
    CineRecipe,
    ImageRecipe,
    PersonRecipe,
    PunctureRecipe,
    ViewRecipe,
)
from fluorospread.simulation.contrast import Spread
from fluorospread.simulation.detector import Exposure
from fluorospread.simulation.inflow import Injection
from fluorospread.simulation.render_case import SimulatedCase, SimulatedImage, render_case
from fluorospread.simulation.stored_pixels import PixelFormat, Relationship

LEFT, RIGHT = Side.LEFT, Side.RIGHT
RUN = CineRecipe(
    frames=24,
    frame_time_ms=500.0,
    injection=Injection(2.0, 4.0),
    quanta_per_pixel=4000.0,
    breathing_mm=(0.0, 0.0, 0.0),
    gas_breathing_mm=(0.0, 0.0, 0.0),
    flicker=0.0,
)
VESSEL = Aberrant(AberrantKind.VASCULAR, LEFT, Level.L5, concentration_mg_ml=150.0, clears_s=1.5)
RECIPE = CaseRecipe(
    "run",
    "both sides fill",
    5,
    PersonRecipe(0),
    (ImageRecipe(Role.CINE, contrast=True, cine=RUN),),
    tuple(PunctureRecipe(Level.L5, side) for side in (LEFT, RIGHT)),
    tuple(Spread(side, (Level.L4, Level.L5)) for side in (LEFT, RIGHT)),
    contrast_given=True,
    view=ViewRecipe(offset_mm=(0.0, 25.0, 0.0), detector_spacing_mm=1.5, rows=170, cols=170),
    exposure=Exposure(scatter_to_primary=0.0),
    pixel_format=PixelFormat(Relationship.LOG, 16, -1),
    aberrant=(VESSEL,),
)


def with_run(**changes: object) -> CaseRecipe:
    run = dataclasses.replace(RUN, **changes)  # type: ignore[arg-type]
    return dataclasses.replace(RECIPE, images=(dataclasses.replace(RECIPE.images[0], cine=run),))


@pytest.fixture(scope="module")
def spine(builders: ModuleType) -> Anatomy:
    return builders.box_spine()


@pytest.fixture(scope="module")
def case(spine: Anatomy) -> SimulatedCase:
    return render_case(RECIPE, spine)


@pytest.fixture(scope="module")
def frames(case: SimulatedCase) -> np.ndarray:
    """Natural-log signal (frames, rows, cols), bone bright."""
    return signals(case.images[0])


def signals(image: SimulatedImage) -> np.ndarray:
    assert image.stored.log_per_step is not None
    return np.stack([pixels * np.float32(image.stored.log_per_step) for pixels in image.frames()])


def test_mass_grows_while_contrast_is_injected_and_then_stays_but_for_the_vessels(case: SimulatedCase) -> None:
    truth = case.images[0].run_truth
    assert truth is not None
    # 240 mg a side within 4 s, a frame every half second from 2 s on; the vessel holds some on top.
    assert truth.mask_frames == (0, 1, 2, 3, 4)
    assert truth.iodine_mg[4] == 0.0
    assert truth.iodine_mg[8] == pytest.approx(240.0 + case.truth.aberrant[0].iodine_mg, abs=25.0)
    assert truth.iodine_mg[-1] == pytest.approx(480.0, rel=0.001)
    assert max(truth.iodine_mg) > 485.0
    assert truth.peak_vessel_frame is not None
    assert 7 <= truth.peak_vessel_frame <= 13
    assert truth.last_frame == 23


def test_every_frame_shows_the_iodine_that_is_in_it(case: SimulatedCase, frames: np.ndarray) -> None:
    image = case.images[0]
    assert image.run is not None
    for number in (6, 10, 23):
        iodine = image.run.iodine_mg_cm2(number, image.carm)
        shown = frames[number] - frames[:4].mean(axis=0)
        shown -= np.median(shown[iodine == 0])
        dense = iodine > 8.0
        # About 10 cm²/g behind a patient at 80 kV; steep rims and needles blur.
        assert np.median(shown[dense] / iodine[dense]) == pytest.approx(0.0100, rel=0.15)
        assert abs(shown[iodine == 0].mean()) < 0.003


def test_the_vessel_shows_and_has_cleared_by_the_last_frame(case: SimulatedCase, frames: np.ndarray) -> None:
    truth = case.images[0].run_truth
    assert truth is not None
    assert truth.vessel_mask is not None
    assert truth.peak_vessel_frame is not None
    alone = truth.vessel_mask & ~truth.last_mask
    assert alone.sum() > 20
    dry = ~(truth.vessel_mask | truth.last_mask)
    added = frames - frames[:4].mean(axis=0)
    # Exposure control lifts all of a frame alike.
    added -= np.median(added[:, dry], axis=1)[:, None, None]
    assert np.median(added[truth.peak_vessel_frame][alone]) > 0.03
    assert abs(np.median(added[-1][alone])) < 0.01
    assert case.truth.vascular_sides == (LEFT,)
    (flow,) = case.truth.aberrant
    assert (flow.kind, flow.side, flow.level, flow.shown_in) == (AberrantKind.VASCULAR, LEFT, Level.L5, Role.CINE)
    assert flow.area_mm2 > 50.0


def test_vessels_cover_nothing(spine: Anatomy) -> None:
    lone = dataclasses.replace(RECIPE, spreads=())
    truth = render_case(lone, spine).truth
    assert truth.images[0].contrast_mask is not None
    assert truth.images[0].contrast_mask.any()
    assert not any(c.covered for c in truth.coverage)
    assert truth.outcome is Outcome.NOT_VERIFIED


def test_without_vascular_flow_the_peak_is_the_end(spine: Anatomy) -> None:
    image = render_case(dataclasses.replace(RECIPE, aberrant=()), spine).images[0]
    truth = image.run_truth
    assert truth is not None
    assert truth.peak_frame == truth.last_frame
    assert (truth.peak_vessel_frame, truth.vessel_mask) == (None, None)
    np.testing.assert_array_equal(image.truth.contrast_mask, truth.last_mask)


def test_the_right_side_can_follow_the_left(spine: Anatomy) -> None:
    later = dataclasses.replace(with_run(right_later_s=5.0), aberrant=())
    image = render_case(later, spine).images[0]
    assert image.run is not None
    iodine = image.run.iodine_mg_cm2(12, image.carm)
    # At 6 s the left is full (high columns are the patient's left) and the right is still dry.
    assert iodine[:, :80].sum() < 1e-4 * iodine.sum()
    both = image.run.iodine_mg_cm2(23, image.carm)
    assert both[:, :80].sum() > 0.4 * both.sum()


def test_truth_follows_the_breath(spine: Anatomy) -> None:
    moving = with_run(breathing_mm=(0.0, 0.0, 3.0), breathing_s=4.0)
    image = render_case(moving, spine).images[0]
    truth = image.run_truth
    assert truth is not None
    shifts = np.array(truth.shift_px)
    # 3 mm to the head is up by 3 x 1000/720 / 1.5 = 2.78 px; nothing moves sideways.
    assert np.ptp(shifts[:, 0]) == pytest.approx(2.78, abs=0.1)
    assert np.abs(shifts[:, 1]).max() < 1e-9
    assert truth.shift_px[truth.peak_frame] == (0.0, 0.0)
    found = signals(image)
    flat, still = int(np.argmin(shifts[:5, 0])), int(np.argmax(shifts[:5, 0]))
    # The skin's border is off the detector; what changes between two breaths is where bone ends.
    change = np.abs(found[flat] - found[still])
    assert change.max() > 10 * np.median(change)


def test_a_jerk_stays(spine: Anatomy) -> None:
    image = render_case(with_run(jerk_mm=(2.0, 0.0, 0.0), jerk_at_s=6.0), spine).images[0]
    truth = image.run_truth
    assert truth is not None
    columns = np.array(truth.shift_px)[:, 1]
    # 2 mm to the left is 1.85 px towards high columns, and after the peak's frame or before it there is no way back.
    assert columns[:12] == pytest.approx(columns[0])
    assert columns[14:] == pytest.approx(columns[0] + 2.0 / 0.72 / 1.5, abs=0.01)


def test_exposure_control_makes_up_for_a_dark_start(spine: Anatomy) -> None:
    dry = dataclasses.replace(
        with_run(first_exposure=0.5, exposure_step=0.5),
        images=(
            ImageRecipe(Role.CINE, cine=dataclasses.replace(RUN, frames=6, first_exposure=0.5, exposure_step=0.5)),
        ),
    )
    level = np.median(signals(render_case(dry, spine).images[0]), axis=(1, 2))
    # Half of what is missing is made up each time: log 2 is short first, then a half, a quarter of it.
    missing = level - level[-1]
    assert missing[0] == pytest.approx(np.log(2) * (1 - 2**-5), abs=0.01)
    assert missing[1] == pytest.approx(np.log(2) * (2**-1 - 2**-5), abs=0.01)
    assert missing[2] == pytest.approx(np.log(2) * (2**-2 - 2**-5), abs=0.01)


def test_noise_differs_from_frame_to_frame_and_lag_takes_some_of_it_away(spine: Anatomy) -> None:
    def noise_sd(lag: float) -> float:
        run = dataclasses.replace(RUN, frames=8, lag=lag, quanta_per_pixel=400.0)
        image = render_case(dataclasses.replace(RECIPE, images=(ImageRecipe(Role.CINE, cine=run),)), spine).images[0]
        return float(signals(image)[4:].std(axis=0)[60:110, 60:110].mean())

    plain, lagging = noise_sd(0.0), noise_sd(0.4)
    assert plain > 0.02
    # A recursive filter leaves sqrt((1 - a) / (1 + a)) of the noise: 0.65, and neighbours look alike.
    assert 0.4 < lagging / plain < 0.7


def test_the_same_recipe_gives_the_same_frames(case: SimulatedCase) -> None:
    first, again = (list(case.images[0].frames()) for _ in range(2))
    assert len(first) == case.images[0].frame_count == 24
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(first[0], case.images[0].stored.pixels)


def test_a_run_needs_the_role_of_one() -> None:
    with pytest.raises(UsageError, match="role cine"):
        ImageRecipe(Role.POST, cine=RUN)
    with pytest.raises(UsageError, match="role cine"):
        ImageRecipe(Role.CINE)
    with pytest.raises(UsageError, match="two frames or more"):
        CineRecipe(frames=1)
