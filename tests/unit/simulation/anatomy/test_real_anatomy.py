"""A folder of people becomes whole anatomies, and only people whose junctions are all known are used."""

from pathlib import Path

import numpy as np
import pytest

from fluorospread.errors import MissingFileError
from fluorospread.simulation.anatomy.fitting import CHAIN, Part, Person, Shell
from fluorospread.simulation.anatomy.landmarks_on_mesh import Frame, VertebraShape
from fluorospread.simulation.anatomy.real_anatomy import AnatomyFolder, Spine
from fluorospread.simulation.anatomy.real_people import people_in
from fluorospread.simulation.anatomy.surface import Surface

CORNERS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1.0]])
FACES = np.array(
    [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]], dtype=np.int32
)


def turned(degrees: float) -> np.ndarray:
    a = np.radians(degrees)
    return np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])


def part(level: int, turn_deg: float, without: str = "") -> Part:
    turn, centre = turned(turn_deg), np.array([300.0, -80.0, 1000.0 + 34.0 * level])
    gem = Surface((CORNERS * [22.0, 17.0, 13.0]) @ turn.T + centre, FACES)
    marks = {"center": centre} | {
        f"junction.{side}": centre + turn @ [sign * 25.0, 22.0, 6.0]
        for side, sign in (("left", 1.0), ("right", -1.0))
        if side != without
    }
    return Part(gem, gem, Frame(centre, turn), VertebraShape(17.0, 30.0, 44.0, 26.0), marks)


def person(name: str, levels: tuple[str, ...] = CHAIN, turn_deg: float = 0.0, broken: str = "") -> Person:
    vertebrae = {
        level: part(CHAIN.index(level), turn_deg, "right" if level == broken else "") for level in levels
    }  # fmt: skip
    return Person(name, vertebrae)


def donor() -> Person:
    whole = person("artisynth")
    base = part(-1, 0.0)
    hip = Surface(CORNERS * [60.0, 50.0, 90.0] + [380.0, -80.0, 960.0], FACES)
    rib = Surface(CORNERS * [30.0, 20.0, 8.0] + [370.0, -60.0, 1180.0], FACES)
    others = {"hip.left": Shell(hip, hip), "rib12.left": Shell(rib, rib)}
    return Person(
        "artisynth",
        whole.vertebrae,
        Part(base.outer, base.inner, base.frame, None, {"S1.center": base.frame.origin_mm}),
        others,
    )


def folder(*people: Person) -> AnatomyFolder:
    return AnatomyFolder({p.name: (lambda p=p: p) for p in sorted((donor(), *people), key=lambda p: p.name)})


def test_what_a_person_lacks_is_taken_from_the_donors():
    found = folder(person("verse", ("L5", "L4", "L3", "L2"))).anatomy(1, share=1, shares=2, grid_mm=3.0)
    assert found.name == "verse"
    assert {b.name for b in found.bones} == {*CHAIN, "sacrum", "hip.left", "rib12.left"}
    assert found.skin is not None
    assert {p.name for p in found.soft_parts} >= {"trunk", "psoas.left", "psoas.right"}


def test_people_face_forwards_with_l3_at_the_origin():
    found = folder(person("verse", turn_deg=25.0)).anatomy(2, share=1, shares=2, grid_mm=3.0)
    marks = found.landmarks_mm
    assert marks["L3.center"] == pytest.approx([0, 0, 0], abs=1e-9)
    across = sum(marks[f"{v}.junction.left"] - marks[f"{v}.junction.right"] for v in ("L3", "L4", "L5"))
    assert across[0] > 0
    assert across[1] == pytest.approx(0.0, abs=1e-9)
    # Surfaces went with the points.
    l3 = next(b for b in found.bones if b.name == "L3").outer.vertices_mm
    assert l3.mean(axis=0) == pytest.approx([0, 0, 0], abs=0.5)


def test_only_the_people_named_are_drawn():
    people = folder(person("one"), person("two"), person("three"))
    assert {people.anatomy(seed, grid_mm=3.0, only=("one", "three")).name for seed in range(8)} == {"one", "three"}


def test_a_name_the_folder_lacks_is_refused():
    with pytest.raises(MissingFileError, match="no four among"):
        folder(person("one")).anatomy(0, only=("four",))


def test_nobody_with_an_unknown_junction_is_used():
    people = folder(person("broken", broken="L4"), person("whole"))
    assert {people.anatomy(seed, grid_mm=3.0).name for seed in range(12)} == {"artisynth", "whole"}


def test_shares_have_no_person_in_common():
    people = folder(person("b"), person("c"), person("d"))
    drawn = [{people.anatomy(seed, share, 2, grid_mm=3.0).name for seed in range(8)} for share in (0, 1)]
    assert drawn == [{"artisynth", "c"}, {"b", "d"}]


def test_the_same_seed_is_the_same_person():
    people = folder(person("b"), person("c"))
    one, two, other = (people.anatomy(seed, grid_mm=3.0) for seed in (5, 5, 6))
    assert np.array_equal(one.bones[2].outer.vertices_mm, two.bones[2].outer.vertices_mm)
    assert not np.array_equal(one.bones[2].outer.vertices_mm, other.bones[2].outer.vertices_mm)


