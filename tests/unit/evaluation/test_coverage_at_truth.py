"""Coverage at the true junctions depends on the contrast alone, never on what the labeller said."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from fluorospread.evaluation.coverage_at_truth import coverage_at_truth
from fluorospread.evaluation.truth_files import TrueCase, TrueImage
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import Role
from fluorospread.model.findings import ContrastMask, ContrastMethod, ContrastStatus
from fluorospread.model.geometry import ColumnsTowards, Geometry, GeometrySource
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import Outcome

SHAPE = (300, 200)
L4_LEFT, L5_LEFT = (100.0, 130.0), (160.0, 130.0)


def truth(coverage: dict[tuple[Level, Side], bool]) -> TrueCase:
    image = TrueImage(
        path="post.dcm",
        role=Role.POST,
        mm_per_px=0.5,
        columns_towards=ColumnsTowards.PATIENT_LEFT,
        centers={Level.L5: (160.0, 100.0), Level.L4: (100.0, 100.0)},
        in_view=(Level.L4, Level.L5),
        junctions={(Level.L4, Side.LEFT): L4_LEFT, (Level.L5, Side.LEFT): L5_LEFT},
        needles=(),
    )
    return TrueCase("a", "", True, (), Outcome.NOT_VERIFIED, {}, {}, coverage, (image,))


def verified(image: int | None = 0, path: str = "case/post.dcm") -> SimpleNamespace:
    """Contrast on L4 alone, 15 mm about its junction; the result's own labels are absent."""
    rows, cols = np.indices(SHAPE)
    mask = np.hypot(rows - L4_LEFT[0], cols - L4_LEFT[1]) < 30.0
    contrast = ContrastMask(
        ContrastStatus.FOUND, ContrastMethod.MASK_SUBTRACTION, mask=mask, detection_limit_mg_cm2=4.0
    )
    geometry = Geometry((0.5, 0.5), GeometrySource.GIVEN, 0.0)
    result = SimpleNamespace(contrast=SimpleNamespace(image=image), images=(SimpleNamespace(path=path),))
    return SimpleNamespace(result=result, contrast=contrast, radiographs=(SimpleNamespace(geometry=geometry),))


BOTH = {(Level.L4, Side.LEFT): True, (Level.L5, Side.LEFT): True}


def test_a_true_junction_inside_is_covered_and_one_far_outside_is_not() -> None:
    scores = {s.name: s for s in coverage_at_truth(verified(), truth(BOTH))}
    assert {name: score.said for name, score in scores.items()} == {"L4 left": Answer.YES, "L5 left": Answer.NO}
    assert not scores["L4 left"].wrong
    # The truth holds that L5 is covered, so the denial is an error of contrast.
    assert scores["L5 left"].wrong


def test_a_junction_whose_coverage_is_not_known_is_not_asked_for() -> None:
    scores = coverage_at_truth(verified(), truth({(Level.L4, Side.LEFT): True}))
    assert [score.name for score in scores] == ["L4 left"]


@pytest.mark.parametrize(("image", "path"), [(None, "case/post.dcm"), (0, "case/other.dcm")])
def test_without_a_measured_image_of_known_truth_nothing_is_scored(image: int | None, path: str) -> None:
    assert coverage_at_truth(verified(image, path), truth(BOTH)) == ()
