"""The procedural anatomy: closed surfaces, true landmarks, proportions of real spines, repeatability."""

from dataclasses import replace

import numpy as np
import pytest

from fluorospread.simulation.anatomy.anatomy_shape import AnatomyShape, level_names
from fluorospread.simulation.anatomy.procedural import build_anatomy, sample_anatomy, vertebra_poses
from fluorospread.simulation.anatomy.surface import Anatomy, Surface

GRID_MM = 2.0

# Mean and sd in mm of the distance of neighbouring body centres in 2,116 spines (ImFusion VID, supine CT).
PITCH_MM = {
    "T11-T12": (29.6, 2.3),
    "T12-L1": (32.4, 3.2),
    "L1-L2": (34.6, 2.6),
    "L2-L3": (35.8, 2.7),
    "L3-L4": (36.5, 2.7),
    "L4-L5": (36.3, 3.1),
}


@pytest.fixture(scope="module")
def average() -> Anatomy:
    return build_anatomy(AnatomyShape.average(), GRID_MM)


@pytest.fixture(scope="module", params=[3, 8])
def person(request: pytest.FixtureRequest) -> Anatomy:
    return sample_anatomy(np.random.default_rng(request.param), grid_mm=GRID_MM)


def surfaces(anatomy: Anatomy) -> dict[str, Surface]:
    found = {f"{bone.name}.outer": bone.outer for bone in anatomy.bones}
    found |= {f"{bone.name}.inner": bone.inner for bone in anatomy.bones if bone.inner is not None}
    found |= {part.name: part.surface for part in anatomy.soft_parts}
    assert anatomy.skin is not None
    return found | {"skin": anatomy.skin}


def test_every_edge_of_every_surface_is_shared_by_two_faces_of_opposite_sense(person: Anatomy) -> None:
    for name, surface in surfaces(person).items():
        f = surface.faces.astype(np.int64)
        edges = np.concatenate([f[:, [0, 1]], f[:, [1, 2]], f[:, [2, 0]]])
        key = edges[:, 0] * len(surface.vertices_mm) + edges[:, 1]
        opposite = edges[:, 1] * len(surface.vertices_mm) + edges[:, 0]
        assert len(np.unique(key)) == len(key), name
        assert np.array_equal(np.sort(key), np.sort(opposite)), name


def test_every_surface_is_wound_outwards_and_the_inner_one_is_smaller(person: Anatomy) -> None:
    assert all(surface.volume_mm3() > 0 for surface in surfaces(person).values())
    for bone in person.bones:
        assert bone.inner is not None
        assert bone.inner.volume_mm3() < bone.outer.volume_mm3()


def test_every_landmark_named_for_an_anatomy_is_there(person: Anatomy) -> None:
    wanted = {"S1.center", "S2.center"}
    for level in level_names(person.lumbar_count)[2:]:
        wanted |= {f"{level}.center"}
        wanted |= {f"{level}.{k}.{s}" for k in ("pedicle", "junction", "tp_tip", "sap_tip") for s in ("left", "right")}
    wanted |= {f"{k}.{s}" for k in ("S1.junction", "S1.sap_tip", "iliac_crest", "rib12") for s in ("left", "right")}
    assert set(person.landmarks_mm) == wanted


def test_junctions_and_tips_lie_on_bone(person: Anatomy) -> None:
    bones = {bone.name: bone.outer.vertices_mm for bone in person.bones}
    for name, point in person.landmarks_mm.items():
        level, kind = name.split(".")[0], name.split(".")[1]
        vertices = bones["sacrum" if level == "S1" else level] if level in ("S1", *bones) else None
        if vertices is None or kind not in ("junction", "tp_tip", "sap_tip"):
            continue
        nearest = float(np.linalg.norm(vertices - point, axis=1).min())
        # Vertices are up to a grid diagonal apart, and a junction's error must stay below 1.5 mm.
        assert nearest < (1.5 if kind == "junction" else 3.0), name


def test_left_and_right_are_the_patients_and_junctions_lie_between_pedicle_and_tip(person: Anatomy) -> None:
    points = person.landmarks_mm
    for level in level_names(person.lumbar_count)[4:]:
        for side, sign in (("left", 1.0), ("right", -1.0)):
            across = [
                sign * (points[f"{level}.{kind}.{side}"][0] - points[f"{level}.center"][0])
                for kind in ("pedicle", "junction", "tp_tip")
            ]
            assert 5.0 < across[0] < across[1] < across[2] < 70.0


