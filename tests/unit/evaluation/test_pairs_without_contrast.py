"""Pairs without contrast: what is drawn, what is searched, what counts as false."""

from pathlib import Path

import pytest

from fluorospread.cli.app import run
from fluorospread.errors import MissingFileError
from fluorospread.evaluation.pairs_without_contrast import (
    evaluate_film_pairs_without_contrast,
    sample_pair_without_contrast,
    score_pair,
)
from fluorospread.model.case import Role
from fluorospread.pipeline.implant_case import implant_case
from fluorospread.simulation.cases import Split


@pytest.fixture
def films(tmp_path: Path, builders) -> tuple[Path, Path]:
    """A folder with one picture of bodies on soft tissue, and one with points on it."""
    image, points = builders.write_film(tmp_path / "films" / "film.png", tmp_path / "points" / "film.json")
    return image.parent, points.parent


@pytest.mark.parametrize("index", range(6))
def test_nothing_is_injected_between_two_images_of_a_pair(index):
    recipe = sample_pair_without_contrast(Split.JUDGING, index)
    earlier, later = recipe.images
    assert later.role is Role.POST
    assert not earlier.contrast
    assert not later.contrast
    assert not recipe.spreads
    assert not recipe.aberrant
    # The two images lie apart as those of an ordinary case do.
    assert earlier.shift_mm != later.shift_mm
    assert earlier.gas_shift_mm != later.gas_shift_mm
    # In every second pair the needle came in between.
    assert earlier.needles is (index % 2 == 0)
    assert later.needles
    assert bool(recipe.clutter) is (index % 3 != 0)


def test_a_film_and_itself_moved_hold_no_contrast_in_one_process_and_in_two(films):
    pictures, points = films
    told: list[str] = []
    with_needles = evaluate_film_pairs_without_contrast(pictures, points, range(2), report=told.append)
    assert told == [score.name for score in with_needles]
    assert evaluate_film_pairs_without_contrast(pictures, points, range(2), workers=2) == with_needles
    (moved,) = evaluate_film_pairs_without_contrast(pictures, None, range(1))
    assert [score.contents for score in with_needles] == [("needles",)] * 2
    assert [score.name for score in with_needles] == [
        "film-needle-post-empty-judging-0000", "film-pre-post-empty-judging-0001",
    ]  # fmt: skip
    assert moved.contents == ("no needle",)
    for score in (*with_needles, moved):
        assert not score.failure
        assert score.searched
        assert not score.found


def test_contrast_in_the_later_image_is_found_by_the_same_search(films, tmp_path):
    pictures, points = films
    case = implant_case(pictures / "film.png", points / "film.json", tmp_path / "out", Split.JUDGING, 1)
    folder = tmp_path / "out" / case.recipe.case_id
    score = score_pair(folder / "needle.dcm", folder / "post.dcm", "with contrast")
    true_mm2 = float(case.images[1].truth.contrast_mask.sum()) * 0.6**2
    assert score.found
    assert score.false_mm2 == pytest.approx(true_mm2, rel=0.4)


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match="holds no picture"):
        evaluate_film_pairs_without_contrast(tmp_path, None, range(1))


@pytest.mark.parametrize(
    "arguments", [["--pairs"], ["--pairs", "--simulate", "3"], ["somewhere", "--pairs", "--without-contrast", "3"]]
)
def test_pairs_are_asked_for_with_their_number_and_one_source(arguments, capsys):
    assert run(["evaluate", *arguments]) == 2
    assert "pairs" in capsys.readouterr().err
