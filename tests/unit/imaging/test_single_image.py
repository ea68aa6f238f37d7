"""Planted spines: pillars of one height repeat from level to level, and something denser lies beside one of them."""

import numpy as np
import pytest

from fluorospread.imaging.normalisation import smooth
from fluorospread.imaging.single_image import Spine, denser_than_bone

MM = 0.5
SHAPE = (480, 240)
MIDLINE = 120
CENTERS = np.array([(40.0 + 72.0 * i, float(MIDLINE)) for i in range(6)])
SPARED = np.array([True, True, True, False, False, False])
SPINE = Spine(CENTERS, SPARED)
BONE = 0.3


def film():
    """Two pillars of facets a vertebra, 14 mm beside the midline, on tissue that thins out sideways."""
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
    image = 1.0 - 1e-5 * (cols - MIDLINE) ** 2
    for row, col in CENTERS:
        for side in (-28.0, 28.0):
            image += BONE * np.exp(-0.5 * (((rows - row) / 22.0) ** 2 + ((cols - col - side) / 7.0) ** 2))
    return smooth(image.astype(np.float32), 0.6)


def blob(height, at=(292.0, 156.0), size=(18.0, 10.0)):
    """Something dense beside the fourth vertebra; half axes in px."""
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
    return (height * np.exp(-0.5 * (((rows - at[0]) / size[0]) ** 2 + ((cols - at[1]) / size[1]) ** 2))).astype("f4")


def reach(radius_px=56.0):
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    near = np.zeros(SHAPE, bool)
    for row, col in CENTERS[2:]:
        for side in (-30.0, 30.0):
            near |= (rows - row - 15) ** 2 + (cols - col - side) ** 2 < radius_px**2
    return near


def search(image, spine=SPINE, valid=None, metal=None):
    everywhere = np.ones(SHAPE, bool)
    none = np.zeros(SHAPE, bool)
    return denser_than_bone(
        image, everywhere if valid is None else valid, spine, reach(), none if metal is None else metal, MM
    )


def test_a_spine_alone_is_nothing_dense():
    found = search(film())
    assert not found.mask.any()
    assert found.reason == ""


def test_something_twice_as_high_as_bone_is_found_where_it_lies():
    found = search(film() + blob(2.0 * BONE))
    rows, cols = np.nonzero(found.mask)
    # The centre of what was planted, to 2 mm: the pillar beneath it pulls inwards.
    assert rows.mean() == pytest.approx(292.0, abs=4.0)
    assert cols.mean() == pytest.approx(156.0, abs=4.0)


def test_a_gain_of_the_display_changes_nothing():
    once, twice = search(film() + blob(2.0 * BONE)), search(7.0 * (film() + blob(2.0 * BONE)) - 3.0)
    assert np.array_equal(once.mask, twice.mask)


def test_both_sides_alike_are_found_on_both_sides():
    left, right = blob(2.0 * BONE), blob(2.0 * BONE, at=(292.0, 84.0))
    found = search(film() + left + right)
    assert found.mask[292, 156]
    assert found.mask[292, 84]


@pytest.mark.parametrize(
    ("planted", "why"),
    [
        (blob(0.35 * BONE), "a veil"),
        (blob(2.0 * BONE, size=(3.0, 3.0)), "a small sclerotic facet"),
        (blob(2.0 * BONE, at=(292.0, 120.0), size=(18.0, 4.0)), "a spinous process"),
        (blob(2.0 * BONE, at=(292.0, 225.0)), "beyond reach"),
    ],
)
def test_what_may_be_something_else_is_not_claimed(planted, why):
    assert not search(film() + planted).mask.any(), why


def test_a_screw_is_turned_down_for_its_edges():
    image = film()
    image[270:330, 146:158] += 3.0 * BONE
    found = search(image)
    assert not found.mask.any()
    assert any("sharp" in note for note in found.notes)


def test_what_is_denser_than_this_block_s_contrast_can_be_is_turned_down():
    found = search(film() + blob(8.0 * BONE))
    assert not found.mask.any()
    assert any("denser than contrast" in note for note in found.notes)


def test_gut_full_of_barium_is_turned_down_for_its_length():
    image = film() + blob(4.0 * BONE, at=(292.0, 170.0), size=(12.0, 50.0))
    image = image + blob(4.0 * BONE, at=(380.0, 225.0), size=(80.0, 10.0))
    found = search(image)
    assert not found.mask.any()
    assert any("far beyond" in note for note in found.notes)


def test_what_is_as_bright_as_the_image_goes_is_turned_down():
    image = np.minimum(film() + blob(6.0 * BONE, size=(14.0, 7.0)), 2.5 * BONE + 1.0).astype(np.float32)
    found = search(image)
    assert not found.mask.any()
    assert any("as bright as" in note for note in found.notes)


def test_a_known_needle_is_filled_in_from_beside():
    image = film()
    image[250:330, 150:155] += 4.0 * BONE
    metal = np.zeros(SHAPE, bool)
    metal[248:332, 147:158] = True
    assert not search(image, metal=metal).mask.any()


def test_along_the_edge_of_the_field_nothing_is_claimed():
    valid = np.ones(SHAPE, bool)
    valid[:, 160:] = False
    found = search(film() + blob(2.0 * BONE, at=(292.0, 160.0)), valid=valid)
    assert not found.mask.any()


@pytest.mark.parametrize("spine", [Spine(CENTERS, np.array([True] + 5 * [False])), Spine(CENTERS[:2], SPARED[:2])])
def test_without_vertebrae_to_compare_with_the_image_is_not_searched(spine):
    found = search(film() + blob(2.0 * BONE), spine)
    assert not found.mask.any()
    assert "too few vertebrae" in found.reason


def test_centres_without_flags_are_refused():
    with pytest.raises(ValueError, match="one flag each"):
        Spine(CENTERS, SPARED[:3])
