"""Things in the way attenuate as what they are, move with the gut where they lie in it, and are no contrast."""

import dataclasses
from types import ModuleType

import numpy as np
import pytest

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import Role
from fluorospread.simulation.anatomy.surface import Anatomy
from fluorospread.simulation.burned_text import writing
from fluorospread.simulation.case_recipe import (
    CaseRecipe,
    ImageRecipe,
    PersonRecipe,
    PunctureRecipe,
    ViewRecipe,
)
from fluorospread.simulation.clutter import Body, ClutterKind, add_bodies, ellipsoid, make_bodies, shows
from fluorospread.simulation.contrast import Spread
from fluorospread.simulation.projection import CArm
from fluorospread.simulation.render_case import SimulatedImage, render_case
from fluorospread.simulation.spectrum import Substance
from fluorospread.simulation.stored_pixels import PixelFormat, Relationship

CARM = CArm(1000.0, 800.0, (1.25, 1.25), 240, 240)
BODIES = [kind for kind in ClutterKind if kind is not ClutterKind.TEXT]
STILL = (0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def spine(builders: ModuleType) -> Anatomy:
    body = builders.box_spine()
    for level, z in (("L3", 32.0), ("L4", 0.0), ("L5", -32.0)):
        for side, sign in (("left", 1.0), ("right", -1.0)):
            body.landmarks_mm[f"{level}.pedicle.{side}"] = np.array([sign * 15.0, 18.0, z])
    return body


def test_a_body_takes_the_place_of_the_tissue_there() -> None:
    ball = Body(
        ClutterKind.GAS, (ellipsoid(np.zeros(3), np.array([20.0, 20.0, 20.0]), np.eye(3)),), {Substance.AIR: 0.0012}
    )
    path = {Substance.SOFT_TISSUE: np.full((240, 240), 21.2, dtype=np.float32)}
    add_bodies(path, [ball], CARM, STILL)
    # 4 cm through the middle: 4 x 1.06 g/cm² of tissue less; the mesh is a little inside the sphere.
    assert path[Substance.SOFT_TISSUE][120, 120] == pytest.approx(21.2 - 4.24, abs=0.1)
    assert path[Substance.AIR][120, 120] == pytest.approx(4 * 0.0012, rel=0.03)
    assert path[Substance.SOFT_TISSUE][5, 5] == np.float32(21.2)


def test_gut_moves_and_the_rest_stays() -> None:
    ball = ellipsoid(np.zeros(3), np.array([5.0, 5.0, 5.0]), np.eye(3))
    for in_gut, expected in ((True, 10.0), (False, 0.0)):
        seen = shows([Body(ClutterKind.STOOL, (ball,), {Substance.AIR: 0.0012}, in_gut)], CARM, (10.0, 0.0, 0.0))
        # A pixel is 1 mm in the isocentre's plane, columns to the left.
        assert np.nonzero(seen)[1].mean() - 119.5 == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("seed", range(3))
def test_every_kind_is_closed_lies_in_the_body_and_shows(kind: ClutterKind, seed: int, spine: Anatomy) -> None:
    bodies = make_bodies(kind, spine, np.random.default_rng(seed))
    assert bodies
    for body in bodies:
        assert all(surface.volume_mm3() > 0 for surface in body.surfaces)
        # Closed: every directed edge is met by its opposite.
        for surface in body.surfaces[:3]:
            edges = np.concatenate([surface.faces[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
            assert {tuple(e) for e in edges.tolist()} == {tuple(e[::-1]) for e in edges.tolist()}
    length = sum(body.thickness_mm(CARM, STILL) for body in bodies)
    assert length.min() > -0.05
    assert length.max() > 0.3


def test_hardware_is_metal_at_the_pedicles(spine: Anatomy) -> None:
    (metal,) = make_bodies(ClutterKind.HARDWARE, spine, np.random.default_rng(0))
    assert set(metal.g_cm3) <= {Substance.TITANIUM, Substance.STEEL}
    seen = shows([metal], CARM, STILL)
    # Screws at two levels at least on both sides of the midline.
    assert seen[:, :115].any()
    assert seen[:, 125:].any()


CASE = CaseRecipe(
    "clutter",
    "in the way",
    3,
    PersonRecipe(0),
    (ImageRecipe(Role.POST, contrast=True),),
    (PunctureRecipe(Level.L5, Side.LEFT),),
    (Spread(Side.LEFT, (Level.L4, Level.L5)),),
    contrast_given=True,
    view=ViewRecipe(offset_mm=(0.0, 25.0, 0.0), detector_spacing_mm=1.5, rows=170, cols=170),
    pixel_format=PixelFormat(Relationship.LOG, 12, -1),
)


def image(spine: Anatomy, *kinds: ClutterKind) -> SimulatedImage:
    return render_case(dataclasses.replace(CASE, clutter=kinds), spine).images[0]


@pytest.mark.parametrize("kind", [ClutterKind.BOWEL_CONTRAST, ClutterKind.HARDWARE])
def test_clutter_changes_the_picture_and_not_the_contrast_truth(kind: ClutterKind, spine: Anatomy) -> None:
    clear, cluttered = image(spine), image(spine, kind)
    np.testing.assert_array_equal(clear.truth.contrast_mask, cluttered.truth.contrast_mask)
    assert clear.truth.clutter_mask is None
    mask = cluttered.truth.clutter_mask
    assert mask is not None
    change = cluttered.log_path - clear.log_path
    assert np.abs(change[~mask]).max() < 0.06
    assert change[mask].mean() > 0.05


def test_iodine_in_the_bowel_attenuates_beside_the_contrast(spine: Anatomy) -> None:
    from fluorospread.simulation.detector import Exposure
    from fluorospread.simulation.scene import log_path_of

    tissue = {Substance.WATER: np.full((2, 2), 20.0, np.float32), Substance.IODINE: np.full((2, 2), 0.01, np.float32)}
    iodine = np.full((2, 2), 10.0, np.float32)
    doubled = {Substance.WATER: tissue[Substance.WATER]}
    np.testing.assert_allclose(
        log_path_of(tissue, iodine, Exposure()), log_path_of(doubled, 2 * iodine, Exposure()), rtol=1e-6
    )


def test_writing_is_white_in_the_stored_pixels_and_counts_as_clutter(spine: Anatomy) -> None:
    written = image(spine, ClutterKind.TEXT)
    mask = written.truth.clutter_mask
    assert mask is not None
    assert 20 < mask.sum() < 0.2 * mask.size
    assert (written.stored.pixels[mask] == 4095).all()
    np.testing.assert_array_equal(written.stored.pixels[~mask], image(spine).stored.pixels[~mask])


def test_the_side_letter_is_on_its_side() -> None:
    for seed in range(40):
        ways = [writing((400, 400), np.random.default_rng(seed), to_left) for to_left in (True, False)]
        if not np.array_equal(*ways):
            break
    # Mirroring the columns moves the letter, and nothing else, to the other border.
    moved = ways[0] ^ ways[1]
    columns = np.nonzero(moved.any(axis=0))[0]
    assert columns.min() < 40
    assert columns.max() > 360


def test_clutter_needs_a_spine_to_be_placed_by(spine: Anatomy) -> None:
    bare = dataclasses.replace(spine, landmarks_mm={})
    with pytest.raises(UsageError, match=r"L3\.center"):
        make_bodies(ClutterKind.GAS, bare, np.random.default_rng(0))
