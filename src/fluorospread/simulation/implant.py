"""A real film and a reader's points to images of a case with contrast and needles of known truth in them.

The film gives anatomy, texture, noise and processing; the recipe gives iodine and steel, attenuated by a real
spectrum and diluted by scatter. Targets are the reader's junctions, taken to lie in one coronal plane: a film
has no depth. All pixels are -ln(I/I0) up to a constant, bone bright.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import JUNCTION_LEVELS, Level, Side
from fluorospread.model.case import Role
from fluorospread.model.geometry import ColumnsTowards, PointPx, RowsTowards
from fluorospread.model.verdict import Outcome
from fluorospread.simulation import spectrum
from fluorospread.simulation.anatomy.surface import Anatomy
from fluorospread.simulation.case_recipe import PunctureRecipe
from fluorospread.simulation.cases import PLUME_FAMILIES, Split, sample_recipe
from fluorospread.simulation.contrast import Spread, areal_iodine_mg_cm2, make_plume
from fluorospread.simulation.detector import Exposure
from fluorospread.simulation.film_change import Motion, draw_motion, fresh_noise, local_noise
from fluorospread.simulation.film_truth import cut_truth, moved_truth
from fluorospread.simulation.needle import RADII_MM, Needle, needle_g_cm2
from fluorospread.simulation.projection import CArm
from fluorospread.simulation.render_case import SimulatedImage, place_needle
from fluorospread.simulation.spectrum import Substance
from fluorospread.simulation.stored_pixels import PixelFormat, Relationship, StoredImage
from fluorospread.simulation.truth import (
    CaseTruth,
    CoverageTruth,
    ImageTruth,
    PunctureTruth,
    coverage_of,
    outcome_of,
    punctures_of,
)
from fluorospread.simulation.truth import truth_of_image as project_truth

FloatMap = npt.NDArray[np.float32]
BoolMap = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# A table film: tube 1 m from the detector, spine about 12 cm in front of it.
_SID_MM, _SOURCE_TO_SPINE_MM = 1000.0, 880.0
_BITS = 12
# Independent random streams of one case.
_PLUMES, _MOTION, _NOISE = range(3)
# Draws of recipes that must not coincide with those of wholly simulated cases.
_IMPLANT_STREAM = 31
_PROTOCOL_JUNCTIONS = tuple((level, side) for level in (Level.L4, Level.L5) for side in (Side.LEFT, Side.RIGHT))


@dataclass(frozen=True)
class Film:
    """A real image with a reader's points; sides are the patient's.

    Attributes
    ----------
    log_path
        (rows, cols) float32, -ln(I/I0) up to a constant.
    open_field
        True where X-rays reached the film; outside nothing is put in.
    mm_per_px
        In the plane of the spine.
    grey_log
        Natural log of one grey value of the file: no noise is smaller than its rounding.
    natural_log
        Whether pixel differences truly are natural logs; False where their slope was only assumed.
    assumptions
        Everything about the film that was assumed, in words, for the truth.
    """

    name: str
    log_path: FloatMap = field(repr=False)
    open_field: BoolMap = field(repr=False)
    mm_per_px: float
    centers: Mapping[Level, PointPx]
    junctions: Mapping[tuple[Level, Side], PointPx]
    grey_log: float
    natural_log: bool
    columns_towards: ColumnsTowards = ColumnsTowards.PATIENT_LEFT
    rows_towards: RowsTowards = RowsTowards.FEET
    assumptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.log_path.shape != self.open_field.shape:
            raise UsageError(f"field of view {self.open_field.shape} does not fit film {self.log_path.shape}")

    def carm(self) -> CArm:
        """A beam whose spine plane holds the film at its scale, the film's middle being the isocentre."""
        spacing = self.mm_per_px * _SID_MM / _SOURCE_TO_SPINE_MM
        rows, cols = self.log_path.shape
        return CArm(
            _SID_MM, _SOURCE_TO_SPINE_MM, (spacing, spacing), rows, cols, beam="AP",
            columns_towards=self.columns_towards, rows_towards=self.rows_towards,
        )  # fmt: skip

    def landmarks_mm(self) -> dict[str, Floats]:
        """The reader's points in patient axes, all in the spine's coronal plane."""
        carm = self.carm()
        named = {f"{level.value}.center": at for level, at in self.centers.items()} | {
            f"{level.value}.junction.{side.value}": at for (level, side), at in self.junctions.items()
        }
        return {key: carm.unproject(np.array(at), _SOURCE_TO_SPINE_MM)[0] for key, at in named.items()}


