"""A path that a person gives, to a case with its images: case.json, a case folder, or one image file.

The images of a case.json are the ones it was computed from, or they are refused: their hashes are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fluorospread.dicom.read_radiograph import ReadOverrides, read_radiograph
from fluorospread.errors import CaseFileError, MissingFileError
from fluorospread.model.case import SCHEMA_NAME, CaseImage, CaseResult
from fluorospread.model.radiograph import BoolImage, Radiograph
from fluorospread.pipeline.gather_case import CaseOverrides, gather_case
from fluorospread.reporting.case_json import read_case_json

CASE_JSON = "case.json"
# The schema's name stands at the head of a case.json; a large foreign JSON is not read through for it.
_HEAD_BYTES = 4096


@dataclass(frozen=True)
class OpenedCase:
    """A case.json with what it names. `radiographs` are in the order of `case.images`."""

    path: Path
    case: CaseResult
    radiographs: tuple[Radiograph, ...]
    contrast_mask: BoolImage | None


@dataclass(frozen=True)
class NamedRadiograph:
    """An image without a result, under the name it is shown by."""

    name: str
    radiograph: Radiograph


def case_json_in(path: Path) -> Path | None:
    """The case.json that `path` is or holds, else None."""
    if path.is_dir():
        inside = path / CASE_JSON
        return inside if inside.is_file() else None
    if path.suffix.lower() != ".json" or not path.is_file():
        return None
    with path.open("rb") as file:
        return path if SCHEMA_NAME.encode("ascii") in file.read(_HEAD_BYTES) else None


def open_case(path: Path) -> OpenedCase:
    """The case in a case.json.

    Raises
    ------
    CaseFileError
        The file does not fit the schema, or an image or the mask is not the one it was computed from.
    MissingFileError
        An image or the mask is not there.
    """
    case = read_case_json(path)
    polarity = next((item.value for item in case.overrides if item.name == "polarity"), None)
    radiographs = tuple(_read_image(path, image, polarity) for image in case.images)
    return OpenedCase(path, case, radiographs, _read_mask(path, case))


def open_images(path: Path) -> tuple[NamedRadiograph, ...]:
    """The image in a file, or the images of a case folder under their roles.

    Raises
    ------
    InputError
        There is no image or no case, or an image cannot be read; each by its own name.
    """
    request = gather_case(path, None, CaseOverrides())
    given = request.overrides
    overrides = ReadOverrides(given.spacing_mm, given.columns_towards, given.rows_towards, given.polarity)
    return tuple(
        NamedRadiograph(
            f"{image.role}: {image.path.stem}" if image.role else image.path.stem,
            read_radiograph(image.path, overrides),
        )
        for image in request.images
    )


def _read_image(case_json: Path, image: CaseImage, polarity: str | None) -> Radiograph:
    recorded = case_json.parent / image.path
    # A result is often moved together with its images, but not to where its paths lead.
    found = next((path for path in (recorded, case_json.parent / recorded.name) if path.is_file()), None)
    if found is None:
        raise MissingFileError(f"{case_json}: its image {recorded} is not there; put it back, or beside case.json")
    radiograph = read_radiograph(found, ReadOverrides(polarity=polarity))
    if radiograph.sha256 != image.sha256:
        raise CaseFileError(
            f"{case_json}: {found} is not the image this case was computed from (its SHA-256 differs); "
            "verify the case again"
        )
    if radiograph.shape != (image.rows, image.cols):
        raise CaseFileError(f"{case_json}: {found} has shape {radiograph.shape}, not {(image.rows, image.cols)}")
    return radiograph


def _read_mask(case_json: Path, case: CaseResult) -> BoolImage | None:
    from PIL import Image, UnidentifiedImageError

    if case.contrast.mask_file is None or case.contrast.image is None:
        return None
    path = case_json.parent / case.contrast.mask_file
    try:
        with Image.open(path) as picture:
            mask: BoolImage = np.asarray(picture.convert("L")) > 127
    except FileNotFoundError as error:
        raise MissingFileError(f"{case_json}: its contrast mask {path} is not there") from error
    except (OSError, UnidentifiedImageError) as error:
        raise CaseFileError(f"{path}: expected a PNG with the contrast mask ({error})") from error
    image = case.images[case.contrast.image]
    if mask.shape != (image.rows, image.cols):
        raise CaseFileError(f"{path}: a mask of {mask.shape} does not fit its image, {(image.rows, image.cols)}")
    return mask
