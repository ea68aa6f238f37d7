"""A case.json in, its QA report out: the source images are read again and drawn large, one a page.

An image, of a run the frame that was measured, is drawn only if its file still has the hash that case.json
records. Where one is missing or has changed, the annotated page that was written with case.json is shown as well.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from fluorospread.dicom.file_kind import file_sha256
from fluorospread.dicom.read_radiograph import ReadOverrides, read_radiograph
from fluorospread.errors import CaseFileError, InputError
from fluorospread.model.case import CaseImage, CaseResult
from fluorospread.model.review import ReviewedCase
from fluorospread.pipeline.verify_case import VerifiedCase
from fluorospread.pipeline.write_case import CASE_JSON, PICTURE_FILE, pictures_of
from fluorospread.reporting.case_json import read_case_json
from fluorospread.reporting.case_report import (
    ReportPicture,
    read_flag_pictures,
    report_pictures,
    write_case_report,
)
from fluorospread.reporting.panel import Picture
from fluorospread.reporting.report_page import png_data_uri


def report_case(
    case_json: Path, out: Path | None = None, pdf: bool = True, review: ReviewedCase | None = None
) -> tuple[Path, ...]:
    """Write the QA report of a finished case; returns the files written, HTML first.

    Parameters
    ----------
    case_json
        The file, or the folder that holds it.
    out
        Folder to write to; beside case.json when None.
    review
        What readers decided about the case (`apply_review`); None where that is not known.

    Raises
    ------
    CaseFileError
        No such file, it is not a case.json, or the review is another case's.
    OutputError
        The folder cannot be written, or the PDF needs Pango, which is missing.
    """
    path = case_json / CASE_JSON if case_json.is_dir() else case_json
    if not path.is_file():
        raise CaseFileError(f"{path}: no such file; give a {CASE_JSON} as `fluorospread verify --out` writes it")
    result = read_case_json(path)
    if review is not None and review.case_id != result.case_id:
        raise CaseFileError(f"{path}: holds case {result.case_id}, but the review is that of {review.case_id}")
    again = [_read_again(image, result, path.parent) for image in result.images]
    pictures = report_pictures(result, again)
    if any(picture is None for picture in again):
        pictures += _annotated_page(path.parent / PICTURE_FILE)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    flags = read_flag_pictures(result, path.parent)
    return write_case_report(result, pictures, path.parent if out is None else out, pdf, review, sha256, flags)


def report_verified(case: VerifiedCase, result: CaseResult, folder: Path, pdf: bool = False) -> tuple[Path, ...]:
    """Write the QA report of a case just verified, whose images are still at hand, into `folder`.

    `result` is the case's result as `write_case` returns it, with paths relative to `folder`.
    """
    pictures, flags = report_pictures(result, pictures_of(case)), read_flag_pictures(result, folder)
    return write_case_report(result, pictures, folder, pdf, flag_pictures=flags)


def _read_again(image: CaseImage, result: CaseResult, folder: Path) -> Picture | None:
    """The frame that the image's findings belong to, as it is drawn; None where the file is not the one measured."""
    path = folder / image.path
    try:
        if file_sha256(path) != image.sha256:
            return None
        polarity = next((override.value for override in result.overrides if override.name == "polarity"), None)
        radiograph = read_radiograph(path, ReadOverrides(None, None, None, polarity))
    except (OSError, InputError):
        return None
    if (*radiograph.shape, radiograph.frames.count) != (image.rows, image.cols, image.frames):
        return None
    return Picture(radiograph.pixels(image.frame), radiograph.field_of_view)


def _annotated_page(path: Path) -> list[ReportPicture]:
    if not path.is_file():
        return []
    caption = f"{path.name}, as written with case.json: levels, junctions, needle tips and contrast of every image."
    return [ReportPicture(png_data_uri(path.read_bytes(), path.name), caption)]
