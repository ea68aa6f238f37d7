"""The command line of `fluorospread verify`; the cases it verifies are named after their outcome."""

import json
from pathlib import Path

import numpy as np
import pytest

from fluorospread.cli.app import run
from fluorospread.cli.verify import worst_exit_code
from fluorospread.errors import NotAnImageError, UnsupportedImageError
from fluorospread.model.case import CaseImage, CaseResult, ContrastResult, Role, SoftwareVersion
from fluorospread.model.findings import ContrastMask, ContrastMethod, ContrastStatus
from fluorospread.model.geometry import NO_SCALE, UNKNOWN_ORIENTATION
from fluorospread.model.radiograph import ArrayFrames, PolaritySource, Quantity, Radiograph
from fluorospread.model.verdict import STANDING_SENTENCE, Outcome, Verdict
from fluorospread.pipeline import publish_results, verify_many
from fluorospread.pipeline.verify_case import VerifiedCase
from fluorospread.reporting.case_json import check_case_json, read_case_json

NO_CONTRAST = ContrastMask(ContrastStatus.NOT_GIVEN, ContrastMethod.NONE, "no contrast was given")


def verified(request, outcome):
    radiograph = Radiograph(
        path=request.images[0].path,
        sha256="ab" * 32,
        frames=ArrayFrames(np.linspace(0, 1, 600, dtype=np.float32).reshape(1, 30, 20)),
        field_of_view=np.ones((30, 20), dtype=bool),
        quantity=Quantity.RELATIVE,
        polarity_source=PolaritySource.TAG,
    )
    image = CaseImage(
        path=str(radiograph.path), sha256="ab" * 32, role=request.images[0].role or Role.NEEDLE, role_source="test",
        rows=30, cols=20, frames=1, sop_instance_uid="", geometry=NO_SCALE, orientation=UNKNOWN_ORIENTATION,
        quantity=Quantity.RELATIVE, polarity_source=PolaritySource.TAG,
    )  # fmt: skip
    result = CaseResult(
        case_id=request.case_id,
        software=SoftwareVersion("fluorospread", "0.1.0", ""),
        protocol_name="p",
        protocol_sha256="cd" * 32,
        contrast_given=request.contrast_given,
        images=(image,),
        reference_image=None,
        contrast=ContrastResult(NO_CONTRAST.status, NO_CONTRAST.method, NO_CONTRAST.reason),
        coverage=(),
        punctures=(),
        flags=(),
        verdict=Verdict(outcome, outcome, Outcome.NOT_APPLICABLE, ()),
        overrides=request.overrides.recorded(),
    )
    return VerifiedCase(result, (radiograph,), NO_CONTRAST)


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """What was asked of the pipeline; a case called bad or bug fails."""
    requests = []

    def verify_case(request, protocol, settings, report):
        requests.append((request, protocol))
        if request.case_id.startswith("bad"):
            raise NotAnImageError("needle.dcm is neither DICOM nor a picture; give an image.")
        if request.case_id.startswith("bug"):
            raise ZeroDivisionError("division by zero")
        for outcome in (Outcome.NOT_VERIFIED, Outcome.UNDETERMINED):
            if request.case_id.startswith(outcome.value):
                return verified(request, outcome)
        return verified(request, Outcome.VERIFIED)

    monkeypatch.setattr(verify_many, "verify_case", verify_case)
    return requests


def folder(tmp_path, *names):
    paths = []
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "needle.dcm").touch()
        paths.append(str(tmp_path / name))
    return paths


@pytest.mark.parametrize(
    ("name", "code"), [("verified", 0), ("bug", 1), ("bad", 3), ("not-verified", 4), ("undetermined", 5)]
)
def test_the_exit_code_says_the_outcome(tmp_path, name, code):
    assert run(["verify", *folder(tmp_path, name)]) == code


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("verified", "undetermined"), 5),
        (("undetermined", "not-verified", "verified"), 4),
        (("not-verified", "bad"), 3),
        (("bad", "bug", "verified"), 1),
        (("verified", "verified-2"), 0),
    ],
)
def test_several_cases_end_with_the_worst_code(tmp_path, names, code):
    assert run(["verify", *folder(tmp_path, *names)]) == code


@pytest.fixture
def exported(monkeypatch):
    """Folders that DICOM results were written for; those of cases named `picture` cannot be."""
    folders = []

    def write(folder, tell):
        if folder.name.startswith("picture"):
            raise UnsupportedImageError("needle.png is a picture, not DICOM")
        folders.append(folder)
        tell("No segmentation: the mask does not fit")

    monkeypatch.setattr(publish_results, "write_dicom_results", write)
    return folders


