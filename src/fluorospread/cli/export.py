"""`fluorospread export`: case.json in, results for an archive out, as DICOM objects of the images' study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fluorospread.errors import UsageError


def export(
    cases: Annotated[
        list[Path],
        typer.Argument(metavar="CASE_JSON...", help="case.json files, or the folders that hold them."),
    ],
    dicom: Annotated[
        bool, typer.Option("--dicom", help="As DICOM: structured report, annotations, key images, contrast, PDF.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write there instead of `results` beside each case.json; several cases to DIR/<folder name>/.",
            show_default=False,
        ),
    ] = None,
    reviews: Annotated[
        str | None,
        typer.Option(
            metavar="STORE",
            help="Review store with the readers' signed decisions (a file or a URL).",
            show_default=False,
        ),
    ] = None,
    organisation: Annotated[
        str, typer.Option(help="Where the readers work, for the verified report.", show_default=False)
    ] = "",
    protocol: Annotated[
        str | None,
        typer.Option(metavar="FILE.toml", help="The case's protocol, if not a built-in one.", show_default=False),
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Include the PDF report, which needs Pango.")] = True,
    debug: Annotated[bool, typer.Option("--debug", help="Print tracebacks of errors.")] = False,
) -> None:
    """Export finished cases for an archive.

    **Examples**

    - `fluorospread export results/P1-01 --dicom` — writes `results/P1-01/results/*.dcm`

    - `fluorospread export results/P1-01 --dicom --reviews results/reviews.sqlite --organisation "Clinic, City"`

    The objects go with the images' own study and say so in every series: research use only, not for diagnosis.
    Without a signed decision the report is unverified.
    """
    from fluorospread.pipeline.publish_results import PublishOptions, write_dicom_results

    del debug  # read by the caller of every command
    if not dicom:
        raise UsageError("say what to export as: --dicom")
    folders = [path if path.is_dir() else path.parent for path in cases]
    names = [folder.absolute().name for folder in folders]
    if out is not None and len(set(names)) < len(names):
        raise UsageError("--out needs folders of different names; some of those given share one")
    options = PublishOptions(reviews, organisation, protocol, pdf)
    for path, name in zip(cases, names, strict=True):
        target = out if out is None or len(cases) == 1 else out / name
        told: list[str] = []
        for written in write_dicom_results(path, target, options, told.append):
            typer.echo(str(written))
        for note in told:
            typer.echo(f"{name}: {note}", err=True)
