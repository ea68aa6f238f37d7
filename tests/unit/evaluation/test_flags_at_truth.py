"""Flags beside where contrast truly went, and truth moved with the body to the frame that was measured."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from fluorospread.evaluation.flags_at_truth import flags_at_truth
from fluorospread.evaluation.metrics import CaseScore, summarise
from fluorospread.evaluation.truth_files import TrueCase, TrueImage, TrueRun
from fluorospread.model.anatomy import Level
from fluorospread.model.case import Role
from fluorospread.model.findings import ContrastMethod
from fluorospread.model.geometry import ColumnsTowards
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import Flag, Outcome

SHAPE = (300, 200)
CENTERS = {Level.L2: (40.0, 100.0), Level.L3: (100.0, 100.0), Level.L5: (220.0, 100.0), Level.S1: (280.0, 100.0)}


def mask(first: int, last: int, width: int = 20) -> np.ndarray:
    found = np.zeros(SHAPE, dtype=bool)
    found[first:last, 40 : 40 + width] = True
    return found


def truth(contrast: np.ndarray, aberrant: frozenset[str] = frozenset(), run: TrueRun | None = None) -> TrueCase:
    image = TrueImage(
        "cine.dcm", Role.CINE, 0.5, ColumnsTowards.PATIENT_LEFT, CENTERS, tuple(CENTERS), {}, (), contrast, run
    )
    return TrueCase("a", "", True, (), Outcome.NOT_VERIFIED, {}, {}, {}, (image,), aberrant=aberrant)


def verified(*codes: str, method: ContrastMethod = ContrastMethod.CINE, image: int | None = 0) -> SimpleNamespace:
    result = SimpleNamespace(
        contrast=SimpleNamespace(image=image, method=method),
        images=(SimpleNamespace(path="case/cine.dcm", frame=0),),
        flags=tuple(Flag(code, "") for code in codes),
    )
    return SimpleNamespace(result=result)


def said(scores) -> dict[str, tuple[str, str]]:
    return {score.name: (score.said.value, score.true.value) for score in scores}


def test_each_kind_is_compared_with_what_went_astray():
    case = truth(mask(120, 200), frozenset({"vascular", "foraminal"}))
    found = said(flags_at_truth(verified("vascular-uptake-suspected", "intra-articular-contrast-suspected"), case))
    assert found["vascular in a run"] == ("yes", "yes")
    assert found["epidural or foraminal"] == ("no", "yes")
    assert found["intra-articular"] == ("yes", "no")
    still = said(flags_at_truth(verified(method=ContrastMethod.MASK_SUBTRACTION), case))
    assert still["vascular in a still"] == ("no", "yes")


@pytest.mark.parametrize(
    ("first", "last", "width", "cranial"),
    [
        # The border between L2 and L3 runs at row 70; pixels of 0.25 mm²: 10 rows of 20 are 50 mm², of 8 are 20, of
        # 1 are 2.5.
        (60, 200, 20, "yes"),
        (60, 200, 8, None),
        (60, 70, 1, "no"),
        (80, 200, 20, "no"),
    ],
)
def test_contrast_beyond_l3_counts_from_a_certain_area_on(first, last, width, cranial):
    found = said(flags_at_truth(verified(), truth(mask(first, last, width))))
    assert found.get("cranial beyond L3", (None, None))[1] == cranial


def test_below_s1_begins_as_far_below_it_as_l5s_border_lies_above():
    # S1 at row 280, L5 at 220: the border lies at 310, out of the image, so nothing is below.
    assert said(flags_at_truth(verified(), truth(mask(250, 300))))["caudal beyond S1"][1] == "no"


def test_without_a_measured_image_nothing_is_scored():
    assert flags_at_truth(verified(image=None), truth(mask(120, 200))) == ()


def test_a_runs_truth_is_that_of_the_nearer_frame_moved_with_the_body():
    run = TrueRun(10, 40, mask(100, 150), tuple((0.1 * frame, 0.0) for frame in range(41)))
    image = truth(mask(100, 200), run=run).images[0]
    # Frame 35 is nearer to the last, 40, and lies half a pixel above it; frame 0 one pixel above the peak, 10.
    assert np.array_equal(image.mask_at(40), mask(100, 150))
    assert np.array_equal(image.mask_at(0), mask(99, 199))
    assert np.array_equal(image.mask_at(20), mask(101, 201))


def test_rates_count_what_is_found_where_it_is_and_spared_where_it_is_not():
    there = truth(mask(120, 200), frozenset({"vascular"}))
    cases = [(there, True), (there, False), (truth(mask(120, 200)), False)]
    scores = [
        CaseScore(
            "a",
            Outcome.VERIFIED,
            flags=flags_at_truth(verified(*(["vascular-uptake-suspected"] if found else [])), case),
        )
        for case, found in cases
    ]
    (rates,) = [own for own in summarise(scores).flags if own.kind == "vascular in a run"]
    assert (rates.found.count, rates.found.of) == (1, 2)
    assert (rates.spared.count, rates.spared.of) == (1, 1)
    assert all(flag.said is not Answer.UNDETERMINED for score in scores for flag in score.flags)
