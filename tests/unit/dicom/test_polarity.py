"""Polarity: a person, then the sign, then what display means, then the content, each named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from fluorospread.dicom.polarity import content_score, settle_polarity
from fluorospread.errors import PolarityError, UsageError
from fluorospread.model.radiograph import PolaritySource


def header(**tags: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


def never() -> float:
    raise AssertionError("the content must not be asked")


@pytest.mark.parametrize(("sign", "bone_bright"), [(1, False), (-1, True)])
@pytest.mark.parametrize("displayed", [True, False])
def test_the_sign_alone_counts_where_it_stands(sign, bone_bright, displayed):
    polarity = settle_polarity(header(PixelIntensityRelationshipSign=sign, Modality="CR"), None, displayed, never)
    assert polarity.stored_bone_bright is bone_bright
    assert polarity.source is PolaritySource.TAG
    assert polarity.note == ""


def test_a_person_overrides_the_sign():
    polarity = settle_polarity(header(PixelIntensityRelationshipSign=1), "bone-bright", True, never)
    assert (polarity.stored_bone_bright, polarity.source) == (True, PolaritySource.GIVEN)


def test_linear_pixels_grow_with_intensity_by_definition():
    polarity = settle_polarity(header(PixelIntensityRelationship="LIN", Modality="XA"), None, True, lambda: -1.0)
    assert not polarity.stored_bone_bright
    assert "by definition" in polarity.note


@pytest.mark.parametrize(
    "tags", [{"Modality": "CR"}, {"Modality": "DX"}, {"Modality": "XA", "PresentationIntentType": "FOR PRESENTATION"}]
)
@pytest.mark.parametrize("displayed", [True, False])
def test_a_radiograph_shows_bone_bright_by_convention(tags, displayed):
    polarity = settle_polarity(header(**tags), None, displayed, lambda: 0.0)
    assert polarity.stored_bone_bright is displayed
    assert polarity.source is PolaritySource.PRESENTATION
    assert "--polarity" in polarity.note


def test_content_that_contradicts_the_convention_is_mentioned_not_followed():
    polarity = settle_polarity(header(Modality="CR"), None, True, lambda: -3.0)
    assert polarity.stored_bone_bright
    assert "other way round" in polarity.note


@pytest.mark.parametrize(
    "dataset", [None, header(Modality="XA"), header(Modality="RF", PixelIntensityRelationship="DISP")]
)
@pytest.mark.parametrize(("score", "bone_bright"), [(2.0, True), (-2.0, False)])
def test_fluoroscopy_and_pictures_are_judged_by_their_content(dataset, score, bone_bright):
    polarity = settle_polarity(dataset, None, False, lambda: score)
    assert polarity.stored_bone_bright is bone_bright
    assert polarity.source is PolaritySource.ASSUMED_FROM_CONTENT
    assert polarity.note


def test_content_that_says_nothing_leaves_bone_bright_as_displayed_and_says_so():
    polarity = settle_polarity(None, None, False, lambda: 0.1)
    assert not polarity.stored_bone_bright
    assert "the content neither" in polarity.note


@pytest.mark.parametrize("sign", [0, 2, -3])
def test_an_impossible_sign_is_refused(sign):
    with pytest.raises(PolarityError, match="--polarity"):
        settle_polarity(header(PixelIntensityRelationshipSign=sign), None, True, never)


def test_an_unknown_override_is_a_usage_error():
    with pytest.raises(UsageError, match="bone-dark"):
        settle_polarity(None, "inverted", True, never)


@pytest.mark.parametrize("bone_bright", [True, False])
def test_a_trunk_shows_its_polarity(builders, bone_bright):
    pixels = builders.trunk(bone_bright=bone_bright).astype(np.float32)
    score = content_score(pixels, np.ones(pixels.shape, bool))
    assert (score > 0) is bone_bright
    assert abs(score) > 0.4


def test_content_outside_the_field_does_not_count(builders):
    pixels = builders.trunk(bone_bright=True).astype(np.float32)
    field = np.zeros(pixels.shape, bool)
    field[40:216, 30:226] = True
    inside_only = content_score(pixels, field)
    pixels[~field] = 60_000
    assert content_score(pixels, field) == pytest.approx(inside_only)


def test_noise_and_blank_fields_score_nothing():
    noise = np.random.default_rng(2).normal(size=(256, 256)).astype(np.float32)
    assert abs(content_score(noise, np.ones(noise.shape, bool))) < 0.4
    assert content_score(np.ones((64, 64), np.float32), np.ones((64, 64), bool)) == 0.0
    assert content_score(noise, np.zeros(noise.shape, bool)) == 0.0
