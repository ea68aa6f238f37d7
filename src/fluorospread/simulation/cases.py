"""Random cases for evaluation, and the person that a recipe names.

Random cases for tuning and for judging draw from different plume families and different people, so that
nothing that was tuned is judged on what it was tuned on.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import Role
from fluorospread.model.geometry import ColumnsTowards
from fluorospread.simulation.anatomy.surface import Anatomy
from fluorospread.simulation.case_recipe import (
    CaseRecipe,
    FieldRecipe,
    FileKind,
    ImageRecipe,
    PersonRecipe,
    PunctureRecipe,
    TagGroup,
    ViewRecipe,
)
from fluorospread.simulation.contrast import PlumeFamily, Spread
from fluorospread.simulation.detector import Exposure
from fluorospread.simulation.sample_cases import sample_cases as sample_cases
from fluorospread.simulation.stored_pixels import PixelFormat, Relationship

L3, L4, L5 = Level.L3, Level.L4, Level.L5
LEFT, RIGHT = Side.LEFT, Side.RIGHT

# A usual square C-arm panel.
_DETECTOR_MM = 307.2


class Split(StrEnum):
    """What random cases are for."""

    TUNING = "tuning"
    JUDGING = "judging"


PLUME_FAMILIES: dict[Split, tuple[PlumeFamily, ...]] = {
    Split.TUNING: (PlumeFamily.FASCICLE_STRIATED, PlumeFamily.FASCIAL_SHEET, PlumeFamily.MULTILOBULAR),
    Split.JUDGING: (PlumeFamily.POOL_WITH_TAILS, PlumeFamily.RETICULATED),
}


def build_person(person: PersonRecipe, grid_mm: float = 1.2) -> Anatomy:
    """The procedural anatomy of a recipe's person, drawn again until it is transitional or not, as asked."""
    from fluorospread.simulation.anatomy.anatomy_shape import AnatomyShape
    from fluorospread.simulation.anatomy.procedural import build_anatomy

    for again in itertools.count():
        rng = np.random.default_rng([person.seed, 7, again] if again else [person.seed, 7])
        shape = AnatomyShape.sample(rng, lumbar_count=person.lumbar_count, degeneration=person.degeneration)
        if shape.transitional == person.transitional:
            break
    if person.twelfth_ribs is not None:
        shape = dataclasses.replace(shape, ribs=dataclasses.replace(shape.ribs, twelfth=person.twelfth_ribs))
    return build_anatomy(shape, grid_mm)


def sample_split(split: Split, index: int) -> CaseRecipe:
    """Random case `index` of a split; the same index gives the same case."""
    rng = np.random.default_rng([list(Split).index(split), index])
    recipe = sample_recipe(rng, PLUME_FAMILIES[split], f"{split.value}-{index:04d}")
    # Even people are tuned on, odd ones judged on.
    person = dataclasses.replace(recipe.person, seed=2 * recipe.person.seed + list(Split).index(split))
    return dataclasses.replace(recipe, person=person)


def sample_recipe(
    rng: np.random.Generator, plume_families: Sequence[PlumeFamily], case_id: str = "random"
) -> CaseRecipe:
    """A random case: person, punctures (most at L5), contrast (in six of ten), view, beam and pixels."""
    with_contrast = bool(rng.random() < 0.6)
    file_kind = FileKind(rng.choice(["XA", "RF", "DX"], p=[0.6, 0.25, 0.15]))
    recipe = CaseRecipe(
        case_id,
        "random",
        int(rng.integers(2**31)),
        PersonRecipe(int(rng.integers(2**30))),
        _sample_images(rng, with_contrast),
        _sample_punctures(rng),
        sample_spreads(rng, plume_families) if with_contrast else (),
        contrast_given=with_contrast,
        view=_sample_view(rng),
        exposure=_sample_exposure(rng),
        pixel_format=_sample_format(rng, file_kind),
        file_kind=file_kind,
        left_out=frozenset({TagGroup.ANGLES, TagGroup.BEAM} if rng.random() < 0.4 else ()),
    )
    exposure = dataclasses.replace(recipe.exposure, glare=float(rng.uniform(0.0, 0.04)))
    return dataclasses.replace(recipe, exposure=exposure)


def _sample_images(rng: np.random.Generator, with_contrast: bool) -> tuple[ImageRecipe, ...]:
    needle = _sample_image(rng, Role.NEEDLE)
    if not with_contrast:
        return (needle,)
    post = _sample_image(rng, Role.POST, contrast=True, needles=bool(rng.random() < 0.85))
    pre = _sample_image(rng, Role.PRE, needles=False)
    plan = rng.random()
    if plan < 0.7:
        return needle, post
    return (pre, needle, post) if plan < 0.9 else (pre, dataclasses.replace(post, needles=True))


def _sample_image(rng: np.random.Generator, role: Role, contrast: bool = False, needles: bool = True) -> ImageRecipe:
    dx, dy, dz = (float(v) for v in rng.normal(0.0, (2.0, 1.0, 2.5)))
    gx, gz = (float(v) for v in rng.normal(0.0, 3.0, 2))
    axial, sagittal, roll = (float(v) for v in rng.normal(0.0, (0.5, 0.5, 0.6)))
    return ImageRecipe(role, contrast, needles, (dx, dy, dz), axial, sagittal, roll, (gx, 0.0, gz))


