"""`fluorospread pacs`: ask the image archive, fetch studies from it, send results to it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fluorospread.cli.deidentify import KEY_VARIABLE
from fluorospread.cli.progress import progress_bar

if TYPE_CHECKING:
    from fluorospread.dicom.pseudonyms import Pseudonyms
    from fluorospread.pacs.archive import Archive, StudyEntry, StudyQuery, Wanted
    from fluorospread.pacs.transfer import FetchedStudy
    from fluorospread.pipeline.fetch_cases import FetchProgress

pacs = typer.Typer(
    name="pacs",
    help=(
        "Ask the image archive (PACS), fetch studies and send results, over DICOMweb or DIMSE.\n\n"
        "The archive's address is `FLUOROSPREAD_PACS` or --pacs: `https://host/dicom-web`, `dimse://AETITLE@host:4242` "
        "or `dimse+tls://…`. Credentials and certificates come from the environment only: `FLUOROSPREAD_PACS_USER`, "
        "`_PASSWORD`, `_TOKEN`, `_CA`, `_CERTIFICATE`, `_PRIVATE_KEY`; further `_AE_TITLE`, `_MOVE_PORT`, `_TIMEOUT_S`."
    ),
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Address = Annotated[
    str | None, typer.Option("--pacs", metavar="ADDRESS", help="Outranks FLUOROSPREAD_PACS.", show_default=False)
]
Study = Annotated[str, typer.Option("--study", metavar="UID", help="Study Instance UID.", show_default=False)]
PatientId = Annotated[str, typer.Option(metavar="ID", help="`*` and `?` stand for any letters.", show_default=False)]
PatientName = Annotated[str, typer.Option(metavar="NAME", help="As DICOM writes it, e.g. DOE*.", show_default=False)]
Accession = Annotated[str, typer.Option(metavar="NUMBER", help="Accession number.", show_default=False)]
Date = Annotated[str, typer.Option(metavar="DATE", help="YYYYMMDD or YYYYMMDD-YYYYMMDD.", show_default=False)]
Description = Annotated[str, typer.Option(metavar="TEXT", help="Of the study.", show_default=False)]
Modality = Annotated[str, typer.Option(metavar="CODE", help="One that the study holds, e.g. XA.", show_default=False)]
Debug = Annotated[bool, typer.Option("--debug", help="Print tracebacks of errors.")]


@pacs.command()
def echo(pacs_address: Address = None, debug: Debug = False) -> None:
    """Does the archive answer, and does it take our credentials? **Exit code**: 0 yes · 2 usage · 3 no."""
    del debug  # read by the caller of every command
    typer.echo(f"{_archive(pacs_address).echo()} answers")


@pacs.command()
def find(
    pacs_address: Address = None,
    study: Study = "",
    patient_id: PatientId = "",
    patient_name: PatientName = "",
    accession: Accession = "",
    date: Date = "",
    description: Description = "",
    modality: Modality = "",
    show_patients: Annotated[
        bool, typer.Option("--show-patients", help="Also show patient names, IDs and accession numbers.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a study.")] = False,
    debug: Debug = False,
) -> None:
    """List studies that match.

    **Examples**

    - `fluorospread pacs find --date 20260101-20260131 --modality XA`

    - `fluorospread pacs find --patient-id 4711 --json --show-patients`
    """
    from fluorospread.pacs.archive import StudyQuery

    del debug
    query = StudyQuery(study, patient_id, patient_name, accession, date, description, modality)
    found = _archive(pacs_address).find(query)
    for entry in found:
        document = _shown(entry, show_patients)
        if as_json:
            typer.echo(json.dumps(document, ensure_ascii=False))
        else:
            values = {key: value for key, value in document.items() if value not in ("", [], None)}
            uid = values.pop("study_uid")
            said = "; ".join(
                f"{key.replace('_', ' ')} {', '.join(value) if isinstance(value, list) else value}"
                for key, value in values.items()
            )
            typer.echo(f"{uid}  {said}")
    if not as_json:
        typer.echo(f"{len(found)} {'study' if len(found) == 1 else 'studies'}")


@pacs.command()
def get(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Studies go to `DIR/<study>/`, one folder each.")],
    pacs_address: Address = None,
    study: Study = "",
    patient_id: PatientId = "",
    patient_name: PatientName = "",
    accession: Accession = "",
    date: Date = "",
    description: Description = "",
    modality: Modality = "",
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="Fetch only series of this modality; may be repeated.", show_default=False),
    ] = None,
    debug: Debug = False,
) -> None:
    """Fetch studies; run it again to go on where it was cut short.

    A folder has its own name only when its study is complete. With the cohort's key in FLUOROSPREAD_COHORT_KEY it is
    the pseudonym that `fluorospread deidentify` gives, else made from the study's UID; never a name or an ID.

    **Examples**

    - `fluorospread pacs get --study 1.2.840.99.1 --out cases`

    - `fluorospread pacs get --date 20260101-20260131 --modality XA --only XA --out cases`
    """
    from fluorospread.pacs.archive import StudyQuery, Wanted

    del debug
    query = StudyQuery(study, patient_id, patient_name, accession, date, description, modality)
    for fetched in fetch_from_archive(query, out, Wanted(tuple(only or ())), pacs_address):
        before = f", {fetched.already_here} of them here before" if fetched.already_here else ""
        typer.echo(f"{fetched.folder}: {fetched.objects} object(s){before}")


@pacs.command()
def send(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE|DIR...", help="DICOM files, or folders with .dcm files.")
    ],
    pacs_address: Address = None,
    new_study: Annotated[
        bool, typer.Option("--new-study", help="Also send objects whose study the archive does not have.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Send results into the study of their images; what is there is not sent twice.

    **Examples**

    - `fluorospread pacs send results/P1-01/results`

    - `fluorospread pacs send sample_dicom/P1-01 --new-study`
    """
    from fluorospread.pacs.transfer import send_files
    from fluorospread.pipeline.fetch_cases import dicom_files

    del debug
    paths = dicom_files(files)
    archive = _archive(pacs_address)
    with progress_bar("sending", len(paths)) as (bar, task):
        sent = send_files(archive, paths, new_study, lambda done, _total: bar.update(task, completed=done))
    typer.echo(f"{sent.stored} object(s) sent and found in the archive, {sent.already_there} there before")


