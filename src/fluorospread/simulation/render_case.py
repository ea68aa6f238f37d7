"""A recipe and an anatomy to images with stored pixels and their truth. The same input gives the same bytes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fluorospread.errors import UsageError
from fluorospread.model.case import Role
from fluorospread.model.verdict import Outcome
from fluorospread.simulation.anatomy.surface import Anatomy
from fluorospread.simulation.case_recipe import CaseRecipe, ImageRecipe
from fluorospread.simulation.cine import Run, open_field
from fluorospread.simulation.clutter import shows
from fluorospread.simulation.contrast import MASK_THRESHOLD_MG_CM2, areal_iodine_mg_cm2
from fluorospread.simulation.detector import FieldStop, expose
from fluorospread.simulation.projection import CArm
from fluorospread.simulation.scene import (
    NOISE,
    AberrantFlow,
    Scene,
    field_stop_px,
    log_path_of,
    pose_carm,
    written_on,
)
from fluorospread.simulation.scene import place_needle as place_needle
from fluorospread.simulation.stored_pixels import StoredImage, StoredPixels, burn_in, store
from fluorospread.simulation.truth import (
    AberrantTruth,
    CaseTruth,
    ImageTruth,
    RunTruth,
    coverage_of,
    outcome_of,
    punctures_of,
    truth_of_image,
)

FloatMap = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SimulatedImage:
    """One image as a DICOM writer needs it: pixels, pose, field stop, and the scatter-free truth behind them.

    Of a run, `stored`, `carm` and `field_stop` are the first frame's, `truth` is the peak frame's, and
    `log_path` is empty.
    """

    role: Role
    stored: StoredImage
    carm: CArm
    field_stop: FieldStop | None
    truth: ImageTruth
    log_path: FloatMap = field(repr=False)
    run: Run | None = field(repr=False, default=None)
    run_truth: RunTruth | None = None

    @property
    def frame_count(self) -> int:
        return 1 if self.run is None else self.run.cine.frames

    def frames(self) -> Iterator[StoredPixels]:
        """Stored pixels (rows, cols) of every frame, made one at a time."""
        if self.run is None:
            yield self.stored.pixels
            return
        for stored in self.run.frames():
            yield stored.pixels


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


def render_case(recipe: CaseRecipe, anatomy: Anatomy) -> SimulatedCase:
    """Simulate every image of a recipe; the frames of a run when they are asked for.

    Raises
    ------
    UsageError
        When the anatomy lacks a junction that the recipe names.
    """
    scene = Scene.of(recipe, anatomy)
    images = tuple(
        _render_image(recipe, image, index, scene) if image.cine is None else _render_run(recipe, image, index, scene)
        for index, image in enumerate(recipe.images)
    )
    return SimulatedCase(recipe, images, _truth_of_case(recipe, images, scene))


def _truth_of_case(recipe: CaseRecipe, images: tuple[SimulatedImage, ...], scene: Scene) -> CaseTruth:
    shown = next((i.truth for i in images if i.truth.areal_iodine_mg_cm2 is not None), None)
    coverage = () if shown is None else coverage_of(shown)
    punctures = punctures_of(scene.anatomy.landmarks_mm, scene.needles)
    if recipe.expected is not None:
        outcome = Outcome(recipe.expected)
    else:
        outcome = outcome_of(coverage, punctures, recipe.contrast_given)
    iodine = {plume.side: plume.iodine_mg for plume in scene.plumes}
    aberrant = tuple(_aberrant_truth(flow, images) for flow in scene.aberrant)
    in_images = tuple(i.truth for i in images)
    return CaseTruth(in_images, coverage, punctures, iodine, outcome, aberrant, scene.anatomy.lumbar_count)


def _aberrant_truth(flow: AberrantFlow, images: tuple[SimulatedImage, ...]) -> AberrantTruth:
    """How much of an aberrant flow the image shows that shows most of it."""
    areas: list[tuple[float, Role]] = []
    for image in images:
        if image.truth.areal_iodine_mg_cm2 is None:
            continue
        row_mm, col_mm = image.truth.spacing_patient_mm
        # A run shows vessels full at one time or another.
        strength = 1.0 if flow.stays or image.run is not None else flow.recipe.still_share
        areal = np.float32(strength) * areal_iodine_mg_cm2([flow.plume], image.carm)
        shown = (areal >= MASK_THRESHOLD_MG_CM2) & image.truth.open_field
        areas.append((float(shown.sum()) * row_mm * col_mm, image.role))
    area_mm2, role = max(areas, key=lambda found: found[0], default=(0.0, None))
    recipe = flow.recipe
    return AberrantTruth(
        recipe.kind, recipe.side, recipe.level, flow.plume.iodine_mg, area_mm2, role if area_mm2 > 0 else None
    )


def _render_image(recipe: CaseRecipe, image: ImageRecipe, index: int, scene: Scene) -> SimulatedImage:
    carm = pose_carm(recipe.view, image, scene.anatomy.landmarks_mm)
    stop = field_stop_px(recipe.view.field, carm)
    opening = open_field(stop, carm)
    iodine = areal_iodine_mg_cm2(scene.still_sheets(), carm) if image.contrast else None
    exposure = recipe.exposure
    log_path = log_path_of(scene.beam_path(carm, image), iodine, exposure)
    reading = expose(log_path, carm, exposure, np.random.default_rng([recipe.seed, NOISE, index]), stop)
    spacing = math.sqrt(carm.detector_spacing_mm[0] * carm.detector_spacing_mm[1])
    stored = store(reading, exposure.quanta_per_pixel, opening, spacing, recipe.pixel_format)
    written = written_on(recipe, carm)
    if written is not None:
        stored = burn_in(stored, written)
    truth = _image_truth(recipe, image, carm, scene, iodine)
    return SimulatedImage(image.role, stored, carm, stop, truth, log_path)


def _render_run(recipe: CaseRecipe, image: ImageRecipe, index: int, scene: Scene) -> SimulatedImage:
    run = Run.of(recipe, image, index, scene)
    carm, at_peak = run.carm(0), run.carm(run.peak_frame)
    stop = run.field_stop(carm)
    iodine = run.iodine_mg_cm2(run.peak_frame, at_peak) if image.contrast else None
    truth = _image_truth(recipe, run.posed(run.peak_frame), at_peak, scene, iodine)
    first = next(run.frames())
    empty = np.zeros((0, 0), dtype=np.float32)
    return SimulatedImage(image.role, first, carm, stop, truth, empty, run, run.truth())


def _image_truth(
    recipe: CaseRecipe, image: ImageRecipe, carm: CArm, scene: Scene, iodine: FloatMap | None
) -> ImageTruth:
    opening = open_field(field_stop_px(recipe.view.field, carm), carm)
    needles = scene.needles if image.needles else ()
    flows_off = iodine is not None and any(not flow.stays for flow in scene.aberrant)
    lasting = areal_iodine_mg_cm2(scene.lasting_sheets(), carm) if flows_off else None
    truth = truth_of_image(image.role, carm, scene.anatomy.landmarks_mm, needles, opening, iodine, lasting)
    if not recipe.clutter:
        return truth
    cluttered = shows(scene.clutter, carm, image.gas_shift_mm)
    written = written_on(recipe, carm)
    return dataclasses.replace(truth, clutter_mask=cluttered if written is None else cluttered | written)
