"""Jobs in, what each of them gives out, in their order: shared among processes where more than one is wanted."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from fluorospread.errors import WorkerError

Report = Callable[[str], None]
"""Told the name of each case, image or film when it is done."""

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


def in_processes(
    function: Callable[[_Job], _Result],
    jobs: Sequence[_Job],
    workers: int | None,
    report: Callable[[_Result], None],
) -> list[_Result]:
    """What `function` gives for each job, in the order of `jobs`.

    What `function` raises ends the run: jobs not yet begun are dropped. A job whose failure should not stop the
    others returns it.

    Parameters
    ----------
    function, jobs
        Must pickle, and so must the results.
    workers
        Processes; None: one for each processor. One worker, or one job, is this process.
    report
        Told each result as soon as it is there, whatever its place in the order.

    Raises
    ------
    WorkerError
        A process ended before its job was done.
    """
    several = min(workers or os.cpu_count() or 1, len(jobs))
    if several > 1:
        return _shared(function, jobs, several, report)
    results = []
    for job in jobs:
        results.append(function(job))
        report(results[-1])
    return results


def _shared(
    function: Callable[[_Job], _Result], jobs: Sequence[_Job], workers: int, report: Callable[[_Result], None]
) -> list[_Result]:
    results: dict[int, _Result] = {}
    # Forking a process that has run threads can hang; a fresh interpreter cannot.
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        running = {pool.submit(function, job): number for number, job in enumerate(jobs)}
        for finished in as_completed(running):
            results[running[finished]] = finished.result()
            report(finished.result())
    except BrokenProcessPool as error:
        # Each process imports the calling script anew, and one without this guard would start processes of its own.
        raise WorkerError(
            f"a process ended before its job was done, with {len(results)} of {len(jobs)} jobs finished. Most often "
            "memory ran out: ask for fewer workers. A script of your own must evaluate below "
            '`if __name__ == "__main__":`'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
    return [results[number] for number in range(len(jobs))]
