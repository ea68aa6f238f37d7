"""DICOM PS3.15 table E.1-1 as data: what becomes of each attribute in the Basic Application Level
Confidentiality Profile, and which option retains it. `confidentiality_profile.json` names its source.

The repeating groups (50xx curves, 60xx overlays) and private attributes are ranges, so they are asked for by
`is_drawing` and by the tag itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files


class Action(StrEnum):
    """What becomes of an attribute (PS3.15 table E.1-1a), with the choices that X-ray images leave made."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    NEW_UID = "U"


# X/Z, X/D and the like leave the choice to the object's definition: removed where it is optional there. In
# X-ray images none of these is required with a value, but Content Creator's Name and the like may be (Z/D),
# and references (U*) keep their place with new UIDs.
_CHOICE = {
    "X": Action.REMOVE,
    "Z": Action.EMPTY,
    "D": Action.DUMMY,
    "U": Action.NEW_UID,
    "X/Z": Action.EMPTY,
    "X/D": Action.DUMMY,
    "X/Z/D": Action.DUMMY,
    "Z/D": Action.DUMMY,
    "X/Z/U*": Action.NEW_UID,
}


@dataclass(frozen=True)
class ProfileEntry:
    """One row of the table. `is_device` and `is_date`: retained under the option of that name."""

    name: str
    action: Action
    is_device: bool
    is_date: bool


@cache
def confidentiality_profile() -> dict[int, ProfileEntry]:
    """The table by tag (group times 65536 plus element)."""
    text = files("fluorospread.dicom").joinpath("confidentiality_profile.json").read_text(encoding="utf-8")
    return {
        int(tag, 16): ProfileEntry(name, _CHOICE[action], "device" in options, "dates" in options)
        for tag, name, action, options in json.loads(text)["attributes"]
    }


def is_drawing(group: int) -> bool:
    """Curves (50xx) and overlays (60xx): removed whole, so that no half of one stays behind."""
    return 0x5000 <= group <= 0x50FF or 0x6000 <= group <= 0x60FF
