"""Damages the bytes of a DICOM file as disks, networks and careless software do, reproducibly."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np

_PREAMBLE = 132
_LONG_VRS = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN", b"SQ", b"UT", b"UC", b"UR", b"SV", b"UV")
_VRS = (*_LONG_VRS, b"US", b"SS", b"UL", b"DS", b"IS", b"CS", b"UI", b"LO", b"PN", b"FD", b"AT")
_LENGTHS = (0, 1, 2, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)

# (offset of the element, offset of its value, length of its value)
Element = tuple[int, int, int]


def mutated(content: bytes, seed: int) -> tuple[str, bytes]:
    """The name of what was done, and the damaged bytes; the same seed does the same."""
    rng = np.random.default_rng([seed, len(content)])
    name, mutate = _MUTATIONS[seed % len(_MUTATIONS)]
    data = bytearray(content)
    mutate(data, rng)
    return name, bytes(data)


def elements(content: bytes | bytearray) -> list[Element]:
    """Top-level elements in explicit VR little endian, as far as the file can be walked."""
    found: list[Element] = []
    at = _PREAMBLE
    while at + 12 <= len(content):
        is_long = bytes(content[at + 4 : at + 6]) in _LONG_VRS
        value = at + (12 if is_long else 8)
        length = int.from_bytes(content[at + 8 : at + 12] if is_long else content[at + 6 : at + 8], "little")
        if not bytes(content[at + 4 : at + 6]).isalpha():
            break
        found.append((at, value, min(length, len(content) - value)))
        if value + length > len(content):
            break
        at = value + length
    return found


def _header_end(data: bytearray) -> int:
    walked = elements(data)
    return max(_PREAMBLE + 1, walked[-1][1] if walked else min(len(data), 2000))


def _flip_bits(data: bytearray, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 65))):
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))


def _flip_header_bits(data: bytearray, rng: np.random.Generator) -> None:
    end = _header_end(data)
    for _ in range(int(rng.integers(1, 17))):
        data[int(rng.integers(_PREAMBLE, end))] ^= 1 << int(rng.integers(8))


def _truncate(data: bytearray, rng: np.random.Generator) -> None:
    # Half of the cuts fall into the header, which is a small part of the file.
    end = len(data) if rng.random() < 0.5 else _header_end(data)
    del data[int(rng.integers(end)) :]


def _swap_tags(data: bytearray, rng: np.random.Generator) -> None:
    walked = elements(data)
    if len(walked) < 2:
        _swap_stretches(data, rng)
        return
    for _ in range(int(rng.integers(1, 4))):
        (a, _, _), (b, _, _) = (walked[int(i)] for i in rng.choice(len(walked), 2, replace=False))
        data[a : a + 4], data[b : b + 4] = data[b : b + 4], data[a : a + 4]


def _swap_values(data: bytearray, rng: np.random.Generator) -> None:
    walked = [element for element in elements(data) if 0 < element[2] < 0xFFFF]
    if len(walked) < 2:
        _swap_stretches(data, rng)
        return
    (_, a, a_length), (_, b, b_length) = (walked[int(i)] for i in rng.choice(len(walked), 2, replace=False))
    length = min(a_length, b_length)
    data[a : a + length], data[b : b + length] = data[b : b + length], data[a : a + length]


def _change_representation(data: bytearray, rng: np.random.Generator) -> None:
    walked = elements(data)
    if not walked:
        _flip_header_bits(data, rng)
        return
    at = walked[int(rng.integers(len(walked)))][0]
    data[at + 4 : at + 6] = _VRS[int(rng.integers(len(_VRS)))]


def _change_length(data: bytearray, rng: np.random.Generator) -> None:
    walked = elements(data)
    if not walked:
        _flip_header_bits(data, rng)
        return
    at, value, _ = walked[int(rng.integers(len(walked)))]
    length = _LENGTHS[int(rng.integers(len(_LENGTHS)))]
    if value - at == 12:
        data[at + 8 : at + 12] = struct.pack("<L", length)
    else:
        data[at + 6 : at + 8] = struct.pack("<H", length & 0xFFFF)


def _scribble(data: bytearray, rng: np.random.Generator) -> None:
    """Random bytes over one value, as a number out of range or text that is no number."""
    walked = [element for element in elements(data) if 0 < element[2] < 0xFFFF]
    if not walked:
        _flip_header_bits(data, rng)
        return
    _, value, length = walked[int(rng.integers(len(walked)))]
    data[value : value + length] = rng.bytes(length)


def _swap_stretches(data: bytearray, rng: np.random.Generator) -> None:
    size = int(rng.integers(2, 200))
    a, b = (int(value) for value in rng.integers(0, max(1, len(data) - size), 2))
    data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]


_MUTATIONS: tuple[tuple[str, Callable[[bytearray, np.random.Generator], None]], ...] = (
    ("bit flips", _flip_bits),
    ("bit flips in the header", _flip_header_bits),
    ("truncation", _truncate),
    ("tags swapped", _swap_tags),
    ("values swapped", _swap_values),
    ("another value representation", _change_representation),
    ("another length", _change_length),
    ("random bytes in a value", _scribble),
    ("stretches swapped", _swap_stretches),
)
KINDS = tuple(name for name, _ in _MUTATIONS)
