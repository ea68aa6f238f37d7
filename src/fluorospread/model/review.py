"""What a reader answers, and the event each step of a review leaves behind. Frozen; never overwritten.

A reading is complete when it is made: there is no half-answered reading. "Can't tell" is an answer
(`level_seen` None, `Answer.UNDETERMINED`), never a gap.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from fluorospread.errors import ReviewError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.geometry import PointPx
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import Verdict

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Confidence(StrEnum):
    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"


class ImageQuality(StrEnum):
    """How far the image allows the questions to be answered, best first."""

    GOOD = "good"
    LIMITED = "limited"
    INADEQUATE = "inadequate"


@dataclass(frozen=True)
class PunctureReading:
    """What a reader sees of one puncture.

    Attributes
    ----------
    side, target
        Which puncture of the protocol this is: the side and the level it was meant for.
    level_seen
        Level whose SAP-TP junction the needle reached; None is "can't tell".
    marked_px
        Where the reader clicked to mark the level, (row, col) in the image the verdict rests on (the
        case's first image where it rests on none), or None.
    """

    side: Side
    target: Level
    level_seen: Level | None
    at_target: Answer
    confidence: Confidence
    marked_px: PointPx | None = None

    def __post_init__(self) -> None:
        if self.marked_px is not None and not all(math.isfinite(value) for value in self.marked_px):
            raise ReviewError(f"the marked point must be two finite numbers (row, col), got {self.marked_px}")
        if self.at_target is Answer.YES and self.level_seen is not self.target:
            seen = self.level_seen or "can't tell"
            raise ReviewError(f"{self.side}: at target {self.target} contradicts the level seen ({seen})")


@dataclass(frozen=True)
class JunctionReading:
    """Whether a reader sees contrast over one SAP-TP junction."""

    level: Level
    side: Side
    covered: Answer


@dataclass(frozen=True)
class Reading:
    """One reader's answers to every question of one case.

    Where no contrast was given nothing is asked about it: `junctions` is empty and `aberrant_flow` None.
    """

    punctures: tuple[PunctureReading, ...]
    junctions: tuple[JunctionReading, ...]
    aberrant_flow: Answer | None
    image_quality: ImageQuality
    comment: str = ""

    def __post_init__(self) -> None:
        if not self.punctures:
            raise ReviewError("a reading answers for at least one puncture")
        if len({(p.side, p.target) for p in self.punctures}) != len(self.punctures):
            raise ReviewError("a puncture is answered twice in one reading")
        if len({(j.level, j.side) for j in self.junctions}) != len(self.junctions):
            raise ReviewError("a junction is answered twice in one reading")

    @property
    def has_doubt(self) -> bool:
        """Whether any question was answered with "can't tell"."""
        answers = [p.at_target for p in self.punctures] + [j.covered for j in self.junctions] + [self.aberrant_flow]
        return Answer.UNDETERMINED in answers or any(p.level_seen is None for p in self.punctures)


class EventKind(StrEnum):
    """Steps of a review, in their order. Those with `carries_reading` hold the reader's answers."""

    OPENED = "opened"
    RESULT_SEEN = "result-seen"
    """The reader saw the result or report outside the protocol and is no longer blind."""
    FIRST_READ = "first-read"
    """Answers given before the software's finding was shown, locked from then on."""
    REVEALED = "revealed"
    REVISED = "revised"
    """Answers after the finding was shown, kept beside the first."""
    SIGNED = "signed"
    ADJUDICATED = "adjudicated"

    @property
    def carries_reading(self) -> bool:
        return self in (EventKind.FIRST_READ, EventKind.REVISED, EventKind.SIGNED, EventKind.ADJUDICATED)


@dataclass(frozen=True)
class ReviewSubject:
    """What exactly was reviewed.

    Attributes
    ----------
    software, weights_sha256
        Name and version of the program that made the finding, and the SHA-256 of its weights.
    input_sha256
        SHA-256 over the hashes of the case's images in their order: other pixels, another hash.
    result_sha256
        SHA-256 of the case.json that the reader judges.
    """

    case_id: str
    software: str
    weights_sha256: str
    input_sha256: str
    result_sha256: str

    def __post_init__(self) -> None:
        if not self.case_id:
            raise ReviewError("a review needs the identifier of its case")
        for name in ("input_sha256", "result_sha256"):
            if not _SHA256.fullmatch(getattr(self, name)):
                raise ReviewError(f"{name} must be 64 hexadecimal digits, got {getattr(self, name)!r}")


@dataclass(frozen=True)
class ReviewEvent:
    """One step of a review: who, when, what, why, about what.

    Attributes
    ----------
    at
        Time of the step, UTC.
    why
        The reader's reason, or how the reader came to see the result; may be empty.
    reading_seconds
        Time from showing the case, or from the reader's previous step, to this one; None where the step
        is not timed.
    """

    subject: ReviewSubject
    kind: EventKind
    reader: str
    at: datetime
    reading: Reading | None = None
    why: str = ""
    reading_seconds: float | None = None

    def __post_init__(self) -> None:
        if not self.reader.strip():
            raise ReviewError("a review event needs the name of its reader")
        if self.at.tzinfo is None or self.at.utcoffset() != UTC.utcoffset(None):
            raise ReviewError(f"the time of an event is given in UTC, got {self.at.isoformat()}")
        if self.kind.carries_reading != (self.reading is not None):
            wanted = "needs a reading" if self.kind.carries_reading else "has no reading"
            raise ReviewError(f"an event of kind {self.kind} {wanted}")
        if self.reading_seconds is not None and not 0 <= self.reading_seconds < math.inf:
            raise ReviewError(f"reading_seconds must be finite and >= 0, got {self.reading_seconds}")


@dataclass(frozen=True)
class LoggedEvent:
    """An event as it stands in a case's log.

    Attributes
    ----------
    sequence
        Place in the log of its case, from 1.
    previous_hash
        `hash` of the event before it in that case; 64 zeros for the first.
    hash
        SHA-256 of the event with its place and the previous hash.
    key_id
        SHA-256 of the public key that `signature` belongs to.
    signature
        The reader's ECDSA P-256 signature of `hash`, DER, in hexadecimal.
    """

    event: ReviewEvent
    sequence: int
    previous_hash: str
    hash: str
    key_id: str
    signature: str


class CaseStatus(StrEnum):
    """Where one reader stands with one case."""

    NEW = "new"
    READING = "reading"
    BLIND_READ = "blind read"
    OPEN = "open"
    SIGNED = "signed"
    ADJUDICATE = "adjudicate"
    ADJUDICATED = "adjudicated"


@dataclass(frozen=True)
class ReaderProgress:
    """What one reader has done with one case.

    Attributes
    ----------
    blinded
        False once the reader had seen the result before locking the first reading.
    first
        The locked first reading.
    latest
        The newest answers: revised, else first.
    signed
        What the reader signed.
    seconds
        Reading time so far.
    """

    reader: str
    status: CaseStatus
    blinded: bool = True
    first: Reading | None = None
    latest: Reading | None = None
    signed: Reading | None = None
    seconds: float = 0.0

    @property
    def read_only(self) -> bool:
        return self.status in (CaseStatus.SIGNED, CaseStatus.ADJUDICATE, CaseStatus.ADJUDICATED)


@dataclass(frozen=True)
class ReviewedCase:
    """What readers decided about a case, beside what the software proposed.

    Attributes
    ----------
    readers
        Everyone who began to read, in the order of beginning.
    disagreements
        Questions that the two signed readings answer differently; empty once adjudicated.
    decision
        The adjudicated reading, else what two readers signed alike, else the only signed reading;
        None as long as readers disagree or nobody signed.
    decided_by
        Who stands behind the decision.
    verdict
        The decision judged by the protocol; None without a decision.
    head_hash
        Hash of the newest event the decision rests on, to be printed with it; empty without events.
    decided_at
        When the decision was signed or adjudicated, UTC; None without one.
    decided_on
        SHA-256 of the case.json that the decision was made about; empty without one.
    """

    case_id: str
    readers: tuple[ReaderProgress, ...]
    disagreements: tuple[str, ...]
    decision: Reading | None
    decided_by: tuple[str, ...]
    verdict: Verdict | None
    head_hash: str
    decided_at: datetime | None = None
    decided_on: str = ""
