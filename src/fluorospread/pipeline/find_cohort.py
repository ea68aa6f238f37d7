"""A folder of cases or a cohort.toml in, the cohort and what to verify for each case out.

Folder convention: `DIR/<case>/`, one folder a case, named as the case. Hidden folders, folders of documents
alone (notes, tables, truth) and the folder of results are passed over; an empty folder is a broken case. A
cohort.toml in the folder, or given itself, adds patients, groups, exclusions and pain scores. A case that
cannot be gathered is a `Failure` in its place, so that it is reported and stops nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fluorospread.errors import CaseError, MissingFileError, UsageError
from fluorospread.model.cohort import Cohort, CohortCase
from fluorospread.pipeline.gather_case import (
    CASE_FILE,
    CaseOverrides,
    CaseRequest,
    gather_case,
    listed_images,
    safe_case_id,
)
from fluorospread.pipeline.leftover_files import DOCUMENTS
from fluorospread.pipeline.read_declaration import read_declaration
from fluorospread.pipeline.verify_many import Failure, failure_of, gather_all

COHORT_FILE = "cohort.toml"


@dataclass(frozen=True)
class FoundCohort:
    """The cohort and, for each of its cases in order, what to verify; None for an excluded case.

    `protocol` is a built-in name or a file's path, None where the cohort leaves it to its cases.
    """

    cohort: Cohort
    requests: tuple[CaseRequest | Failure | None, ...]
    protocol: str | None = None


def find_cohort(source: Path, out: Path | None = None) -> FoundCohort:
    """The cohort that a folder or a cohort.toml describes; `out` is where its results go.

    Raises
    ------
    UsageError
        The results would be written among the images.
    MissingFileError
        There is no such file or folder.
    CaseError
        The folder holds no case, or the manifest does not fit its schema.
    """
    if source.is_dir():
        manifest = source / COHORT_FILE
        if out is not None and out.resolve() == source.resolve():
            raise UsageError(f"--out {out} is the folder of the images; choose another, so that they stay apart")
        return _from_manifest(manifest) if manifest.is_file() else _from_folder(source, out)
    if not source.is_file():
        raise MissingFileError(f"{source}: no such file or folder; expected a folder of cases or a {COHORT_FILE}")
    return _from_manifest(source)


def _from_folder(folder: Path, out: Path | None) -> FoundCohort:
    try:
        paths = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        paths = [path for path in paths if path.resolve() != (out and out.resolve()) and not _only_documents(path)]
    except OSError as error:
        raise MissingFileError(f"{folder}: the folder cannot be read ({error.strerror})") from error
    if not paths:
        raise CaseError(f"{folder}: no case folders in it; expected {folder.name}/<case>/ or a {COHORT_FILE}")
    requests = _with_names_of_their_own(gather_all(paths, None, CaseOverrides()))
    cases = tuple(CohortCase(request.case_id, request.case_id) for request in requests)
    return FoundCohort(Cohort(folder.absolute().name, cases), tuple(requests))


def _only_documents(folder: Path) -> bool:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return bool(found) and all(path.suffix.lower() in DOCUMENTS and path.name != CASE_FILE for path in found)


def _with_names_of_their_own(requests: Sequence[CaseRequest | Failure]) -> list[CaseRequest | Failure]:
    """The same; a failure whose name a case has as well gets -2, -3 …, as two cases would."""
    taken = {request.case_id.lower() for request in requests if isinstance(request, CaseRequest)}
    named: list[CaseRequest | Failure] = []
    for request in requests:
        if isinstance(request, Failure):
            name, count = request.case_id, 1
            while name.lower() in taken:
                count += 1
                name = f"{request.case_id}-{count}"
            taken.add(name.lower())
            named.append(replace(request, case_id=name))
        else:
            named.append(request)
    return named


def _from_manifest(path: Path) -> FoundCohort:
    declared = read_declaration(path, "cohort.schema.json")
    base = path.absolute().parent
    cases, requests = [], []
    for entry in declared["case"]:
        case_id = entry.get("id") or safe_case_id(Path(entry["path"]).stem)
        cases.append(_case(case_id, entry))
        requests.append(None if "excluded" in entry else _request(case_id, entry, base))
    protocol = declared.get("protocol")
    if protocol is not None and protocol.endswith(".toml"):
        protocol = str(base / protocol)
    vas_maximum = declared.get("vas_maximum")
    cohort = Cohort(declared.get("name", base.name), tuple(cases), None if vas_maximum is None else float(vas_maximum))
    return FoundCohort(cohort, tuple(requests), protocol)


def _case(case_id: str, entry: Mapping[str, Any]) -> CohortCase:
    complications = entry.get("complications")
    return CohortCase(
        case_id=case_id,
        patient=entry.get("patient", case_id),
        group=entry.get("group", ""),
        excluded=entry.get("excluded", ""),
        age_years=entry.get("age_years"),
        sex=entry.get("sex", ""),
        vas={
            occasion: {float(time_h): float(score) for time_h, score in scores.items()}
            for occasion, scores in entry.get("vas", {}).items()
        },
        complications=None if complications is None else tuple(complications),
        measured=entry.get("measured", {}),
    )


def _request(case_id: str, entry: Mapping[str, Any], base: Path) -> CaseRequest | Failure:
    given = entry.get("contrast_given")
    try:
        if "path" in entry:
            return replace(gather_case(base / entry["path"], given, CaseOverrides()), case_id=case_id)
        return CaseRequest(case_id, listed_images(base, entry["images"], COHORT_FILE), given)
    except Exception as error:
        return failure_of(case_id, error)
