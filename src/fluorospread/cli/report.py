"""`fluorospread report`: case.json in, the Case QA report out, as HTML and PDF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fluorospread.errors import UsageError


def report(
    cases: Annotated[
        list[Path],
        typer.Argument(metavar="CASE_JSON...", help="case.json files, or the folders that hold them."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write there instead of beside each case.json; several cases to DIR/<folder name>/.",
            show_default=False,
        ),
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Write the PDF beside the HTML.")] = True,
    reviews: Annotated[
        str | None,
        typer.Option(metavar="FILE|URL", help="Review store: adds what readers decided, and when.", show_default=False),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE.toml",
            help="Protocol to judge the readers' answers by, where the cases' own is not built in.",
            show_default=False,
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Print tracebacks of errors.")] = False,
) -> None:
    """Write the QA report of finished cases: one HTML file each that works offline, and a PDF of the same.

    **Examples**

    - `fluorospread report results/case.json` — writes results/case_report.html and .pdf

    - `fluorospread report results/* --no-pdf --out reports`

    - `fluorospread report results/P1-01 --reviews reviews.sqlite` — with the reader's decision and the hash of the log

    **Exit code**: 0 written · 1 internal error · 2 usage · 3 not a case.json, or it cannot be written.
    """
    from fluorospread.pipeline.case_reviews import open_reviews
    from fluorospread.pipeline.report_case import report_case

    del debug  # read by the caller of every command
    folders = [path if path.is_dir() else path.parent for path in cases]
    names = [folder.absolute().name for folder in folders]
    if out is not None and len(set(names)) < len(names):
        raise UsageError("--out needs folders of different names; some of those given share one")
    with open_reviews(reviews, protocol) as readers:
        for path, name in zip(cases, names, strict=True):
            target = out if out is None or len(cases) == 1 else out / name
            for written in report_case(path, target, pdf, readers.of_folder(path)):
                typer.echo(str(written))
