"""Pairs of images in which nothing was injected in, false contrast out.

What a pair shows more of is a needle, gas or bone that moved, another exposure, another noise. Whatever is found is
false. Contrast is searched as `verify` does for a pair; levels play no part in that and are not looked for.
Simulated and real pairs are never counted together.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from fluorospread.dicom.read_radiograph import read_radiograph
from fluorospread.errors import InputError
from fluorospread.evaluation.processes import Report, in_processes
from fluorospread.evaluation.without_contrast import (
    FalseContrastScore,
    named_pictures,
    nothing_injected,
    score_people,
)
from fluorospread.model.case import Role
from fluorospread.model.findings import ContrastStatus
from fluorospread.pipeline.film_points import read_film_truth
from fluorospread.pipeline.implant_case import write_implanted_case
from fluorospread.pipeline.read_film import ImplantImages, ImplantOptions, read_bare_film, read_film
from fluorospread.pipeline.settings import VerifySettings
from fluorospread.simulation.case_recipe import CaseRecipe
from fluorospread.simulation.cases import Split
from fluorospread.simulation.implant import Film, implant, sample_implant
from fluorospread.simulation.special_cases import sample_clutter
from fluorospread.steps.segment_contrast import segment_contrast

# A case without contrast has one image; how the patient moved is taken from another case, which has two.
_NEXT_CASE = 100_003
# In these pairs the needle came between the images, in the others it is in both.
_NEEDLE_COMES_EVERY = 2


def sample_pair_without_contrast(split: Split, index: int) -> CaseRecipe:
    """Random pair `index` of a split without contrast: every third with nothing in the way but needles, and in
    every second the needle came between the images."""
    with_two, other = sample_clutter(split, index), index
    while len(with_two.images) < 2:
        other += _NEXT_CASE
        with_two = sample_clutter(split, other)
    role = Role.PRE if index % _NEEDLE_COMES_EVERY else Role.NEEDLE
    earlier = replace(with_two.images[0], role=role, needles=role is Role.NEEDLE)
    later = replace(with_two.images[-1], role=Role.POST, needles=True)
    return nothing_injected(split, index, "empty-pair", earlier, later)


def evaluate_pairs_without_contrast(
    split: Split,
    numbers: Sequence[int],
    workers: int | None = None,
    out: Path | None = None,
    report: Report = lambda _: None,
) -> tuple[FalseContrastScore, ...]:
    """Render and search simulated pairs without contrast, in the order of `numbers`.

    Parameters
    ----------
    workers
        Processes; by default one for each processor.
    out
        Where the images are kept; by default they are thrown away.
    """
    return score_people(partial(sample_pair_without_contrast, split), _score_drawn, numbers, workers, out, report)


def evaluate_film_pairs_without_contrast(
    folder: Path,
    annotations: Path | None,
    numbers: Sequence[int],
    out: Path | None = None,
    report: Report = lambda _: None,
    workers: int | None = 1,
) -> tuple[FalseContrastScore, ...]:
    """Search pairs made of real pictures in turn: the picture, and the picture moved, of another gain and noise.

    Needles come in where a reader marked junctions of an adult; other pictures are moved only.

    Parameters
    ----------
    annotations
        A reader's points, one JSON a picture; None moves all pictures only.
    numbers
        Pair `i` is made of picture `i` modulo their count.
    workers
        Processes; None: one for each processor.

    Raises
    ------
    MissingFileError
        When the folder holds no picture.
    CaseError
        When two pictures have one name.
    """
    score = partial(_score_made, named_pictures(folder), annotations, out)
    return tuple(in_processes(score, numbers, workers, lambda scored: report(scored.name)))


def score_pair(earlier: Path, later: Path, name: str, contents: Sequence[str] = ()) -> FalseContrastScore:
    """Search the later of two images for what the earlier does not have."""
    try:
        measured = read_radiograph(later)
        found = segment_contrast(measured, read_radiograph(earlier), VerifySettings().contrast)
    except InputError as error:
        return FalseContrastScore(name, tuple(contents), failure=str(error))
    spacing, area = measured.geometry.spacing_patient_mm, 0.0
    if found.mask is not None and spacing is not None:
        area = float(found.mask.sum()) * spacing[0] * spacing[1]
    return FalseContrastScore(
        name,
        tuple(contents),
        found.status is ContrastStatus.FOUND,
        None if found.mask is not None and spacing is None else area,
        found.alignment is not None,
        found.reason or "; ".join(found.notes),
    )


def _score_made(
    pictures: Sequence[Path], annotations: Path | None, out: Path | None, number: int
) -> FalseContrastScore:
    path, index = pictures[number % len(pictures)], number // len(pictures)
    points = None if annotations is None else annotations / f"{path.stem}.json"
    try:
        film, sha256, has_targets = _film_of(path, points)
        images = ImplantImages.PRE_POST if index % _NEEDLE_COMES_EVERY or not has_targets else ImplantImages.PAIR
        recipe = sample_implant(film, Split.JUDGING, index, images.roles, contrast=False)
    except InputError as error:
        return FalseContrastScore(path.stem, failure=str(error))
    with tempfile.TemporaryDirectory() as scratch:
        folder = (Path(scratch) if out is None else out) / recipe.case_id
        write_implanted_case(implant(film, recipe), folder, path.name, sha256)
        earlier, later = (folder / f"{role.value}.dcm" for role in images.roles)
        return score_pair(earlier, later, recipe.case_id, ("needles" if has_targets else "no needle",))


def _film_of(path: Path, points: Path | None) -> tuple[Film, str, bool]:
    """The film, the SHA-256 of its file, and whether needles have a target in it."""
    if points is not None and points.is_file():
        marked = read_film_truth(points)
        if marked.in_scope and marked.junctions:
            return *read_film(path, points, ImplantOptions()), True
    return *read_bare_film(path, ImplantOptions()), False


def _score_drawn(recipe: CaseRecipe, folder: Path) -> FalseContrastScore:
    earlier, later = (folder / f"{image.role.value}.dcm" for image in recipe.images)
    return score_pair(earlier, later, recipe.case_id, [kind.value for kind in recipe.clutter])
