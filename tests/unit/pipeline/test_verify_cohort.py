"""A cohort's run: bounded, in order, resumed where it stopped, unharmed by a broken case."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluorospread.errors import CaseError, OutputError, UnsupportedImageError, UsageError
from fluorospread.model.case import Role
from fluorospread.pipeline import run_cohort_case, verify_cohort
from fluorospread.pipeline.gather_case import CaseOverrides, CaseRequest, ImageRequest
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.pipeline.run_cohort_case import CohortOptions, Status, fingerprint
from fluorospread.pipeline.settings import VerifySettings
from fluorospread.pipeline.verify_many import Failure

WORKERS = 2


def _requests(folder: Path, count: int) -> list[CaseRequest]:
    requests = []
    for i in range(count):
        image = folder / f"{i:02d}" / "needle.dcm"
        image.parent.mkdir(parents=True)
        image.write_bytes(f"pixels {i}".encode())
        requests.append(CaseRequest(f"c{i:02d}", (ImageRequest(image, Role.NEEDLE, "file name"),)))
    return requests


class _Work:
    """Stands in for verifying: writes a case.json that depends on the image, and counts what was done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.verified: list[str] = []
        self.broken: set[str] = set()
        self._lock = threading.Lock()
        monkeypatch.setattr(run_cohort_case, "verify_case", self.verify)
        monkeypatch.setattr(run_cohort_case, "write_case", self.write)
        monkeypatch.setattr(run_cohort_case, "report_verified", self.report)
        monkeypatch.setattr(run_cohort_case, "weights_sha256", lambda: "e" * 64)

    def verify(self, request: CaseRequest, protocol: object, settings: object) -> CaseRequest:
        with self._lock:
            self.verified.append(request.case_id)
        if request.case_id in self.broken:
            raise CaseError(f"{request.case_id}: images of 2 patients in one case")
        time.sleep(0.01)
        return request

    def write(self, case: CaseRequest, folder: Path) -> CaseRequest:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "case.json").write_bytes(case.images[0].path.read_bytes())
        return case

    def report(self, case: object, result: object, folder: Path) -> None:
        (folder / "case_report.html").write_text("report")


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> _Work:
    """The engine on a cluster of threads, so that it can be watched from here."""

    @contextmanager
    def threads(options: CohortOptions, jobs: int) -> Iterator[Any]:
        from distributed import Client

        with Client(
            processes=False, n_workers=options.workers or WORKERS, threads_per_worker=1, dashboard_address=None
        ) as client:
            yield client

    monkeypatch.setattr(verify_cohort, "_cluster", threads)
    return _Work(monkeypatch)


def test_every_case_is_done_once_and_told_in_order(work: _Work, tmp_path: Path) -> None:
    requests = _requests(tmp_path / "in", 12)
    told: list[verify_cohort.Progress] = []
    runs = verify_cohort.verify_cohort(requests, CohortOptions(tmp_path / "out"), told.append)
    assert [run.case_id for run in runs] == [request.case_id for request in requests]
    assert {run.status for run in runs} == {Status.VERIFIED}
    assert sorted(work.verified) == [request.case_id for request in requests]
    assert [now.done for now in told] == list(range(1, 13))
    assert told[-1].seconds_left == 0.0


def test_a_second_run_repeats_nothing_and_a_changed_image_only_its_case(work: _Work, tmp_path: Path) -> None:
    requests, options = _requests(tmp_path / "in", 4), CohortOptions(tmp_path / "out")
    verify_cohort.verify_cohort(requests, options)
    work.verified.clear()
    assert {run.status for run in verify_cohort.verify_cohort(requests, options)} == {Status.REUSED}
    assert work.verified == []
    requests[2].images[0].path.write_bytes(b"other pixels")
    verify_cohort.verify_cohort(requests, options)
    assert work.verified == ["c02"]


def test_a_case_whose_result_was_changed_or_lost_is_done_again(work: _Work, tmp_path: Path) -> None:
    requests, options = _requests(tmp_path / "in", 4), CohortOptions(tmp_path / "out")
    verify_cohort.verify_cohort(requests, options)
    (tmp_path / "out" / "c00" / "case.json").write_text("changed")
    (tmp_path / "out" / "c01" / "case.json").unlink()
    (tmp_path / "out" / "c02" / "case_report.html").unlink()
    (tmp_path / "out" / "c03" / "run.json").write_text("{ half")
    work.verified.clear()
    verify_cohort.verify_cohort(requests, options)
    assert sorted(work.verified) == ["c00", "c01", "c02", "c03"]


