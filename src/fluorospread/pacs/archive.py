"""What an image archive can be asked, whatever it speaks: the types of questions and answers, and the interface."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydicom.dataset import Dataset

from fluorospread.errors import PacsResponseError, UsageError

_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")
_DATE_RANGE = re.compile(r"\d{8}|\d{8}-(\d{8})?|-\d{8}")


@dataclass(frozen=True)
class StudyQuery:
    """What to look for; "" leaves an attribute open. `*` and `?` stand for any letters.

    Attributes
    ----------
    study_date
        YYYYMMDD, or a range YYYYMMDD-YYYYMMDD open at either end.
    modality
        One that the study holds, e.g. "XA".
    """

    study_uid: str = ""
    patient_id: str = ""
    patient_name: str = ""
    accession_number: str = ""
    study_date: str = ""
    description: str = ""
    modality: str = ""

    def __post_init__(self) -> None:
        if self.study_date and not _DATE_RANGE.fullmatch(self.study_date):
            raise UsageError("study date: expected YYYYMMDD or a range YYYYMMDD-YYYYMMDD")
        if self.study_uid and not is_uid(self.study_uid):
            raise UsageError("study: expected a Study Instance UID, digits and dots")
        if any("\\" in value for value in self.attributes().values()):
            raise UsageError("a query cannot hold a backslash, which separates values in DICOM")

    def attributes(self) -> dict[str, str]:
        """The attributes asked for by keyword, without the open ones."""
        named = {
            "StudyInstanceUID": self.study_uid,
            "PatientID": self.patient_id,
            "PatientName": self.patient_name,
            "AccessionNumber": self.accession_number,
            "StudyDate": self.study_date,
            "StudyDescription": self.description,
            "ModalitiesInStudy": self.modality,
        }
        return {keyword: value for keyword, value in named.items() if value}


@dataclass(frozen=True)
class StudyEntry:
    """A study that the archive holds. Values are as the archive gives them: show them, never make paths of them."""

    study_uid: str
    patient_id: str = ""
    patient_name: str = ""
    study_date: str = ""
    description: str = ""
    accession_number: str = ""
    modalities: tuple[str, ...] = ()
    instances: int | None = None


@dataclass(frozen=True)
class InstanceEntry:
    """One object of a study. `sop_class_uid` and `modality` are "" where the archive does not say."""

    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class_uid: str = ""
    modality: str = ""

    @property
    def file_name(self) -> str:
        """A name that is safe whatever the UID holds, and always the same: "IM" and 20 digits of its SHA-256."""
        return f"IM{short_hash(self.sop_uid, 20)}.dcm"


@dataclass(frozen=True)
class Wanted:
    """Which objects of a study are wanted: those of these modalities or classes; all where none is named."""

    modalities: tuple[str, ...] = ()
    sop_classes: tuple[str, ...] = ()

    def takes(self, entry: InstanceEntry) -> bool:
        if not (self.modalities or self.sop_classes):
            return True
        named = entry.modality.upper() in {modality.upper() for modality in self.modalities}
        return named or entry.sop_class_uid in self.sop_classes


EVERYTHING = Wanted()

Receive = Callable[[InstanceEntry, bytes], None]
"""Takes one object as a whole DICOM file; an exception from it ends the transfer."""


class Archive(Protocol):
    """An image archive. Every method raises PacsError when the archive does not do what it was asked."""

    def echo(self) -> str:
        """Ask for a sign of life; returns what answered, in a few words."""

    def find(self, query: StudyQuery) -> tuple[StudyEntry, ...]:
        """Studies that match, as the archive orders them."""

    def instances(self, study_uid: str) -> tuple[InstanceEntry, ...]:
        """All objects of a study; none where the archive does not have it."""

    def fetch(self, wanted: Sequence[InstanceEntry], receive: Receive) -> None:
        """Hand each object to `receive` as soon as it has arrived whole."""

    def store(self, dataset: Dataset) -> None:
        """Store one object; returns when the archive has confirmed it."""


def is_uid(value: str) -> bool:
    """True for a valid UID (PS3.5 9.1)."""
    return len(value) <= 64 and _UID.fullmatch(value) is not None


def checked_uid(value: str, name: str) -> str:
    """The UID, refused where it is none, before it becomes part of a request. Raises PacsResponseError."""
    if not is_uid(value):
        raise PacsResponseError(
            f"the archive gave a {name} that is no UID ({len(value)} characters); expected digits and dots"
        )
    return value


def short_hash(value: str, digits: int) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:digits]


def text_of(dataset: Dataset, keyword: str) -> str:
    """An answer's value as plain text without control characters; "" when absent or malformed."""
    try:
        value = dataset.get(keyword)
        said = "" if value is None else str(value)
    except Exception:
        # A malformed value may raise anything when it is decoded; it only informs.
        return ""
    return "".join(character for character in said if character.isprintable()).strip()


def texts_of(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """An answer's values as plain texts."""
    try:
        value = dataset.get(keyword)
    except Exception:
        return ()
    if value is None or isinstance(value, str):
        return tuple(part for part in text_of(dataset, keyword).split("\\") if part)
    return tuple("".join(c for c in str(item) if c.isprintable()) for item in value)


def study_of(answer: Dataset) -> StudyEntry:
    """A study from an answer of either protocol. Raises PacsResponseError."""
    count = text_of(answer, "NumberOfStudyRelatedInstances")
    return StudyEntry(
        study_uid=checked_uid(text_of(answer, "StudyInstanceUID"), "Study Instance UID"),
        patient_id=text_of(answer, "PatientID"),
        patient_name=text_of(answer, "PatientName"),
        study_date=text_of(answer, "StudyDate"),
        description=text_of(answer, "StudyDescription"),
        accession_number=text_of(answer, "AccessionNumber"),
        modalities=texts_of(answer, "ModalitiesInStudy"),
        instances=int(count) if count.isdigit() else None,
    )


STUDY_KEYWORDS = (
    "StudyInstanceUID",
    "PatientID",
    "PatientName",
    "StudyDate",
    "StudyDescription",
    "AccessionNumber",
    "ModalitiesInStudy",
    "NumberOfStudyRelatedInstances",
)
