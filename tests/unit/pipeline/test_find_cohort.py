"""Cases are found by folder or manifest, and what is wrong with one is said of that one."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluorospread.errors import CaseError, MissingFileError, UsageError
from fluorospread.model.case import Role
from fluorospread.pipeline.find_cohort import FoundCohort, find_cohort
from fluorospread.pipeline.gather_case import CaseRequest
from fluorospread.pipeline.verify_many import Failure


def _case(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(b"pixels of " + name.encode())
    return folder


def _manifest(folder: Path, text: str) -> FoundCohort:
    (folder / "cohort.toml").write_text(text, encoding="utf-8")
    return find_cohort(folder)


def test_each_folder_is_one_case_in_order_of_name(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden"):
        _case(tmp_path / name, "needle.dcm")
    found = find_cohort(tmp_path)
    assert [case.case_id for case in found.cohort.cases] == ["a", "b"]
    assert all(isinstance(request, CaseRequest) for request in found.requests)


def test_a_folder_without_images_is_a_failure_in_its_place(tmp_path: Path) -> None:
    _case(tmp_path / "a", "needle.dcm")
    _case(tmp_path / "b")
    found = find_cohort(tmp_path)
    assert isinstance(found.requests[0], CaseRequest)
    assert isinstance(found.requests[1], Failure)
    assert found.requests[1].kind == "CaseError"


def test_documents_and_results_beside_the_cases_are_no_cases(tmp_path: Path) -> None:
    _case(tmp_path / "a", "needle.dcm")
    _case(tmp_path / "truth", "a.json", "notes.md")
    _case(tmp_path / "results" / "a", "annotated.png")
    found = find_cohort(tmp_path, tmp_path / "results")
    assert [case.case_id for case in found.cohort.cases] == ["a"]


def test_results_among_the_images_are_refused(tmp_path: Path) -> None:
    _case(tmp_path / "a", "needle.dcm")
    with pytest.raises(UsageError, match="choose another"):
        find_cohort(tmp_path, tmp_path)


def test_folders_whose_names_become_equal_stay_apart(tmp_path: Path) -> None:
    _case(tmp_path / "a b", "needle.dcm")
    _case(tmp_path / "a_b")
    assert len({case.case_id for case in find_cohort(tmp_path).cohort.cases}) == 2


def test_a_manifest_gives_roles_groups_patients_scores_and_exclusions(tmp_path: Path) -> None:
    _case(tmp_path / "images", "1.dcm", "2.dcm")
    _case(tmp_path / "two", "needle.dcm")
    found = _manifest(
        tmp_path,
        """
        name = "protocol 1"
        protocol = "total-dorsal-ramus-block-l4-l5"
        vas_maximum = 100
        [[case]]
        id = "P1-01"
        patient = "P1"
        group = "ultrasound"
        images = { needle = "images/1.dcm", post = ["images/2.dcm"] }
        contrast_given = true
        age_years = 71
        sex = "female"
        complications = []
        vas.rest = { "0" = 66, "0.5" = 25.0 }
        [[case]]
        path = "two"
        [[case]]
        id = "P1-03"
        excluded = "previous lumbar surgery"
        """,
    )
    first, second, third = found.cohort.cases
    assert (first.patient, first.group, first.age_years, first.complications) == ("P1", "ultrasound", 71, ())
    assert first.vas == {"rest": {0.0: 66.0, 0.5: 25.0}}
    assert (second.case_id, second.patient, second.complications) == ("two", "two", None)
    assert third.excluded == "previous lumbar surgery"
    request = found.requests[0]
    assert isinstance(request, CaseRequest)
    assert [image.role for image in request.images] == [Role.NEEDLE, Role.POST]
    assert request.contrast_given is True
    assert found.requests[2] is None
    assert found.protocol == "total-dorsal-ramus-block-l4-l5"


def test_a_missing_image_fails_its_case_only(tmp_path: Path) -> None:
    _case(tmp_path / "a", "needle.dcm")
    found = _manifest(
        tmp_path, '[[case]]\npath = "a"\n[[case]]\nid = "b"\nimages = { needle = "gone.dcm" }\n[[case]]\npath = "none"'
    )
    assert isinstance(found.requests[0], CaseRequest)
    assert [r.kind for r in found.requests if isinstance(r, Failure)] == ["MissingFileError", "MissingFileError"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[case]]\npath = 'a'\n[[case]]\nid = 'A'\npath = 'b'", "several cases are called a"),
        ("[[case]]\nid = '../evil'\npath = 'a'", "case.0.id"),
        ("[[case]]\npath = 'a'\nvas.rest = { '0' = 66 }", "declare vas_maximum"),
        ("vas_maximum = 10\n[[case]]\npath = 'a'\nvas.rest = { '0' = 66 }", "expected 0 to 10"),
        ("vas_maximum = 7\n[[case]]\npath = 'a'", "vas_maximum"),
        ("[[case]]\npath = 'a'\nscale = 3", "scale"),
        ("case = []", "case"),
        ("not toml", "expected TOML"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CaseError, match=message):
        _manifest(tmp_path, text)


def test_no_cases_and_no_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="no case folders"):
        find_cohort(tmp_path)
    with pytest.raises(MissingFileError, match="no such file or folder"):
        find_cohort(tmp_path / "none")
