"""From planted identifiers to outputs without any; a person's word about pixels; consistency; refusals."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image, PngImagePlugin
from pydicom.uid import (
    ComprehensiveSRStorage,
    EncapsulatedPDFStorage,
    SegmentationStorage,
    XRayRadiationDoseSRStorage,
)

from fluorospread.cli.app import run

SAMPLE = Path(__file__).parents[2] / "sample_dicom" / "P1-02"
NAME, NUMBER = "Quillfeather", "MRN7748123"
KEY = "the key of a test, long enough"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("FLUOROSPREAD_COHORT_KEY", KEY)


def planted(path, source=None, builders=None, **tags):
    """A DICOM file with the patient's name and number in headers, text and private tags."""
    dataset = (
        pydicom.dcmread(source) if source else builders.xray_dataset(builders.trunk(64, 64), StudyInstanceUID="1.2.3")
    )
    dataset.PatientName, dataset.PatientID = f"{NAME}^Ada^^Dr", NUMBER
    dataset.AccessionNumber, dataset.PatientBirthDate, dataset.InstitutionName = NUMBER, "19510317", f"{NAME} Clinic"
    dataset.SeriesDescription, dataset.ImageComments = f"needle {NAME}", f"call {NAME} on 555"
    dataset.private_block(0x0029, NAME, create=True).add_new(1, "LO", NUMBER)
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(path) if source else builders.write_dicom(path, dataset)
    return path


def everything(folder):
    """All names and bytes below a folder, in one."""
    found = []
    for path in sorted(folder.rglob("*")):
        found.append(str(path.relative_to(folder)).encode())
        if path.is_file():
            found.append(path.read_bytes())
    return b"\n".join(found)


def assert_tells_nobody(content):
    lower = content.lower() if isinstance(content, bytes) else content.encode().lower()
    for identifier in (NAME, NUMBER, "19510317", "1951-03-17"):
        assert identifier.lower().encode() not in lower


