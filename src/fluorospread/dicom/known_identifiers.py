"""A header in, the names and numbers in it that tell who the patient is out, to be looked for in other texts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.valuerep import PersonName

MAX_DEPTH = 32
# Long enough not to be met in defined terms by chance.
_SHORTEST_NAME_PART = 3
_SHORTEST_PART_WITHIN = 5


@dataclass(frozen=True)
class KnownIdentifiers:
    """Names and numbers of this patient, upper case: `values` whole, `parts` of names."""

    values: frozenset[str]
    parts: frozenset[str]

    def is_in(self, value: str) -> bool:
        upper = value.strip().upper()
        if upper in self.values or self.parts & set(re.split(r"[^\w]+|_", upper)):
            return True
        return any(
            len(known) >= _SHORTEST_PART_WITHIN and known in upper for known in (*self.values, *self.parts) if known
        )


_IDENTIFIERS = ("PatientID", "OtherPatientIDs", "AccessionNumber", "IssuerOfPatientID", "AdmissionID", "StudyID")


def known_identifiers(dataset: Dataset) -> KnownIdentifiers:
    """Every name and number in a header that can tell who the patient is."""
    values: set[str] = set()
    parts: set[str] = set()
    for element in _readable_elements(dataset):
        said = [str(item).strip().upper() for item in values_of(element.value)]
        if element.VR == "PN":
            parts |= {part for value in said for part in re.split(r"[^\w]+|_", value)}
        elif element.keyword in _IDENTIFIERS:
            values |= {value for value in said if len(value) >= _SHORTEST_NAME_PART}
    return KnownIdentifiers(frozenset(values), frozenset(part for part in parts if _tells_somebody(part)))


def _tells_somebody(part: str) -> bool:
    """False for initials; one Chinese character may be a whole family name."""
    return len(part) >= _SHORTEST_NAME_PART or (bool(part) and not part.isascii())


def _readable_elements(dataset: Dataset, depth: int = 0) -> Iterable[DataElement]:
    for tag in list(dataset.keys()):
        element = read_element(dataset, tag)
        if element is None:
            continue
        if element.VR == "SQ" and depth < MAX_DEPTH:
            for item in element.value:
                yield from _readable_elements(item, depth + 1)
        else:
            yield element


def read_element(dataset: Dataset, tag: BaseTag) -> DataElement | None:
    """The element decoded, or None where it cannot be: then nobody can tell what it says."""
    try:
        element: DataElement = dataset[tag]
        # Numeric strings and names are decoded when asked for.
        for item in values_of(element.value):
            str(item)
    except Exception:
        return None
    return element


def values_of(value: object) -> list[object]:
    """The values of an element one by one; none where it is empty."""
    if value is None:
        return []
    # A person's name is iterable too, letter by letter.
    if isinstance(value, str | bytes | PersonName) or not isinstance(value, Iterable):
        return [value]
    return list(value)
