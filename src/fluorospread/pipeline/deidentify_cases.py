"""A folder of images in, the same cases without identity out, under pseudonyms and with their roles kept.

`OUT/<patient pseudonym>-<study>/<role>.dcm`, so that the result is a folder of cases like any other. What says
who the patient is in a name (folders, files) or beside the images (reports, tables, notes) is not carried over;
of a case.toml only the declarations are. Messages name files by their number, as names may tell who it is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from fluorospread import __version__
from fluorospread.atomic_files import write_atomically
from fluorospread.dicom.deidentify import DeidentifyOptions
from fluorospread.dicom.file_kind import file_sha256
from fluorospread.dicom.header_facts import acquisition_time
from fluorospread.dicom.object_kind import is_document, object_kind
from fluorospread.dicom.pseudonyms import Pseudonyms
from fluorospread.dicom.write_deidentified import PixelCleaning, SourceImage, open_source, write_deidentified
from fluorospread.errors import (
    CaseError,
    FluorospreadError,
    MissingFileError,
    NotAnImageError,
    OutputError,
    UsageError,
)
from fluorospread.model.case import Role
from fluorospread.model.verdict import RESEARCH_USE_ONLY
from fluorospread.pipeline.confirm_pixels import (
    Decision,
    HeldImage,
    PixelDecision,
    check_boxes,
    proposed_boxes,
    write_review,
)
from fluorospread.pipeline.find_cohort import COHORT_FILE
from fluorospread.pipeline.gather_case import CASE_FILE, role_of_name
from fluorospread.pipeline.protocols import protocol_names
from fluorospread.pipeline.read_declaration import read_declaration
from fluorospread.pipeline.sort_study import role_from_tags

SUMMARY_FILE = "deidentification.json"
_TABLES = {CASE_FILE: "case.toml, its declarations carried over", COHORT_FILE: "cohort table"}
_DECLARATIONS = ("contrast_given", "spacing_mm", "columns_towards", "rows_towards", "polarity")


class Status(StrEnum):
    """What became of a file."""

    WRITTEN = "written"
    HELD = "held"
    LEFT_OUT = "left out"
    FAILED = "failed"


@dataclass(frozen=True)
class FileOutcome:
    """What became of one file. `number` counts the files of the source, sorted by path, from 1; `name` is the
    output's, relative to its folder; `reason` names an error's kind or what was left out, never a value from the
    file."""

    number: int
    status: Status
    name: str = ""
    reason: str = ""
    pixels: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DeidentifyRun:
    """How a folder is de-identified; `decisions` are a person's, by SHA-256 of the source file."""

    pseudonyms: Pseudonyms
    options: DeidentifyOptions
    review: Path
    decisions: Mapping[str, PixelDecision] = field(default_factory=dict)


@dataclass
class _File:
    number: int
    path: Path
    source: SourceImage
    role: Role | None
    order: tuple[str, str]
    case: str = ""
    name: str = ""


Report = Callable[[int, int], None]


def deidentify_cases(
    source: Path, out: Path, run: DeidentifyRun, report: Report = lambda _done, _total: None
) -> tuple[FileOutcome, ...]:
    """De-identify every image of `source`, a file or a folder however deep, into `out`.

    Raises
    ------
    UsageError
        Source, output and review folder lie within each other.
    MissingFileError
        There is no such file or folder.
    OutputError
        A folder cannot be written.
    CaseError
        A decision's boxes reach beyond its image.
    """
    _check_apart(source, out, run.review)
    paths = _paths(source)
    files, outcomes = _opened(paths, source)
    _name_cases(files, source, run.pseudonyms)
    held: list[HeldImage] = []
    for done, file in enumerate(files):
        report(done, len(files))
        outcomes.append(_one(file, out, run, held))
    report(len(files), len(files))
    for folder in sorted({file.path.parent for file in files}):
        _carry_declarations(folder, files, out)
    outcomes.sort(key=lambda outcome: outcome.number)
    _write_summary(outcomes, out, run.options)
    if held:
        write_review(held, run.decisions, run.review)
    return tuple(outcomes)


def _check_apart(source: Path, out: Path, review: Path) -> None:
    folders = [path.resolve() for path in (source, out, review)]
    for first in folders:
        for second in folders:
            if first is not second and (first == second or first in second.parents):
                raise UsageError(
                    "source, output and review folder must lie apart, not within each other, so that no original "
                    "is taken for a de-identified image; choose other folders"
                )


