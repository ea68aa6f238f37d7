"""The images a result belongs to, as far as new objects need them: headers, cleaned, in Unicode.

A result is attached to the study of its images, so an image must be the DICOM file that was measured (same
SHA-256) and carry its identifiers. A picture file has neither patient nor study: it is refused by name.
"""

from __future__ import annotations

import re
import warnings
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID

from fluorospread.dicom.attributes import raw_or_none, text
from fluorospread.dicom.file_kind import FileKind, file_kind, file_sha256
from fluorospread.dicom.header_facts import acquisition_time
from fluorospread.dicom.stored_frames import read_header
from fluorospread.errors import CaseError, InputError, TagError, UnsupportedImageError
from fluorospread.model.case import CaseImage, CaseResult
from fluorospread.model.review import Reading
from fluorospread.model.verdict import Verdict

UNICODE = "ISO_IR 192"
_IDENTIFIERS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
# PS3.5 9.1, but for leading zeros in a component, which scanners write and archives take.
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_LARGEST_UID = 64
# Attributes that new objects must have, empty where the image does not (type 2).
_MAY_BE_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
_SHAPES = {
    "DA": re.compile(r"[0-9]{8}"),
    "TM": re.compile(r"([01][0-9]|2[0-3])([0-5][0-9]([0-5][0-9](\.[0-9]{1,6})?)?)?"),
    "UI": _UID,
    "AS": re.compile(r"[0-9]{3}[DWMY]"),
}
_LENGTHS = {"SH": 16, "LO": 64, "ST": 1024, "LT": 10240, "CS": 16}
# Sequences about patient and study; a de-identified image must go on saying how it was de-identified.
_KEPT_SEQUENCES = frozenset(
    {
        "DeidentificationMethodCodeSequence",
        "IssuerOfPatientIDQualifiersSequence",
        "IssuerOfAccessionNumberSequence",
        "OtherPatientIDsSequence",
    }
)
_NOT_COPIED = frozenset({"PixelData", "FloatPixelData", "DoubleFloatPixelData", "SpecificCharacterSet"})


@dataclass(frozen=True)
class Signature:
    """Who stands behind a decision, and since when (UTC)."""

    reader: str
    at: datetime


@dataclass(frozen=True)
class SignedDecision:
    """What readers signed: their answers, judged by the protocol, and the head hash of the review's log."""

    reading: Reading
    verdict: Verdict
    signatures: tuple[Signature, ...]
    head_hash: str


@dataclass(frozen=True)
class SourceImage:
    """One image of the case with its cleaned header.

    Attributes
    ----------
    index
        Place in `CaseResult.images`.
    header
        Every attribute outside pixels and most sequences that could be read, decoded; those a result needs
        are there.
    has_own_modality_lut
        True when a viewer shows the image through a Modality LUT (in XA and RF it only leads back to
        intensity, PS3.3 C.8.7.1.1.2).
    """

    index: int
    image: CaseImage
    header: Dataset
    path: Path
    has_own_modality_lut: bool = False

    @property
    def frame_numbers(self) -> list[int] | None:
        """The frame the findings belong to, counted from 1; None for an image of one frame."""
        return [self.image.frame + 1] if self.image.frames > 1 else None


@dataclass(frozen=True)
class ResultSources:
    """The case's images that results refer to. `main` is the one whose patient and study they take.
    `notes` say what was left out."""

    images: tuple[SourceImage, ...]
    main: SourceImage
    notes: tuple[str, ...] = ()

    def image(self, index: int | None) -> SourceImage | None:
        """The image at this place of `CaseResult.images`; None where results cannot refer to it."""
        return next((source for source in self.images if source.index == index), None)

    @property
    def headers(self) -> list[Dataset]:
        """Headers, the main one first, as highdicom takes patient and study from the first."""
        return [self.main.header, *(s.header for s in self.images if s is not self.main)]


