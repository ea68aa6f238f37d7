"""A finished case becomes a folder of DICOM files; reviews verify it; what cannot be made is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pydicom
import pytest
from sqlalchemy import create_engine, text

from fluorospread.cli.app import run
from fluorospread.dicom.read_structured_report import ReportedCase, read_structured_report
from fluorospread.errors import CaseFileError, ReviewError, StoreError, UsageError
from fluorospread.model.case import CaseResult
from fluorospread.model.review import EventKind, Reading, ReviewEvent
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import Outcome
from fluorospread.pipeline.apply_review import subject_of
from fluorospread.pipeline.publish_results import PublishOptions, write_dicom_results
from fluorospread.store.reader_key import open_reader_key
from fluorospread.store.review_store import ReviewStore

WITHOUT_PDF = PublishOptions(pdf=False)
OPENED, SIGNED = EventKind.OPENED, EventKind.SIGNED


@pytest.fixture(scope="module")
def exported(result_cases: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Path, ...]]:
    """The folder of the full case, and what was written for it; nothing was left out."""
    folder = tmp_path_factory.mktemp("full")
    result_cases.write_case(result_cases.full_case(folder), folder)
    told: list[str] = []
    written = write_dicom_results(folder, tell=told.append)
    assert told == []
    return folder, written


@pytest.fixture
def case(result_cases: ModuleType, tmp_path: Path) -> CaseResult:
    """A case in which nothing was found, written to `tmp_path`."""
    made: CaseResult = result_cases.bare_case(tmp_path)
    result_cases.write_case(made, tmp_path)
    return made


@pytest.fixture
def case_with_contrast(case: CaseResult, result_cases: ModuleType, tmp_path: Path) -> CaseResult:
    """The same with a contrast mask on its one image."""
    contrast = replace(result_cases.full_case(tmp_path).contrast, image=0, pools=())
    made = replace(case, contrast=contrast)
    result_cases.write_case(made, tmp_path)
    return made


@pytest.fixture
def review(tmp_path: Path) -> Callable[..., str]:
    """A review store with one signed reading a reader; its path."""

    def make(case: CaseResult, readings: Sequence[tuple[str, Reading]]) -> str:
        path = tmp_path / "reviews.sqlite"
        with ReviewStore(str(path)) as store:
            for day, (reader, reading) in enumerate(readings, start=1):
                key = open_reader_key(reader, tmp_path / "keys")
                at = datetime(2026, 3, day, 9, 30, tzinfo=UTC)
                store.append(ReviewEvent(subject_of(case), OPENED, reader, at), key)
                store.append(ReviewEvent(subject_of(case), SIGNED, reader, at, reading, reading_seconds=30.0), key)
        return str(path)

    return make


def report_of(folder: Path) -> ReportedCase:
    return read_structured_report(folder / "results" / "structured_report.dcm")


def test_every_object_of_a_case_is_written_into_its_results_folder(exported: tuple[Path, tuple[Path, ...]]) -> None:
    folder, written = exported
    assert [path.relative_to(folder).as_posix() for path in written] == [
        "results/structured_report.dcm",
        "results/annotations_image_1.dcm",
        "results/annotations_image_2.dcm",
        "results/key_images.dcm",
        "results/contrast_segmentation.dcm",
        "results/case_report.dcm",
    ]
    datasets = [pydicom.dcmread(path) for path in written]
    assert {d.StudyInstanceUID for d in datasets} == {"2.25.12"}
    assert {str(d.PatientName) for d in datasets} == {"Test^Case"}
    assert {d.SpecificCharacterSet for d in datasets} == {"ISO_IR 192"}
    assert all("research use only" in d.SeriesDescription for d in datasets)
    assert len({d.SOPInstanceUID for d in datasets}) == len(datasets)
    # One series for each kind of object; the two annotations share theirs.
    assert len({d.SeriesInstanceUID for d in datasets}) == len(datasets) - 1


def test_exporting_again_gives_the_same_files(exported: tuple[Path, tuple[Path, ...]], tmp_path: Path) -> None:
    folder, written = exported
    again = write_dicom_results(folder / "case.json", tmp_path)
    assert {path.name: path.read_bytes() for path in again} == {path.name: path.read_bytes() for path in written}


def test_another_result_is_another_object(case: CaseResult, result_cases: ModuleType, tmp_path: Path) -> None:
    before = pydicom.dcmread(write_dicom_results(tmp_path, options=WITHOUT_PDF)[0]).SOPInstanceUID
    result_cases.write_case(replace(case, case_id="other"), tmp_path)
    after = pydicom.dcmread(write_dicom_results(tmp_path, options=WITHOUT_PDF)[0]).SOPInstanceUID
    assert before != after


def test_an_object_that_this_export_does_not_have_is_removed_and_others_files_stay(
    case_with_contrast: CaseResult, case: CaseResult, result_cases: ModuleType, tmp_path: Path
) -> None:
    before = [path.name for path in write_dicom_results(tmp_path, options=WITHOUT_PDF)]
    assert "contrast_segmentation.dcm" in before
    (tmp_path / "results" / "mine.dcm").write_bytes(b"mine")
    result_cases.write_case(case, tmp_path)
    write_dicom_results(tmp_path, options=WITHOUT_PDF)
    left = {path.name for path in (tmp_path / "results").iterdir()}
    assert "contrast_segmentation.dcm" not in left
    assert "mine.dcm" in left


def test_a_mask_that_is_gone_is_said_and_the_rest_is_written(case_with_contrast: CaseResult, tmp_path: Path) -> None:
    (tmp_path / "contrast_mask.png").unlink()
    told: list[str] = []
    written = write_dicom_results(tmp_path, options=WITHOUT_PDF, tell=told.append)
    assert "contrast_segmentation.dcm" not in [path.name for path in written]
    assert len(told) == 1
    assert told[0].startswith("No segmentation: contrast_mask.png cannot be read")


def test_a_signed_reading_verifies_the_report(
    case: CaseResult, review: Callable[..., str], make_reading: Callable[..., Reading], tmp_path: Path
) -> None:
    reading = make_reading()
    store = review(case, [("Dr. Āda", reading)])
    write_dicom_results(tmp_path, options=PublishOptions(store, "Clinic", pdf=False))
    reported = report_of(tmp_path)
    assert reported.verified
    assert reported.decision is not None
    assert reported.decision.reading == reading
    # Both L5 punctures at target and every junction covered, whatever the software proposed.
    assert reported.decision.verdict.outcome is Outcome.VERIFIED
    assert reported.result.verdict.outcome is Outcome.UNDETERMINED
    (signature,) = reported.decision.signatures
    assert (signature.reader, signature.at) == ("Dr. Āda", datetime(2026, 3, 1, 9, 30, tzinfo=UTC))
    with ReviewStore(store) as opened:
        assert reported.decision.head_hash == opened.heads()["bare"]


def test_readers_who_disagree_leave_the_report_unverified(
    case: CaseResult, review: Callable[..., str], make_reading: Callable[..., Reading], tmp_path: Path
) -> None:
    store = review(case, [("A", make_reading()), ("B", make_reading(covered=Answer.NO))])
    told: list[str] = []
    write_dicom_results(tmp_path, options=PublishOptions(store, pdf=False), tell=told.append)
    assert told == ["The report is unverified: readers disagree."]
    assert not report_of(tmp_path).verified


def test_two_readers_who_agree_both_verify(
    case: CaseResult, review: Callable[..., str], make_reading: Callable[..., Reading], tmp_path: Path
) -> None:
    store = review(case, [("A", make_reading()), ("B", make_reading())])
    write_dicom_results(tmp_path, options=PublishOptions(store, pdf=False))
    decision = report_of(tmp_path).decision
    assert decision is not None
    assert [signature.reader for signature in decision.signatures] == ["A", "B"]


def test_a_case_nobody_reviewed_stays_unverified_aloud(
    case: CaseResult, review: Callable[..., str], tmp_path: Path
) -> None:
    told: list[str] = []
    write_dicom_results(tmp_path, options=PublishOptions(review(case, []), pdf=False), tell=told.append)
    assert told == ["The report is unverified: nobody has signed."]


def test_a_review_of_another_result_is_refused(
    case: CaseResult, review: Callable[..., str], make_reading: Callable[..., Reading], tmp_path: Path
) -> None:
    store = review(replace(case, contrast_given=True), [("A", make_reading())])
    with pytest.raises(ReviewError, match=r"bare: the review in .* is about another result"):
        write_dicom_results(tmp_path, options=PublishOptions(store, pdf=False))
    assert not (tmp_path / "results").exists()


def test_a_log_that_was_changed_verifies_nothing(
    case: CaseResult, review: Callable[..., str], make_reading: Callable[..., Reading], tmp_path: Path
) -> None:
    store = review(case, [("A", make_reading())])
    engine = create_engine(f"sqlite:///{store}")
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER review_events_no_update"))
        connection.execute(text("UPDATE review_events SET body = replace(body, '\"yes\"', '\"no\"')"))
    engine.dispose()
    with pytest.raises(StoreError, match="the log of reviews was tampered with"):
        write_dicom_results(tmp_path, options=PublishOptions(store, pdf=False))


def test_a_store_that_is_not_there_is_not_made(case: CaseResult, tmp_path: Path) -> None:
    store = tmp_path / "typo.sqlite"
    with pytest.raises(StoreError, match=r"typo\.sqlite: no such review store"):
        write_dicom_results(tmp_path, options=PublishOptions(str(store), pdf=False))
    assert not store.exists()


def test_a_decision_is_judged_by_the_cases_own_protocol_only(
    case: CaseResult,
    result_cases: ModuleType,
    review: Callable[..., str],
    make_reading: Callable[..., Reading],
    tmp_path: Path,
) -> None:
    other = replace(case, protocol_sha256="0" * 64)
    result_cases.write_case(other, tmp_path)
    store = review(other, [("A", make_reading())])
    with pytest.raises(UsageError, match="name its file with --protocol"):
        write_dicom_results(tmp_path, options=PublishOptions(store, pdf=False))


def test_a_folder_without_a_result_is_named(tmp_path: Path) -> None:
    with pytest.raises(CaseFileError, match=r"case\.json: no such file"):
        write_dicom_results(tmp_path)


def test_the_command_prints_what_it_wrote_and_what_it_left_out(
    case_with_contrast: CaseResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "contrast_mask.png").unlink()
    assert run(["export", str(tmp_path), "--dicom", "--no-pdf"]) == 0
    printed = capsys.readouterr()
    assert str(tmp_path / "results" / "structured_report.dcm") in printed.out.splitlines()
    assert "No segmentation" in printed.err


def test_the_command_asks_what_to_export_as(
    case: CaseResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", str(tmp_path)]) == 2
    assert "--dicom" in capsys.readouterr().err
