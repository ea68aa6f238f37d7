"""A real film and a reader's points to a case folder with implanted contrast and needles, as DICOM with truth.

The folder holds what `write_simulated_case` writes (images, case.toml, truth.json), so `verify` and `evaluate`
take it like any simulated case. truth.json also names the film and every assumption made about it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fluorospread.dicom.picture_files import is_picture, read_picture
from fluorospread.dicom.read_radiograph import ReadOverrides, read_radiograph
from fluorospread.dicom.writable_image import (
    Modality,
    Relationship,
    WritableExposure,
    WritableImage,
    WritablePatient,
    WritableProjection,
    WritableText,
)
from fluorospread.dicom.write_radiograph import write_radiograph
from fluorospread.errors import CaseError, OutputError, UsageError
from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, Side
from fluorospread.model.case import Role
from fluorospread.model.geometry import ColumnsTowards, Orientation, RowsTowards
from fluorospread.model.radiograph import FloatImage, Quantity, Radiograph
from fluorospread.pipeline.film_points import FilmTruth, read_film_truth
from fluorospread.pipeline.gather_case import safe_case_id
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL
from fluorospread.pipeline.write_simulated_case import TRUTH_FILE, TRUTH_SCHEMA, image_json
from fluorospread.reporting.report_page import write_atomically
from fluorospread.simulation.cases import Split
from fluorospread.simulation.film_scale import log_per_unit
from fluorospread.simulation.implant import Film, ImplantedCase, implant, sample_implant
from fluorospread.simulation.render_case import SimulatedImage

STANDING_NOTE = "Needles and contrast SIMULATED in a real film. Research use only, not for diagnosis."


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
    """

    images: ImplantImages = ImplantImages.PAIR
    seed: int = 0
    relation: Relation | None = None
    log_per_grey: float | None = None
    spacing_mm: float | None = None
    columns_towards: ColumnsTowards | None = None
    polarity: str | None = None

    def __post_init__(self) -> None:
        if (self.relation is Relation.LOG) != (self.log_per_grey is not None):
            raise UsageError("log pixels need their natural log per grey value, and only they have one")
        if self.log_per_grey is not None and self.log_per_grey <= 0:
            raise UsageError(f"the natural log per grey value is positive, got {self.log_per_grey}")


def implant_case(
    image: Path,
    points: Path,
    folder: Path,
    split: Split,
    index: int = 0,
    options: ImplantOptions = ImplantOptions(),
) -> ImplantedCase:
    """Implant random case `index` of a split into a film and write it to `folder`/<case id>.

    Parameters
    ----------
    image, points
        The film (DICOM, PNG, JPEG, TIFF) and a reader's points on it, see `film_points`.

    Raises
    ------
    InputError
        The film or the points cannot be read, or do not go together.
    UsageError
        The reader marked too few junctions, or an option does not fit the film.
    OutputError
        The folder cannot be written.
    """
    film, sha256 = read_film(image, points, options)
    case = implant(film, sample_implant(film, split, index, options.images.roles, options.seed))
    write_implanted_case(case, folder / case.recipe.case_id, image.name, sha256)
    return case


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


def write_implanted_case(case: ImplantedCase, folder: Path, film_file: str, film_sha256: str) -> None:
    """Write `folder`/<role>.dcm, case.toml and truth.json; the same case gives the same bytes.

    Raises
    ------
    OutputError
        When the folder cannot be written.
    """
    recipe = case.recipe
    toml = [
        "# Contrast and needles simulated in a real film.",
        f'case_id = "{recipe.case_id}"',
        f'protocol = "{DEFAULT_PROTOCOL}"',
        f"contrast_given = {'true' if recipe.spreads else 'false'}",
        "",
        "[images]",
        *(f'{image.role.value} = "{image.role.value}.dcm"' for image in case.images),
    ]
    truth = json.dumps(_truth(case, film_file, film_sha256), indent=1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(case.images, start=1):
            write_radiograph(_writable(case, image, number), folder / f"{image.role.value}.dcm")
        write_atomically(folder / "case.toml", ("\n".join(toml) + "\n").encode("utf-8"))
        write_atomically(folder / TRUTH_FILE, (truth + "\n").encode("utf-8"))
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror}); give a writable folder") from error


def _writable(case: ImplantedCase, image: SimulatedImage, number: int) -> WritableImage:
    recipe, film, beam = case.recipe, case.film, case.recipe.exposure
    study = f"implant/{recipe.case_id}/{recipe.seed}"
    filters = [("ALUMINUM", beam.filter_al_mm), ("COPPER", beam.filter_cu_mm)]
    columns = "L" if film.columns_towards is ColumnsTowards.PATIENT_LEFT else "R"
    return WritableImage(
        pixels=image.stored.pixels[None],
        uid_seed=f"{study}/{image.role.value}",
        modality=Modality.RF,
        bits_stored=image.stored.pixel_format.bits_stored,
        relationship=Relationship(image.stored.pixel_format.relationship.value),
        sign=-1,
        log_per_step=image.stored.log_per_step,
        patient=WritablePatient(patient_id=recipe.case_id[:64], name="Implant"),
        projection=WritableProjection(
            pixel_spacing_mm=(film.mm_per_px, film.mm_per_px),
            pixel_spacing_calibration="FIDUCIAL",
            patient_orientation=(columns, "F" if film.rows_towards is RowsTowards.FEET else "H"),
        ),
        exposure=WritableExposure(
            tube_kv=beam.tube_kv,
            filter_materials=tuple(name for name, mm in filters if mm > 0),
            filter_thicknesses_mm=tuple(mm for _, mm in filters if mm > 0),
        ),
        text=WritableText(
            series_description=f"SIMULATED contrast {image.role.value}",
            image_comments=recipe.case_id,
            standing_note=STANDING_NOTE,
            time=f"12{number:02d}00",
            study_seed=study,
            instance_number=number,
        ),
    )


def _truth(case: ImplantedCase, film_file: str, film_sha256: str) -> dict[str, Any]:
    truth, recipe = case.truth, case.recipe
    return {
        "schema": TRUTH_SCHEMA,
        "case_id": recipe.case_id,
        "title": "contrast and needles in a real film" if recipe.spreads else "needles in a real film",
        "seed": recipe.seed,
        "contrast_given": bool(recipe.spreads),
        "plume_families": sorted({spread.family.value for spread in recipe.spreads}),
        "outcome": truth.outcome.value,
        "punctures": [
            {"side": p.side.value, "level": p.level.value, "distance_mm": round(p.distance_mm, 2)}
            for p in truth.punctures
        ],
        "coverage": [
            {"level": c.level.value, "side": c.side.value, "covered": c.covered, "margin_mm": round(c.margin_mm, 2)}
            for c in truth.coverage
        ],
        "iodine_mg": {side.value: round(mass, 3) for side, mass in truth.iodine_mg.items()},
        "images": [image_json(image) for image in case.images],
        "implant": {
            "film": film_file,
            "film_sha256": film_sha256,
            "split": recipe.split.value,
            "cut_px": case.cut_px,
            "motion_mm": round(recipe.motion_mm, 3),
            "gain": round(recipe.gain, 4),
            "tube_kv": round(recipe.exposure.tube_kv, 2),
            "scatter_to_primary": round(recipe.exposure.scatter_to_primary, 3),
            "natural_log_known": case.film.natural_log,
            "assumptions": [
                "junctions, centres and targets are the reader's; all lie in one coronal plane",
                f"{recipe.exposure.scatter_to_primary:.2f} of scatter to primary everywhere",
                *case.film.assumptions,
            ],
        },
    }
