from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import XRayRadiationDoseSRStorage

from fluorospread.errors import CaseError, MissingFileError, UsageError
from fluorospread.model.anatomy import Level
from fluorospread.model.case import Override, Role
from fluorospread.model.geometry import ColumnsTowards, RowsTowards
from fluorospread.pipeline.gather_case import (
    CaseOverrides,
    CaseRequest,
    find_cases,
    gather_case,
    gather_options,
    safe_case_id,
    unique_case_ids,
)


def folder(tmp_path: Path, *names: str, toml: str | None = None) -> Path:
    path = tmp_path / "case-7"
    path.mkdir()
    for name in names:
        (path / name).write_bytes(b"no image yet")
    if toml is not None:
        (path / "case.toml").write_text(toml, encoding="utf-8")
    return path


def roles(request: CaseRequest) -> dict[str, Role | None]:
    return {image.path.name: image.role for image in request.images}


def test_roles_come_from_the_start_of_file_names(tmp_path):
    path = folder(tmp_path, "pre.dcm", "Needle-2.dcm", "needle_ap.png", "postcontrast.dcm", "cine", "lateral.dcm")
    assert roles(gather_case(path)) == {
        "pre.dcm": Role.PRE,
        "Needle-2.dcm": Role.NEEDLE,
        "needle_ap.png": Role.NEEDLE,
        "postcontrast.dcm": Role.POST,
        "cine": Role.CINE,
        "lateral.dcm": Role.LATERAL,
    }


def test_a_word_that_only_begins_like_a_role_is_none(tmp_path):
    path = folder(tmp_path, "needle.dcm", "posterior.dcm", "preview.png")
    request = gather_case(path)
    assert roles(request) == {"needle.dcm": Role.NEEDLE}
    assert request.notes == ("not used, as the name starts with no role: posterior.dcm, preview.png",)


def a_dose_report(builders, path):
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID, header.Modality = XRayRadiationDoseSRStorage, "2.25.5", "SR"
    return builders.write_dicom(path, header)


def test_a_dose_report_beside_named_images_is_kept_and_is_not_a_leftover(tmp_path, builders):
    path = folder(tmp_path, "needle.dcm", "other.dcm")
    report = a_dose_report(builders, path / "IM0007")
    request = gather_case(path)
    assert request.dose_reports == (report,)
    assert request.notes == ("not used, as the name starts with no role: other.dcm",)


def test_a_dose_report_of_a_study_folder_is_kept_and_is_not_a_leftover(tmp_path, builders):
    builders.write_dicom(tmp_path / "IM0001", builders.xray_dataset(builders.ramp()))
    (tmp_path / "reports").mkdir()
    report = a_dose_report(builders, tmp_path / "reports" / "IM0007")
    request = gather_case(tmp_path)
    assert request.dose_reports == (report,)
    assert request.notes == ()


def test_a_dose_report_beside_listed_images_is_kept(tmp_path, builders):
    path = folder(tmp_path, "a.dcm")
    (path / "case.toml").write_text('[images]\nneedle = "a.dcm"\n')
    report = a_dose_report(builders, path / "dose")
    assert gather_case(path).dose_reports == (report,)


def test_the_folder_names_the_case(tmp_path):
    assert gather_case(folder(tmp_path, "needle.dcm")).case_id == "case-7"


def test_a_case_file_settles_everything(tmp_path):
    toml = """
        case_id = "P1 02"
        protocol = "own.toml"
        contrast_given = false
        spacing_mm = 0.28
        columns_towards = "patient-left"
        rows_towards = "feet"
        polarity = "bone-bright"
        [images]
        needle = ["a", "b"]
        lateral = "c"
        [level_at]
        L5 = [812.5, 511]
    """
    path = folder(tmp_path, "a", "b", "c", "post.dcm", toml=toml)
    request = gather_case(path)
    assert request.case_id == "P1_02"
    assert request.contrast_given is False
    assert request.protocol == str(path / "own.toml")
    assert roles(request) == {"a": Role.NEEDLE, "b": Role.NEEDLE, "c": Role.LATERAL}
    assert request.overrides == CaseOverrides(
        (0.28, 0.28), ColumnsTowards.PATIENT_LEFT, RowsTowards.FEET, "bone-bright", {Level.L5: (812.5, 511.0)}
    )