@dataclass(frozen=True)
class ImplantRecipe:
    """What is put into a film; with the film it determines every byte.

    Attributes
    ----------
    images
        PRE (film as it is), NEEDLE (with needles), POST (moved, with needles, and with contrast where there are
        spreads), each at most once.
    exposure
        Its beam and scatter attenuate what is put in; its dose is the film's own.
    motion_mm
        Largest displacement of any pixel between POST and the other image, 0 to 6.
    gain
        POST against the other image, 0.9 to 1.1: of the intensity where pixels are natural logs, else of the
        displayed contrast.
    """

    case_id: str
    split: Split
    seed: int
    images: tuple[Role, ...]
    punctures: tuple[PunctureRecipe, ...]
    spreads: tuple[Spread, ...] = ()
    exposure: Exposure = field(default_factory=Exposure)
    motion_mm: float = 0.0
    gain: float = 1.0

    def __post_init__(self) -> None:
        if not self.images or not set(self.images) <= {Role.PRE, Role.NEEDLE, Role.POST}:
            raise UsageError(f"{self.case_id}: implanted images are pre, needle or post, got {self.images}")
        if len(set(self.images)) != len(self.images):
            raise UsageError(f"{self.case_id}: each role is imaged once")
        if self.spreads and Role.POST not in self.images:
            raise UsageError(f"{self.case_id}: contrast goes into a post image, and only there")
        if not 0.0 <= self.motion_mm <= 6.0 or not 0.9 <= self.gain <= 1.1:
            raise UsageError(f"{self.case_id}: motion lies in 0..6 mm and gain in 0.9..1.1")


@dataclass(frozen=True)
class ImplantedCase:
    """A recipe in a film. Images are cut by the motion's reach on each side, so that no border is invented."""

    film: Film
    recipe: ImplantRecipe
    images: tuple[SimulatedImage, ...]
    truth: CaseTruth
    cut_px: int


def sample_implant(
    film: Film, split: Split, index: int, images: tuple[Role, ...], seed: int = 0, contrast: bool = True
) -> ImplantRecipe:
    """Random implant `index` of a split for one film; the same arguments give the same recipe.

    Plume families, punctures and spreads are drawn as for wholly simulated cases of the split, then kept to
    the junctions that the reader marked.

    Parameters
    ----------
    contrast
        False leaves contrast out of a post image: a pair in which whatever is found is false.

    Raises
    ------
    UsageError
        When the reader's junctions do not let needles or contrast be put in. A pair of PRE and POST without contrast
        needs none: it is the film and the film moved.
    """
    name = [ord(letter) for letter in film.name]
    with_contrast = contrast and Role.POST in images
    moved_only = not contrast and images == (Role.PRE, Role.POST)
    if not (moved_only or any(level in JUNCTION_LEVELS for level, _ in film.junctions)):
        raise UsageError(f"{film.name}: no SAP-TP junction from L3 to S1 is marked; nothing can be put in")
    kind = "-".join(role.value for role in images) + ("-empty" if Role.POST in images and not contrast else "")
    case_id = f"{film.name}-{kind}-{split.value}-{index:04d}"
    for again in range(200):
        rng = np.random.default_rng([_IMPLANT_STREAM, list(Split).index(split), index, seed, again, *name])
        drawn = sample_recipe(rng, PLUME_FAMILIES[split], case_id)
        if drawn.contrast_given != with_contrast:
            continue
        punctures = tuple(p for p in drawn.punctures if (p.level, p.side) in film.junctions)
        spreads = tuple(s for spread in drawn.spreads if (s := _kept_to_marked(spread, film)) is not None)
        without_target = images == (Role.PRE,) or (moved_only and not film.junctions)
        if (punctures or without_target) and bool(spreads) == with_contrast:
            motion_mm = float(rng.uniform(1.0, 6.0)) if len(images) > 1 else 0.0
            gain = float(rng.uniform(0.9, 1.1)) if len(images) > 1 else 1.0
            gauges = rng.choice(list(RADII_MM), size=len(punctures))
            punctures = tuple(
                dataclasses.replace(p, gauge=int(gauge)) for p, gauge in zip(punctures, gauges, strict=True)
            )
            return ImplantRecipe(
                case_id, split, drawn.seed, images, punctures, spreads, drawn.exposure, motion_mm, gain
            )
    raise UsageError(f"{film.name}: contrast needs two marked junctions of one side, of L3 to S1")


