"""A case whose findings a person changed in, its conclusions computed anew out: only what lies downstream.

A tip changes the puncture on its side and where reaches start from; a junction changes coverage and punctures;
levels and the contrast's outline change everything measured from them. Nothing is looked for in the image again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fluorospread.model.case import CaseResult, ContrastResult, Role
from fluorospread.model.findings import Anchor, ContrastMask, ContrastMethod
from fluorospread.model.protocol import Protocol
from fluorospread.model.radiograph import BoolImage
from fluorospread.model.spread import Pool, Spread
from fluorospread.model.verdict import Flag
from fluorospread.pipeline.find_punctures import contrast_evidence, tip_evidence
from fluorospread.pipeline.look_at_image import Look
from fluorospread.pipeline.reopen_case import ReopenedCase, look_of
from fluorospread.pipeline.settings import VerifySettings
from fluorospread.pipeline.verify_case import MASK_FILE
from fluorospread.steps.flag_aberrant import flag_aberrant
from fluorospread.steps.judge_case import CaseEvidence, ImageEvidence, judge_case
from fluorospread.steps.measure_spread import SpreadSettings, measure_coverage, measure_pools

NUMBERING_DIFFERS = "numbering-differs-between-images"
_NO_NEEDLE = "no needle found: "


def conclude_again(
    reopened: ReopenedCase,
    edited: CaseResult,
    mask: BoolImage | None,
    protocol: Protocol,
    before: tuple[CaseResult, BoolImage | None] | None = None,
    settings: VerifySettings = VerifySettings(),  # noqa: B008 - frozen
) -> CaseResult:
    """`edited` with pools, coverage, flags, punctures and verdict as its findings and `mask` have them.

    Parameters
    ----------
    mask
        (rows, cols) of the image that shows contrast, True where contrast lies; None where there is none.
    before
        A concluded case and its mask that `edited` was made from: what did not change is taken from it. Without
        it everything is measured.
    """
    looks = tuple(look_of(image, look.radiograph) for image, look in zip(edited.images, reopened.looks, strict=True))
    contrast = reopened.contrast_as(mask)
    spread, flags = _measured(
        edited, looks, contrast, before, replace(settings.spread, target_level=protocol.target_level), settings
    )
    tips = tip_evidence(tuple(look for look in looks if _was_searched(look, looks)))
    weaker: tuple[ImageEvidence, ...] = ()
    from_one_image = _from_one_image(reopened, contrast)
    if edited.contrast.image is not None and not from_one_image:
        look = looks[edited.contrast.image]
        weaker = contrast_evidence(look, spread.pools, look.junctions, tips, settings, reopened.origins)
    evidence = CaseEvidence(
        images=(*tips, *weaker),
        contrast_given=edited.contrast_given,
        contrast_status=edited.contrast.status,
        contrast_reason=edited.contrast.reason,
        coverage=spread.coverage,
        from_one_image=from_one_image,
        no_puncture_reason=_no_puncture_reason(looks),
    )
    punctures, verdict = judge_case(protocol, evidence)
    return replace(
        edited,
        contrast=_result(edited.contrast, mask, spread.pools),
        coverage=spread.coverage,
        punctures=punctures,
        flags=flags,
        verdict=verdict,
    )


def _from_one_image(reopened: ReopenedCase, contrast: ContrastMask | None) -> bool:
    """Whether the outline is what one image alone gave, and no reader's."""
    if contrast is None or contrast.mask is None or contrast.method is not ContrastMethod.SINGLE_IMAGE:
        return False
    found = None if reopened.contrast is None else reopened.contrast.mask
    return found is not None and np.array_equal(found, contrast.mask)


def _measured(
    edited: CaseResult,
    looks: tuple[Look, ...],
    contrast: ContrastMask | None,
    before: tuple[CaseResult, BoolImage | None] | None,
    spread_settings: SpreadSettings,
    settings: VerifySettings,
) -> tuple[Spread, tuple[Flag, ...]]:
    """Pools, coverage and flags; those of `before` where nothing they are measured from has changed."""
    numbering = tuple(flag for flag in edited.flags if flag.code == NUMBERING_DIFFERS and not _given(looks))
    index = edited.contrast.image
    if index is None or contrast is None:
        return Spread((), ()), numbering
    look = looks[index]
    if look.levels is None:
        return Spread((), ()), numbering
    geometry = look.radiograph.geometry
    pools, coverage = edited.contrast.pools, edited.coverage
    former = None if before is None else before[0].images[index]
    same_outline = before is not None and before[1] is contrast.mask
    same_levels = former is not None and former.levels == look.levels and same_outline
    same_junctions = former is not None and former.junctions == look.junctions
    # Reaches start from a side's tip; only where it has none do they start from the target junction.
    from_tips = {tip.side for tip in look.needles} >= {pool.side for pool in pools}
    same_starts = former is not None and former.needles == look.needles and (same_junctions or from_tips)
    if not (same_levels and same_starts):
        pools = measure_pools(contrast, look.levels, look.junctions, look.needles, geometry, spread_settings)
    if not (same_levels and same_junctions):
        coverage = measure_coverage(contrast, look.levels, look.junctions, geometry, spread_settings)
    spread = Spread(pools, coverage)
    if same_levels and same_junctions:
        return spread, edited.flags
    flags = flag_aberrant(contrast, spread, look.levels, look.junctions, geometry, settings.aberrant)
    return spread, (*numbering, *flags)


def _given(looks: tuple[Look, ...]) -> bool:
    return any(look.levels is not None and look.levels.anchor is Anchor.GIVEN for look in looks)


def _was_searched(look: Look, looks: tuple[Look, ...]) -> bool:
    """Whether the tips of an image were found in it, not carried to it: images after contrast are searched only
    where there is none before it."""
    clear = any(other.role in (Role.NEEDLE, Role.PRE) for other in looks)
    return look.role in ((Role.NEEDLE, Role.PRE) if clear else (Role.CINE, Role.POST))


def _no_puncture_reason(looks: tuple[Look, ...]) -> str:
    said = [
        f"{look.name}: {note.removeprefix(_NO_NEEDLE)}"
        for look in looks
        for note in look.notes
        if note.startswith(_NO_NEEDLE)
    ]
    where = f" ({'; '.join(said)})" if said else ""
    return f"no needle was found on this side, which may have been withdrawn or not imaged{where}"


def _result(contrast: ContrastResult, mask: BoolImage | None, pools: tuple[Pool, ...]) -> ContrastResult:
    return replace(contrast, pools=pools, mask_file=MASK_FILE if mask is not None and mask.any() else None)
