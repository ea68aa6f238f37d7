"""What was opened as a file is known after napari was closed, by its content."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from napari_fluorospread import results_shown
from napari_fluorospread.results_shown import remember_shown, was_shown


@pytest.fixture
def case_json(tmp_path: Path) -> Path:
    path = tmp_path / "case.json"
    path.write_text('{"case_id": "P1-01"}')
    return path


def test_nothing_was_shown_at_first(case_json: Path) -> None:
    assert not was_shown(case_json)
    assert not results_shown.list_path().exists()


def test_a_result_is_known_by_its_content_wherever_it_lies(case_json: Path, tmp_path: Path) -> None:
    remember_shown(case_json)
    copy = tmp_path / "elsewhere" / "case.json"
    copy.parent.mkdir()
    shutil.copy(case_json, copy)
    assert was_shown(copy)


def test_another_result_of_the_same_case_is_another_one(case_json: Path) -> None:
    remember_shown(case_json)
    case_json.write_text('{"case_id": "P1-01", "verdict": {}}')
    assert not was_shown(case_json)


def test_a_result_opened_twice_stands_in_the_list_once(case_json: Path) -> None:
    remember_shown(case_json)
    remember_shown(case_json)
    assert len(results_shown.list_path().read_text("ascii").splitlines()) == 1
