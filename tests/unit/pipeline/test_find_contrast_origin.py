"""A run of a growing disc on a noisy spine, planted 20 px beside the midline: it is found where it began."""

from pathlib import Path

import numpy as np
import pytest

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import Role
from fluorospread.model.findings import Anchor, Junction, LevelLabels, LevelStatus, Vertebra
from fluorospread.model.geometry import ColumnsTowards, Geometry, GeometrySource, Orientation, RowsTowards
from fluorospread.model.radiograph import ArrayFrames, Beam, PolaritySource, Quantity, Radiograph
from fluorospread.pipeline.find_contrast_origin import find_contrast_origin
from fluorospread.pipeline.look_at_image import Look
from fluorospread.pipeline.settings import VerifySettings

SIDE_PX = 256
ROWS = {Level.L4: 70.0, Level.L5: 130.0, Level.S1: 190.0}
BEGAN = (130.0, 160.0)
JUNCTIONS = tuple(Junction(level, Side.LEFT, (row, 168.0), 0.9, 1.0) for level, row in ROWS.items())
LEFT = frozenset({Side.LEFT})


def run(radii_px, drift_px=6.0):
    """Frames with a disc of each radius; it drifts up by `drift_px` a frame while it grows."""
    rng = np.random.default_rng(3)
    row, col = np.mgrid[:SIDE_PX, :SIDE_PX].astype(float)
    spine = 0.5 * np.exp(-(((col - 128) / 30) ** 2)) + 0.1 * np.sin(row / 9) * np.sin(col / 11)
    frames = []
    for index, radius in enumerate(radii_px):
        noise = rng.normal(0.0, 0.004, (SIDE_PX, SIDE_PX))
        centre = BEGAN[0] - drift_px * max(0, index - 4)
        disc = np.hypot(row - centre, col - BEGAN[1]) <= radius
        frames.append(spine + noise + 0.15 * disc)
    radiograph = Radiograph(
        path=Path("cine.dcm"),
        sha256="ab" * 32,
        frames=ArrayFrames(np.array(frames, dtype=np.float32)),
        field_of_view=np.ones((SIDE_PX, SIDE_PX), dtype=bool),
        quantity=Quantity.NATURAL_LOG,
        polarity_source=PolaritySource.TAG,
        geometry=Geometry((0.5, 0.5), GeometrySource.ERMF, 0.02),
        orientation=Orientation(ColumnsTowards.PATIENT_LEFT, RowsTowards.FEET, "given"),
        beam=Beam(80.0, 3.0, 0.0),
    )
    levels = LevelLabels(
        LevelStatus.CONFIDENT, Anchor.SACRUM, tuple(Vertebra(n, (r, 128.0), 0.99, 1.0) for n, r in ROWS.items())
    )
    return Look(radiograph, Role.CINE, "test", "cine.dcm", levels=levels, junctions=JUNCTIONS)


def test_the_origin_is_where_the_contrast_began_and_not_its_middle_at_the_end():
    look = run((0, 0, 0, 0, 12, 17, 22, 26, 30, 32))
    (origin,) = find_contrast_origin(look, JUNCTIONS, LEFT, VerifySettings())
    assert origin.side is Side.LEFT
    # The last frame's middle lies 30 px above; the first visible disc is 12 px wide.
    assert origin.tip_px == pytest.approx(BEGAN, abs=6.0)
    assert 8.0 < origin.uncertainty_px < 20.0


def test_a_side_that_is_not_asked_for_is_left_out():
    look = run((0, 0, 0, 0, 12, 17, 22, 26, 30, 32))
    assert find_contrast_origin(look, JUNCTIONS, frozenset({Side.RIGHT}), VerifySettings()) == ()


def test_a_run_without_inflow_has_no_origin():
    assert find_contrast_origin(run((0,) * 8), JUNCTIONS, LEFT, VerifySettings()) == ()


def test_a_single_image_has_no_origin():
    assert find_contrast_origin(run((12,)), JUNCTIONS, LEFT, VerifySettings()) == ()
