"""Runs: contrast fills, vessels carry some of it off, the patient breathes, exposure control follows.

Frames are made one after the other and never kept: a run of any length needs the memory of one frame.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import Side
from fluorospread.simulation.case_recipe import CaseRecipe, CineRecipe, ImageRecipe
from fluorospread.simulation.contrast import MASK_THRESHOLD_MG_CM2, areal_iodine_mg_cm2
from fluorospread.simulation.detector import FieldStop, arriving, read_out
from fluorospread.simulation.inflow import Flow, VesselFlow
from fluorospread.simulation.projection import CArm
from fluorospread.simulation.scene import NOISE, RUN, Scene, field_stop_px, log_path_of, pose_carm, written_on
from fluorospread.simulation.spectrum import Substance
from fluorospread.simulation.stored_pixels import StoredImage, burn_in, store
from fluorospread.simulation.truth import RunTruth

FloatMap = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

# A frame with less than this share of the most iodine is past or before the plateau.
_PLATEAU = 0.995
_JERK_TAKES_S = 0.3


@dataclass(frozen=True)
class Run:
    """A run ready to be rendered, frame by frame.

    Attributes
    ----------
    image
        The recipe of its pose; each frame moves away from it.
    flows
        Contrast in time.
    """

    recipe: CaseRecipe
    image: ImageRecipe
    cine: CineRecipe
    index: int
    scene: Scene = field(repr=False)
    flows: tuple[Flow, ...] = field(repr=False)

    @classmethod
    def of(cls, recipe: CaseRecipe, image: ImageRecipe, index: int, scene: Scene) -> Run:
        """The run of image number `index` of a case."""
        if image.cine is None:
            raise UsageError(f"{recipe.case_id}: image {index} is no run")
        cine = image.cine
        flows = scene.flows(recipe, {side: cine.injection_of(side) for side in (Side.LEFT, Side.RIGHT)})
        return cls(recipe, image, cine, index, scene, flows if image.contrast else ())

    @property
    def times_s(self) -> Floats:
        """Time of each frame (n,) from the first."""
        return np.arange(self.cine.frames, dtype=np.float64) * (self.cine.frame_time_ms / 1000.0)

    def posed(self, frame: int) -> ImageRecipe:
        """The pose and the gas of one frame."""
        body, gas = _movement_mm(self.cine, float(self.times_s[frame]), _breath_phase(self.recipe, self.index))
        return dataclasses.replace(
            self.image,
            # The view moves against the patient.
            shift_mm=_plus(self.image.shift_mm, -body),
            gas_shift_mm=_plus(self.image.gas_shift_mm, gas),
            cine=self.cine,
        )

    def carm(self, frame: int) -> CArm:
        """The C-arm as the patient of one frame sees it."""
        return pose_carm(self.recipe.view, self.posed(frame), self.scene.anatomy.landmarks_mm)

    def iodine_mg_cm2(self, frame: int, carm: CArm, vessels_only: bool = False) -> FloatMap:
        """Iodine of one frame along each pixel's ray, (rows, cols) float32."""
        time_s = float(self.times_s[frame])
        flows = [flow for flow in self.flows if isinstance(flow, VesselFlow) or not vessels_only]
        return areal_iodine_mg_cm2([flow.at(time_s) for flow in flows], carm)

    def frames(self) -> Iterator[StoredImage]:
        """Every frame in turn, as stored; the same recipe gives the same frames."""
        exposure = dataclasses.replace(self.recipe.exposure, quanta_per_pixel=self.cine.quanta_per_pixel)
        steer = np.random.default_rng([self.recipe.seed, RUN, self.index])
        tissue: tuple[ImageRecipe, dict[Substance, FloatMap]] | None = None
        written = written_on(self.recipe, self.carm(0))
        gain: float | None = None
        before: FloatMap | None = None
        for frame in range(self.cine.frames):
            posed, carm = self.posed(frame), self.carm(frame)
            if tissue is None or tissue[0] != posed:
                tissue = (posed, self.scene.beam_path(carm, posed))
            stop = self.field_stop(carm)
            iodine = self.iodine_mg_cm2(frame, carm) if self.flows else None
            signal, metered = arriving(log_path_of(tissue[1], iodine, exposure), carm, exposure, stop)
            wanted = exposure.quanta_per_pixel / metered
            if gain is None:
                gain = wanted * self.cine.first_exposure
            signal *= np.float32(gain * math.exp(self.cine.flicker * steer.normal()))
            # What is missing in this frame is made up for in the next.
            gain *= (wanted / gain) ** self.cine.exposure_step
            noise = np.random.default_rng([self.recipe.seed, NOISE, self.index, frame])
            reading = read_out(signal, carm, exposure, noise)
            if before is not None and self.cine.lag > 0:
                reading = np.float32(1 - self.cine.lag) * reading + np.float32(self.cine.lag) * before
            before = reading
            spacing = math.sqrt(carm.detector_spacing_mm[0] * carm.detector_spacing_mm[1])
            opening = open_field(stop, carm)
            stored = store(reading, exposure.quanta_per_pixel, opening, spacing, self.recipe.pixel_format)
            yield stored if written is None else burn_in(stored, written)

    def field_stop(self, carm: CArm) -> FieldStop | None:
        return field_stop_px(self.recipe.view.field, carm)

    @property
    def peak_frame(self) -> int:
        """The last frame that shows all but 0.5 % of the most iodine."""
        masses = self.iodine_mg()
        return int(np.flatnonzero(masses >= _PLATEAU * masses.max())[-1])

    def iodine_mg(self) -> Floats:
        """Mass in the patient at each frame (n,)."""
        return np.array([sum(flow.at(float(t)).iodine_mg for flow in self.flows) for t in self.times_s])

    def truth(self) -> RunTruth:
        """What is true of the run, without rendering it."""
        masses = self.iodine_mg()
        peak = self.peak_frame
        opening = open_field(self.field_stop(self.carm(0)), self.carm(0))

        def mask(frame: int, vessels_only: bool = False) -> npt.NDArray[np.bool_]:
            iodine = self.iodine_mg_cm2(frame, self.carm(frame), vessels_only)
            return np.asarray((iodine >= MASK_THRESHOLD_MG_CM2) & opening)

        vessels = [flow for flow in self.flows if isinstance(flow, VesselFlow)]
        fullest = None
        if vessels:
            held = [sum(flow.at(float(t)).iodine_mg for flow in vessels) for t in self.times_s]
            fullest = int(np.argmax(held))
        return RunTruth(
            tuple(float(t) for t in self.times_s),
            tuple(float(m) for m in masses),
            self._shifts_px(peak),
            peak,
            tuple(int(i) for i in np.flatnonzero(np.cumsum(masses) == 0)),
            fullest,
            mask(self.cine.frames - 1),
            None if fullest is None else mask(fullest, vessels_only=True),
        )

    def _shifts_px(self, peak: int) -> tuple[tuple[float, float], ...]:
        landmarks = self.scene.anatomy.landmarks_mm
        target = [p for key, p in landmarks.items() if key.startswith("L5.junction")] or [landmarks["L4.center"]]
        points = np.mean(target, axis=0)
        places = np.array([self.carm(frame).project(points)[0] for frame in range(self.cine.frames)])
        return tuple((float(row), float(col)) for row, col in places - places[peak])


