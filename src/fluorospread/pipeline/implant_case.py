"""A real film and a reader's points to a case folder with implanted contrast and needles, as DICOM with truth.

The folder holds what `write_simulated_case` writes (images, case.toml, truth.json), so `verify` and `evaluate`
take it like any simulated case. truth.json also names the film and every assumption made about it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fluorospread.atomic_files import write_atomically
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
from fluorospread.errors import OutputError
from fluorospread.model.case import Role
from fluorospread.model.geometry import ColumnsTowards, RowsTowards
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL
from fluorospread.pipeline.read_film import ImplantOptions, read_film
from fluorospread.pipeline.write_simulated_case import TRUTH_FILE, TRUTH_SCHEMA, image_json
from fluorospread.simulation.cases import Split
from fluorospread.simulation.implant import ImplantedCase, ImplantRecipe, implant, sample_implant
from fluorospread.simulation.render_case import SimulatedImage

STANDING_NOTE = "Needles and contrast SIMULATED in a real film. Research use only, not for diagnosis."


def implant_case(
    image: Path,
    points: Path,
    folder: Path,
    split: Split,
    index: int = 0,
    options: ImplantOptions = ImplantOptions(),  # noqa: B008 - frozen
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
    case = implant(film, sample_implant(film, split, index, options.images.roles, options.seed, options.contrast))
    write_implanted_case(case, folder / case.recipe.case_id, image.name, sha256)
    return case


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
        *_contrast_given(recipe),
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


def _contrast_given(recipe: ImplantRecipe) -> tuple[str, ...]:
    """What case.toml declares: nothing where a post image shows none, so that it is searched all the same."""
    if recipe.spreads:
        return ("contrast_given = true",)
    return () if Role.POST in recipe.images else ("contrast_given = false",)


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
