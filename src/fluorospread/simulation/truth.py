"""What is true of a simulated case: points in pixels, iodine, coverage, puncture levels, the right outcome.

Truth comes from the anatomy's landmarks and the iodine put in, never from anything found in an image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, JUNCTION_LEVELS, Level, Side
from fluorospread.model.case import Role
from fluorospread.model.geometry import PointPx
from fluorospread.model.verdict import Outcome
from fluorospread.simulation.aberrant import AberrantKind
from fluorospread.simulation.contrast import MASK_THRESHOLD_MG_CM2
from fluorospread.simulation.needle import Needle
from fluorospread.simulation.projection import CArm

FloatMap = npt.NDArray[np.float32]
BoolMap = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_SIDES = (Side.LEFT, Side.RIGHT)


@dataclass(frozen=True)
class PointTruth:
    """A landmark in one image; `in_view` when it lies on the open field."""

    level: Level
    side: Side | None
    point_px: PointPx
    in_view: bool


@dataclass(frozen=True)
class NeedleTruth:
    """A needle in one image. `direction` is the unit vector (row, col) from hub to tip as projected, None
    when the shaft shows under 2 mm of length."""

    level: Level
    side: Side
    tip_px: PointPx
    hub_px: PointPx
    direction: tuple[float, float] | None


@dataclass(frozen=True)
class ImageTruth:
    """One image; of a run, its peak frame.

    Attributes
    ----------
    spacing_patient_mm
        (row, column) in the plane of the target junctions.
    areal_iodine_mg_cm2
        (rows, cols), all iodine in the beam; None in an image without contrast.
    lasting_iodine_mg_cm2
        The same without what flows off in vessels, which covers nothing; None where nothing flows off.
    clutter_mask
        (rows, cols), True where something else lies in the way that is no contrast; None in a clear case.
    """

    role: Role
    spacing_patient_mm: tuple[float, float]
    vertebrae: tuple[PointTruth, ...]
    junctions: tuple[PointTruth, ...]
    needles: tuple[NeedleTruth, ...]
    open_field: BoolMap = field(repr=False)
    areal_iodine_mg_cm2: FloatMap | None = field(default=None, repr=False)
    lasting_iodine_mg_cm2: FloatMap | None = field(default=None, repr=False)
    clutter_mask: BoolMap | None = field(default=None, repr=False)

    @property
    def contrast_mask(self) -> BoolMap | None:
        """(rows, cols), True where areal iodine reaches the threshold and the field is open."""
        if self.areal_iodine_mg_cm2 is None:
            return None
        return np.asarray((self.areal_iodine_mg_cm2 >= MASK_THRESHOLD_MG_CM2) & self.open_field)

    @property
    def lasting_mask(self) -> BoolMap | None:
        """The contrast mask without vessels."""
        if self.lasting_iodine_mg_cm2 is None:
            return self.contrast_mask
        return np.asarray((self.lasting_iodine_mg_cm2 >= MASK_THRESHOLD_MG_CM2) & self.open_field)

    def junction(self, level: Level, side: Side) -> PointTruth | None:
        """The junction of one level and side, None where the anatomy has none."""
        return next((j for j in self.junctions if j.level is level and j.side is side), None)


@dataclass(frozen=True)
class CoverageTruth:
    """Whether contrast covers a junction; `margin_mm` is the way to the mask's border, negative outside."""

    level: Level
    side: Side
    covered: bool
    margin_mm: float


@dataclass(frozen=True)
class PunctureTruth:
    """Which junction a tip really lies at, and how far from it in the frontal plane."""

    side: Side
    level: Level
    distance_mm: float


@dataclass(frozen=True)
class AberrantTruth:
    """Contrast where it should not be.

    Attributes
    ----------
    iodine_mg
        What stays there; for vessels what they hold when full.
    area_mm2
        Where it alone reaches the mask's threshold, in the image (of a run: the frame) that shows most of it.
    shown_in
        Role of that image; None where no image shows it.
    """

    kind: AberrantKind
    side: Side
    level: Level
    iodine_mg: float
    area_mm2: float
    shown_in: Role | None


@dataclass(frozen=True)
class RunTruth:
    """What is true of a run, frame by frame.

    Attributes
    ----------
    times_s
        Of each frame, from the first.
    iodine_mg
        In the patient at each frame, vessels included.
    shift_px
        Where the target junctions lie in each frame, (row, col) less their place in the peak frame.
    peak_frame
        The last frame that shows all but 0.5 % of the most iodine.
    mask_frames
        Frames before any contrast.
    peak_vessel_frame
        Frame in which vessels hold most; None without vascular flow.
    vessel_mask, last_mask
        (rows, cols): areal iodine of the vessels alone at that frame, and of all contrast at the last one, at
        or above the threshold on the open field.
    """

    times_s: tuple[float, ...]
    iodine_mg: tuple[float, ...]
    shift_px: tuple[PointPx, ...]
    peak_frame: int
    mask_frames: tuple[int, ...]
    peak_vessel_frame: int | None
    last_mask: BoolMap = field(repr=False)
    vessel_mask: BoolMap | None = field(repr=False, default=None)

    @property
    def last_frame(self) -> int:
        return len(self.times_s) - 1


