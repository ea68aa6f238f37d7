"""Sampling regions, local contrast, peaks, and refusing weights that are not the recorded ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fluorospread.errors import WeightsError
from fluorospread.landmarks import network
from fluorospread.landmarks.network import (
    INPUT_PX,
    LEVEL_CHANNELS,
    LEVEL_SWAPS,
    MAP_CELLS,
    Maps,
    Pyramid,
    Region,
    local_contrast,
    look,
    peak,
    weights_sha256,
)

ALL = np.ones((600, 500), dtype=bool)


def ramp() -> np.ndarray:
    rows, cols = np.mgrid[0:600, 0:500].astype(np.float32)
    return rows + 1000 * cols


def test_cells_and_pixels_convert_there_and_back() -> None:
    for mirrored in (False, True):
        region = Region((300.0, 250.0), 480.0, mirrored)
        points = np.array([[100.0, 200.0], [300.0, 250.0]])
        assert region.to_image(region.to_cells(points)) == pytest.approx(points)
        assert region.to_cells(np.array([300.0, 250.0])) == pytest.approx([(MAP_CELLS - 1) / 2] * 2)


def test_a_mirrored_region_shows_left_columns_on_the_right() -> None:
    plain = Region((300.0, 250.0), 400.0).to_cells(np.array([300.0, 200.0]))
    turned = Region((300.0, 250.0), 400.0, True).to_cells(np.array([300.0, 200.0]))
    assert plain[1] < (MAP_CELLS - 1) / 2 < turned[1]


@pytest.mark.parametrize("side", [150.0, 480.0, 1100.0])
def test_a_bright_spot_is_sampled_where_it_lies_at_any_scale(side: float) -> None:
    image = np.zeros((600, 500), dtype=np.float32)
    image[330:338, 210:218] = 1.0
    region = Region((310.0, 240.0), side)
    grey = Pyramid(image, ALL).sample(region)[0].astype(np.float64)
    rows, cols = np.mgrid[0:INPUT_PX, 0:INPUT_PX]
    at = np.array([(grey * rows).sum(), (grey * cols).sum()]) / grey.sum()
    found = (at - (INPUT_PX - 1) / 2) * side / INPUT_PX + [310.0, 240.0]
    assert found == pytest.approx([333.5, 213.5], abs=0.6)


def test_outside_the_image_and_its_field_nothing_is_seen() -> None:
    field = ALL.copy()
    field[:, :250] = False
    sampled = Pyramid(ramp(), field).sample(Region((300.0, 250.0), 800.0))
    assert (sampled[1][:, : INPUT_PX // 2 - 2] == 0).all()
    assert sampled[1][INPUT_PX // 2, INPUT_PX // 2 + 5] == 1
    assert (sampled[:, :10] == 0).all()


def test_local_contrast_does_not_depend_on_brightness_or_gain() -> None:
    rng = np.random.default_rng(0)
    grey = rng.random((INPUT_PX, INPUT_PX)).astype(np.float32)
    field = np.ones_like(grey)
    first = local_contrast(np.stack([grey, field]))
    second = local_contrast(np.stack([7 * grey + 40, field]))
    assert np.abs(first[0] - second[0]).max() < 1e-2
    assert np.abs(first[0]).max() <= 3
    assert (local_contrast(np.stack([grey, np.zeros_like(grey)]))[0] == 0).all()


def test_a_peak_is_found_between_cells() -> None:
    region = Region((100.0, 100.0), 480.0)  # 10 px a cell
    maps = np.zeros((len(LEVEL_CHANNELS), MAP_CELLS, MAP_CELLS), dtype=np.float32)
    maps[2, 20, 30], maps[2, 20, 31] = 0.3, 0.3
    point, mass, spread = peak(Maps(region, maps, 1 - maps.sum(axis=(1, 2)), 1.0), 2)
    assert point == pytest.approx(region.to_image(np.array([20.0, 30.5])))
    assert mass == pytest.approx(0.6)
    # Half a cell along one of two axes.
    assert spread == pytest.approx(10 * np.sqrt(0.25 / 2))


def test_a_mirrored_answer_is_turned_back_with_its_sides_swapped() -> None:
    region = Region((100.0, 100.0), 480.0, mirrored=True)
    maps = np.zeros((len(LEVEL_CHANNELS), MAP_CELLS, MAP_CELLS), dtype=np.float32)
    maps[10, 5, 40] = 1.0
    back = Maps(region, maps, 1 - maps.sum(axis=(1, 2)), 1.0).mirrored_back(LEVEL_SWAPS)
    assert back.maps[11, 5, MAP_CELLS - 1 - 40] == 1.0
    assert not back.region.mirrored
    assert back.region.to_image(np.array([5.0, 7.0])) == pytest.approx(region.to_image(np.array([5.0, 40.0])))


def test_every_network_answers_with_probabilities() -> None:
    image = np.random.default_rng(1).random((600, 500)).astype(np.float32)
    pyramid = Pyramid(image, ALL)
    for name, channels in (("levels", 12), ("close-ups", 5)):
        answers = look(name, pyramid, [Region((300.0, 250.0), 500.0), Region((300.0, 250.0), 500.0, True)])
        for answer in answers:
            assert answer.maps.shape == (channels, MAP_CELLS, MAP_CELLS)
            assert answer.maps.sum(axis=(1, 2)) + answer.absent == pytest.approx(np.ones(channels), abs=1e-4)
    assert look("levels", pyramid, []) == []


def test_the_weights_have_one_digest() -> None:
    assert len(weights_sha256()) == 64


def test_missing_or_changed_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "WEIGHTS", tmp_path)
    network.session.cache_clear()
    pyramid = Pyramid(ramp(), ALL)
    with pytest.raises(WeightsError, match=r"levels\.onnx is missing"):
        look("levels", pyramid, [Region((0.0, 0.0), 100.0)])
    (tmp_path / "levels.onnx").write_bytes(b"other")
    (tmp_path / "SHA256SUMS").write_text("00  levels.onnx\n", encoding="ascii")
    with pytest.raises(WeightsError, match="expected 00"):
        look("levels", pyramid, [Region((0.0, 0.0), 100.0)])
    network.session.cache_clear()


@pytest.mark.parametrize(("said", "threads"), [(None, 2), ("", 2), ("1", 1), ("8", 2), ("0", 1), ("4,2", 2), ("x", 2)])
def test_a_process_told_to_use_one_core_runs_its_networks_on_one(
    said: str | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert network._threads() == threads
