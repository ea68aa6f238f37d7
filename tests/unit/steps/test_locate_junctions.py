"""From numbered vertebrae to junctions, with a network whose answers are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fluorospread.landmarks.network import MAP_CELLS, Maps, Pyramid, Region
from fluorospread.model.anatomy import Level, Side
from fluorospread.model.findings import Anchor, LevelLabels, LevelStatus, NotFound, Vertebra
from fluorospread.model.geometry import ColumnsTowards, Orientation, RowsTowards
from fluorospread.model.radiograph import ArrayFrames, PolaritySource, Quantity, Radiograph
from fluorospread.steps import locate_junctions as step
from fluorospread.steps.locate_junctions import JunctionSettings, locate_junctions

PITCH = 100.0
CENTRES = {Level.L3: 300.0, Level.L4: 400.0, Level.L5: 500.0, Level.S1: 590.0}
# Where the pretended network sees everything, relative to the vertebra: (row, col) px.
PLACES = [(-20.0, -60.0), (-20.0, 60.0), (5.0, -40.0), (5.0, 40.0), (0.0, 0.0)]


def levels(names: tuple[Level, ...] = tuple(CENTRES)) -> LevelLabels:
    found = tuple(Vertebra(level, (CENTRES[level], 350.0), 0.9) for level in names)
    return LevelLabels(LevelStatus.CONFIDENT, Anchor.SACRUM, found)


def radiograph(**changes: object) -> Radiograph:
    plain = Radiograph(
        Path("x.dcm"), "", ArrayFrames(np.zeros((1, 800, 700), dtype=np.float32)), np.ones((800, 700), dtype=bool),
        Quantity.RELATIVE, PolaritySource.GIVEN,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def pretended(probability: float = 0.9, places: list[tuple[float, float]] = PLACES):
    """A network that sees the landmarks of the vertebra nearest to each region's centre."""

    def look(name: str, pyramid: Pyramid, regions: list[Region]) -> list[Maps]:
        answers = []
        for region in regions:
            row = min(CENTRES.values(), key=lambda r: abs(r - region.centre[0]))
            plain = Region(region.centre, region.side_px)
            maps = np.zeros((5, MAP_CELLS, MAP_CELLS), dtype=np.float32)
            for channel, (down, across) in enumerate(places):
                at = plain.to_cells(np.array([row + down, 350.0 + across]))
                low = np.floor(at).astype(int)
                part = at - low
                for dr in (0, 1):
                    for dc in (0, 1):
                        share = (part[0] if dr else 1 - part[0]) * (part[1] if dc else 1 - part[1])
                        maps[channel, low[0] + dr, low[1] + dc] += probability * share
            answers.append(Maps(plain, maps, 1 - maps.sum(axis=(1, 2)), 0.99))
        return answers

    return look


def test_junctions_lie_where_the_network_sees_them_on_the_images_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "look", pretended())
    found = locate_junctions(radiograph(), levels())
    assert isinstance(found, tuple)
    assert len(found) == 8
    first = found[0]
    assert (first.level, first.side) == (Level.L3, Side.IMAGE_LEFT)
    # Peaks are centroids of shared cells, exact but for rounding.
    assert first.point_px == pytest.approx((280.0, 290.0), abs=0.5)
    assert first.confidence == pytest.approx(0.9, abs=0.01)


def test_sides_are_the_patients_where_the_orientation_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "look", pretended())
    known = Orientation(ColumnsTowards.PATIENT_LEFT, RowsTowards.FEET, "PatientOrientation")
    found = locate_junctions(radiograph(orientation=known), levels())
    assert isinstance(found, tuple)
    assert [j.side for j in found[:2]] == [Side.RIGHT, Side.LEFT]


def test_an_upside_down_image_gets_points_in_its_stored_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    turned = {level: 799 - row for level, row in CENTRES.items()}
    stored = LevelLabels(
        LevelStatus.CONFIDENT, Anchor.SACRUM,
        tuple(Vertebra(level, (turned[level], 350.0), 0.9) for level in CENTRES),
    )  # fmt: skip
    monkeypatch.setattr(step, "look", pretended())
    known = Orientation(None, RowsTowards.HEAD, "PatientOrientation")
    found = locate_junctions(radiograph(orientation=known), stored)
    assert isinstance(found, tuple)
    assert found[0].point_px == pytest.approx((799 - 280.0, 290.0), abs=0.5)


def test_a_wide_peak_is_less_certain_than_a_sharp_one_and_no_peak_is_certain_beyond_a_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(step, "look", pretended())
    found = locate_junctions(radiograph(), levels())
    assert isinstance(found, tuple)
    floor = JunctionSettings().least_spread_pitches * PITCH
    assert min(j.uncertainty_px for j in found) >= 0.99 * floor


def test_what_is_barely_seen_is_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "look", pretended(probability=0.1))
    found = locate_junctions(radiograph(), levels())
    assert isinstance(found, NotFound)
    assert "no junction stands out" in found.reason


def test_a_peak_on_the_wrong_side_is_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    crossed = [PLACES[1], PLACES[0], *PLACES[2:]]
    monkeypatch.setattr(step, "look", pretended(places=crossed))
    assert isinstance(locate_junctions(radiograph(), levels()), NotFound)


def test_a_junction_outside_the_field_of_view_is_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "look", pretended())
    field = np.ones((800, 700), dtype=bool)
    field[:, :300] = False
    found = locate_junctions(radiograph(field_of_view=field), levels())
    assert isinstance(found, tuple)
    assert {j.side for j in found} == {Side.IMAGE_RIGHT}


def test_without_a_level_of_interest_nothing_is_looked_for() -> None:
    none = LevelLabels(LevelStatus.INDETERMINATE, Anchor.NONE, (), reason="not frontal")
    found = locate_junctions(radiograph(), none)
    assert isinstance(found, NotFound)
    assert "none of L3, L4, L5 and S1" in found.reason


def test_one_vertebra_without_neighbours_or_scale_gives_no_size_to_look_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "look", pretended())
    found = locate_junctions(radiograph(), levels((Level.L4,)))
    assert isinstance(found, NotFound)