def read_sources(result: CaseResult, folder: Path) -> ResultSources:
    """Read the headers of the case's images; `folder` is that of case.json, which their paths start from.

    Raises
    ------
    UnsupportedImageError
        A measured image is a picture file.
    CaseError
        A file is not the one that was measured, or no image is DICOM, or patients differ.
    TagError
        An identifier is missing or malformed.
    InputError
        A file is missing or unreadable.
    """
    found: list[SourceImage] = []
    notes: list[str] = []
    for index, image in enumerate(result.images):
        path = folder / image.path
        kind = file_kind(path)
        if file_sha256(path) != image.sha256:
            raise CaseError(
                f"{path.name} is not the file that was measured (its SHA-256 differs); verify the case again"
            )
        if kind is FileKind.DICOM:
            header, has_lut, dropped = _clean_header(path)
            found.append(SourceImage(index, image, header, path, has_lut))
            notes += dropped
        elif image.role.is_measured:
            raise UnsupportedImageError(
                f"{path.name} is a picture, not DICOM: it has no patient, study or instance that a DICOM result could "
                "belong to. Verify the DICOM original, or use the HTML or PDF report."
            )
        else:
            notes.append(f"{path.name} is a picture and was not measured; DICOM results do not refer to it.")
    if not found:
        raise CaseError(f"{result.case_id}: no image is DICOM, so there is no study a result could belong to")
    if len({text(source.header, "PatientID") for source in found}) > 1:
        raise CaseError(f"{result.case_id}: images of several patients (PatientID differs); results belong to one")
    main = next((s for s in found if s.index == result.reference_image), found[0])
    if len({s.header.StudyInstanceUID for s in found}) > 1:
        notes.append("The images come from several studies; results go to that of the image the verdict rests on.")
    return ResultSources(tuple(found), main, tuple(dict.fromkeys(notes)))


def content_moment(sources: ResultSources, decision: SignedDecision | None) -> tuple[str, str, str | None]:
    """ContentDate, ContentTime and, where no image has a date, a note.

    The moment of the newest evidence the content rests on: the last signature, else the newest image. So
    exporting a result again gives the same object. A signature is in the images' time zone, else UTC.
    """
    if decision is not None and decision.signatures:
        at = max(signature.at for signature in decision.signatures).astimezone(_zone(sources.main.header))
        return at.strftime("%Y%m%d"), at.strftime("%H%M%S"), None
    moments = sorted(acquisition_time(source.header) for source in sources.images)
    newest = re.match(r"([0-9]{8})([0-9]{6})?", moments[-1])
    if newest is not None:
        return newest.group(1), newest.group(2) or "000000", None
    now = datetime.now(UTC)
    note = "No image has a date, so the objects carry that of this export; another export makes new objects."
    return now.strftime("%Y%m%d"), now.strftime("%H%M%S"), note


def local_date_time(at: datetime, header: Dataset) -> str:
    """A moment (VR DT) in the time zone the header names, with its offset; in UTC, without one, where it
    names none. DCMTK 3.6.7 takes an offset of +0000, which PS3.5 6.2 allows, for an error."""
    local = at.astimezone(_zone(header))
    return local.strftime("%Y%m%d%H%M%S") + (local.strftime("%z") if local.utcoffset() else "")


def read_date_time(value: str) -> datetime:
    """Undoes `local_date_time`; the moment in UTC."""
    offset = value[14:] or "+0000"
    return datetime.strptime(value[:14] + offset, "%Y%m%d%H%M%S%z").astimezone(UTC)


def _zone(header: Dataset) -> timezone:
    offset = re.fullmatch(r"([+-])([0-9]{2})([0-9]{2})", text(header, "TimezoneOffsetFromUTC"))
    if offset is None:
        return UTC
    minutes = 60 * int(offset.group(2)) + int(offset.group(3))
    return timezone(timedelta(minutes=-minutes if offset.group(1) == "-" else minutes))


