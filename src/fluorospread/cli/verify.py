"""`fluorospread verify`: images in, verdicts out; one broken case neither stops the others nor hides."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fluorospread.cli.options import Polarity, level_at_option, spacing_option
from fluorospread.cli.progress import progress_bar
from fluorospread.errors import FluorospreadError, UsageError
from fluorospread.model.case import CaseResult, Role
from fluorospread.model.geometry import ColumnsTowards, RowsTowards
from fluorospread.model.verdict import Outcome

if TYPE_CHECKING:
    from fluorospread.pipeline.gather_case import CaseOverrides, CaseRequest
    from fluorospread.pipeline.verify_many import Failure, RunOptions

INTERNAL_ERROR, BAD_INPUT, NOT_VERIFIED, UNDETERMINED, VERIFIED = 1, 3, 4, 5, 0
_EXIT_CODE = {
    Outcome.VERIFIED: VERIFIED,
    Outcome.NOT_VERIFIED: NOT_VERIFIED,
    Outcome.UNDETERMINED: UNDETERMINED,
}
# What could not be judged at all outranks what was judged, and a failed case an open one.
_WORST_FIRST = (INTERNAL_ERROR, BAD_INPUT, NOT_VERIFIED, UNDETERMINED, VERIFIED)


def verify(
    cases: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[CASE]...",
            help="Image files or case folders, each one case. A folder of case folders is all of them.",
            show_default=False,
        ),
    ] = None,
    pre: Annotated[list[Path] | None, typer.Option(metavar="IMAGE", help="Image before contrast.")] = None,
    needle: Annotated[
        list[Path] | None, typer.Option(metavar="IMAGE", help="Image with the needle placed; may be repeated.")
    ] = None,
    post: Annotated[list[Path] | None, typer.Option(metavar="IMAGE", help="Image after contrast.")] = None,
    cine: Annotated[list[Path] | None, typer.Option(metavar="IMAGE", help="Multi-frame run.")] = None,
    lateral: Annotated[list[Path] | None, typer.Option(metavar="IMAGE", help="Kept and shown, not measured.")] = None,
    oblique: Annotated[list[Path] | None, typer.Option(metavar="IMAGE", help="Kept and shown, not measured.")] = None,
    contrast_given: Annotated[
        bool | None,
        typer.Option("--contrast-given/--no-contrast", help="Declare whether contrast was given.", show_default=False),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE.toml", help="What must be reached and covered.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write case.json, annotated.png and contrast_mask.png there; several cases to DIR/<case_id>/.",
        ),
    ] = None,
    dicom_results: Annotated[
        bool,
        typer.Option(
            "--dicom-results",
            help="Also write the results as DICOM into `results` beside each case.json; needs --out.",
        ),
    ] = False,
    case_id: Annotated[str | None, typer.Option(help="Name of the case.", show_default=False)] = None,
    spacing_mm: Annotated[
        str | None,
        typer.Option(metavar="MM[,MM]", help="Pixel spacing in the patient plane (row, column).", show_default=False),
    ] = None,
    columns_towards: Annotated[
        ColumnsTowards | None, typer.Option(help="Where columns run on the patient.", show_default=False)
    ] = None,
    rows_towards: Annotated[
        RowsTowards | None, typer.Option(help="Where rows run on the patient.", show_default=False)
    ] = None,
    polarity: Annotated[Polarity | None, typer.Option(help="How bone is stored.", show_default=False)] = None,
    level_at: Annotated[
        list[str] | None,
        typer.Option(metavar="L5=ROW,COL", help="Body centre in the reference image; settles the numbering."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line instead.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print tracebacks of errors.")] = False,
) -> None:
    """Verify one or several cases.

    **Examples**

    - `fluorospread verify film.png` — one image; what it does not show stays undetermined

    - `fluorospread verify --needle n.dcm --no-contrast --out results` — a case without contrast

    - `fluorospread verify --pre a.dcm --needle b.dcm --post c.dcm --out results`

    - `fluorospread verify case1/ case2/ --out results` — folders with needle.dcm, post.dcm …, or a case.toml

    - `fluorospread verify case1/ --out results --dicom-results` — results for the archive, too

    - `fluorospread verify film.png --columns-towards patient-left --level-at L5=812,511`

    - `fluorospread verify cases/ --json | jq -r '[.case_id, .verdict.outcome] | @tsv'`

    **Exit code**: 0 verified · 1 internal error · 2 usage · 3 bad input · 4 not verified · 5 undetermined.
    Several cases end with the worst, in the order 1, 3, 4, 5, 0.

    What an option settles (spacing, sides, polarity, levels) is recorded as a person's decision.
    """
    from fluorospread.pipeline.gather_case import CaseOverrides

    overrides = CaseOverrides(
        spacing_option(spacing_mm),
        columns_towards,
        rows_towards,
        None if polarity is None else polarity.value,
        level_at_option(level_at),
    )
    if dicom_results and out is None:
        raise UsageError("--dicom-results needs --out, the folder that they go to")
    named = dict(zip(Role, (pre, needle, post, cine, lateral, oblique), strict=True))
    roles = {role: paths for role, paths in named.items() if paths}
    requests = _requests(cases or [], roles, case_id, contrast_given, overrides)
    options = _run_options(protocol, out, one_folder=len(requests) == 1)
    done = _run(requests, options, as_json)
    if not as_json:
        _print(done, out)
    if debug:
        typer.echo("".join(item.trace for item in done if not isinstance(item, CaseResult)), err=True, nl=False)
    exported = _write_dicom(done, options) if dicom_results else []
    raise typer.Exit(worst_exit_code([*(_code(item) for item in done), *exported]))


def worst_exit_code(codes: Sequence[int]) -> int:
    """The exit code of several cases: 1 internal, 3 bad input, 4 not verified, 5 undetermined, 0 verified."""
    return next(code for code in _WORST_FIRST if code in codes)


def _requests(
    cases: Sequence[Path],
    roles: Mapping[Role, Sequence[Path]],
    case_id: str | None,
    contrast_given: bool | None,
    overrides: CaseOverrides,
) -> list[CaseRequest | Failure]:
    from dataclasses import replace

    from fluorospread.pipeline.gather_case import find_cases, gather_options, safe_case_id
    from fluorospread.pipeline.verify_many import Failure, gather_all

    if cases and roles:
        raise UsageError("give a case either as CASE or image by image (--pre, --needle, --post …), not both")
    if not cases:
        return [gather_options(roles, case_id, contrast_given, overrides)]
    paths = [found for path in cases for found in find_cases(path)]
    if len(paths) > 1 and case_id is not None:
        raise UsageError(f"--case-id names one case, but {len(paths)} are given")
    if len(paths) > 1 and overrides.level_at:
        raise UsageError(f"--level-at is a point in one image, but {len(paths)} cases are given")
    requests = gather_all(paths, contrast_given, overrides)
    if case_id is not None and not isinstance(requests[0], Failure):
        return [replace(requests[0], case_id=safe_case_id(case_id))]
    return requests


def _run_options(protocol: str | None, out: Path | None, one_folder: bool) -> RunOptions:
    from fluorospread.pipeline.protocols import load_protocol
    from fluorospread.pipeline.verify_many import RunOptions
    from fluorospread.pipeline.write_case import check_writable

    loaded = None if protocol is None else load_protocol(protocol)
    if out is not None:
        check_writable(out)
    return RunOptions(loaded, out, one_folder)


def _run(requests: Sequence[CaseRequest | Failure], options: RunOptions, as_json: bool) -> list[CaseResult | Failure]:
    """Every case, with progress on the terminal's error stream; as JSON, each is printed when it is done."""
    from fluorospread.pipeline.verify_many import verify_many

    done: list[CaseResult | Failure] = []
    with progress_bar("verifying", len(requests)) as (bar, task):

        def report(index: int, text: str) -> None:
            bar.update(task, description=f"{requests[index].case_id}: {text}")

        for item in verify_many(requests, options, report):
            done.append(item)
            bar.advance(task)
            if as_json:
                typer.echo(_json_line(item))
    return done


