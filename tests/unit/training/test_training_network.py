"""The networks' loss, and that a checkpoint becomes weights which answer alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is installed for training only")
pytest.importorskip("onnx", reason="onnx is installed for training only")

from fluorospread.errors import MissingFileError  # noqa: E402
from fluorospread.landmarks.network import INPUT_PX, JUNCTION_CHANNELS, LEVEL_CHANNELS, MAP_CELLS  # noqa: E402
from fluorospread.training.datasets import CELL_PX, Shards  # noqa: E402
from fluorospread.training.export import export  # noqa: E402
from fluorospread.training.network import LandmarkNet, location_log_probabilities, location_loss  # noqa: E402
from fluorospread.training.train import TASKS, _start_from, loss_of  # noqa: E402
from fluorospread.training.window import SIZE  # noqa: E402


def test_training_and_run_time_agree_on_sizes_and_channels() -> None:
    assert SIZE == INPUT_PX
    assert SIZE // CELL_PX == MAP_CELLS
    assert TASKS["levels"].landmarks == len(LEVEL_CHANNELS)
    assert TASKS["close-ups"].landmarks == len(JUNCTION_CHANNELS)


def test_all_cells_and_absence_share_one_probability() -> None:
    log_p = location_log_probabilities(torch.randn(2, 3, 8, 8), torch.randn(2, 3))
    assert log_p.shape == (2, 3, 65)
    assert log_p.exp().sum(2).numpy() == pytest.approx(np.ones((2, 3)), abs=1e-5)


def test_the_loss_is_least_where_the_landmark_is() -> None:
    cells = torch.tensor([[[3.0, 5.0]]])
    yes = torch.tensor([[True]])

    def loss_at(row: int, col: int) -> float:
        maps = torch.zeros(1, 1, 8, 8)
        maps[0, 0, row, col] = 6.0
        return float(location_loss(maps, torch.zeros(1, 1), cells, yes, yes, 0.5))

    assert loss_at(3, 5) < loss_at(3, 6) < loss_at(7, 0)


def test_an_absent_landmark_wants_absence_and_an_unknown_one_wants_nothing() -> None:
    maps, cells = torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 2)
    present = torch.tensor([[False, True]])
    known = torch.tensor([[True, False]])
    low = location_loss(maps, torch.tensor([[8.0, 0.0]]), cells, present, known, 1.0)
    high = location_loss(maps, torch.tensor([[-8.0, 0.0]]), cells, present, known, 1.0)
    assert float(low) == pytest.approx(np.log1p(64 * np.exp(-8)), rel=1e-3)
    assert float(high) > 8


def small_net(flags: int) -> LandmarkNet:
    return LandmarkNet(2, (8, 8), flags)


def test_a_flag_that_is_not_known_teaches_nothing() -> None:
    torch.manual_seed(1)
    net = small_net(3).eval()
    image, cells, no = torch.randn(4, 2, 64, 64), torch.zeros(4, 2, 2), torch.zeros(4, 2, dtype=torch.bool)
    flags = torch.tensor(
        [[1.0, torch.nan, 0.0], [1.0, torch.nan, torch.nan], [1.0, torch.nan, 1.0], [1.0, torch.nan, 0]]
    )
    loss_of(net, (image, cells, no, no, flags), 1.0).backward()
    slope = net.middle.weight.grad.abs().sum(1)
    assert slope[0] == 0
    assert slope[1] > 0


def test_a_run_that_asks_for_more_flags_keeps_what_an_earlier_one_learnt(tmp_path: Path) -> None:
    earlier, net = small_net(1), small_net(3)
    torch.save({"averaged": earlier.state_dict()}, tmp_path / "earlier.pt")
    _start_from(net, tmp_path / "earlier.pt")
    assert torch.equal(net.globals.weight[:3], earlier.globals.weight)
    assert torch.equal(net.maps.weight, earlier.maps.weight)


# torch marks its own TorchScript exporter as deprecated; its successor needs one more package.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_exported_weights_answer_like_the_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(0)
    task = TASKS["close-ups"]
    torch.save(
        {"averaged": LandmarkNet(task.landmarks, task.widths, task.flags).state_dict()}, tmp_path / "close-ups.pt"
    )
    gap = export("close-ups", tmp_path / "close-ups.pt", tmp_path / "weights")
    assert gap < 0.05
    sums = (tmp_path / "weights" / "SHA256SUMS").read_text("ascii").split()
    assert sums[1] == "close-ups.onnx"
    # Half-precision weights: two bytes for each of about 1,060,000 parameters.
    assert (tmp_path / "weights" / "close-ups.onnx").stat().st_size < 2_300_000


def test_an_empty_cache_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="run `views` first"):
        Shards(tmp_path, "whole", ("real",))
