"""Overlay planes (PS3.3 C.9.2): drawings that a file carries beside its X-ray image. They are named, never drawn.

Old files keep a plane in bits of the pixels beside the stored ones, which are dropped when a frame is decoded; a
plane in a stored bit cannot be told from the image, and is said to be in it.
"""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from fluorospread.dicom.pixel_layout import PixelLayout

# Repeating group 60xx, even groups only (PS3.5 7.6).
_GROUPS = range(0x6000, 0x6100, 2)
_ROWS, _COLUMNS, _TYPE, _ORIGIN, _BIT_POSITION, _LABEL = 0x0010, 0x0011, 0x0040, 0x0050, 0x0102, 0x1500
_KIND = {"G": "graphics", "R": "region of interest"}
_SHOWN_LABEL = 40


def overlay_notes(dataset: Dataset, layout: PixelLayout) -> list[str]:
    """What overlays the file carries and where they lie; empty without any."""
    planes, notes = [], []
    for group in _GROUPS:
        if Tag(group, _ROWS) not in dataset:
            continue
        planes.append(_described(dataset, group, layout))
        (bit,) = _whole(dataset, group, _BIT_POSITION, 1) or (-1,)
        # Bit 0 is what a plane with data of its own says.
        if bit > 0 and layout.high_bit - layout.bits_stored < bit <= layout.high_bit:
            notes.append(f"Overlay {group:04X} lies in bit {bit}, one of the stored bits: it is part of the pixels.")
    if planes:
        notes.insert(0, f"{len(planes)} overlay plane(s) in the file were not drawn: {'; '.join(planes)}.")
    return notes


def _described(dataset: Dataset, group: int, layout: PixelLayout) -> str:
    kind = _KIND.get("".join(_texts(dataset, group, _TYPE)).upper(), "of unknown type")
    label = " ".join(_texts(dataset, group, _LABEL))[:_SHOWN_LABEL]
    name = f"{kind} {label!r}" if label else kind
    size = _whole(dataset, group, _ROWS, 1) + _whole(dataset, group, _COLUMNS, 1)
    if len(size) != 2:
        return f"{name}, of unknown size"
    origin = _whole(dataset, group, _ORIGIN, 2)
    if len(origin) != 2:
        return f"{name}, {size[0]} x {size[1]}"
    # The origin counts rows and columns from 1.
    reaches = all(
        1 - n < first <= last for first, n, last in zip(origin, size, (layout.rows, layout.cols), strict=True)
    )
    outside = "" if reaches else " (outside the image)"
    return f"{name}, {size[0]} x {size[1]} at row {origin[0]}, column {origin[1]}{outside}"


def _texts(dataset: Dataset, group: int, element: int) -> tuple[str, ...]:
    """The values as texts; none where they are absent or malformed, as overlays only inform."""
    try:
        found = dataset.get(Tag(group, element))
        value = [] if found is None or found.value is None else found.value
        items = value if isinstance(value, MultiValue | list) else [value]
        return tuple(str(item).strip("\x00 ") for item in items)
    except Exception:
        # pydicom converts a value when it is first asked for, and a malformed one raises anything.
        return ()


def _whole(dataset: Dataset, group: int, element: int, count: int) -> tuple[int, ...]:
    try:
        numbers = tuple(int(text) for text in _texts(dataset, group, element))
    except ValueError:
        return ()
    return numbers if len(numbers) == count else ()
