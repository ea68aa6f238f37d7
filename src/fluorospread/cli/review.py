"""`fluorospread review`: the reading room in napari, and what its log holds: decisions, agreement, tampering."""

from __future__ import annotations

import json
import subprocess
import sys
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fluorospread.errors import StoreError, UsageError

if TYPE_CHECKING:
    from fluorospread.pipeline.review_cohort import CohortReview
    from fluorospread.statistics.estimate import Estimate

PLUGIN = "napari_fluorospread"


class ExportFormat(StrEnum):
    """`json` has everything needed to verify the log; `csv` one answer a row."""

    JSON = "json"
    CSV = "csv"


def review(
    cohort: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of verified cases, as `fluorospread verify --out` writes it.")
    ],
    reader: Annotated[
        str, typer.Option(metavar="NAME", help="Who reads; the same every time.", show_default=False)
    ] = "",
    store: Annotated[
        str,
        typer.Option(
            metavar="FILE|URL",
            help="Where readings are kept, e.g. postgresql://host/reviews; reviews.sqlite in DIR unless given.",
            show_default=False,
        ),
    ] = "",
    read_only: Annotated[bool, typer.Option("--read-only", help="Look; nothing is answered or recorded.")] = False,
    summary: Annotated[
        bool, typer.Option("--summary", help="Print each case's decision, and how far readers agree.")
    ] = False,
    verify_log: Annotated[
        bool, typer.Option("--verify-log", help="Check every hash, link and signature of the log.")
    ] = False,
    heads: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="With --verify-log: the newest hashes noted earlier, against which a log cut short shows; made "
            "where the file is not there.",
            show_default=False,
        ),
    ] = None,
    export: Annotated[
        ExportFormat | None, typer.Option(help="Write the log as a file instead.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where --export writes; reviews.json or .csv in DIR unless given.", show_default=False
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(metavar="FILE.toml", help="The cases' protocol, if not a built-in one.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Print tracebacks of errors.")] = False,
) -> None:
    """Review a cohort in napari: blind first, then with the finding, every decision signed and kept.

    **Examples**

    - `fluorospread review results --reader "Dr. A"` — opens the work list where this reader stopped

    - `fluorospread review results --reader "Dr. B" --store postgresql://host/reviews`

    - `fluorospread review results --summary` — decisions; per cent agreement, kappa and AC1 of every two readers

    - `fluorospread review results --verify-log --heads heads.json`

    - `fluorospread review results --export csv --out answers.csv`

    **Exit code**: 0 done, or the log is untouched · 1 internal error · 2 usage · 3 bad input, or the log was
    changed from outside.
    """
    del debug  # read by the caller of every command
    chosen = [name for name, on in (("--summary", summary), ("--verify-log", verify_log), ("--export", export)) if on]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} are different tasks; give one of them")
    if verify_log:
        _verify(cohort, store, heads)
    elif export is not None:
        _export(cohort, store, export, out)
    elif summary:
        _summarise(cohort, store, protocol, as_json)
    else:
        raise typer.Exit(_open_viewer(cohort, reader, store, read_only, protocol))


def _open_viewer(cohort: Path, reader: str, store: str, read_only: bool, protocol: str | None) -> int:
    """Run the viewer as a process of its own; its exit code."""
    from fluorospread.pipeline.review_cohort import find_case_files

    if not reader.strip():
        raise UsageError('a review needs the name of its reader: --reader "Your Name", the same every time')
    find_case_files(cohort)
    if find_spec(PLUGIN) is None:
        raise UsageError("the viewer is not installed: `pip install napari-fluorospread` (see its README)")
    command = [sys.executable, "-m", PLUGIN, str(cohort), "--reader", reader]
    command += ["--store", store] if store else []
    command += ["--read-only"] if read_only else []
    command += ["--protocol", protocol] if protocol else []
    return subprocess.run(command, check=False).returncode


def _verify(cohort: Path, url: str, heads: Path | None) -> None:
    """Check the log; the heads of a log found whole are noted for the next time."""
    from fluorospread.pipeline.review_cohort import open_existing_store, store_of
    from fluorospread.store.verify_log import note_heads, read_heads
    from fluorospread.store.verify_log import verify_log as check

    with open_existing_store(store_of(cohort, url)) as store:
        expected = read_heads(heads) if heads is not None and heads.exists() else {}
        report = check(store, expected)
        for problem in report.problems:
            typer.echo(str(problem), err=True)
        if not report.untouched:
            raise StoreError(f"{store.shown_url}: the log was changed from outside, in {len(report.problems)} place(s)")
        if heads is not None:
            note_heads(heads, store.heads())
        said = f"; {len(expected)} noted head(s) found" if expected else ""
        typer.echo(f"{store.shown_url}: {report.events} events of {report.cases} cases, untouched{said}")


