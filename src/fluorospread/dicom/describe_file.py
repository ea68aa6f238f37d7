"""Reads what is needed to sort a study folder: the header only, no pixels."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from pydicom.dataset import Dataset

from fluorospread.dicom.attributes import number_or_none, text
from fluorospread.dicom.decode import short_reason
from fluorospread.dicom.file_kind import FileKind, file_kind
from fluorospread.dicom.header_facts import PROJECTION_MODALITIES, acquisition_time
from fluorospread.dicom.orientation_tags import read_view
from fluorospread.dicom.stored_frames import read_header
from fluorospread.errors import FluorospreadError, NotAnImageError

# Words that people write into series descriptions, the most telling first. "no contrast" must not read as post.
_HINT_WORDS: tuple[tuple[str, str], ...] = (
    ("pre", r"\b(pre|scout|native|mask|without contrast|no contrast|vor)\b"),
    ("post", r"\b(post|contrast|iod\w*|iotrolan|spread|nach)\b"),
    ("needle", r"\b(needle|punct\w*|tip|cannula)\b"),
)


@dataclass(frozen=True)
class ImageSummary:
    """What a header says about one file, for sorting. Text is "" and numbers are None where it is silent.

    Attributes
    ----------
    is_projection
        False for DICOM that is no X-ray image (CT, reports, directories): leave it out.
    view
        "frontal", "lateral", "oblique" or "".
    role_hint
        "lateral", "oblique", "cine", "pre", "post", "needle" or "": what view, frames and descriptions suggest.
        A hint, not a finding: descriptions are typed by people.
    hint_reason
        What the hint rests on.
    acquisition_time
        YYYYMMDDHHMMSS as far as known; sorts as text.
    """

    path: Path
    kind: FileKind
    is_projection: bool
    rows: int | None = None
    cols: int | None = None
    frames: int = 1
    modality: str = ""
    patient_id: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_instance_uid: str = ""
    series_number: int | None = None
    instance_number: int | None = None
    acquisition_time: str = ""
    series_description: str = ""
    view: str = ""
    role_hint: str = ""
    hint_reason: str = ""


def describe_file(path: Path) -> ImageSummary:
    """Describe a DICOM or picture file without reading its pixels.

    Raises
    ------
    InputError
        MissingFileError, TruncatedImageError or NotAnImageError.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            # What the header's libraries warn of is reported when the image itself is read.
            warnings.simplefilter("ignore")
            if file_kind(path) is FileKind.PICTURE:
                return _describe_picture(path)
            return _describe_dicom(path, read_header(path)[0])
    except FluorospreadError:
        raise
    except Exception as error:
        # As in read_radiograph: a damaged header is the file's fault, whatever it makes a library raise.
        raise NotAnImageError(f"{path.name} cannot be read ({short_reason(error)}); export it again.") from error


def _describe_picture(path: Path) -> ImageSummary:
    with Image.open(path) as image:
        return ImageSummary(path, FileKind.PICTURE, True, image.height, image.width)


def _describe_dicom(path: Path, dataset: Dataset) -> ImageSummary:
    rows, cols = _count(dataset, "Rows"), _count(dataset, "Columns")
    frames = _count(dataset, "NumberOfFrames") or 1
    modality = text(dataset, "Modality").upper()
    view, _ = read_view(dataset)
    hint, reason = _role_hint(dataset, frames, view)
    return ImageSummary(
        path=path,
        kind=FileKind.DICOM,
        is_projection=bool(rows and cols) and modality in PROJECTION_MODALITIES,
        rows=rows,
        cols=cols,
        frames=frames,
        modality=modality,
        patient_id=text(dataset, "PatientID"),
        study_instance_uid=text(dataset, "StudyInstanceUID"),
        series_instance_uid=text(dataset, "SeriesInstanceUID"),
        sop_instance_uid=text(dataset, "SOPInstanceUID"),
        series_number=_count(dataset, "SeriesNumber"),
        instance_number=_count(dataset, "InstanceNumber"),
        acquisition_time=acquisition_time(dataset),
        series_description=text(dataset, "SeriesDescription"),
        view=view,
        role_hint=hint,
        hint_reason=reason,
    )


def _count(dataset: Dataset, keyword: str) -> int | None:
    value = number_or_none(dataset, keyword)
    return None if value is None else int(value)


def _role_hint(dataset: Dataset, frames: int, view: str) -> tuple[str, str]:
    if view in ("lateral", "oblique"):
        return view, "view in the tags"
    if frames > 1:
        return "cine", f"{frames} frames"
    for keyword in ("SeriesDescription", "ImageComments", "ProtocolName", "AcquisitionProtocolName"):
        words = re.sub(r"[_\-]+", " ", text(dataset, keyword)).lower()
        for role, pattern in _HINT_WORDS:
            if (found := re.search(pattern, words)) is not None:
                return role, f"{keyword} says {found.group(0)!r}"
    return "", ""
