"""Special random cases: repeatable, apart by split, and with what they promise."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from fluorospread.model.anatomy import Level
from fluorospread.model.case import Role
from fluorospread.simulation.aberrant import AberrantKind
from fluorospread.simulation.case_recipe import CaseRecipe, FileKind
from fluorospread.simulation.cases import PLUME_FAMILIES, Split, build_person
from fluorospread.simulation.clutter import ClutterKind
from fluorospread.simulation.special_cases import (
    Numbering,
    sample_aberrant,
    sample_cine,
    sample_clutter,
    sample_numbering,
)

Sample = Callable[[Split, int], CaseRecipe]
SAMPLES = [sample_cine, sample_aberrant, sample_clutter, sample_numbering]


@pytest.mark.parametrize("sample", SAMPLES)
def test_cases_repeat_and_keep_people_and_plumes_of_the_splits_apart(sample: Sample) -> None:
    assert sample(Split.TUNING, 4) == sample(Split.TUNING, 4)
    people = {}
    for split in Split:
        cases = [sample(split, index) for index in range(60)]
        assert len({case.case_id for case in cases}) == len({case.seed for case in cases}) == 60
        people[split] = {case.person.seed for case in cases}
        assert {s.family for case in cases for s in case.spreads} <= set(PLUME_FAMILIES[split])
    assert not people[Split.TUNING] & people[Split.JUDGING]


def test_runs_have_frames_before_the_contrast_and_end_after_it_has_cleared() -> None:
    for index in range(60):
        case = sample_cine(Split.JUDGING, index)
        run = case.images[-1].cine
        assert run is not None
        assert case.images[-1].role is Role.CINE
        assert case.file_kind is not FileKind.DX
        assert run.injection.starts_s * 1000.0 >= 2 * run.frame_time_ms
        assert run.frames * run.frame_time_ms / 1000.0 > run.injection.ends_s + run.right_later_s + 3.0
        assert run.named_mask_frames * run.frame_time_ms / 1000.0 <= run.injection.starts_s


def test_vascular_flow_can_be_asked_for_with_the_rest_of_the_case_unchanged() -> None:
    drawn = [sample_cine(Split.JUDGING, index) for index in range(100)]
    assert 0.35 < np.mean([any(a.kind is AberrantKind.VASCULAR for a in case.aberrant) for case in drawn]) < 0.65
    for index in range(10):
        without, with_it = (sample_cine(Split.JUDGING, index, vascular) for vascular in (False, True))
        assert AberrantKind.VASCULAR not in {a.kind for a in without.aberrant}
        assert [a.kind for a in with_it.aberrant].count(AberrantKind.VASCULAR) == 1
        assert dataclasses.replace(with_it, aberrant=()) == dataclasses.replace(without, aberrant=())


@pytest.mark.parametrize("kind", list(AberrantKind))
def test_aberrant_flow_comes_from_a_needle_of_its_case(kind: AberrantKind) -> None:
    for index in range(20):
        case = sample_aberrant(Split.TUNING, index, kind)
        (flow,) = case.aberrant
        assert flow.kind is kind
        at_needle = {(p.side, p.level) for p in case.punctures}
        assert (flow.side, flow.level) in at_needle or flow.side not in {side for side, _ in at_needle}


def test_still_images_catch_vessels_in_about_six_of_ten() -> None:
    shares = [
        sample_aberrant(Split.JUDGING, index, AberrantKind.VASCULAR).aberrant[0].still_share for index in range(200)
    ]
    assert 0.5 < np.mean(np.array(shares) > 0) < 0.7


def test_clutter_holds_what_is_asked_for() -> None:
    for kind in ClutterKind:
        clutter = sample_clutter(Split.JUDGING, 1, kind).clutter
        assert clutter[0] is kind
        assert len(set(clutter)) == len(clutter) <= 3
    assert {kind for index in range(80) for kind in sample_clutter(Split.JUDGING, index).clutter} == set(ClutterKind)


@pytest.mark.parametrize(("numbering", "count"), [(Numbering.FOUR, 4), (Numbering.SIX, 6), (Numbering.TRANSITIONAL, 5)])
def test_odd_spines_are_built_as_named_and_never_determined(numbering: Numbering, count: int) -> None:
    case = sample_numbering(Split.TUNING, 2, numbering, ribs_in_view=True)
    person = build_person(case.person, grid_mm=3.0)
    assert (person.lumbar_count, person.transitional) == (count, numbering is Numbering.TRANSITIONAL)
    assert {"rib12.left", "rib12.right"} <= set(person.landmarks_mm)
    assert case.expected == "undetermined"
    for level in {p.level for p in case.punctures} | {level for s in case.spreads for level in s.covered}:
        assert f"{level.value}.junction.left" in person.landmarks_mm


def test_ribs_are_in_view_or_not() -> None:
    from fluorospread.simulation.scene import pose_carm

    for wanted in (True, False):
        case = sample_numbering(Split.TUNING, 5, Numbering.SIX, ribs_in_view=wanted)
        person = build_person(case.person, grid_mm=3.0)
        carm = pose_carm(case.view, case.images[0], person.landmarks_mm)
        rows = [carm.project(person.landmarks_mm[key])[0][0] for key in (f"{Level.T12}.center", "S1.center")]
        in_view = [0 <= row < carm.rows for row in rows]
        assert in_view == [wanted, True]