def open_field(stop: FieldStop | None, carm: CArm) -> npt.NDArray[np.bool_]:
    """(rows, cols), True where the collimator is open."""
    shape = (carm.rows, carm.cols)
    return np.ones(shape, np.bool_) if stop is None else stop.open_mask(shape)


def _plus(a: Sequence[float], b: Floats) -> tuple[float, float, float]:
    x, y, z = (float(p + q) for p, q in zip(a, b, strict=True))
    return x, y, z


def _breath_phase(recipe: CaseRecipe, index: int) -> float:
    return float(np.random.default_rng([recipe.seed, RUN, index, 1]).random())


def _movement_mm(cine: CineRecipe, time_s: float, phase: float) -> tuple[Floats, Floats]:
    """How far the body has moved (3,) and gas beyond it (3,)."""
    # Most of a breath is spent near its end: sin^4, after Lujan et al., Med Phys 26 (1999) 715.
    breath = math.sin(math.pi * (time_s / cine.breathing_s + phase)) ** 4
    jerk = min(max((time_s - cine.jerk_at_s) / _JERK_TAKES_S, 0.0), 1.0)
    body = breath * np.array(cine.breathing_mm) + jerk * np.array(cine.jerk_mm)
    return body, breath * np.array(cine.gas_breathing_mm)
