"""Simulated cases enter through DICOM files that say what the truth says."""

import dataclasses
import json
import tomllib
from pathlib import Path

import numpy as np
import pydicom
import pytest

from fluorospread.errors import OutputError
from fluorospread.model.anatomy import Side
from fluorospread.model.case import Role
from fluorospread.pipeline.write_simulated_case import mask_to_runs, runs_to_mask, write_simulated_case
from fluorospread.simulation.aberrant import Aberrant, AberrantKind
from fluorospread.simulation.anatomy.surface import Anatomy
from fluorospread.simulation.case_recipe import CaseRecipe, CineRecipe, ImageRecipe, TagGroup
from fluorospread.simulation.cases import build_person, sample_cases
from fluorospread.simulation.inflow import Injection


@pytest.fixture(scope="module")
def person() -> Anatomy:
    return build_person(sample_cases()[0].person, grid_mm=3.0)


@pytest.fixture(scope="module")
def recipe() -> CaseRecipe:
    """P1-01 on a small detector."""
    case = sample_cases()[0]
    return dataclasses.replace(case, view=dataclasses.replace(case.view, rows=256, cols=256, detector_spacing_mm=1.2))


@pytest.fixture(scope="module")
def folder(recipe: CaseRecipe, person: Anatomy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("case")
    write_simulated_case(recipe, path, person)
    return path


def test_the_folder_holds_images_case_file_and_truth(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == ["case.toml", "needle.dcm", "post.dcm", "truth.json"]
    case = tomllib.loads((folder / "case.toml").read_text(encoding="utf-8"))
    assert case["case_id"] == "P1-01"
    assert case["contrast_given"] is True
    assert case["images"] == {"needle": "needle.dcm", "post": "post.dcm"}


def test_the_tags_describe_the_pose(folder: Path) -> None:
    dataset = pydicom.dcmread(folder / "needle.dcm")
    assert list(dataset.ImagerPixelSpacing) == [1.2, 1.2]
    assert float(dataset.DistanceSourceToDetector) == 1000.0
    assert float(dataset.EstimatedRadiographicMagnificationFactor) == pytest.approx(1000 / 720, abs=1e-4)
    assert list(dataset.PatientOrientation) == ["L", "F"]
    assert dataset.PatientPosition == "HFP"
    # The detector is behind the prone patient.
    assert float(dataset.PositionerPrimaryAngle) == 180.0
    assert (dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign) == ("LOG", -1)


def test_images_of_one_case_share_a_study_and_nothing_else(folder: Path) -> None:
    needle, post = (pydicom.dcmread(folder / name, stop_before_pixels=True) for name in ("needle.dcm", "post.dcm"))
    assert needle.StudyInstanceUID == post.StudyInstanceUID
    assert needle.SOPInstanceUID != post.SOPInstanceUID


def test_the_file_holds_the_very_pixels_that_were_rendered(folder: Path, recipe: CaseRecipe, person: Anatomy) -> None:
    case = write_simulated_case(recipe, folder, person)
    np.testing.assert_array_equal(pydicom.dcmread(folder / "post.dcm").pixel_array, case.image(Role.POST).stored.pixels)


def test_truth_names_points_mask_and_outcome(folder: Path, recipe: CaseRecipe) -> None:
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    assert truth["schema"] == "fluorospread/truth/1"
    assert truth["outcome"] == "verified"
    assert truth["iodine_mg"] == {"left": 240.0, "right": 240.0}
    assert {(c["level"], c["side"]): c["covered"] for c in truth["coverage"] if c["level"] in ("L4", "L5")} == {
        (level, side): True for level in ("L4", "L5") for side in ("left", "right")
    }
    post = next(i for i in truth["images"] if i["role"] == "post")
    mask = runs_to_mask(post["contrast_mask"]["runs"], (256, 256))
    assert mask.sum() == post["contrast_mask"]["area_px"] > 0
    junction = next(j for j in post["junctions"] if (j["level"], j["side"]) == ("L5", "left"))
    assert mask[round(junction["point_px"][0]), round(junction["point_px"][1])]


def test_writing_twice_gives_the_same_bytes(folder: Path, recipe: CaseRecipe, person: Anatomy, tmp_path: Path) -> None:
    write_simulated_case(recipe, tmp_path, person)
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_what_a_recipe_leaves_out_is_not_written(recipe: CaseRecipe, person: Anatomy, tmp_path: Path) -> None:
    bare = dataclasses.replace(
        recipe, images=recipe.images[:1], spreads=(), contrast_given=False, left_out=frozenset(TagGroup)
    )
    write_simulated_case(bare, tmp_path, person)
    dataset = pydicom.dcmread(tmp_path / "needle.dcm")
    for keyword in ("ImagerPixelSpacing", "DistanceSourceToDetector", "EstimatedRadiographicMagnificationFactor"):
        assert keyword not in dataset
    assert not dataset.PatientOrientation
    assert "PixelIntensityRelationshipSign" not in dataset


@pytest.mark.parametrize("case", sample_cases(), ids=lambda case: case.case_id)
def test_each_samples_truth_is_what_it_is_made_to_show(case: CaseRecipe, tmp_path: Path) -> None:
    small = dataclasses.replace(
        case,
        view=dataclasses.replace(
            case.view,
            rows=case.view.rows // 4,
            cols=case.view.cols // 4,
            detector_spacing_mm=4 * case.view.detector_spacing_mm,
        ),
    )
    truth = write_simulated_case(small, tmp_path, build_person(small.person, grid_mm=3.0)).truth
    at_target = {p.side.value for p in truth.punctures if p.level.value == "L5" and p.distance_mm < 4.0}
    covered = {(c.level.value, c.side.value) for c in truth.coverage if c.covered and c.level.value in ("L4", "L5")}
    everything = {(level, side) for level in ("L4", "L5") for side in ("left", "right")}
    # At least 6 mm either way, less a pixel of this small detector.
    pixel_mm = 4 * case.view.detector_spacing_mm * case.view.source_to_isocentre_mm / case.view.sid_mm
    assert all(abs(c.margin_mm) >= 6.0 - pixel_mm for c in truth.coverage if c.level.value in ("L4", "L5"))
    needle = truth.images[0]
    assert all(n.tip_px is not None for n in needle.needles)
    if case.case_id.startswith("P1"):
        assert at_target == {"left", "right"}
        assert covered == (everything if case.contrast_given else set())
    elif case.case_id == "F-puncture-at-L4":
        assert (at_target, covered) == (set(), everything)
    elif case.case_id == "F-one-side-only":
        assert (at_target, covered) == ({"left"}, {("L4", "left"), ("L5", "left")})
    elif case.case_id == "F-short-of-L4":
        assert (at_target, covered) == ({"left", "right"}, {("L5", "left"), ("L5", "right")})
    elif case.case_id == "F-puncture-at-S1":
        assert {(p.side.value, p.level.value) for p in truth.punctures} == {("left", "S1"), ("right", "S1")}
    elif case.case_id == "F-vascular-uptake":
        assert (at_target, covered) == ({"left", "right"}, {("L4", "right"), ("L5", "right")})
        assert [side.value for side in truth.vascular_sides] == ["left"]
    elif case.case_id == "F-sides-contradicted":
        assert at_target == {"left", "right"}
        orientation = pydicom.dcmread(tmp_path / "needle.dcm", stop_before_pixels=True)
        assert (list(orientation.PatientOrientation), orientation.PositionerPrimaryAngle) == (["L", "F"], 90)
    elif case.case_id == "F-six-lumbar":
        in_view = [v.level.value for v in needle.vertebrae if v.in_view]
        assert in_view[in_view.index("T12") :] == ["T12", "L1", "L2", "L3", "L4", "L5", "L6", "S1"]
    else:
        in_view = {v.level.value for v in needle.vertebrae if v.in_view}
        assert not in_view & {"S1", "T12", "T11"}
        assert at_target == {"left", "right"}
        assert all(j.in_view for j in needle.junctions if j.level.value == "L5")


def test_a_run_is_written_frame_by_frame_with_its_times_and_truth(
    recipe: CaseRecipe, person: Anatomy, tmp_path: Path
) -> None:
    cine = CineRecipe(frames=5, frame_time_ms=500.0, injection=Injection(0.7, 1.0), named_mask_frames=2)
    vessel = Aberrant(AberrantKind.VASCULAR, Side.RIGHT, concentration_mg_ml=150.0)
    run = dataclasses.replace(
        recipe,
        images=(ImageRecipe(Role.CINE, contrast=True, cine=cine),),
        aberrant=(vessel,),
        view=dataclasses.replace(recipe.view, rows=128, cols=128, detector_spacing_mm=2.4),
    )
    case = write_simulated_case(run, tmp_path, person)
    dataset = pydicom.dcmread(tmp_path / "cine.dcm")
    assert (dataset.NumberOfFrames, float(dataset.FrameTime)) == (5, 500.0)
    assert dataset.MaskSubtractionSequence[0].MaskFrameNumbers == [1, 2]
    np.testing.assert_array_equal(dataset.pixel_array, np.stack(list(case.image(Role.CINE).frames())))
    truth = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    assert [(a["kind"], a["side"], a["shown_in"]) for a in truth["aberrant"]] == [("vascular", "right", "cine")]
    told = truth["images"][0]["run"]
    assert told["times_s"] == [0.0, 0.5, 1.0, 1.5, 2.0]
    # Injected from 0.7 to 1.7 s: 30 %, then 80 % of 480 mg beside what the vessels hold.
    assert told["mask_frames"] == [0, 1]
    assert told["iodine_mg"][:2] == [0.0, 0.0]
    assert told["iodine_mg"][4] - 480.0 == pytest.approx(truth["aberrant"][0]["iodine_mg"], rel=0.5)
    assert runs_to_mask(told["vessel_mask"]["runs"], (128, 128)).sum() == told["vessel_mask"]["area_px"] > 0


def test_runs_and_masks_are_inverses() -> None:
    for mask in (np.eye(4, 5, dtype=np.bool_), np.ones((2, 3), np.bool_), np.zeros((2, 3), np.bool_)):
        np.testing.assert_array_equal(runs_to_mask(mask_to_runs(mask), mask.shape), mask)


def test_a_folder_that_cannot_be_made_is_refused(recipe: CaseRecipe, person: Anatomy, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    small = dataclasses.replace(
        recipe,
        images=recipe.images[:1],
        spreads=(),
        contrast_given=False,
        view=dataclasses.replace(recipe.view, rows=32, cols=32, detector_spacing_mm=9.6),
    )
    with pytest.raises(OutputError, match="writable folder"):
        write_simulated_case(small, tmp_path / "file" / "case", person)
