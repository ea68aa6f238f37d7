"""Several cases in, one outcome each out, in order: a broken case is reported and the others go on."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from fluorospread.errors import FluorospreadError
from fluorospread.model.case import CaseResult
from fluorospread.model.protocol import Protocol
from fluorospread.pipeline.gather_case import (
    CaseOverrides,
    CaseRequest,
    gather_case,
    safe_case_id,
    unique_case_ids,
)
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.pipeline.settings import VerifySettings
from fluorospread.pipeline.verify_case import verify_case
from fluorospread.pipeline.write_case import write_case

INTERNAL_ERROR = 1


@dataclass(frozen=True)
class Failure:
    """Why a case has no result. `exit_code` is the error's own, 1 for what nobody expected."""

    case_id: str
    kind: str
    message: str
    exit_code: int
    trace: str = ""


@dataclass(frozen=True)
class RunOptions:
    """What holds for every case of a run.

    Attributes
    ----------
    protocol
        Outranks what case folders name; None leaves it to them, then to the built-in default.
    out
        Folder for results, or None; `one_folder` writes a single case straight into it.
    """

    protocol: Protocol | None = None
    out: Path | None = None
    one_folder: bool = False
    settings: VerifySettings = field(default_factory=VerifySettings)


Report = Callable[[int, str], None]


def gather_all(
    paths: Sequence[Path], contrast_given: bool | None, overrides: CaseOverrides
) -> list[CaseRequest | Failure]:
    """One request for each path, with names that differ; what cannot be gathered is a failure in its place."""
    gathered: list[CaseRequest | Failure] = []
    for path in paths:
        try:
            gathered.append(gather_case(path, contrast_given, overrides))
        except Exception as error:
            gathered.append(failure_of(safe_case_id(path.absolute().name), error))
    named = iter(unique_case_ids([item for item in gathered if isinstance(item, CaseRequest)]))
    return [next(named) if isinstance(item, CaseRequest) else item for item in gathered]


def verify_many(
    requests: Sequence[CaseRequest | Failure], options: RunOptions, report: Report = lambda _index, _text: None
) -> Iterator[CaseResult | Failure]:
    """Verify, and with `options.out` write, one case after the other; failures are handed on in their place."""
    for index, request in enumerate(requests):
        if isinstance(request, Failure):
            yield request
            continue
        try:
            yield _verify_one(request, options, partial(report, index))
        except Exception as error:
            yield failure_of(request.case_id, error)


def failure_of(case_id: str, error: Exception) -> Failure:
    """The failure that an exception is, on one line, with its traceback kept aside."""
    message = " ".join(str(error).split())
    code = error.exit_code if isinstance(error, FluorospreadError) else INTERNAL_ERROR
    trace = "".join(traceback.format_exception(error))
    return Failure(case_id, type(error).__name__, message, code, trace)


def _verify_one(request: CaseRequest, options: RunOptions, report: Callable[[str], None]) -> CaseResult:
    protocol = options.protocol or load_protocol(request.protocol or DEFAULT_PROTOCOL)
    case = verify_case(request, protocol, options.settings, report)
    if options.out is None:
        return case.result
    report("writing results")
    return write_case(case, options.out if options.one_folder else options.out / request.case_id)
