"""Pace, mask and movement of a run, as its header tells them."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from fluorospread.dicom.frame_facts import motion_notes, read_frame_time_ms, read_mask_frames


def header(**tags: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


def masks(*items: dict[str, object]) -> Dataset:
    return header(MaskSubtractionSequence=Sequence([header(**item) for item in items]))


@pytest.mark.parametrize(
    ("tags", "time_ms"),
    [
        ({"FrameTime": "66.7"}, 66.7),
        # The first entry is the delay before the first frame; one slow frame does not set the pace.
        ({"FrameTimeVector": ["0", "100", "100", "900"]}, 100.0),
        ({"CineRate": "15"}, 66.667),
        ({"RecommendedDisplayFrameRate": "4"}, 250.0),
        ({"FrameTime": "0"}, None),
        ({"FrameTime": "40", "CineRate": "15"}, 40.0),
        ({}, None),
    ],
)
def test_the_pace_of_a_run(tags, time_ms):
    found = read_frame_time_ms(header(**tags), 4)
    assert found == (None if time_ms is None else pytest.approx(time_ms, abs=1e-3))


def test_one_frame_has_no_pace():
    assert read_frame_time_ms(header(FrameTime="66.7"), 1) is None


def test_averaged_mask_frames_are_named_from_zero():
    assert read_mask_frames(masks({"MaskOperation": "AVG_SUB", "MaskFrameNumbers": [2, 3, 5]}), 10) == ((1, 2, 4), [])


def test_a_mask_beyond_the_run_is_ignored_aloud():
    frames, notes = read_mask_frames(masks({"MaskOperation": "AVG_SUB", "MaskFrameNumbers": [1, 12]}), 10)
    assert frames == (0,)
    assert "[12] do not exist among 10" in notes[0]


@pytest.mark.parametrize("operation", ["NONE", "TID", "REV_TID"])
def test_other_mask_operations_name_no_mask(operation):
    frames, notes = read_mask_frames(masks({"MaskOperation": operation, "MaskFrameNumbers": [1]}), 10)
    assert frames == ()
    assert bool(notes) == (operation != "NONE")


def test_of_several_masks_the_one_that_serves_most_frames_is_taken():
    dataset = masks(
        {"MaskOperation": "AVG_SUB", "MaskFrameNumbers": 1, "ApplicableFrameRange": [1, 3]},
        {"MaskOperation": "AVG_SUB", "MaskFrameNumbers": [4, 5], "ApplicableFrameRange": [4, 6, 8, 10]},
    )
    frames, notes = read_mask_frames(dataset, 10)
    assert frames == (3, 4)
    assert "2 masks" in notes[0]


def test_increments_of_a_rotational_run_are_told():
    turning = header(PositionerMotion="DYNAMIC", PositionerPrimaryAngleIncrement="1.5")
    assert "turned" in motion_notes(turning, 30)[0]
    # One increment stands for every frame, so two frames are 0.6 degrees apart.
    assert motion_notes(header(PositionerPrimaryAngleIncrement="0.6"), 2) == []
    assert "turned" in motion_notes(header(PositionerSecondaryAngleIncrement=["0", "0.6", "0.6"]), 3)[0]


def test_a_single_image_does_not_move():
    assert motion_notes(header(PositionerPrimaryAngleIncrement="5"), 1) == []
