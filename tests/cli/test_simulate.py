"""The command line of `fluorospread simulate`: what does not go together is refused before any work."""

from pathlib import Path

import pytest

from fluorospread.cli.app import run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--check"], "add --samples"),
        (["--samples", "--anatomies", "there"], "leave out --anatomies"),
        (["--implant", "film.png", "--points", "film.json", "--anatomies", "there"], "no --samples or --anatomies"),
        (["--images", "post"], "--images is about a real film"),
    ],
)
def test_options_that_exclude_each_other_are_a_usage_error(arguments, message, tmp_path: Path, capsys):
    assert run(["simulate", "--out", str(tmp_path / "out"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_without_anatomies_is_bad_input(tmp_path: Path, capsys):
    assert run(["simulate", "--out", str(tmp_path / "out"), "--anatomies", str(tmp_path)]) == 3
    assert "none of the public anatomies" in capsys.readouterr().err


def test_a_film_that_is_not_there_is_bad_input(tmp_path: Path, capsys):
    points = tmp_path / "film.json"
    points.write_text("{}", encoding="utf-8")
    film = str(tmp_path / "film.png")
    assert run(["simulate", "--out", str(tmp_path / "out"), "--implant", film, "--points", str(points)]) == 3
    assert "film.png" in capsys.readouterr().err