def _paths(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise MissingFileError("the source is no file or folder; give a folder of images")
    try:
        found = [path for path in source.rglob("*") if path.is_file() and not path.name.startswith(".")]
    except OSError as error:
        raise MissingFileError(f"the source folder cannot be read ({error.strerror})") from error
    return sorted(found)


def _opened(paths: Sequence[Path], source: Path) -> tuple[list[_File], list[FileOutcome]]:
    listed = {folder: _listed_roles(folder) for folder in {path.parent for path in paths}}
    files: list[_File] = []
    outcomes: list[FileOutcome] = []
    for number, path in enumerate(paths, start=1):
        try:
            image = open_source(path)
        except NotAnImageError:
            outcomes.append(FileOutcome(number, Status.LEFT_OUT, reason=_kind(path)))
            continue
        except Exception as error:
            if is_document(kind := _kind(path)):
                outcomes.append(FileOutcome(number, Status.LEFT_OUT, reason=kind))
                continue
            # Whatever a damaged file makes a library raise: its kind alone, as messages quote values.
            outcomes.append(FileOutcome(number, Status.FAILED, reason=type(error).__name__))
            continue
        role = listed[path.parent].get(path.resolve()) or role_of_name(path)
        # Images sorted by their tags keep the order they were taken in; named ones the order of their names.
        taken = "" if role is not None or image.header is None else acquisition_time(image.header)
        files.append(
            _File(number, path, image, role or role_from_tags(path)[0], (taken, str(path.relative_to(source.parent))))
        )
    return files, outcomes


def _kind(path: Path) -> str:
    """What a file is that is no image; tables of ours by their purpose, anything else by its kind."""
    return _TABLES.get(path.name) or object_kind(path)


def _declared(folder: Path) -> dict[str, Any]:
    try:
        return read_declaration(folder / CASE_FILE, "case_folder.schema.json")
    except FluorospreadError:
        return {}


def _listed_roles(folder: Path) -> dict[Path, Role]:
    listed = _declared(folder).get("images", {})
    return {
        (folder / name).resolve(): Role(role)
        for role, names in listed.items()
        for name in ([names] if isinstance(names, str) else names)
    }


def _name_cases(files: Sequence[_File], source: Path, pseudonyms: Pseudonyms) -> None:
    """Give each file its case's folder and a name in it that says its role and nothing else."""
    for file in files:
        identity, study = file.source.identity, file.source.study_uid
        if file.source.header is None:
            # A picture carries no identity; the images beside it do, if they are of one study.
            beside = {
                (other.source.identity, other.source.study_uid)
                for other in files
                if other.path.parent == file.path.parent and other.source.header is not None
            }
            alone = (f"folder {file.path.parent.relative_to(source.parent)}", "")
            identity, study = beside.pop() if len(beside) == 1 else alone
        file.case = f"{pseudonyms.patient(identity)}-{pseudonyms.study(study)}"
    by_name: dict[tuple[str, str], list[_File]] = {}
    for file in sorted(files, key=lambda file: file.order):
        by_name.setdefault((file.case, file.role or "image"), []).append(file)
    for (_, stem), same in by_name.items():
        width = len(str(len(same)))
        for number, file in enumerate(same, start=1):
            file.name = stem if len(same) == 1 else f"{stem}-{number:0{width}d}"


def _one(file: _File, out: Path, run: DeidentifyRun, held: list[HeldImage]) -> FileOutcome:
    suffix = ".png" if file.source.header is None else ".dcm"
    name = f"{file.case}/{file.name}{suffix}"
    try:
        cleaning, said = _cleaning(file, run, held)
        if cleaning is None:
            return FileOutcome(file.number, Status.HELD, name, pixels=said)
        _make_folder(out / file.case)
        counts = write_deidentified(file.source, out / name, run.pseudonyms, run.options, cleaning)
    except (OutputError, CaseError):
        # A full disk or a wrong decision is no fault of this file.
        raise
    except Exception as error:
        return FileOutcome(file.number, Status.FAILED, reason=type(error).__name__)
    return FileOutcome(file.number, Status.WRITTEN, name, pixels=said, counts=counts)


def _cleaning(file: _File, run: DeidentifyRun, held: list[HeldImage]) -> tuple[PixelCleaning | None, str]:
    """What may be done with the pixels, or None where a person must look first; and the same in words."""
    sha256 = file_sha256(file.path)
    decided = run.decisions.get(sha256)
    if decided is not None and decided.decision is Decision.RELEASE:
        return PixelCleaning(), "released by a person"
    if decided is not None and decided.decision is Decision.BLACK_OUT:
        check_boxes(decided.boxes, file.source.shape, f"{file.case}/{file.name}")
        boxes = tuple((box.top, box.left, box.bottom, box.right) for box in decided.boxes)
        return PixelCleaning(boxes), f"{len(boxes)} box(es) blacked out, confirmed by a person"
    samples = file.source.samples()
    boxes_found = proposed_boxes(samples)
    if file.source.declared_clean and not boxes_found:
        return PixelCleaning(by_person=False), "declared free of burned-in text, and none was found"
    held.append(HeldImage(f"{file.case}/{file.name}", sha256, boxes_found, tuple(samples)))
    return None, f"{len(boxes_found)} place(s) look like burned-in text"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror})") from error


def _carry_declarations(folder: Path, files: Sequence[_File], out: Path) -> None:
    """A case.toml with what can tell nobody: declarations of the case, and a built-in protocol's name."""
    declared = _declared(folder)
    cases = {file.case for file in files if file.path.parent == folder}
    if not declared or len(cases) != 1:
        return
    kept = {key: declared[key] for key in _DECLARATIONS if key in declared}
    if declared.get("protocol") in protocol_names():
        kept["protocol"] = declared["protocol"]
    lines = [f"{key} = {json.dumps(value)}" for key, value in kept.items()]
    if "level_at" in declared:
        lines += ["", "[level_at]", *(f"{level} = {json.dumps(at)}" for level, at in declared["level_at"].items())]
    if lines:
        write_atomically(out / cases.pop() / CASE_FILE, ("\n".join(lines) + "\n").encode("utf-8"))


def _write_summary(outcomes: Sequence[FileOutcome], out: Path, options: DeidentifyOptions) -> None:
    document = {
        "statement": RESEARCH_USE_ONLY,
        "software": f"fluorospread {__version__}",
        "profile": "DICOM PS3.15 Basic Application Level Confidentiality Profile",
        "dates": options.dates,
        "device_retained": options.retain_device,
        "files": dict(Counter(outcome.status.value for outcome in outcomes)),
        "left_out": dict(Counter(o.reason for o in outcomes if o.status is Status.LEFT_OUT)),
        "images": [
            {"name": outcome.name, "pixels": outcome.pixels, "attributes": dict(outcome.counts)}
            for outcome in outcomes
            if outcome.status is Status.WRITTEN
        ],
    }
    write_atomically(out / SUMMARY_FILE, (json.dumps(document, indent=2) + "\n").encode("utf-8"))
