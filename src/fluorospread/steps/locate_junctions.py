"""Numbered vertebrae to their SAP-TP junctions, by side, each with a calibrated uncertainty.

Allowances: any scale (regions are sized by the vertebral pitch), contrast, needles and implants nearby.
Restrictions: frontal images; L3, L4, L5 and S1. The names are the labeller's: a junction is only as sure as
its level. The rules are explained in docs/steps/locate_junctions.md.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluorospread.landmarks.network import JUNCTION_CHANNELS, Maps, Pyramid, Region, look, peak
from fluorospread.model.anatomy import JUNCTION_LEVELS, Level
from fluorospread.model.findings import Junction, LevelLabels, NotFound, Vertebra
from fluorospread.model.geometry import RowsTowards
from fluorospread.model.radiograph import Radiograph

_CENTRE = JUNCTION_CHANNELS.index("centre")
# Junctions of neighbouring levels on one side are at least this share of the pitch apart (the closest,
# L5 to S1, are about 0.4 apart in the simulated anatomies); nearer than that, one place was taken twice.
_LEAST_APART_PITCHES = 0.2
# A close-up of the size that the network was trained on, over the vertebral pitch (108 mm over 36 mm).
_SIDE_PITCHES = 3.0
_PITCH_MM = 36.0


@dataclass(frozen=True)
class JunctionSettings:
    """Thresholds of the junction search.

    Attributes
    ----------
    least_confidence
        Probability, on average over the close-ups, that the junction is in view and near its peak (0..1);
        below it the junction is not reported.
    scales
        Sizes of the close-ups over three pitches.
    spread_factor
        Factor on the raw spread so that at least 68 % of errors lie within it on simulated images; rounded up
        because real films show larger errors.
    least_spread_pitches
        Smallest 1-sd uncertainty as a share of the pitch (about 1.1 mm: what a careful reader repeats).
    """

    least_confidence: float = 0.25
    scales: tuple[float, ...] = (0.9, 1.08)
    spread_factor: float = 1.5
    least_spread_pitches: float = 0.03


@dataclass(frozen=True)
class _Found:
    point: npt.NDArray[np.float64]
    confidence: float
    spread_px: float


def _local_pitch(levels: LevelLabels, vertebra: Vertebra, mm_per_px: float | None) -> float | None:
    """Distance to the neighbouring body centres in px; from the image's scale where there is none."""
    here = levels.vertebrae.index(vertebra)
    steps = [
        np.hypot(other.center_px[0] - vertebra.center_px[0], other.center_px[1] - vertebra.center_px[1])
        for i, other in enumerate(levels.vertebrae)
        if abs(i - here) == 1 and Level.S1 not in (other.level, vertebra.level)
    ]
    if steps:
        return float(np.mean(steps))
    lumbar = [v.center_px for v in levels.vertebrae if v.level is not Level.S1]
    if len(lumbar) >= 2:
        return float(np.mean(np.hypot(*np.diff(np.array(lumbar), axis=0).T)))
    return _PITCH_MM / mm_per_px if mm_per_px else None


def _regions(centre: npt.NDArray[np.float64], side_px: float, scales: tuple[float, ...]) -> list[Region]:
    at = (float(centre[0]), float(centre[1]))
    return [Region(at, side_px * s, m) for s in scales for m in (False, True)]


def _fused(views: list[Maps], channel: int, pitch_px: float, settings: JunctionSettings) -> _Found:
    """One point of several views: mean of the peaks by their probability, spread within and between views."""
    peaks = [peak(view, channel) for view in views]
    weights = np.array([p[1] for p in peaks]) + 1e-6
    points = np.array([p[0] for p in peaks])
    point = np.average(points, axis=0, weights=weights)
    between = float(np.average(((points - point) ** 2).sum(axis=1) / 2, weights=weights))
    within = float(np.average([p[2] ** 2 for p in peaks], weights=weights))
    raw = settings.spread_factor * np.sqrt(within / 4 + between)
    spread = float(np.hypot(raw, settings.least_spread_pitches * pitch_px))
    return _Found(point, float(np.clip(weights.mean(), 0, 1)), spread)


