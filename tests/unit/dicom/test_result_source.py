"""Results are attached to what was measured, or it is said why they cannot be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from fluorospread.dicom.result_source import (
    ResultSources,
    Signature,
    SignedDecision,
    content_moment,
    local_date_time,
    read_date_time,
    read_sources,
)
from fluorospread.errors import CaseError, MissingFileError, TagError, UnsupportedImageError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseResult, Role
from fluorospread.model.review import Confidence, ImageQuality, PunctureReading, Reading
from fluorospread.model.spread import Answer


def one_image(result_cases: ModuleType, folder: Path, role: Role = Role.NEEDLE, **tags: Any) -> CaseResult:
    """A case of one image whose tags are these."""
    case = result_cases.bare_case(folder)
    path = result_cases.xray_file(folder / "needle.dcm", **tags)
    image = replace(result_cases.case_image(path, role), levels=None, junctions=(), needles=())
    return replace(case, images=(image,), reference_image=None)


def test_a_picture_file_is_refused_with_its_reason(result_cases: ModuleType, tmp_path: Path) -> None:
    case = one_image(result_cases, tmp_path)
    path = tmp_path / "needle.png"
    Image.fromarray(np.zeros((100, 80), dtype=np.uint8)).save(path)
    case = replace(case, images=(result_cases.case_image(path, Role.NEEDLE),))
    with pytest.raises(UnsupportedImageError, match=r"needle\.png is a picture, not DICOM: it has no patient, study"):
        read_sources(case, tmp_path)


def test_a_picture_that_was_not_measured_is_left_out_aloud(result_cases: ModuleType, tmp_path: Path) -> None:
    case = one_image(result_cases, tmp_path)
    path = tmp_path / "lateral.png"
    Image.fromarray(np.zeros((100, 80), dtype=np.uint8)).save(path)
    lateral = replace(result_cases.case_image(path, Role.LATERAL), levels=None, junctions=(), needles=())
    sources = read_sources(replace(case, images=(*case.images, lateral)), tmp_path)
    assert [source.index for source in sources.images] == [0]
    assert sources.notes == ("lateral.png is a picture and was not measured; DICOM results do not refer to it.",)


def test_a_file_that_changed_since_is_refused(result_cases: ModuleType, tmp_path: Path) -> None:
    case = one_image(result_cases, tmp_path)
    result_cases.xray_file(tmp_path / "needle.dcm", StudyID="8")
    with pytest.raises(CaseError, match=r"needle\.dcm is not the file that was measured"):
        read_sources(case, tmp_path)


def test_a_file_that_is_gone_is_named(result_cases: ModuleType, tmp_path: Path) -> None:
    case = one_image(result_cases, tmp_path)
    (tmp_path / "needle.dcm").unlink()
    with pytest.raises(MissingFileError, match=r"needle\.dcm"):
        read_sources(case, tmp_path)


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_a_missing_identifier_is_named(keyword: str, result_cases: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(TagError, match=rf"needle\.dcm: {keyword} is needed .* \(found none\)"):
        read_sources(one_image(result_cases, tmp_path, **{keyword: None}), tmp_path)


@pytest.mark.parametrize("uid", ["../../etc/passwd", "1.2.3 4", "1." + "2" * 70])
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI", "ignore:The value length")
def test_what_is_no_identifier_is_refused(uid: str, result_cases: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(TagError, match="StudyInstanceUID is needed to attach results and is no UID"):
        read_sources(one_image(result_cases, tmp_path, StudyInstanceUID=uid), tmp_path)


def test_images_of_two_patients_are_refused(result_cases: ModuleType, tmp_path: Path) -> None:
    case = result_cases.full_case(tmp_path)
    path = result_cases.xray_file(tmp_path / "post.dcm", 2, PatientID="P-2")
    case = replace(case, images=(case.images[0], result_cases.case_image(path, Role.POST, 2)))
    with pytest.raises(CaseError, match="several patients"):
        read_sources(case, tmp_path)


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Åsa"),
        ("ISO_IR 192", "Дмитриев^Олег"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ],
    ids=["latin", "unicode", "japanese"],
)
def test_a_name_keeps_its_letters(charset: Any, name: str, result_cases: ModuleType, tmp_path: Path) -> None:
    case = one_image(result_cases, tmp_path, SpecificCharacterSet=charset, PatientName=name)
    header = read_sources(case, tmp_path).main.header
    assert header.SpecificCharacterSet == "ISO_IR 192"
    assert str(header.PatientName) == name


def test_what_is_malformed_is_left_empty_aloud(result_cases: ModuleType, tmp_path: Path) -> None:
    path = result_cases.xray_file(tmp_path / "needle.dcm", StudyTime="101500", PatientSex="F")
    # Written past the library, which would refuse to write them.
    content = path.read_bytes().replace(b"101500", b"10:15x").replace(b"19500102", b"2.1.1950")
    path.write_bytes(content)
    case = one_image(result_cases, tmp_path)
    path.write_bytes(content)
    image = replace(result_cases.case_image(path, Role.NEEDLE), levels=None, junctions=(), needles=())
    sources = read_sources(replace(case, images=(image,)), tmp_path)
    assert (sources.main.header.StudyTime, sources.main.header.PatientBirthDate) == ("", "")
    assert sources.notes == (
        "needle.dcm: PatientBirthDate is malformed and was left empty.",
        "needle.dcm: StudyTime is malformed and was left empty.",
    )


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, ("20240305", "101601")),
        ({"AcquisitionTime": None, "AcquisitionDate": None}, ("20240305", "101500")),
        ({"AcquisitionTime": None, "StudyTime": None}, ("20240305", "000000")),
    ],
    ids=["acquisition", "study", "date only"],
)
def test_an_unsigned_result_carries_the_time_of_its_newest_image(
    tags: dict[str, None], expected: tuple[str, str], result_cases: ModuleType, tmp_path: Path
) -> None:
    sources = read_sources(one_image(result_cases, tmp_path, **tags), tmp_path)
    assert content_moment(sources, None) == (*expected, None)


def test_images_without_a_date_are_said(result_cases: ModuleType, tmp_path: Path) -> None:
    undated = dict.fromkeys(("StudyDate", "StudyTime", "AcquisitionDate", "AcquisitionTime"))
    sources = read_sources(one_image(result_cases, tmp_path, **undated), tmp_path)
    assert "No image has a date" in str(content_moment(sources, None)[2])


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(None, ("20260301", "233000")), ("+0100", ("20260302", "003000")), ("-0130", ("20260301", "220000"))],
)
def test_a_signature_is_told_in_the_images_time_zone(
    offset: str | None, expected: tuple[str, str], result_cases: ModuleType, tmp_path: Path
) -> None:
    sources: ResultSources = read_sources(one_image(result_cases, tmp_path, TimezoneOffsetFromUTC=offset), tmp_path)
    answer = PunctureReading(Side.LEFT, Level.L5, Level.L5, Answer.YES, Confidence.HIGH)
    decision = SignedDecision(
        Reading((answer,), (), None, ImageQuality.GOOD),
        result_cases.bare_case(tmp_path).verdict,
        (Signature("A", datetime(2026, 3, 1, 23, 30, tzinfo=UTC)),),
        "",
    )
    assert content_moment(sources, decision) == (*expected, None)


@pytest.mark.parametrize(
    ("offset", "written"),
    [(None, "20260301233000"), ("+0000", "20260301233000"), ("+0100", "20260302003000+0100")],
)
def test_a_moment_reads_back_whatever_zone_it_is_written_in(
    offset: str | None, written: str, result_cases: ModuleType, tmp_path: Path
) -> None:
    header = read_sources(one_image(result_cases, tmp_path, TimezoneOffsetFromUTC=offset), tmp_path).main.header
    at = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    assert local_date_time(at, header) == written
    assert read_date_time(written) == at


def test_pydicom_writes_the_cleaned_header_in_unicode(result_cases: ModuleType, tmp_path: Path) -> None:
    case = one_image(result_cases, tmp_path, PatientName="Müller^Åsa")
    header = read_sources(case, tmp_path).main.header
    header.ensure_file_meta()
    header.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    header.save_as(tmp_path / "header.dcm", enforce_file_format=True)
    assert "Müller^Åsa".encode() in (tmp_path / "header.dcm").read_bytes()
    assert str(pydicom.dcmread(tmp_path / "header.dcm").PatientName) == "Müller^Åsa"


@pytest.mark.parametrize(
    ("modality", "rescaled", "expected"), [("CR", False, True), ("CR", True, False), ("XA", False, False)]
)
def test_a_modality_lut_is_for_display_unless_it_leads_back_to_intensity_or_a_rescale_says_more(
    modality: str, rescaled: bool, expected: bool, result_cases: ModuleType, tmp_path: Path
) -> None:
    lut = pydicom.Dataset()
    lut.LUTDescriptor, lut.ModalityLUTType, lut.LUTData = [2, 0, 16], "US", b"\x00\x00\x01\x00"
    tags = {"RescaleSlope": "1", "RescaleIntercept": "0"} if rescaled else {}
    case = one_image(result_cases, tmp_path, Modality=modality, ModalityLUTSequence=[lut], **tags)
    assert read_sources(case, tmp_path).main.has_own_modality_lut is expected


def test_a_deidentified_image_goes_on_saying_how(result_cases: ModuleType, tmp_path: Path) -> None:
    how = pydicom.Dataset()
    how.CodeValue, how.CodingSchemeDesignator, how.CodeMeaning = "113100", "DCM", "Grundprofil für Vertraulichkeit"
    tags = {"PatientIdentityRemoved": "YES", "DeidentificationMethodCodeSequence": [how]}
    header = read_sources(one_image(result_cases, tmp_path, **tags), tmp_path).main.header
    assert header.PatientIdentityRemoved == "YES"
    assert header.DeidentificationMethodCodeSequence[0].CodeMeaning == "Grundprofil für Vertraulichkeit"
