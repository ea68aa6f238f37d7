"""A study to a real archive and back, by DICOMweb and by DIMSE; results into it; a wire cut half-way."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest

from fluorospread.cli.app import run
from fluorospread.pipeline.publish_results import write_dicom_results

CASE = Path(__file__).parents[2] / "sample_dicom" / "P1-01"
STUDY = "2.25.165901674692116226672517135380928242440"
# More than the first of the two images, less than both.
HALF_WAY = 800_000


@pytest.fixture
def reach(monkeypatch):
    """Sets the environment, and nothing else of ours remains in it."""

    def set_environment(values):
        for name in ("USER", "PASSWORD", "TOKEN", "CA", "CERTIFICATE", "PRIVATE_KEY", "MOVE_PORT", "TIMEOUT_S"):
            monkeypatch.delenv(f"FLUOROSPREAD_PACS_{name}", raising=False)
        monkeypatch.delenv("FLUOROSPREAD_COHORT_KEY", raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_environment


@pytest.fixture
def stored(orthanc, reach, capsys):
    """The archive with the case's two images in it."""
    reach(orthanc.web())
    assert run(["pacs", "send", str(CASE), "--new-study"]) == 0, capsys.readouterr().err
    capsys.readouterr()
    return orthanc


def pixels(path):
    return pydicom.dcmread(path).pixel_array


def fetched(out):
    (folder,) = out.glob("study-*")
    return {pydicom.dcmread(path).InstanceNumber: path for path in folder.glob("*.dcm")}


@pytest.mark.parametrize("protocol", ["web", "dimse", "dimse_tls"])
def test_a_study_comes_back_as_it_was_stored(stored, reach, tmp_path, capsys, protocol):
    reach(getattr(stored, protocol)())
    assert run(["pacs", "echo"]) == 0
    assert run(["pacs", "find", "--date", "20200101", "--modality", "XA", "--json"]) == 0
    printed = capsys.readouterr().out
    (found,) = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert found["study_uid"] == STUDY
    assert "Simulated^Patient" not in printed
    assert run(["pacs", "get", "--study", STUDY, "--only", "XA", "--out", str(tmp_path)]) == 0
    for number, name in ((1, "needle.dcm"), (2, "post.dcm")):
        back = fetched(tmp_path)[number]
        np.testing.assert_array_equal(pixels(back), pixels(CASE / name))
        assert pydicom.dcmread(back).file_meta.TransferSyntaxUID == pydicom.uid.JPEGLSLossless


def test_a_study_can_be_moved_to_a_port_of_ours(stored, reach, tmp_path):
    reach({**stored.dimse(), "FLUOROSPREAD_PACS_MOVE_PORT": str(stored.move_port)})
    assert run(["pacs", "get", "--study", STUDY, "--only", "XA", "--out", str(tmp_path)]) == 0
    np.testing.assert_array_equal(pixels(fetched(tmp_path)[2]), pixels(CASE / "post.dcm"))


def test_a_study_can_be_moved_to_us_over_tls(stored, reach, tmp_path, certificate, sent_over_tls):
    own = {"CERTIFICATE": certificate[0], "PRIVATE_KEY": certificate[1], "MOVE_PORT": sent_over_tls}
    reach({**stored.dimse_tls(), **{f"FLUOROSPREAD_PACS_{name}": str(value) for name, value in own.items()}})
    assert run(["pacs", "get", "--study", STUDY, "--only", "XA", "--out", str(tmp_path)]) == 0
    np.testing.assert_array_equal(pixels(fetched(tmp_path)[2]), pixels(CASE / "post.dcm"))


def test_images_do_not_come_back_unencrypted_where_we_ask_over_tls(stored, reach, tmp_path, capsys):
    reach({**stored.dimse_tls(), "FLUOROSPREAD_PACS_MOVE_PORT": str(stored.move_port)})
    assert run(["pacs", "get", "--study", STUDY, "--only", "XA", "--out", str(tmp_path)]) == 3
    assert "FLUOROSPREAD_PACS_CERTIFICATE" in capsys.readouterr().err


@pytest.mark.parametrize("protocol", ["web", "dimse"])
def test_a_wire_cut_half_way_loses_nothing_and_is_resumed(stored, reach, tmp_path, capsys, cut_wire, protocol):
    port = stored.http_port if protocol == "web" else stored.dicom_port
    get = ["pacs", "get", "--study", STUDY, "--only", "XA", "--out", str(tmp_path)]
    reach(getattr(stored, protocol)(cut_wire(port, HALF_WAY).port))
    assert run(get) == 3
    assert "PacsConnectionError" in capsys.readouterr().err
    (partial,) = tmp_path.iterdir()
    assert partial.name.startswith(".study-")
    (arrived,) = partial.glob("*.dcm")
    before = arrived.stat().st_mtime_ns
    assert not list(partial.glob("*.part")) + list(partial.glob(".*.part"))
    reach(getattr(stored, protocol)())
    assert run(get) == 0
    assert "2 object(s), 1 of them here before" in capsys.readouterr().out
    assert sorted(fetched(tmp_path)) == [1, 2]
    (folder,) = tmp_path.iterdir()
    assert (folder / arrived.name).stat().st_mtime_ns == before


