from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from fluorospread.errors import MissingFileError, TruncatedImageError
from fluorospread.pipeline import verify_many as module
from fluorospread.pipeline.gather_case import CaseOverrides, CaseRequest
from fluorospread.pipeline.protocols import load_protocol
from fluorospread.pipeline.verify_many import Failure, RunOptions, failure_of, gather_all, verify_many


@pytest.fixture
def ran(monkeypatch):
    """Replaces the verification of one case; cases named "broken" and "bug" fail in their two ways."""
    seen = []

    def verify_case(request, protocol, settings, report):
        report("looking")
        seen.append((request.case_id, protocol.name))
        if request.case_id == "broken":
            raise TruncatedImageError("needle.dcm ends\nbefore its pixels do")
        if request.case_id == "bug":
            raise ZeroDivisionError("division by zero")
        return SimpleNamespace(result=f"result of {request.case_id}")

    monkeypatch.setattr(module, "verify_case", verify_case)
    monkeypatch.setattr(module, "write_case", lambda case, folder: f"{case.result} in {folder.name}")
    return seen


def test_a_broken_case_is_reported_in_its_place_and_the_others_go_on(ran):
    requests = [CaseRequest(name, ()) for name in ("a", "broken", "bug", "b")]
    done = list(verify_many(requests, RunOptions()))
    assert done[0] == "result of a"
    assert done[3] == "result of b"
    broken, bug = done[1], done[2]
    assert (broken.case_id, broken.kind, broken.exit_code) == ("broken", "TruncatedImageError", 3)
    assert broken.message == "needle.dcm ends before its pixels do"
    assert (bug.case_id, bug.kind, bug.exit_code) == ("bug", "ZeroDivisionError", 1)
    assert "Traceback" in bug.trace


def test_a_case_that_could_not_be_gathered_is_handed_on(ran):
    failure = failure_of("gone", MissingFileError("gone: no such file or folder"))
    assert list(verify_many([failure, CaseRequest("a", ())], RunOptions())) == [failure, "result of a"]


def test_gathering_keeps_the_order_and_tells_equal_names_apart(tmp_path):
    for parent in ("x", "y"):
        (tmp_path / parent / "case").mkdir(parents=True)
        (tmp_path / parent / "case" / "needle.dcm").touch()
    gathered = gather_all([tmp_path / "x" / "case", tmp_path / "gone", tmp_path / "y" / "case"], None, CaseOverrides())
    assert [item.case_id for item in gathered] == ["case", "gone", "case-2"]
    assert isinstance(gathered[1], Failure)


@pytest.mark.parametrize(("one_folder", "folder"), [(True, "out"), (False, "a")])
def test_one_case_goes_into_the_folder_and_several_into_their_own(ran, tmp_path, one_folder, folder):
    options = RunOptions(out=tmp_path / "out", one_folder=one_folder)
    assert list(verify_many([CaseRequest("a", ())], options)) == [f"result of a in {folder}"]


def test_an_option_outranks_the_protocol_that_a_case_names(ran):
    facet = load_protocol("medial-branch-block-l3-l4-facet")
    named = CaseRequest("a", (), protocol=facet.name)
    list(verify_many([named, replace(named, protocol=None)], RunOptions()))
    list(verify_many([replace(named, protocol=None)], RunOptions(protocol=facet)))
    assert [protocol for _, protocol in ran] == [facet.name, "total-dorsal-ramus-block-l4-l5", facet.name]


def test_a_case_with_an_unknown_protocol_fails_alone(ran):
    done = list(verify_many([CaseRequest("a", (), protocol="nope"), CaseRequest("b", ())], RunOptions()))
    assert done[0].kind == "ProtocolError"
    assert done[1] == "result of b"


def test_progress_names_the_case(ran):
    told = []
    list(
        verify_many(
            [CaseRequest("a", ()), CaseRequest("b", ())], RunOptions(), lambda index, text: told.append((index, text))
        )
    )
    assert told == [(0, "looking"), (1, "looking")]


def test_a_failure_is_one_line():
    assert failure_of("x", ValueError("a\n  b\tc")).message == "a b c"


def test_a_missing_path_names_itself():
    gathered = gather_all([Path("no/such/film.png")], None, CaseOverrides())
    assert gathered[0].kind == "MissingFileError"
    assert "film.png" in gathered[0].message
