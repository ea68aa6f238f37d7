"""A `CaseResult` in, what its report says in rows and sentences out: findings, assumptions, images, provenance.

Nothing is recomputed here; every number has its unit and uncertainty.
"""

from __future__ import annotations

from typing import Any

from fluorospread.model.anatomy import JUNCTION_NERVE
from fluorospread.model.case import PROVISIONAL, CaseImage, CaseResult
from fluorospread.model.radiograph import PolaritySource
from fluorospread.model.spread import Answer, Pool
from fluorospread.model.verdict import CriterionResult
from fluorospread.reporting.exposure_summary import exposure_of_image
from fluorospread.reporting.number_text import UNKNOWN, percent, with_uncertainty
from fluorospread.reporting.wording import contrast_words

Row = tuple[str, ...]

_POOL_MEASURES: tuple[tuple[str, str, str], ...] = (
    ("Area", "area_mm2", "mm²"),
    ("Craniocaudal extent", "craniocaudal_mm", "mm"),
    ("Mediolateral extent", "mediolateral_mm", "mm"),
    ("Cranial reach", "cranial_reach_mm", "mm"),
    ("Caudal reach", "caudal_reach_mm", "mm"),
    ("Lateral reach", "lateral_reach_mm", "mm"),
    ("Iodine", "iodine_mg", "mg"),
)


def puncture_rows(result: CaseResult) -> list[Row]:
    """Side, level, distance to its junction, whether at the target, evidence, reason."""
    rows: list[Row] = []
    for item in result.punctures:
        if item.distance_mm is not None:
            distance = with_uncertainty(item.distance_mm, item.sigma_mm, "mm")
        elif item.distance_px is not None:
            distance = f"{item.distance_px:.1f} px (no scale)"
        else:
            distance = UNKNOWN
        level = item.level.value if item.level is not None else UNKNOWN
        source = item.source.value.replace("-", " ")
        rows.append((item.side.value, level, distance, item.at_target.value, source, item.reason))
    return rows


def coverage_rows(result: CaseResult) -> list[Row]:
    """Junction, nerve, whether covered, share of its disc, gap, margin to the outline, reason."""
    rows: list[Row] = []
    for item in result.coverage:
        inside = UNKNOWN if item.margin_px is None else _signed_px(item.margin_px, item.sigma_px)
        gap = UNKNOWN if item.gap_mm is None else f"{item.gap_mm:.1f} mm"
        decided = item.covered is not Answer.UNDETERMINED
        provisional = " (provisional)" if result.contrast_is_provisional and decided else ""
        rows.append(
            (
                f"{item.level.value}, {item.side.value}",
                JUNCTION_NERVE.get(item.level, UNKNOWN),
                f"{item.covered.value}{provisional}",
                percent(item.fraction),
                gap,
                inside,
                item.reason,
            )
        )
    return rows


def _signed_px(margin: float, sigma: float | None) -> str:
    sign = "+" if margin > 0 else ""
    return f"{sign}{with_uncertainty(margin, sigma, 'px')}"


def contrast_sentence(result: CaseResult) -> str:
    """Whether contrast was found, in which image, against what, and how little of it would have been seen."""
    words = contrast_words(result)
    text = f"{words[:1].upper()}{words[1:]}."
    if result.contrast.detection_limit_mg_cm2 is not None:
        text += f" Detection limit {result.contrast.detection_limit_mg_cm2:.1f} mg/cm² of iodine."
    return text


def pool_table(pool: Pool, provisional: bool = False) -> dict[str, Any]:
    """Title and rows of one pool: every measure with its unit and 1-sd uncertainty; `provisional` goes into the
    title."""
    rows: list[Row] = []
    for label, name, unit in _POOL_MEASURES:
        measured = getattr(pool, name)
        value = UNKNOWN if measured is None else with_uncertainty(measured.value, measured.uncertainty, unit)
        rows.append((label, value))
    rows.append(("Area in pixels", f"{pool.area_px:.0f} px"))
    rows.append(("Share of all contrast signal", percent(pool.relative_share)))
    rows.append(("Levels spanned", ", ".join(level.value for level in pool.levels_spanned) or UNKNOWN))
    title = f"Pool, {pool.side.value if pool.side is not None else 'side ' + UNKNOWN}"
    return {"title": f"{title} ({PROVISIONAL})" if provisional else title, "rows": rows}


def image_name(index: int, image: CaseImage) -> str:
    """As the report calls it; images are counted from 1."""
    return f"Image {index + 1} ({image.role.value})"


def assumptions(result: CaseResult) -> list[str]:
    """Every fallback the result rests on, in words, image by image."""
    said: list[str] = []
    for index, image in enumerate(result.images):
        name = image_name(index, image)
        notes: list[str] = []
        if image.levels is not None and image.levels.numbering_assumption:
            notes.append(f"numbering: {image.levels.numbering_assumption}")
        if image.polarity_source is PolaritySource.ASSUMED_FROM_CONTENT:
            notes.append("which way brightness runs was told from the picture, not from a tag")
        notes += [note for note in (image.geometry.note, image.orientation.note, *image.notes) if note]
        said += [f"{name}: {note}" for note in dict.fromkeys(notes)]
    return said


