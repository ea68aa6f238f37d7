"""What a viewer shows of the difference of two images, or of a run and its mask."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from fluorospread.model.case import Role
from fluorospread.model.geometry import Geometry, GeometrySource
from fluorospread.model.radiograph import ArrayFrames, PolaritySource, Quantity, Radiograph
from fluorospread.pipeline.subtraction_view import subtraction_view

SHAPE = (256, 256)


def radiograph(*frames: np.ndarray) -> Radiograph:
    stack = np.stack(frames).astype(np.float32)
    geometry = Geometry((0.9, 0.9), GeometrySource.GIVEN, 0.02)
    inside = np.ones(stack.shape[1:], dtype=bool)
    return Radiograph(
        Path("a.dcm"), "0" * 64, ArrayFrames(stack), inside, Quantity.NATURAL_LOG, PolaritySource.TAG, geometry
    )


def anatomy(seed: int = 1) -> np.ndarray:
    """Blobs of a few mm, no two alike."""
    noise = np.random.default_rng(seed).normal(size=SHAPE)
    return ndimage.gaussian_filter(noise, 4.0) * 4.0 + 2.0


def disc() -> np.ndarray:
    rows, cols = np.indices(SHAPE)
    return np.hypot(rows - 120.0, cols - 90.0) < 20.0


def test_contrast_is_bright_where_it_lies_in_the_later_image_though_the_patient_moved() -> None:
    before = anatomy()
    after = ndimage.shift(before, (3.0, -4.0), mode="reflect") + 0.3 * disc()
    view = subtraction_view((Role.POST, Role.NEEDLE), (radiograph(after), radiograph(before)))
    assert view is not None
    assert (view.measured, view.reference) == (0, 1)
    change = view.frames.frame(0)
    inner = ndimage.binary_erosion(disc(), iterations=4)
    apart = ~ndimage.binary_dilation(disc(), iterations=4)
    apart[:16] = apart[-16:] = apart[:, :16] = apart[:, -16:] = False
    # 0.3 was added; the slow background takes a little of it along.
    assert np.median(change[inner]) == pytest.approx(0.3, abs=0.06)
    assert np.std(change[apart]) < 0.03
    # The earlier image now lies where the later one does.
    assert np.abs(view.aligned_reference - after)[apart].mean() < 0.05


def test_a_run_is_subtracted_from_its_named_mask_frame_by_frame() -> None:
    still = anatomy()
    run = replace(radiograph(still + 5.0, still, still + 0.2 * disc()), mask_frames=(1,))
    view = subtraction_view((Role.CINE,), (run,))
    assert view is not None
    assert view.frames.count == 3
    assert view.frames.shape == SHAPE
    np.testing.assert_allclose(view.frames.frame(2), 0.2 * disc(), atol=1e-6)


def test_images_of_different_views_are_not_subtracted() -> None:
    assert subtraction_view((Role.NEEDLE, Role.POST), (radiograph(anatomy()), radiograph(anatomy(7)))) is None
    smaller = radiograph(anatomy()[:200])
    assert subtraction_view((Role.NEEDLE, Role.POST), (smaller, radiograph(anatomy()))) is None


def test_without_an_image_after_contrast_there_is_nothing_to_subtract() -> None:
    assert subtraction_view((Role.NEEDLE, Role.PRE), (radiograph(anatomy()),) * 2) is None