@pytest.mark.parametrize(("count", "last"), [(4, "L4"), (5, "L5"), (6, "L6")])
def test_a_person_is_given_as_many_lumbar_vertebrae_as_asked_for(count: int, last: str):
    found = folder(person("one")).anatomy(0, grid_mm=3.0, spine=Spine(count))
    lumbar = sorted(b.name for b in found.bones if b.name.startswith("L"))
    assert (found.lumbar_count, lumbar) == (count, [f"L{i}" for i in range(1, count + 1)])
    marks = found.landmarks_mm
    assert marks["S1.center"][2] < marks[f"{last}.center"][2] < marks[f"L{count - 1}.center"][2]


def test_a_transitional_vertebra_sits_lower_on_the_sacrum():
    people = folder(person("one"))
    plain, other = (people.anatomy(3, grid_mm=3.0, spine=Spine(transitional=t)) for t in (False, True))
    gaps = [a.landmarks_mm["L5.center"][2] - a.landmarks_mm["S1.center"][2] for a in (plain, other)]
    assert (plain.transitional, other.transitional) == (False, True)
    assert gaps[1] < 0.95 * gaps[0]


def test_nobody_usable_is_said_by_name():
    with pytest.raises(MissingFileError, match="broken"):
        folder(person("broken", broken="L4")).anatomy(0, share=1, shares=2)


def test_a_folder_without_known_sources_is_refused(tmp_path: Path):
    with pytest.raises(MissingFileError, match="none of the public anatomies"):
        people_in(tmp_path)


def test_a_folder_without_a_sacrum_is_refused(tmp_path: Path):
    (tmp_path / "bsel").mkdir()
    (tmp_path / "bsel" / "P001.obj").write_text("v 0 0 0\n", encoding="utf-8")
    assert list(people_in(tmp_path)) == ["bsel-P001"]
    with pytest.raises(MissingFileError, match="sacrum"):
        AnatomyFolder.open(tmp_path)


SHARED = Path("../shared/data/anatomy")
needs_shared = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not SHARED.is_dir(), reason="public anatomies are not here (../shared/data/anatomy)"),
]


class TestSharedAnatomies:
    pytestmark = needs_shared

    def test_junctions_lie_where_labelled_processes_touch(self):
        """VerSe sub-regions of L3: 43/44 left/right transverse, 45/46 superior articular process; 1.5 mm voxels."""
        from scipy.ndimage import distance_transform_edt

        from fluorospread.simulation.anatomy.label_mask import read_nifti, surface_of_label
        from fluorospread.simulation.anatomy.landmarks_on_mesh import vertebra_frame, vertebra_landmarks

        vertebrae = read_nifti(SHARED / "verse_l3_crop" / "sub-ct_seg-vert_label-22_msk.nii.gz")
        regions = read_nifti(SHARED / "verse_l3_crop" / "sub-ct_seg-subreg_label-22_msk.nii.gz")
        surface = surface_of_label(vertebrae, 22, voxel_mm=1.0)
        found = vertebra_frame(surface)
        marks = vertebra_landmarks(surface, *found)
        own = np.asarray(vertebrae.voxels) == 22
        to_lps = regions.to_lps_mm
        for side, labels in (("left", (43, 45)), ("right", (44, 46))):
            reach = [distance_transform_edt(~((regions.voxels == label) & own), sampling=1.5) for label in labels]
            contact = np.argwhere(np.maximum(*reach) <= 1.6) @ to_lps[:3, :3].T + to_lps[:3, 3]
            junction = marks[f"junction.{side}"]
            # Two voxels. Measured: 2.4 mm left, 0.5 mm right.
            assert np.linalg.norm(contact - junction, axis=1).min() < 3.0
            # The landmark is the contact's cranial-lateral end as a frontal view shows it, not its middle.
            assert np.hypot(*(contact.mean(axis=0) - junction)[[0, 2]]) < 5.5

    def test_a_mask_without_sacrum_becomes_a_whole_person(self):
        readers = people_in(SHARED)
        some = AnatomyFolder({name: readers[name] for name in ("artisynth", "verse004")})
        found = some.anatomy(1, share=1, shares=2)
        assert found.name == "verse004"
        # The mask has no L1, sacrum or pelvis of its own.
        assert {"sacrum", "pelvis", "L5", "L1", "T9"} <= {b.name for b in found.bones}
        # Lumbar bodies 30 to 42 mm apart, from above downwards, as in adults.
        heights = np.array([found.landmarks_mm[f"L{i}.center"] for i in range(1, 6)])
        assert (np.linalg.norm(np.diff(heights, axis=0), axis=1) > 26).all()
        assert (np.linalg.norm(np.diff(heights, axis=0), axis=1) < 44).all()
        for side, sign in (("left", 1.0), ("right", -1.0)):
            beside = found.landmarks_mm[f"L4.junction.{side}"] - found.landmarks_mm["L4.center"]
            assert 14 < sign * beside[0] < 35
            assert beside[1] > 5
