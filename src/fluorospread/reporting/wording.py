"""A result in plain sentences: what was assumed, what else it could be, what a person settled.

Shared by the picture and the terminal, so that no output leaves out what another one says.
"""

from __future__ import annotations

from fluorospread.model.case import CaseImage, CaseResult
from fluorospread.model.findings import ContrastMethod, ContrastStatus, LevelStatus
from fluorospread.model.verdict import CriterionResult, Outcome
from fluorospread.reporting.number_text import percent

OUTCOME_WORDS = {
    Outcome.VERIFIED: "verified",
    Outcome.NOT_VERIFIED: "not verified",
    Outcome.UNDETERMINED: "undetermined",
    Outcome.NOT_APPLICABLE: "not applicable",
}

RESULT_WORDS = {
    CriterionResult.MET: "met",
    CriterionResult.NOT_MET: "not met",
    CriterionResult.UNDETERMINED: "undetermined",
    CriterionResult.NOT_APPLICABLE: "not applicable",
}

_COMPARED = {
    ContrastMethod.MASK_SUBTRACTION: "compared with an earlier image (mask subtraction)",
    ContrastMethod.CINE: "compared from frame to frame (cine)",
    ContrastMethod.SINGLE_IMAGE: "read from this image alone, not against one without contrast",
}


def statements(result: CaseResult, omitted_labels: int = 0) -> tuple[str, ...]:
    """Everything a reader must know beside the criteria, one sentence each, most important first."""
    found = [_numbering(result)]
    if result.contrast.status is not ContrastStatus.NOT_GIVEN:
        found.append(f"Contrast: {contrast_words(result)}.")
    found += [f"Flag {flag.code}: {flag.evidence}." for flag in result.flags]
    if result.overrides:
        settled = ", ".join(f"{item.name} {item.value}" for item in result.overrides)
        found.append(f"Settled by a person: {settled}.")
    found += [f"{_name(image)}: {'; '.join(_doubts(image))}." for image in result.images if _doubts(image)]
    if omitted_labels:
        found.append(f"{omitted_labels} label(s) had no room in the pictures; case.json has every point.")
    return tuple(sentence.replace("..", ".") for sentence in found)


def contrast_words(result: CaseResult) -> str:
    """Whether contrast was found, in which image, against what, why not, and what the outline is good for."""
    contrast = result.contrast
    words = contrast.status.value.replace("-", " ")
    if contrast.image is not None:
        words += f" in {_name(result.images[contrast.image])}"
    if contrast.method in _COMPARED:
        words += f", {_COMPARED[contrast.method]}"
    if result.contrast_is_provisional:
        words += ": the outline is provisional and decides no criterion"
    elif contrast.status is ContrastStatus.FOUND and any(item.name == "contrast" for item in result.overrides):
        words += "; outlined by a person"
    return words + (f" ({contrast.reason.rstrip('.')})" if contrast.reason else "")


def role_is_assumed(image: CaseImage) -> bool:
    """Nobody and no tag said what this image is."""
    return image.role_source.startswith("assumed")


def _numbering(result: CaseResult) -> str:
    image = None if result.reference_image is None else result.images[result.reference_image]
    levels = None if image is None else image.levels
    if levels is None:
        return "Numbering: no frontal image was measured."
    text = f"Numbering: {levels.status.value}"
    if levels.status is not LevelStatus.CONFIDENT:
        text += f" ({levels.reason})"
    text += f", anchored at {levels.anchor.value.replace('-', ' ')}"
    if levels.numbering_assumption:
        text += f"; assumption: {levels.numbering_assumption}"
    others = [f"shifted by {a.shift:+d}: {percent(a.probability)}" for a in levels.alternatives]
    if others:
        text += f"; alternatives: {', '.join(others)}"
    return f"{text}."


def _doubts(image: CaseImage) -> tuple[str, ...]:
    """Every fallback of one image, each once."""
    role = f"role {image.role} {image.role_source}" if role_is_assumed(image) else ""
    found = [note for note in (role, image.geometry.note, image.orientation.note, *image.notes) if note]
    return tuple(dict.fromkeys(note.strip().rstrip(".") for note in found))


def _name(image: CaseImage) -> str:
    return image.path.replace("\\", "/").rsplit("/", 1)[-1]
