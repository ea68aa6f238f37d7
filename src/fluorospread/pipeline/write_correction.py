"""A case as a reader corrected it in, a folder of its own beside case.json out; nothing is ever written over."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fluorospread.model.case import CaseResult
from fluorospread.model.findings import ContrastMask, ContrastMethod, ContrastStatus
from fluorospread.model.radiograph import BoolImage, Radiograph
from fluorospread.pipeline.verify_case import VerifiedCase
from fluorospread.pipeline.write_case import CASE_JSON, write_case

CORRECTED = "corrected"


def write_correction(
    case_json: Path, result: CaseResult, mask: BoolImage | None, radiographs: Sequence[Radiograph]
) -> tuple[Path, str]:
    """Write `result` to `corrected/<number>/` beside `case_json`; its case.json and that file's SHA-256.

    Parameters
    ----------
    mask
        The contrast of the image that `result.contrast` names; None where there is none.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    parent = case_json.parent / CORRECTED
    taken = [int(path.name) for path in parent.glob("*") if path.name.isdigit()]
    folder = parent / str(max(taken, default=0) + 1)
    # Paths in a case.json are relative to its folder, and this one lies elsewhere.
    images = tuple(replace(image, path=str((case_json.parent / image.path).absolute())) for image in result.images)
    written = VerifiedCase(replace(result, images=images), tuple(radiographs), _contrast(result, mask))
    write_case(written, folder)
    path = folder / CASE_JSON
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def _contrast(result: CaseResult, mask: BoolImage | None) -> ContrastMask:
    """The mask as the writer wants it."""
    if mask is not None and mask.any():
        return ContrastMask(ContrastStatus.FOUND, result.contrast.method, mask=mask)
    status = ContrastStatus.NOT_FOUND if result.contrast.status is ContrastStatus.FOUND else result.contrast.status
    return ContrastMask(status, ContrastMethod.NONE, result.contrast.reason or "none")