def test_dicom_results_are_written_beside_each_case_json(tmp_path, capsys, exported):
    out = tmp_path / "out"
    cases = folder(tmp_path, "a", "bad", "c")
    assert run(["verify", cases[0], "--out", str(out / "one"), "--dicom-results"]) == 0
    assert "a: No segmentation" in capsys.readouterr().err
    run(["verify", *cases, "--out", str(out), "--dicom-results"])
    assert exported == [out / "one", out / "a", out / "c"]
    assert all((path / "case.json").is_file() for path in exported)


def test_a_case_without_dicom_results_is_told_and_is_bad_input(tmp_path, capsys, exported):
    cases = folder(tmp_path, "picture", "b")
    assert run(["verify", *cases, "--out", str(tmp_path / "out"), "--dicom-results"]) == 3
    assert "picture: no DICOM results: UnsupportedImageError: needle.png is a picture" in capsys.readouterr().err
    assert exported == [tmp_path / "out" / "b"]


def test_dicom_results_need_a_place(tmp_path, capsys, exported):
    assert run(["verify", *folder(tmp_path, "a"), "--dicom-results"]) == 2
    assert "--out" in capsys.readouterr().err
    assert exported == []


def test_the_order_of_codes_is_the_documented_one():
    codes = [0, 5, 4, 3, 1]
    assert [worst_exit_code(codes[: n + 1]) for n in range(5)] == codes


def test_one_broken_case_is_named_and_the_others_are_written(tmp_path, capsys):
    out = tmp_path / "out"
    assert run(["verify", *folder(tmp_path, "a", "bad", "c"), "--out", str(out)]) == 3
    printed = capsys.readouterr()
    assert {path.name for path in out.iterdir()} == {"a", "c"}
    assert "bad" in printed.out
    assert "NotAnImageError: needle.dcm is neither DICOM nor a picture" in printed.err
    assert "1 case(s) could not be read" in printed.out


def test_a_single_case_goes_straight_into_the_folder(tmp_path, capsys):
    out = tmp_path / "out"
    assert run(["verify", *folder(tmp_path, "a"), "--out", str(out)]) == 0
    assert read_case_json(out / "case.json").case_id == "a"
    assert f"Written to {out}" in capsys.readouterr().out


def test_the_standing_sentence_is_printed(tmp_path, capsys):
    run(["verify", *folder(tmp_path, "a")])
    assert STANDING_SENTENCE in " ".join(capsys.readouterr().out.replace("│", " ").split())


@pytest.mark.parametrize("name", ["bad", "bug"])
def test_no_traceback_reaches_a_user_who_did_not_ask(tmp_path, capsys, name):
    paths = folder(tmp_path, name)
    run(["verify", *paths])
    printed = capsys.readouterr()
    assert "Traceback" not in printed.out + printed.err
    assert len(printed.err.strip().splitlines()) == 1
    run(["verify", *paths, "--debug"])
    assert "Traceback" in capsys.readouterr().err


def test_an_internal_error_says_how_to_get_details(tmp_path, capsys):
    run(["verify", *folder(tmp_path, "bug")])
    assert "Internal error: ZeroDivisionError: division by zero; add --debug for details" in capsys.readouterr().err


def test_an_error_outside_the_cases_is_one_line_too(monkeypatch, capsys):
    def fail(*_):
        raise RuntimeError("no\nidea")

    monkeypatch.setattr("fluorospread.pipeline.gather_case.find_cases", fail)
    assert run(["verify", "x"]) == 1
    printed = capsys.readouterr().err
    assert printed == "Internal error: RuntimeError: no idea; add --debug for details\n"


def test_json_is_one_document_a_line_with_failures_in_their_place(tmp_path, capsys):
    assert run(["verify", *folder(tmp_path, "a", "bad", "undetermined"), "--json"]) == 3
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["case_id"] for line in lines] == ["a", "bad", "undetermined"]
    check_case_json(lines[0], "a")
    assert lines[1] == {
        "schema": "fluorospread/error/1",
        "case_id": "bad",
        "error": "NotAnImageError",
        "message": "needle.dcm is neither DICOM nor a picture; give an image.",
        "exit_code": 3,
    }


def test_a_folder_of_cases_is_all_of_them(tmp_path, asked):
    folder(tmp_path, "b", "a")
    run(["verify", str(tmp_path)])
    assert [request.case_id for request, _ in asked] == ["a", "b"]


