"""Identifiers in, consistent pseudonyms out: a keyed hash, so that who has no key can neither guess nor link.

The same key gives the same pseudonyms, whatever the order and number of files; another key gives others.
HMAC-SHA256 (RFC 2104) with a label for each use, so that a patient's pseudonym says nothing of a UID's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from pathlib import Path

from fluorospread.errors import MissingFileError, UsageError

SHORTEST_KEY = 16
"""Bytes. Shorter keys can be found by trial."""

# Ten years: long enough to hide a date, short enough to keep it plausible.
_LARGEST_SHIFT_DAYS = 3650
HOW_TO_MAKE_A_KEY = "make one with: openssl rand -hex 32"


@dataclass(frozen=True)
class Pseudonyms:
    """Pseudonyms of one cohort. `key` is the cohort's secret, at least 16 bytes.

    Raises
    ------
    UsageError
        The key is too short.
    """

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) < SHORTEST_KEY:
            raise UsageError(
                f"the cohort key has {len(self.key)} bytes; expected at least {SHORTEST_KEY}. {HOW_TO_MAKE_A_KEY}"
            )

    def patient(self, identity: str) -> str:
        """Pseudonym of a patient, e.g. "PT-7QK3M2WZ4A": 50 bits, so two of a million share one with p < 0.0005."""
        return f"PT-{self._word('patient', identity, 10)}"

    def study(self, study_uid: str) -> str:
        """Four characters that tell a patient's studies apart."""
        return self._word("study", study_uid, 4)

    def uid(self, uid: str) -> str:
        """The UID that replaces another, always the same one: "2.25." and 128 bits (PS3.5 B.2)."""
        return f"2.25.{int.from_bytes(self._digest('uid', uid.strip())[:16], 'big')}"

    def days_earlier(self, identity: str) -> int:
        """By how many days (1 to 3650) all dates of a patient are moved back; intervals stay."""
        return 1 + int.from_bytes(self._digest("days", identity)[:8], "big") % _LARGEST_SHIFT_DAYS

    def _word(self, label: str, value: str, length: int) -> str:
        return base64.b32encode(self._digest(label, value)).decode("ascii")[:length]

    def _digest(self, label: str, value: str) -> bytes:
        message = f"fluorospread {label}\0{value}".encode("utf-8", "surrogatepass")
        return hmac.new(self.key, message, hashlib.sha256).digest()


def read_key(path: Path) -> bytes:
    """A cohort key from a file: its bytes without surrounding white space.

    Raises
    ------
    MissingFileError
        The file cannot be read.
    """
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise MissingFileError(f"{path}: the cohort key cannot be read ({error.strerror})") from error
