"""Random cases of one kind, for what ordinary random cases do not show: runs, contrast gone astray, things in
the way, and spines that do not count five.

Like ordinary ones they are drawn from a split, which keeps people and plume families of tuning and judging
apart; the same split and index give the same case.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum

import numpy as np

from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, Level, Side
from fluorospread.model.case import Role
from fluorospread.simulation.aberrant import Aberrant, AberrantKind
from fluorospread.simulation.case_recipe import CaseRecipe, CineRecipe, FileKind, ImageRecipe
from fluorospread.simulation.cases import PLUME_FAMILIES, Split, sample_recipe
from fluorospread.simulation.clutter import ClutterKind
from fluorospread.simulation.inflow import Injection

# Streams of their own, so that no special case shares its draws with an ordinary one.
_CINE, _ABERRANT, _CLUTTER, _NUMBERING = 101, 102, 103, 104
_RUN_PIXELS = 512
# Frame times of 125, 250 and 500 ms; slow ones are the harder, as a vessel clears within few frames.
_FRAME_TIME_SHARES = (0.1, 0.6, 0.3)
_DEPOTS = (AberrantKind.EPIDURAL, AberrantKind.FORAMINAL, AberrantKind.INTRA_ARTICULAR, AberrantKind.SUPERFICIAL)
# Usual volumes there, at the concentration of the block (48 mg/mL): from a joint's 0.3 mL to 1 mL.
_DEPOT_MG = {
    AberrantKind.EPIDURAL: (20.0, 48.0),
    AberrantKind.FORAMINAL: (14.0, 40.0),
    AberrantKind.INTRA_ARTICULAR: (8.0, 20.0),
    AberrantKind.SUPERFICIAL: (30.0, 90.0),
}


def sample_cine(split: Split, index: int, vascular: bool | None = None) -> CaseRecipe:
    """Random run `index` of a split: contrast flows in over both sides or one.

    Parameters
    ----------
    vascular
        Whether some of it runs off in vessels; drawn (half of the cases) where not given. The rest of the case
        is the same either way.
    """
    rng = np.random.default_rng([_CINE, list(Split).index(split), index])
    recipe = _with_contrast(split, rng, f"{split.value}-cine-{index:04d}")
    side = _a_side(recipe, rng)
    vessel = sample_aberrant_flow(AberrantKind.VASCULAR, side, recipe, rng)
    depot = sample_aberrant_flow(_DEPOTS[int(rng.integers(len(_DEPOTS)))], side, recipe, rng)
    with_vessel, with_depot = bool(rng.random() < 0.5), bool(rng.random() < 0.15)
    flows = (vessel,) if (with_vessel if vascular is None else vascular) else ()
    needle = recipe.images[0] if recipe.images[0].role is Role.NEEDLE else ImageRecipe(Role.NEEDLE)
    run = ImageRecipe(Role.CINE, contrast=True, cine=_sample_run(rng))
    detector_mm = recipe.view.rows * recipe.view.detector_spacing_mm
    return dataclasses.replace(
        recipe,
        images=(needle, run) if rng.random() < 0.7 else (run,),
        aberrant=(*flows, depot) if with_depot else flows,
        view=dataclasses.replace(
            recipe.view, rows=_RUN_PIXELS, cols=_RUN_PIXELS, detector_spacing_mm=detector_mm / _RUN_PIXELS
        ),
    )


def sample_aberrant(split: Split, index: int, kind: AberrantKind | None = None) -> CaseRecipe:
    """Random still case `index` of a split with contrast gone astray; its kind is drawn where not given.

    Of vascular flow a still image catches something in six of ten cases (spot films saw 59 % of it in
    the medial branch blocks of Lee and others 2008); in the others it has cleared.
    """
    rng = np.random.default_rng([_ABERRANT, list(Split).index(split), index])
    recipe = _with_contrast(split, rng, f"{split.value}-aberrant-{index:04d}")
    drawn = list(AberrantKind)[int(rng.integers(len(AberrantKind)))]
    flow = sample_aberrant_flow(kind or drawn, _a_side(recipe, rng), recipe, rng)
    if flow.kind is AberrantKind.VASCULAR:
        flow = dataclasses.replace(flow, still_share=float(rng.uniform(0.4, 1.0)) if rng.random() < 0.6 else 0.0)
    # In half of the cases the needle lay wholly in the wrong space, and nothing spread on that side.
    alone = bool(rng.random() < 0.5)
    spreads = tuple(s for s in recipe.spreads if not (alone and s.side is flow.side))
    return dataclasses.replace(recipe, spreads=spreads, aberrant=(flow,))


def sample_clutter(split: Split, index: int, kind: ClutterKind | None = None) -> CaseRecipe:
    """Random case `index` of a split with one to three things in the way that are no contrast; the first is
    `kind` where given. Half of the cases have contrast, too."""
    rng = np.random.default_rng([_CLUTTER, list(Split).index(split), index])
    recipe = _own_person(sample_recipe(rng, PLUME_FAMILIES[split], f"{split.value}-clutter-{index:04d}"), split)
    drawn = [list(ClutterKind)[int(i)] for i in rng.permutation(len(ClutterKind))]
    if kind is not None:
        drawn = [kind, *(other for other in drawn if other is not kind)]
    return dataclasses.replace(recipe, clutter=tuple(drawn[: int(rng.integers(1, 4))]))


class Numbering(StrEnum):
    """Spines whose last lumbar vertebra is not plainly the fifth."""

    FOUR = "four"
    SIX = "six"
    TRANSITIONAL = "transitional"


def sample_numbering(
    split: Split, index: int, numbering: Numbering | None = None, ribs_in_view: bool | None = None
) -> CaseRecipe:
    """Random case `index` of a split with four or six lumbar vertebrae, or a transitional one.

    Needles and contrast lie about the fifth vertebra, the fourth where there are but four. The right outcome is
    *undetermined*: with ribs in view the count contradicts five, without them nobody can tell.

    Parameters
    ----------
    ribs_in_view
        Whether the 12th ribs and the sacrum are both on the film; drawn where not given.
    """
    rng = np.random.default_rng([_NUMBERING, list(Split).index(split), index])
    recipe = _own_person(sample_recipe(rng, PLUME_FAMILIES[split], f"{split.value}-numbering-{index:04d}"), split)
    drawn = list(Numbering)[int(rng.integers(len(Numbering)))]
    with_ribs = bool(rng.random() < 0.5)
    chosen = numbering or drawn
    count = {Numbering.FOUR: 4, Numbering.SIX: 6, Numbering.TRANSITIONAL: 5}[chosen]
    person = dataclasses.replace(
        recipe.person, lumbar_count=count, transitional=chosen is Numbering.TRANSITIONAL, twelfth_ribs="both"
    )
    view = recipe.view
    if with_ribs if ribs_in_view is None else ribs_in_view:
        # From the sacrum to the 12th ribs is some 250 mm in the patient, 350 mm at the detector.
        view = dataclasses.replace(
            view,
            offset_mm=(view.offset_mm[0], view.offset_mm[1], 48.0),
            detector_spacing_mm=430.0 / view.rows,
            field=None,
        )
    else:
        view = dataclasses.replace(view, offset_mm=(view.offset_mm[0], view.offset_mm[1], min(view.offset_mm[2], 5.0)))
    last = Level.L4 if count == 4 else Level.L5
    punctures = tuple(
        dataclasses.replace(p, level=min(p.level, last, key=CRANIAL_TO_CAUDAL.index)) for p in recipe.punctures
    )
    spreads = recipe.spreads
    if count == 4:
        spreads = tuple(dataclasses.replace(s, covered=_up_one(s.covered)) for s in spreads)
    return dataclasses.replace(
        recipe, person=person, view=view, punctures=punctures, spreads=spreads, expected="undetermined"
    )


def _up_one(levels: tuple[Level, ...]) -> tuple[Level, ...]:
    return tuple(CRANIAL_TO_CAUDAL[CRANIAL_TO_CAUDAL.index(level) - 1] for level in levels)


def sample_aberrant_flow(kind: AberrantKind, side: Side, recipe: CaseRecipe, rng: np.random.Generator) -> Aberrant:
    """Flow of a kind from the needle of one side of a case."""
    level = next((p.level for p in recipe.punctures if p.side is side), Aberrant.level)
    return Aberrant(
        kind,
        side,
        level,
        iodine_mg=float(rng.uniform(*_DEPOT_MG.get(kind, (20.0, 40.0)))),
        # From the block's own mixture to nearly undiluted contrast, as some inject before the block.
        concentration_mg_ml=float(np.exp(rng.uniform(np.log(48.0), np.log(180.0)))),
        speed_mm_s=float(rng.uniform(20.0, 70.0)),
        clears_s=float(rng.uniform(1.0, 3.0)),
    )


def _with_contrast(split: Split, rng: np.random.Generator, case_id: str) -> CaseRecipe:
    """An ordinary random case with contrast, as a C-arm stores it."""
    recipe = sample_recipe(rng, PLUME_FAMILIES[split], case_id)
    while not recipe.contrast_given or recipe.file_kind is FileKind.DX:
        recipe = sample_recipe(rng, PLUME_FAMILIES[split], case_id)
    return _own_person(recipe, split)


def _own_person(recipe: CaseRecipe, split: Split) -> CaseRecipe:
    """The recipe with a person of its split: even ones are tuned on, odd ones judged on."""
    person = dataclasses.replace(recipe.person, seed=2 * recipe.person.seed + list(Split).index(split))
    return dataclasses.replace(recipe, person=person)


def _a_side(recipe: CaseRecipe, rng: np.random.Generator) -> Side:
    """One of the sides with contrast."""
    return recipe.spreads[int(rng.integers(len(recipe.spreads)))].side


def _sample_run(rng: np.random.Generator) -> CineRecipe:
    starts_s, lasts_s = rng.uniform(1.5, 3.0), rng.uniform(2.5, 5.0)
    later_s = float(rng.uniform(0.0, 2.0)) if rng.random() < 0.5 else 0.0
    frame_time_ms = float(rng.choice([125.0, 250.0, 500.0], p=_FRAME_TIME_SHARES))
    held = rng.random() < 0.3
    jerks = rng.random() < 0.25
    jerk_mm = rng.normal(0.0, (1.0, 0.5, 1.2)) if jerks else np.zeros(3)
    # Long enough for the last vessel to clear.
    ends_s = starts_s + later_s + lasts_s + rng.uniform(4.0, 7.0)
    return CineRecipe(
        frames=int(ends_s * 1000.0 / frame_time_ms),
        frame_time_ms=frame_time_ms,
        injection=Injection(float(starts_s), float(lasts_s)),
        right_later_s=later_s,
        quanta_per_pixel=float(np.exp(rng.uniform(np.log(150.0), np.log(1200.0)))),
        breathing_mm=(0.0, 0.0, 0.0) if held else _triple(rng.uniform(0.3, 1.2) * np.array([0.15, 1.0, 0.7])),
        breathing_s=float(rng.uniform(3.0, 6.0)),
        gas_breathing_mm=(0.0, 0.0, 0.0) if held else _triple(rng.normal((0.0, 0.0, -5.0), (1.0, 0.5, 2.5))),
        jerk_mm=_triple(jerk_mm),
        jerk_at_s=float(rng.uniform(0.0, ends_s)) if jerks else 0.0,
        first_exposure=float(np.exp(rng.normal(0.0, 0.12))),
        exposure_step=float(rng.uniform(0.2, 0.7)),
        flicker=float(rng.uniform(0.001, 0.01)),
        lag=float(rng.uniform(0.1, 0.35)) if rng.random() < 0.4 else 0.0,
        named_mask_frames=int(rng.integers(2, 6))
        if rng.random() < 0.3 and starts_s * 1000.0 > 6 * frame_time_ms
        else 0,
    )


def _triple(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z
