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
from typing import TYPE_CHECKING

from fluorospread.errors import (
    CaseError,
    CaseFileError,
    MissingFileError,
    ProtocolError,
    ReviewError,
    StoreError,
    UnsupportedImageError,
)
from fluorospread.model.case import CaseResult
from fluorospread.model.protocol import Protocol
from fluorospread.model.radiograph import BoolImage
from fluorospread.model.review import EventKind, LoggedEvent
from fluorospread.pipeline.write_case import CASE_JSON
from fluorospread.reporting.case_json import read_case_json
from fluorospread.reporting.report_page import write_atomically

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
        The protocol the case was verified by, where it is not a built-in one.
    pdf
        Whether to write the PDF report, which needs Pango.
    """

    reviews: str | None = None
    organisation: str = ""
    protocol: Protocol | None = None
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
        one does not have are removed.
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
    contents = _contents(path, options, tell)
    folder = path.parent / RESULTS_FOLDER if out is None else out
    for name, content in contents.items():
        write_atomically(folder / name, content)
    for stale in folder.glob("*.dcm"):
        if _OURS.fullmatch(stale.name) and stale.name not in contents:
            stale.unlink()
    return tuple(folder / name for name in contents)


def _contents(path: Path, options: PublishOptions, tell: Tell) -> dict[str, bytes]:
    from fluorospread.dicom.key_object import key_object_selection
    from fluorospread.dicom.presentation_state import presentation_states
    from fluorospread.dicom.result_object import ResultContext, encoded
    from fluorospread.dicom.result_source import content_moment, read_sources
    from fluorospread.dicom.structured_report import structured_report

    result = read_case_json(path)
    sources = read_sources(result, path.parent)
    notes = list(sources.notes)
    decision = None if options.reviews is None else _signed_decision(result, options, notes)
    date, time, undated = content_moment(sources, decision)
    seed = f"{result.case_id}\0{sources.main.header.SOPInstanceUID}"
    context = ResultContext(sources, result.software, date, time, seed)
    report, left_out = structured_report(result, context, decision, options.organisation)
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
        objects[PDF_FILE] = _encapsulated_pdf(path, context)
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
        return contrast_segmentation(_read_mask(folder / contrast.mask_file), source, context)
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


def _encapsulated_pdf(path: Path, context: ResultContext) -> ResultObject:
    """The QA report, made anew so that it is the one of this case.json."""
    from fluorospread.dicom.encapsulated_report import encapsulated_report
    from fluorospread.pipeline.report_case import report_case

    with tempfile.TemporaryDirectory() as folder:
        written = report_case(path, Path(folder), pdf=True)
        pdf = next(file for file in written if file.suffix == ".pdf").read_bytes()
    return encapsulated_report(pdf, context)


def _signed_decision(result: CaseResult, options: PublishOptions, notes: list[str]) -> SignedDecision | None:
    """What readers signed about exactly this result, from a log that is whole.

    Raises
    ------
    ReviewError
        The case was reviewed, but with another result.
    StoreError
        The store is missing, or the case's log was changed from outside.
    """
    from fluorospread.dicom.result_source import Signature, SignedDecision
    from fluorospread.pipeline.apply_review import apply_review, subject_of

    events = _events(str(options.reviews), result.case_id)
    subject = subject_of(result)
    if any(logged.event.subject != subject for logged in events):
        raise ReviewError(
            f"{result.case_id}: the review in {options.reviews} is about another result (other images, software or "
            "findings); export the case.json that was reviewed, or review this one"
        )
    reviewed = apply_review(result, options.protocol or _protocol(result), events)
    if reviewed.decision is None or reviewed.verdict is None:
        reason = "readers disagree" if reviewed.disagreements else "nobody has signed"
        notes.append(f"The report is unverified: {reason}.")
        return None
    signatures = tuple(Signature(reader, _signed_at(events, reader)) for reader in reviewed.decided_by)
    return SignedDecision(reviewed.decision, reviewed.verdict, signatures, reviewed.head_hash)


def _events(store_url: str, case_id: str) -> tuple[LoggedEvent, ...]:
    from fluorospread.store.review_store import ReviewStore
    from fluorospread.store.verify_log import verify_log

    if "://" not in store_url and not Path(store_url).is_file():
        raise MissingFileError(f"{store_url}: no such review store")
    with ReviewStore(store_url) as store:
        problems = [problem for problem in verify_log(store).problems if problem.case_id == case_id]
        if problems:
            raise StoreError(f"{store.shown_url}: the review log cannot be trusted: {problems[0]}")
        return store.events(case_id)


def _signed_at(events: tuple[LoggedEvent, ...], reader: str) -> datetime:
    kinds = (EventKind.SIGNED, EventKind.ADJUDICATED)
    return max(logged.event.at for logged in events if logged.event.reader == reader and logged.event.kind in kinds)


def _protocol(result: CaseResult) -> Protocol:
    from fluorospread.pipeline.protocols import load_protocol

    wanted = f"{result.case_id} was verified by protocol {result.protocol_name}; give its file with --protocol"
    try:
        protocol = load_protocol(result.protocol_name)
    except (ProtocolError, MissingFileError) as error:
        raise ProtocolError(f"{wanted} ({error})") from error
    if protocol.sha256 != result.protocol_sha256:
        raise ProtocolError(f"{wanted} (this version's own protocol of that name differs)")
    return protocol
