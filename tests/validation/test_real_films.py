"""On real films the labeller may abstain; it may not be confidently wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluorospread.evaluation.real_films import FilmOutcome, FilmScore
from fluorospread.evaluation.run_evaluation import evaluate_films

FILMS = Path(__file__).parents[3] / "shared" / "data" / "radiographs"

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not FILMS.is_dir(), reason="needs the real films of ../shared/data, which are not here"),
]


def test_no_film_is_named_wrongly_with_confidence() -> None:
    scores = evaluate_films(FILMS, FILMS / "annotations")
    assert len(scores) == 16
    assert all(isinstance(score, FilmScore) for score in scores)
    assert [s.name for s in scores if isinstance(s, FilmScore) and s.outcome is FilmOutcome.WRONG] == []
