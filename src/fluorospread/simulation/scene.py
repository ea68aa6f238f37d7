"""What is in the beam of one case, and how it gets there: patient, needles and contrast; C-arm and field stop."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.geometry import ColumnsTowards
from fluorospread.simulation import spectrum
from fluorospread.simulation.aberrant import Aberrant, AberrantKind, make_depot, make_vessels
from fluorospread.simulation.anatomy.surface import Anatomy
from fluorospread.simulation.beam_path import TissueTexture, beam_path_g_cm2
from fluorospread.simulation.burned_text import writing
from fluorospread.simulation.case_recipe import CaseRecipe, FieldRecipe, ImageRecipe, PunctureRecipe, ViewRecipe
from fluorospread.simulation.clutter import Body, ClutterKind, add_bodies, make_bodies
from fluorospread.simulation.contrast import Plume, PlumeFamily, make_plume
from fluorospread.simulation.detector import CircularField, Exposure, FieldStop, RectangularField
from fluorospread.simulation.inflow import Depot, Flow, Injection, VesselFlow, fill_order
from fluorospread.simulation.needle import Needle, needle_g_cm2, skin_entry_mm
from fluorospread.simulation.projection import CArm
from fluorospread.simulation.spectrum import Substance

FloatMap = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

# A tip that touches bone lies on its back, not inside the landmark.
_TIP_BEHIND_JUNCTION_MM = 1.5
# Independent random streams of one case, so that a change in one leaves the others as they are.
TEXTURE, PLUMES, NOISE, EXTENSION, ABERRANT, RUN, CLUTTER, TEXT = range(8)


@dataclass(frozen=True)
class AberrantFlow:
    """Contrast gone astray: `plume` is what it holds when full, `delay_s` (its grid) of vessels only."""

    recipe: Aberrant
    plume: Plume
    delay_s: Floats | None = None

    @property
    def stays(self) -> bool:
        return self.delay_s is None


@dataclass(frozen=True)
class Scene:
    """What is in the beam, the same in every image of a case."""

    anatomy: Anatomy
    texture: TissueTexture
    needles: tuple[tuple[Level, Side, Needle], ...]
    plumes: tuple[Plume, ...]
    aberrant: tuple[AberrantFlow, ...]
    clutter: tuple[Body, ...] = ()

    @classmethod
    def of(cls, recipe: CaseRecipe, anatomy: Anatomy) -> Scene:
        """Everything that a recipe puts into a person.

        Raises
        ------
        UsageError
            When the anatomy lacks what the recipe names.
        """
        needles = tuple((p.level, p.side, place_needle(p, anatomy, recipe.seed)) for p in recipe.punctures)
        return cls(
            anatomy,
            TissueTexture.sample(np.random.default_rng([recipe.seed, TEXTURE])),
            needles,
            tuple(
                make_plume(anatomy.landmarks_mm, spread, np.random.default_rng([recipe.seed, PLUMES, index]))
                for index, spread in enumerate(recipe.spreads)
            ),
            tuple(
                _aberrant_flow(aberrant, anatomy, needles, np.random.default_rng([recipe.seed, ABERRANT, index]))
                for index, aberrant in enumerate(recipe.aberrant)
            ),
            tuple(
                body
                for index, kind in enumerate(recipe.clutter)
                for body in make_bodies(kind, anatomy, np.random.default_rng([recipe.seed, CLUTTER, index]))
            ),
        )

    def still_sheets(self) -> tuple[Plume, ...]:
        """Iodine as a still image after the injection shows it; vessels as far as they have not cleared."""
        vessels = (
            dataclasses.replace(f.plume, areal_mg_cm2=f.plume.areal_mg_cm2 * f.recipe.still_share)
            for f in self.aberrant
            if not f.stays and f.recipe.still_share > 0
        )
        return (*self.lasting_sheets(), *vessels)

    def lasting_sheets(self) -> tuple[Plume, ...]:
        """Iodine that stays where it is."""
        return (*self.plumes, *(flow.plume for flow in self.aberrant if flow.stays))

    def flows(self, recipe: CaseRecipe, injections: Mapping[Side, Injection]) -> tuple[Flow, ...]:
        """Everything that is injected, in time."""
        families = [spread.family for spread in recipe.spreads]
        depots = list(zip(self.plumes, families, strict=True))
        depots += [(flow.plume, PlumeFamily.POOL_WITH_TAILS) for flow in self.aberrant if flow.stays]
        return (
            *(
                Depot(plume, fill_order(plume, _source_mm(plume, self.needles), family), injections[plume.side])
                for plume, family in depots
            ),
            *(
                VesselFlow(flow.plume, flow.delay_s, injections[flow.plume.side], clears_s=flow.recipe.clears_s)
                for flow in self.aberrant
                if flow.delay_s is not None
            ),
        )

    def beam_path(self, carm: CArm, image: ImageRecipe) -> dict[Substance, FloatMap]:
        """Grams per cm² of every substance but contrast along each pixel's ray, (rows, cols) float32 each."""
        path = beam_path_g_cm2(self.anatomy, carm, self.texture, image.gas_shift_mm)
        for _, _, needle in self.needles if image.needles else ():
            for substance, areal in needle_g_cm2(needle, carm).items():
                path[substance] = path[substance] + areal if substance in path else areal
        add_bodies(path, self.clutter, carm, image.gas_shift_mm)
        return path


