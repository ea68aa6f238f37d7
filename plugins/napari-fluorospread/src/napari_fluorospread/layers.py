"""Turns the findings of a case into napari layers and back; the two directions are inverses.

`case_to_layers` and `layers_to_case` open no window and change nothing: they map values to values. What
cannot be edited travels along in the layers' metadata. A finding that a person changed comes back marked
as a person's, and whatever was concluded from the former findings is withdrawn, not carried along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fluorospread.errors import UsageError
from fluorospread.model.case import CaseImage, CaseResult, ContrastResult, Override
from fluorospread.model.findings import (
    Anchor,
    ContrastStatus,
    Junction,
    LevelLabels,
    LevelStatus,
    NeedleTip,
    Vertebra,
)
from fluorospread.model.geometry import PointPx, RowsTowards
from fluorospread.model.radiograph import BoolImage
from fluorospread.model.spread import Answer
from fluorospread.model.verdict import Criterion, CriterionResult, Outcome, Verdict
from napari_fluorospread.finding_layers import (
    PERSON,
    LayerData,
    axes_to_layer,
    junctions_to_layer,
    layer_to_junctions,
    layer_to_mask,
    layer_to_needles,
    layer_to_vertebrae,
    levels_to_layer,
    mask_to_layer,
    needles_to_layer,
)
from napari_fluorospread.placement import placement, shown_in_mm
from napari_fluorospread.spread_axis import spread_axis

METADATA_KEY = "fluorospread"
LEVELS, JUNCTIONS, NEEDLES, CONTRAST = "levels", "junctions", "needle tips", "contrast"
SPREAD = "spread"

_COVERED_WORDS = {Answer.YES: "covered", Answer.NO: "not covered", Answer.UNDETERMINED: "covered?"}


@dataclass(frozen=True, eq=False)
class LayerTag:
    """What a layer shows: its kind, the index of its image in the case, and what it was made from."""

    kind: str
    image: int
    case: CaseResult | None = None
    contrast_mask: BoolImage | None = None


def tag_of(state: Mapping[str, Any]) -> LayerTag | None:
    """The tag of a layer given its keyword arguments, None for a layer that is not ours."""
    tag = state.get("metadata", {}).get(METADATA_KEY)
    return tag if isinstance(tag, LayerTag) else None


def image_names(case: CaseResult) -> tuple[str, ...]:
    """One short name an image: its role, numbered where a role occurs again."""
    roles = [image.role.value for image in case.images]
    return tuple(
        role if role not in roles[:index] else f"{role} {roles[:index].count(role) + 1}"
        for index, role in enumerate(roles)
    )


def shown_image(case: CaseResult) -> int:
    """Index of the image shown first: the one the verdict rests on."""
    return case.reference_image if case.reference_image is not None else 0


def case_to_layers(case: CaseResult, contrast_mask: BoolImage | None = None) -> list[LayerData]:
    """Layers for every finding of `case`, in the stored pixels of their images.

    Parameters
    ----------
    contrast_mask
        (rows, cols) of the image that `case.contrast` names, True where contrast lies.

    Raises
    ------
    UsageError
        When the mask does not fit its image.
    """
    in_mm = shown_in_mm(image.geometry for image in case.images)
    answers = {junction: _COVERED_WORDS[said] for junction, said in case.stated_coverage().items()}
    layers: list[LayerData] = []
    for index, (image, name) in enumerate(zip(case.images, image_names(case), strict=True)):
        shape = (image.rows, image.cols)
        found: dict[str, LayerData] = {}
        covered = answers if case.contrast.image == index else {}
        if case.contrast.image == index:
            found[CONTRAST] = mask_to_layer(contrast_mask, shape)
            found |= _spread(case, image)
        if image.levels is not None:
            found[LEVELS] = levels_to_layer(image.levels)
            # A junction's label stands away from the spine and a tip's towards it, so that both can be read.
            lateral = [_shown_left_of_spine(image, j.point_px) for j in image.junctions]
            medial = [not _shown_left_of_spine(image, n.tip_px) for n in image.needles]
            found[JUNCTIONS] = junctions_to_layer(image.junctions, covered, lateral, image.levels.status)
            found[NEEDLES] = needles_to_layer(image.needles, medial)
        for kind, (data, state, layer_type) in found.items():
            common = {
                "name": f"{name}: {kind}",
                "visible": index == shown_image(case),
                "metadata": {METADATA_KEY: LayerTag(kind, index, case, contrast_mask)},
                **placement(image.geometry, image.orientation, shape, in_mm),
            }
            layers.append((data, state | common, layer_type))
    return layers


def empty_findings(case: CaseResult) -> list[LayerData]:
    """The layers of `case_to_layers`, and one for the spread, with nothing in them."""
    nothing = LevelLabels(LevelStatus.CONFIDENT, Anchor.GIVEN, ())
    images = tuple(
        replace(image, levels=nothing if image.levels is not None else None, junctions=(), needles=())
        for image in case.images
    )
    empty = replace(case, images=images, contrast=replace(case.contrast, pools=()), coverage=())
    layers = case_to_layers(empty)
    for place, (_, state, _) in enumerate(layers):
        tag = tag_of(state)
        if tag is not None and tag.kind == CONTRAST:
            spread, style, layer_type = axes_to_layer([])
            tagged = {"name": SPREAD, "metadata": {METADATA_KEY: replace(tag, kind=SPREAD)}}
            placed = {name: state[name] for name in ("scale", "affine", "units")}
            layers.insert(place + 1, (spread, style | tagged | placed, layer_type))
            break
    return layers


def _spread(case: CaseResult, image: CaseImage) -> dict[str, LayerData]:
    axes = [axis for pool in case.contrast.pools if (axis := spread_axis(pool, image)) is not None]
    if case.contrast_is_provisional:
        axes = [replace(axis, extent=f"{axis.extent} provisional".strip()) for axis in axes]
    return {SPREAD: axes_to_layer(axes)} if axes else {}


def _shown_left_of_spine(image: CaseImage, point: PointPx) -> bool:
    midline = image.levels.midline_col(point[0]) if image.levels is not None else None
    on_low_columns = point[1] < (midline if midline is not None else (image.cols - 1) / 2)
    turned = image.orientation.rows_towards is RowsTowards.HEAD
    return on_low_columns is not turned


def layers_to_case(layers: Sequence[LayerData]) -> tuple[CaseResult, BoolImage | None]:
    """The case and contrast mask that `layers` show; layers that are not a case's findings are ignored.

    Returns
    -------
    CaseResult, mask
        Equal to what `case_to_layers` was given where nobody changed anything. Otherwise the changed
        findings are marked (`assigned_by`, `overrides`) and the verdict is undetermined until it is
        computed anew.

    Raises
    ------
    UsageError
        When no layer shows a case's findings, when layers of two cases are mixed, or when a level or
        side has no known name or a level is named twice.
    """
    case, mask = _origin(layers)
    contrast = case.contrast
    images = list(case.images)
    overrides: list[Override] = []
    for data, state, _ in layers:
        tag = tag_of(state)
        if tag is None or tag.case is None:
            continue
        image = images[tag.image]
        if tag.kind == LEVELS:
            levels, changes = _settle_levels(image.levels, layer_to_vertebrae(data, state))
            images[tag.image] = replace(image, levels=levels)
        elif tag.kind == JUNCTIONS:
            junctions, changes = _settle_junctions(image.junctions, layer_to_junctions(data, state))
            images[tag.image] = replace(image, junctions=junctions)
        elif tag.kind == NEEDLES:
            needles, changes = _settle_needles(image.needles, layer_to_needles(data, state))
            images[tag.image] = replace(image, needles=needles)
        elif tag.kind == CONTRAST:
            painted = layer_to_mask(data)
            contrast, changes = _settle_contrast(contrast, mask, painted)
            mask = painted if changes else mask
        else:  # What was measured follows from the findings and is not read back.
            continue
        overrides += changes
    if not overrides:
        return case, mask
    edited = replace(case, images=tuple(images), contrast=contrast, overrides=(*case.overrides, *overrides))
    return _without_conclusions(edited), mask


def _origin(layers: Sequence[LayerData]) -> tuple[CaseResult, BoolImage | None]:
    tags = [tag for _, state, _ in layers if (tag := tag_of(state)) is not None and tag.case is not None]
    cases = {id(tag.case): (tag.case, tag.contrast_mask) for tag in tags}
    if len(cases) > 1:
        raise UsageError("these layers show more than one case; take the layers of one case at a time")
    for case, mask in cases.values():
        if case is not None:
            return case, mask
    raise UsageError("none of these layers shows the findings of a case; open a case.json first")


def _settle_levels(
    former: LevelLabels | None, vertebrae: tuple[Vertebra, ...]
) -> tuple[LevelLabels | None, list[Override]]:
    """Levels as a person left them. Once a person renamed, added or removed a level, a person numbered the
    spine; where only a centre was moved, what numbered it stays as it was."""
    if former is None or vertebrae == former.vertebrae:
        return former, []
    changed = [v for v in vertebrae if v != former.vertebra(v.level)]
    overrides = [Override(f"{LEVELS}: {v.level}", _written(v.center_px)) for v in changed]
    names = {v.level for v in vertebrae}
    overrides += [Override(f"{LEVELS}: {v.level}", "removed") for v in former.vertebrae if v.level not in names]
    settled = tuple(replace(v, confidence=1.0) if v in changed else v for v in vertebrae)
    if names == {v.level for v in former.vertebrae} and not _renumbered(former.vertebrae, vertebrae):
        return replace(former, vertebrae=settled), overrides
    return (
        LevelLabels(
            LevelStatus.CONFIDENT,
            Anchor.GIVEN,
            settled,
            numbering_assumption="numbered by a person in the viewer",
            estimated_mm_per_px=former.estimated_mm_per_px,
        ),
        overrides,
    )


def _renumbered(former: tuple[Vertebra, ...], vertebrae: tuple[Vertebra, ...]) -> bool:
    """Whether a body's centre now carries another level's name."""
    name_at = {v.center_px: v.level for v in former}
    return any(name_at.get(v.center_px, v.level) is not v.level for v in vertebrae)


def _settle_junctions(
    former: tuple[Junction, ...], junctions: tuple[Junction, ...]
) -> tuple[tuple[Junction, ...], list[Override]]:
    settled = tuple(j if j in former else replace(j, confidence=1.0, assigned_by=PERSON) for j in junctions)
    overrides = [Override(f"{JUNCTIONS}: {j.level} {j.side}", _written(j.point_px)) for j in settled if j not in former]
    names = {(j.level, j.side) for j in junctions}
    if len(names) != len(junctions):
        raise UsageError("a junction is named twice; each level has one junction a side")
    overrides += [
        Override(f"{JUNCTIONS}: {j.level} {j.side}", "removed") for j in former if (j.level, j.side) not in names
    ]
    return settled, overrides


def _settle_needles(
    former: tuple[NeedleTip, ...], needles: tuple[NeedleTip, ...]
) -> tuple[tuple[NeedleTip, ...], list[Override]]:
    overrides = [Override(f"{NEEDLES}: {n.side or 'no side'}", _written(n.tip_px)) for n in needles if n not in former]
    if len(needles) < len(former):
        overrides.append(Override(NEEDLES, f"{len(former) - len(needles)} removed"))
    return tuple(n if n in former else replace(n, confidence=1.0) for n in needles), overrides


def _settle_contrast(
    former: ContrastResult, mask: BoolImage | None, painted: BoolImage | None
) -> tuple[ContrastResult, list[Override]]:
    before = mask if mask is not None and mask.any() else None
    if before is painted is None or (before is not None and painted is not None and np.array_equal(before, painted)):
        return former, []
    # The pools were measured on the former outline, and so was the iodine in them.
    withdrawn = replace(former, pools=(), mask_file=None)
    if painted is None:
        erased = replace(withdrawn, status=ContrastStatus.NOT_FOUND, reason="the outline was erased by a person")
        return erased, [Override(CONTRAST, "erased")]
    return replace(withdrawn, status=ContrastStatus.FOUND, reason=""), [Override(CONTRAST, "painted")]


def _without_conclusions(case: CaseResult) -> CaseResult:
    """`case` without what was concluded from findings that have changed since."""
    reason = "findings were changed by a person and the verdict has not been computed anew"
    coverage = case.verdict.coverage
    verdict = Verdict(
        Outcome.UNDETERMINED,
        Outcome.UNDETERMINED,
        coverage if coverage is Outcome.NOT_APPLICABLE else Outcome.UNDETERMINED,
        (Criterion("findings changed", CriterionResult.UNDETERMINED, reason),),
    )
    contrast = replace(case.contrast, pools=())
    return replace(case, contrast=contrast, coverage=(), punctures=(), verdict=verdict)


def _written(point: PointPx) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"