def _sample_punctures(rng: np.random.Generator) -> tuple[PunctureRecipe, ...]:
    plan = rng.choice(["both", "one-wrong", "both-wrong", "one-side", "beside"], p=[0.68, 0.11, 0.08, 0.08, 0.05])
    odd_side = LEFT if rng.random() < 0.5 else RIGHT
    wrong = L4 if rng.random() < 0.75 else L3
    punctures = []
    for side in (LEFT, RIGHT):
        if plan == "one-side" and side is odd_side:
            continue
        is_wrong = plan == "both-wrong" or (plan == "one-wrong" and side is odd_side)
        beside = 17.0 if plan == "beside" and side is odd_side else 0.0
        end_on = rng.random() < 0.12
        reach, angle = 3.5 * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
        punctures.append(
            PunctureRecipe(
                wrong if is_wrong else L5,
                side,
                lateral_mm=float(beside + reach * np.cos(angle)),
                cranial_mm=float(reach * np.sin(angle)),
                tilt_deg=float(rng.uniform(1.0, 6.0) if end_on else rng.uniform(12.0, 55.0)),
                azimuth_deg=float(rng.uniform(-75.0, 40.0)),
                length_mm=float(rng.choice([70.0, 90.0, 120.0])),
                bevel_roll_deg=float(rng.uniform(0.0, 360.0)),
                with_extension=bool(rng.random() < 0.4),
            )
        )
    return tuple(punctures)


def sample_spreads(rng: np.random.Generator, families: Sequence[PlumeFamily]) -> tuple[Spread, ...]:
    """What an injection on both sides, or now and then on one, is to look like, of one of the families."""
    extents: tuple[tuple[Level, ...], ...] = ((L4, L5), (L3, L4, L5), (L5,), (L4,), (L3, L4))
    plan = rng.choice(["both", "one-differs", "one-side"], p=[0.62, 0.28, 0.10])
    odd_side = LEFT if rng.random() < 0.5 else RIGHT
    family = families[int(rng.integers(len(families)))]
    spreads = []
    for side in (LEFT, RIGHT):
        odd = side is odd_side
        if plan == "one-side" and odd:
            continue
        covered = extents[int(rng.choice(5, p=[0.1, 0.05, 0.5, 0.2, 0.15] if odd and plan == "one-differs"
                                         else [0.75, 0.12, 0.07, 0.03, 0.03]))]  # fmt: skip
        spreads.append(
            Spread(
                side,
                covered,
                family,
                cranial_mm=float(rng.uniform(10.0, 18.0)),
                caudal_mm=float(rng.uniform(10.0, 16.0)),
                medial_mm=float(rng.uniform(9.0, 14.0)),
                lateral_mm=float(rng.uniform(12.0, 26.0)),
                iodine_mg=float(rng.uniform(180.0, 300.0)),
                dilution=float(rng.uniform(0.05, 0.4)),
            )
        )
    return tuple(spreads)


def _sample_view(rng: np.random.Generator) -> ViewRecipe:
    dx, dy, dz = (float(v) for v in rng.normal((0.0, 22.0, 12.0), (8.0, 8.0, 10.0)))
    stop = None
    kind = rng.random()
    if kind < 0.2:
        stop = FieldRecipe("circle", 150.0, 150.0, blanked=bool(rng.random() < 0.5))
    elif kind < 0.45:
        half_rows, half_cols = rng.uniform((135.0, 95.0), (150.0, 150.0))
        stop = FieldRecipe("rectangle", float(half_rows), float(half_cols), declared=bool(rng.random() < 0.8))
    pixels = int(rng.choice([768, 1024]))
    return ViewRecipe(
        offset_mm=(dx, dy, dz),
        detector_spacing_mm=_DETECTOR_MM / pixels,
        rows=pixels,
        cols=pixels,
        sid_mm=float(rng.uniform(980.0, 1100.0)),
        source_to_isocentre_mm=float(rng.uniform(660.0, 780.0)),
        columns_towards=ColumnsTowards.PATIENT_LEFT if rng.random() < 0.5 else ColumnsTowards.PATIENT_RIGHT,
        beam="AP" if rng.random() < 0.8 else "PA",
        field=stop,
    )


def _sample_exposure(rng: np.random.Generator) -> Exposure:
    return Exposure(
        tube_kv=float(rng.uniform(70.0, 95.0)),
        filter_al_mm=float(rng.uniform(2.5, 5.0)),
        filter_cu_mm=float(rng.choice([0.0, 0.1, 0.2])),
        quanta_per_pixel=float(np.exp(rng.uniform(np.log(200.0), np.log(3000.0)))),
        scatter_to_primary=float(rng.uniform(0.3, 1.0)),
        focal_spot_mm=float(rng.choice([0.3, 0.6])),
        detector_sigma_mm=float(rng.uniform(0.15, 0.3)),
    )


def _sample_format(rng: np.random.Generator, file_kind: FileKind) -> PixelFormat:
    relationship = Relationship(rng.choice(["LOG", "LIN", "DISP"], p=[0.45, 0.3, 0.25]))
    # XA and RF know 8, 10, 12 and 16 bits; a linear detector needs the depth.
    depths = (12, 16) if relationship is Relationship.LIN else (10, 12, 16)
    if file_kind is FileKind.DX:
        depths = (12, 14)
    inverted = bool(rng.random() < 0.25)
    return PixelFormat(
        relationship,
        int(rng.choice(depths)),
        -1 if (relationship is not Relationship.LIN) ^ inverted else 1,
        "MONOCHROME1" if rng.random() < 0.2 else "MONOCHROME2",
    )
