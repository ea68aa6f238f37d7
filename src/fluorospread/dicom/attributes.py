"""Reads single DICOM attributes as plain Python values, whatever state the file is in.

pydicom converts an element only when it is first asked for, so a malformed value can raise anything at that
moment; here it becomes a `TagError`, or an absence where the attribute is a convenience.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from fluorospread.errors import TagError

# Enhanced objects keep geometry and orientation in functional groups, one sequence deeper (PS3.3 C.7.6.16).
_FUNCTIONAL_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


def raw_value(dataset: Dataset, keyword: str) -> object:
    """The value as pydicom gives it, or None when absent or empty.

    Raises
    ------
    TagError
        When the element cannot be read as its value representation.
    """
    try:
        value = dataset.get(keyword)
        if isinstance(value, MultiValue):
            # Numeric strings are converted item by item, so touch each of them here.
            value = list(value)
    except Exception as error:
        raise TagError(f"{keyword} is malformed ({error}); correct it or export the image again.") from error
    if value is None or (isinstance(value, str | bytes | list) and not len(value)):
        return None
    return value


def raw_or_none(dataset: Dataset, keyword: str) -> object:
    """Like `raw_value`, but a malformed element counts as absent. For attributes that only inform."""
    try:
        return raw_value(dataset, keyword)
    except TagError:
        return None


def text(dataset: Dataset, keyword: str) -> str:
    """The value as stripped text, several values joined by a backslash; "" when absent or malformed."""
    value = raw_or_none(dataset, keyword)
    if value is None:
        return ""
    items: Iterable[object] = value if isinstance(value, list) else (value,)
    return "\\".join(str(item).replace("\x00", "").strip() for item in items)


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """The values as stripped texts; empty when absent or malformed."""
    joined = text(dataset, keyword)
    return tuple(joined.split("\\")) if joined else ()


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...] | None:
    """The values as finite floats, or None when absent.

    Raises
    ------
    TagError
        When a value is no finite number.
    """
    value = raw_value(dataset, keyword)
    if value is None:
        return None
    items = value if isinstance(value, list) else [value]
    try:
        result = tuple(float(str(item)) for item in items)
    except (TypeError, ValueError, OverflowError) as error:
        raise TagError(f"{keyword} is {value!r}; expected numbers.") from error
    if not all(math.isfinite(number) for number in result):
        raise TagError(f"{keyword} is {value!r}; expected finite numbers.")
    return result


def number(dataset: Dataset, keyword: str) -> float | None:
    """The first value as a finite float, or None when absent. Raises TagError like `numbers`."""
    values = numbers(dataset, keyword)
    return values[0] if values else None


def number_or_none(dataset: Dataset, keyword: str) -> float | None:
    """Like `number`, but a malformed value counts as absent. For attributes that only inform."""
    try:
        return number(dataset, keyword)
    except TagError:
        return None


def whole_number(dataset: Dataset, keyword: str) -> int | None:
    """The first value as an integer, or None when absent. Raises TagError when it is none."""
    value = number(dataset, keyword)
    if value is None:
        return None
    if value != int(value):
        raise TagError(f"{keyword} is {value}; expected a whole number.")
    return int(value)


def items(dataset: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Items of a sequence; empty when absent or malformed."""
    value = raw_or_none(dataset, keyword)
    if value is None or isinstance(value, str | bytes):
        return ()
    try:
        return tuple(item for item in value if isinstance(item, Dataset))  # type: ignore[attr-defined]
    except Exception:
        return ()


def holders(dataset: Dataset) -> Iterator[Dataset]:
    """The dataset, then its functional groups and their items (shared first, then the first frame's)."""
    yield dataset
    for keyword in _FUNCTIONAL_GROUPS:
        for group in items(dataset, keyword)[:1]:
            yield group
            for name in group.dir():
                yield from items(group, name)[:1]


def holder_of(dataset: Dataset, keyword: str) -> Dataset:
    """The dataset or functional group item that holds a filled `keyword`; `dataset` itself when none does."""
    for holder in holders(dataset):
        if keyword in holder and raw_or_none(holder, keyword) is not None:
            return holder
    return dataset


def frame_texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """An attribute's text frame by frame where the per-frame functional groups hold it; empty where they do not.

    A functional group is in every frame or in none (PS3.3 C.7.6.16.1.1), so the first frame tells which holds it.
    """
    groups = items(dataset, "PerFrameFunctionalGroupsSequence")
    names = groups[0].dir() if groups else []
    holder = next((name for name in names if any(keyword in item for item in items(groups[0], name)[:1])), None)
    if holder is None:
        return ()
    return tuple(text(item, keyword) for group in groups for item in items(group, holder)[:1])


def varies(dataset: Dataset, keyword: str) -> bool:
    """True when an attribute is not the same in every frame."""
    return len(set(frame_texts(dataset, keyword))) > 1
