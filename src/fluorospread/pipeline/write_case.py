"""A verified case in, its folder out: contrast_mask.png, annotated.png, a picture of each suspected flag and case.json,
all whole or not at all.

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
from fluorospread.imaging.normalisation import smooth
from fluorospread.model.case import CaseResult
from fluorospread.model.radiograph import BoolImage
from fluorospread.model.verdict import Flag
from fluorospread.pipeline.verify_case import MASK_FILE, VerifiedCase
from fluorospread.reporting.case_json import dump_case_json
from fluorospread.reporting.figures import annotated_png
from fluorospread.reporting.flag_pictures import FLAG_FILES, FlagFrame, can_be_shown, flag_file, flag_png
from fluorospread.reporting.panel import Picture

CASE_JSON = "case.json"
PICTURE_FILE = "annotated.png"
# Blur of a difference of two single frames, which is noisier than either.
_CALM_PX = 1.2


def write_case(case: VerifiedCase, folder: Path) -> CaseResult:
    """Write the case's files into `folder`, which is made; returns the result as written.

    Image paths in case.json are relative to `folder`, so that both can be moved together. A contrast mask
    and pictures of flags left by an earlier run are removed when this one has none.

    Raises
    ------
    OutputError
        The folder cannot be made or written; nothing half-written is left behind.
    """
    result = _naming_pictures(_relative_to(case.result, folder))
    contents: dict[str, bytes] = {}
    if case.contrast.mask is not None:
        contents[MASK_FILE] = _mask_png(case.contrast.mask)
    contents[PICTURE_FILE] = annotated_png(result, pictures_of(case))
    for flag in result.flags:
        if flag.picture is not None:
            contents[flag.picture] = _flag_png(case, result, flag)
    contents[CASE_JSON] = dump_case_json(result).encode("utf-8")
    former = [path.name for path in folder.glob(FLAG_FILES)]
    write_all_atomically(folder, contents, obsolete=(MASK_FILE, *former))
    return result


def _naming_pictures(result: CaseResult) -> CaseResult:
    """The result whose flags name their pictures, numbered in their order."""
    flags: list[Flag] = []
    number = 0
    for flag in result.flags:
        shown = can_be_shown(result, flag)
        number += shown
        flags.append(replace(flag, picture=flag_file(flag, number) if shown else None))
    return replace(result, flags=tuple(flags))


def _flag_png(case: VerifiedCase, result: CaseResult, flag: Flag) -> bytes:
    """The flag's evidence in the frame that shows it best, and the contrast there alone: what is gone in the measured
    frame of a run, else the difference that it was found in."""
    if result.contrast.image is None:
        raise ValueError(f"{flag.code}: no image shows the contrast")
    radiograph, image = case.radiographs[result.contrast.image], result.images[result.contrast.image]
    best = image.frame if flag.frame is None else flag.frame
    pixels, view = radiograph.pixels(best), radiograph.field_of_view
    frames = [FlagFrame(f"As imaged, frame {best}" if image.frames > 1 else "As imaged", Picture(pixels, view))]
    alone = case.contrast.signal
    if best != image.frame:
        gone = smooth(pixels - radiograph.pixels(image.frame), _CALM_PX)
        frames.append(FlagFrame(f"Frame {best} less frame {image.frame}", Picture(gone, view)))
    elif alone is not None and alone.shape == radiograph.shape:
        frames.append(FlagFrame("Contrast alone (difference)", Picture(alone, view)))
    return flag_png(image, flag, frames)


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