def test_a_symmetric_shape_gives_mirrored_surfaces_and_landmarks(average: Anatomy) -> None:
    points = average.landmarks_mm
    for name, point in points.items():
        if name.endswith(".left"):
            mirrored = points[name.replace(".left", ".right")] * np.array([-1.0, 1.0, 1.0])
            assert point == pytest.approx(mirrored, abs=1e-3), name
    for bone in average.bones:
        if bone.name.startswith("L"):
            low, high = bone.outer.vertices_mm.min(axis=0), bone.outer.vertices_mm.max(axis=0)
            assert -low[0] == pytest.approx(high[0], abs=1e-3)


def test_a_person_sampled_without_asymmetry_has_equal_sides() -> None:
    shape = AnatomyShape.sample(np.random.default_rng(4), asymmetry=0.0)
    assert all(v.left == v.right and v.lateral_wedge == 0.0 for v in shape.vertebrae.values())
    assert set(shape.coronal_deg.values()) | set(shape.rotation_deg.values()) == {0.0}
    assert all(f.angle_deg[0] == f.angle_deg[1] for f in shape.facets.values())


def test_body_centres_are_as_far_apart_as_in_real_spines() -> None:
    rng = np.random.default_rng(7)
    shapes = [AnatomyShape.sample(rng, lumbar_count=5) for _ in range(150)]
    centers = [{n: pose[:3, 3] for n, pose in vertebra_poses(shape).items()} for shape in shapes]
    for pair, (mean, sd) in PITCH_MM.items():
        upper, lower = pair.split("-")
        pitch = np.array([np.linalg.norm(c[upper] - c[lower]) for c in centers])
        assert pitch.mean() == pytest.approx(mean, abs=1.0), pair
        assert 0.5 * sd < pitch.std() < 1.6 * sd, pair


def test_the_average_spine_has_a_lordosis_and_l3_at_the_origin(average: Anatomy) -> None:
    points = average.landmarks_mm
    assert points["L3.center"] == pytest.approx(np.zeros(3), abs=1e-9)
    assert points["L1.center"][1] > points["L3.center"][1] + 10.0
    assert points["S1.center"][1] > points["L4.center"][1] + 10.0
    heights = [points[f"{level}.center"][2] for level in (*level_names(5)[2:], "S1", "S2")]
    assert heights == sorted(heights, reverse=True)


def test_the_iliac_crests_stand_about_l4(average: Anatomy) -> None:
    points = average.landmarks_mm
    crest = points["iliac_crest.left"][2]
    assert points["L5.center"][2] < crest < points["L3.center"][2]


@pytest.mark.parametrize("count", [4, 5, 6])
def test_the_lumbar_count_asked_for_is_built(count: int) -> None:
    shape = AnatomyShape.sample(np.random.default_rng(count), lumbar_count=count)
    anatomy = build_anatomy(shape, 3.0)
    lumbar = {bone.name for bone in anatomy.bones if bone.name.startswith("L")}
    assert lumbar == {f"L{n}" for n in range(1, count + 1)}
    assert anatomy.lumbar_count == count
    assert f"L{count}.junction.left" in anatomy.landmarks_mm


def test_a_person_without_twelfth_ribs_says_so() -> None:
    average = AnatomyShape.average()
    anatomy = build_anatomy(replace(average, ribs=replace(average.ribs, twelfth="none")), 3.0)
    assert not anatomy.has_twelfth_ribs
    assert not any(bone.name.startswith("rib12") for bone in anatomy.bones)
    assert not any(name.startswith("rib12") for name in anatomy.landmarks_mm)


def test_the_same_seed_gives_the_same_arrays() -> None:
    one, two = (sample_anatomy(np.random.default_rng(11), grid_mm=3.0) for _ in range(2))
    first, second = surfaces(one), surfaces(two)
    assert first.keys() == second.keys()
    for name, surface in first.items():
        assert np.array_equal(surface.vertices_mm, second[name].vertices_mm), name
        assert np.array_equal(surface.faces, second[name].faces), name
    assert all(np.array_equal(point, two.landmarks_mm[name]) for name, point in one.landmarks_mm.items())


def test_soft_parts_stay_within_the_skin(person: Anatomy) -> None:
    assert person.skin is not None
    low, high = person.skin.vertices_mm.min(axis=0), person.skin.vertices_mm.max(axis=0)
    for part in person.soft_parts:
        assert (part.surface.vertices_mm.min(axis=0) >= low - 1e-6).all(), part.name
        assert (part.surface.vertices_mm.max(axis=0) <= high + 1e-6).all(), part.name


@pytest.mark.parametrize("grid_mm", [0.3, 5.0])
def test_a_grid_too_fine_or_too_coarse_is_refused(grid_mm: float) -> None:
    with pytest.raises(ValueError, match="grid_mm"):
        sample_anatomy(np.random.default_rng(0), grid_mm=grid_mm)


def test_a_count_no_spine_has_is_refused() -> None:
    with pytest.raises(ValueError, match="lumbar_count"):
        replace(AnatomyShape.average(), lumbar_count=7)
