"""Which way rows and columns run on the patient, and from where the image looks at them.

PatientOrientation is the only authority for sides: ViewPosition, PatientPosition and FieldOfViewHorizontalFlip
alone settle none, because prone patients and C-arms turn every one of them round. What contradicts it leaves
the side unknown, with a note.
"""

from __future__ import annotations

import re

from pydicom.dataset import Dataset

from fluorospread.dicom.attributes import holder_of, items, number_or_none, text, texts, varies
from fluorospread.errors import OrientationError
from fluorospread.model.geometry import UNKNOWN_ORIENTATION, ColumnsTowards, Orientation, RowsTowards

FRONTAL, LATERAL, OBLIQUE = "frontal", "lateral", "oblique"

_ASK = "Give --columns-towards patient-left or patient-right."
_AXIS = {"L": 0, "R": 0, "A": 1, "P": 1, "F": 2, "H": 2}
_VIEW_OF_POSITION = {
    "AP": FRONTAL,
    "PA": FRONTAL,
    "LL": LATERAL,
    "RL": LATERAL,
    "RLD": FRONTAL,
    "LLD": FRONTAL,
    "RLO": OBLIQUE,
    "LLO": OBLIQUE,
    "LAO": OBLIQUE,
    "RAO": OBLIQUE,
    "LPO": OBLIQUE,
    "RPO": OBLIQUE,
}
# A projection turned less than this still shows a spine from the front; more than the second, from the side.
_MAX_FRONTAL_DEG = 15.0
_MIN_LATERAL_DEG = 70.0


def read_orientation(
    dataset: Dataset | None, columns: ColumnsTowards | None = None, rows: RowsTowards | None = None
) -> tuple[Orientation, list[str]]:
    """Where rows and columns lead on the patient, with notes.

    Parameters
    ----------
    columns, rows
        What a person gave; each overrides its tag.

    Raises
    ------
    OrientationError
        When PatientOrientation is malformed and a person did not give both directions.
    """
    if columns is not None and rows is not None:
        notes = _contradiction_of_given(dataset, columns)
        return Orientation(columns, rows, "given"), notes
    found, notes = (UNKNOWN_ORIENTATION, []) if dataset is None else _from_tags(dataset)
    if columns is None and rows is None:
        return found, notes
    notes += _contradiction_of_given(dataset, columns)
    return Orientation(columns or found.columns_towards, rows or found.rows_towards, "given", found.note), notes


def _contradiction_of_given(dataset: Dataset | None, columns: ColumnsTowards | None) -> list[str]:
    if dataset is None or columns is None:
        return []
    try:
        tagged = _from_tags(dataset)[0].columns_towards
    except OrientationError:
        return ["PatientOrientation is malformed; the direction given by a person is used."]
    if tagged is None or tagged is columns:
        return []
    return [f"PatientOrientation says columns lead to {tagged.value}; a person gave {columns.value}, which is used."]


def _from_tags(dataset: Dataset) -> tuple[Orientation, list[str]]:
    if varies(dataset, "PatientOrientation"):
        note = f"PatientOrientation is not the same in every frame: sides are the image's. {_ASK}"
        return UNKNOWN_ORIENTATION, [note]
    values = _patient_orientation(dataset)
    notes: list[str] = []
    keyword = "FieldOfViewHorizontalFlip"
    if text(holder_of(dataset, keyword), keyword).upper() == "YES":
        notes.append("FieldOfViewHorizontalFlip is YES; PatientOrientation is taken to describe the flipped pixels.")
    if values is None:
        return UNKNOWN_ORIENTATION, [*notes, f"PatientOrientation is absent: sides are the image's. {_ASK}"]
    along_columns, along_rows = values
    if _AXIS[along_columns[0]] == 2 or _AXIS[along_rows[0]] != 2:
        note = (
            f"PatientOrientation {along_columns}\\{along_rows} shows no upright spine (columns across, rows along the "
            f"body): sides are the image's. {_ASK}"
        )
        return UNKNOWN_ORIENTATION, [*notes, note]
    rows = RowsTowards.FEET if along_rows[0] == "F" else RowsTowards.HEAD
    if _AXIS[along_columns[0]] == 1:
        return Orientation(None, rows, "PatientOrientation", "columns run front to back: no sides"), notes
    other = _other_view(dataset)
    if other == LATERAL:
        note = (
            f"PatientOrientation {along_columns}\\{along_rows} is that of a frontal image, but view or positioner "
            f"say lateral: sides are the image's. {_ASK}"
        )
        return Orientation(None, rows, "PatientOrientation", "sides contradicted by the view"), [*notes, note]
    columns = ColumnsTowards.PATIENT_LEFT if along_columns[0] == "L" else ColumnsTowards.PATIENT_RIGHT
    return Orientation(columns, rows, "PatientOrientation"), notes


