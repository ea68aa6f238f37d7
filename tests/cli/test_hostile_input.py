"""Names, identifiers and character sets that mean harm: refused or shown as text, never acted on or passed on."""

from __future__ import annotations

import json
import warnings

import pytest

from fluorospread.cli.app import run
from fluorospread.dicom.read_radiograph import read_radiograph
from fluorospread.pipeline.find_cohort import find_cohort
from fluorospread.pipeline.gather_case import gather_case

HTML = "<img src=x onerror=alert(1)>"
NAME = "Quillfeather"


def film(path, builders, **tags):
    """A small image whose levels cannot be told; its verdict is undetermined."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom rightly warns of such values
        return builders.write_dicom(path, builders.xray_dataset(builders.trunk(128, 128), **tags))


def test_html_in_names_and_tags_is_text_in_every_report(tmp_path, builders):
    film(
        tmp_path / HTML / "needle.dcm", builders, PatientName=HTML, PatientID=HTML[:16], SeriesDescription=HTML,
        PixelIntensityRelationship=HTML[:16], ShutterShape=HTML[:16],
    )  # fmt: skip
    assert run(["verify", str(tmp_path / HTML), "--out", str(tmp_path / "out")]) == 5
    assert run(["report", str(tmp_path / "out"), "--no-pdf"]) == 0
    page = (tmp_path / "out" / "case_report.html").read_text().lower()
    assert "<img src=x" not in page
    assert "onerror=alert" not in page.replace("&lt;img src=x onerror=alert(1)&gt;", "")
    assert json.loads((tmp_path / "out" / "case.json").read_text())["case_id"] == "img_src_x_onerror_alert_1"


def test_html_in_a_manifest_is_text_in_the_cohorts_report(tmp_path):
    (tmp_path / "cohort.toml").write_text(
        f"""name = "{HTML}"
