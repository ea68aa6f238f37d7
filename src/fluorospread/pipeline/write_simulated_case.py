"""A simulated case to a folder as a clinic would send it: DICOM images, case.toml, and truth.json beside them.

The same recipe and anatomy give the same bytes. truth.json holds what the images alone do not say: points,
needle tips, the contrast mask (areal iodine of at least 4 mg/cm², run lengths), coverage, the right outcome.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fluorospread.atomic_files import write_atomically
from fluorospread.dicom.writable_image import (
    CircularEdge,
    Edge,
    Modality,
    RectangularEdges,
    Relationship,
    StoredPixels,
    WritableExposure,
    WritableImage,
    WritablePatient,
    WritableProjection,
    WritableText,
)
from fluorospread.dicom.write_radiograph import Compression, write_radiograph
from fluorospread.errors import OutputError
from fluorospread.model.geometry import ColumnsTowards, RowsTowards
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL
from fluorospread.simulation.anatomy.surface import Anatomy
from fluorospread.simulation.case_recipe import CaseRecipe, FileKind, TagGroup
from fluorospread.simulation.cases import build_person
from fluorospread.simulation.clutter import ClutterKind
from fluorospread.simulation.contrast import MASK_THRESHOLD_MG_CM2
from fluorospread.simulation.detector import CircularField
from fluorospread.simulation.projection import CArm
from fluorospread.simulation.render_case import SimulatedCase, SimulatedImage, render_case
from fluorospread.simulation.truth import AberrantTruth, PointTruth, RunTruth

TRUTH_SCHEMA = "fluorospread/truth/1"
TRUTH_FILE = "truth.json"


def write_simulated_case(recipe: CaseRecipe, folder: Path, anatomy: Anatomy | None = None) -> SimulatedCase:
    """Render a recipe and write `folder`/<role>.dcm, case.toml and truth.json.

    Parameters
    ----------
    folder
        Made if it is not there; files of the same names are replaced.
    anatomy
        Whom to X-ray; the recipe's own person by default.

    Raises
    ------
    OutputError
        When the folder cannot be written.
    """
    case = render_case(recipe, build_person(recipe.person) if anatomy is None else anatomy)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(case.images, start=1):
            with tempfile.TemporaryDirectory(prefix="frames-") as scratch:
                writable = writable_image(case, image, number, Path(scratch))
                write_radiograph(writable, folder / _file_name(image), Compression.JPEG_LS)
        write_atomically(folder / "case.toml", _case_toml(recipe, case).encode("utf-8"))
        write_atomically(folder / TRUTH_FILE, truth_json(case).encode("utf-8"))
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror}); give a writable folder") from error
    return case


def _file_name(image: SimulatedImage) -> str:
    return f"{image.role.value}.dcm"


def _case_toml(recipe: CaseRecipe, case: SimulatedCase) -> str:
    lines = [
        f"# Simulated: {recipe.title}.",
        f'case_id = "{recipe.case_id}"',
        f'protocol = "{DEFAULT_PROTOCOL}"',
        f"contrast_given = {'true' if recipe.contrast_given else 'false'}",
        "",
        "[images]",
        *(f'{image.role.value} = "{_file_name(image)}"' for image in case.images),
    ]
    return "\n".join(lines) + "\n"


def writable_image(
    case: SimulatedCase, image: SimulatedImage, number: int = 1, scratch: Path | None = None
) -> WritableImage:
    """What the DICOM writer takes, for image `number` (from 1) of a case.

    The frames of a run are rendered here, one at a time; with `scratch` (a folder) they are kept in a file
    there instead of in memory.
    """
    recipe = case.recipe
    fmt = image.stored.pixel_format
    study = f"{recipe.case_id}/{recipe.seed}"
    return WritableImage(
        pixels=_pixels(image, scratch),
        uid_seed=f"{study}/{image.role.value}",
        modality=Modality(recipe.file_kind.value),
        bits_stored=fmt.bits_stored,
        relationship=Relationship(fmt.relationship.value),
        sign=None if TagGroup.INTENSITY_SIGN in recipe.left_out else fmt.sign,
        log_per_step=image.stored.log_per_step,
        photometric=fmt.photometric,
        patient=WritablePatient(patient_id=recipe.case_id[:64], name="Patient"),
        projection=_projection(recipe, image.carm),
        exposure=_exposure(recipe, image),
        text=WritableText(
            series_description=f"SIMULATED {image.role.value}",
            image_comments=recipe.title,
            time=f"12{number:02d}00",
            study_seed=study,
            instance_number=number,
            burned_in=ClutterKind.TEXT in recipe.clutter,
        ),
        frame_time_ms=None if image.run is None else image.run.cine.frame_time_ms,
        mask_frames=() if image.run is None else tuple(range(image.run.cine.named_mask_frames)),
    )


def _pixels(image: SimulatedImage, scratch: Path | None) -> StoredPixels:
    """Stored values (frames, rows, cols)."""
    first = image.stored.pixels
    if image.run is None:
        return first[None]
    shape = (image.frame_count, *first.shape)
    stack: StoredPixels
    if scratch is None:
        stack = np.empty(shape, first.dtype)
    else:
        stack = np.memmap(scratch / "frames", first.dtype, "w+", shape=shape)
    for number, pixels in enumerate(image.frames()):
        stack[number] = pixels
    return stack


def _projection(recipe: CaseRecipe, carm: CArm) -> WritableProjection:
    def unless(group: TagGroup) -> bool:
        return group not in recipe.left_out

    columns = "L" if carm.columns_towards is ColumnsTowards.PATIENT_LEFT else "R"
    rows = "F" if carm.rows_towards is RowsTowards.FEET else "H"
    return WritableProjection(
        imager_pixel_spacing_mm=carm.detector_spacing_mm if unless(TagGroup.IMAGER_SPACING) else None,
        source_detector_mm=carm.sid_mm if unless(TagGroup.DISTANCES) else None,
        source_patient_mm=carm.source_to_isocentre_mm if unless(TagGroup.DISTANCES) else None,
        magnification=carm.magnification() if unless(TagGroup.MAGNIFICATION) else None,
        patient_orientation=(columns, rows) if unless(TagGroup.PATIENT_ORIENTATION) else None,
        patient_position="HFP",
        view_position=carm.beam if recipe.file_kind in (FileKind.CR, FileKind.DX) else "",
        primary_angle_deg=_primary_angle_deg(recipe, carm) if unless(TagGroup.ANGLES) else None,
        secondary_angle_deg=carm.sagittal_deg if unless(TagGroup.ANGLES) else None,
    )


def _primary_angle_deg(recipe: CaseRecipe, carm: CArm) -> float:
    """DICOM counts from a detector in front of the patient (0) over the left (+90) to behind (180)."""
    if recipe.stated_primary_angle_deg is not None:
        return recipe.stated_primary_angle_deg
    if carm.beam == "PA":
        return carm.axial_deg
    behind = 180.0 - carm.axial_deg
    return behind - 360.0 if behind > 180.0 else behind


def _exposure(recipe: CaseRecipe, image: SimulatedImage) -> WritableExposure:
    beam = recipe.exposure
    edge = _edge(image) if recipe.view.field is not None and recipe.view.field.declared else None
    blanked = image.stored.pixel_format.blank_outside_field
    if TagGroup.BEAM in recipe.left_out:
        return WritableExposure(shutter=edge if blanked else None, collimator=None if blanked else edge)
    filters = [("ALUMINUM", beam.filter_al_mm), ("COPPER", beam.filter_cu_mm)]
    return WritableExposure(
        tube_kv=beam.tube_kv,
        filter_materials=tuple(name for name, mm in filters if mm > 0),
        filter_thicknesses_mm=tuple(mm for _, mm in filters if mm > 0),
        shutter=edge if blanked else None,
        collimator=None if blanked else edge,
    )


def _edge(image: SimulatedImage) -> Edge | None:
    stop = image.field_stop
    if stop is None:
        return None
    if isinstance(stop, CircularField):
        return CircularEdge(stop.center_row, stop.center_col, stop.radius_px)
    return RectangularEdges(stop.first_row, stop.last_row, stop.first_col, stop.last_col)


def truth_json(case: SimulatedCase) -> str:
    """The truth of a case as JSON text; points are (row, col) in stored pixels."""
    truth, recipe = case.truth, case.recipe
    document: dict[str, Any] = {
        "schema": TRUTH_SCHEMA,
        "case_id": recipe.case_id,
        "title": recipe.title,
        "seed": recipe.seed,
        "person_seed": recipe.person.seed,
        "contrast_given": recipe.contrast_given,
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
    }
    if recipe.clutter:
        document["clutter"] = [kind.value for kind in recipe.clutter]
    person = recipe.person
    if person.lumbar_count != 5 or person.transitional or person.twelfth_ribs is not None:
        document["person"] = {
            "lumbar_count": case.truth.lumbar_count,
            "transitional": person.transitional,
            "twelfth_ribs": person.twelfth_ribs,
        }
    if truth.aberrant:
        document["aberrant"] = [_aberrant_json(flow) for flow in truth.aberrant]
    return json.dumps(document, indent=1) + "\n"


def _aberrant_json(flow: AberrantTruth) -> dict[str, Any]:
    return {
        "kind": flow.kind.value,
        "side": flow.side.value,
        "level": flow.level.value,
        "iodine_mg": round(flow.iodine_mg, 3),
        "area_mm2": round(flow.area_mm2, 1),
        "shown_in": None if flow.shown_in is None else flow.shown_in.value,
    }


def image_json(image: SimulatedImage) -> dict[str, Any]:
    truth = image.truth
    document: dict[str, Any] = {
        "path": _file_name(image),
        "role": image.role.value,
        "rows": image.carm.rows,
        "cols": image.carm.cols,
        "spacing_patient_mm": [round(v, 6) for v in truth.spacing_patient_mm],
        "columns_towards": image.carm.columns_towards.value,
        "rows_towards": image.carm.rows_towards.value,
        "vertebrae": [_point_json(v) for v in truth.vertebrae],
        "junctions": [_point_json(j) for j in truth.junctions],
        "needles": [
            {
                "level": n.level.value,
                "side": n.side.value,
                "tip_px": _rounded(n.tip_px),
                "hub_px": _rounded(n.hub_px),
                "direction": None if n.direction is None else _rounded(n.direction, 4),
            }
            for n in truth.needles
        ],
        "contrast_mask": _mask_json(truth.contrast_mask),
    }
    if truth.lasting_iodine_mg_cm2 is not None:
        document["lasting_mask"] = _mask_json(truth.lasting_mask)
    if truth.clutter_mask is not None:
        cluttered = truth.clutter_mask
        document["clutter_mask"] = {"area_px": int(cluttered.sum()), "runs": mask_to_runs(cluttered)}
    if image.run_truth is not None:
        document["run"] = _run_json(image.run_truth)
    return document


def _run_json(run: RunTruth) -> dict[str, Any]:
    return {
        "times_s": [round(t, 4) for t in run.times_s],
        "iodine_mg": [round(m, 2) for m in run.iodine_mg],
        "shift_px": [_rounded(shift, 3) for shift in run.shift_px],
        "mask_frames": list(run.mask_frames),
        "peak_frame": run.peak_frame,
        "last_frame": run.last_frame,
        "last_mask": _mask_json(run.last_mask),
        "peak_vessel_frame": run.peak_vessel_frame,
        "vessel_mask": _mask_json(run.vessel_mask),
    }


def _point_json(point: PointTruth) -> dict[str, Any]:
    side = {} if point.side is None else {"side": point.side.value}
    return {"level": point.level.value, **side, "point_px": _rounded(point.point_px), "in_view": point.in_view}


def _rounded(pair: tuple[float, float], digits: int = 2) -> list[float]:
    return [round(pair[0], digits), round(pair[1], digits)]


def _mask_json(mask: npt.NDArray[np.bool_] | None) -> dict[str, Any] | None:
    if mask is None:
        return None
    return {"threshold_mg_cm2": MASK_THRESHOLD_MG_CM2, "area_px": int(mask.sum()), "runs": mask_to_runs(mask)}


def mask_to_runs(mask: npt.NDArray[np.bool_]) -> list[int]:
    """Alternating run lengths in row-major order, of False first; they sum to the number of pixels."""
    flat = mask.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    bounds = np.concatenate([[0], changes, [flat.size]])
    runs = [int(n) for n in np.diff(bounds)]
    return [0, *runs] if flat.size and flat[0] else runs


def runs_to_mask(runs: list[int], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """The inverse of `mask_to_runs`."""
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(shape)