def undetermined_reasons(result: CaseResult) -> list[str]:
    """What could not be told, and why, sentence by sentence."""
    said = [f"{c.name}: {c.reason}" for c in result.verdict.criteria if c.result is CriterionResult.UNDETERMINED]
    for index, image in enumerate(result.images):
        if image.levels is not None and image.levels.reason:
            said.append(f"{image_name(index, image)}: levels {image.levels.status.value}: {image.levels.reason}")
        if image.role.is_measured and image.geometry.mm_per_px is None:
            said.append(f"{image_name(index, image)}: no scale is known, so no length is given in mm")
        if image.role.is_measured and image.orientation.columns_towards is None:
            said.append(f"{image_name(index, image)}: nothing settles the patient's left and right")
    if result.contrast.iodine_reason:
        said.append(f"Absolute iodine: {result.contrast.iodine_reason}")
    return said


def image_section(index: int, image: CaseImage) -> dict[str, Any]:
    """Title, properties and landmarks of one image."""
    return {
        "title": f"{image_name(index, image)}: {image.path}",
        "properties": _image_properties(image),
        "landmarks": _landmarks(image),
    }


def _image_properties(image: CaseImage) -> list[Row]:
    geometry, orientation, levels = image.geometry, image.orientation, image.levels
    if geometry.spacing_patient_mm is None:
        scale = UNKNOWN
    else:
        row_mm, col_mm = geometry.spacing_patient_mm
        scale = (
            f"{row_mm:.4f} × {col_mm:.4f} mm a pixel (row × column) in the patient plane, "
            f"± {100.0 * (geometry.relative_uncertainty or 0.0):.1f} %, from {geometry.source.value}"
        )
    columns = orientation.columns_towards.value if orientation.columns_towards is not None else UNKNOWN
    feet_or_head = orientation.rows_towards.value if orientation.rows_towards is not None else UNKNOWN
    rows: list[Row] = [
        ("Role", f"{image.role.value} ({image.role_source})"),
        ("Size", f"{image.rows} rows × {image.cols} columns, {image.frames} frame{'s' if image.frames != 1 else ''}"),
        ("Scale", scale),
        ("Magnification", UNKNOWN if geometry.magnification is None else f"{geometry.magnification:.3f}"),
        ("Orientation", f"columns towards {columns}, rows towards {feet_or_head} ({orientation.source})"),
        ("Exposure", exposure_of_image(image.exposure)),
        ("Pixel values", f"{image.quantity.value.replace('-', ' ')}; sign from {image.polarity_source.value}"),
    ]
    if levels is None:
        rows.append(("Levels", "not measured in this image"))
        return rows
    rows.append(("Levels", f"{levels.status.value}, numbered from {levels.anchor.value.replace('-', ' ')}"))
    others = "; ".join(f"shifted by {a.shift:+d}: {percent(a.probability)}" for a in levels.alternatives)
    if others:
        rows.append(("Other numberings", others))
    return rows


def _landmarks(image: CaseImage) -> list[Row]:
    scale = image.geometry.mm_per_px

    def spread(sd_px: float | None) -> str:
        if sd_px is None:
            return UNKNOWN
        return f"{sd_px:.1f} px" if scale is None else f"{sd_px:.1f} px = {sd_px * scale:.1f} mm"

    rows: list[Row] = []
    for vertebra in image.levels.vertebrae if image.levels is not None else ():
        row, col = vertebra.center_px
        rows.append(
            (
                f"{vertebra.level.value}, body centre",
                f"{row:.1f}, {col:.1f}",
                spread(vertebra.uncertainty_px),
                percent(vertebra.confidence),
            )
        )
    for junction in image.junctions:
        row, col = junction.point_px
        name = f"{junction.level.value} junction, {junction.side.value} ({junction.assigned_by})"
        rows.append((name, f"{row:.1f}, {col:.1f}", spread(junction.uncertainty_px), percent(junction.confidence)))
    for needle in image.needles:
        row, col = needle.tip_px
        name = f"Needle tip, {needle.side.value if needle.side is not None else 'side ' + UNKNOWN}"
        rows.append((name, f"{row:.1f}, {col:.1f}", spread(needle.uncertainty_px), percent(needle.confidence)))
    return rows


def provenance_rows(result: CaseResult) -> list[Row]:
    """Versions and hashes that the result was made from."""
    rows: list[Row] = [
        ("Software", f"{result.software.name} {result.software.version}"),
        ("Weights SHA-256", result.software.weights_sha256 or "no network was used"),
        ("Protocol", result.protocol_name),
        ("Protocol SHA-256", result.protocol_sha256),
    ]
    for index, image in enumerate(result.images):
        rows.append((f"Image {index + 1} SHA-256", image.sha256))
        rows.append((f"Image {index + 1} SOP instance", image.sop_instance_uid or "none in the file"))
    if result.dose_report is not None:
        rows.append(("Dose report SHA-256", result.dose_report.sha256))
    return rows