def _patient_orientation(dataset: Dataset) -> tuple[str, str] | None:
    """The two values, or None when absent. Raises OrientationError when they are malformed."""
    values = tuple(value.upper() for value in texts(holder_of(dataset, "PatientOrientation"), "PatientOrientation"))
    if not any(values):
        return None
    shown = "\\".join(values)
    if len(values) != 2 or not all(re.fullmatch(r"[LRAPFH]{1,3}", value) for value in values):
        raise OrientationError(f"PatientOrientation is {shown!r}; expected two directions such as L\\F. {_ASK}")
    for value in values:
        if len({_AXIS[letter] for letter in value}) != len(value):
            raise OrientationError(f"PatientOrientation is {shown!r}: {value} contradicts itself. {_ASK}")
    if _AXIS[values[0][0]] == _AXIS[values[1][0]]:
        raise OrientationError(f"PatientOrientation is {shown!r}: rows and columns run along one axis. {_ASK}")
    return values[0], values[1]


def read_view(dataset: Dataset) -> tuple[str, list[str]]:
    """ "frontal", "lateral", "oblique", or "" where the tags say nothing or contradict each other; with notes."""
    by_source = {
        name: view
        for name, view in (
            ("ViewPosition", _view_of_position(dataset)),
            ("positioner angles", _view_of_angles(dataset)),
            ("PatientOrientation", _view_of_orientation(dataset)),
        )
        if view
    }
    views = set(by_source.values())
    if len(views) == 1:
        return views.pop(), []
    if not views:
        return "", []
    said = ", ".join(f"{name} says {view}" for name, view in by_source.items())
    return "", [f"The view is contradictory ({said}); it was left open."]


def _other_view(dataset: Dataset) -> str:
    """The view by everything but PatientOrientation; positioner angles weigh less than a stated view."""
    return _view_of_position(dataset) or _view_of_angles(dataset)


def _view_of_position(dataset: Dataset) -> str:
    view = _VIEW_OF_POSITION.get(text(dataset, "ViewPosition").upper(), "")
    if view:
        return view
    for code in items(dataset, "ViewCodeSequence")[:1]:
        meaning = text(code, "CodeMeaning").lower()
        if "oblique" in meaning:
            return OBLIQUE
        if "anter" in meaning and "poster" in meaning:
            return FRONTAL
        if "lateral" in meaning and "decubitus" not in meaning:
            return LATERAL
    return ""


def _view_of_angles(dataset: Dataset) -> str:
    """View by the C-arm's angle about the patient's long axis; tilt to head or feet keeps the view."""
    holder = holder_of(dataset, "PositionerPrimaryAngle")
    angle = number_or_none(holder, "PositionerPrimaryAngle")
    if angle is None:
        return ""
    # From the front and from behind are both frontal: fold to 0..90 degrees.
    folded = abs((angle + 90.0) % 180.0 - 90.0)
    if folded <= _MAX_FRONTAL_DEG:
        return FRONTAL
    return LATERAL if folded >= _MIN_LATERAL_DEG else OBLIQUE


def _view_of_orientation(dataset: Dataset) -> str:
    try:
        values = _patient_orientation(dataset)
    except OrientationError:
        return ""
    if values is None or _AXIS[values[0][0]] == 2 or _AXIS[values[1][0]] != 2:
        return ""
    if len(values[0]) > 1 and {_AXIS[letter] for letter in values[0][:2]} == {0, 1}:
        return OBLIQUE
    return FRONTAL if _AXIS[values[0][0]] == 0 else LATERAL
