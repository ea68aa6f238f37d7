"""Benchmark results keep raw values; ratios are taken run by run, and the page says met or missed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"


@pytest.fixture
def harness(monkeypatch):
    """The modules of benchmarks/harness, which is no installed package."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield {name: importlib.import_module(f"harness.{name}") for name in ("result", "page", "process", "machine")}
    for name in [name for name in sys.modules if name.split(".")[0] == "harness"]:
        del sys.modules[name]


def two_rows(result):
    # The machine slowed down threefold in the second run; ours always took half as long as the peer.
    peer = result.Row("peer", "s", (2.0, 6.0, 2.2))
    ours = result.Row("ours", "s", (1.0, 3.0, 1.1), against="peer", at_most=1.05)
    return result.Result("a", "A title", "What was run.", (peer, ours), ("A note.",))


def test_a_ratio_is_taken_run_by_run(harness):
    measured = two_rows(harness["result"])
    assert measured.ratios(measured.rows[1]) == pytest.approx((0.5, 0.5, 0.5))
    assert measured.ratios(measured.rows[0]) == ()


def test_a_ratio_of_unequal_numbers_of_runs_is_that_of_the_medians(harness):
    result = harness["result"]
    rows = (result.Row("peer", "s", (2.0, 6.0, 2.2)), result.Row("ours", "s", (1.0, 3.3), against="peer"))
    # 2.15 / 2.2
    assert result.Result("a", "A", "", rows).ratios(rows[1]) == pytest.approx((0.97727,), abs=1e-5)


def test_a_result_is_read_back_as_it_was_written(harness, tmp_path, capsys):
    result = harness["result"]
    measured = two_rows(result)
    read = result.read(result.write(measured, tmp_path))
    assert read.result == measured
    assert read.machine == harness["machine"].this_machine()
    assert "ours: 1.1 s (1 to 3, n = 3)  0.50 x peer" in capsys.readouterr().out


def test_a_row_cannot_be_held_against_one_that_is_not_there(harness):
    result = harness["result"]
    with pytest.raises(ValueError, match="no row is called peer"):
        result.Result("a", "A", "", (result.Row("ours", "s", (1.0,), against="peer"),))


def page_of(harness, load_at_start):
    machine = harness["machine"].Machine("A CPU", 2, 24.0, "Linux x86_64", "3.11.7", "2026-11-22", load_at_start)
    result = harness["result"]
    return harness["page"].page([result.Measured(two_rows(result), machine)])


def test_the_page_says_what_was_missed_and_where_it_was_measured(harness):
    text = page_of(harness, 0.1)
    assert "| peer | 2.2 s (2 to 6) | 3 |  |  |" in text
    assert "| ours | 1.1 s (1 to 3) | 3 | 0.5 (0.5 to 0.5) × peer | ≤ 1.05 s: **missed** |" in text
    assert "2026-11-22: A CPU, 2 cores, 24 GiB" in text
    assert "busy" not in text


def test_a_busy_machine_is_said_to_be_busy(harness):
    assert "busy with other work (load average 1.0 at the start)" in page_of(harness, 1.0)


def test_peak_memory_is_that_of_the_command_and_not_of_its_parent(harness):
    # 200 MiB written to here must not show in a process that does nothing.
    ballast = bytearray(b"\x01") * (200 << 20)
    run = harness["process"].run_process
    idle = run([sys.executable, "-I", "-S", "-c", "pass"])
    assert idle.peak_mb < 60
    heavy = run([sys.executable, "-I", "-S", "-c", "b = bytearray(b'x') * (100 << 20)"])
    assert 100 < heavy.peak_mb - idle.peak_mb < 110
    assert len(ballast) == 200 << 20


def test_an_unexpected_exit_code_is_an_error_with_the_output(harness):
    with pytest.raises(RuntimeError, match="what went wrong"):
        harness["process"].run_process([sys.executable, "-c", "raise SystemExit('what went wrong')"])
