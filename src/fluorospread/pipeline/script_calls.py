"""What `import fluorospread` offers scripts: paths in, verified cases and cohorts out.

`verify_case` and `verify_cohort` run what the commands of the same names run, with the same defaults, and give
the same results; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from fluorospread.errors import MissingFileError, UsageError
from fluorospread.model.case import Role
from fluorospread.model.protocol import Protocol
from fluorospread.pipeline import verify_case as engine
from fluorospread.pipeline.gather_case import (
    CaseOverrides,
    CaseRequest,
    gather_case,
    gather_files,
    gather_options,
    safe_case_id,
)
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.pipeline.run_cohort_case import CohortOptions
from fluorospread.pipeline.shown_results import AnyPath, CohortResult, ShownCase, shown_case

if TYPE_CHECKING:
    from fluorospread.pipeline.verify_cohort import Progress

Paths = AnyPath | Sequence[AnyPath] | Mapping[str, AnyPath | Sequence[AnyPath]]


def verify_case(
    paths: Paths,
    protocol: Protocol | AnyPath | None = None,
    contrast_given: bool | None = None,
    overrides: CaseOverrides = CaseOverrides(),  # noqa: B008 - frozen
    case_id: str | None = None,
) -> ShownCase:
    """Verify one case.

    Parameters
    ----------
    paths
        One image, one case folder, several images of one case (roles by file name, else by tags), or roles and
        their images: ``{"needle": "a.dcm", "post": "b.dcm"}``.
    protocol
        A built-in protocol's name, a TOML file, or a loaded one; None takes what the case folder names, then the
        built-in default.
    contrast_given
        False where none was given; None leaves it to the case folder.
    overrides
        What a person settles: scale, sides, polarity, numbering.
    case_id
        Its name in the results; by default that of its folder or file.

    Raises
    ------
    InputError
        An image cannot be read, or the images do not make one case.
    UsageError
        The call itself makes no sense.
    """
    request = _request(paths, contrast_given, overrides)
    if case_id is not None:
        request = replace(request, case_id=safe_case_id(case_id))
    verified = engine.verify_case(request, _protocol(protocol) or load_protocol(request.protocol or DEFAULT_PROTOCOL))
    return shown_case(verified.result, verified=verified)


def verify_cohort(
    source: AnyPath,
    out: AnyPath,
    protocol: Protocol | AnyPath | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> CohortResult:
    """Verify every case of a cohort that is not finished yet, and write its reports, as `fluorospread cohort` does.

    Workers are processes of their own, so a script must call this below ``if __name__ == "__main__":``.

    Parameters
    ----------
    source
        A folder with one folder a case, or a cohort.toml.
    out
        Results go to `out`/<case>/, the cohort report to `out`.
    protocol
        Outranks what the manifest and the cases name.
    workers
        Processes on this machine; one a core unless given.
    scheduler
        Address of a running dask scheduler to use instead.
    progress
        Called after each case.

    Raises
    ------
    InputError, UsageError, OutputError
        As the command does. A broken case raises nothing: it is among `failures`.
    """
    from fluorospread.pipeline.find_cohort import find_cohort
    from fluorospread.pipeline.report_cohort import report_cohort
    from fluorospread.pipeline.verify_cohort import verify_cohort as run

    folder = Path(out)
    found = find_cohort(Path(source), folder)
    loaded = _protocol(protocol) or _protocol(found.protocol)
    runs = run(found.requests, CohortOptions(folder, loaded, workers, scheduler), progress)
    return CohortResult(found.cohort, runs, folder, report_cohort(found.cohort, runs, folder)[0])


def _protocol(given: Protocol | AnyPath | None) -> Protocol | None:
    return given if given is None or isinstance(given, Protocol) else load_protocol(str(given))


def _request(paths: Paths, contrast_given: bool | None, overrides: CaseOverrides) -> CaseRequest:
    if isinstance(paths, Mapping):
        unknown = [str(name) for name in paths if name not in list(Role)]
        if unknown:
            raise UsageError(f"no image has the role {', '.join(unknown)}; choose {', '.join(Role)}")
        roles = {Role(name): _several(given) for name, given in paths.items()}
        missing = [str(path) for group in roles.values() for path in group if not path.is_file()]
        if missing:
            raise MissingFileError(f"{', '.join(missing)}: no such file")
        return gather_options(roles, None, contrast_given, overrides)
    if isinstance(paths, (str, PathLike)):
        return gather_case(Path(paths), contrast_given, overrides)
    return gather_files(_several(paths), contrast_given, overrides)


def _several(given: AnyPath | Sequence[AnyPath]) -> list[Path]:
    if isinstance(given, (str, PathLike)):
        return [Path(given)]
    return [Path(path) for path in given]
