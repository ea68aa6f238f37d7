"""`fluorospread deidentify`: images in, the same cases without identity out; a person confirms the pixels."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fluorospread.cli.progress import progress_bar
from fluorospread.errors import UsageError

if TYPE_CHECKING:
    from fluorospread.dicom.pseudonyms import Pseudonyms
    from fluorospread.pipeline.deidentify_cases import FileOutcome

KEY_VARIABLE = "FLUOROSPREAD_COHORT_KEY"
FILES_FAILED, WAITS_FOR_A_PERSON = 3, 5


def deidentify(
    source: Annotated[Path, typer.Argument(metavar="IN", help="An image, or a folder of images however deep.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the de-identified cases.")],
    cohort_key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"The cohort's secret key, kept outside IN and OUT; else ${KEY_VARIABLE}.",
            show_default=False,
        ),
    ] = None,
    confirm_pixels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Decisions about burned-in text, filled in and signed by a person.", show_default=False
        ),
    ] = None,
    review: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Where pictures to confirm go; OUT-to-confirm unless given.", show_default=False
        ),
    ] = None,
    shift_dates: Annotated[
        bool, typer.Option("--shift-dates", help="Move dates by one number of days a patient instead of removing them.")
    ] = False,
    retain_device: Annotated[
        bool, typer.Option("--retain-device", help="Keep station names, device names and serial numbers.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print tracebacks of errors; they may name files.")] = False,
) -> None:
    """Remove who the patient is from images (DICOM PS3.15 Basic Application Level Confidentiality Profile).

    Cases come out as `OUT/<pseudonym>/<role>.dcm`. The same key gives the same pseudonyms and UIDs, now and later.
    Images that may have text burned in are held back: look at the pictures in the review folder, write your
    decisions into its burned_in_text.toml, and run the command again with --confirm-pixels.

    **Examples**

    - `openssl rand -hex 32 > ~/cohort.key` — once a cohort; whoever has it can link pseudonyms to patients

    - `fluorospread deidentify study/ study_deidentified/ --cohort-key-file ~/cohort.key`

    - `fluorospread deidentify study/ study_deidentified/ --cohort-key-file ~/cohort.key --confirm-pixels
      study_deidentified-to-confirm/burned_in_text.toml`

    **Exit code**: 0 every image is written · 1 internal error · 2 usage · 3 some could not be read · 5 some wait for
    a person's look at their pixels.
    """
    from fluorospread.dicom.deidentify import Dates, DeidentifyOptions
    from fluorospread.pipeline.confirm_pixels import read_decisions
    from fluorospread.pipeline.deidentify_cases import DeidentifyRun, deidentify_cases

    del debug  # read by the caller of every command
    pseudonyms = _pseudonyms(cohort_key_file, (source, out))
    options = DeidentifyOptions(retain_device, Dates.SHIFTED if shift_dates else Dates.REMOVED)
    folder = review or out.with_name(f"{out.absolute().name}-to-confirm")
    decisions = {} if confirm_pixels is None else read_decisions(confirm_pixels)
    run = DeidentifyRun(pseudonyms, options, folder, decisions)
    with progress_bar("de-identifying", 1) as (bar, task):
        outcomes = deidentify_cases(
            source, out, run, lambda done, total: bar.update(task, completed=done, total=max(total, 1))
        )
    _print(outcomes, out, folder)


def _pseudonyms(key_file: Path | None, apart_from: Sequence[Path]) -> Pseudonyms:
    from fluorospread.dicom.pseudonyms import HOW_TO_MAKE_A_KEY, Pseudonyms, read_key

    if key_file is not None:
        for folder in apart_from:
            if folder.resolve() in key_file.resolve().parents:
                raise UsageError(
                    f"the cohort key lies in {folder}; keep it elsewhere, as it links pseudonyms to patients"
                )
        return Pseudonyms(read_key(key_file))
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        raise UsageError(f"no cohort key: give --cohort-key-file FILE or set {KEY_VARIABLE}. {HOW_TO_MAKE_A_KEY}")
    return Pseudonyms(key.encode("utf-8"))


def _print(outcomes: Sequence[FileOutcome], out: Path, review: Path) -> None:
    from fluorospread.pipeline.confirm_pixels import DECISION_FILE
    from fluorospread.pipeline.deidentify_cases import Status

    counts = Counter(outcome.status for outcome in outcomes)
    typer.echo(f"{len(outcomes)} file(s): " + ", ".join(f"{counts[status]} {status}" for status in Status))
    for outcome in outcomes:
        if outcome.status is Status.FAILED:
            typer.echo(f"  file {outcome.number} (in order of path): {outcome.reason}", err=True)
    kinds = Counter(outcome.reason for outcome in outcomes if outcome.status is Status.LEFT_OUT)
    if kinds:
        typer.echo("Left out, as only X-ray images are de-identified:", err=True)
        for kind, count in sorted(kinds.items()):
            typer.echo(f"  {count} × {kind}", err=True)
        typer.echo("Make reports anew from the de-identified images, and tables anew with their new names.", err=True)
    if counts[Status.WRITTEN]:
        typer.echo(f"Written to {out}")
    if counts[Status.HELD]:
        typer.echo(f"Held back until a person has looked at them: {review / DECISION_FILE}")
    if counts[Status.FAILED]:
        raise typer.Exit(FILES_FAILED)
    if counts[Status.HELD]:
        raise typer.Exit(WAITS_FOR_A_PERSON)
    if not outcomes or not counts[Status.WRITTEN]:
        raise UsageError("nothing was de-identified: the source holds no X-ray image")