def test_options_outrank_the_case_file(tmp_path):
    path = folder(
        tmp_path, "needle.dcm", toml='contrast_given = false\nspacing_mm = [0.28, 0.30]\nrows_towards = "head"'
    )
    request = gather_case(path, True, CaseOverrides(spacing_mm=(0.5, 0.5)))
    assert request.contrast_given is True
    assert request.overrides.spacing_mm == (0.5, 0.5)
    assert request.overrides.rows_towards is RowsTowards.HEAD


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("contrast_given = 1", "contrast_given"),
        ("contrast = false", "Additional properties"),
        ('[images]\nbefore = "a"', "images"),
        ("[level_at]\nL9 = [1, 2]", "level_at"),
        ("[level_at]\nL5 = [1]", "level_at.L5"),
        ("spacing_mm = 0", "spacing_mm"),
        ('polarity = "dark"', "polarity"),
        ("case_id = ", "expected TOML"),
    ],
)
def test_a_case_file_that_does_not_fit_is_refused_by_field(tmp_path, toml, message):
    with pytest.raises(CaseError, match=message):
        gather_case(folder(tmp_path, "a", toml=toml))


def test_an_image_that_the_case_file_names_must_be_there(tmp_path):
    with pytest.raises(MissingFileError, match="b"):
        gather_case(folder(tmp_path, "a", toml='[images]\nneedle = ["a", "b"]'))


def test_declaring_no_contrast_beside_a_post_image_is_a_contradiction(tmp_path):
    with pytest.raises(CaseError, match="without contrast"):
        gather_case(folder(tmp_path, "post.dcm"), contrast_given=False)
    with pytest.raises(UsageError, match="--no-contrast"):
        gather_options({Role.POST: [Path("post.dcm")]}, None, False, CaseOverrides())


def test_pictures_without_roles_are_no_case(tmp_path):
    with pytest.raises(CaseError, match=r"2 picture\(s\) have no tags"):
        gather_case(folder(tmp_path, "a.png", "b.jpg"))


def test_an_empty_folder_is_no_case(tmp_path):
    with pytest.raises(CaseError, match="expected images"):
        gather_case(folder(tmp_path))


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"gone\.dcm"):
        gather_case(tmp_path / "gone.dcm")


def test_one_image_is_a_case_of_its_own(tmp_path):
    path = tmp_path / "film 1.png"
    path.write_bytes(b"no image yet")
    request = gather_case(path)
    assert request.case_id == "film_1"
    assert [(image.path, image.role) for image in request.images] == [(path, None)]


def test_images_named_by_options_keep_their_roles():
    request = gather_options(
        {Role.NEEDLE: [Path("x/a.dcm"), Path("x/b.dcm")], Role.POST: [Path("x/c.dcm")]}, "P1-01", None, CaseOverrides()
    )
    assert request.case_id == "P1-01"
    assert roles(request) == {"a.dcm": Role.NEEDLE, "b.dcm": Role.NEEDLE, "c.dcm": Role.POST}
    assert request.images[0].role_source == "--needle"


def test_an_image_has_one_role():
    with pytest.raises(UsageError, match="named twice"):
        gather_options({Role.PRE: [Path("a")], Role.POST: [Path("./a")]}, None, None, CaseOverrides())


def test_naming_no_image_is_refused():
    with pytest.raises(UsageError, match="at least one image"):
        gather_options({}, None, None, CaseOverrides())


def test_a_folder_of_case_folders_is_all_of_them(tmp_path):
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "needle.dcm").touch()
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "a.json").touch()
    (tmp_path / "manifest.toml").touch()
    assert find_cases(tmp_path) == (tmp_path / "a", tmp_path / "b")
    assert find_cases(tmp_path / "a") == (tmp_path / "a",)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("P1-01", "P1-01"),
        ("../../etc/passwd", "etc_passwd"),
        ("a b\nc", "a_b_c"),
        ("..", "case"),
        ("", "case"),
        ("Müller", "Müller"),
        ("x" * 200, "x" * 80),
    ],
)
def test_a_case_id_is_a_safe_folder_name(name, safe):
    assert safe_case_id(name) == safe


def test_equal_names_are_told_apart_so_that_no_result_overwrites_another():
    requests = [CaseRequest(name, ()) for name in ("a", "A", "b", "a", "a-2")]
    assert [request.case_id for request in unique_case_ids(requests)] == ["a", "A-2", "b", "a-3", "a-2-2"]


def test_every_override_is_recorded_by_its_option_name():
    given = CaseOverrides(
        (0.3, 0.25), ColumnsTowards.PATIENT_RIGHT, RowsTowards.HEAD, "bone-dark", {Level.L5: (1.5, 2.0)}
    )
    assert given.recorded() == (
        Override("spacing-mm", "0.3 0.25"),
        Override("columns-towards", "patient-right"),
        Override("rows-towards", "head"),
        Override("polarity", "bone-dark"),
        Override("level-at", "L5=1.5,2"),
    )
    assert CaseOverrides().recorded() == ()
