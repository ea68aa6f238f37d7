"""A run plays at the rate it was recorded with, whatever the machine manages; the flicker goes back and forth."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from qtpy.QtCore import QObject

from napari_fluorospread import cine_player
from napari_fluorospread.case_display import View
from napari_fluorospread.cine_player import CinePlayer

pytestmark = pytest.mark.usefixtures("qapp")


class Shown(SimpleNamespace):
    """A run of ten frames, as a display shows it."""

    def show_frame(self, index: int) -> None:
        self.frame = index % self.frame_count

    def look_at(self, view: View) -> None:
        self.view = view


@pytest.fixture
def shown() -> Shown:
    return Shown(frame=2, frame_count=10, frame_time_ms=40.0, view=View.IMAGE)


@pytest.fixture
def player(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> Iterator[CinePlayer]:
    clock = SimpleNamespace(now=5.0)
    monkeypatch.setattr(cine_player, "monotonic", lambda: clock.now)
    shown.clock = clock
    # Qt deletes a child with its parent, so the parent is kept.
    parent = QObject()
    made = CinePlayer(shown, parent)
    yield made
    made.stop()


def test_frames_follow_the_recorded_time_and_are_passed_over_rather_than_slowed_down(
    player: CinePlayer, shown: Shown
) -> None:
    assert player.toggle_play() == "Playing 25 frames a second (as recorded)."
    shown.clock.now += 0.120
    player._next_frame()
    assert shown.frame == 2 + 3
    # The machine was busy for a while; the run goes on where it would be, and begins anew at its end.
    shown.clock.now += 0.240
    player._next_frame()
    assert shown.frame == (2 + 9) % 10
    assert player.toggle_play() == "Stopped at frame 2 of 10."


def test_a_rate_that_is_not_recorded_is_assumed_aloud(player: CinePlayer, shown: Shown) -> None:
    shown.frame_time_ms = None
    assert player.toggle_play() == "Playing 7.5 frames a second (assumed: the file states no rate)."


def test_a_still_image_does_not_play(player: CinePlayer, shown: Shown) -> None:
    shown.frame_count = 1
    assert player.toggle_play() == "This image is not a run."
    assert not player.playing


def test_the_flicker_shows_before_and_after_in_turns_and_ends_after(player: CinePlayer, shown: Shown) -> None:
    said: list[str] = []
    player.toggle_flicker(said.append)
    assert shown.view is View.BEFORE
    player._other_view()
    assert shown.view is View.IMAGE
    player._other_view()
    player.toggle_flicker(said.append)
    assert shown.view is View.IMAGE
    assert not player.flickering
    assert said[-1] == ""
