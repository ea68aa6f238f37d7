"""The command line: parses, calls the pipeline, prints. No maths, and no traceback for its users."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `fluorospread`; ends the process with its exit code."""
    from fluorospread.cli.app import run

    sys.exit(run(sys.argv[1:]))