def _clean_header(path: Path) -> tuple[Dataset, bool, list[str]]:
    """The header without what is unreadable or breaks its value representation, whether a Modality LUT shows
    the image, and what was left out."""
    with warnings.catch_warnings():
        # Malformed values are judged one by one below.
        warnings.simplefilter("ignore")
        raw = read_header(path)[0]
        header, dropped = _readable(raw)
    for keyword in _IDENTIFIERS:
        value = text(header, keyword)
        if not (_UID.fullmatch(value) and len(value) <= _LARGEST_UID):
            found = repr(text(raw, keyword)[:80]) if text(raw, keyword) else "none"
            raise TagError(f"{path.name}: {keyword} is needed to attach results and is no UID (found {found})")
    if not header.get("Rows") or not header.get("Columns"):
        raise InputError(f"{path.name}: Rows and Columns are missing, so results cannot refer to its pixels")
    for keyword in _MAY_BE_EMPTY:
        if keyword not in header:
            setattr(header, keyword, "")
    if header.PatientSex not in ("M", "F", "O", ""):
        dropped.append("PatientSex")
        header.PatientSex = ""
    header.SpecificCharacterSet = UNICODE
    lost = sorted(set(dropped) & {*_MAY_BE_EMPTY, "PatientAge", "StudyDescription"})
    # A rescale and a LUT exclude each other (PS3.3 C.11.1); where a file has both, the rescale is followed.
    has_lut = "ModalityLUTSequence" in raw and "RescaleSlope" not in raw and header.get("Modality") not in ("XA", "RF")
    return header, has_lut, [f"{path.name}: {keyword} is malformed and was left empty." for keyword in lost]


def _readable(raw: Dataset) -> tuple[Dataset, list[str]]:
    """Elements that can be decoded and fit their value representation, without private ones and overlays."""
    kept, dropped = Dataset(), []
    for tag in raw.keys():  # noqa: SIM118 - iterating a Dataset decodes, and one bad element would end it
        if tag.is_private or 0x6000 <= tag.group <= 0x60FF:
            continue
        try:
            element = raw[tag]
            keyword = element.keyword
            if not keyword or keyword in _NOT_COPIED:
                continue
            if element.VR == "SQ":
                if keyword in _KEPT_SEQUENCES:
                    _add_sequence(kept, element)
                continue
            value = raw_or_none(raw, keyword)
            if _fits(element.VR, value):
                setattr(kept, keyword, _plain(element.VR, value))
            else:
                dropped.append(keyword)
        except Exception:
            # Whatever a damaged element makes the parser raise, it is one the result can do without, or the
            # check of identifiers names it.
            dropped.append(str(raw.get_item(tag).tag))
    return kept, dropped


def _add_sequence(kept: Dataset, element: DataElement) -> None:
    for item in element.value:
        # Reading an element decodes its text, which would otherwise keep the image's character set.
        for _ in item.iterall():
            pass
    kept.add(deepcopy(element))


def _fits(vr: str, value: object) -> bool:
    items = value if isinstance(value, list) else [value]
    for item in items:
        if item is None or item == "":
            continue
        said = str(item)
        if vr in _SHAPES and not _SHAPES[vr].fullmatch(said.strip()):
            return False
        if len(said) > _LENGTHS.get(vr, len(said)):
            return False
        if vr == "PN" and any(len(group) > 64 for group in said.split("=")):
            return False
        if vr not in ("LT", "ST", "UT", "OB", "OW", "UN") and any(ord(c) < 32 or ord(c) == 127 for c in said):
            return False
    return True


def _plain(vr: str, value: object) -> object:
    """Names as text, so that they are encoded anew in Unicode."""
    if value is None:
        return ""
    if vr == "PN":
        return [str(item) for item in value] if isinstance(value, list) else str(value)
    return UID(str(value)) if vr == "UI" and not isinstance(value, list) else value