def test_no_identifier_is_in_any_output_from_images_to_reports(tmp_path, capsys):
    source = tmp_path / "in" / f"{NAME} {NUMBER}"
    planted(source / f"needle {NAME}.dcm", SAMPLE / "needle.dcm", BurnedInAnnotation="NO")
    (source / "case.toml").write_text(f'case_id = "{NAME}"\ncontrast_given = false\n')
    (source / "letter.txt").write_text(f"Dear {NAME}")
    assert run(["deidentify", str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    (folder,) = [path for path in (tmp_path / "out").iterdir() if path.is_dir()]
    assert sorted(path.name for path in folder.iterdir()) == ["case.toml", "needle.dcm"]
    assert run(["verify", str(tmp_path / "out"), "--out", str(tmp_path / "results")]) == 0
    assert run(["report", str(tmp_path / "results"), "--no-pdf"]) == 0
    printed = capsys.readouterr()
    assert_tells_nobody(printed.out + printed.err)
    assert_tells_nobody(everything(tmp_path / "out"))
    assert_tells_nobody(everything(tmp_path / "results"))
    assert json.loads((tmp_path / "results" / "case.json").read_text())["case_id"] == folder.name


def test_the_verdict_needs_nothing_that_is_removed(tmp_path):
    run(["deidentify", str(SAMPLE), str(tmp_path / "out")])
    (image,) = (tmp_path / "out").rglob("*.dcm")
    before, after = pydicom.dcmread(SAMPLE / "needle.dcm"), pydicom.dcmread(image)
    np.testing.assert_array_equal(before.pixel_array, after.pixel_array)
    assert after.PatientOrientation == before.PatientOrientation
    assert after.ImagerPixelSpacing == before.ImagerPixelSpacing


def test_an_image_that_may_have_text_burned_in_waits_for_a_person(tmp_path, builders, capsys):
    """No tag says that it is clean; the person blacks out one place of their own choice."""
    planted(tmp_path / "in" / "needle.dcm", builders=builders)
    command = ["deidentify", str(tmp_path / "in"), str(tmp_path / "out")]
    assert run(command) == 5
    assert not list((tmp_path / "out").rglob("*.dcm"))
    review = tmp_path / "out-to-confirm"
    (picture,) = review.rglob("*.png")
    with Image.open(picture) as shown:
        assert shown.size == (64, 64)
    decisions = review / "burned_in_text.toml"
    assert run([*command, "--confirm-pixels", str(decisions)]) == 5
    text = decisions.read_text().replace("boxes = []", "boxes = [[2, 3, 10, 30]]")
    decisions.write_text(text.replace('decision = ""', 'decision = "black-out"'))
    assert run([*command, "--confirm-pixels", str(decisions)]) == 3
    assert "confirmed_by is empty" in capsys.readouterr().err
    decisions.write_text(decisions.read_text().replace('confirmed_by = ""', 'confirmed_by = "Dr. Reader"'))
    assert run([*command, "--confirm-pixels", str(decisions)]) == 0
    (image,) = (tmp_path / "out").rglob("*.dcm")
    cleaned, original = pydicom.dcmread(image).pixel_array, builders.trunk(64, 64)
    assert np.unique(cleaned[2:10, 3:30]).size == 1
    cleaned[2:10, 3:30] = original[2:10, 3:30]
    np.testing.assert_array_equal(cleaned, original)


def test_text_in_an_image_declared_clean_is_held_back_all_the_same(tmp_path, builders):
    from matplotlib import get_data_path
    from PIL import ImageDraw, ImageFont

    film = Image.fromarray(builders.trunk(256, 256, top=255).astype(np.uint8))
    font = ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", 14)
    ImageDraw.Draw(film).text((8, 230), f"{NAME} 1951-03-17", font=font, fill=255)
    dataset = builders.xray_dataset(np.asarray(film), BurnedInAnnotation="NO")
    (tmp_path / "in").mkdir()
    builders.write_dicom(tmp_path / "in" / "post.dcm", dataset)
    assert run(["deidentify", str(tmp_path / "in"), str(tmp_path / "out")]) == 5
    assert "boxes = [[" in (tmp_path / "out-to-confirm" / "burned_in_text.toml").read_text()


def test_a_decision_is_for_one_file_and_for_no_other(tmp_path, builders):
    path = planted(tmp_path / "in" / "needle.dcm", builders=builders)
    command = ["deidentify", str(tmp_path / "in"), str(tmp_path / "out")]
    run(command)
    decisions = tmp_path / "out-to-confirm" / "burned_in_text.toml"
    text = decisions.read_text().replace('confirmed_by = ""', 'confirmed_by = "Dr. Reader"')
    decisions.write_text(text.replace('for_the_rest = ""', 'for_the_rest = "release"'))
    planted(path, builders=builders, InstanceNumber="7")
    assert run([*command, "--confirm-pixels", str(decisions)]) == 5
    assert not list((tmp_path / "out").rglob("*.dcm"))


def test_a_box_beyond_its_image_is_refused(tmp_path, builders, capsys):
    planted(tmp_path / "in" / "needle.dcm", builders=builders)
    command = ["deidentify", str(tmp_path / "in"), str(tmp_path / "out")]
    run(command)
    decisions = tmp_path / "out-to-confirm" / "burned_in_text.toml"
    text = decisions.read_text().replace('confirmed_by = ""', 'confirmed_by = "Dr. Reader"')
    text = text.replace("boxes = []", "boxes = [[2, 3, 10, 900]]").replace('decision = ""', 'decision = "black-out"')
    decisions.write_text(text)
    assert run([*command, "--confirm-pixels", str(decisions)]) == 3
    assert "reaches beyond" in capsys.readouterr().err


def test_patients_in_one_folder_come_apart_and_a_patients_studies_stay_together(tmp_path, builders):
    for number, (patient, study) in enumerate([("A", "1.2.1"), ("B", "1.2.2"), ("A", "1.2.3")]):
        planted(
            tmp_path / "in" / f"IM{number}",
            builders=builders,
            PatientID=patient,
            StudyInstanceUID=study,
            SOPInstanceUID=f"1.2.9.{number}",
            BurnedInAnnotation="NO",
        )
    assert run(["deidentify", str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    folders = sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert len(folders) == 3
    assert len({name.rsplit("-", 1)[0] for name in folders}) == 2


def test_a_picture_loses_its_metadata_and_keeps_its_pixels(tmp_path, builders):
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Description", f"{NAME} {NUMBER}")
    pixels = builders.trunk(64, 64).astype(np.uint16)
    (tmp_path / "in" / NAME).mkdir(parents=True)
    Image.fromarray(pixels).save(tmp_path / "in" / NAME / "post.png", pnginfo=notes)
    command = ["deidentify", str(tmp_path / "in"), str(tmp_path / "out")]
    assert run(command) == 5
    decisions = tmp_path / "out-to-confirm" / "burned_in_text.toml"
    text = decisions.read_text().replace('confirmed_by = ""', 'confirmed_by = "Dr. Reader"')
    decisions.write_text(text.replace('decision = ""', 'decision = "release"'))
    assert run([*command, "--confirm-pixels", str(decisions)]) == 0
    (image,) = (tmp_path / "out").rglob("post.png")
    with Image.open(image) as shown:
        np.testing.assert_array_equal(np.asarray(shown), pixels)
    assert_tells_nobody(everything(tmp_path / "out"))


def test_reports_and_tables_are_left_out_and_their_kinds_are_told(tmp_path, builders, capsys):
    case = tmp_path / "in" / "case"
    planted(case / "needle.dcm", builders=builders, BurnedInAnnotation="NO")
    for name, sop_class, modality in (
        ("structured_report.dcm", ComprehensiveSRStorage, "SR"),
        ("dose", XRayRadiationDoseSRStorage, "SR"),
        ("case_report.dcm", EncapsulatedPDFStorage, "DOC"),
        ("contrast_segmentation.dcm", SegmentationStorage, "SEG"),
    ):
        planted(case / name, builders=builders, SOPClassUID=sop_class, Modality=modality)
    (case / f"{NAME}.txt").write_text(NAME)
    (tmp_path / "in" / "cohort.toml").write_text(f'[[case]]\nid = "{NAME}"\npath = "case"\n')
    assert run(["deidentify", str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert_tells_nobody(everything(tmp_path / "out"))
    assert_tells_nobody(printed.out + printed.err)
    kinds = {"structured report", "dose report", "PDF in DICOM", "segmentation", "cohort table", "other file"}
    assert all(f"1 × {kind}" in printed.err for kind in kinds)
    summary = json.loads((tmp_path / "out" / "deidentification.json").read_text())
    assert summary["left_out"] == dict.fromkeys(kinds, 1)
    assert [path.name for path in (tmp_path / "out").rglob("*.dcm")] == ["needle.dcm"]


def test_a_damaged_file_is_counted_without_being_named_and_stops_nothing(tmp_path, builders, capsys):
    planted(tmp_path / "in" / "needle.dcm", builders=builders, BurnedInAnnotation="NO")
    damaged = planted(tmp_path / "in" / f"{NAME}.dcm", builders=builders)
    damaged.write_bytes(damaged.read_bytes()[:-3000])
    assert run(["deidentify", str(tmp_path / "in"), str(tmp_path / "out")]) == 3
    printed = capsys.readouterr()
    assert "file 1 (in order of path): TruncatedImageError" in printed.err
    assert_tells_nobody(printed.out + printed.err)
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 1


def test_a_file_that_breaks_a_library_is_counted_by_kind_alone(tmp_path, builders, capsys, monkeypatch):
    from fluorospread.pipeline import deidentify_cases

    def break_on_it(*_):
        raise KeyError(NAME)

    monkeypatch.setattr(deidentify_cases, "write_deidentified", break_on_it)
    planted(tmp_path / "in" / "needle.dcm", builders=builders, BurnedInAnnotation="NO")
    assert run(["deidentify", str(tmp_path / "in"), str(tmp_path / "out")]) == 3
    printed = capsys.readouterr()
    assert "file 1 (in order of path): KeyError" in printed.err
    assert_tells_nobody(printed.out + printed.err)


@pytest.mark.parametrize("out", ["in", "in/below"])
def test_the_output_never_lies_among_the_originals(tmp_path, builders, capsys, out):
    planted(tmp_path / "in" / "needle.dcm", builders=builders)
    assert run(["deidentify", str(tmp_path / "in"), str(tmp_path / out)]) == 2
    assert "must lie apart" in capsys.readouterr().err


def test_a_key_is_needed_and_kept_apart(tmp_path, builders, capsys, monkeypatch):
    planted(tmp_path / "in" / "needle.dcm", builders=builders)
    monkeypatch.delenv("FLUOROSPREAD_COHORT_KEY")
    command = ["deidentify", str(tmp_path / "in"), str(tmp_path / "out")]
    assert run(command) == 2
    assert "openssl rand -hex 32" in capsys.readouterr().err
    (tmp_path / "in" / "key").write_text(KEY)
    assert run([*command, "--cohort-key-file", str(tmp_path / "in" / "key")]) == 2
    printed = capsys.readouterr()
    assert "keep it elsewhere" in printed.err
    assert KEY not in printed.err