def fetch_from_archive(
    query: StudyQuery, out: Path, objects: Wanted, address: str | None = None
) -> tuple[FetchedStudy, ...]:
    """Fetch what matches into `out`, with a bar on the terminal's error stream."""
    from fluorospread.pipeline.fetch_cases import fetch_cases

    archive = _archive(address)
    with progress_bar("fetching", 1) as (bar, task):

        def report(now: FetchProgress) -> None:
            text = f"study {now.study + 1} of {now.studies}"
            bar.update(task, completed=now.objects, total=max(now.of_objects, 1), description=text)

        return fetch_cases(archive, query, out, _pseudonyms(), objects, report)


def _archive(address: str | None) -> Archive:
    from fluorospread.pacs.settings import pacs_settings
    from fluorospread.pacs.transfer import open_archive

    return open_archive(pacs_settings(os.environ, address))


def _pseudonyms() -> Pseudonyms | None:
    from fluorospread.dicom.pseudonyms import Pseudonyms

    key = os.environ.get(KEY_VARIABLE, "").strip()
    return Pseudonyms(key.encode("utf-8")) if key else None


def _shown(entry: StudyEntry, with_patients: bool) -> dict[str, object]:
    document = {**asdict(entry), "modalities": list(entry.modalities)}
    if not with_patients:
        for key in ("patient_id", "patient_name", "accession_number"):
            del document[key]
    return document
