"""Runs every script of `benchmarks/`, one after the other, and writes the page from their results."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from harness.page import page
from harness.result import read

BENCHMARKS = Path(__file__).resolve().parents[1]


def main() -> int:
    """Returns 1 when a script failed; the page is then written from the others."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--page", type=Path, required=True, metavar="FILE.md", help="the page to write")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="scripts to run, if any; other results are kept")
    parser.add_argument("--quick", action="store_true", help="fewer repeats: shows that everything runs")
    options = parser.parse_args()
    failed = []
    for script in sorted(BENCHMARKS.glob("*.py")):
        if options.only is not None and script.stem not in options.only:
            continue
        command = [sys.executable, str(script), "--out", str(options.out), *(["--quick"] if options.quick else [])]
        if subprocess.run(command, check=False).returncode:
            failed.append(script.stem)
    measured = [read(path) for path in sorted(options.out.glob("*.json"))]
    options.page.write_text(page(measured), encoding="utf-8")
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
