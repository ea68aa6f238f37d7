"""A reader's points beside what was found on a film."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fluorospread.errors import CaseFileError
from fluorospread.evaluation.real_films import FilmOutcome, score_film
from fluorospread.evaluation.run_evaluation import FilmFailure
from fluorospread.evaluation.tables import film_document
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseImage, Role
from fluorospread.model.findings import Anchor, Junction, LevelLabels, LevelStatus, Vertebra
from fluorospread.model.geometry import NO_SCALE, UNKNOWN_ORIENTATION
from fluorospread.model.radiograph import PolaritySource, Quantity
from fluorospread.pipeline.film_points import FilmTruth, read_film_truth

TRUTH = FilmTruth(
    "film",
    {Level.L4: (100.0, 200.0), Level.L5: (200.0, 200.0)},
    {(Level.L5, Side.IMAGE_LEFT): (170.0, 140.0)},
    mm_per_px=0.5,
    junction_quality="good",
    in_scope=True,
)


def film(
    status: LevelStatus, centers: dict[Level, tuple[float, float]], junctions: tuple[Junction, ...] = ()
) -> CaseImage:
    reason = "" if status is LevelStatus.CONFIDENT else "for the test"
    vertebrae = tuple(Vertebra(level, point, 0.9) for level, point in centers.items())
    return CaseImage(
        path="film.png",
        sha256="0" * 64,
        role=Role.NEEDLE,
        role_source="given",
        rows=300,
        cols=400,
        frames=1,
        sop_instance_uid="",
        geometry=NO_SCALE,
        orientation=UNKNOWN_ORIENTATION,
        quantity=Quantity.RELATIVE,
        polarity_source=PolaritySource.GIVEN,
        levels=LevelLabels(status, Anchor.SACRUM, vertebrae, reason=reason),
        junctions=junctions,
    )


RIGHT = {Level.L4: (100.0, 200.0), Level.L5: (200.0, 200.0)}
SLIPPED = {Level.L3: (100.0, 200.0), Level.L4: (200.0, 200.0)}


@pytest.mark.parametrize(
    ("status", "centers", "outcome"),
    [
        (LevelStatus.CONFIDENT, RIGHT, FilmOutcome.RIGHT),
        (LevelStatus.CONFIDENT, SLIPPED, FilmOutcome.WRONG),
        (LevelStatus.CONFIDENT, {Level.L4: (100.0, 200.0)}, FilmOutcome.WRONG),
        (LevelStatus.UNCERTAIN, SLIPPED, FilmOutcome.ABSTAINED),
        (LevelStatus.UNCERTAIN, RIGHT, FilmOutcome.ABSTAINED),
    ],
)
def test_a_film_is_right_only_when_every_marked_level_is_named_with_confidence(
    status: LevelStatus, centers: dict[Level, tuple[float, float]], outcome: FilmOutcome
) -> None:
    assert score_film(film(status, centers), TRUTH).outcome is outcome


def test_junction_errors_are_in_mm_on_the_side_of_the_image() -> None:
    found = (
        Junction(Level.L5, Side.IMAGE_LEFT, (173.0, 144.0), 0.9, 2.0),
        Junction(Level.L5, Side.IMAGE_RIGHT, (170.0, 260.0), 0.9, 2.0),
    )
    assert score_film(film(LevelStatus.CONFIDENT, RIGHT, found), TRUTH).junction_errors_mm == pytest.approx((2.5,))


def test_junctions_of_a_misnamed_level_are_not_scored() -> None:
    found = (Junction(Level.L4, Side.IMAGE_LEFT, (173.0, 144.0), 0.9, 2.0),)
    assert score_film(film(LevelStatus.CONFIDENT, SLIPPED, found), TRUTH).junction_errors_mm == ()


def test_the_document_of_films_is_plain_json_with_the_readers_own_names() -> None:
    scores = (score_film(film(LevelStatus.CONFIDENT, RIGHT), TRUTH), FilmFailure("broken", "it is empty"))
    scored, failed = json.loads(json.dumps(film_document(scores)))["films"]
    assert scored["outcome"] == FilmOutcome.RIGHT.value
    assert scored["truth"]["junctions"] == {"L5_image_left": [170.0, 140.0]}
    assert failed == {"name": "broken", "reason": "it is empty"}


def test_the_scale_comes_from_the_width_of_l4(tmp_path: Path) -> None:
    path = tmp_path / "A1.json"
    path.write_text(
        json.dumps(
            {
                "vertebrae": {"L4": [1, 2], "L5": [3, 4], "S1": None},
                "junctions": {"L5_image_left": [5, 6], "L5_image_right": None},
                "body_width_px": {"L4": 96},
                "junction_quality": "poor",
                "usable": True,
                "out_of_scope": "child",
            }
        )
    )
    truth = read_film_truth(path)
    assert truth.mm_per_px == pytest.approx(0.5)
    assert truth.junctions == {(Level.L5, Side.IMAGE_LEFT): (5.0, 6.0)}
    assert not truth.in_scope
    assert not truth.junctions_scored


def test_a_file_that_is_no_annotation_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "A1.json"
    path.write_text("[]")
    with pytest.raises(CaseFileError, match=r"A1\.json is not a reader's annotation"):
        read_film_truth(path)
