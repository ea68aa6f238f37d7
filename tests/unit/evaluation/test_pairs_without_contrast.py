"""Pairs without contrast: what is drawn, what is searched, what counts as false."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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

CENTERS = {"L2": (90, 200), "L3": (150, 200), "L4": (210, 200), "L5": (270, 200)}
POINTS = {
    "vertebrae": {level: list(at) for level, at in CENTERS.items()},
    "junctions": {
        f"{level}_image_{side}": [CENTERS[level][0] - 10, 200 + sign * 40]
        for level in ("L3", "L4", "L5")
        for side, sign in (("left", -1), ("right", 1))
    },
    "body_width_px": {"L4": 80},
    "junction_quality": "good",
    "usable": True,
    "out_of_scope": "none",
}


@pytest.fixture
def films(tmp_path: Path) -> tuple[Path, Path]:
    """A folder with one picture of bodies on soft tissue, and one with points on it."""
    rng = np.random.default_rng(0)
    grey = 60.0 + 0.15 * np.arange(400.0)[:, None] + rng.normal(0.0, 2.0, (400, 400))
    for row, col in CENTERS.values():
        grey[row - 22 : row + 22, col - 38 : col + 38] += 60.0
        grey[row - 6 : row + 6, col - 60 : col + 60] += 15.0
    pictures, points = tmp_path / "films", tmp_path / "points"
    pictures.mkdir()
    points.mkdir()
    Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(pictures / "film.png")
    (points / "film.json").write_text(json.dumps(POINTS), encoding="utf-8")
    return pictures, points


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


def test_a_film_and_itself_moved_are_searched_and_hold_no_contrast(films):
    pictures, points = films
    with_needles = evaluate_film_pairs_without_contrast(pictures, points, range(2))
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
