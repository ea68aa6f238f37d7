"""Files of a case's folder that are none of its images in, what they are good for out: dose reports, else a note."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fluorospread.dicom.dose_report import is_dose_report

# What a folder may hold beside images without that being worth a note.
DOCUMENTS = {".toml", ".json", ".md", ".txt", ".csv", ".html", ".pdf"}


@dataclass(frozen=True)
class Leftovers:
    """`dose_reports` of whatever study, and the names of what nothing can be done with."""

    dose_reports: tuple[Path, ...]
    unused: tuple[str, ...]

    def said(self, reason: str) -> tuple[str, ...]:
        """A note for the reader, or none."""
        return (f"not used, as {reason}: {', '.join(self.unused)}",) if self.unused else ()


def leftover_files(paths: Sequence[Path]) -> Leftovers:
    """What lies beside a case's images; documents go without saying."""
    candidates = [path for path in paths if path.suffix.lower() not in DOCUMENTS]
    reports = tuple(path for path in candidates if is_dose_report(path))
    return Leftovers(reports, tuple(path.name for path in candidates if path not in reports))
