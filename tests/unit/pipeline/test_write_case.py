import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fluorospread.errors import OutputError
from fluorospread.model.case import CaseImage, CaseResult, ContrastResult, Role, SoftwareVersion
from fluorospread.model.findings import ContrastMask, ContrastMethod, ContrastStatus
from fluorospread.model.geometry import NO_SCALE, UNKNOWN_ORIENTATION
from fluorospread.model.radiograph import ArrayFrames, PolaritySource, Quantity, Radiograph
from fluorospread.model.verdict import Flag, Outcome, Verdict
from fluorospread.pipeline import write_case as module
from fluorospread.pipeline.verify_case import VerifiedCase
from fluorospread.pipeline.write_case import check_writable, write_case
from fluorospread.reporting.case_json import read_case_json

SHAPE = (60, 50)
not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")


def case(path: Path, mask=None) -> VerifiedCase:
    radiograph = Radiograph(
        path=path,
        sha256="ab" * 32,
        frames=ArrayFrames(np.linspace(0, 1, 2 * 60 * 50, dtype=np.float32).reshape(2, *SHAPE)),
        field_of_view=np.ones(SHAPE, dtype=bool),
        quantity=Quantity.RELATIVE,
        polarity_source=PolaritySource.TAG,
    )
    if mask is None:
        contrast = ContrastMask(ContrastStatus.NOT_IMAGED, ContrastMethod.NONE, "no image after contrast")
    else:
        contrast = ContrastMask(ContrastStatus.FOUND, ContrastMethod.MASK_SUBTRACTION, mask=mask)
    image = CaseImage(
        path=str(path), sha256="ab" * 32, role=Role.POST, role_source="test", rows=60, cols=50, frames=2,
        sop_instance_uid="", geometry=NO_SCALE, orientation=UNKNOWN_ORIENTATION, quantity=Quantity.RELATIVE,
        polarity_source=PolaritySource.TAG, frame=1,
    )  # fmt: skip
    undetermined = Outcome.UNDETERMINED
    result = CaseResult(
        case_id="case",
        software=SoftwareVersion("fluorospread", "0.1.0", ""),
        protocol_name="p",
        protocol_sha256="cd" * 32,
        contrast_given=None,
        images=(image,),
        reference_image=None,
        contrast=ContrastResult(
            contrast.status, contrast.method, contrast.reason, 0, None if mask is None else module.MASK_FILE
        ),
        coverage=(),
        punctures=(),
        flags=(),
        verdict=Verdict(undetermined, undetermined, undetermined, ()),
    )
    return VerifiedCase(result, (radiograph,), contrast)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def planted_mask():
    mask = np.zeros(SHAPE, dtype=bool)
    mask[10:20, 5:9] = True
    return mask


def test_a_case_gives_its_three_files(tmp_path):
    write_case(case(tmp_path / "post.dcm", planted_mask()), tmp_path / "out")
    assert names(tmp_path / "out") == {"case.json", "annotated.png", "contrast_mask.png"}


def test_the_mask_has_the_image_s_pixels_and_255_is_contrast(tmp_path):
    write_case(case(tmp_path / "post.dcm", planted_mask()), tmp_path)
    picture = Image.open(tmp_path / "contrast_mask.png")
    assert picture.mode == "L"
    pixels = np.asarray(picture)
    assert pixels.shape == SHAPE
    assert set(np.unique(pixels)) == {0, 255}
    assert (pixels == 255).sum() == 40
    assert pixels[10, 5] == 255


def test_image_paths_are_relative_to_the_case_s_folder(tmp_path):
    written = write_case(case(tmp_path / "data" / "post.dcm"), tmp_path / "out" / "P1-01")
    assert written.images[0].path == "../../data/post.dcm"
    assert read_case_json(tmp_path / "out" / "P1-01" / "case.json") == written