def test_images_are_named_by_role_and_needle_may_repeat(tmp_path, asked):
    code = run(["verify", "--needle", "n1.dcm", "--needle", "n2.dcm", "--post", "p.dcm", "--case-id", "P1 01"])
    assert code == 0
    request, _ = asked[0]
    assert request.case_id == "P1_01"
    assert [(image.path.name, image.role) for image in request.images] == [
        ("n1.dcm", Role.NEEDLE),
        ("n2.dcm", Role.NEEDLE),
        ("p.dcm", Role.POST),
    ]


@pytest.mark.parametrize(("option", "given"), [("--no-contrast", False), ("--contrast-given", True), (None, None)])
def test_contrast_is_declared_or_left_open(asked, option, given):
    run(["verify", "--needle", "n.dcm", *([option] if option else [])])
    assert asked[0][0].contrast_given is given


def test_every_override_is_recorded_as_a_person_s(tmp_path, capsys):
    options = ["--spacing-mm", "0.28,0.3", "--columns-towards", "patient-left", "--rows-towards", "feet"]
    options += ["--polarity", "bone-dark", "--level-at", "L5=12,10"]
    run(["verify", *folder(tmp_path, "a"), *options, "--json"])
    assert json.loads(capsys.readouterr().out)["overrides"] == [
        {"name": "spacing-mm", "value": "0.28 0.3", "by": "person"},
        {"name": "columns-towards", "value": "patient-left", "by": "person"},
        {"name": "rows-towards", "value": "feet", "by": "person"},
        {"name": "polarity", "value": "bone-dark", "by": "person"},
        {"name": "level-at", "value": "L5=12,10", "by": "person"},
    ]


def test_a_protocol_is_chosen_by_name_or_file(tmp_path, asked):
    run(["verify", "--needle", "n.dcm", "--protocol", "medial-branch-block-l3-l4-facet"])
    assert asked[0][1].name == "medial-branch-block-l3-l4-facet"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify"], "name at least one image"),
        (["verify", "a", "--needle", "b"], "not both"),
        (["verify", "--post", "a", "--no-contrast"], "--no-contrast says that none was given"),
        (["verify", "a", "--spacing-mm", "x"], "--spacing-mm x"),
        (["verify", "a", "--level-at", "L5"], "--level-at L5"),
        (["verify", "a", "b", "--level-at", "L5=1,2"], "2 cases are given"),
        (["verify", "a", "b", "--case-id", "x"], "names one case"),
        (["verify", "a", "--columns-towards", "left"], "columns-towards"),
        (["verify", "a", "--nonsense"], "nonsense"),
        (["nonsense"], "nonsense"),
    ],
)
def test_a_call_that_makes_no_sense_ends_with_2_and_says_why(arguments, words, capsys):
    assert run(arguments) == 2
    assert words in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["verify", "gone.dcm"], "MissingFileError: gone.dcm"),
        (["verify", "a", "--protocol", "nope"], "ProtocolError"),
        (["verify", "a", "--protocol", "nope.toml"], "MissingFileError"),
    ],
)
def test_bad_input_ends_with_3_and_is_named(arguments, words, capsys):
    assert run(arguments) == 3
    assert words in capsys.readouterr().err


def test_an_unwritable_output_is_told_before_the_work(tmp_path, asked, capsys):
    blocked = tmp_path / "out"
    blocked.write_text("in the way")
    assert run(["verify", *folder(tmp_path, "a"), "--out", str(blocked)]) == 3
    assert "OutputError" in capsys.readouterr().err
    assert asked == []


def test_help_teaches_with_examples(capsys):
    assert run(["verify", "--help"]) == 0
    text = capsys.readouterr().out
    for words in ("Examples", "fluorospread verify film.png", "--no-contrast", "Exit code"):
        assert words in text


def test_the_version_is_printed(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("fluorospread 0.")


def test_results_of_one_call_do_not_depend_on_the_other_cases(tmp_path, capsys):
    paths = folder(tmp_path, "a", "b")
    run(["verify", *paths, "--json"])
    together = capsys.readouterr().out.splitlines()
    run(["verify", paths[1], "--json"])
    assert capsys.readouterr().out.splitlines() == together[1:]


def test_a_case_keeps_its_name_when_another_has_the_same(tmp_path):
    for parent in ("x", "y"):
        (tmp_path / parent).mkdir()
        folder(tmp_path / parent, "case")
    out = tmp_path / "out"
    run(["verify", str(tmp_path / "x" / "case"), str(tmp_path / "y" / "case"), "--out", str(out)])
    assert sorted(path.name for path in Path(out).iterdir()) == ["case", "case-2"]


def test_a_result_that_is_read_back_is_the_one_printed(tmp_path, capsys):
    out = tmp_path / "out"
    run(["verify", *folder(tmp_path, "a"), "--out", str(out), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((out / "case.json").read_text(encoding="utf-8"))
