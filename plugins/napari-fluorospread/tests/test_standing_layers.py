"""Layers that stay from case to case look like new ones, and keep nothing of the case before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import built_cases
import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseResult, Role
from fluorospread.model.findings import Junction
from fluorospread.model.geometry import ColumnsTowards, Geometry, GeometrySource, Orientation, RowsTowards
from fluorospread.model.spread import Measured, Pool
from napari_fluorospread.case_display import CaseDisplay, image_part
from napari_fluorospread.finding_layers import LayerData
from napari_fluorospread.layers import METADATA_KEY, LayerTag, case_to_layers, empty_findings, tag_of
from napari_fluorospread.open_case import OpenedCase, open_case
from napari_fluorospread.standing_layers import StandingLayers

TURNED = Orientation(ColumnsTowards.PATIENT_LEFT, RowsTowards.HEAD, "PatientOrientation")


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def opened(tmp_path: Path) -> OpenedCase:
    return open_case(built_cases.write_case(tmp_path, "P1-01"))


def pool(side: Side, column: float, length: float) -> Pool:
    outline = ((90.0, column), (160.0, column), (160.0, column + 20.0), (90.0, column + 20.0))
    return Pool(side, 1400.0, (125.0, column + 10.0), outline_px=(outline,), craniocaudal_mm=Measured(length, 2.0))


def other_case(opened: OpenedCase, **changes: object) -> CaseResult:
    """One junction more, moved by a person, one needle fewer, other sizes; two pools."""
    added = Junction(Level.L3, Side.LEFT, (55.0, 130.0), 0.7, 4.0, assigned_by="person")
    junctions = tuple(replace(j, uncertainty_px=j.uncertainty_px + 1.0) for j in built_cases.JUNCTIONS)
    fields: dict[str, object] = {"junctions": (*junctions, added), "needles": built_cases.NEEDLES[:1], **changes}
    image = built_cases.image(sha256=opened.case.images[0].sha256, **fields)
    pools = (pool(Side.LEFT, 115.0, 56.0), pool(Side.RIGHT, 60.0, 40.0))
    return built_cases.case(image, contrast=replace(opened.case.contrast, pools=pools))


def looks(layer: Any) -> dict[str, Any]:
    """All that napari would save of a layer, and what it shows; selections for points to come left out."""
    data, state, kind = layer.as_layer_data_tuple()
    state = {name: value for name, value in state.items() if not name.startswith("feature_defaults")}
    state["features"] = pd.DataFrame(state.pop("features", {})).to_dict("list")
    state["affine"] = np.asarray(layer.affine)
    state["text"] = [layer.text.size, *map(str, layer.text.values)] if "text" in state else None
    for name in ("properties", "property_choices", "metadata", "units", "face_color_cycle", "border_color_cycle"):
        state.pop(name, None)
    return {"data": data, "kind": kind, **state}


def assert_same_looks(filled: Any, fresh: Any) -> None:
    now, wanted = looks(filled), looks(fresh)
    assert now.keys() == wanted.keys()
    for name, value in wanted.items():
        if name == "colormap":
            assert filled.colormap.name == fresh.colormap.name
        else:
            np.testing.assert_equal(now[name], value, err_msg=f"{fresh.name}: {name}")


def fresh_layers(layers: list[LayerData]) -> dict[str, Any]:
    made = {}
    for layer in layers:
        added = Layer.create(*layer)
        added.editable = layer[1]["name"].endswith("contrast")
        if added.editable:
            added.contour, added.opacity = 2, 1.0
        made[added.name] = added
    return made


@pytest.mark.parametrize("orientation", [built_cases.UPRIGHT, TURNED, Orientation(None, RowsTowards.FEET, "")])
def test_a_layer_filled_anew_looks_like_one_made_for_the_case(
    viewer: ViewerModel, opened: OpenedCase, orientation: Orientation
) -> None:
    display = CaseDisplay(viewer)
    display.show(opened, with_findings=True)
    before = {layer.name: layer for layer in viewer.layers}
    viewer.layers["post"].gamma = 0.5
    other = replace(opened, case=other_case(opened, orientation=orientation), contrast_mask=None)
    for case in (other, opened, other):
        display.show(case, with_findings=True)
    assert all(viewer.layers[name] is layer for name, layer in before.items())
    wanted = fresh_layers(image_part(other) + case_to_layers(other.case, None))
    assert {layer.name for layer in viewer.layers} == set(wanted)
    for name, fresh in wanted.items():
        assert_same_looks(viewer.layers[name], fresh)
    # And back from no points at all.
    for with_findings in (False, True):
        display.show(other, with_findings=with_findings)
    for name, fresh in wanted.items():
        assert_same_looks(viewer.layers[name], fresh)


def test_nothing_of_a_former_case_stays_in_an_empty_layer(viewer: ViewerModel, opened: OpenedCase) -> None:
    display = CaseDisplay(viewer)
    shown = replace(opened, case=other_case(opened))
    display.show(shown, with_findings=True)
    display.show_marks({"left L5": (60.0, 90.0)})
    display.show(opened, with_findings=False)
    spare = [layer for layer in viewer.layers if layer.name.startswith("(not in use)")]
    assert len(spare) == 6
    for layer in spare:
        assert not layer.visible
        assert tag_of({"metadata": layer.metadata}) is None
        assert not np.asarray(layer.data).any()
        assert np.asarray(layer.data).size <= 1
        assert not len(getattr(layer, "features", ())) or layer.features.empty
        # What is drawn of points is taken from this view of them.
        assert not len(getattr(layer, "_view_indices", ()))


def test_layers_made_ready_are_empty_and_used_when_the_case_is_revealed(
    viewer: ViewerModel, opened: OpenedCase
) -> None:
    display = CaseDisplay(viewer)
    case = other_case(opened)
    shown = replace(opened, case=case)
    display.show(shown, with_findings=False)
    assert list(display.make_ready(shown, image_part(shown))) == [None] * 5
    assert viewer.layers.selection.active is viewer.layers["post"]
    ready = viewer.layers[2:]
    assert not any(layer.visible or np.asarray(layer.data).any() for layer in ready)
    assert not display.shows_findings_of(case.case_id)
    display.reveal()
    assert all(layer.name.startswith("post: ") and layer.visible for layer in ready)
    assert len(viewer.layers) == 7
    assert list(display.make_ready(shown, image_part(shown))) == []
    for name, fresh in fresh_layers(case_to_layers(case, opened.contrast_mask)).items():
        assert_same_looks(viewer.layers[name], fresh)


def test_empty_findings_hold_no_point_no_line_and_no_pixel_of_contrast(opened: OpenedCase) -> None:
    layers = empty_findings(other_case(opened))
    assert [state["name"].removeprefix("post: ") for _, state, _ in layers] == [
        "contrast",
        "spread",
        "levels",
        "junctions",
        "needle tips",
    ]
    assert not any(np.asarray(data).any() for data, _, _ in layers)


def test_a_case_without_millimetres_takes_layers_of_its_own(viewer: ViewerModel, opened: OpenedCase) -> None:
    """One viewer has one unit: a layer in mm beside one in pixels would make napari warn, and draw both wrong."""
    display = CaseDisplay(viewer)
    display.show(opened, with_findings=True)
    unscaled = Geometry(None, GeometrySource.NONE, None, None)
    display.show(replace(opened, case=other_case(opened, geometry=unscaled)), with_findings=False)
    assert {str(unit) for layer in viewer.layers for unit in layer.units} == {"pixel"}
    assert viewer.layers.extent.units is not None


def test_nothing_is_made_ready_that_could_not_stay(viewer: ViewerModel, opened: OpenedCase) -> None:
    """A run's layer brings a slider; one in pixels beside those in mm makes napari warn."""
    display = CaseDisplay(viewer)
    display.show(opened, with_findings=False)
    unscaled = built_cases.image(Role.POST, geometry=Geometry(None, GeometrySource.NONE, None, None))
    assert list(display.make_ready(replace(opened, case=built_cases.case(unscaled)), [])) == []
    data, state, kind = image_part(opened)[0]
    run = {**state, "scale": (1.0, *state["scale"]), "affine": np.eye(4), "units": ("pixel", *state["units"])}
    run["metadata"] = {METADATA_KEY: LayerTag("image", 1)}
    assert list(display.make_ready(replace(opened, case=built_cases.case()), [(data[None], run, kind)])) == [None] * 5
    assert viewer.dims.ndim == 2


