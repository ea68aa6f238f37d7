"""Findings of a case as measurement groups of a TID 1500 report: with a region TID 1410, without TID 1501.

Each group says what was found, where (level, laterality of the patient), how sure, and in which image. Its
tracking identifier begins with the image's number, counted from 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from highdicom.sr import (
    ContentItem,
    ContentSequence,
    FindingSite,
    ImageRegion,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from pydicom.sr.coding import Code

from fluorospread.dicom import result_codes as rc
from fluorospread.dicom.report_items import (
    LARGEST_OUTLINE,
    evaluation,
    measurement,
    number,
    region,
    side_of_image,
    sites,
    texts,
)
from fluorospread.dicom.result_object import ResultContext
from fluorospread.dicom.result_source import SourceImage
from fluorospread.model.anatomy import JUNCTION_NERVE
from fluorospread.model.case import PROVISIONAL, CaseResult
from fluorospread.model.findings import Junction, LevelLabels, NeedleTip, Vertebra
from fluorospread.model.geometry import PointPx
from fluorospread.model.spread import Answer, Coverage, Pool
from fluorospread.model.verdict import Puncture

POOL_MEASURES: tuple[tuple[str, Code, Code], ...] = (
    ("area_mm2", rc.AREA, rc.SQUARE_MILLIMETRE),
    ("craniocaudal_mm", rc.CRANIOCAUDAL, rc.MILLIMETRE),
    ("mediolateral_mm", rc.MEDIOLATERAL, rc.MILLIMETRE),
    ("cranial_reach_mm", rc.CRANIAL_REACH, rc.MILLIMETRE),
    ("caudal_reach_mm", rc.CAUDAL_REACH, rc.MILLIMETRE),
    ("lateral_reach_mm", rc.LATERAL_REACH, rc.MILLIMETRE),
    ("iodine_mg", rc.IODINE, rc.MILLIGRAM),
)


@dataclass(frozen=True)
class Finding:
    """What a measurement group says, before it is one."""

    identifier: str
    kind: Code
    sites: Sequence[FindingSite] = ()
    measurements: Sequence[Measurement] = ()
    evaluations: Sequence[QualitativeEvaluation] = ()
    further: Sequence[ContentItem] = field(default=())
    """Texts, which the templates take but highdicom's constructors do not."""