def test_dicom_results_are_written_once_and_without_verifying_again(
    work: _Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported: list[str] = []

    def export(folder: Path) -> None:
        if folder.name == "c01":
            raise UnsupportedImageError("needle.png is a picture,\nnot DICOM")
        exported.append(folder.name)
        (folder / "results").mkdir(exist_ok=True)
        (folder / "results" / "structured_report.dcm").write_bytes(b"SR")

    monkeypatch.setattr(run_cohort_case, "write_dicom_results", export)
    requests, plain = _requests(tmp_path / "in", 3), CohortOptions(tmp_path / "out")
    verify_cohort.verify_cohort(requests, plain)
    assert exported == []
    options = replace(plain, dicom=True)
    runs = verify_cohort.verify_cohort(requests, options)
    assert sorted(exported) == ["c00", "c02"]
    assert [run.status for run in runs] == [Status.REUSED] * 3
    assert [run.no_dicom for run in runs] == ["", "UnsupportedImageError: needle.png is a picture, not DICOM", ""]
    verify_cohort.verify_cohort(requests, options)
    assert sorted(exported) == ["c00", "c02"]
    requests[2].images[0].path.write_bytes(b"other pixels")
    verify_cohort.verify_cohort(requests, plain)
    verify_cohort.verify_cohort(requests, options)
    assert sorted(exported) == ["c00", "c02", "c02"]


def test_a_run_that_was_cut_short_goes_on_with_what_is_missing(work: _Work, tmp_path: Path) -> None:
    requests, options = _requests(tmp_path / "in", 20), CohortOptions(tmp_path / "out")

    def stop(now: verify_cohort.Progress) -> None:
        if now.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify_cohort.verify_cohort(requests, options, stop)
    finished = {path.parent.name for path in (tmp_path / "out").glob("*/run.json")}
    assert 3 <= len(finished) < 20
    work.verified.clear()
    runs = verify_cohort.verify_cohort(requests, options)
    assert set(work.verified) == {request.case_id for request in requests} - finished
    assert len(runs) == 20


def test_a_broken_case_is_reported_and_stops_nothing(work: _Work, tmp_path: Path) -> None:
    work.broken = {"c01"}
    requests: list[CaseRequest | Failure | None] = [*_requests(tmp_path / "in", 3)]
    requests += [Failure("c03", "MissingFileError", "gone.dcm is not there", 3), None]
    runs = verify_cohort.verify_cohort(requests, CohortOptions(tmp_path / "out"))
    assert [(run.case_id, run.status) for run in runs] == [
        ("c00", Status.VERIFIED),
        ("c01", Status.FAILED),
        ("c02", Status.VERIFIED),
        ("c03", Status.FAILED),
    ]
    assert [run.failure.message for run in runs if run.failure is not None] == [
        "c01: images of 2 patients in one case",
        "gone.dcm is not there",
    ]


def test_results_are_the_same_whatever_the_number_of_workers(work: _Work, tmp_path: Path) -> None:
    requests = _requests(tmp_path / "in", 6)
    written = []
    for workers in (1, 3):
        out = tmp_path / f"out{workers}"
        verify_cohort.verify_cohort(requests, CohortOptions(out, workers=workers))
        files = sorted(path for path in out.rglob("*") if path.is_file())
        written.append({path.relative_to(out).as_posix(): path.read_bytes() for path in files})
    assert written[0] == written[1]
    assert len(written[0]) == 18


def test_few_cases_are_handed_out_at_a_time(work: _Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handed_out, most = 0, 0
    from distributed import Client

    submit = Client.submit

    def counting(self: Client, *args: Any, **kwargs: Any) -> Any:
        nonlocal handed_out, most
        handed_out += 1
        most = max(most, handed_out)
        return submit(self, *args, **kwargs)

    monkeypatch.setattr(Client, "submit", counting)

    def progress(_: verify_cohort.Progress) -> None:
        nonlocal handed_out
        handed_out -= 1

    verify_cohort.verify_cohort(_requests(tmp_path / "in", 30), CohortOptions(tmp_path / "out"), progress)
    assert most <= 3 * WORKERS + 1


def test_the_fingerprint_depends_on_all_that_the_result_depends_on(work: _Work, tmp_path: Path) -> None:
    (request,) = _requests(tmp_path, 1)
    protocol, settings = load_protocol(DEFAULT_PROTOCOL), VerifySettings()
    key = fingerprint(request, protocol, settings)
    moved = tmp_path / "elsewhere.dcm"
    moved.write_bytes(request.images[0].path.read_bytes())
    image = request.images[0]
    assert fingerprint(replace(request, images=(replace(image, path=moved),)), protocol, settings) == key
    others = [
        fingerprint(replace(request, contrast_given=False), protocol, settings),
        fingerprint(replace(request, images=(replace(image, role=Role.POST),)), protocol, settings),
        fingerprint(replace(request, dose_reports=(moved,)), protocol, settings),
        fingerprint(replace(request, overrides=CaseOverrides(spacing_mm=(0.3, 0.3))), protocol, settings),
        fingerprint(request, replace(protocol, sha256="0" * 64), settings),
    ]
    assert len({key, *others}) == 1 + len(others)


def test_another_version_or_other_weights_do_the_case_again(
    work: _Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests, options = _requests(tmp_path / "in", 1), CohortOptions(tmp_path / "out")
    for name, value in (("__version__", "9.9.9"), ("weights_sha256", lambda: "f" * 64)):
        verify_cohort.verify_cohort(requests, options)
        work.verified.clear()
        monkeypatch.setattr(run_cohort_case, name, value)
        verify_cohort.verify_cohort(requests, options)
        assert work.verified == ["c00"]


def test_an_output_folder_that_cannot_be_made_is_named_before_the_work(work: _Work, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        verify_cohort.verify_cohort(_requests(tmp_path / "in", 1), CohortOptions(tmp_path / "file" / "out"))
    assert work.verified == []


def test_a_scheduler_that_does_not_answer_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_cohort, "_CONNECT_TIMEOUT", "1s")
    options = CohortOptions(tmp_path / "out", scheduler="tcp://127.0.0.1:1")
    with pytest.raises(UsageError, match="no dask scheduler answers"):
        verify_cohort.verify_cohort(_requests(tmp_path / "in", 1), options)


def test_real_worker_processes_name_the_reason_of_a_lost_file(tmp_path: Path) -> None:
    requests = _requests(tmp_path / "in", 2)
    for request in requests:
        request.images[0].path.unlink()
    runs = verify_cohort.verify_cohort(requests, CohortOptions(tmp_path / "out", workers=1))
    assert [run.failure.kind for run in runs if run.failure is not None] == ["MissingFileError"] * 2
    assert all("needle.dcm" in run.failure.message for run in runs if run.failure is not None)
