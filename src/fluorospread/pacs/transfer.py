"""Whole studies from the archive, results to it: what is already there is not sent twice."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from fluorospread.errors import MissingFileError, NotAnImageError, PacsResponseError
from fluorospread.pacs.archive import EVERYTHING, Archive, InstanceEntry, StudyQuery, Wanted, text_of
from fluorospread.pacs.received_study import ReceivedStudy
from fluorospread.pacs.settings import PacsSettings

Report = Callable[[int, int], None]
"""Objects done and objects in all."""


@dataclass(frozen=True)
class FetchedStudy:
    """A complete study: its folder, objects in it, and how many of them were here before."""

    folder: Path
    objects: int
    already_here: int


@dataclass(frozen=True)
class Sent:
    """What was sent; `already_there` counts objects whose UID the archive had before."""

    stored: int
    already_there: int


# Without a handler Python prints warnings of these: tracebacks, what was asked for, whatever a server sends.
for _name in ("retrying", "dicomweb_client"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


def open_archive(settings: PacsSettings) -> Archive:
    """The client that speaks the address's protocol; only its library is loaded."""
    if settings.is_web:
        from fluorospread.pacs.dicomweb_archive import DicomwebArchive

        return DicomwebArchive(settings)
    from fluorospread.pacs.dimse_archive import DimseArchive

    return DimseArchive(settings)


def fetch_study(
    archive: Archive,
    study_uid: str,
    folder: Path,
    objects: Wanted = EVERYTHING,
    report: Report = lambda _done, _total: None,
) -> FetchedStudy:
    """Fetch a study's objects into `folder`, going on where an earlier attempt was cut short.

    Raises
    ------
    PacsError
        The archive has no such objects, or the transfer broke; what arrived is kept.
    OutputError
        The folder cannot be written.
    """
    listed = archive.instances(study_uid)
    wanted = [entry for entry in listed if objects.takes(entry)]
    if not wanted:
        kinds = ", ".join(sorted({entry.modality or "unnamed" for entry in listed})) or "none"
        raise PacsResponseError(f"the archive has no such objects of this study (modalities there: {kinds})")
    received = ReceivedStudy(folder, study_uid)
    missing = received.missing(wanted)
    done = len(wanted) - len(missing)
    report(done, len(wanted))

    def receive(entry: InstanceEntry, content: bytes) -> None:
        nonlocal done
        received.receive(entry, content)
        done += 1
        report(done, len(wanted))

    if missing:
        archive.fetch(missing, receive)
    return FetchedStudy(received.complete(wanted), len(wanted), len(wanted) - len(missing))


def send_files(
    archive: Archive, paths: Sequence[Path], new_study: bool = False, report: Report = lambda _done, _total: None
) -> Sent:
    """Send DICOM files into the studies they belong to, and look whether they arrived.

    Parameters
    ----------
    new_study
        Also send objects whose study the archive does not have.

    Raises
    ------
    PacsResponseError
        The archive lacks the study, has it under another patient, or an object is not there afterwards.
    PacsError
        The transfer broke; run it again, what is there is not sent twice.
    MissingFileError, NotAnImageError
        A file cannot be read, or is no DICOM object.
    """
    files = [_read_header(path) for path in paths]
    there: dict[str, set[str]] = {}
    for header in files:
        study_uid = str(header.StudyInstanceUID)
        if study_uid not in there:
            _check_study(archive, header, new_study)
            there[study_uid] = _objects_there(archive, study_uid)
    missing = [
        (path, header)
        for path, header in zip(paths, files, strict=True)
        if str(header.SOPInstanceUID) not in there[str(header.StudyInstanceUID)]
    ]
    already_there = len(files) - len(missing)
    for number, (path, _) in enumerate(missing):
        report(already_there + number, len(files))
        archive.store(_read(path))
    report(len(files), len(files))
    _check_arrived(archive, [header for _, header in missing])
    return Sent(len(missing), already_there)


def _check_study(archive: Archive, header: Dataset, new_study: bool) -> None:
    """Refuse to make a study by mistake, or to put a patient's results into another's."""
    studies = archive.find(StudyQuery(study_uid=str(header.StudyInstanceUID)))
    if not studies:
        if new_study:
            return
        raise PacsResponseError(
            "the archive does not have the study that the results belong to; send the images first, or say "
            "--new-study to make it"
        )
    if studies[0].patient_id != text_of(header, "PatientID"):
        raise PacsResponseError(
            "the archive has this study under another patient ID than the file; nothing was sent. Results of "
            "de-identified images do not belong into the original study"
        )


def _objects_there(archive: Archive, study_uid: str) -> set[str]:
    return {entry.sop_uid for entry in archive.instances(study_uid)}


def _check_arrived(archive: Archive, headers: Sequence[Dataset]) -> None:
    there = {uid: _objects_there(archive, uid) for uid in sorted({str(header.StudyInstanceUID) for header in headers})}
    lost = sum(str(header.SOPInstanceUID) not in there[str(header.StudyInstanceUID)] for header in headers)
    if lost:
        raise PacsResponseError(f"{lost} object(s) were sent without error but are not in the archive; send them again")


def _read_header(path: Path) -> Dataset:
    return _read(path, specific_tags=["SOPInstanceUID", "StudyInstanceUID", "PatientID", "SpecificCharacterSet"])


def _read(path: Path, specific_tags: list[str] | None = None) -> Dataset:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path, specific_tags=specific_tags)
    except OSError as error:
        raise MissingFileError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:
        raise NotAnImageError(f"{path} is no DICOM file; only DICOM objects can be sent") from error
    for keyword in ("StudyInstanceUID", "SOPInstanceUID"):
        if not text_of(dataset, keyword):
            raise NotAnImageError(f"{path} has no {keyword}; only complete DICOM objects can be sent")
    return dataset
