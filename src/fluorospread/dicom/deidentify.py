"""An image's header in, the same without identity out (DICOM PS3.15, Basic Application Level Confidentiality
Profile), built anew from what may stay instead of by deleting what must go.

Stricter than table E.1-1 where the table is silent: an attribute that it does not list stays only if its value
representation can hold no free text, or if it stands in a short list of technical texts. Code strings and
numbers must look like such, and whatever repeats a name or number of this patient goes. Sequences are walked
to any depth. Values are decoded and written again, so no byte of a malformed element survives.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from fluorospread.dicom.attributes import text
from fluorospread.dicom.confidentiality_profile import Action, ProfileEntry, confidentiality_profile, is_drawing
from fluorospread.dicom.known_identifiers import MAX_DEPTH, KnownIdentifiers, known_identifiers, read_element, values_of
from fluorospread.dicom.pseudonyms import Pseudonyms

DUMMY_TEXT = "REMOVED"

_NUMBER_VRS = frozenset({"US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "AT"})
_TEXT_VRS = frozenset({"LO", "SH", "ST", "LT", "UT", "UC", "UR", "AE", "PN", "CS"})
# Technical texts that readers need; defined or at least customary terms. All other unlisted text goes.
_TECHNICAL_TEXT = frozenset(
    {"Manufacturer", "ManufacturerModelName", "FilterType", "ModalityLUTType", "RescaleType", "Grid"}
)
# Free text that the X-ray objects require beside a value that stays.
_REQUIRED_TEXT = frozenset({"PixelSpacingCalibrationDescription"})
_TECHNICAL_BYTES = frozenset({"LUTData", "ExtendedOffsetTable"})
# Codes are kept only as far as these context groups list them, with the standard's own meaning.
_CODED = {"ViewCodeSequence": "cid4010", "ViewModifierCodeSequence": "cid4011", "AnatomicRegionSequence": "cid4031"}
# Written anew with the pixels, or by the writer.
_REPLACED = frozenset({"PatientName", "PatientID", "SpecificCharacterSet"})
_CODE_STRING = re.compile(r"[A-Z0-9 _]{0,16}")
_DIGITS_OF_AN_IDENTIFIER = re.compile(r"\d{4}")
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_INTEGER = re.compile(r"[+-]?\d{1,12}")


class Dates(StrEnum):
    """What becomes of dates and times."""

    REMOVED = "removed"
    SHIFTED = "shifted"


@dataclass(frozen=True)
class DeidentifyOptions:
    """Options of the profile (PS3.15 E.3).

    Attributes
    ----------
    retain_device
        Retain Device Identity: station and device names, serial numbers.
    dates
        Removed, or shifted by one number of days a patient (Retain Longitudinal Temporal Information with
        Modified Dates); times of day then stay.
    """

    retain_device: bool = False
    dates: Dates = Dates.REMOVED


@dataclass(frozen=True)
class Deidentified:
    """The new header and how many attributes were removed, emptied or replaced, at all depths."""

    header: Dataset
    counts: dict[str, int]


def patient_identity(dataset: Dataset) -> str:
    """What tells this patient from others, for `Pseudonyms`: the ID, else name and birth date, else the study."""
    patient_id = text(dataset, "PatientID")
    if patient_id:
        # The issuer is left out: sites fill it in on some images of a patient and not on others.
        return f"id {patient_id}"
    name, birth = text(dataset, "PatientName"), text(dataset, "PatientBirthDate")
    if name:
        return f"name {name.casefold()} {birth}"
    return f"study {text(dataset, 'StudyInstanceUID') or text(dataset, 'SOPInstanceUID')}"


def deidentify_header(dataset: Dataset, pseudonyms: Pseudonyms, options: DeidentifyOptions) -> Deidentified:
    """A new header without identity; pixel data, file meta information and overlays are not in it.

    The same key gives the same patient pseudonym and the same UIDs in every file, so that references between
    files still hold. BurnedInAnnotation is not touched: whether the pixels are clean is for a person to say.
    """
    identity = patient_identity(dataset)
    work = _Work(pseudonyms, options, known_identifiers(dataset), pseudonyms.days_earlier(identity))
    with warnings.catch_warnings():
        # Malformed values are expected here; what cannot be read is dropped.
        warnings.simplefilter("ignore")
        header = work.clean(dataset, 0)
    header.SpecificCharacterSet = "ISO_IR 192"
    header.PatientID = header.PatientName = pseudonyms.patient(identity)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        if keyword not in header:
            setattr(header, keyword, pseudonyms.uid(f"{keyword} of {identity}"))
    _add_method(header, options)
    return Deidentified(header, dict(work.counts))


def coded_item(value: str, scheme: str, meaning: str) -> Dataset:
    """An item of a code sequence (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _add_method(header: Dataset, options: DeidentifyOptions) -> None:
    # PS3.16 CID 7050.
    codes = [coded_item("113100", "DCM", "Basic Application Confidentiality Profile")]
    header.LongitudinalTemporalInformationModified = "REMOVED"
    if options.dates is Dates.SHIFTED:
        codes.append(coded_item("113107", "DCM", "Retain Longitudinal Temporal Information Modified Dates Option"))
        header.LongitudinalTemporalInformationModified = "MODIFIED"
    if options.retain_device:
        codes.append(coded_item("113109", "DCM", "Retain Device Identity Option"))
    header.PatientIdentityRemoved = "YES"
    header.DeidentificationMethod = ["fluorospread deidentify", "PS3.15 Basic Application Confidentiality Profile"]
    header.DeidentificationMethodCodeSequence = Sequence(codes)


def _standard_codes(items: Iterable[Dataset], context_group: str) -> list[Dataset]:
    """The codes among `items` that a context group of PS3.16 lists, written anew."""
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    listed = list(getattr(codes, context_group).concepts.values())
    found = []
    for item in items:
        said = Code(text(item, "CodeValue"), text(item, "CodingSchemeDesignator"), "")
        found += [coded_item(code.value, code.scheme_designator, code.meaning) for code in listed if code == said]
    return found


@dataclass
class _Work:
    pseudonyms: Pseudonyms
    options: DeidentifyOptions
    known: KnownIdentifiers
    days_earlier: int
    counts: Counter[str] = field(default_factory=Counter)

    def clean(self, dataset: Dataset, depth: int) -> Dataset:
        new = Dataset()
        for tag in sorted(dataset.keys()):
            group, number = tag >> 16, tag & 0xFFFF
            if group <= 0x0004 or number == 0 or group == 0x7FE0:
                continue
            element = None if group % 2 or is_drawing(group) else read_element(dataset, tag)
            kept = None if element is None or depth > MAX_DEPTH else self._clean_element(element, depth)
            if kept is None:
                self.counts["removed"] += 1
            else:
                new.add(kept)
        return new

    def _clean_element(self, element: DataElement, depth: int) -> DataElement | None:
        if not dictionary_has_tag(element.tag) or element.keyword in _REPLACED:
            return None
        # The dictionary's representation, not the file's: an element may be passed off as another kind.
        representation = dictionary_VR(element.tag)
        if element.VR not in representation.split(" or "):
            return None
        entry = confidentiality_profile().get(int(element.tag))
        if entry is not None and not self._is_retained(entry):
            return self._profiled(element, entry, depth)
        if entry is not None and entry.is_date:
            return self._shifted(element)
        return self._unlisted(element, depth, is_named=entry is not None)

    def _is_retained(self, entry: ProfileEntry) -> bool:
        by_device = self.options.retain_device and entry.is_device
        return by_device or (self.options.dates is Dates.SHIFTED and entry.is_date)

    def _profiled(self, element: DataElement, entry: ProfileEntry, depth: int) -> DataElement | None:
        vr, action = element.VR, entry.action
        if action is Action.NEW_UID:
            return self._unlisted(element, depth, is_named=False)
        if action is Action.REMOVE:
            return None
        if action is Action.EMPTY or (vr in _TEXT_VRS and not element.value):
            self.counts["emptied"] += 1
            return DataElement(element.tag, vr, Sequence() if vr == "SQ" else None)
        if vr not in _TEXT_VRS:
            # A dummy date, number or sequence would be taken for a true one; no X-ray image requires them.
            return None
        self.counts["replaced"] += 1
        return DataElement(element.tag, vr, DUMMY_TEXT)

    def _unlisted(self, element: DataElement, depth: int, is_named: bool) -> DataElement | None:
        """What the table does not list, or an option retains (`is_named`), as far as it can hold no identity."""
        vr, value = element.VR, element.value
        if element.keyword in _CODED:
            return DataElement(element.tag, vr, Sequence(_standard_codes(value, _CODED[element.keyword])))
        if vr == "SQ":
            items = [self.clean(item, depth + 1) for item in value]
            return DataElement(element.tag, vr, Sequence([item for item in items if len(item)]))
        if vr == "UI":
            if is_named:
                return DataElement(element.tag, vr, value)
            return DataElement(element.tag, vr, [self._uid(str(item)) for item in values_of(value)])
        if vr in _NUMBER_VRS:
            return DataElement(element.tag, vr, value)
        if vr in ("OW", "OB"):
            return DataElement(element.tag, vr, value) if element.keyword in _TECHNICAL_BYTES else None
        if element.keyword in _REQUIRED_TEXT:
            self.counts["replaced"] += 1
            return DataElement(element.tag, vr, DUMMY_TEXT)
        texts = [str(item).strip() for item in values_of(value)]
        if any(self.known.is_in(item) for item in texts):
            return None
        return DataElement(element.tag, vr, texts) if self._is_technical(element, texts, is_named) else None

    def _is_technical(self, element: DataElement, texts: list[str], is_named: bool) -> bool:
        if element.VR == "CS":
            return all(_CODE_STRING.fullmatch(item) and not _DIGITS_OF_AN_IDENTIFIER.search(item) for item in texts)
        if element.VR in ("DS", "IS"):
            pattern = _DECIMAL if element.VR == "DS" else _INTEGER
            return all(not item or pattern.fullmatch(item) for item in texts)
        return element.VR in _TEXT_VRS and (is_named or element.keyword in _TECHNICAL_TEXT)

    def _uid(self, uid: str) -> str:
        # A UID that the standard registers has a name there.
        if not uid or UID(uid).name != uid:
            return uid
        self.counts["new UIDs"] += 1
        return self.pseudonyms.uid(uid)

    def _shifted(self, element: DataElement) -> DataElement | None:
        if element.VR not in ("DA", "DT", "TM"):
            return None
        texts = [str(item).strip() for item in values_of(element.value)]
        if element.VR == "TM":
            return DataElement(
                element.tag, "TM", [item for item in texts if re.fullmatch(r"\d{2,6}(\.\d{1,6})?", item)]
            )
        self.counts["dates shifted"] += len(texts)
        moved = [self._earlier(item) for item in texts]
        return DataElement(element.tag, element.VR, [item for item in moved if item])

    def _earlier(self, stamp: str) -> str:
        """The same date, `days_earlier`; what follows it (a time of day) stays. "" for what is no date."""
        found = re.fullmatch(r"(\d{4})(\d{2})(\d{2})(\d{0,6}(?:\.\d{1,6})?)(?:[+-]\d{4})?", stamp)
        if found is None:
            return ""
        try:
            day = date(int(found[1]), int(found[2]), int(found[3])) - timedelta(days=self.days_earlier)
        except (ValueError, OverflowError):
            return ""
        return f"{day:%Y%m%d}{found[4]}"
