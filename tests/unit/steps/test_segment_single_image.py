"""A planted spine with junctions; what is found in it, and what is said where nothing can be."""

from pathlib import Path

import numpy as np
import pytest

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.findings import Anchor, ContrastStatus, Junction, LevelLabels, LevelStatus, NeedleTip, Vertebra
from fluorospread.model.geometry import NO_SCALE, Geometry, GeometrySource
from fluorospread.model.radiograph import ArrayFrames, PolaritySource, Quantity, Radiograph
from fluorospread.steps.segment_single_image import segment_single_image

MM = 0.5
SHAPE = (480, 240)
NAMES = (Level.T12, Level.L1, Level.L2, Level.L3, Level.L4, Level.L5)
ROWS = [40.0 + 72.0 * i for i in range(6)]
LEVELS = LevelLabels(
    LevelStatus.CONFIDENT, Anchor.SACRUM,
    tuple(Vertebra(level, (row, 120.0), 1.0) for level, row in zip(NAMES, ROWS, strict=True)),
)  # fmt: skip
JUNCTIONS = tuple(
    Junction(level, side, (row + 10.0, 120.0 + offset), 1.0, 2.0)
    for level, row in zip(NAMES[3:], ROWS[3:], strict=True)
    for side, offset in ((Side.RIGHT, -34.0), (Side.LEFT, 34.0))
)
POOL = (338.0, 154.0)


def post(pool_height, pixel=1, geometry=None):
    """Pillars of bone 0.3 high beside the midline and a pool of contrast over the left L4 junction."""
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
    image = np.ones(SHAPE, np.float32)
    for row in ROWS:
        for side in (-28.0, 28.0):
            image += 0.3 * np.exp(-0.5 * (((rows - row) / 22.0) ** 2 + ((cols - 120.0 - side) / 7.0) ** 2))
    image += pool_height * np.exp(-0.5 * (((rows - POOL[0]) / 18.0) ** 2 + ((cols - POOL[1]) / 10.0) ** 2))
    image = np.repeat(np.repeat(image, pixel, axis=0), pixel, axis=1)
    known = Geometry((MM / pixel, MM / pixel), GeometrySource.GIVEN, 0.01)
    return Radiograph(
        Path("post.dcm"), "0" * 64, ArrayFrames(image[None].astype(np.float32)), np.ones(image.shape, bool),
        Quantity.RELATIVE, PolaritySource.GIVEN, known if geometry is None else geometry,
    )  # fmt: skip


def test_a_dense_pool_is_found_without_iodine_or_a_detection_limit():
    found = segment_single_image(post(0.7), LEVELS, JUNCTIONS, ())
    assert found.status is ContrastStatus.FOUND
    assert found.mask[338, 154]
    assert not found.mask[:, :120].any()
    assert found.areal_iodine_mg_cm2 is None
    assert found.detection_limit_mg_cm2 is None
    assert any("nothing is denied" in note for note in found.notes)


def test_nothing_beside_the_pool_is_denied():
    found = segment_single_image(post(0.7), LEVELS, JUNCTIONS, ())
    assert np.array_equal(found.undecidable, ~found.mask)


def test_the_outline_is_uncertain_by_millimetres_whatever_the_pixel():
    coarse = segment_single_image(post(0.7), LEVELS, JUNCTIONS, ())
    fine = segment_single_image(
        post(0.7, pixel=2), _finer(LEVELS), tuple(_moved(junction) for junction in JUNCTIONS), ()
    )
    assert fine.outline_uncertainty_px == pytest.approx(2 * coarse.outline_uncertainty_px)
    assert fine.mask.mean() == pytest.approx(coarse.mask.mean(), rel=0.05)


def test_a_thin_pool_is_not_found_and_the_way_to_see_it_is_named():
    found = segment_single_image(post(0.1), LEVELS, JUNCTIONS, (), ("the reference image has other pixels",))
    assert found.status is ContrastStatus.NOT_FOUND
    assert "reference image without contrast" in found.reason
    assert found.notes == ("the reference image has other pixels",)


@pytest.mark.parametrize(
    ("levels", "junctions", "geometry"),
    [
        (None, JUNCTIONS, None),
        (LEVELS, (), None),
        (LEVELS, JUNCTIONS, NO_SCALE),
        (LevelLabels(LevelStatus.INDETERMINATE, Anchor.NONE, LEVELS.vertebrae, reason="no anchor"), JUNCTIONS, None),
    ],
)
def test_without_knowing_where_contrast_can_lie_nothing_is_claimed(levels, junctions, geometry):
    found = segment_single_image(post(0.7, geometry=geometry), levels, junctions, ())
    assert found.status is ContrastStatus.NOT_FOUND
    assert "are needed" in found.reason


def test_a_hub_over_the_tip_of_a_needle_along_the_beam_is_no_contrast():
    tip = NeedleTip(Side.LEFT, POOL, 1.0, 1.0)
    bare = segment_single_image(_with_hub(), LEVELS, JUNCTIONS, ())
    known = segment_single_image(_with_hub(), LEVELS, JUNCTIONS, (tip,))
    assert known.status is ContrastStatus.NOT_FOUND
    # Even where the needle was not found, the hub's sharp edges speak against it.
    assert bare.status is ContrastStatus.NOT_FOUND


def test_a_shaft_is_left_out_from_its_tip_backwards():
    image = np.array(post(0.0).pixels())
    image[336:341, 154:230] += 2.0
    shaft = Radiograph(
        Path("post.dcm"), "0" * 64, ArrayFrames(image[None]), np.ones(SHAPE, bool), Quantity.RELATIVE,
        PolaritySource.GIVEN, Geometry((MM, MM), GeometrySource.GIVEN, 0.01),
    )  # fmt: skip
    tip = NeedleTip(Side.LEFT, POOL, 1.0, 1.0, direction=(0.0, -1.0))
    assert segment_single_image(shaft, LEVELS, JUNCTIONS, (tip,)).status is ContrastStatus.NOT_FOUND


def _with_hub():
    image = np.array(post(0.0).pixels())
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image[(rows - POOL[0]) ** 2 + (cols - POOL[1]) ** 2 < 7.0**2] += 1.5
    return Radiograph(
        Path("post.dcm"), "0" * 64, ArrayFrames(image[None]), np.ones(SHAPE, bool), Quantity.RELATIVE,
        PolaritySource.GIVEN, Geometry((MM, MM), GeometrySource.GIVEN, 0.01),
    )  # fmt: skip


def _moved(junction):
    row, col = junction.point_px
    return Junction(junction.level, junction.side, (2 * row + 0.5, 2 * col + 0.5), 1.0, 4.0)


def _finer(levels):
    points = [(2 * v.center_px[0] + 0.5, 2 * v.center_px[1] + 0.5) for v in levels.vertebrae]
    return LevelLabels(
        levels.status, levels.anchor,
        tuple(Vertebra(v.level, at, 1.0) for v, at in zip(levels.vertebrae, points, strict=True)),
    )  # fmt: skip
