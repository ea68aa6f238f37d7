"""The sample cases to a folder, byte for byte the same each time: images, case.toml, truth, manifest."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fluorospread.atomic_files import write_atomically
from fluorospread.errors import OutputError
from fluorospread.pipeline.write_simulated_case import TRUTH_FILE, write_simulated_case
from fluorospread.simulation.cases import sample_cases
from fluorospread.simulation.render_case import SimulatedCase

MANIFEST_FILE = "manifest.toml"
TRUTH_FOLDER = "truth"

Report = Callable[[str], None]


@dataclass(frozen=True)
class SampleDifference:
    """A file of the samples that does not come out the same; `how` is missing, unexpected or different."""

    path: str
    how: str


def write_samples(folder: Path, report: Report = lambda _: None) -> tuple[Path, ...]:
    """Write every sample case to `folder`/<case id>/, its truth to `folder`/truth/<case id>.json, and the
    manifest; returns the files written, relative to `folder`. `report` is told each case when it is done.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    entries: list[str] = []
    written: list[Path] = []
    try:
        (folder / TRUTH_FOLDER).mkdir(parents=True, exist_ok=True)
        for recipe in sample_cases():
            target = folder / recipe.case_id
            case = write_simulated_case(recipe, target)
            truth = folder / TRUTH_FOLDER / f"{recipe.case_id}.json"
            (target / TRUTH_FILE).replace(truth)
            images = [target / f"{image.role.value}.dcm" for image in case.images]
            entries.append(_entry(case, images))
            written += [*images, target / "case.toml", truth]
            report(recipe.case_id)
        manifest = folder / MANIFEST_FILE
        write_atomically(manifest, (_HEAD + "\n".join(entries)).encode("utf-8"))
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror}); give a writable folder") from error
    return tuple(path.relative_to(folder) for path in (*written, manifest))


def compare_samples(folder: Path, report: Report = lambda _: None) -> tuple[SampleDifference, ...]:
    """Make the samples anew and compare them with those in `folder`, byte for byte; empty when all agree."""
    scratch = Path(tempfile.mkdtemp(prefix="samples-"))
    try:
        made = write_samples(scratch, report)
        there = {path.relative_to(folder) for case in sample_cases() for path in (folder / case.case_id).glob("*")}
        found = [SampleDifference(str(path), "unexpected") for path in sorted(there - set(made))]
        for path in made:
            if not (folder / path).is_file():
                found.append(SampleDifference(str(path), "missing"))
            elif (folder / path).read_bytes() != (scratch / path).read_bytes():
                found.append(SampleDifference(str(path), "different"))
        return tuple(found)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


_HEAD = """\
# Sample cases: simulated, not real patients. Research use only, not for diagnosis.
# Regenerate with: fluorospread simulate --samples --out sample_dicom
licence = "CC0-1.0"

"""


def _entry(case: SimulatedCase, images: list[Path]) -> str:
    recipe = case.recipe
    lines = [
        "[[case]]",
        f'id = "{recipe.case_id}"',
        f'title = "{recipe.title}"',
        f'expected = "{case.truth.outcome.value}"',
        f"contrast_given = {'true' if recipe.contrast_given else 'false'}",
        f"seed = {recipe.seed}",
        f"person_seed = {recipe.person.seed}",
        *([f"vascular_uptake = {sides}"] if (sides := [side.value for side in case.truth.vascular_sides]) else []),
        f'truth = "{TRUTH_FOLDER}/{recipe.case_id}.json"',
        "images = [",
        *(
            f'  {{path = "{recipe.case_id}/{path.name}", sha256 = "{hashlib.sha256(path.read_bytes()).hexdigest()}"}},'
            for path in images
        ),
        "]",
        "",
    ]
    return "\n".join(lines)
