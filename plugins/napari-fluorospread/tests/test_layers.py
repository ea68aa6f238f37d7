"""Findings become layers and come back unchanged; what a person changed comes back marked."""

from __future__ import annotations

from dataclasses import replace

import built_cases
import napari.layers
import numpy as np
import pytest

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import ContrastResult, Override, Role
from fluorospread.model.findings import Anchor, ContrastMethod, ContrastStatus, LevelStatus
from fluorospread.model.geometry import NO_SCALE, ColumnsTowards, Orientation, RowsTowards
from fluorospread.model.verdict import Outcome
from napari_fluorospread.draft_reading import Question, QuestionKind
from napari_fluorospread.finding_layers import LayerData
from napari_fluorospread.layers import case_to_layers, image_names, layers_to_case, tag_of
from napari_fluorospread.question_table import software_column


def layer_of(layers: list[LayerData], kind: str, image: int = 0) -> LayerData:
    for layer in layers:
        tag = tag_of(layer[1])
        if tag is not None and tag.kind == kind and tag.image == image:
            return layer
    raise AssertionError(f"no layer shows {kind}")


def through_napari(layers: list[LayerData]) -> list[LayerData]:
    """The layers as napari holds them, e.g. features as a data frame."""
    return [napari.layers.Layer.create(*layer).as_layer_data_tuple() for layer in layers]


def test_layers_to_case_undoes_case_to_layers() -> None:
    case, mask = built_cases.case(), built_cases.contrast_mask()
    back, mask_back = layers_to_case(case_to_layers(case, mask))
    assert back == case
    np.testing.assert_array_equal(mask_back, mask)


def test_the_inverse_holds_for_the_layers_that_napari_made_of_them() -> None:
    case, mask = built_cases.case(), built_cases.contrast_mask()
    back, mask_back = layers_to_case(through_napari(case_to_layers(case, mask)))
    assert back == case
    np.testing.assert_array_equal(mask_back, mask)


def test_the_inverse_holds_without_findings_and_without_contrast() -> None:
    empty = built_cases.image(
        Role.NEEDLE,
        levels=replace(
            built_cases.LEVELS, vertebrae=(), status=LevelStatus.INDETERMINATE, anchor=Anchor.NONE, reason="no sacrum"
        ),
        junctions=(),
        needles=(),
    )
    not_given = ContrastResult(ContrastStatus.NOT_GIVEN, ContrastMethod.NONE, "declared")
    case = built_cases.case(empty, contrast=not_given)
    assert layers_to_case(through_napari(case_to_layers(case))) == (case, None)


def test_several_images_keep_their_own_findings() -> None:
    pre = built_cases.image(Role.PRE, needles=(), geometry=NO_SCALE)
    lateral = built_cases.image(Role.LATERAL, levels=None, junctions=(), needles=())
    case = built_cases.case(built_cases.image(), pre, lateral)
    layers = case_to_layers(case, built_cases.contrast_mask())
    assert [layer[1]["name"] for layer in layers] == [
        "post: contrast",
        "post: levels",
        "post: junctions",
        "post: needle tips",
        "pre: levels",
        "pre: junctions",
        "pre: needle tips",
    ]
    assert [layer[1]["visible"] for layer in layers] == [True] * 4 + [False] * 3
    assert layers_to_case(layers)[0] == case


def test_a_repeated_role_is_numbered() -> None:
    case = built_cases.case(built_cases.image(Role.NEEDLE), built_cases.image(Role.NEEDLE), built_cases.image())
    assert image_names(case) == ("needle", "needle 2", "post")


def test_a_dragged_junction_is_a_persons_and_withdraws_the_verdict() -> None:
    case = built_cases.case()
    layers = through_napari(case_to_layers(case, built_cases.contrast_mask()))
    layer_of(layers, "junctions")[0][3] = (140.0, 130.0)
    edited, _ = layers_to_case(layers)
    moved = edited.images[0].junctions[3]
    assert (moved.level, moved.side, moved.point_px) == (Level.L5, Side.LEFT, (140.0, 130.0))
    assert moved.assigned_by == "person"
    assert edited.images[0].junctions[:3] == case.images[0].junctions[:3]
    assert edited.overrides == (Override("junctions: L5 left", "140.0,130.0"),)
    assert edited.verdict.outcome is Outcome.UNDETERMINED
    assert edited.coverage == ()
    assert edited.punctures == ()


def test_an_edited_case_survives_another_round_unchanged() -> None:
    layers = through_napari(case_to_layers(built_cases.case(), built_cases.contrast_mask()))
    layer_of(layers, "needle tips")[0][0] = (150.0, 131.0)
    edited, mask = layers_to_case(layers)
    assert edited.images[0].needles[0].tip_px == (150.0, 131.0)
    assert edited.overrides == (Override("needle tips: left", "150.0,131.0"),)
    again, mask_again = layers_to_case(case_to_layers(edited, mask))
    assert again == edited
    np.testing.assert_array_equal(mask_again, mask)


def test_renamed_levels_are_numbered_by_the_person() -> None:
    layers = case_to_layers(built_cases.case(), built_cases.contrast_mask())
    layer_of(layers, "levels")[1]["features"]["level"][:] = ["L2", "L3", "L4", "L5"]
    levels = layers_to_case(layers)[0].images[0].levels
    assert levels is not None
    assert levels.anchor is Anchor.GIVEN
    assert levels.alternatives == ()
    center = levels.vertebra(Level.L4)
    assert center is not None
    assert center.center_px == (150.0, 101.5)


