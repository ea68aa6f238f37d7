"""New content for a layer that is already in a viewer, so that it looks like one made for that content.

A new layer costs napari a visual, its shaders and a panel of controls; new data costs some milliseconds. What
already is as wanted is left alone, as every change of a layer makes napari look at all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from napari.utils.colormaps.standardize_color import transform_color
from pint import get_application_registry

from napari_fluorospread.layers import CONTRAST, tag_of

Place = tuple[str, int]
"""What a layer shows, and the index of its image in the case."""

_EMPTY_NAME = "(not in use)"
_STANDS = "fluorospread stands for"


def standing_place(layer: Any) -> Place | None:
    """The place a layer was made for; None for a layer that somebody else made."""
    # Kept in the layer: a plugin sees layers through napari's proxies, which come and go.
    place: Place | None = layer.metadata.get(_STANDS)
    return place


def mark_standing(layer: Any, place: Place) -> None:
    layer.metadata = {**layer.metadata, _STANDS: place}


def can_take(layer: Any, state: Mapping[str, Any], layer_type: str) -> bool:
    """Whether that content needs no other layer: the same type, number of axes and units."""
    same_kind = layer.__class__.__name__.lower() == layer_type and layer.ndim == len(state["scale"])
    return same_kind and has_units(layer, state)


def has_units(layer: Any, state: Mapping[str, Any]) -> bool:
    """Whether rows and columns of that content are in the layer's units."""
    unit = get_application_registry().Unit  # type: ignore[no-untyped-call]
    return all(is_so == unit(wanted) for is_so, wanted in zip(layer.units[-2:], state["units"][-2:], strict=True))


def fill_layer(layer: Any, data: Any, state: Mapping[str, Any]) -> None:
    """Show `data` with the arguments a new layer would be made with (napari's), all but its name and visibility.

    A hidden layer may be visible afterwards, as napari takes in only then that points are more or fewer.
    """
    layer.metadata = state["metadata"]
    changed = _FILL[layer.__class__.__name__](layer, data, state)
    _place(layer, state, changed)
    set_editable(layer)


def empty_layer(layer: Any) -> None:
    """Take all content out of a layer of two axes, which keeps its look; it may be visible afterwards."""
    layer.metadata = {}
    layer.name = _EMPTY_NAME
    kind = layer.__class__.__name__
    if kind in ("Points", "Shapes"):
        if len(layer.data):
            _set_points(layer, np.zeros((0, 2)) if kind == "Points" else [])
        # napari leaves those of shapes that are gone.
        if len(layer.features):
            layer.features = layer.features.iloc[:0]
    elif layer.data.shape != (1, 1):
        with layer.events.data.blocker():
            layer.data = np.zeros((1, 1), dtype=layer.data.dtype)
        # The pixel that is left must not lie where no image does, as the view is fitted to all layers.
        _place(layer, {"scale": layer.scale, "affine": np.eye(3)}, changed=True)


def set_editable(layer: Any) -> None:
    """Let napari's own tools change contrast only: points are moved by the review, which follows them up."""
    tag = tag_of({"metadata": layer.metadata})
    layer.editable = tag is not None and tag.kind == CONTRAST


def _fill_image(layer: Any, data: Any, state: Mapping[str, Any]) -> bool:
    changed = layer.data is not data
    if changed:
        layer.data = data
    for name in ("opacity", "gamma"):
        # What was set by napari's controls was meant for the image before.
        if getattr(layer, name) != 1.0:
            setattr(layer, name, 1.0)
    if layer.colormap.name != state["colormap"]:
        layer.colormap = state["colormap"]
    limits = [float(limit) for limit in state["contrast_limits"]]
    if layer.contrast_limits_range != limits:
        layer.contrast_limits_range = limits
    if layer.contrast_limits != limits:
        layer.contrast_limits = limits
    return changed


def _fill_labels(layer: Any, data: Any, _state: Mapping[str, Any]) -> bool:
    # What was just painted is there already.
    changed = layer.data.shape != data.shape or not np.array_equal(layer.data, data)
    if changed:
        layer.data = data
    return changed


def _fill_points(layer: Any, data: Any, state: Mapping[str, Any]) -> bool:
    count = len(layer.data)
    changed = not np.array_equal(layer.data, data)
    if changed:
        _set_points(layer, data)
    if len(data):
        _style_points(layer, state, grown=len(data) > count)
    _describe(layer, state, len(data))
    return changed


def _style_points(layer: Any, state: Mapping[str, Any], grown: bool) -> None:
    if not np.array_equal(layer.size, np.broadcast_to(state["size"], len(layer.size))):
        layer.size = state["size"]
    symbols = np.broadcast_to(state["symbol"], len(layer.data))
    if [str(symbol) for symbol in layer.symbol] != [str(symbol) for symbol in symbols]:
        layer.symbol = state["symbol"]
    if not grown:
        return
    # Points that came in addition took napari's defaults.
    for name in ("face_color", "border_color"):
        if not np.allclose(getattr(layer, name), transform_color(state[name])):
            setattr(layer, name, state[name])
    if "border_width" in state and not np.all(layer.border_width == state["border_width"]):
        layer.border_width = state["border_width"]


def _fill_shapes(layer: Any, data: Any, state: Mapping[str, Any]) -> bool:
    fewer_or_more = len(layer.data) != len(data)
    changed = fewer_or_more or not all(np.array_equal(a, b) for a, b in zip(layer.data, data, strict=True))
    if changed:
        _set_points(layer, [] if fewer_or_more else data)
    if fewer_or_more and len(data):
        style = {name: state[name] for name in ("shape_type", "edge_width", "edge_color", "face_color")}
        layer.add(data, **style)
    _describe(layer, state, len(data))
    return changed


def _set_points(layer: Any, data: Any) -> None:
    # Hidden, a layer keeps which of its former points can be seen, and fails to draw what is not there any more.
    if not layer.visible and len(layer.data) != len(data):
        layer.visible = True
    # Whoever listens for new data measures all layers anew; points lie on an image, which has been measured.
    with layer.events.data.blocker():
        layer.data = data


def _describe(layer: Any, state: Mapping[str, Any], count: int) -> None:
    """Features, and the text made from them."""
    if count and not layer.features.equals(pd.DataFrame(state["features"])):
        layer.features = state["features"]
    # The one thing about a text that depends on the case.
    if layer.text.size != state["text"]["size"]:
        layer.text.size = state["text"]["size"]


def _place(layer: Any, state: Mapping[str, Any], changed: bool) -> None:
    if not np.array_equal(np.asarray(layer.affine), state["affine"]):
        layer.affine = state["affine"]
    # Also where it is the same: only so does napari notice that a layer which cannot be seen has another extent.
    if (changed and not layer.visible) or not np.array_equal(layer.scale, state["scale"]):
        layer.scale = state["scale"]


_FILL = {"Image": _fill_image, "Labels": _fill_labels, "Points": _fill_points, "Shapes": _fill_shapes}
