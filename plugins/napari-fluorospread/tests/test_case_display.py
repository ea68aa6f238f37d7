"""A case on the screen: findings only when revealed, one image at a time, marks in stored pixels."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import built_cases
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from fluorospread.model.anatomy import Level
from fluorospread.model.case import Role
from fluorospread.model.radiograph import ArrayFrames
from fluorospread.pipeline.edit_case import FindingKind, FindingPlace, move_finding, renumber_levels
from fluorospread.pipeline.subtraction_view import SubtractionView
from napari_fluorospread.case_display import CaseDisplay, View
from napari_fluorospread.layers import case_to_layers
from napari_fluorospread.open_case import OpenedCase, open_case


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def opened(tmp_path: Path) -> OpenedCase:
    """A case with two images that happen to be the same file."""
    first = open_case(built_cases.write_case(tmp_path, "P1-01"))
    (image,) = first.case.images
    case = built_cases.case(image, built_cases.image(Role.PRE, needles=()), contrast=first.case.contrast)
    return OpenedCase(first.path, case, first.radiographs * 2, first.contrast_mask)


def visible(viewer: ViewerModel) -> list[str]:
    return [layer.name for layer in viewer.layers if layer.visible]


def test_a_blind_case_shows_its_image_and_nothing_that_was_found(viewer: ViewerModel, opened: OpenedCase) -> None:
    CaseDisplay(viewer).show(opened, with_findings=False)
    assert visible(viewer) == ["post", "post: patient sides"]
    assert not any("levels" in layer.name for layer in viewer.layers)


def test_findings_are_revealed_hidden_and_follow_the_image(viewer: ViewerModel, opened: OpenedCase) -> None:
    display = CaseDisplay(viewer)
    display.show(opened, with_findings=True)
    findings = ["post: contrast", "post: levels", "post: junctions", "post: needle tips"]
    assert visible(viewer) == ["post", "post: patient sides", *findings]
    display.toggle_findings()
    assert visible(viewer) == ["post", "post: patient sides"]
    display.toggle_findings()
    assert display.next_image() == "pre"
    assert visible(viewer) == ["pre", "pre: patient sides", "pre: levels", "pre: junctions", "pre: needle tips"]


def test_contrast_is_drawn_as_an_outline(viewer: ViewerModel, opened: OpenedCase) -> None:
    CaseDisplay(viewer).show(opened, with_findings=True)
    assert viewer.layers["post: contrast"].contour > 0


def test_a_case_replaces_the_one_before_and_leaves_other_layers(viewer: ViewerModel, opened: OpenedCase) -> None:
    viewer.add_image(np.zeros((5, 5)), name="mine")
    display = CaseDisplay(viewer)
    display.show(opened, with_findings=True)
    display.show(opened, with_findings=False)
    assert [layer.name for layer in viewer.layers][:5] == [
        "mine",
        "post",
        "pre",
        "post: patient sides",
        "pre: patient sides",
    ]
    # What showed findings stays for those of the next case, empty and hidden.
    spare = viewer.layers[5:]
    assert len(spare) == 7
    assert not any(layer.visible or np.asarray(layer.data).any() for layer in spare)
    display.clear()
    assert [layer.name for layer in viewer.layers] == ["mine"]


def test_windows_change_the_grey_scale_of_the_image_shown(viewer: ViewerModel, opened: OpenedCase) -> None:
    display = CaseDisplay(viewer)
    display.show(opened, with_findings=False)
    before = viewer.layers["post"].contrast_limits
    assert display.next_window() == "contrast"
    assert viewer.layers["post"].contrast_limits[0] > before[0]
    assert display.next_window() == "whole range"
    pixels = opened.radiographs[0].pixels(0)
    assert viewer.layers["post"].contrast_limits == pytest.approx([pixels.min(), pixels.max()])


def test_a_click_is_taken_in_stored_pixels_of_the_image_the_verdict_rests_on(viewer, opened: OpenedCase) -> None:
    display = CaseDisplay(viewer)
    display.show(opened, with_findings=False)
    display.next_image()
    taken: list[tuple[float, float]] = []
    display.pick(taken.append)
    display.pick(taken.append)
    assert visible(viewer)[0] == "post"
    (waiting,) = [f for f in viewer.mouse_drag_callbacks if f.__qualname__.startswith("PointPicker")]
    waiting(viewer, SimpleNamespace(position=(40.0, 80.0)))
    assert taken == [(pytest.approx(50.0), pytest.approx(100.0))]
    assert waiting not in viewer.mouse_drag_callbacks
    display.show_marks({"left L5": taken[0]})
    display.show_marks({"left L5": (60.0, 90.0)})
    np.testing.assert_allclose(viewer.layers["post: your marks"].data, [(60.0, 90.0)])


def test_findings_put_there_by_opening_the_result_are_noticed(viewer: ViewerModel, opened: OpenedCase) -> None:
    display = CaseDisplay(viewer)
    assert not display.shows_findings_of("P1-01")
    for data in case_to_layers(opened.case, opened.contrast_mask):
        viewer.add_layer(Layer.create(*data))
    assert display.shows_findings_of("P1-01")
    assert not display.shows_findings_of("P1-02")


def test_a_subtraction_takes_the_place_of_its_image_under_the_findings(viewer: ViewerModel, opened: OpenedCase) -> None:
    display = CaseDisplay(viewer)
    display.show(opened, with_findings=True)
    display.look_at(View.SUBTRACTION)
    assert "post" in visible(viewer)
    change = np.zeros(built_cases.SHAPE, dtype=np.float32)
    change[100:140, 60:90] = 1.0
    inside = np.ones(built_cases.SHAPE, dtype=bool)
    display.add_subtraction(SubtractionView(0, 1, ArrayFrames(change[None]), change, inside))
    assert display.has_subtraction
    assert "post: subtraction" not in visible(viewer)
    display.look_at(View.SUBTRACTION)
    assert visible(viewer)[0] == "post: subtraction"
    assert "post" not in visible(viewer)
    assert "post: levels" in visible(viewer)
    assert display.next_window() == "faint contrast"
    display.look_at(View.BEFORE)
    assert visible(viewer)[0] == "pre: before contrast, aligned"
    display.look_at(View.IMAGE)
    assert visible(viewer)[0] == "post"
    # Pictures lie below the findings, although this one was added last.
    names = [layer.name for layer in viewer.layers]
    assert names.index("post: subtraction") < names.index("post: contrast")


def test_changed_findings_replace_the_former_ones_in_place(viewer: ViewerModel, opened: OpenedCase) -> None:
    display = CaseDisplay(viewer)
    display.show(opened, with_findings=True)
    layer = viewer.layers["post: junctions"]
    moved = move_finding(opened.case, FindingPlace(0, FindingKind.JUNCTION, 0), (90.0, 70.0))
    display.update_findings(moved, opened.contrast_mask)
    assert viewer.layers["post: junctions"] is layer
    np.testing.assert_allclose(layer.data[0], (90.0, 70.0))
    assert str(layer.symbol[0]) == "square"
    # A vertebra dropped by renumbering leaves one point fewer.
    shorter = renumber_levels(moved, 0, 2, Level.S1)
    display.update_findings(shorter, None)
    assert len(viewer.layers["post: levels"].data) == 3
    assert not viewer.layers["post: contrast"].data.any()