def _kept_to_marked(spread: Spread, film: Film) -> Spread | None:
    """The spread over those of its junctions that are marked; None where the side has too few of them."""
    marked = [level for level in JUNCTION_LEVELS if (level, spread.side) in film.junctions]
    covered = tuple(level for level in spread.covered if level in marked)
    gap = len(covered) > 1 and JUNCTION_LEVELS.index(covered[-1]) - JUNCTION_LEVELS.index(covered[0]) >= len(covered)
    if len(marked) < 2 or not covered or gap:
        return None
    return dataclasses.replace(spread, covered=covered)


def implant(film: Film, recipe: ImplantRecipe) -> ImplantedCase:
    """Put a recipe's needles and contrast into a film.

    Raises
    ------
    UsageError
        When a junction that the recipe names is not marked.
    """
    landmarks, carm = film.landmarks_mm(), film.carm()
    reader = Anatomy(film.name, "film", (), None, (), landmarks, lumbar_count=5)
    needles = tuple((p.level, p.side, place_needle(p, reader, recipe.seed)) for p in recipe.punctures)
    plumes = [
        make_plume(landmarks, spread, np.random.default_rng([recipe.seed, _PLUMES, i]))
        for i, spread in enumerate(recipe.spreads)
    ]
    iodine = areal_iodine_mg_cm2(plumes, carm) if plumes else None
    metal = _needle_maps(needles, carm)
    motion = _motion(film, recipe)
    cut = 0 if motion is None else math.ceil(motion.largest_px) + 1
    noise = local_noise(film.log_path, film.grey_log / math.sqrt(12.0))
    signals: list[FloatMap] = []
    truths: list[ImageTruth] = []
    for index, role in enumerate(recipe.images):
        there = dict(metal) if role is not Role.PRE else {}
        if role is Role.POST and iodine is not None:
            there[Substance.IODINE] = iodine / np.float32(1000.0)
        added = added_log(there, recipe.exposure, carm) if there else np.zeros_like(film.log_path)
        moved = motion if role is Role.POST else None
        # Where less gets through, fewer quanta make more noise: 1 sd of a log goes with exp(log / 2).
        grain = fresh_noise(noise * np.exp(0.5 * added), np.random.default_rng([recipe.seed, _NOISE, index]))
        signal = film.log_path + added
        signal = signal if moved is None else moved.image(signal)
        signals.append(_with_gain(signal, film, recipe.gain if role is Role.POST else 1.0) + grain)
        truth = project_truth(
            role, carm, landmarks, needles if role is not Role.PRE else (), film.open_field,
            iodine if role is Role.POST else None,
        )  # fmt: skip
        truths.append(cut_truth(truth if moved is None else moved_truth(truth, moved), cut))
    inside = (slice(cut, carm.rows - cut), slice(cut, carm.cols - cut))
    images = _stored(film, recipe, carm, [s[inside] for s in signals], truths)
    return ImplantedCase(film, recipe, images, _truth_of_case(recipe, truths, landmarks, needles), cut)


def _needle_maps(needles: tuple[tuple[Level, Side, Needle], ...], carm: CArm) -> dict[Substance, FloatMap]:
    total: dict[Substance, FloatMap] = {}
    for _, _, needle in needles:
        for substance, areal in needle_g_cm2(needle, carm).items():
            total[substance] = total[substance] + areal if substance in total else areal
    return total


def _motion(film: Film, recipe: ImplantRecipe) -> Motion | None:
    if recipe.motion_mm == 0.0 or Role.POST not in recipe.images:
        return None
    rng = np.random.default_rng([recipe.seed, _MOTION])
    rows, cols = film.log_path.shape
    return draw_motion((rows, cols), film.mm_per_px, recipe.motion_mm, rng)


