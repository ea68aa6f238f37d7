"""A study on its way from an archive into a folder, so that a broken connection loses nothing.

While objects are missing, the folder is called `.<name>.partial`, which no other command takes for a case; it
gets its own name when the study is complete. Each object is written beside its place and moved there whole, and
noted with size and SHA-256 in `received.json`. An object that is noted and still has that hash is not fetched again.
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import pydicom

from fluorospread.atomic_files import write_atomically
from fluorospread.errors import OutputError, PacsResponseError
from fluorospread.pacs.archive import InstanceEntry, text_of

RECEIVED_FILE = "received.json"


class ReceivedStudy:
    """The folder of one study. `folder` is where it will lie when it is complete.

    Raises
    ------
    OutputError
        The folder cannot be made or written.
    PacsResponseError
        `folder` holds another study.
    """

    def __init__(self, folder: Path, study_uid: str) -> None:
        self._final, self._study_uid = folder, study_uid
        partial = folder.with_name(f".{folder.name}.partial")
        self._folder = folder if folder.is_dir() else partial
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self._folder}: cannot be made ({error.strerror})") from error
        self._noted = self._read_notes()

    def missing(self, wanted: Iterable[InstanceEntry]) -> tuple[InstanceEntry, ...]:
        """Those objects that are not here whole."""
        return tuple(entry for entry in wanted if not self._is_here(entry))

    def receive(self, entry: InstanceEntry, content: bytes) -> None:
        """Keep an object that has arrived.

        Raises
        ------
        PacsResponseError
            It is not the object that was asked for.
        OutputError
            It cannot be written.
        """
        _check_identity(entry, content)
        write_atomically(self._folder / entry.file_name, content, durable=True)
        self._noted[entry.sop_uid] = {
            "file": entry.file_name,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        notes = {"study_instance_uid": self._study_uid, "instances": self._noted}
        notes_text = json.dumps(notes, indent=1) + "\n"
        write_atomically(self._folder / RECEIVED_FILE, notes_text.encode("utf-8"), durable=True)

    def complete(self, wanted: Sequence[InstanceEntry]) -> Path:
        """Give the folder its own name; returns it.

        Raises
        ------
        PacsResponseError
            Objects are still missing.
        """
        lacking = len(self.missing(wanted))
        if lacking:
            raise PacsResponseError(
                f"{lacking} of {len(wanted)} objects did not arrive, though the archive reported no error; run the "
                "same again. What arrived is kept"
            )
        if self._folder != self._final:
            try:
                self._folder.rename(self._final)
            except OSError as error:
                raise OutputError(f"{self._final}: cannot be made ({error.strerror})") from error
            self._folder = self._final
        return self._final

    def _read_notes(self) -> dict[str, dict[str, str | int]]:
        path = self._folder / RECEIVED_FILE
        try:
            notes = json.loads(path.read_text(encoding="utf-8"))
            study_uid, instances = notes["study_instance_uid"], dict(notes["instances"])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError):
            # Without notes everything counts as missing: fetched again, never trusted.
            return {}
        if study_uid != self._study_uid:
            raise PacsResponseError(f"{self._folder} holds another study; choose another folder")
        return instances

    def _is_here(self, entry: InstanceEntry) -> bool:
        noted = self._noted.get(entry.sop_uid)
        if not isinstance(noted, dict) or noted.get("file") != entry.file_name:
            return False
        path = self._folder / entry.file_name
        try:
            if path.stat().st_size != noted.get("bytes"):
                return False
            with path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == noted.get("sha256")
        except OSError:
            return False


def _check_identity(entry: InstanceEntry, content: bytes) -> None:
    """Refuse what is no DICOM file or another object than asked for. Raises PacsResponseError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(
                io.BytesIO(content), specific_tags=["SOPInstanceUID", "StudyInstanceUID"], stop_before_pixels=True
            )
            found = text_of(header, "SOPInstanceUID"), text_of(header, "StudyInstanceUID")
    except Exception as error:
        raise PacsResponseError(f"the archive sent {len(content)} bytes that are no DICOM file; try again") from error
    if found != (entry.sop_uid, entry.study_uid):
        raise PacsResponseError("the archive sent another object than was asked for; nothing of it was kept")
