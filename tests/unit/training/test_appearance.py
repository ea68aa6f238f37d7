"""Where landmarks go when a view is cut, turned and mirrored, and that the network sees what users' images show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is installed for training only")

from fluorospread.landmarks import network as run_time  # noqa: E402
from fluorospread.training import appearance as training  # noqa: E402
from fluorospread.training.appearance import Appearance  # noqa: E402
from fluorospread.training.clutter import make_banks  # noqa: E402
from fluorospread.training.window import SIZE, Window, cut_out  # noqa: E402


def window(side: float, turn_deg: float, mirrored: bool, aspect: float = 1.0) -> Window:
    return Window(
        np.array([[300.0, 250.0]]), np.array([side]), np.radians([turn_deg]), np.array([mirrored]), np.array([aspect])
    )


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(
    ("side", "turn", "aspect"), [(200.0, 0.0, 1.0), (200.0, 20.0, 1.0), (520.0, -15.0, 1.0), (240.0, 20.0, 1.15)]
)
def test_a_landmark_stays_on_its_spot(side: float, turn: float, aspect: float, mirrored: bool) -> None:
    views = np.zeros((1, 2, 600, 500), dtype=np.uint8)
    views[0, 0, 338:343, 268:273] = 200
    cut = window(side, turn, mirrored, aspect)
    bone, _ = cut_out(views, cut)
    spot = bone[0, 0].numpy().astype(np.float64)
    rows, cols = np.mgrid[0:SIZE, 0:SIZE]
    found = np.array([(spot * rows).sum(), (spot * cols).sum()]) / spot.sum()
    expected = cut.to_image(np.array([[[340.0, 270.0]]]))[0, 0]
    assert found == pytest.approx(expected, abs=0.35)


def test_a_landmark_stays_on_its_spot_when_the_image_is_bent() -> None:
    views = np.zeros((1, 2, 600, 500), dtype=np.uint8)
    views[0, 0, 338:343, 268:273] = 200
    straight = window(300.0, 10.0, True)
    waves = np.array([[[0.03, 0.02, 1.0, 4.0, -3.0], [-0.01, 0.05, 2.0, 2.0, 3.0]]])
    bent = replace(straight, waves=waves)
    bone, _ = cut_out(views, bent)
    spot = bone[0, 0].numpy().astype(np.float64)
    rows, cols = np.mgrid[0:SIZE, 0:SIZE]
    found = np.array([(spot * rows).sum(), (spot * cols).sum()]) / spot.sum()
    at = np.array([[[340.0, 270.0]]])
    assert found == pytest.approx(bent.to_image(at)[0, 0], abs=0.35)
    assert np.hypot(*(found - straight.to_image(at)[0, 0])) > 2


def test_random_filters_change_some_images_and_leave_bone_the_brighter_part() -> None:
    grey = torch.full((40, 1, SIZE, SIZE), 0.3)
    grey[:, :, 60:120, 50:140] = 0.7
    field = torch.ones_like(grey)
    seen = Appearance(make_banks(2, 0), 3).filtered(grey, field, share=0.5)
    changed = (seen != grey).flatten(1).any(1)
    assert 10 < int(changed.sum()) < 30
    inside, outside = seen[:, 0, 70:110, 60:130].mean((1, 2)), seen[:, 0, :50].mean((1, 2))
    assert bool((inside > outside).all())


def test_the_view_reaches_only_as_far_as_it_was_rendered() -> None:
    views = np.full((1, 2, 600, 500), 50, dtype=np.uint8)
    _, inside = cut_out(views, window(1000.0, 0.0, False))
    # A 1000 px window over 500 columns: half of each row is inside.
    assert float(inside.mean()) == pytest.approx(0.5 * 0.6, abs=0.01)


def test_training_and_run_time_see_the_same_local_contrast() -> None:
    rng = np.random.default_rng(0)
    grey = torch.from_numpy(rng.random((1, 1, SIZE, SIZE)).astype(np.float32))
    grey[:, :, 60:120, 50:90] += 1.5
    field = torch.ones_like(grey)
    field[:, :, :, :30] = 0
    trained = training.local_contrast(grey, field, torch.tensor([9.5]))[0, 0].numpy()
    used = run_time.local_contrast(np.stack([grey[0, 0].numpy(), field[0, 0].numpy()]), 9.5)[0]
    assert used == pytest.approx(trained, abs=2e-3)


def test_the_same_seed_gives_the_same_image_and_another_seed_another() -> None:
    banks = make_banks(4, 0)
    views = np.random.default_rng(1).integers(0, 80, (2, 2, 300, 260)).astype(np.uint8)
    cut = Window(
        np.array([[150.0, 130.0]] * 2), np.array([200.0, 280.0]), np.zeros(2), np.array([False, True]), np.ones(2)
    )
    top = np.array([-100.0, 40.0])
    first, field = Appearance(banks, 5)(views, cut, top)
    second, _ = Appearance(banks, 5)(views, cut, top)
    other, _ = Appearance(banks, 6)(views, cut, top)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert first.shape == (2, 2, SIZE, SIZE)
    assert (field[1, :41] == 0).all()
    assert torch.isfinite(first).all()