[[case]]
id = "A"
patient = "{HTML}"
group = "{HTML}"
excluded = "{HTML}"
"""
    )
    code = run(["cohort", str(tmp_path / "cohort.toml"), "--out", str(tmp_path / "out")])
    page = (tmp_path / "out" / "cohort_report.html").read_text().lower()
    assert code == 0
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_very_long_values_and_names_are_cut_and_nothing_breaks(tmp_path, builders):
    folder = tmp_path / ("case" * 50)
    film(
        folder / f"needle{'n' * 200}.dcm", builders, PatientName=NAME * 900, PatientID=NAME * 900,
        SeriesDescription=NAME * 2000, ImageComments="c" * 100_000, StudyInstanceUID="1." * 400 + "1",
    )  # fmt: skip
    assert run(["verify", str(folder), "--out", str(tmp_path / "out")]) == 5
    assert run(["report", str(tmp_path / "out"), "--no-pdf"]) == 0
    document = json.loads((tmp_path / "out" / "case.json").read_text())
    assert len(document["case_id"]) == 80
    assert max(len(note) for image in document["images"] for note in image["notes"]) <= 300


@pytest.mark.parametrize("charset", ["ISO_IR 192", "GB18030", "NO SUCH SET", "ISO_IR 100"])
def test_no_value_of_a_header_is_quoted_whatever_its_character_set(tmp_path, builders, charset):
    """Bytes that are no UTF-8, values that are malformed, a set that nobody knows: libraries quote them in warnings."""
    path = hostile_film(tmp_path / "needle.dcm", builders, charset)
    said = " ".join(read_radiograph(path).notes)
    assert "While reading" in said
    assert_tells_nothing(said)


def test_no_value_of_a_header_reaches_the_result_or_the_screen(tmp_path, builders, capsys):
    path = hostile_film(tmp_path / "needle.dcm", builders, "GB18030")
    assert run(["verify", str(path), "--out", str(tmp_path / "out")]) == 5
    printed = capsys.readouterr()
    assert_tells_nothing((tmp_path / "out" / "case.json").read_bytes().decode("utf-8") + printed.out + printed.err)


def hostile_film(path, builders, charset):
    film(
        path, builders, PatientName="N" * 12, StudyInstanceUID=NAME, SeriesInstanceUID=f"../{NAME}", PatientSex=NAME,
        StudyDate=NAME[:8], PatientAge=NAME[:4], SpecificCharacterSet="S" * 12,
    )  # fmt: skip
    content = path.read_bytes().replace(b"N" * 12, b"\xff\xfeM\xfcller\xe4\xf6\x80 ")
    path.write_bytes(content.replace(b"S" * 12, charset.ljust(12).encode()))
    return path


def assert_tells_nothing(said):
    for identifier in (NAME, NAME[:8], "ller\xe4", "Müller"):
        assert identifier not in said


def test_two_cases_of_one_name_are_refused_in_a_manifest_whatever_its_letters(tmp_path, builders, capsys):
    film(tmp_path / "a" / "needle.dcm", builders)
    (tmp_path / "cohort.toml").write_text('[[case]]\nid = "P-1"\npath = "a"\n[[case]]\nid = "p-1"\npath = "a"\n')
    assert run(["cohort", str(tmp_path / "cohort.toml"), "--out", str(tmp_path / "out")]) == 3
    assert "several cases are called p-1" in capsys.readouterr().err


def test_folders_that_claim_one_name_keep_their_results_apart(tmp_path, builders):
    for folder in ("a", "b"):
        film(tmp_path / folder / "needle.dcm", builders)
        (tmp_path / folder / "case.toml").write_text('case_id = "same"\n')
    assert [case.case_id for case in find_cohort(tmp_path).cohort.cases] == ["same", "same-2"]


@pytest.mark.parametrize("name", ["../../evil", "/etc/passwd", "..", "a/../../b", "CON\x00", "\u202egnp.exe"])
def test_a_case_id_is_a_folders_name_and_no_path(tmp_path, builders, name):
    film(tmp_path / "in" / "needle.dcm", builders)
    (tmp_path / "in" / "case.toml").write_text(f"case_id = {json.dumps(name)}\n")
    case_id = gather_case(tmp_path / "in").case_id
    assert case_id.isprintable()
    assert not set(case_id) & set("/\\:")
    assert case_id.strip(".")


@pytest.mark.parametrize("second", [{"PatientID": "other"}, {"PatientID": None, "PatientName": "Other^Name"}])
def test_images_of_two_patients_are_refused_without_telling_who_they_are(tmp_path, builders, capsys, second):
    film(tmp_path / "case" / "needle.dcm", builders, PatientID=NAME, PatientName="One^Name")
    film(tmp_path / "case" / "post.dcm", builders, **second)
    assert run(["verify", str(tmp_path / "case"), "--out", str(tmp_path / "out")]) == 3
    printed = capsys.readouterr()
    assert "CaseError" in printed.err
    assert "2 patients" in printed.err
    assert NAME not in printed.err
    assert not (tmp_path / "out" / "case.json").exists()


def test_identifiers_with_path_characters_lead_nowhere_when_de_identified(tmp_path, builders, monkeypatch):
    monkeypatch.setenv("FLUOROSPREAD_COHORT_KEY", "the key of a test, long enough")
    film(
        tmp_path / "outer" / "in" / "needle.dcm", builders, PatientID="../../../evil", StudyInstanceUID="../../evil",
        SOPInstanceUID="../evil", PatientName=HTML, BurnedInAnnotation="NO",
    )  # fmt: skip
    assert run(["deidentify", str(tmp_path / "outer" / "in"), str(tmp_path / "outer" / "out")]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"outer"}
    assert {path.name for path in (tmp_path / "outer").iterdir()} == {"in", "out"}
    assert b"evil" not in b"".join(path.read_bytes() for path in (tmp_path / "outer" / "out").rglob("*.dcm"))
