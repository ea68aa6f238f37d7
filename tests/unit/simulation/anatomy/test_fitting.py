"""Completing one person from another, and bending the chain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fluorospread.simulation.anatomy.fitting import CHAIN, Part, Person, Pose, Shell, completed, posed, relative_size
from fluorospread.simulation.anatomy.landmarks_on_mesh import Frame, VertebraShape
from fluorospread.simulation.anatomy.surface import Surface
from fluorospread.simulation.anatomy.variation import (
    read_spine_poses,
    sacralised,
    varied,
    with_arches_reshaped,
    with_hips_moved,
    with_sacrum_reshaped,
)

OCTAHEDRON = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1.0]])
FACES = np.array(
    [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]], dtype=np.int32
)


def gem(centre: np.ndarray, size: float) -> Surface:
    return Surface(OCTAHEDRON * size + centre, FACES)


def part(height_mm: float, size: float = 1.0) -> Part:
    centre = np.array([0.0, 0.0, height_mm])
    shape = VertebraShape(17 * size, 30 * size, 45 * size, 26 * size)
    marks = {"center": centre, "junction.left": centre + np.array([25.0, 20.0, 6.0]) * size}
    return Part(gem(centre, 20 * size), gem(centre, 18 * size), Frame(centre, np.eye(3)), shape, marks)


def donor() -> Person:
    vertebrae = {level: part(30.0 * (i + 1)) for i, level in enumerate(CHAIN)}
    sacrum = Part(
        gem(np.zeros(3), 25), gem(np.zeros(3), 23), Frame(np.zeros(3), np.eye(3)), None, {"S1.center": np.zeros(3)}
    )
    rib = gem(np.array([60.0, 20.0, 170.0]), 10)
    hip = gem(np.array([70.0, 0.0, 10.0]), 60)
    return Person("donor", vertebrae, sacrum, {"rib12.left": Shell(rib, rib), "hip.left": Shell(hip, hip)})


def straight(joints: int = 9) -> Pose:
    return Pose(np.zeros(joints), np.zeros(joints), np.zeros(joints), np.ones(joints))


def test_missing_bones_keep_their_place_beside_the_neighbour_at_the_persons_size() -> None:
    own = {level: part(1000 + 36.0 * i, 1.2) for i, level in enumerate(("L4", "L3"))}
    whole = completed(Person("large", own), [donor()])
    assert set(whole.vertebrae) == set(CHAIN)
    # Donor levels lie 30 mm apart; the person is 1.2 times as large.
    assert whole.vertebrae["L5"].frame.origin_mm[2] == pytest.approx(1000 - 36)
    assert whole.vertebrae["L1"].frame.origin_mm[2] == pytest.approx(1036 + 72)
    assert whole.sacrum is not None
    assert whole.sacrum.frame.origin_mm[2] == pytest.approx(1000 - 72)
    assert whole.others["rib12.left"].outer.vertices_mm[:, 0].max() == pytest.approx(1.2 * 70)


def test_size_is_the_ratio_of_vertebrae_that_both_have() -> None:
    assert relative_size(Person("p", {"L3": part(0, 1.3)}), donor()) == pytest.approx(1.3)
    assert relative_size(Person("p", {"T9": part(0, 1.3)}), donor()) == 1.0


def test_a_person_without_vertebrae_or_donors_is_refused() -> None:
    with pytest.raises(ValueError, match="no vertebra"):
        completed(Person("empty", {}), [donor()])
    with pytest.raises(ValueError, match="no donor has"):
        completed(Person("alone", {"L3": part(0)}), [])


def test_without_bending_the_person_stays_as_found() -> None:
    anatomy = posed(donor(), straight())
    assert anatomy.landmarks_mm["L3.center"] == pytest.approx([0, 0, 90])
    assert anatomy.landmarks_mm["L3.junction.left"] == pytest.approx([25, 20, 96])
    assert anatomy.landmarks_mm["iliac_crest.left"][2] == pytest.approx(70)
    assert anatomy.has_twelfth_ribs
    assert anatomy.lumbar_count == 5


def test_every_level_above_a_bent_joint_leans_with_it() -> None:
    pose = straight()
    pose.coronal_deg[1] = 10.0  # L4 on L5
    marks = posed(donor(), pose).landmarks_mm
    assert marks["L5.center"] == pytest.approx([0, 0, 30])
    # The hinge turns the first step by half of the bend, every further one by the whole.
    expected = 30 * (np.sin(np.radians(5)) + 2 * np.sin(np.radians(10)))
    assert marks["L2.center"][0] == pytest.approx(expected, abs=0.01)


def test_six_lumbar_vertebrae_are_stacked_without_a_gap_and_named_from_below() -> None:
    marks = posed(donor(), straight(10), lumbar_count=6).landmarks_mm
    heights = [marks[f"{name}.center"][2] for name in ("L6", "L5", "L4", "L3", "L2", "L1", "T12")]
    assert heights == pytest.approx([30, 60, 90, 120, 150, 180, 210])


def test_four_lumbar_vertebrae_leave_no_hole() -> None:
    marks = posed(donor(), straight(8), lumbar_count=4).landmarks_mm
    assert marks["T12.center"][2] == pytest.approx(150)
    assert "L5.center" not in marks


def test_a_hidden_rib_is_left_out() -> None:
    anatomy = posed(donor(), straight(), hide_ribs=frozenset({"rib12.left"}))
    assert not anatomy.has_twelfth_ribs


def test_a_pose_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="needs as many joint values"):
        posed(donor(), straight(8))


def test_variation_scales_the_shape_about_its_centre() -> None:
    whole = varied(donor(), np.random.default_rng(3))
    part_of = whole.vertebrae["L3"]
    assert part_of.outer.vertices_mm.mean(axis=0) == pytest.approx([0, 0, 90], abs=0.5)
    spread = np.ptp(part_of.outer.vertices_mm, axis=0) / 40
    assert (spread > 0.8).all()
    assert (spread < 1.25).all()
    assert not np.allclose(spread, 1.0)


def test_hips_move_without_ribs_and_spine() -> None:
    person = donor()
    moved = with_hips_moved(person, 8.0)
    fall = person.others["hip.left"].outer.vertices_mm - moved.others["hip.left"].outer.vertices_mm
    assert fall == pytest.approx(np.tile([0.0, 0.0, 8.0], (len(fall), 1)))
    assert moved.others["rib12.left"] is person.others["rib12.left"]
    assert moved.vertebrae is person.vertebrae


def test_a_sacralised_vertebra_has_broad_lateral_parts_bent_down_and_a_narrow_disc() -> None:
    person = donor()
    last = person.vertebrae["L5"]
    assert last.shape is not None
    # A body narrower than the octahedron, so that its left and right corners are "transverse processes".
    narrow = replace(last, shape=replace(last.shape, body_width_mm=20.0))
    person = replace(person, vertebrae={**person.vertebrae, "L5": narrow})
    for seed in range(6):
        changed, pose = sacralised(person, straight(), np.random.default_rng(seed))
        before, after = narrow.outer.vertices_mm, changed.vertebrae["L5"].outer.vertices_mm
        # Corners 0 and 1 lie 20 mm to the left and right, twice the body's half width; 2-5 lie on the midline.
        bent = before[:2, 2] - after[:2, 2]
        assert 4.0 <= bent.max() <= 11.0
        assert after[2:] == pytest.approx(before[2:])
        assert 0.72 <= pose.pitch[0] <= 0.92
        assert (pose.pitch[1:] == 1.0).all()
        assert changed.vertebrae["L4"] is person.vertebrae["L4"]


def with_points_on_the_surface() -> Part:
    """A gem whose back corner lies behind the canal and whose side corners reach beyond the body, each a landmark."""
    gem_part = part(0.0)
    assert gem_part.shape is not None
    tip = np.array([20.0, 25.0, 5.0])
    points = np.array([tip, tip * [-1, 1, 1], [0.0, 5.0, 0.0]])
    surface = Surface(np.vstack([gem_part.outer.vertices_mm, points]), FACES)
    marks = {"center": points[2], "tp_tip.left": points[0], "tp_tip.right": points[1]}
    shape = replace(gem_part.shape, body_width_mm=20.0)
    return replace(gem_part, outer=surface, inner=surface, shape=shape, landmarks=marks)


def test_reshaped_arches_take_their_landmarks_along_and_leave_the_body() -> None:
    before = with_points_on_the_surface()
    lifts = []
    for seed in range(6):
        person = with_arches_reshaped(Person("p", {"L4": before}), np.random.default_rng(seed))
        after = person.vertebrae["L4"]
        landmarks = [after.landmarks[name] for name in ("tp_tip.left", "tp_tip.right", "center")]
        assert after.outer.vertices_mm[6:] == pytest.approx(np.array(landmarks))
        # In front of the canal nothing moves.
        assert after.landmarks["center"] == pytest.approx(before.landmarks["center"])
        assert after.outer.vertices_mm[:6] == pytest.approx(before.outer.vertices_mm[:6], abs=1.5)
        lifts.append(after.landmarks["tp_tip.left"][2] - 5.0)
        # One side by itself.
        assert after.landmarks["tp_tip.right"][2] - 5.0 != pytest.approx(lifts[-1])
    assert 0.5 < np.abs(lifts).max() < 12.0


def test_a_reshaped_sacrum_takes_hips_and_landmarks_along_and_keeps_its_plate() -> None:
    plate, joint, apex = [5.0, 3.0, 14.0], [45.0, 10.0, -20.0], [0.0, 20.0, -90.0]
    surface = Surface(np.array([plate, joint, apex]), np.array([[0, 1, 2]], dtype=np.int32))
    marks = {"S1.center": np.zeros(3), "apex": np.array(apex)}
    sacrum = Part(surface, surface, Frame(np.zeros(3), np.eye(3)), None, marks)
    hip, rib = Surface(np.array([joint] * 3), np.array([[0, 1, 2]], dtype=np.int32)), gem(np.zeros(3), 10)
    before = Person("p", {}, sacrum, {"hip.left": Shell(hip, hip), "rib12.left": Shell(rib, rib)})
    apexes = []
    for seed in range(6):
        after = with_sacrum_reshaped(before, np.random.default_rng(seed))
        assert after.sacrum is not None
        vertices = after.sacrum.outer.vertices_mm
        assert vertices[0] == pytest.approx(plate)
        assert after.others["hip.left"].outer.vertices_mm[0] == pytest.approx(vertices[1])
        assert after.others["rib12.left"] is before.others["rib12.left"]
        assert after.sacrum.landmarks["apex"] == pytest.approx(vertices[2])
        apexes.append(vertices[2])
    # Bent by up to 22 degrees, 8 % (1 sd) longer: a tip 104 mm below the plate moves by centimetres, not decimetres.
    assert 5 < np.std(apexes, axis=0)[1] < 40
    lone = Person("p", {})
    assert with_sacrum_reshaped(lone, np.random.default_rng(0)) is lone


def test_a_sacralised_vertebra_takes_its_landmarks_along() -> None:
    last = with_points_on_the_surface()
    person = Person("p", {"L5": last})
    changed, _ = sacralised(person, straight(), np.random.default_rng(1))
    after = changed.vertebrae["L5"]
    moved = [after.landmarks[name] for name in ("tp_tip.left", "tp_tip.right")]
    assert after.outer.vertices_mm[6:8] == pytest.approx(np.array(moved))
    assert all(abs(float(point[2]) - 5.0) > 0.5 for point in moved)


def test_a_straight_spine_in_the_table_gives_poses_without_sideways_bend(tmp_path: Path) -> None:
    lines = ["spine,split,kind,level,x_mm,y_mm,z_mm"]
    heights = np.cumsum([0, 36.3, 36.5, 35.8, 34.6])
    lines += [f"a,t,body,{level},5,0,{z}" for level, z in zip(CHAIN[:5], heights, strict=True)]
    lines += ["b,t,body,L5,0,0,0", "a,t,pedicle,,1,2,3"]
    path = tmp_path / "spines.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    poses = read_spine_poses(path)
    # Spine b lacks L1-L4 and is left out; a's pitch is the mean one.
    assert poses.coronal_deg == pytest.approx(np.zeros((1, 8)))
    assert poses.pitch == pytest.approx(np.ones((1, 8)))
    assert len(poses.draw(np.random.default_rng(0), 10).pitch) == 10