def test_what_was_damaged_on_disk_is_fetched_again(stored, reach, tmp_path, capsys):
    get = ["pacs", "get", "--study", STUDY, "--only", "XA", "--out", str(tmp_path)]
    assert run(get) == 0
    damaged = fetched(tmp_path)[1]
    digest = hashlib.sha256(damaged.read_bytes()).hexdigest()
    content = bytearray(damaged.read_bytes())
    content[-100] ^= 0xFF
    damaged.write_bytes(content)
    capsys.readouterr()
    assert run(get) == 0
    assert "1 of them here before" in capsys.readouterr().out
    assert hashlib.sha256(damaged.read_bytes()).hexdigest() == digest


def test_results_land_in_the_study_of_their_images(stored, reach, tmp_path, capsys):
    """A case of one image, which is verified quickly."""
    study = pydicom.dcmread(CASE.with_name("P1-02") / "needle.dcm").StudyInstanceUID
    assert run(["pacs", "send", str(CASE.with_name("P1-02")), "--new-study"]) == 0
    assert run(["cohort", f"pacs:study={study}", "--out", str(tmp_path), "--workers", "1", "--no-reports"]) == 0
    (case,) = [path for path in tmp_path.glob("study-*") if (path / "case.json").is_file()]
    verdict = json.loads((case / "case.json").read_text())
    assert [image["role"] for image in verdict["images"]] == ["needle"]
    write_dicom_results(case / "case.json", tmp_path / "results")
    reach(stored.web())
    assert run(["pacs", "send", str(tmp_path / "results")]) == 0, capsys.readouterr().err
    capsys.readouterr()
    assert run(["pacs", "send", str(tmp_path / "results")]) == 0
    assert "0 object(s) sent" in capsys.readouterr().out
    reach(stored.dimse())
    assert run(["pacs", "get", "--study", study, "--out", str(tmp_path / "all")]) == 0
    (folder,) = (tmp_path / "all").glob("study-*")
    objects = [pydicom.dcmread(path) for path in folder.glob("*.dcm")]
    assert {"RF", "SR", "DOC"} <= {item.Modality for item in objects}
    assert {str(item.StudyInstanceUID) for item in objects} == {study}
    assert len({str(item.PatientID) for item in objects}) == 1


def test_results_by_dimse_and_of_a_study_that_is_not_there(stored, reach, tmp_path, builders, capsys):
    reach(stored.dimse())
    stranger = builders.xray_dataset(builders.ramp(), StudyInstanceUID="2.25.777", PatientID="X")
    path = builders.write_dicom(tmp_path / "stranger.dcm", stranger)
    assert run(["pacs", "send", str(path)]) == 3
    assert "does not have the study" in capsys.readouterr().err
    assert run(["pacs", "send", str(path), "--new-study"]) == 0
    assert "1 object(s) sent and found" in capsys.readouterr().out


def test_results_do_not_go_to_another_patient(stored, tmp_path, builders, capsys):
    dataset = builders.xray_dataset(
        builders.ramp(), StudyInstanceUID=STUDY, SOPInstanceUID="2.25.778", PatientID="PT-OTHER"
    )
    assert run(["pacs", "send", str(builders.write_dicom(tmp_path / "a.dcm", dataset)), "--new-study"]) == 3
    assert "another patient ID" in capsys.readouterr().err


@pytest.mark.parametrize("protocol", ["web", "dimse_tls"])
def test_a_certificate_nobody_vouches_for_is_not_trusted(stored, reach, capsys, protocol):
    environment = getattr(stored, protocol)()
    del environment["FLUOROSPREAD_PACS_CA"]
    reach(environment)
    assert run(["pacs", "echo"]) == 3
    error = capsys.readouterr().err
    assert "PacsSecurityError" in error
    assert "FLUOROSPREAD_PACS_CA" in error


def test_wrong_credentials_are_refused_by_name_and_never_shown(stored, reach, capsys):
    reach({**stored.web(), "FLUOROSPREAD_PACS_PASSWORD": "wr0ng-and-private"})
    assert run(["pacs", "find", "--date", "20200101", "--debug"]) == 3
    printed = capsys.readouterr()
    assert "credentials are not accepted" in printed.err
    assert "wr0ng-and-private" not in printed.out + printed.err


def test_an_archive_of_another_name_rejects_us_and_says_so(stored, reach, capsys):
    reach({"FLUOROSPREAD_PACS": f"dimse://SOMEBODY@127.0.0.1:{stored.dicom_port}"})
    assert run(["pacs", "echo"]) == 3
    assert "association was rejected" in capsys.readouterr().err
