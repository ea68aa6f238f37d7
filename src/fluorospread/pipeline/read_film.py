"""A real film, a reader's points and what a person says of it to a `Film` in natural logs, every guess noted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fluorospread.dicom.picture_files import is_picture, read_picture
from fluorospread.dicom.read_radiograph import ReadOverrides, read_radiograph
from fluorospread.errors import CaseError, UsageError
from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, Side
from fluorospread.model.case import Role
from fluorospread.model.geometry import ColumnsTowards, Orientation, RowsTowards
from fluorospread.model.radiograph import FloatImage, Quantity, Radiograph
from fluorospread.pipeline.film_points import FilmTruth, read_film_truth
from fluorospread.pipeline.gather_case import safe_case_id
from fluorospread.simulation.film_scale import log_per_unit
from fluorospread.simulation.implant import Film

# Longer side of a lumbar film where nothing gives its scale.
_ASSUMED_FIELD_MM = 300.0


class ImplantImages(StrEnum):
    """Which images of a case are made of one film."""

    PAIR = "needle-post"
    PRE_POST = "pre-post"
    NEEDLE = "needle"
    SINGLE = "post"

    @property
    def roles(self) -> tuple[Role, ...]:
        return tuple(Role(name) for name in self.value.split("-"))


class Relation(StrEnum):
    """What the grey values of a picture file are, as a person says; DICOM says it itself."""

    DISPLAY = "display"
    LINEAR = "linear"
    LOG = "log"


@dataclass(frozen=True)
class ImplantOptions:
    """What a person says about the film and wants of the case; None is found out or assumed, and recorded.

    Attributes
    ----------
    relation
        Display: a straight line of unknown slope to the natural log, the slope from the film's own vertebrae.
        Linear: proportional to the X-ray intensity. Log: `log_per_grey` natural logs a grey value.
    spacing_mm
        In the plane of the spine; by default from the reader's width of L4.
    columns_towards
        By default what the file says, else patient-left, as films are hung.
    polarity
        "bone-bright" or "bone-dark", as stored.
    contrast
        False leaves contrast out of a post image: a pair in which whatever is found is false.
    """

    images: ImplantImages = ImplantImages.PAIR
    seed: int = 0
    relation: Relation | None = None
    log_per_grey: float | None = None
    spacing_mm: float | None = None
    columns_towards: ColumnsTowards | None = None
    polarity: str | None = None
    contrast: bool = True

    def __post_init__(self) -> None:
        if (self.relation is Relation.LOG) != (self.log_per_grey is not None):
            raise UsageError("log pixels need their natural log per grey value, and only they have one")
        if self.log_per_grey is not None and self.log_per_grey <= 0:
            raise UsageError(f"the natural log per grey value is positive, got {self.log_per_grey}")


def read_film(image: Path, points: Path, options: ImplantOptions) -> tuple[Film, str]:
    """The film as natural logs with its reader's points, and the SHA-256 of its file.

    Raises
    ------
    InputError, UsageError
        As `implant_case`.
    """
    given = None if options.spacing_mm is None else (options.spacing_mm, options.spacing_mm)
    read = read_radiograph(image, ReadOverrides(given, options.columns_towards, None, options.polarity))
    marked = read_film_truth(points)
    if not marked.in_scope and given is None:
        raise CaseError(f"{points}: marked as unusable or out of scope, so an adult's L4 gives no scale; --spacing-mm")
    _check_inside(marked, read.shape, points)
    mm_per_px, assumed = _scale(read, marked)
    columns, more = _columns_towards(read)
    assumed += more
    log_path, natural, more = _natural_log(read, marked, mm_per_px, options)
    assumed += more
    sides = Orientation(columns, None, "implant")
    film = Film(
        safe_case_id(image.stem),
        log_path,
        read.field_of_view,
        mm_per_px,
        marked.centers,
        {(level, _side(side, sides)): at for (level, side), at in marked.junctions.items()},
        _grey_step(log_path[read.field_of_view]),
        natural,
        columns,
        _rows_towards(marked),
        tuple(assumed),
    )
    return film, read.sha256


def read_bare_film(image: Path, options: ImplantOptions) -> tuple[Film, str]:
    """A picture of which no reader marked anything, to be moved only; and the SHA-256 of its file.

    Its pixels keep their own unit: no needle or contrast can be put in.

    Raises
    ------
    InputError
        The picture cannot be read.
    """
    given = None if options.spacing_mm is None else (options.spacing_mm, options.spacing_mm)
    read = read_radiograph(image, ReadOverrides(given, options.columns_towards, None, options.polarity))
    pixels = np.array(read.pixels())
    known = read.geometry.mm_per_px
    mm_per_px = known or _ASSUMED_FIELD_MM / max(read.shape)
    columns, assumed = _columns_towards(read)
    if known is None:
        assumed.append(f"the longer side is {_ASSUMED_FIELD_MM:.0f} mm of the patient")
    natural = read.quantity is Quantity.NATURAL_LOG
    step = _grey_step(pixels[read.field_of_view])
    name = safe_case_id(image.stem)
    film = Film(
        name, pixels, read.field_of_view, mm_per_px, {}, {}, step, natural, columns, RowsTowards.FEET, tuple(assumed)
    )
    return film, read.sha256


def _check_inside(marked: FilmTruth, shape: tuple[int, int], points: Path) -> None:
    for at in marked.junctions.values():
        if not (0 <= at[0] < shape[0] and 0 <= at[1] < shape[1]):
            raise CaseError(f"{points}: a junction at {at} lies outside the film of {shape[0]} x {shape[1]} pixels")


def _scale(read: Radiograph, marked: FilmTruth) -> tuple[float, list[str]]:
    known = read.geometry.mm_per_px
    if known is not None:
        return known, []
    return marked.mm_per_px, [f"{marked.mm_per_px:.4f} mm per pixel, from the reader's points on L4 (48 mm wide)"]


def _columns_towards(read: Radiograph) -> tuple[ColumnsTowards, list[str]]:
    known = read.orientation.columns_towards
    if known is not None:
        return known, []
    return ColumnsTowards.PATIENT_LEFT, ["columns run towards the patient's left, as films are hung"]


def _rows_towards(marked: FilmTruth) -> RowsTowards:
    """From the reader's names: rows grow towards the feet where lower vertebrae have higher rows."""
    ordered = sorted(marked.centers, key=CRANIAL_TO_CAUDAL.index)
    down = marked.centers[ordered[-1]][0] >= marked.centers[ordered[0]][0]
    return RowsTowards.FEET if down else RowsTowards.HEAD


