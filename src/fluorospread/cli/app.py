"""The `fluorospread` command: its subcommands, and what becomes of an error."""

from __future__ import annotations

import sys
import traceback

import typer

from fluorospread import __version__
from fluorospread.cli.cohort import cohort
from fluorospread.cli.deidentify import deidentify
from fluorospread.cli.evaluate import evaluate
from fluorospread.cli.export import export
from fluorospread.cli.pacs import pacs
from fluorospread.cli.report import report
from fluorospread.cli.review import review
from fluorospread.cli.simulate import simulate
from fluorospread.cli.verify import verify
from fluorospread.errors import FluorospreadError
from fluorospread.model.verdict import STANDING_SENTENCE

INTERNAL_ERROR = 1

app = typer.Typer(
    name="fluorospread",
    help=(
        "Verifies from fluoroscopy which level each needle of a lumbar nerve block reached and which SAP-TP "
        f"junctions the contrast covered.\n\n{STANDING_SENTENCE} The software proposes, a reader decides."
    ),
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(verify)
app.command()(simulate)
app.command()(evaluate)
app.command()(report)
app.command()(cohort)
app.command()(review)
app.command()(export)
app.command()(deidentify)
app.add_typer(pacs)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fluorospread {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and end."
    ),
) -> None:
    pass


def run(arguments: list[str]) -> int:
    """Run one command line; returns its exit code. No exception leaves it, and no traceback is printed
    unless `--debug` is among the arguments."""
    try:
        app(args=arguments, prog_name="fluorospread")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else INTERNAL_ERROR
    except FluorospreadError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        if "--debug" in arguments:
            traceback.print_exc(file=sys.stderr)
        return error.exit_code
    except Exception as error:
        typer.echo(f"Internal error: {describe_internal(error)}; add --debug for details", err=True)
        if "--debug" in arguments:
            traceback.print_exc(file=sys.stderr)
        return INTERNAL_ERROR
    return 0


def describe_internal(error: BaseException) -> str:
    """An unexpected exception on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