def test_a_layer_that_somebody_deleted_is_made_anew(viewer: ViewerModel, opened: OpenedCase) -> None:
    display = CaseDisplay(viewer)
    display.show(opened, with_findings=True)
    viewer.layers.remove("post: junctions")
    display.show(opened, with_findings=True)
    assert len(viewer.layers["post: junctions"].data) == len(built_cases.JUNCTIONS)


def test_images_keep_their_names_where_the_next_case_has_them_in_another_order(
    viewer: ViewerModel, opened: OpenedCase
) -> None:
    display = CaseDisplay(viewer)
    roles = ([Role.NEEDLE, Role.POST], [Role.POST, Role.NEEDLE])
    for first, second in roles:
        images = [built_cases.image(role, sha256=opened.case.images[0].sha256) for role in (first, second)]
        case = replace(built_cases.case(*images), reference_image=0)
        display.show(replace(opened, case=case, radiographs=opened.radiographs * 2), with_findings=False)
        assert [layer.name for layer in viewer.layers][:2] == [first.value, second.value]


def test_a_layer_that_says_nothing_of_a_case_is_refused(viewer: ViewerModel) -> None:
    with pytest.raises(ValueError, match="'mine' says of no case"):
        StandingLayers(viewer, ()).show([(np.zeros((2, 2)), {"name": "mine"}, "image")])
