"""Images without contrast: what is drawn, what counts as false, and how it is counted."""

from pathlib import Path

import pytest

from fluorospread.errors import MissingFileError
from fluorospread.evaluation.without_contrast import (
    FalseContrastScore,
    evaluate_pictures_without_contrast,
    false_contrast_document,
    false_contrast_rates,
    sample_without_contrast,
)
from fluorospread.model.case import Role
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
