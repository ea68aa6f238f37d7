"""A verified case in, its folder out: contrast_mask.png, annotated.png and case.json, all whole or not at all.

case.json comes last, so a folder that has one has the pictures that belong to it.
"""

from __future__ import annotations

import io
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from fluorospread.atomic_files import write_all_atomically
from fluorospread.errors import OutputError
from fluorospread.model.case import CaseResult
from fluorospread.model.radiograph import BoolImage
from fluorospread.pipeline.verify_case import MASK_FILE, VerifiedCase
from fluorospread.reporting.case_json import dump_case_json
from fluorospread.reporting.figures import annotated_png
from fluorospread.reporting.panel import Picture

CASE_JSON = "case.json"
PICTURE_FILE = "annotated.png"


def write_case(case: VerifiedCase, folder: Path) -> CaseResult:
    """Write the case's files into `folder`, which is made; returns the result as written.

    Image paths in case.json are relative to `folder`, so that both can be moved together. A contrast mask
    left by an earlier run is removed when this one has none.

    Raises
    ------
    OutputError
        The folder cannot be made or written; nothing half-written is left behind.
    """
    result = _relative_to(case.result, folder)
    contents: dict[str, bytes] = {}
    if case.contrast.mask is not None:
        contents[MASK_FILE] = _mask_png(case.contrast.mask)
    contents[PICTURE_FILE] = annotated_png(result, pictures_of(case))
    contents[CASE_JSON] = dump_case_json(result).encode("utf-8")
    write_all_atomically(folder, contents, obsolete=(MASK_FILE,))
    return result


def pictures_of(case: VerifiedCase) -> tuple[Picture, ...]:
    """The frame of each image that its findings belong to, as it is drawn."""
    return tuple(
        Picture(radiograph.pixels(image.frame), radiograph.field_of_view)
        for radiograph, image in zip(case.radiographs, case.result.images, strict=True)
    )


def check_writable(folder: Path) -> None:
    """Make the output folder and try it, so that a bad one is told before the work and not after it.

    Raises
    ------
    OutputError
        The folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(f"{folder}: results cannot be written there ({error.strerror})") from error


def _relative_to(result: CaseResult, folder: Path) -> CaseResult:
    def relative(path: str) -> str:
        try:
            return Path(os.path.relpath(Path(path).absolute(), folder.absolute())).as_posix()
        except ValueError:  # another drive on Windows
            return str(Path(path).absolute())

    return replace(result, images=tuple(replace(image, path=relative(image.path)) for image in result.images))


def _mask_png(mask: BoolImage) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(buffer, format="PNG")
    return buffer.getvalue()
