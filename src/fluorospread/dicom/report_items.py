"""Content items of a structured report, made and read: words, numbers with uncertainty, texts, regions.

Points are (row, col) with the first pixel's centre at (0, 0); in a report they are (column, row) with the
first pixel's corner there (PS3.3 C.18.6.1.2), so half a pixel is added. Graphic data are 32-bit floats.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np
from highdicom.sr import (
    CodeContentItem,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    FindingSite,
    GraphicTypeValues,
    ImageRegion,
    Measurement,
    MeasurementProperties,
    NumContentItem,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForRegion,
    TextContentItem,
)
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from fluorospread.dicom import result_codes as rc
from fluorospread.dicom.result_source import SourceImage
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.geometry import PointPx

CONTAINS = RelationshipTypeValues.CONTAINS
HAS_PROPERTIES = RelationshipTypeValues.HAS_PROPERTIES
# Explicit VR keeps a graphic's length in 16 bits: 16383 numbers of 4 bytes.
LARGEST_OUTLINE = 8191

Word = TypeVar("Word", bound=StrEnum)


# --- Made


def word(name: Code, value: StrEnum, relationship: RelationshipTypeValues = CONTAINS) -> CodeContentItem:
    """A question answered by a word of a closed set."""
    return CodeContentItem(name=name, value=rc.code_of(value), relationship_type=relationship)


def evaluation(name: Code, value: StrEnum) -> QualitativeEvaluation:
    """The same, as templates of measurement groups take it."""
    return QualitativeEvaluation(name, rc.code_of(value))


def texts(*pairs: tuple[Code, str], relationship: RelationshipTypeValues = CONTAINS) -> list[TextContentItem]:
    """One text item for each name with something to say."""
    return [
        TextContentItem(name=name, value=printable(value), relationship_type=relationship)
        for name, value in pairs
        if value.strip()
    ]


def number(
    name: Code, value: float | None, unit: Code, relationship: RelationshipTypeValues = HAS_PROPERTIES
) -> list[NumContentItem]:
    """A number with all its digits, or nothing where it is not known."""
    if value is None:
        return []
    return [NumContentItem(name=name, value=float(value), unit=unit, relationship_type=relationship)]


def measurement(
    name: Code, value: float | None, unit: Code, sd: float | None = None, extra: Sequence[ContentItem] = ()
) -> list[Measurement]:
    """A measurement with its uncertainty (1 sd either way, in its own unit), or nothing where it is not known."""
    if value is None:
        return []
    properties = MeasurementProperties()
    for side in (rc.UPPER_UNCERTAINTY, rc.LOWER_UNCERTAINTY):
        properties.extend(number(side, sd, unit))
    properties.extend(extra)
    return [Measurement(name=name, value=float(value), unit=unit, properties=properties if len(properties) else None)]


def container(name: Code, items: Sequence[ContentItem]) -> ContainerContentItem:
    """A heading with items below it."""
    item = ContainerContentItem(name=name, relationship_type=CONTAINS)
    item.ContentSequence = ContentSequence(items)
    return item


def with_children(item: ContentItem, children: Sequence[ContentItem]) -> ContentItem:
    """The item with further items below it."""
    if children:
        item.ContentSequence = ContentSequence(children)
    return item


def sites(side: Side | None, level: Level | None = None) -> list[FindingSite]:
    """Where a finding lies. Only a side of the patient is a laterality; another is said by `side_of_image`."""
    place = rc.LUMBAR_SPINE if level is None else rc.code_of(level)
    patient_side = side if side is not None and side.of_patient else None
    return [FindingSite(place, laterality=None if patient_side is None else rc.code_of(patient_side))]


def side_of_image(side: Side | None) -> list[QualitativeEvaluation]:
    return [] if side is None or side.of_patient else [evaluation(rc.IMAGE_SIDE, side)]


def region(source: SourceImage, points: Sequence[PointPx]) -> ImageRegion:
    """A point, or the closed line through several, in one image (and frame, where it has several)."""
    return ImageRegion(
        graphic_type=GraphicTypeValues.POINT if len(points) == 1 else GraphicTypeValues.POLYLINE,
        graphic_data=to_graphic(closed(points)),
        source_image=SourceImageForRegion(
            source.header.SOPClassUID, source.header.SOPInstanceUID, source.frame_numbers
        ),
    )


def closed(points: Sequence[PointPx]) -> Sequence[PointPx]:
    """The points of a line, the first one again at its end unless it is there already."""
    return points if points[0] == points[-1] else [*points, points[0]]


def to_graphic(points: Sequence[PointPx]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(n, 2) columns and rows from the corner of the first pixel."""
    return np.array([(col + 0.5, row + 0.5) for row, col in points], dtype=np.float64)