def _write_dicom(done: Sequence[CaseResult | Failure], options: RunOptions) -> list[int]:
    """Export what was verified, and say what could not be; the exit codes of that."""
    from fluorospread.pipeline.publish_results import write_dicom_results

    codes: list[int] = []
    for item in done:
        if options.out is None or not isinstance(item, CaseResult):
            continue
        told: list[str] = []
        try:
            write_dicom_results(options.out if options.one_folder else options.out / item.case_id, tell=told.append)
        except FluorospreadError as error:
            told = [f"no DICOM results: {type(error).__name__}: {error}"]
            codes.append(BAD_INPUT)
        for note in told:
            typer.echo(f"{item.case_id}: {note}", err=True)
    return codes


def _print(done: Sequence[CaseResult | Failure], out: Path | None) -> None:
    from rich.console import Console

    from fluorospread.reporting.terminal import print_case, print_cases

    console = Console()
    results = [item for item in done if isinstance(item, CaseResult)]
    failures = [item for item in done if not isinstance(item, CaseResult)]
    if len(done) == 1 and results:
        print_case(console, results[0])
    elif len(done) > 1:
        print_cases(console, results, [(item.case_id, _message(item)) for item in failures])
    for item in failures:
        typer.echo(f"{item.case_id}: {_message(item)}", err=True)
    if out is not None and results:
        typer.echo(f"Written to {out}{'' if len(done) == 1 else ' (one folder a case)'}")


def _message(failure: Failure) -> str:
    if failure.exit_code == INTERNAL_ERROR:
        return f"Internal error: {failure.kind}: {failure.message}; add --debug for details"
    return f"{failure.kind}: {failure.message}"


def _json_line(item: CaseResult | Failure) -> str:
    from fluorospread.reporting.case_json import case_to_json

    if isinstance(item, CaseResult):
        document = case_to_json(item)
    else:
        document = {
            "schema": "fluorospread/error/1",
            "case_id": item.case_id,
            "error": item.kind,
            "message": item.message,
            "exit_code": item.exit_code,
        }
    return json.dumps(document, ensure_ascii=False, allow_nan=False)


def _code(item: CaseResult | Failure) -> int:
    return _EXIT_CODE[item.verdict.outcome] if isinstance(item, CaseResult) else item.exit_code