def test_a_moved_body_keeps_what_numbered_the_spine() -> None:
    layers = case_to_layers(built_cases.case(), built_cases.contrast_mask())
    layer_of(layers, "levels")[0][0] = (61.0, 99.0)
    levels = layers_to_case(layers)[0].images[0].levels
    assert levels is not None
    assert levels.anchor is Anchor.SACRUM
    assert levels.vertebrae[0].center_px == (61.0, 99.0)


def test_painted_contrast_is_found_and_erased_contrast_is_not() -> None:
    layers = case_to_layers(built_cases.case(), built_cases.contrast_mask())
    painted = layer_of(layers, "contrast")[0]
    painted[10:20, 10:20] = 1
    edited, mask = layers_to_case(layers)
    assert mask is not None
    assert mask.sum() == 70 * 25 + 100
    assert edited.overrides == (Override("contrast", "painted"),)
    painted[:] = 0
    erased, none = layers_to_case(layers)
    assert none is None
    assert erased.contrast.status is ContrastStatus.NOT_FOUND
    assert "erased by a person" in erased.contrast.reason


def test_a_level_named_twice_is_refused() -> None:
    layers = case_to_layers(built_cases.case(), built_cases.contrast_mask())
    layer_of(layers, "levels")[1]["features"]["level"][0] = "L4"
    with pytest.raises(UsageError, match="named twice"):
        layers_to_case(layers)


def test_an_unknown_level_is_refused_by_name() -> None:
    layers = case_to_layers(built_cases.case(), built_cases.contrast_mask())
    layer_of(layers, "junctions")[1]["features"]["level"][0] = "C7"
    with pytest.raises(UsageError, match="'C7' is not a level"):
        layers_to_case(layers)


def test_layers_of_no_case_are_refused() -> None:
    with pytest.raises(UsageError, match=r"open a case\.json first"):
        layers_to_case([(np.zeros((3, 3)), {"name": "other"}, "image")])


def test_a_doubtful_level_wears_a_question_mark() -> None:
    doubtful = replace(built_cases.LEVELS, status=LevelStatus.UNCERTAIN, reason="sacrum cut off")
    layers = case_to_layers(built_cases.case(built_cases.image(levels=doubtful)), built_cases.contrast_mask())
    assert list(layer_of(layers, "levels")[1]["features"]["label"]) == ["L3?", "L4?", "L5?", "S1?"]
    # A junction is named after its vertebra, so its name is as doubtful.
    labels = layer_of(layers, "junctions")[1]["features"]["label"]
    assert [label.strip("\u00a0").split()[0] for label in labels] == ["L4?", "L4?", "L5?", "L5?"]


def test_what_one_image_alone_shows_is_provisional_and_states_no_coverage() -> None:
    case = built_cases.case()
    alone = replace(case, contrast=replace(case.contrast, method=ContrastMethod.SINGLE_IMAGE))
    labels = [
        layer_of(case_to_layers(each, built_cases.contrast_mask()), "junctions")[1]["features"]["label"]
        for each in (case, alone)
    ]
    assert [sum("L4 covered" in label and "?" not in label for label in of) for of in labels] == [1, 0]
    assert sum("L4 covered?" in label for label in labels[1]) == 2
    answer = software_column("Software", alone)[1]
    asked = [Question(QuestionKind.COVERED, side, Level.L4) for side in (Side.LEFT, Side.RIGHT)]
    assert [answer(question) for question in asked] == ["can't tell", "can't tell"]


def test_junction_discs_have_a_radius_of_two_standard_deviations() -> None:
    layers = case_to_layers(built_cases.case(), built_cases.contrast_mask())
    # 2 sd radius is 4 sd diameter; 2.0 px gives exactly the smallest visible marker of 8 px.
    assert layer_of(layers, "junctions")[1]["size"] == [10.0, 8.0, 9.0, 11.0]


def test_layers_lie_in_millimetres_where_every_image_has_a_scale() -> None:
    layers = case_to_layers(built_cases.case(), built_cases.contrast_mask())
    assert {layer[1]["scale"] for layer in layers} == {(0.8, 0.8)}
    assert {layer[1]["units"] for layer in layers} == {("mm", "mm")}


def test_one_image_without_a_scale_puts_the_whole_case_in_pixels() -> None:
    case = built_cases.case(built_cases.image(), built_cases.image(Role.PRE, geometry=NO_SCALE))
    layers = case_to_layers(case, built_cases.contrast_mask())
    assert {layer[1]["units"] for layer in layers} == {("pixel", "pixel")}
    assert {layer[1]["scale"] for layer in layers} == {(1.0, 1.0)}


def test_an_image_stored_upside_down_is_turned_and_not_mirrored() -> None:
    upside_down = Orientation(ColumnsTowards.PATIENT_RIGHT, RowsTowards.HEAD, "PatientOrientation")
    layers = case_to_layers(built_cases.case(built_cases.image(orientation=upside_down)), built_cases.contrast_mask())
    points = napari.layers.Layer.create(*layer_of(layers, "levels"))
    rows, cols = built_cases.SHAPE
    # L3 at (60.25, 100.5) lands, in mm, at the point opposite through the image's centre.
    expected = ((rows - 1 - 60.25) * 0.8, (cols - 1 - 100.5) * 0.8)
    np.testing.assert_allclose(points.data_to_world(points.data[0]), expected)
    determinant = np.linalg.det(points.affine.affine_matrix[:2, :2])
    assert determinant == pytest.approx(1.0)
