"""Paths as a user gives them in, a `CaseRequest` out: which images make a case and what role each has.

Roles come, strongest first, from options, from case.toml, from file names that start with a role, from
DICOM tags. A role nothing settles stays None for `verify_case` to settle from the image.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fluorospread.errors import CaseError, MissingFileError, UsageError
from fluorospread.model.anatomy import Level
from fluorospread.model.case import Override, Role
from fluorospread.model.geometry import ColumnsTowards, PointPx, RowsTowards
from fluorospread.pipeline.leftover_files import DOCUMENTS, leftover_files
from fluorospread.pipeline.read_declaration import read_declaration
from fluorospread.pipeline.sort_study import role_from_tags, sort_study

CASE_FILE = "case.toml"
# "post.dcm", "post-2.dcm", "postcontrast.dcm", but not "posterior.dcm".
_ROLE_NAME = re.compile(rf"({'|'.join(Role)})(contrast)?(?![a-z])", re.IGNORECASE)
_PICTURES = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}


@dataclass(frozen=True)
class CaseOverrides:
    """What a person settles; None leaves it to the files.

    Attributes
    ----------
    spacing_mm
        (row, column) spacing in the patient plane.
    polarity
        "bone-bright" or "bone-dark", as the pixels are stored.
    level_at
        Body centres (row, col) in the reference image; they settle the numbering.
    """

    spacing_mm: tuple[float, float] | None = None
    columns_towards: ColumnsTowards | None = None
    rows_towards: RowsTowards | None = None
    polarity: str | None = None
    level_at: Mapping[Level, PointPx] = field(default_factory=dict)

    def recorded(self) -> tuple[Override, ...]:
        """As they are written to case.json, named like the options."""
        found: list[Override] = []
        if self.spacing_mm is not None:
            found.append(Override("spacing-mm", " ".join(f"{value:g}" for value in self.spacing_mm)))
        for name in ("columns_towards", "rows_towards", "polarity"):
            value = getattr(self, name)
            if value is not None:
                found.append(Override(name.replace("_", "-"), str(value)))
        found += [Override("level-at", f"{level}={r:g},{c:g}") for level, (r, c) in self.level_at.items()]
        return tuple(found)

    def over(self, weaker: CaseOverrides) -> CaseOverrides:
        """These, and `weaker` ones where these say nothing."""
        return CaseOverrides(
            self.spacing_mm or weaker.spacing_mm,
            self.columns_towards or weaker.columns_towards,
            self.rows_towards or weaker.rows_towards,
            self.polarity or weaker.polarity,
            self.level_at or weaker.level_at,
        )


@dataclass(frozen=True)
class ImageRequest:
    """One image file; `role` is None where nothing outside the image settles it."""

    path: Path
    role: Role | None
    role_source: str


@dataclass(frozen=True)
class CaseRequest:
    """What to verify. `contrast_given` is None when nobody said; `notes` go to the first image's. `dose_reports` are
    those lying beside the images, of whatever study."""

    case_id: str
    images: tuple[ImageRequest, ...]
    contrast_given: bool | None = None
    protocol: str | None = None
    overrides: CaseOverrides = CaseOverrides()
    notes: tuple[str, ...] = ()
    dose_reports: tuple[Path, ...] = ()


def gather_options(
    roles: Mapping[Role, Sequence[Path]], case_id: str | None, contrast_given: bool | None, overrides: CaseOverrides
) -> CaseRequest:
    """The case named image by image (`--needle A --post B`).

    Raises
    ------
    UsageError
        No image is named, one is named twice, or `--no-contrast` stands beside `--post`.
    """
    images = tuple(ImageRequest(path, role, f"--{role}") for role, paths in roles.items() for path in paths)
    return _named_images(images, case_id, contrast_given, overrides)


def _named_images(
    images: tuple[ImageRequest, ...], case_id: str | None, contrast_given: bool | None, overrides: CaseOverrides
) -> CaseRequest:
    if not images:
        raise UsageError("name at least one image")
    paths = [image.path.absolute() for image in images]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is named twice; one image has one role")
    if contrast_given is False and any(image.role is Role.POST for image in images):
        raise UsageError("--no-contrast says that none was given, yet --post names an image after it")
    name = case_id or images[0].path.parent.absolute().name or images[0].path.stem
    return CaseRequest(safe_case_id(name), images, contrast_given, overrides=overrides)


def gather_files(
    paths: Sequence[Path], contrast_given: bool | None = None, overrides: CaseOverrides = CaseOverrides()
) -> CaseRequest:
    """The case that these image files make; each has the role its name starts with, else the one its tags suggest.

    Raises
    ------
    MissingFileError
        A file is not there.
    UsageError
        No image is named, one is named twice, or contrast is declared as not given beside a post image.
    """
    images = []
    for path in paths:
        if not path.is_file():
            raise MissingFileError(f"{path}: no such file")
        named = role_of_name(path)
        role, source = (named, "file name") if named is not None else role_from_tags(path)
        images.append(ImageRequest(path, role, source))
    return _named_images(tuple(images), None, contrast_given, overrides)


def find_cases(path: Path) -> tuple[Path, ...]:
    """The cases a path stands for: itself, or the cases a folder of case folders holds, by name."""
    if not path.is_dir() or _is_case_folder(path):
        return (path,)
    inside = tuple(sorted(entry for entry in path.iterdir() if entry.is_dir() and _is_case_folder(entry)))
    return inside or (path,)


def gather_case(
    path: Path,
    contrast_given: bool | None = None,
    overrides: CaseOverrides = CaseOverrides(),
) -> CaseRequest:
    """The case in one image file or one folder; options outrank what the folder says.

    Raises
    ------
    MissingFileError
        There is no such file or folder, or case.toml names a file that is not there.
    CaseError
        The folder holds no image, images of several patients, or a case.toml that does not fit its schema.
    """
    if path.is_dir():
        request = _from_folder(path)
    elif path.exists():
        role, source = role_from_tags(path)
        request = CaseRequest(safe_case_id(path.stem), (ImageRequest(path, role, source),))
    else:
        raise MissingFileError(f"{path}: no such file or folder")
    given = request.contrast_given if contrast_given is None else contrast_given
    if given is False and any(image.role is Role.POST for image in request.images):
        raise CaseError(f"{path}: declared as without contrast, yet it has a post image; remove one of the two")
    return replace(request, contrast_given=given, overrides=overrides.over(request.overrides))


def safe_case_id(name: str) -> str:
    """A name that is also a folder's: letters, digits, dot, dash and underscore, at most 80 of them."""
    cleaned = re.sub(r"[^\w.-]+", "_", name).strip("._-")
    return cleaned[:80] or "case"


