"""One kind of finding to one napari layer and back, in pairs: `x_to_layer` undoes `layer_to_x`.

Layer data are stored pixels `(row, col)`; everything else a finding knows is a column of the layer's
features. Columns named `label` are for the eye only and are not read back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fluorospread.errors import UsageError
from fluorospread.model.anatomy import CRANIAL_TO_CAUDAL, Level, Side
from fluorospread.model.findings import Junction, LevelLabels, LevelStatus, NeedleTip, Vertebra
from fluorospread.model.geometry import PointPx
from fluorospread.model.radiograph import BoolImage
from napari_fluorospread import layer_styles
from napari_fluorospread.spread_axis import SpreadAxis

LayerData = tuple[Any, dict[str, Any], str]
"""napari's (data, keyword arguments, layer type)."""

PERSON = "person"


def levels_to_layer(levels: LevelLabels) -> LayerData:
    doubt = _doubt(levels.status)
    vertebrae = levels.vertebrae
    features = {
        "level": _words([v.level.value for v in vertebrae]),
        "confidence": _numbers([v.confidence for v in vertebrae]),
        "uncertainty_px": _numbers([math.nan if v.uncertainty_px is None else v.uncertainty_px for v in vertebrae]),
        "label": _words([v.level.value + doubt for v in vertebrae]),
    }
    return (
        _points([v.center_px for v in vertebrae]),
        layer_styles.level_style() | {"features": features},
        "points",
    )


def layer_to_vertebrae(data: Any, state: Mapping[str, Any]) -> tuple[Vertebra, ...]:
    """Vertebrae of a levels layer, cranial to caudal by name."""
    rows = zip(_read_points(data), *_columns(state, "level", "confidence", "uncertainty_px"), strict=True)
    vertebrae = [
        Vertebra(_level(name), point, float(confidence), None if math.isnan(uncertainty) else float(uncertainty))
        for point, name, confidence, uncertainty in rows
    ]
    if len({v.level for v in vertebrae}) != len(vertebrae):
        raise UsageError("a level is named twice; give each vertebra a name of its own")
    return tuple(sorted(vertebrae, key=lambda v: CRANIAL_TO_CAUDAL.index(v.level)))


def junctions_to_layer(
    junctions: Sequence[Junction],
    words: Mapping[tuple[Level, Side], str],
    labels_left: Sequence[bool],
    status: LevelStatus = LevelStatus.CONFIDENT,
) -> LayerData:
    """`words` is added to a junction's label, e.g. whether contrast covers it; `labels_left` says for each
    whether its label stands to its left. A name is as doubtful as the numbering, whose `status` this is."""
    doubt = _doubt(status)
    labels = [f"{j.level}{doubt} {words.get((j.level, j.side), '')}".strip() for j in junctions]
    features = {
        "level": _words([j.level.value for j in junctions]),
        "side": _words([j.side.value for j in junctions]),
        "confidence": _numbers([j.confidence for j in junctions]),
        "uncertainty_px": _numbers([j.uncertainty_px for j in junctions]),
        "assigned_by": _words([j.assigned_by for j in junctions]),
        "label": _words([layer_styles.beside(*pair) for pair in zip(labels, labels_left, strict=True)]),
    }
    style = layer_styles.junction_style(
        [layer_styles.marker_diameter_px(j.uncertainty_px) for j in junctions],
        [j.assigned_by == PERSON for j in junctions],
    )
    return _points([j.point_px for j in junctions]), style | {"features": features}, "points"


def layer_to_junctions(data: Any, state: Mapping[str, Any]) -> tuple[Junction, ...]:
    columns = _columns(state, "level", "side", "confidence", "uncertainty_px", "assigned_by")
    return tuple(
        Junction(_level(level), _side(side), point, float(confidence), float(uncertainty), str(assigned_by))
        for point, level, side, confidence, uncertainty, assigned_by in zip(_read_points(data), *columns, strict=True)
    )


def needles_to_layer(needles: Sequence[NeedleTip], labels_left: Sequence[bool]) -> LayerData:
    """`labels_left` says for each tip whether its label stands to its left."""
    directions = [n.direction or (math.nan, math.nan) for n in needles]
    features = {
        "side": _words([n.side.value if n.side else "" for n in needles]),
        "confidence": _numbers([n.confidence for n in needles]),
        "uncertainty_px": _numbers([n.uncertainty_px for n in needles]),
        "direction_row": _numbers([d[0] for d in directions]),
        "direction_col": _numbers([d[1] for d in directions]),
        "label": _words([layer_styles.beside("tip", left) for left in labels_left]),
    }
    style = layer_styles.needle_style([layer_styles.marker_diameter_px(n.uncertainty_px) for n in needles])
    return _points([n.tip_px for n in needles]), style | {"features": features}, "points"


def layer_to_needles(data: Any, state: Mapping[str, Any]) -> tuple[NeedleTip, ...]:
    columns = _columns(state, "side", "confidence", "uncertainty_px", "direction_row", "direction_col")
    return tuple(
        NeedleTip(
            _side(side) if side else None,
            point,
            float(uncertainty),
            float(confidence),
            None if math.isnan(d_row) else (float(d_row), float(d_col)),
        )
        for point, side, confidence, uncertainty, d_row, d_col in zip(_read_points(data), *columns, strict=True)
    )


def mask_to_layer(mask: BoolImage | None, shape: tuple[int, int]) -> LayerData:
    labels = np.zeros(shape, dtype=np.uint8)
    if mask is not None:
        if mask.shape != shape:
            raise UsageError(f"contrast mask of shape {mask.shape} does not fit its image, {shape}")
        labels[mask] = layer_styles.CONTRAST_LABEL
    return labels, layer_styles.contrast_style(), "labels"


def layer_to_mask(data: Any) -> BoolImage | None:
    """True where contrast is painted; None where nothing is."""
    mask: BoolImage = np.asarray(data) == layer_styles.CONTRAST_LABEL
    return mask if mask.any() else None


def axes_to_layer(axes: Sequence[SpreadAxis]) -> LayerData:
    """Lines along the spine. They are measured, not found, so nothing reads them back."""
    features = {"label": _words([axis.extent for axis in axes])}
    lines = [np.array([axis.cranial_px, axis.caudal_px]) for axis in axes]
    return lines, layer_styles.spread_style() | {"shape_type": "line", "features": features}, "shapes"


def _doubt(status: LevelStatus) -> str:
    return "" if status is LevelStatus.CONFIDENT else "?"


def _points(points: Sequence[PointPx]) -> npt.NDArray[np.float64]:
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def _numbers(values: Sequence[float]) -> npt.NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def _words(values: Sequence[str]) -> npt.NDArray[np.object_]:
    # An object column stays one when it is empty; a list of no strings would turn into floats.
    return np.array(values, dtype=object)


def _read_points(data: Any) -> list[PointPx]:
    return [(float(row), float(col)) for row, col in np.asarray(data, dtype=np.float64)]


def _columns(state: Mapping[str, Any], *names: str) -> list[list[Any]]:
    return [np.asarray(state["features"][name]).tolist() for name in names]


def _level(name: Any) -> Level:
    try:
        return Level(name)
    except ValueError:
        raise UsageError(f"{name!r} is not a level; expected one of {', '.join(Level)}") from None


def _side(name: Any) -> Side:
    try:
        return Side(name)
    except ValueError:
        raise UsageError(f"{name!r} is not a side; expected one of {', '.join(Side)}") from None
