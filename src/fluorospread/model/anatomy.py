"""Names of levels, sides and nerves, as a clinician says them.

A *bone level*, the *nerve* that crosses its SAP-TP junction and the *facet* that nerve supplies are
three different things and are kept apart (sources disagree in wording, so never derive one silently).
"""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """Vertebrae from cranial to caudal. L6 only where a count says so."""

    T9 = "T9"
    T10 = "T10"
    T11 = "T11"
    T12 = "T12"
    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"
    L5 = "L5"
    L6 = "L6"
    S1 = "S1"

    @property
    def is_lumbar(self) -> bool:
        return self.value.startswith("L")


CRANIAL_TO_CAUDAL: tuple[Level, ...] = tuple(Level)


class Side(StrEnum):
    """Side of the patient when known, else of the image as stored (`image-left` = low columns)."""

    LEFT = "left"
    RIGHT = "right"
    IMAGE_LEFT = "image-left"
    IMAGE_RIGHT = "image-right"

    @property
    def of_patient(self) -> bool:
        return self in (Side.LEFT, Side.RIGHT)

    @property
    def opposite(self) -> Side:
        return {
            Side.LEFT: Side.RIGHT,
            Side.RIGHT: Side.LEFT,
            Side.IMAGE_LEFT: Side.IMAGE_RIGHT,
            Side.IMAGE_RIGHT: Side.IMAGE_LEFT,
        }[self]


# Bogduk's scheme as used in the source study: the medial branch of a segment crosses the junction of
# the vertebra below; the L5 dorsal ramus itself crosses the S1 SAP and the sacral ala.
JUNCTION_NERVE: dict[Level, str] = {
    Level.L1: "T12 medial branch",
    Level.L2: "L1 medial branch",
    Level.L3: "L2 medial branch",
    Level.L4: "L3 medial branch",
    Level.L5: "L4 medial branch",
    Level.L6: "L5 medial branch",
    Level.S1: "L5 dorsal ramus",
}

# Levels whose junctions are located and measured: the study's two and one neighbour each way.
JUNCTION_LEVELS: tuple[Level, ...] = (Level.L3, Level.L4, Level.L5, Level.S1)