def _side(side: Side, orientation: Orientation) -> Side:
    if side.of_patient:
        return side
    return orientation.side_at(1.0 if side is Side.IMAGE_RIGHT else -1.0, 0.0)


def _natural_log(
    read: Radiograph, marked: FilmTruth, mm_per_px: float, options: ImplantOptions
) -> tuple[FloatImage, bool, list[str]]:
    """-ln(I/I0) up to a constant, whether its slope is known, and what was assumed."""
    pixels = np.array(read.pixels())
    if read.quantity is Quantity.NATURAL_LOG:
        if options.relation is not None:
            raise UsageError(f"{read.path.name} says itself what its pixels are; leave out --relation")
        return pixels, True, []
    if options.relation is Relation.LINEAR:
        return _from_linear(read, pixels), True, ["grey values are proportional to X-ray intensity, as given"]
    if options.log_per_grey is not None:
        slope = options.log_per_grey / _grey_step(pixels[read.field_of_view])
        return pixels * np.float32(slope), True, [f"{options.log_per_grey:g} natural logs a grey value, as given"]
    slope = log_per_unit(pixels, read.field_of_view, marked.centers, mm_per_px)
    said = (
        f"grey values are a straight line to the natural log with {slope * _grey_step(pixels[read.field_of_view]):.5f} "
        "a grey value, from the step of L1 to L4 against the tissue beside them"
    )
    return pixels * np.float32(slope), False, [said]


def _from_linear(read: Radiograph, bone_bright: FloatImage) -> FloatImage:
    with read.path.open("rb") as stream:
        if not is_picture(stream.read(16)):
            raise UsageError(f"{read.path.name} is DICOM and does not say LIN; --relation linear is for pictures")
    grey = read_picture(read.path)[0].astype(np.float64)
    inside = read.field_of_view
    if np.corrcoef(grey[inside], bone_bright[inside])[0, 1] > 0:
        # Stored as a negative: the brightest code stands for no X-rays.
        full = 255.0 if grey.max() <= 255 else 65535.0
        grey = full - grey
    log_path = -np.log(np.maximum(grey, 0.5) / max(float(grey[inside].max()), 1.0))
    return np.where(inside, log_path, np.median(log_path[inside])).astype(np.float32)


def _grey_step(values: npt.NDArray[np.float32]) -> float:
    """Typical difference of neighbouring grey values."""
    return float(np.median(np.diff(np.unique(values))))