def unique_case_ids(requests: Sequence[CaseRequest]) -> tuple[CaseRequest, ...]:
    """The same requests; a name met before gets -2, -3 … so that no result overwrites another."""
    taken: set[str] = set()
    renamed = []
    for request in requests:
        name, count = request.case_id, 1
        while name.lower() in taken:
            count += 1
            name = f"{request.case_id}-{count}"
        taken.add(name.lower())
        renamed.append(replace(request, case_id=name))
    return tuple(renamed)


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith("."))
    except OSError as error:
        raise MissingFileError(f"{folder}: the folder cannot be read ({error.strerror})") from error


def role_of_name(path: Path) -> Role | None:
    """The role that a file's name starts with, None where it starts with none or the file is a document."""
    match = _ROLE_NAME.match(path.name)
    return None if match is None or path.suffix.lower() in DOCUMENTS else Role(match.group(1).lower())


def _is_case_folder(folder: Path) -> bool:
    return any(path.name == CASE_FILE or role_of_name(path) is not None for path in _files(folder))


def _from_folder(folder: Path) -> CaseRequest:
    case_id = safe_case_id(folder.absolute().name)
    declared = read_declaration(folder / CASE_FILE, "case_folder.schema.json") if (folder / CASE_FILE).is_file() else {}
    listed = declared.get("images")
    if listed is not None:
        images = listed_images(folder, listed, CASE_FILE)
        named = {image.path.resolve() for image in images}
        reports = leftover_files([path for path in _files(folder) if path.resolve() not in named]).dose_reports
        notes: tuple[str, ...] = ()
    else:
        present = _files(folder)
        images = tuple(
            ImageRequest(path, role, "file name") for path in present if (role := role_of_name(path)) is not None
        )
        if images:
            beside = leftover_files([path for path in present if role_of_name(path) is None])
            reports, notes = beside.dose_reports, beside.said("the name starts with no role")
        else:
            images, reports, notes = _from_tags(folder)
    return CaseRequest(
        case_id=safe_case_id(declared.get("case_id", case_id)),
        images=images,
        contrast_given=declared.get("contrast_given"),
        protocol=_declared_protocol(folder, declared.get("protocol")),
        overrides=_declared_overrides(declared),
        notes=notes,
        dose_reports=reports,
    )


