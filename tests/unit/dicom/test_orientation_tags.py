"""Sides come from PatientOrientation or a person, never from the view; contradictions leave them open."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from fluorospread.dicom.orientation_tags import read_orientation, read_view
from fluorospread.errors import OrientationError
from fluorospread.model.anatomy import Side
from fluorospread.model.geometry import ColumnsTowards, RowsTowards


def header(**tags: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    ("values", "columns", "rows"),
    [
        (["L", "F"], ColumnsTowards.PATIENT_LEFT, RowsTowards.FEET),
        (["R", "F"], ColumnsTowards.PATIENT_RIGHT, RowsTowards.FEET),
        (["R", "H"], ColumnsTowards.PATIENT_RIGHT, RowsTowards.HEAD),
        (["LP", "FA"], ColumnsTowards.PATIENT_LEFT, RowsTowards.FEET),
        (["A", "F"], None, RowsTowards.FEET),
    ],
)
def test_patient_orientation_settles_the_directions(values, columns, rows):
    orientation, _ = read_orientation(header(PatientOrientation=values))
    assert (orientation.columns_towards, orientation.rows_towards) == (columns, rows)
    assert orientation.source == "PatientOrientation"


def test_columns_towards_the_left_put_high_columns_on_the_left_side():
    orientation, _ = read_orientation(header(PatientOrientation=["L", "F"]))
    assert orientation.side_at(col=200.0, midline_col=100.0) is Side.LEFT


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"ViewPosition": "AP", "PatientPosition": "HFP"},
        {"ViewPosition": "PA", "FieldOfViewHorizontalFlip": "YES", "PositionerPrimaryAngle": 0},
        {"PatientOrientation": ""},
    ],
)
def test_nothing_but_patient_orientation_settles_a_side(tags):
    orientation, notes = read_orientation(header(**tags))
    assert orientation.columns_towards is None
    assert any("--columns-towards" in note for note in notes)


@pytest.mark.parametrize("tags", [{"ViewPosition": "LL"}, {"PositionerPrimaryAngle": 90}])
def test_a_frontal_orientation_of_a_lateral_view_leaves_the_side_open(tags):
    orientation, notes = read_orientation(header(PatientOrientation=["L", "F"], **tags))
    assert orientation.columns_towards is None
    assert orientation.rows_towards is RowsTowards.FEET
    assert any("say lateral" in note for note in notes)


def test_an_image_lying_on_its_side_has_no_sides():
    orientation, notes = read_orientation(header(PatientOrientation=["F", "L"]))
    assert orientation.columns_towards is None
    assert any("no upright spine" in note for note in notes)


def test_a_flip_is_noted_and_the_stored_pixels_believed():
    orientation, notes = read_orientation(header(PatientOrientation=["R", "F"], FieldOfViewHorizontalFlip="YES"))
    assert orientation.columns_towards is ColumnsTowards.PATIENT_RIGHT
    assert any("FieldOfViewHorizontalFlip" in note for note in notes)


@pytest.mark.parametrize("values", ["L", ["L", "F", "A"], ["X", "F"], ["LR", "F"], ["L", "R"], ["left", "F"]])
def test_a_malformed_orientation_is_refused(values):
    dataset = header()
    dataset.add_new("PatientOrientation", "LO", values)
    with pytest.raises(OrientationError, match="PatientOrientation"):
        read_orientation(dataset)


def test_a_person_overrides_a_malformed_orientation():
    orientation, notes = read_orientation(
        header(PatientOrientation=["L", "R"]), ColumnsTowards.PATIENT_RIGHT, RowsTowards.FEET
    )
    assert orientation.columns_towards is ColumnsTowards.PATIENT_RIGHT
    assert orientation.source == "given"
    assert any("malformed" in note for note in notes)


def test_a_person_who_contradicts_the_tag_wins_and_it_is_said():
    orientation, notes = read_orientation(header(PatientOrientation=["L", "F"]), ColumnsTowards.PATIENT_RIGHT)
    assert orientation.columns_towards is ColumnsTowards.PATIENT_RIGHT
    assert orientation.rows_towards is RowsTowards.FEET
    assert any("a person gave patient-right" in note for note in notes)


@pytest.mark.parametrize(
    ("tags", "view"),
    [
        ({"ViewPosition": "AP"}, "frontal"),
        ({"ViewPosition": "PA"}, "frontal"),
        ({"ViewPosition": "RL"}, "lateral"),
        ({"ViewPosition": "LPO"}, "oblique"),
        ({"PositionerPrimaryAngle": 3, "PositionerSecondaryAngle": 20}, "frontal"),
        ({"PositionerPrimaryAngle": 178}, "frontal"),
        ({"PositionerPrimaryAngle": -30}, "oblique"),
        ({"PositionerPrimaryAngle": -90}, "lateral"),
        ({"PositionerPrimaryAngle": 95}, "lateral"),
        ({"PatientOrientation": ["L", "F"]}, "frontal"),
        ({"PatientOrientation": ["A", "F"]}, "lateral"),
        ({"PatientOrientation": ["LA", "F"]}, "oblique"),
        ({"ViewPosition": "AP", "PositionerPrimaryAngle": 2, "PatientOrientation": ["L", "F"]}, "frontal"),
        ({"PatientPosition": "HFP"}, ""),
    ],
)
def test_the_view_is_what_the_tags_agree_on(tags, view):
    assert read_view(header(**tags))[0] == view


def test_a_view_code_counts_like_a_view_position():
    code = header(CodeValue="399348003", CodingSchemeDesignator="SCT", CodeMeaning="antero-posterior")
    assert read_view(header(ViewCodeSequence=Sequence([code])))[0] == "frontal"


def test_contradicting_views_are_left_open_with_a_note():
    view, notes = read_view(header(ViewPosition="AP", PositionerPrimaryAngle=90))
    assert view == ""
    assert any("contradictory" in note for note in notes)