def test_a_mask_of_an_earlier_run_does_not_stay(tmp_path):
    write_case(case(tmp_path / "post.dcm", planted_mask()), tmp_path)
    write_case(case(tmp_path / "post.dcm"), tmp_path)
    assert names(tmp_path) == {"case.json", "annotated.png"}


def test_files_can_be_read_by_others(tmp_path):
    write_case(case(tmp_path / "post.dcm"), tmp_path)
    (tmp_path / "beside").touch()
    assert stat.S_IMODE((tmp_path / "case.json").stat().st_mode) == stat.S_IMODE((tmp_path / "beside").stat().st_mode)


def test_a_case_that_cannot_be_written_leaves_the_earlier_one_as_it_was(tmp_path):
    write_case(case(tmp_path / "old.dcm"), tmp_path)
    before = (tmp_path / "case.json").read_bytes()
    (tmp_path / "contrast_mask.png").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_case(case(tmp_path / "new.dcm", planted_mask()), tmp_path)
    assert (tmp_path / "case.json").read_bytes() == before
    assert names(tmp_path) == {"case.json", "annotated.png", "contrast_mask.png"}


def test_an_output_folder_that_is_a_file_is_a_named_error(tmp_path):
    blocked = tmp_path / "out"
    blocked.write_text("in the way")
    with pytest.raises(OutputError, match="out: cannot be written"):
        write_case(case(tmp_path / "post.dcm"), blocked)
    with pytest.raises(OutputError, match="deeper: results cannot be written"):
        check_writable(blocked / "deeper")
    assert blocked.read_text() == "in the way"


@not_as_root
def test_a_read_only_folder_is_a_named_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be written"):
        check_writable(tmp_path)


def test_a_writable_folder_is_made_and_left_empty(tmp_path):
    check_writable(tmp_path / "a" / "b")
    assert names(tmp_path / "a" / "b") == set()


def test_the_frame_that_was_measured_is_drawn(tmp_path):
    verified = case(tmp_path / "post.dcm")
    assert module.pictures_of(verified)[0].pixels[0, 0] == verified.radiographs[0].pixels(1)[0, 0]
    first = replace(verified.result, images=(replace(verified.result.images[0], frame=0),))
    assert module.pictures_of(replace(verified, result=first))[0].pixels[0, 0] == 0.0


def flagged(path: Path) -> VerifiedCase:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[20:40, 20:40] = True
    built = case(path, mask)
    square = (((20.0, 20.0), (20.0, 39.0), (39.0, 39.0), (39.0, 20.0)),)
    flags = (
        Flag("depth-not-verified", "depth cannot be seen"),
        Flag("epidural-spread-suspected", "epidural spread suspected", square),
        Flag("vascular-uptake-suspected", "came and cleared", square, frame=0),
    )
    return replace(built, result=replace(built.result, flags=flags))


def test_each_flag_that_points_at_a_place_has_its_own_picture_and_names_it(tmp_path):
    written = write_case(flagged(tmp_path / "post.dcm"), tmp_path / "out")
    names = ["flag_1_epidural-spread-suspected.png", "flag_2_vascular-uptake-suspected.png"]
    assert [flag.picture for flag in written.flags] == [None, *names]
    assert {path.name for path in (tmp_path / "out").glob("flag_*")} == set(names)
    assert read_case_json(tmp_path / "out" / "case.json").flags == written.flags
    # Frame 0 and what is gone in frame 1 beside it: wider than the two panels of a flag without a difference.
    widths = []
    for name in names:
        with Image.open(tmp_path / "out" / name) as picture:
            widths.append(picture.width)
    assert widths[1] > 1.3 * widths[0]


def test_pictures_of_flags_that_an_earlier_run_left_are_removed(tmp_path):
    write_case(flagged(tmp_path / "post.dcm"), tmp_path / "out")
    plain = flagged(tmp_path / "post.dcm")
    write_case(replace(plain, result=replace(plain.result, flags=plain.result.flags[:2])), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").glob("flag_*")} == {"flag_1_epidural-spread-suspected.png"}
