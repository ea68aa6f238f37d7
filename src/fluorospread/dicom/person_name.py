"""Free text to a DICOM person name (VR PN): what would end or split the name is replaced, never obeyed."""

from __future__ import annotations

import unicodedata

# PS3.5 6.2: characters of one component group.
_LONGEST = 64
# "\" separates values, "=" component groups.
_SEPARATORS = {"\\": "/", "=": "-"}


def person_name(name: str) -> str:
    """The name as one component group of at most 64 characters; "^" keeps its meaning."""
    plain = "".join(_SEPARATORS.get(c, c) for c in name if unicodedata.category(c) not in ("Cc", "Cs"))
    return plain.strip()[:_LONGEST].rstrip()