def printable(value: str) -> str:
    """Text without control characters, which would end or reshape it: each becomes a replacement character."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" else c for c in value
    )


# --- Read (plain data sets, so that reading does not rest on the library that wrote)


def children(item: Dataset, name: Code | None = None) -> Iterator[Dataset]:
    """Items directly below, all or those of one concept."""
    for child in item.get("ContentSequence", []):
        if name is None or _pair(child.ConceptNameCodeSequence[0]) == (name.value, name.scheme_designator):
            yield child


def child(item: Dataset, name: Code) -> Dataset | None:
    return next(children(item, name), None)


def require(item: Dataset, name: Code) -> Dataset:
    """The item of this concept directly below. Raises ValueError without one."""
    found = child(item, name)
    if found is None:
        raise ValueError(f"it has no {name.meaning!r}")
    return found


def value_of(item: Dataset, kind: type[Word]) -> Word:
    """The word that a CODE item holds. Raises ValueError for an unknown code."""
    return rc.word_of(kind, _pair(item.ConceptCodeSequence[0]))


def answer_to(item: Dataset, name: Code, kind: type[Word]) -> Word:
    """The word that answers this question below `item`. Raises ValueError without an answer."""
    return value_of(require(item, name), kind)


def read_word(item: Dataset | None, kind: type[Word]) -> Word | None:
    """The word that a CODE item holds; None without the item."""
    return None if item is None else value_of(item, kind)


def read_text(item: Dataset, name: Code) -> str:
    """The text below `item`, "" without one."""
    found = child(item, name)
    return "" if found is None else str(found.TextValue)


def read_texts(item: Dataset, name: Code) -> tuple[str, ...]:
    return tuple(str(found.TextValue) for found in children(item, name))


def read_number(item: Dataset | None) -> float | None:
    """The value of a NUM item with all its digits."""
    if item is None:
        return None
    value = item.MeasuredValueSequence[0]
    return float(value.FloatingPointValue if "FloatingPointValue" in value else value.NumericValue)


def read_site(group: Dataset) -> tuple[Level | None, Side | None]:
    """Level and side of a group's finding site."""
    site = child(group, rc.FINDING_SITE)
    if site is None:
        return None, None
    place = _pair(site.ConceptCodeSequence[0])
    spine = place == (rc.LUMBAR_SPINE.value, rc.LUMBAR_SPINE.scheme_designator)
    side = read_word(child(site, rc.LATERALITY), Side) or read_word(child(group, rc.IMAGE_SIDE), Side)
    return None if spine else rc.word_of(Level, place), side


def read_points(item: Dataset) -> tuple[PointPx, ...]:
    """Points of a SCOORD item as (row, col) from the centre of the first pixel."""
    data = [float(value) for value in item.GraphicData]
    return tuple((data[i + 1] - 0.5, data[i] - 0.5) for i in range(0, len(data), 2))


def read_reference(item: Dataset) -> tuple[str, int | None]:
    """SOP Instance UID and frame (from 0; None where none is named) of an IMAGE item."""
    reference = item.ReferencedSOPSequence[0]
    frame = reference.get("ReferencedFrameNumber")
    return str(reference.ReferencedSOPInstanceUID), None if frame is None else int(frame) - 1


def of_kind(groups: Sequence[Dataset], kind: Code) -> list[Dataset]:
    """The measurement groups whose finding is `kind`."""
    wanted = (kind.value, kind.scheme_designator)
    return [group for group in groups if _pair(require(group, rc.FINDING).ConceptCodeSequence[0]) == wanted]


def _pair(code: Dataset) -> tuple[str, str]:
    return str(code.CodeValue), str(code.CodingSchemeDesignator)
