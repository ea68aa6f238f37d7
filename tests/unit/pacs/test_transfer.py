"""An archive that lies, breaks or sends what nobody asked for; nothing of it gets under a final name."""

from __future__ import annotations

import warnings

import pytest
from pydicom.dataset import Dataset

from fluorospread.errors import PacsConnectionError, PacsResponseError, UsageError
from fluorospread.pacs.archive import InstanceEntry, StudyQuery, Wanted, study_of
from fluorospread.pacs.received_study import ReceivedStudy
from fluorospread.pacs.transfer import fetch_study

STUDY = "1.2.3"


class FakeArchive:
    """Holds objects in memory; breaks after `lasts` of them."""

    def __init__(self, contents, lasts=100):
        self.contents, self.lasts, self.asked = contents, lasts, []

    def instances(self, study_uid):
        return tuple(InstanceEntry(STUDY, "1.2.3.1", uid, "1.2", "XA") for uid in self.contents)

    def fetch(self, wanted, receive):
        for entry in wanted:
            if self.lasts == 0:
                raise PacsConnectionError("gone")
            self.lasts -= 1
            self.asked.append(entry.sop_uid)
            receive(entry, self.contents[entry.sop_uid])


@pytest.fixture
def contents(tmp_path, builders):
    """Three whole files by SOP Instance UID."""
    files = {}
    for number in (1, 2, 3):
        uid = f"1.2.3.1.{number}"
        dataset = builders.xray_dataset(builders.ramp(), SOPInstanceUID=uid, StudyInstanceUID=STUDY)
        files[uid] = builders.write_dicom(tmp_path / "source.dcm", dataset).read_bytes()
    return files


def test_each_object_is_fetched_once_however_often_the_line_breaks(tmp_path, contents):
    folder, asked = tmp_path / "study", []
    for lasts in (1, 1, 0):
        archive = FakeArchive(contents, lasts)
        with pytest.raises(PacsConnectionError):
            fetch_study(archive, STUDY, folder)
        assert not folder.exists()
        asked += archive.asked
    archive = FakeArchive(contents)
    done = fetch_study(archive, STUDY, folder)
    assert asked + archive.asked == list(contents)
    assert (done.objects, done.already_here) == (3, 2)
    assert len(list(folder.glob("*.dcm"))) == 3
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_study_that_grew_is_completed_in_its_place(tmp_path, contents):
    first = dict(list(contents.items())[:2])
    fetch_study(FakeArchive(first), STUDY, tmp_path / "study")
    done = fetch_study(FakeArchive(contents), STUDY, tmp_path / "study")
    assert (done.objects, done.already_here) == (3, 2)


def test_notes_that_are_damaged_are_not_trusted(tmp_path, contents):
    fetch_study(FakeArchive(contents), STUDY, tmp_path / "study")
    (tmp_path / "study" / "received.json").write_text("{")
    assert fetch_study(FakeArchive(contents), STUDY, tmp_path / "study").already_here == 0


@pytest.mark.parametrize("kind", ["another object", "no DICOM", "cut short"])
def test_what_was_not_asked_for_is_not_kept(tmp_path, contents, kind):
    first, second, _ = contents
    sent = {
        "another object": contents[second],
        "no DICOM": b"<html>login</html>" * 20,
        "cut short": contents[first][:90],
    }
    with pytest.raises(PacsResponseError):
        fetch_study(FakeArchive({first: sent[kind]}), STUDY, tmp_path / "study")
    assert not list(tmp_path.rglob("IM*"))


def test_another_study_in_the_folder_is_not_mixed_with_this_one(tmp_path, contents):
    fetch_study(FakeArchive(contents), STUDY, tmp_path / "study")
    with pytest.raises(PacsResponseError, match="another study"):
        ReceivedStudy(tmp_path / "study", "1.2.4")


def test_a_study_without_such_objects_is_told(tmp_path, contents):
    with pytest.raises(PacsResponseError, match="modalities there: XA"):
        fetch_study(FakeArchive(contents), STUDY, tmp_path / "study", Wanted(("CT",)))
    with pytest.raises(PacsResponseError, match="none"):
        fetch_study(FakeArchive({}), STUDY, tmp_path / "study")


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (Wanted(), {"XA", "dose", "SR"}),
        (Wanted(("xa",)), {"XA"}),
        (Wanted(("XA",), ("1.2.67",)), {"XA", "dose"}),
    ],
)
def test_objects_are_wanted_by_modality_or_by_class(wanted, taken):
    entries = [
        InstanceEntry(STUDY, "1", uid, sop_class, modality)
        for uid, sop_class, modality in (("XA", "1.2.12", "XA"), ("dose", "1.2.67", "SR"), ("SR", "1.2.33", "SR"))
    ]
    assert {entry.sop_uid for entry in entries if wanted.takes(entry)} == taken


@pytest.mark.parametrize("uid", ["../../etc/passwd", "1.2.3/..", "", "1.2." + "3" * 80, "1..2", "01.2"])
def test_an_answer_whose_uid_is_none_is_refused(uid):
    answer = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom rightly warns of such identifiers
        answer.add_new(0x0020000D, "LO", uid)
    with pytest.raises(PacsResponseError, match="no UID"):
        study_of(answer)


def test_control_characters_of_an_answer_never_reach_a_terminal():
    answer = Dataset()
    answer.add_new(0x0020000D, "LO", "1.2.3")
    answer.add_new(0x00081030, "LO", "block\x1b[2J\r\nforged line")
    assert study_of(answer).description == "block[2Jforged line"


@pytest.mark.parametrize("uid", ["../../x", "a" * 5000, "1.2.3"])
def test_file_names_are_short_safe_and_stable_whatever_the_uid(uid):
    name = InstanceEntry(STUDY, "1", uid).file_name
    assert name == InstanceEntry(STUDY, "2", uid).file_name
    assert len(name) == 26
    assert "/" not in name
    assert ".." not in name


@pytest.mark.parametrize("wrong", [{"study_date": "yesterday"}, {"study_uid": "1.2\\*"}, {"patient_id": "a\\b"}])
def test_a_query_that_means_something_else_is_refused(wrong):
    with pytest.raises(UsageError):
        StudyQuery(**wrong)
