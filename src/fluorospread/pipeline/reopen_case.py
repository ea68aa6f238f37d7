"""A finished case and its images in, what its edits are measured with out: what case.json does not hold.

The contrast's signal, its outline's uncertainty and where a run first shows contrast are found again by the
steps that found them when the case was verified. That takes seconds; do it once, in the background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fluorospread.model.case import CaseImage, CaseResult
from fluorospread.model.findings import ContrastMask, ContrastStatus, NeedleTip
from fluorospread.model.radiograph import BoolImage, Radiograph
from fluorospread.pipeline.find_contrast_origin import find_contrast_origin
from fluorospread.pipeline.look_at_image import Look
from fluorospread.pipeline.segment_case import images_before_contrast, segment_case
from fluorospread.pipeline.settings import VerifySettings


@dataclass(frozen=True)
class ReopenedCase:
    """A case that edits can be measured in.

    Attributes
    ----------
    contrast
        As found again, in the pixels of the image that `case.contrast` names; None where none was looked for.
    origins
        Where a run first shows contrast, by side; empty for still images.
    """

    case: CaseResult
    looks: tuple[Look, ...]
    contrast: ContrastMask | None
    origins: tuple[NeedleTip, ...]

    def contrast_as(self, mask: BoolImage | None) -> ContrastMask | None:
        """The contrast with another outline, its signal and uncertainties kept; None where none was looked for.

        The alignment is left out: junctions of a finished case hold its uncertainty already.
        """
        if self.contrast is None:
            return None
        if mask is None or not mask.any():
            reason = self.contrast.reason or "the outline was erased by a person"
            return replace(
                self.contrast,
                status=ContrastStatus.NOT_FOUND,
                reason=reason,
                mask=None,
                alignment=None,
                outline_sd=None,
            )
        # What is known of parts of the outline found is not known of one that a person drew.
        same = self.contrast.mask is not None and np.array_equal(self.contrast.mask, mask)
        return replace(
            self.contrast,
            status=ContrastStatus.FOUND,
            reason="",
            mask=mask,
            alignment=None,
            outline_sd=self.contrast.outline_sd if same else None,
        )


def reopen_case(
    case: CaseResult,
    radiographs: Sequence[Radiograph],
    settings: VerifySettings = VerifySettings(),  # noqa: B008 - frozen
) -> ReopenedCase:
    """Find again what edits need; `radiographs` are the case's images in their order, as read from their files.

    Raises
    ------
    InputError
        A frame cannot be read.
    """
    looks = tuple(look_of(image, radiograph) for image, radiograph in zip(case.images, radiographs, strict=True))
    measured = case.contrast.image
    if measured is None:
        return ReopenedCase(case, looks, None, ())
    before = images_before_contrast([image.role for image in case.images], case.reference_image)
    contrast, _ = segment_case(looks, measured, before, settings)
    run = looks[measured]
    sides = frozenset(pool.side for pool in case.contrast.pools if pool.side is not None)
    origins: tuple[NeedleTip, ...] = ()
    if run.radiograph.is_cine and sides:
        origins = find_contrast_origin(run, run.junctions, sides, settings)
    return ReopenedCase(case, looks, contrast, origins)


def look_of(image: CaseImage, radiograph: Radiograph) -> Look:
    """An image of a finished case as the pipeline saw it when it was judged."""
    settled = replace(radiograph, geometry=image.geometry, orientation=image.orientation)
    return Look(
        settled,
        image.role,
        image.role_source,
        image.path,
        frame=image.frame,
        levels=image.levels,
        junctions=image.junctions,
        junctions_reason="" if image.junctions else "no junction was located when the case was verified",
        needles=image.needles,
        notes=image.notes,
    )