@dataclass(frozen=True)
class CaseTruth:
    """`outcome` is the right outcome of the built-in protocol (target L5, coverage L4 and L5, both sides)."""

    images: tuple[ImageTruth, ...]
    coverage: tuple[CoverageTruth, ...]
    punctures: tuple[PunctureTruth, ...]
    iodine_mg: Mapping[Side, float]
    outcome: Outcome
    aberrant: tuple[AberrantTruth, ...] = ()
    lumbar_count: int = 5

    @property
    def vascular_sides(self) -> tuple[Side, ...]:
        """Sides on which contrast ran into a vessel; empty: none did."""
        return tuple(a.side for a in self.aberrant if a.kind is AberrantKind.VASCULAR)


def truth_of_image(
    role: Role,
    carm: CArm,
    landmarks_mm: Mapping[str, Floats],
    needles: Sequence[tuple[Level, Side, Needle]],
    open_field: BoolMap,
    areal_iodine_mg_cm2: FloatMap | None = None,
    lasting_iodine_mg_cm2: FloatMap | None = None,
) -> ImageTruth:
    """Project everything that is true of the patient into one image."""

    def seen(key: str, level: Level, side: Side | None) -> PointTruth | None:
        if key not in landmarks_mm:
            return None
        row, col = (float(v) for v in carm.project(landmarks_mm[key])[0])
        inside = 0 <= round(row) < carm.rows and 0 <= round(col) < carm.cols
        return PointTruth(level, side, (row, col), bool(inside and open_field[round(row), round(col)]))

    vertebrae = [seen(f"{level.value}.center", level, None) for level in CRANIAL_TO_CAUDAL]
    junctions = [
        seen(f"{level.value}.junction.{side.value}", level, side) for level in CRANIAL_TO_CAUDAL for side in _SIDES
    ]
    target = [p for key, p in landmarks_mm.items() if key.startswith("L5.junction")] or [np.array(carm.isocentre_mm)]
    return ImageTruth(
        role,
        carm.spacing_patient_mm(np.mean(target, axis=0)),
        tuple(v for v in vertebrae if v is not None),
        tuple(j for j in junctions if j is not None),
        tuple(_needle_truth(level, side, needle, carm) for level, side, needle in needles),
        open_field,
        areal_iodine_mg_cm2,
        lasting_iodine_mg_cm2,
    )


def _needle_truth(level: Level, side: Side, needle: Needle, carm: CArm) -> NeedleTruth:
    tip, hub = carm.project(np.stack([np.array(needle.tip_mm), needle.hub_mm]))
    along = tip - hub
    length_px = float(np.hypot(*along))
    shows = length_px * min(carm.spacing_patient_mm()) >= 2.0
    direction = (float(along[0] / length_px), float(along[1] / length_px)) if shows else None
    return NeedleTruth(level, side, (float(tip[0]), float(tip[1])), (float(hub[0]), float(hub[1])), direction)


def coverage_of(image: ImageTruth, levels: Sequence[Level] = JUNCTION_LEVELS) -> tuple[CoverageTruth, ...]:
    """Coverage of each junction in view, from the iodine of an image with contrast."""
    from scipy.ndimage import distance_transform_edt

    mask = image.lasting_mask
    if mask is None:
        return ()
    inside = distance_transform_edt(mask, sampling=image.spacing_patient_mm)
    outside = distance_transform_edt(~mask, sampling=image.spacing_patient_mm) if mask.any() else None
    found = []
    for junction in image.junctions:
        if junction.level not in levels or not junction.in_view or junction.side is None:
            continue
        at = (round(junction.point_px[0]), round(junction.point_px[1]))
        reach = -float("inf") if outside is None else float(inside[at]) or -float(outside[at])
        found.append(CoverageTruth(junction.level, junction.side, bool(mask[at]), reach))
    return tuple(found)


def punctures_of(
    landmarks_mm: Mapping[str, Floats], needles: Sequence[tuple[Level, Side, Needle]]
) -> tuple[PunctureTruth, ...]:
    """Nearest junction on its side of each tip, in the coronal plane."""
    found = []
    for _, side, needle in needles:
        tip = np.array(needle.tip_mm)
        distances = {
            level: float(np.hypot(*(landmarks_mm[key] - tip)[[0, 2]]))
            for level in CRANIAL_TO_CAUDAL
            if (key := f"{level.value}.junction.{side.value}") in landmarks_mm
        }
        nearest = min(distances, key=lambda level: distances[level])
        found.append(PunctureTruth(side, nearest, distances[nearest]))
    return tuple(found)


def outcome_of(
    coverage: Sequence[CoverageTruth],
    punctures: Sequence[PunctureTruth],
    contrast_given: bool,
    tolerance_mm: float = 10.0,
) -> Outcome:
    """Right outcome of the built-in protocol, for a case whose levels can be numbered."""
    at_target = {p.side for p in punctures if p.level is Level.L5 and p.distance_mm <= tolerance_mm}
    covered = {(c.level, c.side) for c in coverage if c.covered}
    wanted = {(level, side) for level in (Level.L4, Level.L5) for side in _SIDES}
    if not at_target.issuperset(_SIDES) or (contrast_given and not covered.issuperset(wanted)):
        return Outcome.NOT_VERIFIED
    return Outcome.VERIFIED