def _export(cohort: Path, url: str, form: ExportFormat, out: Path | None) -> None:
    from fluorospread.pipeline.review_cohort import open_existing_store, store_of
    from fluorospread.store.export_events import export_csv, export_json

    path = out or cohort / f"reviews.{form}"
    with open_existing_store(store_of(cohort, url)) as store:
        (export_json if form is ExportFormat.JSON else export_csv)(store, path)
    typer.echo(str(path))


def _summarise(cohort: Path, url: str, protocol: str | None, as_json: bool) -> None:
    from fluorospread.pipeline.protocols import load_protocol
    from fluorospread.pipeline.review_cohort import find_case_files, open_existing_store, review_cohort, store_of

    files = find_case_files(cohort)
    with open_existing_store(store_of(cohort, url)) as store:
        found = review_cohort(files, store, None if protocol is None else load_protocol(protocol))
    if as_json:
        typer.echo(json.dumps(_document(found), indent=2, ensure_ascii=False))
    else:
        _print(found)


def _document(found: CohortReview) -> dict[str, object]:
    return {
        "cases": {
            case_id: {
                "readers": {
                    r.reader: {"status": r.status, "blinded": r.blinded, "seconds": r.seconds} for r in case.readers
                },
                "disagreements": case.disagreements,
                "outcome": None if case.verdict is None else case.verdict.outcome,
                "decided_by": case.decided_by,
                "head_hash": case.head_hash,
            }
            for case_id, case in found.cases.items()
        },
        "not_opened": found.not_opened,
        "agreement": [
            {
                "readers": [pair.first, pair.second],
                "of": pair.kind,
                "question": item.question,
                "cases": item.agreement.n,
                "left_out_not_blind": item.left_out,
                "agreement": item.agreement.agreement.value,
                "kappa": item.agreement.kappa.value,
                "ac1": item.agreement.ac1.value,
            }
            for pair in found.agreement
            for item in pair.questions
        ],
    }


def _print(found: CohortReview) -> None:
    from rich.console import Console
    from rich.table import Table

    from fluorospread.model.review import EventKind
    from fluorospread.model.verdict import STANDING_SENTENCE

    console = Console(width=None if sys.stdout.isatty() else 140)
    cases = Table("Case", "Readers", "Decision", "By", "Log's head", title="Reviews", title_justify="left")
    for case_id, case in found.cases.items():
        readers = ", ".join(f"{r.reader} ({r.status}{'' if r.blinded else ', not blind'})" for r in case.readers)
        decision = "" if case.verdict is None else case.verdict.outcome.value.replace("-", " ")
        words = decision or ("readers differ" if case.disagreements else "-")
        cases.add_row(case_id, readers, words, ", ".join(case.decided_by), case.head_hash[:12])
    console.print(cases)
    if found.not_opened:
        console.print(f"Not opened by anybody: {', '.join(found.not_opened)}", markup=False)
    for pair in found.agreement:
        of = "blind readings" if pair.kind is EventKind.FIRST_READ else "signed readings"
        table = Table(
            "Question",
            "Cases",
            "Agreement",
            "Kappa",
            "AC1",
            title_justify="left",
            title=f"{pair.first} and {pair.second}: {of}",
        )
        for item in pair.questions:
            numbers = item.agreement
            table.add_row(
                item.question, str(numbers.n), _percent(numbers.agreement), _number(numbers.kappa), _number(numbers.ac1)
            )
        console.print(table)
        left_out = max(item.left_out for item in pair.questions)
        if left_out:
            console.print(f"{left_out} case(s) left out: not read blind by both.")
    console.print(STANDING_SENTENCE)


def _percent(estimate: Estimate) -> str:
    if estimate.value is None:
        return "undefined"
    ends = (
        ""
        if estimate.low is None or estimate.high is None
        else f" ({100 * estimate.low:.0f}-{100 * estimate.high:.0f})"
    )
    return f"{100 * estimate.value:.0f} %{ends}"


def _number(estimate: Estimate) -> str:
    return "undefined" if estimate.value is None else f"{estimate.value:.2f}"
