"""Images in which nothing was injected in, false contrast out: how often a single image is said to show some.

Each image is searched on its own, as one after contrast would be, whatever lies in it: needles, bowel contrast,
catheters, clips, hardware, calcium, stool, gas, letters. Whatever is found is false.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from fluorospread.errors import CaseError, InputError, MissingFileError
from fluorospread.evaluation.metrics import Rate
from fluorospread.evaluation.processes import Report, in_processes
from fluorospread.model.anatomy import Level
from fluorospread.model.case import Role
from fluorospread.model.findings import ContrastMethod, ContrastStatus, LevelLabels, LevelStatus
from fluorospread.pipeline.gather_case import CaseRequest, ImageRequest, safe_case_id
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.pipeline.verify_case import verify_case
from fluorospread.pipeline.write_case import write_case
from fluorospread.pipeline.write_simulated_case import write_simulated_case
from fluorospread.simulation.anatomy.surface import Anatomy
from fluorospread.simulation.case_recipe import CaseRecipe, ImageRecipe
from fluorospread.simulation.cases import Split, build_person
from fluorospread.simulation.special_cases import sample_clutter

# Building a person takes longer than taking an image: each is imaged so often, in views of their own.
VIEWS_OF_A_PERSON = 3
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm")


@dataclass(frozen=True)
class FalseContrastScore:
    """One image without contrast, or one pair of such images.

    Attributes
    ----------
    contents
        What lies in the way and is no contrast.
    false_mm2
        Area taken for contrast; None where some was found and the image has no scale.
    searched
        Whether contrast was looked for: in an image alone where L4 and L5 were found, which say where to look; in a
        run that could be laid over its own first frames; in a pair that could be laid over each other.
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
    image = replace(sample_clutter(split, index).images[-1], role=Role.POST)
    return nothing_injected(split, index, "empty", image)


def nothing_injected(split: Split, index: int, kind: str, *images: ImageRecipe) -> CaseRecipe:
    """Random case `index` of a split with these images, without their contrast; every third with nothing in the way
    but needles. Three in a row show one person."""
    recipe = sample_clutter(split, index)
    return replace(
        recipe,
        case_id=f"{split.value}-{kind}-{index:04d}",
        title="nothing injected",
        person=sample_clutter(split, index - index % VIEWS_OF_A_PERSON).person,
        images=tuple(replace(image, contrast=False) for image in images),
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
    draw = partial(sample_without_contrast, split)
    return score_people(draw, partial(_score_drawn, out is not None), numbers, workers, out, report)


def score_people(
    draw: Callable[[int], CaseRecipe],
    score: Callable[[CaseRecipe, Path], FalseContrastScore],
    numbers: Sequence[int],
    workers: int | None,
    out: Path | None,
    report: Report,
) -> tuple[FalseContrastScore, ...]:
    """Render what is drawn for each number and score its folder, in the order of `numbers`; a job is a person.

    Parameters
    ----------
    draw, score
        Must pickle. `score` is given the recipe and the folder of its images.
    """
    people: dict[int, list[int]] = {}
    for number in numbers:
        people.setdefault(number // VIEWS_OF_A_PERSON, []).append(number)

    def report_each(scores: list[FalseContrastScore]) -> None:
        for each in scores:
            report(each.name)

    scored = in_processes(partial(_one_person, draw, score, out), list(people.values()), workers, report_each)
    of_number = {
        number: each
        for person, scores in zip(people.values(), scored, strict=True)
        for number, each in zip(person, scores, strict=True)
    }
    return tuple(of_number[number] for number in numbers)


def evaluate_pictures_without_contrast(
    folder: Path, out: Path | None = None, report: Report = lambda _: None, workers: int | None = 1
) -> tuple[FalseContrastScore, ...]:
    """Search every picture of a folder that shows none of the block's contrast, e.g. real films.

    Parameters
    ----------
    workers
        Processes; None: one for each processor.

    Raises
    ------
    MissingFileError
        When the folder holds no picture.
    CaseError
        When two pictures have one name.
    """
    return tuple(
        in_processes(partial(_score_file, out), named_pictures(folder), workers, lambda score: report(score.name))
    )


def pictures_in(folder: Path) -> tuple[Path, ...]:
    """Images of a folder by name."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES))


def named_pictures(folder: Path) -> tuple[Path, ...]:
    """Images of a folder by name, at least one, and no two whose results would have the same name.

    Raises
    ------
    MissingFileError
        When there is none.
    CaseError
        When two have one name.
    """
    named: dict[str, Path] = {}
    for path in pictures_in(folder):
        other = named.setdefault(safe_case_id(path.stem).lower(), path)
        if other != path:
            raise CaseError(f"{other.name} and {path.name} in {folder} have one name; rename or remove one")
    if not named:
        raise MissingFileError(f"{folder} holds no picture; expected {', '.join(PICTURES)}")
    return tuple(named.values())


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
    searched = contrast.method is ContrastMethod.CINE or _say_where_to_look(image.levels)
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


def _say_where_to_look(levels: LevelLabels | None) -> bool:
    """Whether the search of an image alone has its place: the middle between L4 and L5."""
    if levels is None or levels.status is LevelStatus.INDETERMINATE:
        return False
    return all(levels.vertebra(level) is not None for level in (Level.L4, Level.L5))


def _one_person(
    draw: Callable[[int], CaseRecipe],
    score: Callable[[CaseRecipe, Path], FalseContrastScore],
    out: Path | None,
    numbers: Sequence[int],
) -> list[FalseContrastScore]:
    anatomy: Anatomy | None = None
    scores = []
    for number in numbers:
        recipe = draw(number)
        if anatomy is None:
            anatomy = build_person(recipe.person)
        with tempfile.TemporaryDirectory() as scratch:
            folder = (Path(scratch) if out is None else out) / recipe.case_id
            if not (folder / f"{recipe.images[-1].role.value}.dcm").is_file():
                write_simulated_case(recipe, folder, anatomy)
            scores.append(score(recipe, folder))
    return scores


def _score_drawn(keep: bool, recipe: CaseRecipe, folder: Path) -> FalseContrastScore:
    kinds = [kind.value for kind in recipe.clutter]
    image = folder / f"{recipe.images[-1].role.value}.dcm"
    return score_picture(image, recipe.case_id, kinds, folder / "result" if keep else None)


def _score_file(out: Path | None, path: Path) -> FalseContrastScore:
    return score_picture(path, path.stem, out=None if out is None else out / path.stem)
