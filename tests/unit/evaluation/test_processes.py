"""Jobs shared among processes: their order, what is told meanwhile, and what ends the run."""

import os
import subprocess
from functools import partial
from pathlib import Path

import pytest

from fluorospread.cli.app import run
from fluorospread.errors import OutputError, WorkerError
from fluorospread.evaluation import processes
from fluorospread.evaluation.processes import in_processes

SAMPLES = Path("sample_dicom")


def test_results_come_in_the_order_of_the_jobs_and_are_told_when_they_are_there(tmp_path):
    # The first job waits for the second, so both run at once and the second is done before it.
    gate = tmp_path / "gate"
    jobs = [["sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.05; done; sleep 1; printf first"]]
    jobs += [["sh", "-c", f"touch {gate}; printf second"]]
    told: list[bytes] = []
    assert in_processes(partial(subprocess.check_output, timeout=120), jobs, 2, told.append) == [b"first", b"second"]
    assert told == [b"second", b"first"]


def test_one_worker_or_one_job_is_this_process():
    called: list[int] = []
    # A list's method reaches this list only from within the process.
    in_processes(called.append, [1, 2], 1, lambda _: None)
    in_processes(called.append, [3], 8, lambda _: None)
    assert in_processes(called.append, [], None, lambda _: None) == []
    assert called == [1, 2, 3]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_job_raises_ends_the_run_under_its_own_name(workers):
    with pytest.raises(ValueError, match="'no number'"):
        in_processes(int, ["no number", "2"], workers, lambda _: None)


def test_a_process_that_dies_is_a_named_error_that_says_what_to_do():
    with pytest.raises(WorkerError, match=r"with 0 of 2 jobs finished.* fewer workers"):
        in_processes(os._exit, [1, 1], 2, lambda _: None)


@pytest.fixture
def folders(tmp_path, builders):
    """Two films with their points."""
    for name in ("a", "b"):
        builders.write_film(tmp_path / "films" / f"{name}.png", tmp_path / "points" / f"{name}.json")
    return {"films": str(tmp_path / "films"), "points": str(tmp_path / "points")}


@pytest.mark.parametrize(
    "source",
    [
        [str(SAMPLES)],
        ["--simulate", "3"],
        ["--real", "films", "--annotations", "points"],
        ["--without-contrast", "6"],
        ["--pictures-without-contrast", "films"],
        ["--without-contrast", "6", "--pairs"],
        ["--without-contrast", "3", "--pairs", "--real", "films", "--annotations", "points"],
    ],
)
def test_every_way_to_evaluate_keeps_to_the_workers_asked_for(source, folders, monkeypatch, capsys):
    def pool(workers, mp_context):
        raise OutputError(f"{workers} were asked for")

    monkeypatch.setattr(processes, "ProcessPoolExecutor", pool)
    assert run(["evaluate", *(folders.get(word, word) for word in source), "--workers", "2"]) == 3
    assert "2 were asked for" in capsys.readouterr().err
