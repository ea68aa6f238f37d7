"""A recipe and an anatomy to images with stored pixels and their truth. The same input gives the same bytes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import Role
from fluorospread.model.verdict import Outcome
from fluorospread.simulation import spectrum
from fluorospread.simulation.anatomy.surface import Anatomy
from fluorospread.simulation.beam_path import TissueTexture, beam_path_g_cm2
from fluorospread.simulation.case_recipe import CaseRecipe, FieldRecipe, ImageRecipe, PunctureRecipe, ViewRecipe
from fluorospread.simulation.contrast import Plume, areal_iodine_mg_cm2, make_plume
from fluorospread.simulation.detector import CircularField, FieldStop, RectangularField, expose
from fluorospread.simulation.needle import Needle, needle_g_cm2, skin_entry_mm
from fluorospread.simulation.projection import CArm
from fluorospread.simulation.spectrum import Substance
from fluorospread.simulation.stored_pixels import StoredImage, store
from fluorospread.simulation.truth import CaseTruth, ImageTruth, coverage_of, outcome_of, punctures_of, truth_of_image

FloatMap = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

# A tip that touches bone lies on its back, not inside the landmark.
_TIP_BEHIND_JUNCTION_MM = 1.5
# Independent random streams of one case, so that a change in one leaves the others as they are.
_TEXTURE, _PLUMES, _NOISE, _EXTENSION = range(4)


@dataclass(frozen=True)
class SimulatedImage:
    """One image as a DICOM writer needs it: pixels, pose, field stop, and the scatter-free truth behind them."""

    role: Role
    stored: StoredImage
    carm: CArm
    field_stop: FieldStop | None
    truth: ImageTruth
    log_path: FloatMap = field(repr=False)


@dataclass(frozen=True)
class SimulatedCase:
    """A recipe made real."""

    recipe: CaseRecipe
    images: tuple[SimulatedImage, ...]
    truth: CaseTruth

    def image(self, role: Role) -> SimulatedImage:
        """The image of a role.

        Raises
        ------
        UsageError
            When the case has none.
        """
        for image in self.images:
            if image.role is role:
                return image
        raise UsageError(f"case {self.recipe.case_id} has no {role.value} image")


@dataclass(frozen=True)
class _Patient:
    """What is in the beam, the same in every image."""

    anatomy: Anatomy
    texture: TissueTexture
    needles: tuple[tuple[Level, Side, Needle], ...]
    plumes: tuple[Plume, ...]


def render_case(recipe: CaseRecipe, anatomy: Anatomy) -> SimulatedCase:
    """Simulate every image of a recipe.

    Raises
    ------
    UsageError
        When the anatomy lacks a junction that the recipe names.
    """
    patient = _Patient(
        anatomy,
        TissueTexture.sample(np.random.default_rng([recipe.seed, _TEXTURE])),
        tuple((p.level, p.side, place_needle(p, anatomy, recipe.seed)) for p in recipe.punctures),
        tuple(
            make_plume(anatomy.landmarks_mm, spread, np.random.default_rng([recipe.seed, _PLUMES, index]))
            for index, spread in enumerate(recipe.spreads)
        ),
    )
    images = tuple(_render_image(recipe, image, index, patient) for index, image in enumerate(recipe.images))
    return SimulatedCase(recipe, images, _truth_of_case(recipe, images, patient))


def _truth_of_case(recipe: CaseRecipe, images: tuple[SimulatedImage, ...], patient: _Patient) -> CaseTruth:
    shown = next((i.truth for i in images if i.truth.areal_iodine_mg_cm2 is not None), None)
    coverage = () if shown is None else coverage_of(shown)
    punctures = punctures_of(patient.anatomy.landmarks_mm, patient.needles)
    if recipe.expected is not None:
        outcome = Outcome(recipe.expected)
    else:
        outcome = outcome_of(coverage, punctures, recipe.contrast_given)
    iodine = {plume.side: plume.iodine_mg for plume in patient.plumes}
    return CaseTruth(tuple(i.truth for i in images), coverage, punctures, iodine, outcome)


def _render_image(recipe: CaseRecipe, image: ImageRecipe, index: int, patient: _Patient) -> SimulatedImage:
    carm = pose_carm(recipe.view, image, patient.anatomy.landmarks_mm)
    stop = field_stop_px(recipe.view.field, carm)
    open_field = np.ones((carm.rows, carm.cols), np.bool_) if stop is None else stop.open_mask((carm.rows, carm.cols))
    path = beam_path_g_cm2(patient.anatomy, carm, patient.texture, image.gas_shift_mm)
    needles = patient.needles if image.needles else ()
    for _, _, needle in needles:
        for substance, areal in needle_g_cm2(needle, carm).items():
            path[substance] = path[substance] + areal if substance in path else areal
    iodine = areal_iodine_mg_cm2(patient.plumes, carm) if image.contrast else None
    if iodine is not None:
        path[Substance.IODINE] = iodine / np.float32(1000.0)
    exposure = recipe.exposure
    beam = spectrum.bin_beam(exposure.tube_kv, exposure.filter_al_mm, exposure.filter_cu_mm)
    log_path = spectrum.log_signal(beam, path)
    reading = expose(log_path, carm, exposure, np.random.default_rng([recipe.seed, _NOISE, index]), stop)
    spacing = math.sqrt(carm.detector_spacing_mm[0] * carm.detector_spacing_mm[1])
    stored = store(reading, exposure.quanta_per_pixel, open_field, spacing, recipe.pixel_format)
    truth = truth_of_image(image.role, carm, patient.anatomy.landmarks_mm, needles, open_field, iodine)
    return SimulatedImage(image.role, stored, carm, stop, truth, log_path)


def pose_carm(view: ViewRecipe, image: ImageRecipe, landmarks_mm: Mapping[str, Floats]) -> CArm:
    """The C-arm of one image of a case."""
    if view.landmark not in landmarks_mm:
        raise UsageError(f"the anatomy has no landmark {view.landmark} to centre the view on")
    isocentre = landmarks_mm[view.landmark] + np.array(view.offset_mm) + np.array(image.shift_mm)
    return CArm(
        sid_mm=view.sid_mm,
        source_to_isocentre_mm=view.source_to_isocentre_mm,
        detector_spacing_mm=(view.detector_spacing_mm, view.detector_spacing_mm),
        rows=view.rows,
        cols=view.cols,
        isocentre_mm=(float(isocentre[0]), float(isocentre[1]), float(isocentre[2])),
        axial_deg=image.axial_deg,
        sagittal_deg=image.sagittal_deg,
        roll_deg=image.roll_deg,
        beam=view.beam,
        columns_towards=view.columns_towards,
        rows_towards=view.rows_towards,
    )


def field_stop_px(recipe: FieldRecipe | None, carm: CArm) -> FieldStop | None:
    """A collimator about the middle of the detector, in pixels, cut to the detector."""
    if recipe is None:
        return None
    half_rows = recipe.half_rows_mm / carm.detector_spacing_mm[0]
    half_cols = recipe.half_cols_mm / carm.detector_spacing_mm[1]
    row, col = carm.centre_px
    if recipe.shape == "circle":
        return CircularField(round(row), round(col), round(min(half_rows, half_cols)))
    return RectangularField(
        max(round(row - half_rows), 0),
        min(round(row + half_rows), carm.rows - 1),
        max(round(col - half_cols), 0),
        min(round(col + half_cols), carm.cols - 1),
    )


def place_needle(puncture: PunctureRecipe, anatomy: Anatomy, seed: int) -> Needle:
    """The needle of a recipe, from the skin behind the patient to its tip beside a junction."""
    key = f"{puncture.level.value}.junction.{puncture.side.value}"
    if key not in anatomy.landmarks_mm:
        raise UsageError(f"the anatomy has no {key} to puncture")
    outwards = 1.0 if puncture.side is Side.LEFT else -1.0
    beside = np.array([outwards * puncture.lateral_mm, _TIP_BEHIND_JUNCTION_MM, puncture.cranial_mm])
    tip = anatomy.landmarks_mm[key] + beside
    tilt, azimuth = math.radians(puncture.tilt_deg), math.radians(puncture.azimuth_deg)
    shaft = np.array(
        [outwards * math.sin(tilt) * math.cos(azimuth), math.cos(tilt), math.sin(tilt) * math.sin(azimuth)]
    )
    entry = skin_entry_mm(anatomy.skin, tip, shaft)
    needle = Needle(
        (float(tip[0]), float(tip[1]), float(tip[2])),
        (float(entry[0]), float(entry[1]), float(entry[2])),
        puncture.length_mm,
        puncture.bevel_roll_deg,
    )
    if not puncture.with_extension:
        return needle
    rng = np.random.default_rng([seed, _EXTENSION, int(puncture.side is Side.LEFT)])
    return dataclasses.replace(needle, extension_mm=_extension_course(needle, outwards, rng))


def _extension_course(needle: Needle, outwards: float, rng: np.random.Generator) -> Floats:
    """A tube that leaves the hub, sags to the skin and runs out of the field on the needle's side."""
    start = needle.hub_mm - 26.0 * needle.direction
    end = start + np.array([outwards * rng.uniform(130.0, 180.0), rng.uniform(-25.0, 0.0), rng.uniform(-90.0, 60.0)])
    share = np.linspace(0.0, 1.0, 40)[1:, None]
    lead = start - share * 40.0 * needle.direction
    return np.asarray((1 - share**2) * lead + share**2 * end)
