"""Images in which nothing was injected in, false contrast out: how often a single image is said to show some.

Each image is searched on its own, as one after contrast would be, whatever lies in it: needles, bowel contrast,
catheters, clips, hardware, calcium, stool, gas, letters. Whatever is found is false.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fluorospread.errors import InputError, MissingFileError
from fluorospread.evaluation.metrics import Rate
from fluorospread.model.case import Role
from fluorospread.model.findings import ContrastStatus, LevelStatus
from fluorospread.pipeline.gather_case import CaseRequest, ImageRequest
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.pipeline.verify_case import verify_case
from fluorospread.pipeline.write_case import write_case
from fluorospread.pipeline.write_simulated_case import write_simulated_case
from fluorospread.simulation.anatomy.surface import Anatomy
from fluorospread.simulation.case_recipe import CaseRecipe
from fluorospread.simulation.cases import Split, build_person
from fluorospread.simulation.special_cases import sample_clutter

Report = Callable[[str], None]

# Building a person takes longer than taking an image: each is imaged so often, in views of their own.
VIEWS_OF_A_PERSON = 3
_POST_FILE = "post.dcm"
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm")


@dataclass(frozen=True)
class FalseContrastScore:
    """One image without contrast.

    Attributes
    ----------
    contents
        What lies in the way and is no contrast.
    false_mm2
        Area taken for contrast; None where some was found and the image has no scale.
    searched
        Whether levels, junctions and a scale were there, without which contrast is not looked for.
    failure
        The error that stopped it; empty when it ran.
    """

    name: str
    contents: tuple[str, ...] = ()
    found: bool = False
    false_mm2: float | None = 0.0
    searched: bool = False
    reason: str = ""
    failure: str = ""


def sample_without_contrast(split: Split, index: int) -> CaseRecipe:
    """Random image `index` of a split without contrast: every third with nothing in the way but needles."""
    recipe = sample_clutter(split, index)
    first = sample_clutter(split, index - index % VIEWS_OF_A_PERSON)
    image = replace(recipe.images[-1], role=Role.POST, contrast=False)
    return replace(
        recipe,
        case_id=f"{split.value}-empty-{index:04d}",
        title="nothing injected",
        person=first.person,
        images=(image,),
        spreads=(),
        aberrant=(),
        contrast_given=False,
        clutter=recipe.clutter if index % VIEWS_OF_A_PERSON else (),
    )


def evaluate_without_contrast(
    split: Split,
    numbers: Sequence[int],
    workers: int | None = None,
    out: Path | None = None,
    report: Report = lambda _: None,
) -> tuple[FalseContrastScore, ...]:
    """Render and search simulated images without contrast, in the order of `numbers`.

    Parameters
    ----------
    workers
        Processes; by default one for each processor.
    out
        Where images and results are kept; by default they are thrown away.
    """
    people: dict[int, list[int]] = {}
    for number in numbers:
        people.setdefault(number // VIEWS_OF_A_PERSON, []).append(number)
    done: dict[int, FalseContrastScore] = {}
    # Forking a process that has run threads can hang; a fresh interpreter cannot.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers or os.cpu_count() or 1, len(people)), mp_context=context) as pool:
        jobs = [pool.submit(_one_person, split, of_person, out) for of_person in people.values()]
        for job in as_completed(jobs):
            for number, score in job.result():
                done[number] = score
                report(score.name)
    return tuple(done[number] for number in numbers)


def evaluate_pictures_without_contrast(
    folder: Path, out: Path | None = None, report: Report = lambda _: None
) -> tuple[FalseContrastScore, ...]:
    """Search every picture of a folder that shows none of the block's contrast, e.g. real films.

    Raises
    ------
    MissingFileError
        When the folder holds no picture.
    """
    paths = pictures_in(folder)
    if not paths:
        raise MissingFileError(f"{folder} holds no picture; expected {', '.join(PICTURES)}")
    scores = []
    for path in paths:
        scores.append(score_picture(path, path.stem, out=None if out is None else out / path.stem))
        report(path.stem)
    return tuple(scores)


def pictures_in(folder: Path) -> tuple[Path, ...]:
    """Images of a folder by name."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES))


def score_picture(path: Path, name: str, contents: Iterable[str] = (), out: Path | None = None) -> FalseContrastScore:
    """Search one image, as one after contrast that has no image before it."""
    request = CaseRequest(name, (ImageRequest(path, Role.POST, "evaluation"),))
    kinds = tuple(contents)
    try:
        verified = verify_case(request, load_protocol(DEFAULT_PROTOCOL))
        if out is not None:
            write_case(verified, out)
    except InputError as error:
        return FalseContrastScore(name, kinds, failure=str(error))
    contrast, image = verified.result.contrast, verified.result.images[0]
    found = contrast.status is ContrastStatus.FOUND
    area: float | None = 0.0
    if found:
        areas = [pool.area_mm2.value for pool in contrast.pools if pool.area_mm2 is not None]
        area = sum(areas) if len(areas) == len(contrast.pools) else None
    confused = image.levels is None or image.levels.status is LevelStatus.INDETERMINATE
    searched = not confused and bool(image.junctions) and image.geometry.mm_per_px is not None
    return FalseContrastScore(name, kinds, found, area, searched, contrast.reason)


def false_contrast_rates(scores: Sequence[FalseContrastScore]) -> Mapping[str, Rate]:
    """Share of images with false contrast: of all that ran, of those searched, and with each thing in the way."""
    ran = [score for score in scores if not score.failure]
    rates = {
        "images with false contrast": Rate.count_true(score.found for score in ran),
        "of those searched for contrast": Rate.count_true(score.found for score in ran if score.searched),
    }
    for kind in sorted({kind for score in ran for kind in score.contents}):
        rates[f"with {kind}"] = Rate.count_true(score.found for score in ran if kind in score.contents)
    return rates


def false_contrast_document(scores: Sequence[FalseContrastScore], simulated: bool) -> dict[str, Any]:
    """Scores as plain values for `json.dumps`."""
    return {
        "schema": "fluorospread/evaluation/1",
        "simulated": simulated,
        "summary": {name: str(rate) for name, rate in false_contrast_rates(scores).items()},
        "images": [asdict(score) for score in scores],
    }


def _one_person(split: Split, numbers: list[int], out: Path | None) -> list[tuple[int, FalseContrastScore]]:
    anatomy: Anatomy | None = None
    scores = []
    for number in numbers:
        recipe = sample_without_contrast(split, number)
        if anatomy is None:
            anatomy = build_person(recipe.person)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) if out is None else out / recipe.case_id
            if not (folder / _POST_FILE).is_file():
                write_simulated_case(recipe, folder, anatomy)
            kinds = [kind.value for kind in recipe.clutter]
            result = None if out is None else folder / "result"
            scores.append((number, score_picture(folder / _POST_FILE, recipe.case_id, kinds, result)))
    return scores
