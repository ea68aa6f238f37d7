"""From the contrast network's cells to the image's pixels."""

import numpy as np
import pytest

from fluorospread.landmarks import contrast_map
from fluorospread.landmarks.contrast_map import CONTRAST_CELLS, ContrastMap, look_for_contrast
from fluorospread.landmarks.network import Region

MIDDLE = (CONTRAST_CELLS - 1) / 2


def test_cells_lie_on_the_image_where_the_square_does():
    p = np.zeros((CONTRAST_CELLS, CONTRAST_CELLS), np.float32)
    p[10, 80] = 1.0
    seen = ContrastMap(Region((200.0, 120.0), 2.0 * CONTRAST_CELLS), p)
    image = seen.enlarged((400, 300))
    assert np.unravel_index(int(image.argmax()), image.shape) in [
        (int(200 + 2 * (10 - MIDDLE) + d), int(120 + 2 * (80 - MIDDLE) + e)) for d in (0, 1) for e in (0, 1)
    ]
    # A cell of 2 x 2 px keeps its four pixels' worth.
    assert image.sum() == pytest.approx(4.0, abs=1e-3)


def test_a_square_that_reaches_beyond_the_image_leaves_the_rest():
    seen = ContrastMap(Region((0.0, 0.0), 96.0), np.ones((CONTRAST_CELLS, CONTRAST_CELLS), np.float32))
    image = seen.enlarged((100, 100))
    assert image[:47, :47].min() == pytest.approx(1.0)
    assert image[49:].max() == 0


def test_mirrored_and_closer_looks_are_laid_over_the_first(monkeypatch):
    def answers(name):
        assert name == "contrast"

        class Fake:
            def run(self, _, given):
                images = given["image"]
                assert images.shape[1:] == (3, 192, 192)
                # The network marks what is bright: the third of the four sees it larger.
                fine = images[:, :1, ::2, ::2]
                return (np.where(fine > 1.5, 20.0, -20.0).astype(np.float32),)

        return Fake()

    monkeypatch.setattr(contrast_map, "session", answers)
    image = np.zeros((300, 300), np.float32)
    image[120:126, 180:186] = 1.0
    seen = look_for_contrast(image, np.ones(image.shape, bool), (150.0, 150.0), 192.0)
    rows, cols = np.nonzero(seen.enlarged((300, 300)) > 0.6)
    assert rows.mean() == pytest.approx(122.5, abs=1.5)
    assert cols.mean() == pytest.approx(182.5, abs=1.5)


def test_nothing_is_seen_outside_the_field_of_view(monkeypatch):
    class Sure:
        def run(self, _, given):
            return (np.full((len(given["image"]), 1, CONTRAST_CELLS, CONTRAST_CELLS), 20.0, np.float32),)

    monkeypatch.setattr(contrast_map, "session", lambda name: Sure())
    field = np.zeros((300, 300), bool)
    field[:, :150] = True
    image = look_for_contrast(np.ones(field.shape, np.float32), field, (150.0, 150.0), 192.0).enlarged(field.shape)
    assert image[100:200, 60:146].min() > 0.95
    assert image[:, 155:].max() < 0.05
