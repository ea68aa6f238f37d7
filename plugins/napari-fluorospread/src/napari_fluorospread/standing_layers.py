"""Layers that stay in the viewer from case to case, and take the next case's content in place of the last one's.

Each place (what a layer shows, and of which image of the case) has one layer. A layer whose place is not in use is
empty, hidden, and knows no case: nothing of a former case, or of findings that may not be seen yet, is kept in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari_fluorospread.fill_layer import (
    Place,
    can_take,
    empty_layer,
    fill_layer,
    has_units,
    mark_standing,
    set_editable,
    standing_place,
)
from napari_fluorospread.finding_layers import LayerData
from napari_fluorospread.layers import LayerTag, tag_of

if TYPE_CHECKING:
    from napari.components import ViewerModel


class StandingLayers:
    """The layers of one viewer that show a case."""

    def __init__(self, viewer: ViewerModel, pictures: Collection[str]) -> None:
        """`pictures` are the kinds that lie below all others."""
        self._viewer = viewer
        self._pictures = pictures
        self._batched = False

    def in_use(self) -> list[tuple[Any, LayerTag]]:
        """Layers that show something of a case, whoever put them there, with what they show."""
        pairs = [(layer, tag_of({"metadata": layer.metadata})) for layer in self._viewer.layers]
        return [(layer, tag) for layer, tag in pairs if tag is not None]

    def show_only(self, layers: Sequence[LayerData]) -> None:
        """Show these, all of one case; what else was shown is taken away first."""
        wanted = {place_of(state) for _, state, _ in layers}
        shown = {layer for layer, _ in self.in_use()}
        foreign = [layer for layer in shown if standing_place(layer) is None]
        # One viewer has one unit; what is in another one cannot stay, were it empty.
        misfits = [layer for layer in self._all() if not has_units(layer, layers[0][1])]
        for layer in (*foreign, *misfits):
            self._viewer.layers.remove(layer)
        for layer in self._all():
            if layer in shown and standing_place(layer) not in wanted:
                self.put_away(layer)
        self.show(layers)

    def show(self, layers: Sequence[LayerData]) -> None:
        """Show these beside what is shown, in the place of what they replace; `see` says afterwards which of them
        are visible."""
        added = False
        named = []
        for data, state, layer_type in layers:
            layer = self._standing(place_of(state))
            if layer is not None and can_take(layer, state, layer_type):
                fill_layer(layer, data, state)
                mark_standing(layer, place_of(state))
            else:
                if layer is not None:
                    self._viewer.layers.remove(layer)
                layer = self._add(data, state, layer_type)
                added = True
            named.append((layer, state["name"]))
        # Once more at the end: napari numbers a name that another layer still had.
        for layer, name in [*named, *named]:
            if layer.name != name:
                layer.name = name
        if added:
            self._sort()

    def put_away(self, layer: Any) -> None:
        """Empty a layer and hide it; a run's, which brings a slider, is removed."""
        if layer.ndim > 2:
            self._viewer.layers.remove(layer)
            return
        place = standing_place(layer)
        empty_layer(layer)
        if place is not None:
            mark_standing(layer, place)
        if layer.visible:
            layer.visible = False

    def make_ready(self, layer: LayerData) -> bool:
        """Add an empty layer, hidden, where its place has none yet; whether it was added. A run's, or one in other
        units than those that stand, could not stay."""
        data, state, layer_type = layer
        fits = len(state["scale"]) == 2 and all(has_units(standing, state) for standing in self._all()[:1])
        if not fits or self._standing(place_of(state)) is not None:
            return False
        self.put_away(self._add(data, state, layer_type))
        return True

    def see(self, visible: Sequence[tuple[Any, bool]]) -> None:
        """Make layers visible or not."""
        changes = [(layer, seen) for layer, seen in visible if layer.visible is not seen]
        if len(changes) > 1 and not self._batched:
            with self.at_once():
                self.see(changes)
            return
        for layer, seen in changes:
            layer.visible = seen

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let napari put its scene in order once, at the end, not after every layer. Hold changes of several
        layers in this; do not nest it."""
        self._batched = True
        try:
            with self._viewer.layers.batched_update():
                yield
        finally:
            self._batched = False

    def remove_all(self) -> None:
        """Take every layer away, of cases and empty ones."""
        others = [layer for layer, _ in self.in_use() if standing_place(layer) is None]
        layers = [*self._all(), *others]
        if layers:
            with self.at_once():
                for layer in layers:
                    self._viewer.layers.remove(layer)

    def _all(self) -> list[Any]:
        return [layer for layer in self._viewer.layers if standing_place(layer) is not None]

    def _standing(self, place: Place) -> Any | None:
        return next((layer for layer in self._viewer.layers if standing_place(layer) == place), None)

    def _add(self, data: Any, state: dict[str, Any], layer_type: str) -> Any:
        from napari.layers import Layer

        layer = self._viewer.add_layer(Layer.create(data, state, layer_type))
        mark_standing(layer, place_of(state))
        set_editable(layer)
        return layer

    def _sort(self) -> None:
        """Pictures below, what is drawn on them above, whenever they were added."""
        layers = self._viewer.layers
        ours = self._all()
        first = min(layers.index(layer) for layer in ours)
        for at, layer in enumerate([layer for layer in ours if _kind(layer) in self._pictures]):
            if layers.index(layer) != first + at:
                layers.move(layers.index(layer), first + at)


def _kind(layer: Any) -> str:
    place = standing_place(layer)
    return "" if place is None else place[0]


def place_of(state: Mapping[str, Any]) -> Place:
    """What a layer made with these arguments shows, and of which image."""
    tag = tag_of(state)
    if tag is None:
        raise ValueError(f"layer {state.get('name')!r} says of no case what it shows")
    return (tag.kind, tag.image)
