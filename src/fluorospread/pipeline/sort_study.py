"""DICOM files of a study in, those that make a case out, each with the role its tags suggest.

Nothing but tags is looked at here. A frontal image whose tags say nothing keeps no role; `verify_case` then
settles it without ever supposing contrast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fluorospread.dicom.describe_file import ImageSummary, describe_file
from fluorospread.errors import CaseError, InputError, NotAnImageError
from fluorospread.model.case import Role


@dataclass(frozen=True)
class SortedImage:
    """One image of the case; `role` None where the tags say nothing, `source` what they say."""

    path: Path
    role: Role | None
    source: str


def sort_study(paths: Sequence[Path]) -> tuple[tuple[SortedImage, ...], tuple[Path, ...]]:
    """The X-ray images among `paths` in the order they were taken, and the files that are none.

    Raises
    ------
    CaseError
        The images are of several patients or several studies.
    InputError
        A file is an image but damaged: a case must not quietly lose one.
    """
    found: list[ImageSummary] = []
    left_out: list[Path] = []
    for path in paths:
        try:
            summary = describe_file(path)
        except NotAnImageError:
            left_out.append(path)
            continue
        if summary.is_projection:
            found.append(summary)
        else:
            left_out.append(path)
    _check_one_study(found)
    found.sort(key=lambda s: (s.acquisition_time, s.series_number or 0, s.instance_number or 0, s.path.name))
    return tuple(_sorted(summary) for summary in found), tuple(left_out)


def role_from_tags(path: Path) -> tuple[Role | None, str]:
    """The role that a file's tags suggest, and what they say; None where they say nothing.

    A file that cannot be described has no role here: reading it says what is wrong with it.
    """
    try:
        image = _sorted(describe_file(path))
    except InputError:
        return None, ""
    return image.role, image.source


def _sorted(summary: ImageSummary) -> SortedImage:
    if not summary.role_hint:
        return SortedImage(summary.path, None, "")
    return SortedImage(summary.path, Role(summary.role_hint), f"tags: {summary.hint_reason}")


def _check_one_study(found: Sequence[ImageSummary]) -> None:
    for name, values in (
        ("patients (PatientID)", {summary.patient_id for summary in found}),
        ("studies (StudyInstanceUID)", {summary.study_instance_uid for summary in found}),
    ):
        if len(values) > 1:
            raise CaseError(f"the folder holds images of {len(values)} {name}; give each its own folder")
