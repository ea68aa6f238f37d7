"""The diagram of real films: every point of both is there, and the picture of none."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

from fluorospread.evaluation.film_diagram import film_diagram
from fluorospread.evaluation.match import LevelMatch
from fluorospread.evaluation.real_films import FilmOutcome, FilmScore
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.findings import Anchor, Junction, LevelLabels, LevelStatus, Vertebra
from fluorospread.pipeline.film_points import FilmTruth

TRUTH = FilmTruth(
    "film",
    {Level.L4: (100.0, 200.0), Level.L5: (200.0, 200.0)},
    {(Level.L5, Side.IMAGE_LEFT): (170.0, 140.0)},
    mm_per_px=0.5,
    junction_quality="good",
    in_scope=True,
)
RIGHT = FilmScore(
    "A<1>", True, LevelStatus.CONFIDENT, FilmOutcome.RIGHT, True, LevelMatch((Level.L4, Level.L5), (), (), (1.0, 1.0)),
    (0.5, 0.5), (1.0,), TRUTH,
    LevelLabels(LevelStatus.CONFIDENT, Anchor.SACRUM, (Vertebra(Level.L4, (101.0, 200.0), 0.9),)),
    (Junction(Level.L5, Side.IMAGE_LEFT, (171.0, 141.0), 0.9, 3.0),),
)  # fmt: skip


def words(drawing: bytes) -> str:
    return " ".join(ET.fromstring(drawing).itertext())


def test_each_film_has_its_names_and_outcome_and_no_picture() -> None:
    abstained = replace(RIGHT, name="second", outcome=FilmOutcome.ABSTAINED, names_right=False, in_scope=False)
    drawing = film_diagram([RIGHT, abstained])
    said = words(drawing)
    assert "A<1>" in said
    assert "confident, right" in said
    assert "second (out of scope)" in said
    assert "abstained, names wrong" in said
    assert said.count("L4") == 4  # the reader's and the found one, on two films
    assert "not for diagnosis" in said
    assert b"<image" not in drawing


def test_the_same_scores_give_the_same_bytes() -> None:
    assert film_diagram([RIGHT]) == film_diagram([RIGHT])
