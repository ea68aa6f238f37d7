"""Images without contrast: what is drawn, what counts as false, and how it is counted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fluorospread.errors import CaseError, MissingFileError
from fluorospread.evaluation import without_contrast
from fluorospread.evaluation.without_contrast import (
    FalseContrastScore,
    evaluate_pictures_without_contrast,
    false_contrast_document,
    false_contrast_rates,
    sample_without_contrast,
    score_people,
    score_picture,
)
from fluorospread.landmarks.contrast_map import CONTRAST_CELLS, ContrastMap
from fluorospread.landmarks.network import Region
from fluorospread.model.anatomy import Level
from fluorospread.model.case import Role
from fluorospread.model.findings import Anchor, LevelLabels, LevelStatus, Vertebra
from fluorospread.simulation.cases import Split


@pytest.mark.parametrize("index", range(9))
def test_every_image_is_one_after_contrast_into_which_nothing_was_injected(index):
    recipe = sample_without_contrast(Split.JUDGING, index)
    (image,) = recipe.images
    assert image.role is Role.POST
    assert not image.contrast
    assert not recipe.spreads
    assert not recipe.aberrant
    assert bool(recipe.clutter) is (index % 3 != 0)


def test_three_views_share_a_person_and_splits_share_none():
    people = [sample_without_contrast(Split.JUDGING, index).person for index in range(6)]
    assert people[0] == people[1] == people[2] != people[3] == people[5]
    assert sample_without_contrast(Split.TUNING, 0).person.seed % 2 == 0
    assert people[0].seed % 2 == 1


SCORES = (
    FalseContrastScore("a", ("clips",), found=True, false_mm2=90.0, searched=True),
    FalseContrastScore("b", ("clips", "stool"), searched=True),
    FalseContrastScore("c"),
    FalseContrastScore("d", failure="d.png is truncated"),
)


def test_broken_images_count_in_no_rate_and_unsearched_ones_only_in_the_first():
    rates = false_contrast_rates(SCORES)
    counted = {name: (rate.count, rate.of) for name, rate in rates.items()}
    assert counted == {
        "images with false contrast": (1, 3),
        "of those searched for contrast": (1, 2),
        "with clips": (1, 2),
        "with stool": (0, 1),
    }


def test_none_in_three_hundred_is_at_most_one_in_eighty_two():
    rate = false_contrast_rates([FalseContrastScore(str(i), searched=True) for i in range(300)])
    interval = rate["images with false contrast"].interval
    # 1 - 0.025 ** (1 / 300), Clopper and Pearson 1934.
    assert interval.high == pytest.approx(0.01222, abs=1e-5)


def test_the_document_keeps_every_image():
    document = false_contrast_document(SCORES, simulated=False)
    assert document["simulated"] is False
    assert [image["name"] for image in document["images"]] == ["a", "b", "c", "d"]


def test_a_folder_without_pictures_is_refused(tmp_path: Path):
    with pytest.raises(MissingFileError, match="holds no picture"):
        evaluate_pictures_without_contrast(tmp_path)


def test_pictures_of_one_name_are_refused(tmp_path: Path):
    for name in ("a 1.png", "A_1.dcm"):
        (tmp_path / name).touch()
    with pytest.raises(CaseError, match=r"A_1\.dcm and a 1\.png .* have one name"):
        evaluate_pictures_without_contrast(tmp_path)


def test_a_person_is_built_once_and_scores_come_in_the_order_asked(monkeypatch, tmp_path: Path):
    built, written, told = [], [], []
    monkeypatch.setattr(without_contrast, "build_person", lambda person: built.append(person) or person)
    monkeypatch.setattr(
        without_contrast, "write_simulated_case", lambda recipe, folder, anatomy: written.append((folder, anatomy))
    )

    def draw(number):
        return sample_without_contrast(Split.JUDGING, number)

    def score(recipe, folder):
        return FalseContrastScore(recipe.case_id, reason=folder.name)

    kept = tmp_path / draw(4).case_id
    kept.mkdir()
    (kept / "post.dcm").touch()
    scores = score_people(draw, score, (2, 4, 0, 3), 1, tmp_path, told.append)
    assert [each.name for each in scores] == [draw(number).case_id for number in (2, 4, 0, 3)]
    assert all(each.reason == each.name for each in scores)
    # Numbers 0-2 are one person, 3-5 the next.
    assert built == [draw(0).person, draw(3).person]
    assert told == [draw(number).case_id for number in (2, 0, 4, 3)]
    # What is there already is not rendered again.
    assert written == [(tmp_path / draw(number).case_id, draw(number).person) for number in (2, 0, 3)]


def labels(*names: Level, status: LevelStatus = LevelStatus.CONFIDENT) -> LevelLabels:
    centers = {Level.L3: (150.0, 200.0), Level.L4: (210.0, 200.0), Level.L5: (270.0, 200.0)}
    reason = "" if status is LevelStatus.CONFIDENT else "by design"
    return LevelLabels(status, Anchor.SACRUM, tuple(Vertebra(n, centers[n], 1.0) for n in names), reason=reason)


@pytest.fixture
def looked(monkeypatch):
    """Runs `score_picture` with levels given and no junctions; also what the network is shown and says."""
    shown: list[object] = []
    probability = np.zeros((CONTRAST_CELLS, CONTRAST_CELLS), np.float32)

    def look(image, field, centre_px, side_px):
        shown.append(centre_px)
        return ContrastMap(Region(centre_px, side_px), probability)

    def run(picture: Path, levels: LevelLabels | None) -> FalseContrastScore:
        monkeypatch.setattr(
            "fluorospread.pipeline.verify_case.look_for_levels",
            lambda look, given, settings: replace(look, levels=levels),
        )
        monkeypatch.setattr("fluorospread.steps.segment_single_image.look_for_contrast", look)
        return score_picture(picture, "film")

    return run, shown, probability


@pytest.mark.parametrize(
    ("levels", "searched"),
    [
        (labels(Level.L4, Level.L5), True),
        (labels(Level.L4, Level.L5, status=LevelStatus.UNCERTAIN), True),
        (labels(Level.L4, Level.L5, status=LevelStatus.INDETERMINATE), False),
        (labels(Level.L3, Level.L4), False),
        (None, False),
    ],
)
def test_an_image_counts_as_searched_exactly_where_the_network_was_shown_it(
    looked, builders, tmp_path, levels, searched
):
    run, shown, _ = looked
    picture, _ = builders.write_film(tmp_path / "film.png", tmp_path / "film.json")
    score = run(picture, levels)
    assert not score.failure
    assert not score.found
    assert score.searched is searched
    assert bool(shown) is searched


def test_false_contrast_without_a_scale_has_no_area(looked, builders, tmp_path):
    run, _, probability = looked
    probability[20:60, 20:60] = 0.99
    picture, _ = builders.write_film(tmp_path / "film.png", tmp_path / "film.json")
    score = run(picture, labels(Level.L4, Level.L5))
    assert score.found
    assert score.searched
    assert score.false_mm2 is None