class FindingWriter:
    """Turns findings into groups; `notes` collect what a report cannot hold."""

    def __init__(self, result: CaseResult, context: ResultContext) -> None:
        self.result = result
        self.context = context
        self.notes: list[str] = []

    def groups(self) -> list[ContentSequence]:
        """Every finding of the case, image by image, then contrast, coverage and punctures."""
        found: list[ContentSequence] = []
        for source in self.context.sources.images:
            found += self._of_image(source)
        found.append(self._search_for_contrast())
        for index, pool in enumerate(self.result.contrast.pools):
            found += self._pool(index, pool)
        provisional = PROVISIONAL if self.result.contrast_is_provisional else ""
        found += [self._without_region(_coverage(item, provisional)) for item in self.result.coverage]
        found += [self._without_region(_puncture(i, item)) for i, item in enumerate(self.result.punctures)]
        return found

    def _of_image(self, source: SourceImage) -> Iterator[ContentSequence]:
        image, scale = source.image, source.image.geometry.mm_per_px
        place = f"image {source.index + 1}"
        if image.levels is not None:
            yield self._without_region(_numbering(place, image.levels), source)
            for vertebra in image.levels.vertebrae:
                yield from self._at(source, vertebra.center_px, _vertebra(place, vertebra))
        for junction in image.junctions:
            yield from self._at(source, junction.point_px, _junction(place, junction, scale))
        for index, tip in enumerate(image.needles):
            yield from self._at(source, tip.tip_px, _needle(place, index, tip, scale))

    def _at(self, source: SourceImage, point: PointPx, finding: Finding) -> Iterator[ContentSequence]:
        if -0.5 <= point[0] <= source.image.rows - 0.5 and -0.5 <= point[1] <= source.image.cols - 0.5:
            yield self._with_region(finding, region(source, [point]))
        else:
            self.notes.append(f"{finding.identifier} lies outside its image, where a report cannot point.")

    def _search_for_contrast(self) -> ContentSequence:
        contrast = self.result.contrast
        given = {True: Answer.YES, False: Answer.NO, None: Answer.UNDETERMINED}[self.result.contrast_given]
        finding = Finding(
            "contrast",
            rc.CONTRAST_SEARCH,
            sites(None),
            measurement(rc.DETECTION_LIMIT, contrast.detection_limit_mg_cm2, rc.MILLIGRAM_PER_CM2),
            [
                evaluation(rc.CONTRAST_STATUS, contrast.status),
                evaluation(rc.CONTRAST_METHOD, contrast.method),
                evaluation(rc.CONTRAST_GIVEN, given),
            ],
            texts(
                (rc.REASON, contrast.reason),
                (rc.IODINE_REASON, contrast.iodine_reason),
                (rc.CONTRAST_IMAGE, "" if contrast.image is None else f"image {contrast.image + 1}"),
                *((rc.COMMENT, note) for note in contrast.notes),
            ),
        )
        return self._without_region(finding, self.context.sources.image(contrast.image))

    def _pool(self, index: int, pool: Pool) -> Iterator[ContentSequence]:
        """The pool's measures with its first outline; each further outline is a group of its own."""
        source = self.context.sources.image(self.result.contrast.image)
        name = f"contrast pool {index + 1}{'' if pool.side is None else f' {pool.side.value}'}"
        first = _measures_of(name, pool)
        if self.result.contrast_is_provisional:
            first = replace(first, further=texts((rc.COMMENT, PROVISIONAL)))
        rings = [ring for ring in pool.outline_px if 2 <= len(ring) < LARGEST_OUTLINE]
        if len(rings) < len(pool.outline_px):
            self.notes.append(f"{len(pool.outline_px) - len(rings)} outline(s) of {name} have too many points.")
        if source is None or not rings:
            yield self._without_region(first, source)
            return
        yield self._with_region(first, region(source, rings[0]))
        for number_, ring in enumerate(rings[1:], start=2):
            more = Finding(f"{name}, outline {number_}", rc.CONTRAST_AGENT, sites(pool.side))
            yield self._with_region(more, region(source, ring))

    def _with_region(self, finding: Finding, where: ImageRegion) -> ContentSequence:
        group = PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=self._tracking(finding),
            referenced_region=where,
            finding_type=finding.kind,
            finding_sites=list(finding.sites) or None,
            measurements=list(finding.measurements) or None,
            qualitative_evaluations=list(finding.evaluations) or None,
        )
        group[0].ContentSequence.extend(finding.further)
        return group

    def _without_region(self, finding: Finding, source: SourceImage | None = None) -> ContentSequence:
        images = None
        if source is not None:
            header = source.header
            images = [SourceImageForMeasurementGroup(header.SOPClassUID, header.SOPInstanceUID, source.frame_numbers)]
        group = MeasurementsAndQualitativeEvaluations(
            tracking_identifier=self._tracking(finding),
            finding_type=finding.kind,
            finding_sites=list(finding.sites) or None,
            source_images=images,
            measurements=list(finding.measurements) or None,
            qualitative_evaluations=list(finding.evaluations) or None,
        )
        group[0].ContentSequence.extend(finding.further)
        return group

    def _tracking(self, finding: Finding) -> TrackingIdentifier:
        return TrackingIdentifier(uid=self.context.tracking_uid(finding.identifier), identifier=finding.identifier)


def _numbering(place: str, levels: LevelLabels) -> Finding:
    alternatives = [
        item
        for other in levels.alternatives
        for item in measurement(
            rc.ALTERNATIVE, other.probability, rc.NO_UNITS, extra=number(rc.SHIFT, other.shift, rc.NO_UNITS)
        )
    ]
    return Finding(
        f"{place}, numbering",
        rc.NUMBERING,
        sites(None),
        [*alternatives, *measurement(rc.ESTIMATED_SCALE, levels.estimated_mm_per_px, rc.MM_PER_PIXEL)],
        [evaluation(rc.LEVEL_STATUS, levels.status), evaluation(rc.ANCHOR, levels.anchor)],
        texts((rc.ASSUMPTION, levels.numbering_assumption), (rc.REASON, levels.reason)),
    )


def _vertebra(place: str, vertebra: Vertebra) -> Finding:
    return Finding(
        f"{place}, vertebra {vertebra.level.value}",
        rc.VERTEBRA,
        sites(None, vertebra.level),
        [
            *measurement(rc.CERTAINTY, vertebra.confidence, rc.NO_UNITS),
            *measurement(rc.POINT_UNCERTAINTY, vertebra.uncertainty_px, rc.PIXELS),
        ],
    )


