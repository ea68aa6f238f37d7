"""Needles drawn over a smooth spine are found at their tip; edges, wires and plain images give none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.findings import Anchor, LevelLabels, LevelStatus, NotFound, Vertebra
from fluorospread.model.geometry import ColumnsTowards, Geometry, GeometrySource, Orientation, RowsTowards
from fluorospread.model.radiograph import ArrayFrames, PolaritySource, Quantity, Radiograph
from fluorospread.steps.locate_needles import locate_needles

SHAPE = (400, 420)
MM_PER_PX = 0.4
GEOMETRY = Geometry((MM_PER_PX, MM_PER_PX), GeometrySource.GIVEN, 0.0)
LEFT_RIGHT = Orientation(ColumnsTowards.PATIENT_LEFT, RowsTowards.FEET, "given")
ROWS, COLS = np.indices(SHAPE).astype(float)
LEVELS = LevelLabels(
    LevelStatus.CONFIDENT,
    Anchor.SACRUM,
    tuple(Vertebra(level, (60.0 + 90 * i, 210.0), 0.9, 2.0) for i, level in enumerate((Level.L3, Level.L4, Level.L5))),
)
NO_LEVELS = LevelLabels(LevelStatus.INDETERMINATE, Anchor.NONE, (), reason="nothing recognised")


def spine() -> np.ndarray:
    """Log attenuation of three bodies of 48 mm with rims and processes, and noise of 0.02."""
    rng = np.random.default_rng(4)
    image = 1.5 * ndimage.gaussian_filter(rng.normal(size=SHAPE), 40)
    for index in range(5):
        top = 20 + 90 * index - 60
        image[max(top, 0) : max(top + 70, 0), 150:270] += 0.4
        image[max(top + 20, 0) : max(top + 40, 0), 90:330] += 0.15
        image[max(top, 0) : max(top + 5, 0), 145:275] += 0.15
    return ndimage.gaussian_filter(image, 1.5) + rng.normal(0, 0.02, SHAPE)


def rod(tip: tuple[float, float], tail: tuple[float, float], height: float = 0.3, sd_px: float = 0.8) -> np.ndarray:
    """A straight rod of even height, ends blurred as the detector does."""
    way = np.array(tail) - tip
    length = float(np.hypot(*way))
    way /= length
    t = (ROWS - tip[0]) * way[0] + (COLS - tip[1]) * way[1]
    across = -(ROWS - tip[0]) * way[1] + (COLS - tip[1]) * way[0]
    ends = np.clip(t + 0.5, 0, 1) * np.clip(length - t + 0.5, 0, 1)
    return height * np.exp(-0.5 * (across / sd_px) ** 2) * ends


def needle(tip: tuple[float, float], hub: tuple[float, float], height: float = 0.3) -> np.ndarray:
    """A rod with a hub ring 2 mm wide and 5 mm long at its end."""
    way = np.array(hub) - tip
    way /= np.hypot(*way)
    ring_end = np.array(hub) + way * 5.0 / MM_PER_PX
    return np.maximum(rod(tip, hub, height), rod(hub, tuple(ring_end), 2.5 * height, 2.4))


def radiograph(image: np.ndarray, quantity=Quantity.NATURAL_LOG, geometry=GEOMETRY, **fields) -> Radiograph:
    return Radiograph(
        Path("planted.dcm"),
        "0" * 64,
        ArrayFrames(image.astype(np.float32)[None]),
        np.ones(image.shape, dtype=bool),
        quantity,
        PolaritySource.TAG,
        geometry=geometry,
        orientation=fields.pop("orientation", LEFT_RIGHT),
        **fields,
    )


def apart_mm(a, b) -> float:
    return float(np.hypot(a[0] - b[0], a[1] - b[1])) * MM_PER_PX


@pytest.mark.parametrize(
    ("tip", "hub"),
    [((240.0, 280.0), (290.0, 370.0)), ((235.0, 140.0), (200.0, 40.0)), ((150.0, 290.0), (150.0, 390.0)),
     ((250.0, 285.0), (330.0, 300.0))],
)  # fmt: skip
def test_the_tip_is_found_within_a_millimetre_in_any_direction(tip, hub):
    (found,) = locate_needles(radiograph(spine() + needle(tip, hub)), LEVELS)
    assert apart_mm(found.tip_px, tip) < 1.0
    towards_tip = np.array(tip) - hub
    towards_tip /= np.hypot(*towards_tip)
    assert np.dot(found.direction, towards_tip) > 0.99
    assert found.side is (Side.LEFT if tip[1] > 210 else Side.RIGHT)
    assert 0.3 < found.uncertainty_px * MM_PER_PX < 2.0


def test_two_needles_are_told_apart():
    image = spine() + needle((240.0, 280.0), (290.0, 370.0)) + needle((240.0, 140.0), (290.0, 50.0))
    found = locate_needles(radiograph(image), LEVELS)
    assert {tip.side for tip in found} == {Side.LEFT, Side.RIGHT}
    assert max(min(apart_mm(t.tip_px, p) for t in found) for p in ((240.0, 280.0), (240.0, 140.0))) < 1.0


def test_display_pixels_of_any_unit_give_the_same_tip():
    shown = 1000.0 * (spine() + needle((240.0, 280.0), (290.0, 370.0)))
    (found,) = locate_needles(radiograph(shown, Quantity.RELATIVE), LEVELS)
    assert apart_mm(found.tip_px, (240.0, 280.0)) < 1.0


def test_a_shaft_that_leaves_the_field_has_its_tip_inside():
    (found,) = locate_needles(radiograph(spine() + rod((240.0, 290.0), (290.0, 460.0))), LEVELS)
    assert apart_mm(found.tip_px, (240.0, 290.0)) < 1.0


def test_without_needle_none_is_found():
    found = locate_needles(radiograph(spine()), LEVELS)
    assert isinstance(found, NotFound)
    assert found.what == "needle"


def test_a_wire_across_the_whole_field_is_no_needle():
    found = locate_needles(radiograph(spine() + rod((-30.0, 310.0), (430.0, 350.0))), LEVELS)
    assert isinstance(found, NotFound)


def test_a_wire_that_bends_within_the_field_has_no_tip_at_its_bend():
    bend = (200.0, 300.0)
    image = spine() + np.maximum(rod(bend, (160.0, 460.0)), rod(bend, (210.0, -40.0)))
    assert isinstance(locate_needles(radiograph(image), LEVELS), NotFound)


def test_a_needle_along_the_beam_is_found_where_bone_hides_much_of_its_hub():
    spot = 0.4 * np.exp(-0.5 * (np.hypot(ROWS - 240.0, COLS - 290.0) / 2.6) ** 4)
    (found,) = locate_needles(radiograph(spine() + spot), LEVELS)
    assert apart_mm(found.tip_px, (240.0, 290.0)) < 2.0


def test_a_broad_band_is_no_needle():
    band = rod((240.0, 280.0), (290.0, 370.0), sd_px=4.0)
    assert isinstance(locate_needles(radiograph(spine() + band), LEVELS), NotFound)


def test_a_faint_line_is_no_needle():
    faint = needle((240.0, 280.0), (290.0, 370.0), height=0.03)
    assert isinstance(locate_needles(radiograph(spine() + faint), LEVELS), NotFound)


def test_a_needle_far_from_the_spine_is_not_this_one():
    far = needle((390.0, 400.0), (330.0, 360.0))
    levels = LevelLabels(LevelStatus.CONFIDENT, Anchor.SACRUM, LEVELS.vertebrae[:2])
    assert isinstance(locate_needles(radiograph(spine() + far), levels), NotFound)


def test_without_levels_a_tip_has_no_side():
    (found,) = locate_needles(radiograph(spine() + needle((240.0, 280.0), (290.0, 370.0))), NO_LEVELS)
    assert found.side is None


def test_an_unknown_orientation_gives_the_images_side():
    from fluorospread.model.geometry import UNKNOWN_ORIENTATION

    image = spine() + needle((240.0, 280.0), (290.0, 370.0))
    (found,) = locate_needles(radiograph(image, orientation=UNKNOWN_ORIENTATION), LEVELS)
    assert found.side is Side.IMAGE_RIGHT


def test_doubling_the_pixels_leaves_the_tip_in_place():
    image = ndimage.zoom(spine() + needle((240.0, 280.0), (290.0, 370.0)), 2, order=1, grid_mode=True, mode="nearest")
    half = Geometry((MM_PER_PX / 2, MM_PER_PX / 2), GeometrySource.GIVEN, 0.0)
    (found,) = locate_needles(radiograph(image, geometry=half), NO_LEVELS)
    # Pixel i of the coarse image covers pixels 2 i and 2 i + 1 of the fine one.
    assert apart_mm(((found.tip_px[0] - 0.5) / 2, (found.tip_px[1] - 0.5) / 2), (240.0, 280.0)) < 1.0


def test_a_needle_along_the_beam_is_a_dense_spot():
    spot = 1.6 * np.exp(-0.5 * (np.hypot(ROWS - 240.0, COLS - 290.0) / 2.6) ** 4)
    (found,) = locate_needles(radiograph(spine() + spot), LEVELS)
    assert apart_mm(found.tip_px, (240.0, 290.0)) < 2.0
    assert found.direction is None
    assert found.uncertainty_px * MM_PER_PX > 1.0


def disc(row: float, col: float, height: float = 0.9) -> np.ndarray:
    """A hub seen along its axis: 2.2 mm wide."""
    return height * np.clip(1.1 / MM_PER_PX + 0.5 - np.hypot(ROWS - row, COLS - col), 0.0, 1.0)


@pytest.mark.parametrize("length_mm", [5.0, 8.0, 12.0])
def test_a_foreshortened_shaft_has_its_tip_away_from_the_hub(length_mm):
    tip, way = np.array((240.0, 285.0)), np.array((0.6, 0.8))
    hub = tuple(tip + way * length_mm / MM_PER_PX)
    # Crossed lengthwise, a shaft is nearly as dense as its hub.
    image = spine() + np.maximum(rod(tuple(tip), hub, 0.8), disc(*hub))
    (found,) = locate_needles(radiograph(image), LEVELS)
    assert apart_mm(found.tip_px, tip) < 1.5


def test_bone_beside_a_hub_is_not_its_shaft():
    hub, bone_end = (240.0, 285.0), (248.0, 302.0)
    image = spine() + np.maximum(rod(bone_end, hub, 0.25), disc(*hub))
    (found,) = locate_needles(radiograph(image), LEVELS)
    assert apart_mm(found.tip_px, hub) < 1.5
    assert found.direction is None


def test_a_dense_spot_proves_the_hub_of_a_shaft_over_uneven_bone():
    tip, hub = (240.0, 285.0), (300.0, 365.0)
    edge = np.where(COLS - 325 + 0.4 * (ROWS - 270) > 0, 0.25, 0.0)
    image = spine() + ndimage.gaussian_filter(edge, 2.0) + np.maximum(rod(tip, hub), disc(*hub))
    (found,) = locate_needles(radiograph(image), LEVELS)
    assert apart_mm(found.tip_px, tip) < 1.0


def test_a_shaft_whose_height_a_display_curve_changes_is_followed_to_its_tip():
    tip, hub = (240.0, 285.0), (330.0, 395.0)
    shaft = rod(tip, hub) * np.where(COLS < 335, 1.0, 0.5)
    (found,) = locate_needles(radiograph(spine() + np.maximum(shaft, disc(*hub))), LEVELS)
    assert apart_mm(found.tip_px, tip) < 1.0


def test_bone_in_line_with_the_shaft_does_not_carry_the_tip_on():
    tip, hub = (240.0, 285.0), (290.0, 370.0)
    way = (np.array(tip) - hub) / np.hypot(50.0, 85.0)
    # Broader than a shaft, as bone is.
    beyond = rod(tuple(np.array(tip) + 9.0 * way), tip, 0.12, 1.4)
    (found,) = locate_needles(radiograph(spine() + beyond + needle(tip, hub)), LEVELS)
    # A drawn needle has no bevel, for which 0.3 mm are added.
    assert apart_mm(found.tip_px, tip) < 1.8


def test_an_end_plate_in_line_with_the_shaft_does_not_carry_the_tip_on():
    # Nearly as high as the shaft, but broader, and leaving its line by half a millimetre within 15 mm.
    tip, hub = np.array((240.0, 285.0)), np.array((290.0, 370.0))
    way = (tip - hub) / np.hypot(*(tip - hub))
    plate = rod(tuple(tip + 37.5 * way + 1.3 * np.array((-way[1], way[0]))), tuple(tip), 0.22, 1.3)
    (found,) = locate_needles(radiograph(spine() + np.maximum(plate, needle(tuple(tip), tuple(hub)))), LEVELS)
    assert apart_mm(found.tip_px, tip) < 2.0


def test_spots_in_a_row_are_letters_and_no_hubs():
    row = sum(disc(240.0, 280.0 + 12.0 * i, 1.2) for i in range(4))
    assert isinstance(locate_needles(radiograph(spine() + row), LEVELS), NotFound)


def test_a_line_across_the_midline_is_no_needle():
    # Twice as high towards one end, as a hub is, but no wider.
    image = spine() + rod((240.0, 250.0), (240.0, 165.0)) + rod((240.0, 180.0), (240.0, 165.0))
    assert isinstance(locate_needles(radiograph(image), LEVELS), NotFound)


def test_a_needle_that_runs_behind_metal_has_no_sure_tip():
    hidden, hub = (240.0, 285.0), (290.0, 370.0)
    screw = 3.0 * (np.hypot(ROWS - 244.0, COLS - 291.0) < 6.0 / MM_PER_PX)
    found = locate_needles(radiograph(spine() + needle(hidden, hub) + screw), LEVELS)
    assert isinstance(found, NotFound) or min(tip.uncertainty_px for tip in found) * MM_PER_PX >= 4.0


def test_needles_from_either_side_in_one_line_are_two():
    image = spine() + needle((240.0, 280.0), (240.0, 370.0)) + needle((240.0, 140.0), (240.0, 50.0))
    found = locate_needles(radiograph(image), LEVELS)
    assert {tip.side for tip in found} == {Side.LEFT, Side.RIGHT}