def _from_tags(folder: Path) -> tuple[tuple[ImageRequest, ...], tuple[Path, ...], tuple[str, ...]]:
    """Images of a DICOM study folder, however deep; pictures have no tags to sort by."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() not in DOCUMENTS)
    pictures = [path.name for path in found if path.suffix.lower() in _PICTURES]
    dicoms = [path for path in found if path.suffix.lower() not in _PICTURES]
    sorted_images, left_out = sort_study(dicoms)
    if not sorted_images:
        hint = (
            f"its {len(pictures)} picture(s) have no tags to sort by: let their names start with "
            f"{', '.join(Role)}, or give each picture by itself"
            if pictures
            else f"expected images, a {CASE_FILE}, or a DICOM study"
        )
        raise CaseError(f"{folder}: no case here; {hint}")
    beside = leftover_files(left_out)
    notes = beside.said("no X-ray image")
    if pictures:
        notes = (*notes, f"not used, as pictures have no tags to sort by: {', '.join(pictures)}")
    images = tuple(ImageRequest(item.path, item.role, item.source) for item in sorted_images)
    return images, beside.dose_reports, notes


def listed_images(folder: Path, listed: Mapping[str, str | list[str]], file_name: str) -> tuple[ImageRequest, ...]:
    """The images that a file of the user's, `file_name` in `folder`, lists by role.

    Raises
    ------
    MissingFileError
        Some of them are not there.
    """
    images = tuple(
        ImageRequest(folder / name, Role(role), file_name)
        for role, names in listed.items()
        for name in ([names] if isinstance(names, str) else names)
    )
    missing = [str(image.path) for image in images if not image.path.is_file()]
    if missing:
        raise MissingFileError(f"{folder / file_name}: names files that are not there: {', '.join(missing)}")
    return images


def _declared_protocol(folder: Path, name: str | None) -> str | None:
    """A protocol's name, or the path of its file, which case.toml gives relative to the case folder."""
    return str(folder / name) if name is not None and name.endswith(".toml") else name


def _declared_overrides(declared: Mapping[str, Any]) -> CaseOverrides:
    spacing, columns, rows = (declared.get(key) for key in ("spacing_mm", "columns_towards", "rows_towards"))
    pair = (spacing, spacing) if isinstance(spacing, (int, float)) else spacing
    return CaseOverrides(
        spacing_mm=None if pair is None else (float(pair[0]), float(pair[1])),
        columns_towards=None if columns is None else ColumnsTowards(columns),
        rows_towards=None if rows is None else RowsTowards(rows),
        polarity=declared.get("polarity"),
        level_at={
            Level(name): (float(point[0]), float(point[1])) for name, point in declared.get("level_at", {}).items()
        },
    )
