"""Reading a whole image, with a network whose answers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fluorospread.landmarks import read_spine as reader
from fluorospread.landmarks.decode_chain import LAST_RIB, STEP_RATIO, Chain, Evidence
from fluorospread.landmarks.network import LEVEL_CHANNELS, MAP_CELLS, Maps, Pyramid, Region
from fluorospread.landmarks.read_spine import RIB_CHANNEL, read_spine, whole_region

PITCH = 90.0
ROWS = 800.0 - PITCH * np.concatenate([[0.0], np.cumsum(STEP_RATIO)])
SPINE = np.column_stack([ROWS, np.full(8, 400.0)])
FIELD = np.ones((1000, 800), dtype=bool)


def pretended(visible: range, rib: bool = True):
    """A network that sees the channels in `visible` wherever its region shows them."""

    def look(name: str, pyramid: Pyramid, regions: list[Region]) -> list[Maps]:
        answers = []
        for region in regions:
            plain = Region(region.centre, region.side_px)
            if name == "levels":
                wanted = [(k, SPINE[k]) for k in visible] + ([(LAST_RIB, SPINE[RIB_CHANNEL])] if rib else [])
                maps = np.zeros((len(LEVEL_CHANNELS), MAP_CELLS, MAP_CELLS), dtype=np.float32)
            else:
                near = SPINE[int(np.abs(SPINE[:, 0] - region.centre[0]).argmin())]
                wanted = [(2, near - np.array([0, 0.5 * PITCH])), (3, near + np.array([0, 0.5 * PITCH])), (4, near)]
                maps = np.zeros((5, MAP_CELLS, MAP_CELLS), dtype=np.float32)
            for channel, point in wanted:
                r, c = np.rint(plain.to_cells(point)).astype(int)
                if 0 <= r < MAP_CELLS and 0 <= c < MAP_CELLS:
                    maps[channel, r, c] = 0.9
            answers.append(Maps(plain, maps, 1 - maps.sum(axis=(1, 2)), 0.95))
        return answers

    return look


def test_a_spine_with_both_anchors_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "look", pretended(range(8)))
    reading = read_spine(np.zeros(FIELD.shape, dtype=np.float32), FIELD)
    assert reading.chain is not None
    assert reading.chain.channels == tuple(range(8))
    # Looks of 6 to 9.5 pitches have cells of 11 to 18 px; their mean lies within a third of one.
    assert np.abs(reading.chain.points - SPINE).max() < 6.0
    assert reading.anchors.sacrum == pytest.approx(0.9, abs=0.02)
    assert reading.anchors.rib_channel == RIB_CHANNEL
    assert reading.anchors.rib_above < 0.2
    assert set(reading.votes) == {0}
    assert reading.close_ups is not None
    assert np.nanmedian(reading.close_ups.pedicles_pitches) == pytest.approx(1.0, abs=0.1)


def test_vertebrae_that_close_ups_find_elsewhere_draw_the_chain_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "look", pretended(range(3), rib=False))
    # Four vertebrae, evenly spaced, where there are three.
    points = SPINE[0] + (SPINE[2] - SPINE[0]) * np.array([[0.0], [0.36], [0.69], [1.0]])
    squeezed = Chain((0, 1, 2, 3), points, np.zeros(4), 60.0, {0: 1.0}, 9.0, np.zeros(3))
    evidence = Evidence(points, np.zeros((8, 4)), np.zeros(8), np.zeros(4), 0.0)
    monkeypatch.setattr(reader, "_decode", lambda *_: (squeezed, evidence))
    reading = read_spine(np.zeros(FIELD.shape, dtype=np.float32), FIELD)
    assert reading.chain is not None
    assert reading.chain.channels == (0, 1, 2)
    assert np.abs(reading.chain.points - SPINE[:3]).max() < 6.0
    assert reading.close_ups is not None
    assert np.nanmax(reading.close_ups.moved_pitches) < 0.1


def test_a_first_sacral_vertebra_taken_for_the_last_lumbar_one_lowers_every_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = pretended(range(8))

    def look(name: str, pyramid: Pyramid, regions: list[Region]) -> list[Maps]:
        # Close-ups show the first sacral vertebra where the level network sees the one above S1.
        at = [float(np.abs(region.centre[0] - SPINE[1][0]) < 0.3 * PITCH) for region in regions]
        answers = plain(name, pyramid, regions)
        return answers if name == "levels" else [replace(a, sacral=0.99 * s) for a, s in zip(answers, at, strict=True)]

    monkeypatch.setattr(reader, "look", look)
    reading = read_spine(np.zeros(FIELD.shape, dtype=np.float32), FIELD)
    assert reading.chain is not None
    assert reading.chain.channels == tuple(range(7))
    assert np.abs(reading.chain.points - SPINE[1:]).max() < 6.0
    assert reading.anchors.lowered
    assert reading.anchors.sacrum == pytest.approx(0.99)
    assert reading.anchors.rib_channel == RIB_CHANNEL - 1
    assert reading.chain.shifts[1] == pytest.approx(0.01)


def test_without_sacrum_and_ribs_no_anchor_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "look", pretended(range(1, 5), rib=False))
    reading = read_spine(np.zeros(FIELD.shape, dtype=np.float32), FIELD)
    assert reading.anchors.sacrum == 0.0
    assert reading.anchors.rib_channel is None


def test_the_room_beyond_the_chain_ends_at_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "look", pretended(range(6), rib=False))
    field = FIELD.copy()
    field[: int(ROWS[5] - 1.1 * PITCH)] = False
    reading = read_spine(np.zeros(field.shape, dtype=np.float32), field)
    # The last step, 0.89 pitches long, is the measure above; quarter steps are tried.
    assert reading.room_above == pytest.approx(1.1 / 0.95, abs=0.3)
    assert reading.room_below == pytest.approx(200 / (0.88 * PITCH), abs=0.3)


def test_an_image_without_a_spine_has_no_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "look", pretended(range(0), rib=False))
    reading = read_spine(np.zeros(FIELD.shape, dtype=np.float32), FIELD)
    assert reading.chain is None
    assert reading.votes == ()


def test_the_first_look_covers_the_field_of_view() -> None:
    field = np.zeros((400, 300), dtype=bool)
    field[100:300, 50:150] = True
    assert whole_region(field) == Region((199.5, 99.5), 200.0)
    assert whole_region(np.zeros((40, 30), dtype=bool)).side_px == 40.0
