"""The networks' loss, and that a checkpoint becomes weights which answer alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is installed for training only")
pytest.importorskip("onnx", reason="onnx is installed for training only")

from fluorospread.errors import MissingFileError  # noqa: E402
from fluorospread.landmarks.network import INPUT_PX, JUNCTION_CHANNELS, LEVEL_CHANNELS, MAP_CELLS  # noqa: E402
from fluorospread.training.appearance import SIZE  # noqa: E402
from fluorospread.training.datasets import CELL_PX, Shards  # noqa: E402
from fluorospread.training.export import export  # noqa: E402
from fluorospread.training.network import LandmarkNet, location_log_probabilities, location_loss  # noqa: E402
from fluorospread.training.train import TASKS  # noqa: E402


def test_training_and_run_time_agree_on_sizes_and_channels() -> None:
    assert SIZE == INPUT_PX
    assert SIZE // CELL_PX == MAP_CELLS
    assert TASKS["levels"].landmarks == len(LEVEL_CHANNELS)
    assert TASKS["junctions"].landmarks == len(JUNCTION_CHANNELS)


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


# torch marks its own TorchScript exporter as deprecated; its successor needs one more package.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_exported_weights_answer_like_the_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(0)
    task = TASKS["junctions"]
    torch.save({"averaged": LandmarkNet(task.landmarks, task.widths).state_dict()}, tmp_path / "junctions.pt")
    gap = export("junctions", tmp_path / "junctions.pt", tmp_path / "weights")
    assert gap < 0.05
    sums = (tmp_path / "weights" / "SHA256SUMS").read_text("ascii").split()
    assert sums[1] == "junctions.onnx"
    # Half-precision weights: two bytes for each of about 565,000 parameters.
    assert (tmp_path / "weights" / "junctions.onnx").stat().st_size < 1_300_000


def test_an_empty_cache_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="run `views` first"):
        Shards(tmp_path, "whole", ("real",))
