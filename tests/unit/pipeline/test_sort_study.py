from pathlib import Path

import pytest

from fluorospread.dicom.describe_file import ImageSummary
from fluorospread.dicom.file_kind import FileKind
from fluorospread.errors import CaseError, NotAnImageError, TruncatedImageError
from fluorospread.model.case import Role
from fluorospread.pipeline import sort_study as module
from fluorospread.pipeline.sort_study import role_from_tags, sort_study


@pytest.fixture
def described(monkeypatch):
    """Headers by file name; an exception is raised."""
    headers: dict[str, ImageSummary | Exception] = {}

    def describe_file(path):
        found = headers[path.name]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(module, "describe_file", describe_file)

    def add(name, **facts):
        facts = {"is_projection": True, "patient_id": "p", "study_instance_uid": "s", **facts}
        headers[name] = ImageSummary(Path(name), FileKind.DICOM, **facts)

    add.headers = headers
    return add


def paths(*names):
    return [Path(name) for name in names]


def test_roles_are_what_the_tags_suggest_and_their_source_is_kept(described):
    described("a", role_hint="cine", hint_reason="20 frames")
    described("b")
    images, left_out = sort_study(paths("a", "b"))
    assert [(image.role, image.source) for image in images] == [(Role.CINE, "tags: 20 frames"), (None, "")]
    assert left_out == ()


def test_images_come_in_the_order_they_were_taken(described):
    described("late", acquisition_time="20200101120200")
    described("early", acquisition_time="20200101120100")
    described("early2", acquisition_time="20200101120100", instance_number=2)
    images, _ = sort_study(paths("late", "early2", "early"))
    assert [image.path.name for image in images] == ["early", "early2", "late"]


def test_what_is_no_x_ray_image_is_left_out_and_named(described):
    described("DICOMDIR", is_projection=False)
    described("needle")
    described.headers["readme"] = NotAnImageError("neither DICOM nor picture")
    images, left_out = sort_study(paths("DICOMDIR", "needle", "readme"))
    assert [image.path.name for image in images] == ["needle"]
    assert [path.name for path in left_out] == ["DICOMDIR", "readme"]


def test_a_damaged_image_is_not_quietly_lost(described):
    described("a")
    described.headers["b"] = TruncatedImageError("b ends before its pixels do")
    with pytest.raises(TruncatedImageError, match="b ends"):
        sort_study(paths("a", "b"))


@pytest.mark.parametrize(("field", "word"), [("patient_id", "patients"), ("study_instance_uid", "studies")])
def test_two_patients_or_studies_are_not_one_case(described, field, word):
    described("a")
    described("b", **{field: "other"})
    with pytest.raises(CaseError, match=f"2 {word}"):
        sort_study(paths("a", "b"))


def test_a_single_file_that_cannot_be_described_has_no_role(described):
    described.headers["a"] = TruncatedImageError("a is empty")
    assert role_from_tags(Path("a")) == (None, "")
    described("b", role_hint="post", hint_reason="SeriesDescription says 'post'")
    assert role_from_tags(Path("b")) == (Role.POST, "tags: SeriesDescription says 'post'")