def _junction(place: str, junction: Junction, mm_per_px: float | None) -> Finding:
    return Finding(
        f"{place}, junction {junction.level.value} {junction.side.value}",
        rc.JUNCTION,
        sites(junction.side, junction.level),
        [
            *measurement(rc.CERTAINTY, junction.confidence, rc.NO_UNITS),
            *_point_uncertainty(junction.uncertainty_px, mm_per_px),
        ],
        side_of_image(junction.side),
        texts((rc.NERVE, JUNCTION_NERVE.get(junction.level, "")), (rc.ASSIGNED_BY, junction.assigned_by)),
    )


def _needle(place: str, index: int, tip: NeedleTip, mm_per_px: float | None) -> Finding:
    side = "side not known" if tip.side is None else tip.side.value
    direction = tip.direction or (None, None)
    return Finding(
        f"{place}, needle tip {index + 1} {side}",
        rc.NEEDLE_TIP,
        sites(tip.side),
        [
            *measurement(rc.CERTAINTY, tip.confidence, rc.NO_UNITS),
            *_point_uncertainty(tip.uncertainty_px, mm_per_px),
            *measurement(rc.DIRECTION_ROW, direction[0], rc.NO_UNITS),
            *measurement(rc.DIRECTION_COLUMN, direction[1], rc.NO_UNITS),
        ],
        side_of_image(tip.side),
    )


def _point_uncertainty(sd_px: float, mm_per_px: float | None) -> list[Measurement]:
    sd_mm = None if mm_per_px is None else sd_px * mm_per_px
    return [
        *measurement(rc.POINT_UNCERTAINTY, sd_px, rc.PIXELS),
        *measurement(rc.POINT_UNCERTAINTY, sd_mm, rc.MILLIMETRE),
    ]


def _measures_of(name: str, pool: Pool) -> Finding:
    found: list[Measurement] = []
    for field_name, code, unit in POOL_MEASURES:
        value = getattr(pool, field_name)
        if value is not None:
            found += measurement(code, value.value, unit, value.uncertainty)
    found += measurement(rc.AREA, pool.area_px, rc.PIXELS)
    found += measurement(rc.SHARE, pool.relative_share, rc.NO_UNITS)
    found += measurement(rc.CENTROID_ROW, pool.centroid_px[0], rc.PIXELS)
    found += measurement(rc.CENTROID_COLUMN, pool.centroid_px[1], rc.PIXELS)
    spanned = [evaluation(rc.LEVEL_SPANNED, level) for level in pool.levels_spanned]
    return Finding(name, rc.CONTRAST_AGENT, sites(pool.side), found, [*side_of_image(pool.side), *spanned])


def _coverage(item: Coverage, comment: str) -> Finding:
    return Finding(
        f"coverage {item.level.value} {item.side.value}",
        rc.COVERAGE,
        sites(item.side, item.level),
        [
            *measurement(rc.FRACTION, item.fraction, rc.NO_UNITS),
            *measurement(rc.GAP, item.gap_mm, rc.MILLIMETRE),
            *measurement(rc.MARGIN, item.margin_px, rc.PIXELS),
            *measurement(rc.DECISION_SIGMA, item.sigma_px, rc.PIXELS),
        ],
        [evaluation(rc.COVERED, item.covered), *side_of_image(item.side)],
        texts((rc.REASON, item.reason), (rc.COMMENT, comment)),
    )


def _puncture(index: int, item: Puncture) -> Finding:
    distance = measurement(rc.DISTANCE, item.distance_mm, rc.MILLIMETRE, item.sigma_mm)
    if item.distance_mm is None:
        distance = measurement(rc.DISTANCE_SIGMA, item.sigma_mm, rc.MILLIMETRE)
    return Finding(
        f"puncture {index + 1} {item.side.value}",
        rc.PUNCTURE,
        sites(item.side, item.level),
        [*distance, *measurement(rc.DISTANCE, item.distance_px, rc.PIXELS)],
        [
            evaluation(rc.AT_TARGET, item.at_target),
            evaluation(rc.PUNCTURE_SOURCE, item.source),
            *side_of_image(item.side),
        ],
        texts((rc.REASON, item.reason)),
    )
