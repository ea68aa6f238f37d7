"""`fluorospread cohort`: a study's cases in, one result folder each out, and what could not be done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fluorospread.pipeline.run_cohort_case import CaseRun
    from fluorospread.pipeline.verify_cohort import Progress

BAD_CASE = 3
FETCHED_IMAGES = "images"


def cohort(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DIR|cohort.toml|pacs:QUERY",
            help="A folder with one folder a case, a manifest, or what to fetch from the image archive first.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Results go to DIR/<case>/, the report to DIR.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; one a core unless given.", show_default=False)
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Run on this dask scheduler (tcp://host:8786); its workers must see the same paths.",
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE.toml", help="Outranks what the manifest and cases name.", show_default=False),
    ] = None,
    reports: Annotated[bool, typer.Option("--reports/--no-reports", help="Write each case's QA report.")] = True,
    dicom_results: Annotated[
        bool,
        typer.Option(
            "--dicom-results",
            help="Also write each case's results as DICOM, unverified; `export --reviews` once readers have signed.",
        ),
    ] = False,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Also set the cohort report as PDF (slow beyond a thousand cases).")
    ] = False,
    reviews: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            help="Review store: adds agreement of software and readers, and the readers' decisions.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a case instead.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print tracebacks of errors.")] = False,
) -> None:
    """Verify every case of a cohort; run it again to go on where it was stopped.

    A case is done once: its images, roles, protocol, the software version and the network's weights are
    compared with those its results were made from. One broken case is reported and stops nothing.

    **Examples**

    - `fluorospread cohort study/ --out results` — study/<case>/needle.dcm, post.dcm …

    - `fluorospread cohort study/cohort.toml --out results --workers 8`

    - `fluorospread cohort study/ --out results --reviews reviews.sqlite` — with how software and readers agree

    - `fluorospread cohort study/ --out results --scheduler tcp://host:8786`

    - `fluorospread cohort pacs:date=20260101-20260131,description=*block* --out results` — fetched to
      results/images, see `fluorospread pacs`

    **Exit code**: 0 every case was judged, whatever its verdict · 1 internal error · 2 usage · 3 bad input, or at
    least one case failed or got no DICOM results.
    """
    from fluorospread.pipeline.case_reviews import open_reviews
    from fluorospread.pipeline.find_cohort import find_cohort
    from fluorospread.pipeline.protocols import load_protocol
    from fluorospread.pipeline.report_cohort import report_cohort
    from fluorospread.pipeline.run_cohort_case import CohortOptions, Status

    found = find_cohort(_fetched(source, out), out)
    name = protocol or found.protocol
    loaded = None if name is None else load_protocol(name)
    options = CohortOptions(out, loaded, workers, scheduler, reports, dicom=dicom_results)
    with open_reviews(reviews, name):
        pass  # a store that cannot be opened is told before the work, and not held open through it
    runs = _run(found.requests, options, as_json)
    with open_reviews(reviews, name) as readers:
        written = report_cohort(found.cohort, runs, out, pdf, readers)
    failed = [run for run in runs if run.status is Status.FAILED]
    if not as_json:
        _print(runs, failed, len(found.cohort.cases) - len(runs))
        for path in written:
            typer.echo(f"Report: {path}")
    if debug:
        typer.echo("".join(run.failure.trace for run in failed if run.failure is not None), err=True, nl=False)
    without_dicom = [run for run in runs if run.no_dicom]
    for run in without_dicom:
        typer.echo(f"{run.case_id}: no DICOM results: {run.no_dicom}", err=True)
    if failed or without_dicom:
        raise typer.Exit(BAD_CASE)


def _fetched(source: Path, out: Path) -> Path:
    """`source`, or the folder that the studies a PACS query matches have been fetched to."""
    from fluorospread.pipeline.fetch_cases import CASE_OBJECTS, is_pacs_query, parse_query

    if not is_pacs_query(str(source)):
        return source
    from fluorospread.cli.pacs import fetch_from_archive

    images = out / FETCHED_IMAGES
    fetch_from_archive(parse_query(str(source)), images, CASE_OBJECTS)
    return images


def _run(requests: Any, options: Any, as_json: bool) -> tuple[CaseRun, ...]:
    """All cases, with a bar and the time left on the terminal's error stream."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    from fluorospread.pipeline.verify_cohort import verify_cohort

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"))
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("verifying", total=sum(request is not None for request in requests), left="")

        def progress(now: Progress) -> None:
            left = "" if now.seconds_left is None else f"about {duration(now.seconds_left)} left"
            bar.update(task, completed=now.done, description=now.latest.case_id, left=left)
            if as_json:
                typer.echo(json.dumps(_document(now.latest), ensure_ascii=False))
            elif now.latest.failure is not None:
                bar.console.print(
                    f"{now.latest.case_id}: failed: {_reason(now.latest)}",
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )

        return verify_cohort(requests, options, progress)


def duration(seconds: float) -> str:
    """A time as a person says it: "40 s", "12 min", "3 h 20 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _print(runs: Sequence[CaseRun], failed: Sequence[CaseRun], excluded: int) -> None:
    from fluorospread.pipeline.run_cohort_case import Status

    counts = [f"{sum(run.status is status for run in runs)} {status}" for status in Status]
    if excluded:
        counts.append(f"{excluded} excluded by the manifest")
    typer.echo(f"{len(runs) + excluded} cases: {', '.join(counts)}")
    for run in failed:
        typer.echo(f"  {run.case_id}: {_reason(run)}")


def _reason(run: CaseRun) -> str:
    return "" if run.failure is None else f"{run.failure.kind}: {run.failure.message}"


def _document(run: CaseRun) -> dict[str, Any]:
    return {"case_id": run.case_id, "status": run.status.value, "seconds": round(run.seconds, 3), "error": _reason(run)}
