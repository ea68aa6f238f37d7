"""Reads cases before they are asked for, and does in the background what a case takes seconds for."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fluorospread.model.review import ReviewSubject
from fluorospread.pipeline.apply_review import subject_of
from fluorospread.pipeline.reopen_case import ReopenedCase, reopen_case
from fluorospread.pipeline.subtraction_view import SubtractionView, subtraction_view
from napari_fluorospread.case_display import image_part
from napari_fluorospread.finding_layers import LayerData
from napari_fluorospread.open_case import OpenedCase, open_case


@dataclass(frozen=True)
class ReadyCase:
    """An opened case with the layers of its images and its hashes, so that showing it takes no reading."""

    opened: OpenedCase
    pictures: list[LayerData]
    subject: ReviewSubject


def make_ready(path: Path) -> ReadyCase:
    """Open a case.json, make its images' layers and take its hashes.

    Raises
    ------
    FluorospreadError
        The case or its images cannot be read, or are not those it was computed from.
    """
    opened = open_case(path)
    return ReadyCase(opened, image_part(opened), subject_of(opened.case))


class CaseLoader:
    """One thread for the case that comes next, then for the one that is open."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="case-loader")
        self._next: tuple[Path, Future[ReadyCase]] | None = None
        self._subtraction: Future[SubtractionView | None] | None = None
        self._reopened: Future[ReopenedCase] | None = None

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def take(self, path: Path) -> ReadyCase:
        """The case in `path`, at once where it was read before.

        Raises
        ------
        FluorospreadError
            As `make_ready`.
        """
        waiting, self._next = self._next, None
        if waiting is not None and waiting[0] == path:
            return waiting[1].result()
        return make_ready(path)

    def read_ahead(self, path: Path) -> None:
        if self._next is None or self._next[0] != path:
            self._next = (path, self._thread.submit(make_ready, path))

    @property
    def reads_ahead(self) -> bool:
        """Whether the case that comes next is still being read."""
        return self._next is not None and not self._next[1].done()

    def read(self) -> ReadyCase | None:
        """The case that comes next, once it was read and could be."""
        if self._next is None or not self._next[1].done() or self._next[1].exception() is not None:
            return None
        return self._next[1].result()

    def forget_open_case(self) -> None:
        """Drop what was done, or is still to be done, for the case that was open."""
        for future in (self._subtraction, self._reopened):
            if future is not None:
                future.cancel()
        self._subtraction = self._reopened = None

    def subtract(self, opened: OpenedCase) -> Future[SubtractionView | None]:
        """The difference of the open case's images."""
        if self._subtraction is None:
            roles = [image.role for image in opened.case.images]
            self._subtraction = self._thread.submit(subtraction_view, roles, opened.radiographs)
        return self._subtraction

    def reopen(self, opened: OpenedCase) -> Future[ReopenedCase]:
        """What edits of the open case are measured with."""
        if self._reopened is None:
            self._reopened = self._thread.submit(reopen_case, opened.case, opened.radiographs)
        return self._reopened
