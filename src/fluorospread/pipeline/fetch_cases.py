"""A question to the image archive in, a folder of cases out: one folder a study, named so that it tells nobody.

With the cohort's key a study's folder has the pseudonym that `fluorospread deidentify` gives it, else a name made
from its UID. Patient names and IDs never become names of folders.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from fluorospread.dicom.dose_report import DOSE_REPORT_CLASS
from fluorospread.dicom.header_facts import PROJECTION_MODALITIES
from fluorospread.dicom.pseudonyms import Pseudonyms
from fluorospread.errors import PacsResponseError, UsageError
from fluorospread.pacs.archive import EVERYTHING, Archive, StudyEntry, StudyQuery, Wanted, short_hash
from fluorospread.pacs.transfer import FetchedStudy, fetch_study

QUERY_PREFIX = "pacs:"
# What a case can be verified from, and how much X-ray it took.
CASE_OBJECTS = Wanted(tuple(modality for modality in PROJECTION_MODALITIES if modality), (DOSE_REPORT_CLASS,))
_NAMES = {
    "study": "study_uid",
    "patient-id": "patient_id",
    "patient-name": "patient_name",
    "accession": "accession_number",
    "date": "study_date",
    "description": "description",
    "modality": "modality",
}


@dataclass(frozen=True)
class FetchProgress:
    """Where a transfer stands: studies and, within the one being fetched, objects."""

    study: int
    studies: int
    objects: int
    of_objects: int


def is_pacs_query(source: str) -> bool:
    """True for `pacs:date=20260101-20261231,modality=XA`; a path never looks so."""
    return source.startswith(QUERY_PREFIX)


def parse_query(text: str) -> StudyQuery:
    """The question that `pacs:name=value,name=value` asks.

    Raises
    ------
    UsageError
        A name is unknown, named twice, or nothing is asked for.
    """
    given: dict[str, str] = {}
    for part in re.split(r",(?=[a-z-]+=)", text.removeprefix(QUERY_PREFIX)):
        name, _, value = part.partition("=")
        if name not in _NAMES or not value.strip() or _NAMES[name] in given:
            raise UsageError(
                f"the query part {name!r} is not understood; expected name=value, each once, joined by commas, with "
                f"the names {', '.join(_NAMES)}"
            )
        given[_NAMES[name]] = value.strip()
    return StudyQuery(**given)


def check_not_everything(query: StudyQuery) -> None:
    """Refuse a query that leaves everything open, before a whole archive is fetched. Raises UsageError."""
    narrow = {field.name for field in fields(query) if getattr(query, field.name).strip("*")} - {"modality"}
    if not narrow:
        raise UsageError(
            "the query would fetch the whole archive; name a study, patient, date, accession or description"
        )


def study_folder_name(entry: StudyEntry, pseudonyms: Pseudonyms | None) -> str:
    """The folder's name for a study: safe as a path, the same each time, and telling nobody."""
    if pseudonyms is None:
        return f"study-{short_hash(entry.study_uid, 12)}"
    identity = f"id {entry.patient_id}" if entry.patient_id else f"study {entry.study_uid}"
    return f"{pseudonyms.patient(identity)}-{pseudonyms.study(entry.study_uid)}"


def fetch_cases(
    archive: Archive,
    query: StudyQuery,
    out: Path,
    pseudonyms: Pseudonyms | None = None,
    objects: Wanted = EVERYTHING,
    report: Callable[[FetchProgress], None] = lambda _: None,
) -> tuple[FetchedStudy, ...]:
    """Fetch every study that matches into `out/<study>/`; run it again to go on where it was cut short.

    Raises
    ------
    UsageError
        The query leaves everything open.
    PacsResponseError
        Nothing matches.
    PacsError
        The archive does not answer, or the connection broke; what arrived is kept.
    """
    check_not_everything(query)
    entries = archive.find(query)
    if not entries:
        raise PacsResponseError("the archive has no study that matches; check the query with `fluorospread pacs find`")
    return tuple(
        fetch_study(
            archive,
            entry.study_uid,
            out / study_folder_name(entry, pseudonyms),
            objects,
            lambda done, total, number=number: report(FetchProgress(number, len(entries), done, total)),  # type: ignore[misc]
        )
        for number, entry in enumerate(entries)
    )


def dicom_files(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The DICOM files that paths stand for: files themselves, and the `.dcm` files of folders however deep.

    Raises
    ------
    UsageError
        There are none.
    """
    found: list[Path] = []
    for path in paths:
        found += sorted(path.rglob("*.dcm")) if path.is_dir() else [path]
    if not found:
        raise UsageError("no DICOM file to send: name files, or folders that hold .dcm files")
    return tuple(dict.fromkeys(found))
