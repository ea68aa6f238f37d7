"""Images of a case in, the contrast of one of them out, told against the first earlier image that aligns with it."""

from __future__ import annotations

from collections.abc import Sequence

from fluorospread.model.case import Role
from fluorospread.model.findings import ContrastMask, ContrastMethod
from fluorospread.pipeline.look_at_image import Look
from fluorospread.pipeline.settings import VerifySettings
from fluorospread.steps.segment_contrast import segment_contrast
from fluorospread.steps.segment_single_image import segment_single_image


def images_before_contrast(roles: Sequence[Role], reference: int | None) -> list[int]:
    """Images without contrast; the one the verdict rests on first, so that its junctions are the ones carried."""
    before = [index for index, role in enumerate(roles) if role in (Role.PRE, Role.NEEDLE)]
    return sorted(before, key=lambda index: index != reference)


def segment_case(
    looks: Sequence[Look], measured: int, before: Sequence[int], settings: VerifySettings
) -> tuple[ContrastMask, int | None]:
    """The contrast in image `measured`, and the index of the image it was told against."""
    radiograph = looks[measured].radiograph
    tried: list[tuple[ContrastMask, int | None]] = []
    sources: list[int | None] = [*before] or [None]
    for source in sources:
        reference = None if source is None else looks[source].radiograph
        mask = segment_contrast(radiograph, reference, settings.contrast)
        if mask.method is ContrastMethod.CINE:
            return mask, measured
        tried.append((mask, source))
        if mask.alignment is not None:
            break
    mask, source = tried[-1] if tried[-1][0].alignment is not None else tried[0]
    if mask.method is not ContrastMethod.SINGLE_IMAGE:
        return mask, source
    return segment_single_image(radiograph, looks[measured].levels, mask.notes, settings.single_image), source
