"""What is claimed of a probability map of one image, where it lies, and what is said where nothing can be."""

from pathlib import Path

import numpy as np
import pytest

from fluorospread.landmarks.contrast_map import CONTRAST_CELLS, ContrastMap
from fluorospread.landmarks.network import Region
from fluorospread.model.anatomy import Level
from fluorospread.model.findings import Anchor, ContrastMethod, ContrastStatus, LevelLabels, LevelStatus, Vertebra
from fluorospread.model.geometry import ColumnsTowards, Orientation, RowsTowards
from fluorospread.model.radiograph import ArrayFrames, PolaritySource, Quantity, Radiograph
from fluorospread.steps import segment_single_image as step
from fluorospread.steps.segment_single_image import SingleImageSettings, segment_single_image

SHAPE = (400, 300)
L4, L5 = (160.0, 150.0), (260.0, 150.0)
SETTINGS = SingleImageSettings(
    side_pitches=4.0, outline=0.5, sure=0.9, sure_pitches2=0.15, area_pitches2=0.05, outline_sd_pitches=0.1
)


def levels(*names, status=LevelStatus.CONFIDENT):
    places = {Level.L4: L4, Level.L5: L5}
    reason = "" if status is LevelStatus.CONFIDENT else "by design"
    return LevelLabels(status, Anchor.SACRUM, tuple(Vertebra(n, places[n], 1.0) for n in names), reason=reason)


def post(rows_towards=RowsTowards.FEET):
    orientation = Orientation(ColumnsTowards.PATIENT_LEFT, rows_towards, "given")
    return Radiograph(
        Path("post.dcm"), "0" * 64, ArrayFrames(np.zeros((1, *SHAPE), np.float32)), np.ones(SHAPE, bool),
        Quantity.RELATIVE, PolaritySource.GIVEN, orientation=orientation,
    )  # fmt: skip


@pytest.fixture
def seen(monkeypatch):
    """A map of 4 pitches (400 px) about (210, 150), nothing in it; tests fill it in."""
    probability = np.zeros((CONTRAST_CELLS, CONTRAST_CELLS), np.float32)
    asked = []

    def look(image, field, centre_px, side_px):
        asked.append((centre_px, side_px))
        return ContrastMap(Region(centre_px, side_px), probability)

    monkeypatch.setattr(step, "look_for_contrast", look)
    return probability, asked


def test_a_sure_area_is_outlined_where_it_lies(seen):
    probability, asked = seen
    # Cells are 400 / 96 = 4.17 px; cell 47.5 lies on (210, 150).
    probability[30:40, 60:70] = 0.95
    found = segment_single_image(post(), levels(Level.L4, Level.L5), ("why",), SETTINGS)
    assert asked == [((210.0, 150.0), 400.0)]
    assert found.status is ContrastStatus.FOUND
    assert found.method is ContrastMethod.SINGLE_IMAGE
    rows, cols = np.nonzero(found.mask)
    assert rows.mean() == pytest.approx(210 + (34.5 - 47.5) * 400 / 96, abs=1)
    assert cols.mean() == pytest.approx(150 + (64.5 - 47.5) * 400 / 96, abs=1)
    # Half a cell beyond the last sure one: 10 cells wide.
    assert np.ptp(rows) + 1 == pytest.approx(10 * 400 / 96, abs=2)
    assert found.outline_uncertainty_px == pytest.approx(10.0)


def test_nothing_is_denied_and_no_iodine_is_stated(seen):
    seen[0][30:40, 60:70] = 0.95
    found = segment_single_image(post(), levels(Level.L4, Level.L5), (), SETTINGS)
    assert found.detection_limit_mg_cm2 is None
    assert found.areal_iodine_mg_cm2 is None
    assert found.iodine_reason
    assert any("provisional" in note and "decides no criterion, and denies nothing" in note for note in found.notes)


def test_an_area_that_is_likely_but_nowhere_sure_is_not_claimed(seen):
    seen[0][30:40, 60:70] = 0.8
    seen[0][30:31, 60:62] = 0.95
    found = segment_single_image(post(), levels(Level.L4, Level.L5), ("why",), SETTINGS)
    assert found.status is ContrastStatus.NOT_FOUND
    assert "does not prove that there is none" in found.reason
    assert found.notes == ("why",)


def test_small_areas_count_together_towards_what_must_be_sure(seen):
    # 9 by 9 cells are 0.14 pitches squared, each area alone too little, both together enough.
    seen[0][30:39, 60:69] = 0.95
    assert segment_single_image(post(), levels(Level.L4, Level.L5), (), SETTINGS).status is ContrastStatus.NOT_FOUND
    seen[0][30:39, 20:29] = 0.95
    found = segment_single_image(post(), levels(Level.L4, Level.L5), (), SETTINGS)
    assert found.mask[:, 150:].any()
    assert found.mask[:, :150].any()


def test_only_the_sure_one_of_two_areas_is_claimed(seen):
    seen[0][30:40, 60:70] = 0.95
    seen[0][30:40, 20:30] = 0.8
    found = segment_single_image(post(), levels(Level.L4, Level.L5), (), SETTINGS)
    assert found.mask[:, 150:].any()
    assert not found.mask[:, :150].any()


def test_an_image_stored_upside_down_is_searched_upright(seen):
    probability, asked = seen
    probability[30:40, 60:70] = 0.95
    found = segment_single_image(post(RowsTowards.HEAD), levels(Level.L4, Level.L5), (), SETTINGS)
    assert asked[0][0] == (SHAPE[0] - 1 - 210.0, 150.0)
    rows, _ = np.nonzero(found.mask)
    assert rows.mean() == pytest.approx(210 - (34.5 - 47.5) * 400 / 96, abs=1)


@pytest.mark.parametrize(
    "known", [None, levels(Level.L4), levels(Level.L4, Level.L5, status=LevelStatus.INDETERMINATE)]
)
def test_without_l4_and_l5_nobody_knows_where_to_look(seen, known):
    found = segment_single_image(post(), known, (), SETTINGS)
    assert found.status is ContrastStatus.NOT_FOUND
    assert "L4 and L5" in found.reason
    assert not seen[1]