def _source_mm(plume: Plume, needles: Sequence[tuple[Level, Side, Needle]]) -> Floats:
    """Where a plume's contrast came from: the tip on its side, else its own middle."""
    tips = [np.array(needle.tip_mm) for _, side, needle in needles if side is plume.side]
    return tips[0] if tips else plume.centre_mm


def _aberrant_flow(
    aberrant: Aberrant, anatomy: Anatomy, needles: Sequence[tuple[Level, Side, Needle]], rng: np.random.Generator
) -> AberrantFlow:
    if aberrant.kind is not AberrantKind.VASCULAR:
        return AberrantFlow(aberrant, make_depot(aberrant, anatomy.landmarks_mm, rng))
    key = f"{aberrant.level.value}.junction.{aberrant.side.value}"
    tips = [np.array(n.tip_mm) for level, side, n in needles if (level, side) == (aberrant.level, aberrant.side)]
    if not tips and key not in anatomy.landmarks_mm:
        raise UsageError(f"the anatomy has no {key} for vascular contrast")
    vessels = make_vessels(aberrant, tips[0] if tips else anatomy.landmarks_mm[key], rng)
    return AberrantFlow(aberrant, vessels.plume, vessels.delay_s)


def log_path_of(path: Mapping[Substance, FloatMap], iodine_mg_cm2: FloatMap | None, exposure: Exposure) -> FloatMap:
    """Scatter-free -ln(I/I0) of tissue, metal and, where given, iodine."""
    beam = spectrum.bin_beam(exposure.tube_kv, exposure.filter_al_mm, exposure.filter_cu_mm)
    if iodine_mg_cm2 is None:
        return spectrum.log_signal(beam, path)
    iodine = iodine_mg_cm2 / np.float32(1000.0)
    if Substance.IODINE in path:
        iodine = iodine + path[Substance.IODINE]
    return spectrum.log_signal(beam, {**path, Substance.IODINE: iodine})


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
        gauge=puncture.gauge,
    )
    if not puncture.with_extension:
        return needle
    rng = np.random.default_rng([seed, EXTENSION, int(puncture.side is Side.LEFT)])
    return dataclasses.replace(needle, extension_mm=_extension_course(needle, outwards, rng))


def _extension_course(needle: Needle, outwards: float, rng: np.random.Generator) -> Floats:
    """A tube that leaves the hub, sags to the skin and runs out of the field on the needle's side."""
    start = needle.hub_mm - 26.0 * needle.direction
    end = start + np.array([outwards * rng.uniform(130.0, 180.0), rng.uniform(-25.0, 0.0), rng.uniform(-90.0, 60.0)])
    share = np.linspace(0.0, 1.0, 40)[1:, None]
    lead = start - share * 40.0 * needle.direction
    return np.asarray((1 - share**2) * lead + share**2 * end)


def written_on(recipe: CaseRecipe, carm: CArm) -> npt.NDArray[np.bool_] | None:
    """(rows, cols), True where the case's images are written on; None where they are not."""
    if ClutterKind.TEXT not in recipe.clutter:
        return None
    to_left = carm.columns_towards is ColumnsTowards.PATIENT_LEFT
    return writing((carm.rows, carm.cols), np.random.default_rng([recipe.seed, TEXT]), to_left)
