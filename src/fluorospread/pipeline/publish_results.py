"""A case.json in, its results as DICOM objects of the images' own study out, in a folder `results`.

The report (SR) and the PDF always; the other objects where the images allow them, and where they do not it is
said. The same case, images and signatures give the same files, byte for byte.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fluorospread.atomic_files import write_atomically
from fluorospread.errors import (
    CaseError,
    CaseFileError,
    ReviewError,
    UnsupportedImageError,
)
from fluorospread.model.case import CaseResult
from fluorospread.model.radiograph import BoolImage
from fluorospread.model.review import EventKind, LoggedEvent, ReviewedCase
from fluorospread.pipeline.write_case import CASE_JSON
from fluorospread.reporting.case_json import read_case_json

if TYPE_CHECKING:
    from fluorospread.dicom.result_object import ResultContext, ResultObject
    from fluorospread.dicom.result_source import SignedDecision

RESULTS_FOLDER = "results"
REPORT_FILE = "structured_report.dcm"
KEY_IMAGES_FILE = "key_images.dcm"
SEGMENTATION_FILE = "contrast_segmentation.dcm"
PDF_FILE = "case_report.dcm"
_ANNOTATIONS = "annotations_image_{}.dcm"
_OURS = re.compile(r"(structured_report|key_images|contrast_segmentation|case_report|annotations_image_[0-9]+)\.dcm")

Reviewed: TypeAlias = "tuple[ReviewedCase | None, SignedDecision | None]"

Tell = Callable[[str], None]


@dataclass(frozen=True)
class PublishOptions:
    """What goes into DICOM results.

    Attributes
    ----------
    reviews
        Review store (a file or a database URL) with the readers' signed decisions; None leaves the report
        unverified.
    organisation
        Where the readers work, for the verified report.
    protocol
        The file of the protocol the case was verified by, where it is not a built-in one.
    pdf
        Whether to write the PDF report, which needs Pango.
    """

    reviews: str | None = None
    organisation: str = ""
    protocol: str | None = None
    pdf: bool = True


def write_dicom_results(
    case_json: Path,
    out: Path | None = None,
    options: PublishOptions = PublishOptions(),
    tell: Tell = lambda _: None,
) -> tuple[Path, ...]:
    """Write a finished case's results as DICOM files; returns them, the structured report first.

    Parameters
    ----------
    case_json
        The file, or the folder that holds it. Its images must still be where it says.
    out
        Folder to write to; `results` beside case.json when None. Results of an earlier export there that this
        one does not have are removed, and an earlier report that says something else is named as the new one's
        predecessor.
    tell
        Told, a sentence at a time, what was left out and why.

    Raises
    ------
    InputError
        The images are pictures, have changed, or lack identifiers; the message says what is needed.
    ReviewError, StoreError, UnsupportedImageError
        The signed decision is about another result, or its log was tampered with.
    OutputError
        The folder cannot be written, or the PDF needs Pango.
    """
    path = case_json / CASE_JSON if case_json.is_dir() else case_json
    if not path.is_file():
        raise CaseFileError(f"{path}: no such file; give a {CASE_JSON} as `fluorospread verify --out` writes it")
    folder = path.parent / RESULTS_FOLDER if out is None else out
    contents = _contents(path, folder / REPORT_FILE, options, tell)
    for name, content in contents.items():
        write_atomically(folder / name, content)
    for stale in folder.glob("*.dcm"):
        if _OURS.fullmatch(stale.name) and stale.name not in contents:
            stale.unlink()
    return tuple(folder / name for name in contents)


def _contents(path: Path, earlier: Path, options: PublishOptions, tell: Tell) -> dict[str, bytes]:
    from fluorospread.dicom.key_object import key_object_selection
    from fluorospread.dicom.presentation_state import presentation_states
    from fluorospread.dicom.result_object import ResultContext, encoded
    from fluorospread.dicom.result_source import content_moment, read_sources
    from fluorospread.dicom.structured_report import structured_report

    result = read_case_json(path)
    sources = read_sources(result, path.parent)
    notes = list(sources.notes)
    reviewed, decision = _reviewed(result, options, notes)
    date, time, undated = content_moment(sources, decision)
    seed = f"{result.case_id}\0{sources.main.header.SOPInstanceUID}"
    context = ResultContext(sources, result.software, date, time, seed)
    report, left_out = structured_report(result, context, decision, options.organisation, earlier)
    objects: dict[str, ResultObject] = {REPORT_FILE: report}
    states = presentation_states(result, context, notes)
    objects |= {_ANNOTATIONS.format(index + 1): state for index, state in states.items()}
    selection = key_object_selection(result, context, states)
    if selection is not None:
        objects[KEY_IMAGES_FILE] = selection
    segmentation = _segmentation(result, path.parent, context, notes)
    if segmentation is not None:
        objects[SEGMENTATION_FILE] = segmentation
    if options.pdf:
        objects[PDF_FILE] = _encapsulated_pdf(path, context, reviewed)
    for note in dict.fromkeys([*notes, *left_out, *([undated] if undated else [])]):
        tell(note)
    return {name: encoded(dataset) for name, dataset in objects.items()}


def _segmentation(result: CaseResult, folder: Path, context: ResultContext, notes: list[str]) -> ResultObject | None:
    """The contrast mask as a segmentation; None, with a note, where there is none to be made."""
    from fluorospread.dicom.segmentation_object import contrast_segmentation

    contrast = result.contrast
    source = context.sources.image(contrast.image)
    if contrast.mask_file is None or source is None:
        return None
    try:
        mask = _read_mask(folder / contrast.mask_file)
        return contrast_segmentation(mask, source, context, result.contrast_is_provisional)
    except (CaseError, UnsupportedImageError) as error:
        notes.append(f"No segmentation: {error}")
        return None


def _read_mask(path: Path) -> BoolImage:
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            mask: BoolImage = np.asarray(picture.convert("L")) > 127
    except (OSError, UnidentifiedImageError) as error:
        raise CaseError(f"{path.name} cannot be read ({error})") from error
    return mask


def _encapsulated_pdf(path: Path, context: ResultContext, reviewed: ReviewedCase | None) -> ResultObject:
    """The QA report, made anew so that it is the one of this case.json."""
    from fluorospread.dicom.encapsulated_report import encapsulated_report
    from fluorospread.pipeline.report_case import report_case

    with tempfile.TemporaryDirectory() as folder:
        written = report_case(path, Path(folder), pdf=True, review=reviewed)
        pdf = next(file for file in written if file.suffix == ".pdf").read_bytes()
    return encapsulated_report(pdf, context)


def _reviewed(result: CaseResult, options: PublishOptions, notes: list[str]) -> Reviewed:
    """What readers decided about exactly this result, and their signatures where that verifies it.

    Raises
    ------
    ReviewError
        The case was reviewed, but with another result.
    StoreError
        The store is missing, or its log was changed from outside.
    UsageError
        The protocol the case was judged by is not at hand.
    """
    from fluorospread.dicom.result_source import Signature, SignedDecision
    from fluorospread.pipeline.apply_review import subject_of
    from fluorospread.pipeline.case_reviews import open_reviews

    with open_reviews(options.reviews, options.protocol) as reviews:
        if reviews.store is None:
            return None, None
        events = reviews.store.events(result.case_id)
        if any(logged.event.subject != subject_of(result) for logged in events):
            raise ReviewError(
                f"{result.case_id}: the review in {reviews.store.shown_url} is about another result (other images, "
                "software or findings); export the case.json that was reviewed, or review this one"
            )
        reviewed = reviews.of(result)
    if reviewed is None or reviewed.decision is None or reviewed.verdict is None:
        disagree = reviewed is not None and reviewed.disagreements
        notes.append(f"The report is unverified: {'readers disagree' if disagree else 'nobody has signed'}.")
        return reviewed, None
    signatures = tuple(Signature(reader, _signed_at(events, reader)) for reader in reviewed.decided_by)
    return reviewed, SignedDecision(reviewed.decision, reviewed.verdict, signatures, reviewed.head_hash)


def _signed_at(events: tuple[LoggedEvent, ...], reader: str) -> datetime:
    kinds = (EventKind.SIGNED, EventKind.ADJUDICATED)
    return max(logged.event.at for logged in events if logged.event.reader == reader and logged.event.kind in kinds)
