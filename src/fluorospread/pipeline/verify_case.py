"""A case as requested in, a verified case out: the order in which the steps run.

Read every image; settle its role; label levels and locate junctions in each frontal one; find needle tips;
find the contrast against an image without it; carry the junctions to the contrast; measure; judge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fluorospread import __version__
from fluorospread.dicom.read_radiograph import ReadOverrides, read_radiograph
from fluorospread.errors import CaseError, UsageError
from fluorospread.landmarks.network import weights_sha256
from fluorospread.model.anatomy import Level
from fluorospread.model.case import CaseImage, CaseResult, ContrastResult, Role, SoftwareVersion
from fluorospread.model.findings import ContrastMask, ContrastMethod, ContrastStatus, Junction
from fluorospread.model.geometry import PointPx
from fluorospread.model.protocol import Protocol
from fluorospread.model.radiograph import Radiograph
from fluorospread.model.spread import Spread
from fluorospread.model.verdict import Flag
from fluorospread.pipeline.carry_findings import apply_given_numbering, carried_junctions, carry_findings
from fluorospread.pipeline.find_dose_report import find_dose_report
from fluorospread.pipeline.find_punctures import contrast_evidence, find_tips, tip_evidence
from fluorospread.pipeline.gather_case import CaseRequest, ImageRequest
from fluorospread.pipeline.look_at_image import Look, look_for_levels
from fluorospread.pipeline.segment_case import images_before_contrast, segment_case
from fluorospread.pipeline.settings import VerifySettings
from fluorospread.steps.flag_aberrant import flag_aberrant
from fluorospread.steps.judge_case import CaseEvidence, ImageEvidence, judge_case
from fluorospread.steps.measure_spread import measure_spread

Report = Callable[[str], None]

# Whose levels and junctions count first: contrast hides junctions, so images before it come first.
_REFERENCE_ORDER = (Role.PRE, Role.NEEDLE, Role.CINE, Role.POST)
MASK_FILE = "contrast_mask.png"


@dataclass(frozen=True)
class VerifiedCase:
    """The result, with what is needed to draw it: one radiograph for each image of the result, and the
    contrast with its mask."""

    result: CaseResult
    radiographs: tuple[Radiograph, ...]
    contrast: ContrastMask


@dataclass(frozen=True)
class _Contrast:
    """The contrast, the looks with findings carried to the image it was measured in, and that image's index.

    `junctions` are those of that image, with their own uncertainty only: `measure_spread` adds the carrying.
    """

    mask: ContrastMask
    looks: tuple[Look, ...]
    measured: int | None = None
    junctions: tuple[Junction, ...] = ()
    flags: tuple[Flag, ...] = ()


def verify_case(
    request: CaseRequest,
    protocol: Protocol,
    settings: VerifySettings = VerifySettings(),  # noqa: B008 - frozen
    report: Report = lambda _: None,
) -> VerifiedCase:
    """Verify one case against its protocol; `report` is told what is being done, a few words at a time.

    Raises
    ------
    InputError
        An image cannot be read, or the images do not make one case.
    UsageError
        A `--level-at` point lies outside its image.
    """
    looks = tuple(_read(image, request, report) for image in request.images)
    _check_one_patient(looks)
    dose_report, dose_notes = find_dose_report(request.dose_reports, [look.radiograph.identity for look in looks])
    looks = (replace(looks[0], notes=(*looks[0].notes, *dose_notes)), *looks[1:])
    looks, reference = _levels(looks, request, settings, report)
    report("finding needles")
    looks = find_tips(looks, len(protocol.target_sides), settings)
    report("finding contrast")
    with_tips = [index for index, look in enumerate(looks) if look.needles]
    contrast = _find_contrast(looks, reference, request.contrast_given, settings)
    looks = contrast.looks
    report("measuring and judging")
    spread, flags = _measure(contrast, protocol, settings)
    tips = tip_evidence(tuple(looks[index] for index in with_tips))
    evidence = CaseEvidence(
        images=(*tips, *_contrast_evidence(contrast, spread, tips, settings)),
        contrast_given=request.contrast_given,
        contrast_status=contrast.mask.status,
        contrast_reason=contrast.mask.reason,
        coverage=spread.coverage,
        from_one_image=contrast.mask.method is ContrastMethod.SINGLE_IMAGE,
        no_puncture_reason=_no_puncture_reason(looks),
    )
    punctures, verdict = judge_case(protocol, evidence)
    result = CaseResult(
        case_id=request.case_id,
        software=SoftwareVersion("fluorospread", __version__, weights_sha256()),
        protocol_name=protocol.name,
        protocol_sha256=protocol.sha256,
        contrast_given=request.contrast_given,
        images=tuple(_case_image(look) for look in looks),
        reference_image=reference,
        contrast=_contrast_result(contrast, spread),
        coverage=spread.coverage,
        punctures=punctures,
        flags=flags,
        verdict=verdict,
        overrides=request.overrides.recorded(),
        dose_report=dose_report,
    )
    return VerifiedCase(result, tuple(look.radiograph for look in looks), contrast.mask)


def _read(image: ImageRequest, request: CaseRequest, report: Report) -> Look:
    report(f"reading {image.path.name}")
    given = request.overrides
    radiograph = read_radiograph(
        image.path, ReadOverrides(given.spacing_mm, given.columns_towards, given.rows_towards, given.polarity)
    )
    role, source = (image.role, image.role_source) if image.role is not None else _role_from_image(radiograph)
    first = image is request.images[0]
    return Look(radiograph, role, source, str(image.path), notes=(*radiograph.notes, *(request.notes if first else ())))


def _role_from_image(radiograph: Radiograph) -> tuple[Role, str]:
    """A role for an image that no one named: never `post`, as contrast that is only supposed proves nothing."""
    if radiograph.view in (Role.LATERAL, Role.OBLIQUE):
        return Role(radiograph.view), "view in the tags"
    if radiograph.is_cine:
        return Role.CINE, "several frames"
    return Role.NEEDLE, "assumed: one frontal image, and nothing says more"


def _check_one_patient(looks: tuple[Look, ...]) -> None:
    patients = {look.radiograph.identity.patient_id: look.name for look in looks if look.radiograph.identity.patient_id}
    if len(patients) > 1:
        names = ", ".join(sorted(patients.values()))
        raise CaseError(f"images of {len(patients)} patients in one case (PatientID differs): {names}")
    identities = [look.radiograph.identity for look in looks]
    named = {identity.name_digest for identity in identities if identity.name_digest}
    if len(named) > 1 and not all(identity.patient_id for identity in identities):
        raise CaseError(
            f"images of {len(named)} patients in one case (PatientName differs, and not every image has a PatientID): "
            f"{', '.join(look.name for look in looks)}"
        )


def _levels(
    looks: tuple[Look, ...], request: CaseRequest, settings: VerifySettings, report: Report
) -> tuple[tuple[Look, ...], int | None]:
    """The looks with levels and junctions, and the index of the reference image."""
    order = [i for role in _REFERENCE_ORDER for i, look in enumerate(looks) if look.role is role]
    if not order:
        return looks, None
    given = dict(request.overrides.level_at)
    _check_inside(looks[order[0]], given)
    found = list(looks)
    for index in order:
        report(f"labelling levels in {looks[index].name}")
        found[index] = look_for_levels(looks[index], given if index == order[0] else {}, settings)
    if given:
        return apply_given_numbering(tuple(found), order[0]), order[0]
    best = sorted(order, key=lambda i: (not found[i].confident, not found[i].junctions))
    return tuple(found), best[0]


def _check_inside(look: Look, given: dict[Level, PointPx]) -> None:
    rows, cols = look.radiograph.shape
    for level, (row, col) in given.items():
        if not (0 <= row <= rows - 1 and 0 <= col <= cols - 1):
            raise UsageError(
                f"--level-at {level}={row:g},{col:g} lies outside {look.name}, which has {rows} rows and {cols} columns"
            )


def _find_contrast(
    looks: tuple[Look, ...], reference: int | None, contrast_given: bool | None, settings: VerifySettings
) -> _Contrast:
    """The contrast, with levels, junctions and tips carried to the image that shows it."""
    if contrast_given is False:
        reason = "no contrast was given, as the case declares"
        return _Contrast(ContrastMask(ContrastStatus.NOT_GIVEN, ContrastMethod.NONE, reason), looks)
    shown = [i for role in (Role.CINE, Role.POST) for i, look in enumerate(looks) if look.role is role]
    if not shown or reference is None:
        reason = "no image after contrast; name one with --post or --cine, or declare --no-contrast"
        return _Contrast(ContrastMask(ContrastStatus.NOT_IMAGED, ContrastMethod.NONE, reason), looks)
    measured = shown[-1]
    before = images_before_contrast([look.role for look in looks], reference)
    mask, source = segment_case(looks, measured, before, settings)
    found, junctions = looks[measured], looks[measured].junctions
    flags: tuple[Flag, ...] = ()
    if mask.alignment is not None and source is not None:
        junctions = carried_junctions(looks[source].junctions, mask.alignment)
        found, flags = carry_findings(looks[source], looks[measured], mask.alignment)
    found = replace(found, frame=mask.frame)
    carried = tuple(found if index == measured else look for index, look in enumerate(looks))
    return _Contrast(mask, carried, measured, junctions, flags)


def _measure(contrast: _Contrast, protocol: Protocol, settings: VerifySettings) -> tuple[Spread, tuple[Flag, ...]]:
    """Spread and coverage of the contrast, and what a reader must look at."""
    look = None if contrast.measured is None else contrast.looks[contrast.measured]
    if look is None or look.levels is None:
        return Spread((), ()), contrast.flags
    geometry = look.radiograph.geometry
    spread = measure_spread(
        contrast.mask,
        look.levels,
        contrast.junctions,
        look.needles,
        geometry,
        replace(settings.spread, target_level=protocol.target_level),
    )
    flags = flag_aberrant(contrast.mask, spread, look.levels, contrast.junctions, geometry, settings.aberrant)
    return spread, (*contrast.flags, *flags)


def _contrast_evidence(
    contrast: _Contrast, spread: Spread, tips: tuple[ImageEvidence, ...], settings: VerifySettings
) -> tuple[ImageEvidence, ...]:
    # Outlines from one image alone are too rough for their middle to stand for a puncture.
    if contrast.measured is None or contrast.mask.method is ContrastMethod.SINGLE_IMAGE:
        return ()
    look = contrast.looks[contrast.measured]
    return contrast_evidence(look, spread.pools, contrast.junctions, tips, settings)


def _no_puncture_reason(looks: tuple[Look, ...]) -> str:
    """Why a side has no puncture: what was searched, and what an empty search can mean."""
    searched = [f"{look.name}: {look.needles_reason}" for look in looks if look.needles_reason]
    where = f" ({'; '.join(searched)})" if searched else ""
    return f"no needle was found on this side, which may have been withdrawn or not imaged{where}"


def _case_image(look: Look) -> CaseImage:
    radiograph = look.radiograph
    rows, cols = radiograph.shape
    return CaseImage(
        path=look.shown_path,
        sha256=radiograph.sha256,
        role=look.role,
        role_source=look.role_source,
        rows=rows,
        cols=cols,
        frames=radiograph.frames.count,
        sop_instance_uid=radiograph.identity.sop_instance_uid,
        geometry=radiograph.geometry,
        orientation=radiograph.orientation,
        quantity=radiograph.quantity,
        polarity_source=radiograph.polarity_source,
        levels=look.levels,
        junctions=look.junctions,
        needles=look.needles,
        notes=look.notes,
        frame=look.frame,
        exposure=radiograph.exposure,
    )


def _contrast_result(contrast: _Contrast, spread: Spread) -> ContrastResult:
    mask = contrast.mask
    return ContrastResult(
        status=mask.status,
        method=mask.method,
        reason=mask.reason,
        image=contrast.measured,
        mask_file=MASK_FILE if mask.mask is not None else None,
        detection_limit_mg_cm2=mask.detection_limit_mg_cm2,
        iodine_reason=mask.iodine_reason,
        pools=spread.pools,
        notes=mask.notes,
    )
