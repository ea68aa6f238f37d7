"""Every example of docs/python_api.md runs, and gives what the page says."""

from __future__ import annotations

import doctest
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fluorospread.pipeline import verify_cohort

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "python_api.md"


@contextmanager
def _in_this_process(*_: object) -> Iterator[Any]:
    """A cluster without processes of its own, whose start takes longer than the examples."""
    from distributed import Client

    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
        yield client


def test_the_examples_of_the_page_give_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "sample_dicom" / "P1-02", tmp_path / "my_cases" / "P1-02")
    (tmp_path / "my_cases" / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(verify_cohort, "_cluster", _in_this_process)
    examples = "\n".join(re.findall(r"```pycon\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
    test = doctest.DocTestParser().get_doctest(examples, {}, PAGE.name, str(PAGE), 0)
    said: list[str] = []
    results = doctest.DocTestRunner().run(test, out=said.append)
    assert results.attempted >= 15
    assert results.failed == 0, "".join(said)
