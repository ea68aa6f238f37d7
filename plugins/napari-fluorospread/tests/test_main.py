"""Started from a shell, what is wrong with the folder is said before napari starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_fluorospread.__main__ import main


def test_a_folder_without_cases_ends_with_the_exit_code_of_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path), "--reader", "A"])
    assert ended.value.code == 3
    assert "no case.json here" in capsys.readouterr().err


def test_a_reader_has_to_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path)])
    assert ended.value.code == 2
    assert "--reader" in capsys.readouterr().err
