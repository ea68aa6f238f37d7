"""One case of a cohort in a worker: passed over when finished, else verified, written and marked finished.

A finished case leaves `run.json` beside its results: a fingerprint of everything its result depends on
(image bytes and roles, what was declared, protocol, settings, software version, network weights) and the
hash of the case.json written. A case whose fingerprint and case.json still agree is not verified again. It also
says whether the case's DICOM results were made from that case.json.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from fluorospread import __version__
from fluorospread.atomic_files import write_atomically
from fluorospread.errors import FluorospreadError, MissingFileError
from fluorospread.landmarks.network import weights_sha256
from fluorospread.model.protocol import Protocol
from fluorospread.pipeline.gather_case import CaseRequest
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.pipeline.publish_results import REPORT_FILE as DICOM_REPORT_FILE
from fluorospread.pipeline.publish_results import RESULTS_FOLDER, write_dicom_results
from fluorospread.pipeline.report_case import report_verified
from fluorospread.pipeline.settings import VerifySettings
from fluorospread.pipeline.verify_case import verify_case
from fluorospread.pipeline.verify_many import Failure, failure_of
from fluorospread.pipeline.write_case import CASE_JSON, write_case

RUN_FILE = "run.json"
REPORT_FILE = "case_report.html"


class Status(StrEnum):
    """What became of a case in this run."""

    VERIFIED = "done"
    REUSED = "already done"
    FAILED = "failed"


@dataclass(frozen=True)
class CaseRun:
    """What became of one case: `failure` goes with `failed` only; `seconds` is what it took in its worker;
    `no_dicom` says why a case that was judged has no DICOM results though they were asked for."""

    index: int
    case_id: str
    status: Status
    seconds: float = 0.0
    failure: Failure | None = None
    no_dicom: str = ""


@dataclass(frozen=True)
class CohortOptions:
    """How a cohort is run.

    Attributes
    ----------
    out
        Results go to `out/<case_id>/`.
    protocol
        Outranks what cases name; None leaves it to them, then to the built-in default.
    workers
        Processes of the local cluster, None for one a core. Not used with a scheduler.
    scheduler
        Address of a running dask scheduler (`tcp://host:8786`), whose workers see the same paths.
    reports
        Write each case's QA report as well.
    dicom
        Write each case's DICOM results as well.
    """

    out: Path
    protocol: Protocol | None = None
    workers: int | None = None
    scheduler: str | None = None
    reports: bool = True
    settings: VerifySettings = field(default_factory=VerifySettings)
    dicom: bool = False


@dataclass(frozen=True)
class CaseJob:
    """One case as it travels to a worker."""

    index: int
    request: CaseRequest
    options: CohortOptions


def run_case(job: CaseJob) -> CaseRun:
    """One case in a worker: passed over when finished, else verified, written and marked as finished."""
    began = time.perf_counter()
    request, options = job.request, job.options
    try:
        status = _verify_unless_finished(request, options)
        no_dicom = _export_unless_done(options.out / request.case_id) if options.dicom else ""
    except Exception as error:
        elapsed = time.perf_counter() - began
        return CaseRun(job.index, request.case_id, Status.FAILED, elapsed, failure_of(request.case_id, error))
    return CaseRun(job.index, request.case_id, status, time.perf_counter() - began, no_dicom=no_dicom)


def _verify_unless_finished(request: CaseRequest, options: CohortOptions) -> Status:
    protocol = options.protocol or load_protocol(request.protocol or DEFAULT_PROTOCOL)
    folder = options.out / request.case_id
    key = fingerprint(request, protocol, options.settings)
    if _is_finished(folder, key, options.reports):
        return Status.REUSED
    # Results of another fingerprint must not be taken for this one's if the work below is cut short.
    (folder / RUN_FILE).unlink(missing_ok=True)
    case = verify_case(request, protocol, options.settings)
    result = write_case(case, folder)
    if options.reports:
        report_verified(case, result, folder)
    run = {
        "fingerprint": key,
        "case_json_sha256": _file_sha256(folder / CASE_JSON),
        "software": __version__,
        "weights_sha256": weights_sha256(),
        "dicom_results": False,
    }
    _write_run(folder, run)
    return Status.VERIFIED


def _export_unless_done(folder: Path) -> str:
    """Write the case's DICOM results unless those of this case.json are there; why there are none, else ""."""
    run = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    if run.get("dicom_results") and (folder / RESULTS_FOLDER / DICOM_REPORT_FILE).is_file():
        return ""
    try:
        write_dicom_results(folder)
    except FluorospreadError as error:
        # E.g. pictures, which belong to no study: the case is judged all the same.
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    _write_run(folder, {**run, "dicom_results": True})
    return ""


def _write_run(folder: Path, run: Mapping[str, object]) -> None:
    write_atomically(folder / RUN_FILE, (json.dumps(run, indent=2) + "\n").encode())


def fingerprint(request: CaseRequest, protocol: Protocol, settings: VerifySettings) -> str:
    """SHA-256 over everything the result of a case depends on; file names and places are not among it,
    but for the roles they settle and the dose reports they name.

    Raises
    ------
    MissingFileError
        An image cannot be read.
    """
    try:
        images = [[_file_sha256(image.path), image.role, image.role_source] for image in request.images]
        dose_reports = [[_file_sha256(path), path.name] for path in request.dose_reports]
    except OSError as error:
        raise MissingFileError(f"{error.filename}: cannot be read ({error.strerror})") from error
    parts = {
        "case_id": request.case_id,
        "images": images,
        "dose_reports": dose_reports,
        "contrast_given": request.contrast_given,
        "overrides": [asdict(override) for override in request.overrides.recorded()],
        "notes": request.notes,
        "protocol": protocol.sha256,
        "settings": repr(settings),
        "software": __version__,
        "weights": weights_sha256(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_finished(folder: Path, key: str, reports: bool) -> bool:
    try:
        run = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        same = run["fingerprint"] == key and run["case_json_sha256"] == _file_sha256(folder / CASE_JSON)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(same) and (not reports or (folder / REPORT_FILE).is_file())
