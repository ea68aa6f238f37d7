"""`python -m napari_fluorospread FOLDER --reader NAME`: napari with the work list of a folder of cases."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fluorospread.errors import FluorospreadError
from fluorospread.pipeline.protocols import load_protocol
from fluorospread.pipeline.review_cohort import find_case_files


def main(arguments: Sequence[str] | None = None) -> int:
    """Open napari on a work list and wait until it is closed; the exit code."""
    parser = argparse.ArgumentParser(prog="napari_fluorospread", description="Review the cases of a folder in napari.")
    parser.add_argument("folder", type=Path, help="folder that holds case.json files, one folder a case")
    parser.add_argument("--reader", required=True, help="your name, the same every time")
    parser.add_argument("--store", default="", help="file or postgresql:// URL; reviews.sqlite in FOLDER if not given")
    parser.add_argument("--read-only", action="store_true", help="look; nothing is answered or recorded")
    parser.add_argument("--protocol", help="the cases' protocol (.toml), if not a built-in one")
    given = parser.parse_args(arguments)
    try:
        # napari takes seconds to start; a wrong folder is said at once.
        find_case_files(given.folder)
        protocol = None if given.protocol is None else load_protocol(given.protocol)
    except FluorospreadError as error:
        parser.exit(error.exit_code, f"{error}\n")

    import napari

    from napari_fluorospread.worklist_widget import WorklistWidget

    viewer = napari.Viewer()
    worklist = WorklistWidget(viewer)
    viewer.window.add_dock_widget(worklist, name="Work list", area="left")
    try:
        worklist.start(given.reader, given.folder, given.store, read_only=given.read_only, protocol=protocol)
    except FluorospreadError as error:
        viewer.close()
        parser.exit(error.exit_code, f"{error}\n")
    napari.run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