def added_log(areal_g_cm2: Mapping[Substance, FloatMap], exposure: Exposure, carm: CArm) -> FloatMap:
    """What substances add to -ln(I/I0) behind a typical patient, (rows, cols) float32.

    The beam is hardened by `spectrum.TYPICAL_WATER_CM` of water. Scatter does not carry the substances'
    shadow: of the signal 1 + r, r being the scatter-to-primary ratio, only the 1 is attenuated.
    """
    from scipy.ndimage import gaussian_filter

    shape = next(iter(areal_g_cm2.values())).shape
    beam = spectrum.bin_beam(exposure.tube_kv, exposure.filter_al_mm, exposure.filter_cu_mm)
    water = np.full(shape, spectrum.TYPICAL_WATER_CM, dtype=np.float32)
    behind = float(spectrum.log_signal(beam, {Substance.WATER: water[:1, :1]})[0, 0])
    primary = np.exp(behind - spectrum.log_signal(beam, {Substance.WATER: water, **areal_g_cm2}))
    spot_mm = exposure.focal_spot_mm * (carm.magnification() - 1.0) / math.sqrt(12.0)
    sigma_mm = math.hypot(spot_mm, exposure.detector_sigma_mm)
    primary = gaussian_filter(primary, [sigma_mm / s for s in carm.detector_spacing_mm], mode="nearest")
    ratio = exposure.scatter_to_primary
    return np.asarray(-np.log((primary + ratio) / (1.0 + ratio)), dtype=np.float32)


def _with_gain(signal: FloatMap, film: Film, gain: float) -> FloatMap:
    """Automatic exposure changes the level of natural logs; automatic windowing the contrast of a display."""
    if gain == 1.0:
        return signal
    if film.natural_log:
        return np.asarray(signal - math.log(gain), dtype=np.float32)
    middle = np.float32(np.median(signal[film.open_field]))
    return np.asarray(middle + np.float32(gain) * (signal - middle), dtype=np.float32)


def _stored(
    film: Film, recipe: ImplantRecipe, carm: CArm, signals: list[FloatMap], truths: list[ImageTruth]
) -> tuple[SimulatedImage, ...]:
    """Stored pixels of every image through one straight table that clips nothing put in."""
    inside = np.concatenate([s[t.open_field] for s, t in zip(signals, truths, strict=True)])
    low, high = float(inside.min()), float(inside.max())
    top = (1 << _BITS) - 1
    step = (high - low) / top
    relationship = Relationship.LOG if film.natural_log else Relationship.DISP
    fmt = PixelFormat(relationship, _BITS, -1, blank_outside_field=not all(t.open_field.all() for t in truths))
    rows, cols = signals[0].shape
    cut_arm = dataclasses.replace(carm, rows=rows, cols=cols)
    images = []
    for role, signal, truth in zip(recipe.images, signals, truths, strict=True):
        grey = np.where(truth.open_field, np.clip(np.rint((signal - low) / step), 0, top), 0).astype(np.uint16)
        stored = StoredImage(grey, fmt, log_per_step=step if film.natural_log else None)
        images.append(SimulatedImage(role, stored, cut_arm, None, truth, signal))
    return tuple(images)


def _shown_wrong(coverage: Sequence[CoverageTruth], punctures: Sequence[PunctureTruth]) -> bool:
    """Whether what is known of some junctions already fails the protocol."""
    bare = any(not c.covered for c in coverage if (c.level, c.side) in _PROTOCOL_JUNCTIONS)
    right = {p.side for p in punctures if p.level is Level.L5}
    return bare or not right.issuperset(p.side for p in punctures)


def _truth_of_case(
    recipe: ImplantRecipe,
    truths: list[ImageTruth],
    landmarks_mm: Mapping[str, Floats],
    needles: tuple[tuple[Level, Side, Needle], ...],
) -> CaseTruth:
    shown = next((t for t in truths if t.areal_iodine_mg_cm2 is not None), None)
    coverage = () if shown is None else coverage_of(shown)
    punctures = punctures_of(landmarks_mm, needles)
    # In an image after the injection that shows no contrast, no junction is covered.
    outcome = outcome_of(coverage, punctures, Role.POST in recipe.images)
    judged = truths[-1] if shown is None else shown
    seen = {(j.level, j.side) for j in judged.junctions if j.in_view}
    if not seen.issuperset(_PROTOCOL_JUNCTIONS) or recipe.images == (Role.PRE,):
        # Where the reader marked no junction, whether it is covered or punctured cannot be said; one that is marked
        # and bare, or a needle elsewhere, settles the case all the same.
        settled = recipe.images != (Role.PRE,) and _shown_wrong(coverage, punctures)
        outcome = Outcome.NOT_VERIFIED if settled else Outcome.UNDETERMINED
    iodine = {spread.side: spread.iodine_mg for spread in recipe.spreads}
    return CaseTruth(tuple(truths), coverage, punctures, iodine, outcome)
