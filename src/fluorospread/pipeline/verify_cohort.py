"""Many cases in, each run once on a dask cluster; an interrupted run goes on where it stopped.

Cases do not depend on each other and each runs in one thread, so the results are the same whatever the
number of workers. Only a few cases are in flight at a time and a worker hands back a few words, not the
result, so memory does not grow with the size of the cohort.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from fluorospread import __version__
from fluorospread.errors import UsageError
from fluorospread.landmarks.network import weights_sha256
from fluorospread.pipeline.gather_case import CaseRequest
from fluorospread.pipeline.run_cohort_case import CaseJob, CaseRun, CohortOptions, Status, run_case
from fluorospread.pipeline.verify_many import Failure, failure_of
from fluorospread.pipeline.write_case import check_writable

# Enough that no worker waits for its next case; small enough that a cohort of any size fits in memory.
_IN_FLIGHT_PER_WORKER = 3
_CONNECT_TIMEOUT = "10s"
# Workers share the machine's cores, so each keeps to one.
_ONE_THREAD = {
    "OMP_NUM_THREADS": 1,
    "OPENBLAS_NUM_THREADS": 1,
    "MKL_NUM_THREADS": 1,
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": 1,
}
# An image's arrays take some MB each. dask's own setting hands them back to the system one by one, and fetching
# zeroed pages again for the next takes longer than the arithmetic on them. So a worker keeps what its cases
# needed, up to the first number of bytes, in one arena, as cases run in a thread of their own; arrays beyond the
# second, glibc's largest for it, are handed back as before.
_KEPT_MEMORY = {"MALLOC_TRIM_THRESHOLD_": 512 * 2**20, "MALLOC_MMAP_THRESHOLD_": 32 * 2**20, "MALLOC_ARENA_MAX": 1}


@dataclass(frozen=True)
class Progress:
    """After each case: how far the run is. `seconds_left` is None until one case was really verified."""

    done: int
    total: int
    latest: CaseRun
    seconds_left: float | None


def verify_cohort(
    requests: Sequence[CaseRequest | Failure | None],
    options: CohortOptions,
    progress: Callable[[Progress], None] = lambda _: None,
) -> tuple[CaseRun, ...]:
    """Verify every case that is not finished yet; one outcome each, in order. None entries are passed over.

    Raises
    ------
    OutputError
        `options.out` cannot be written.
    UsageError
        The scheduler cannot be reached, has no workers, or its workers run another version; or worker processes
        cannot be started here.
    """
    # Workers may run in another folder.
    options = replace(options, out=options.out.absolute())
    check_writable(options.out)
    jobs: list[CaseJob] = []
    runs: list[CaseRun] = []
    clock = _Clock(sum(request is not None for request in requests), progress)
    for index, request in enumerate(requests):
        if isinstance(request, Failure):
            runs.append(clock.tell(CaseRun(index, request.case_id, Status.FAILED, failure=request)))
        elif request is not None:
            jobs.append(CaseJob(index, _absolute(request), options))
    if jobs:
        with _cluster(options, len(jobs)) as client:
            clock.start(_worker_count(client))
            runs += [clock.tell(run) for run in _run_jobs(client, jobs)]
    return tuple(sorted(runs, key=lambda run: run.index))


def _absolute(request: CaseRequest) -> CaseRequest:
    images = tuple(replace(image, path=image.path.absolute()) for image in request.images)
    return replace(request, images=images, dose_reports=tuple(path.absolute() for path in request.dose_reports))


class _Clock:
    """Counts cases and tells the time left from those that were really verified."""

    def __init__(self, total: int, progress: Callable[[Progress], None]) -> None:
        self._total, self._progress = total, progress
        self._done, self._verified, self._worked, self._workers = 0, 0, 0.0, 1

    def start(self, workers: int) -> None:
        self._workers = max(1, workers)

    def tell(self, run: CaseRun) -> CaseRun:
        self._done += 1
        if run.status is Status.VERIFIED:
            self._verified += 1
            self._worked += run.seconds
        left = None
        if self._verified:
            left = (self._total - self._done) * self._worked / self._verified / self._workers
        self._progress(Progress(self._done, self._total, run, left))
        return run


def _run_jobs(client: Any, jobs: Sequence[CaseJob]) -> Iterator[CaseRun]:
    """Outcomes as they come in, with a bounded number of cases handed out at a time."""
    from distributed import as_completed

    waiting = iter(jobs)
    sent: dict[str, CaseJob] = {}
    running = as_completed()

    def send(count: int) -> None:
        for _, job in zip(range(count), waiting, strict=False):
            future = client.submit(run_case, job, pure=False)
            sent[future.key] = job
            running.add(future)

    send(_IN_FLIGHT_PER_WORKER * max(1, _worker_count(client)))
    for future in running:
        job = sent.pop(future.key)
        error = future.exception()
        if error is None:
            run: CaseRun = future.result()
        else:
            # The worker itself died, e.g. for want of memory: that is this case's result, not the run's.
            run = CaseRun(job.index, job.request.case_id, Status.FAILED, failure=failure_of(job.request.case_id, error))
        future.release()
        send(1)
        yield run


def _worker_count(client: Any) -> int:
    return sum(client.nthreads().values())


@contextmanager
def _cluster(options: CohortOptions, jobs: int) -> Iterator[Any]:
    """A client of the scheduler named, or of a cluster of local processes that ends with the run."""
    import dask
    from distributed import Client

    if options.scheduler is not None:
        with _connected(options.scheduler) as client:
            yield client
        return
    workers = min(options.workers or os.cpu_count() or 1, jobs)
    settings = {
        # A case that kills its worker is given up after a second worker died of it.
        "distributed.scheduler.allowed-failures": 1,
        "distributed.worker.daemon": True,
        # Nobody looks at it, and sampling every 10 ms takes the interpreter from the case's own thread.
        "distributed.worker.profile.enabled": False,
        "distributed.comm.timeouts.connect": "60s",
        "distributed.nanny.pre-spawn-environ": {**_KEPT_MEMORY, **_ONE_THREAD},
    }
    with dask.config.set(settings), _local_cluster(workers) as cluster, Client(cluster) as client:
        yield client


def _local_cluster(workers: int) -> Any:
    from distributed import LocalCluster

    # Without an address dask takes port 8787 on every interface, and warns where another cohort has it.
    place = {"dashboard_address": "127.0.0.1:0", "silence_logs": "CRITICAL"}
    try:
        return LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, **place)
    except RuntimeError as error:
        # Each worker imports the calling script anew, and one without this guard would start workers of its own.
        raise UsageError(
            f"{workers} worker process(es) could not be started ({error}); a script of your own must verify its cohort "
            'below `if __name__ == "__main__":`'
        ) from error


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECT_TIMEOUT)
    except (OSError, ValueError) as error:
        raise UsageError(f"--scheduler {address}: no dask scheduler answers there ({error})") from error
    with client:
        versions = set(client.run(_versions).values())
        if not versions:
            raise UsageError(f"--scheduler {address}: the scheduler has no workers")
        if versions != {_versions()}:
            raise UsageError(
                f"--scheduler {address}: its workers run other versions than this process: "
                f"{sorted(versions)} against {_versions()}"
            )
        yield client


def _versions() -> tuple[str, str]:
    return __version__, weights_sha256()
