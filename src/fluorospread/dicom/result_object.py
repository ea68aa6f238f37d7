"""What every object of a result has in common: equipment, series, dates, UIDs from content, files.

UIDs are derived from the whole encoded content: the same result gives the same bytes and the same UIDs,
another content another instance in another series.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

from fluorospread.dicom.result_source import UNICODE, ResultSources
from fluorospread.dicom.write_radiograph import derived_uid
from fluorospread.model.case import SoftwareVersion

ResultObject: TypeAlias = Dataset
"""What other packages, which do not speak pydicom, hand on unseen."""

_PLACEHOLDER = "2.25.1"


class ResultKind(Enum):
    """Kinds of result objects: series number and description. Numbers far above those of a C-arm's series."""

    STRUCTURED_REPORT = (9701, "fluorospread report, research use only")
    KEY_OBJECTS = (9702, "fluorospread key images, research use only")
    PRESENTATION_STATE = (9703, "fluorospread annotations, research use only")
    SEGMENTATION = (9704, "fluorospread contrast, research use only")
    ENCAPSULATED_REPORT = (9705, "fluorospread PDF report, research use only")

    @property
    def series_number(self) -> int:
        return self.value[0]

    @property
    def series_description(self) -> str:
        return self.value[1]


@dataclass(frozen=True)
class ResultContext:
    """What objects of one result share.

    Attributes
    ----------
    date, time
        ContentDate and ContentTime (see `content_moment`).
    tracking_seed
        What identifies the case's findings over time: a finding keeps its tracking UID when the case is
        verified again.
    """

    sources: ResultSources
    software: SoftwareVersion
    date: str
    time: str
    tracking_seed: str

    def tracking_uid(self, identifier: str) -> UID:
        return derived_uid("tracking", self.tracking_seed, identifier)

    def series(self, kind: ResultKind) -> dict[str, Any]:
        """Keyword arguments that highdicom's constructors share; UIDs are placeholders until `finish`."""
        return {
            "series_instance_uid": _PLACEHOLDER,
            "series_number": kind.series_number,
            "sop_instance_uid": _PLACEHOLDER,
            "instance_number": 1,
            "manufacturer": self.software.name[:64],
            "manufacturer_model_name": self.software.name[:64],
            "software_versions": self.versions,
            "series_description": kind.series_description,
            "content_date": self.date,
            "content_time": self.time,
            "specific_character_set": UNICODE,
        }

    @property
    def versions(self) -> list[str]:
        """SoftwareVersions: the release, then the SHA-256 of the network weights."""
        return [value[:64] for value in (self.software.version, self.software.weights_sha256) if value]

    @property
    def serial_number(self) -> str:
        """DeviceSerialNumber, which some objects must have: the weights tell two installations apart."""
        return (self.software.weights_sha256 or self.software.version)[:64]


@contextmanager
def names_of_one_component() -> Iterator[None]:
    """Take names as they are: highdicom warns of those without "^", which images have and readers type."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The string .* is unlikely to represent", category=UserWarning)
        yield


def device_uid(software: SoftwareVersion) -> UID:
    """The program as an observer: one release with one set of weights."""
    return derived_uid("device", software.name, software.version, software.weights_sha256)


def finish(dataset: Dataset, context: ResultContext, kind: ResultKind) -> Dataset:
    """Settle everything that would differ from one export to the next, then derive the UIDs.

    Returns
    -------
    Dataset
        `dataset`, changed in place, with file meta information, ready to be written.
    """
    finish_series([dataset], context, kind)
    return dataset


def finish_series(datasets: Sequence[Dataset], context: ResultContext, kind: ResultKind) -> None:
    """`finish` for several objects that make one series, numbered from 1."""
    digests = [_digest(dataset, context, number) for number, dataset in enumerate(datasets, start=1)]
    series = derived_uid("result-series", kind.name, *digests)
    for dataset, digest in zip(datasets, digests, strict=True):
        dataset.SeriesInstanceUID = series
        dataset.SOPInstanceUID = derived_uid("result", kind.name, digest)
        _replace_dimension_uids(dataset, digest)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID


def _digest(dataset: Dataset, context: ResultContext, instance_number: int) -> str:
    """SHA-256 of the object's bytes before it has UIDs of its own, and with nothing left to chance."""
    main = context.sources.main.header
    dataset.copy_patient_and_study_information(main)
    dataset.SpecificCharacterSet = UNICODE
    dataset.InstanceNumber = instance_number
    dataset.SOPInstanceUID = dataset.SeriesInstanceUID = UID(_PLACEHOLDER)
    for keyword in ("InstanceCreationDate", "InstanceCreationTime"):
        dataset.pop(keyword, None)
    if "TimezoneOffsetFromUTC" in main:
        dataset.TimezoneOffsetFromUTC = main.TimezoneOffsetFromUTC
    for item in dataset.get("ContributingEquipmentSequence", []):
        item.pop("ContributionDateTime", None)
    _replace_dimension_uids(dataset, "")
    dataset.file_meta = _file_meta(dataset)
    return hashlib.sha256(encoded(dataset)).hexdigest()


def encoded(dataset: Dataset) -> bytes:
    """The object as the bytes of a DICOM file."""
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _replace_dimension_uids(dataset: Dataset, seed: str) -> None:
    """highdicom draws dimension organizations at random; one object has one, so it can follow the content."""
    uid = derived_uid("dimension", seed)
    for keyword in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for item in dataset.get(keyword, []):
            item.DimensionOrganizationUID = uid


def _file_meta(dataset: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    # A fixed name, not a library's, so that the bytes do not change with its version.
    meta.ImplementationClassUID = derived_uid("implementation")
    meta.ImplementationVersionName = "FLUOROSPREAD"
    return meta