def find_points(
    pyramid: Pyramid, levels: LevelLabels, mm_per_px: float | None, settings: JunctionSettings
) -> dict[tuple[Level, str], _Found]:
    """Every landmark of the close-up network for L3-S1, by level and channel name, in the pyramid's px."""
    wanted = [v for v in levels.vertebrae if v.level in JUNCTION_LEVELS]
    pitches = {v.level: _local_pitch(levels, v, mm_per_px) for v in wanted}
    wanted = [v for v in wanted if pitches[v.level]]
    first: list[Region] = []
    for v in wanted:
        first += _regions(np.array(v.center_px), _SIDE_PITCHES * float(pitches[v.level] or 0), (1.0,))
    rough = look("close-ups", pyramid, first)
    second: list[Region] = []
    for i, v in enumerate(wanted):
        pitch = float(pitches[v.level] or 0)
        centre = _fused(rough[2 * i : 2 * i + 2], _CENTRE, pitch, settings)
        off = float(np.hypot(*(centre.point - np.array(v.center_px))))
        at = centre.point if centre.confidence > 0.4 and off < 0.4 * pitch else np.array(v.center_px)
        second += _regions(at, _SIDE_PITCHES * pitch, settings.scales)
    each = 2 * len(settings.scales)
    views = look("close-ups", pyramid, second)
    return {
        (v.level, name): _fused(views[each * i : each * (i + 1)], k, float(pitches[v.level] or 0), settings)
        for i, v in enumerate(wanted)
        for k, name in enumerate(JUNCTION_CHANNELS)
    }


def locate_junctions(
    radiograph: Radiograph,
    levels: LevelLabels,
    settings: JunctionSettings = JunctionSettings(),
    frame: int = 0,
) -> tuple[Junction, ...] | NotFound:
    """SAP-TP junctions of L3, L4, L5 and S1 in one frame, cranial to caudal, left columns first.

    Sides are the patient's where the orientation is known, else the image's.

    Raises
    ------
    WeightsError
        When the network's weights are missing or not the recorded ones.
    """
    if not any(v.level in JUNCTION_LEVELS for v in levels.vertebrae):
        return NotFound("junctions", reason="none of L3, L4, L5 and S1 was found")
    image, field = radiograph.pixels(frame), radiograph.field_of_view
    rows = image.shape[0]
    upside_down = radiograph.orientation.rows_towards is RowsTowards.HEAD
    if upside_down:
        image, field = image[::-1], field[::-1]
        levels = LevelLabels(
            levels.status, levels.anchor,
            tuple(
                Vertebra(v.level, (rows - 1 - v.center_px[0], v.center_px[1]), v.confidence)
                for v in levels.vertebrae
            ),
            reason=levels.reason,
        )  # fmt: skip
    points = find_points(Pyramid(image, field), levels, radiograph.geometry.mm_per_px, settings)
    points = _without_repeats(points, levels)
    junctions = []
    for (level, name), found in points.items():
        vertebra = levels.vertebra(level)
        if not name.startswith("junction") or found.confidence < settings.least_confidence or vertebra is None:
            continue
        row, col = float(found.point[0]), float(found.point[1])
        left = name.endswith("left")
        # A peak on the wrong side of the vertebra is no junction of that side.
        if (col < vertebra.center_px[1]) != left or not _lit(field, row, col):
            continue
        side = radiograph.orientation.side_at(col, vertebra.center_px[1])
        at = (rows - 1 - row if upside_down else row, col)
        junctions.append(Junction(level, side, at, found.confidence, found.spread_px))
    if not junctions:
        return NotFound("junctions", reason="no junction stands out at the levels found")
    return tuple(junctions)


def _without_repeats(points: dict[tuple[Level, str], _Found], levels: LevelLabels) -> dict[tuple[Level, str], _Found]:
    """The points less those that name a place another level has better claim to: S1, the weakest landmark,
    yields to L5, else the less confident to the other."""
    order = [v.level for v in levels.vertebrae]
    pitch = _pitch_px(levels)
    dropped: set[tuple[Level, str]] = set()
    for upper, lower in itertools.pairwise(order):
        for name in JUNCTION_CHANNELS:
            a, b = points.get((upper, name)), points.get((lower, name))
            if pitch is None or not name.startswith("junction") or a is None or b is None:
                continue
            if np.hypot(*(a.point - b.point)) >= _LEAST_APART_PITCHES * pitch:
                continue
            lower_yields = lower is Level.S1 or b.confidence <= a.confidence
            dropped.add((lower if lower_yields else upper, name))
    return {key: found for key, found in points.items() if key not in dropped}


def _pitch_px(levels: LevelLabels) -> float | None:
    """Median distance of the lumbar bodies, px; None with fewer than two."""
    lumbar = np.array([v.center_px for v in levels.vertebrae if v.level is not Level.S1])
    return float(np.median(np.hypot(*np.diff(lumbar, axis=0).T))) if len(lumbar) >= 2 else None


def _lit(field: npt.NDArray[np.bool_], row: float, col: float) -> bool:
    r, c = round(row), round(col)
    return 0 <= r < field.shape[0] and 0 <= c < field.shape[1] and bool(field[r, c])
