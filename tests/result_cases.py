"""Finished cases with small DICOM images, for tests of what is made of results. No step runs.

Tests are no package, so this is handed out by the `result_cases` fixture.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, XRayAngiographicImageStorage

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseImage, CaseResult, ContrastResult, Override, Role, SoftwareVersion
from fluorospread.model.findings import (
    Anchor,
    ContrastMethod,
    ContrastStatus,
    Junction,
    LevelAlternative,
    LevelLabels,
    LevelStatus,
    NeedleTip,
    Vertebra,
)
from fluorospread.model.geometry import ColumnsTowards, Geometry, GeometrySource, Orientation, RowsTowards
from fluorospread.model.radiograph import DoseReport, Exposure, PolaritySource, Quantity
from fluorospread.model.spread import Answer, Coverage, Measured, Pool
from fluorospread.model.verdict import (
    Criterion,
    CriterionResult,
    Flag,
    Outcome,
    Puncture,
    PunctureSource,
    Verdict,
)
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.reporting.case_json import case_to_json, dump_case_json

ROWS, COLS = 100, 80
# A square of contrast and its outline, half a pixel outside the outermost centres.
CONTRAST_ROWS, CONTRAST_COLS = (40, 70), (45, 60)
OUTLINE = ((39.5, 44.5), (39.5, 60.5), (70.5, 60.5), (70.5, 44.5), (39.5, 44.5))


def xray_file(path: Path, number: int = 1, frames: int = 1, **tags: Any) -> Path:
    """A small XA image of the study 2.25.12; `tags` are set, None removes one."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID = XRayAngiographicImageStorage
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (
        f"2.25.9{number}",
        "2.25.12",
        "2.25.13",
    )
    dataset.Modality, dataset.PatientID, dataset.PatientName = "XA", "P-1", "Test^Case"
    dataset.PatientBirthDate, dataset.PatientSex = "19500102", "F"
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID, dataset.AccessionNumber = "20240305", "101500", "7", "A1"
    dataset.AcquisitionDate, dataset.AcquisitionTime = "20240305", f"1016{number:02d}"
    dataset.Manufacturer = "C-arm maker"
    dataset.PatientOrientation = ["L", "F"]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = ROWS, COLS
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.WindowCenter, dataset.WindowWidth = "2000", "3000"
    if frames > 1:
        dataset.NumberOfFrames, dataset.FrameTime = frames, "100"
    pixels = np.linspace(100, 4000, frames * ROWS * COLS).round().astype("<u2")
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    for keyword, value in tags.items():
        if value is None:
            dataset.pop(keyword, None)
        else:
            setattr(dataset, keyword, value)
    dataset.ensure_file_meta()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dcmwrite(path, dataset, enforce_file_format=True)
    return path


def case_image(path: Path, role: Role, number: int = 1, frames: int = 1, frame: int = 0) -> CaseImage:
    """The image with a spine down its middle, two junctions a level, and a needle at each L5 junction."""
    levels = {Level.L4: 30.25, Level.L5: 60.5, Level.S1: 85.0}
    return CaseImage(
        path=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        role=role,
        role_source=f"--{role.value}",
        rows=ROWS,
        cols=COLS,
        frames=frames,
        frame=frame,
        sop_instance_uid=f"2.25.9{number}",
        geometry=Geometry((0.28, 0.3), GeometrySource.ERMF, 0.02, 1.33, "from the file"),
        orientation=Orientation(ColumnsTowards.PATIENT_LEFT, RowsTowards.FEET, "PatientOrientation", "as stored"),
        quantity=Quantity.NATURAL_LOG,
        polarity_source=PolaritySource.TAG,
        levels=LevelLabels(
            LevelStatus.UNCERTAIN,
            Anchor.SACRUM,
            tuple(Vertebra(level, (row, 40.125), 0.98, 1.5) for level, row in levels.items()),
            "five lumbar vertebrae",
            (LevelAlternative(-1, 0.02), LevelAlternative(1, 1 / 3)),
            "two numberings fit",
            0.2875,
        ),
        junctions=tuple(
            Junction(level, side, (row + 2.0, 40.0 + off), 0.93, 1.1, "person" if level is Level.L4 else "software")
            for level, row in levels.items()
            for side, off in ((Side.LEFT, 12.7), (Side.RIGHT, -12.7))
        ),
        needles=(
            NeedleTip(Side.LEFT, (62.0, 52.0), 0.7, 0.9, (0.6, -0.8)),
            NeedleTip(None, (61.0, 40.0), 1.3, 1 / 7),
        ),
        notes=("field of view found from the pixels", "a second note"),
        exposure=Exposure(41.5, 0.37, 2.25),
    )


def full_case(folder: Path, **tags: Any) -> CaseResult:
    """A case with every field filled: a needle image and a post image, contrast on the patient's left."""
    needle, post = xray_file(folder / "needle.dcm", 1, **tags), xray_file(folder / "post.dcm", 2, **tags)
    pool = Pool(
        side=Side.LEFT,
        area_px=496.0,
        centroid_px=(55.0, 52.5),
        outline_px=(OUTLINE, ((50.0, 50.0), (50.0, 52.0), (52.0, 52.0), (50.0, 50.0))),
        area_mm2=Measured(41.664, 4.2),
        craniocaudal_mm=Measured(8.68, 0.4),
        mediolateral_mm=Measured(4.8, 0.3),
        cranial_reach_mm=Measured(6.1, 0.4),
        caudal_reach_mm=Measured(2.5, 0.4),
        lateral_reach_mm=Measured(1 / 3, 0.3),
        iodine_mg=Measured(21.0, 3.5),
        levels_spanned=(Level.L4, Level.L5),
        relative_share=0.52,
    )
    protocol = load_protocol(DEFAULT_PROTOCOL)
    return CaseResult(
        case_id="P1-01",
        software=SoftwareVersion("fluorospread", "0.1.0", "cd" * 32),
        protocol_name=protocol.name,
        protocol_sha256=protocol.sha256,
        contrast_given=True,
        images=(
            case_image(needle, Role.NEEDLE, 1),
            replace(case_image(post, Role.POST, 2), needles=(), notes=()),
        ),
        reference_image=0,
        contrast=ContrastResult(
            ContrastStatus.FOUND,
            ContrastMethod.MASK_SUBTRACTION,
            "",
            1,
            "contrast_mask.png",
            2.1,
            "",
            (pool,),
            ("a note",),
        ),
        coverage=(
            Coverage(Level.L4, Side.LEFT, Answer.YES, "inside by 5.1 mm", 0.93, 0.0, 18.0, 4.0),
            Coverage(Level.S1, Side.RIGHT, Answer.NO, "outside", 0.0, 7.3, -33.5, 9.5),
            Coverage(Level.L4, Side.RIGHT, Answer.UNDETERMINED, "at the edge"),
        ),
        punctures=(
            Puncture(Side.LEFT, Level.L5, PunctureSource.NEEDLE_TIP, Answer.YES, "2.4 mm away", 2.4, 1.1, 8.3),
            Puncture(Side.RIGHT, None, PunctureSource.CONTRAST_EPICENTRE, Answer.UNDETERMINED, "between two"),
        ),
        flags=(Flag("vascular-uptake-suspected", "a linear run-off cannot be excluded"),),
        verdict=Verdict(
            Outcome.UNDETERMINED,
            Outcome.UNDETERMINED,
            Outcome.NOT_VERIFIED,
            (
                Criterion("puncture at L5, left", CriterionResult.MET, "2.4 mm away"),
                Criterion("puncture at L5, right", CriterionResult.UNDETERMINED, "between two"),
                Criterion("contrast over the L4 junction, left", CriterionResult.NOT_MET, "outside"),
            ),
        ),
        overrides=(Override("spacing-mm", "0.28 0.3"),),
        dose_report=DoseReport("dose.dcm", "ef" * 32, "2.25.93", 48.5, 1 / 3, 12.75),
    )


def bare_case(folder: Path) -> CaseResult:
    """A case in which nothing was found: one image without scale, sides or levels."""
    image = case_image(xray_file(folder / "needle.dcm"), Role.NEEDLE)
    image = replace(
        image,
        geometry=Geometry(None, GeometrySource.NONE),
        orientation=Orientation(None, None, "none"),
        quantity=Quantity.RELATIVE,
        polarity_source=PolaritySource.ASSUMED_FROM_CONTENT,
        levels=LevelLabels(LevelStatus.INDETERMINATE, Anchor.NONE, (), reason="neither sacrum nor rib in view"),
        junctions=(),
        needles=(),
        notes=(),
    )
    return replace(
        full_case(folder),
        case_id="bare",
        software=SoftwareVersion("fluorospread", "0.1.0", ""),
        contrast_given=None,
        images=(image,),
        contrast=ContrastResult(ContrastStatus.NOT_IMAGED, ContrastMethod.NONE, "no image after contrast"),
        coverage=(),
        punctures=(),
        flags=(),
        overrides=(),
        verdict=Verdict(Outcome.UNDETERMINED, Outcome.UNDETERMINED, Outcome.NOT_APPLICABLE, ()),
    )


def run_case(folder: Path) -> CaseResult:
    """The full case with a run of three frames in place of the post image, measured in its second frame."""
    case = full_case(folder)
    run = xray_file(folder / "cine.dcm", 3, frames=3)
    image = replace(case_image(run, Role.CINE, 3, frames=3, frame=1), needles=())
    return replace(case, images=(case.images[0], image))


def of_image_sides(case: CaseResult) -> CaseResult:
    """The case with the patient's sides unknown: every side is one of the image."""

    def turned(side: Side | None) -> Side | None:
        return None if side is None else Side.IMAGE_RIGHT if side is Side.LEFT else Side.IMAGE_LEFT

    images = tuple(
        replace(
            image,
            orientation=Orientation(None, None, "none"),
            junctions=tuple(replace(j, side=turned(j.side)) for j in image.junctions),
            needles=tuple(replace(n, side=turned(n.side)) for n in image.needles),
        )
        for image in case.images
    )
    return replace(
        case,
        images=images,
        contrast=replace(case.contrast, pools=tuple(replace(p, side=turned(p.side)) for p in case.contrast.pools)),
        coverage=tuple(replace(c, side=turned(c.side)) for c in case.coverage),
        punctures=tuple(replace(p, side=turned(p.side)) for p in case.punctures),
    )


def write_case(case: CaseResult, folder: Path) -> Path:
    """case.json, and the mask where the case names one, beside the images."""
    if case.contrast.mask_file is not None:
        mask = np.zeros((ROWS, COLS), dtype=np.uint8)
        mask[CONTRAST_ROWS[0] : CONTRAST_ROWS[1] + 1, CONTRAST_COLS[0] : CONTRAST_COLS[1] + 1] = 255
        Image.fromarray(mask).save(folder / case.contrast.mask_file)
    path = folder / "case.json"
    path.write_text(dump_case_json(case), encoding="utf-8")
    return path


def differences(found: CaseResult, was: CaseResult) -> list[str]:
    """Where a case read back from a report is not the one that was written: places in case.json.

    Numbers must be equal, points within the precision of 32-bit floats; `docs/dicom_results.md` lists what a
    report does not hold.
    """
    return list(_differences(case_to_json(found), case_to_json(was), ""))


def _differences(found: Any, was: Any, place: str) -> Iterator[str]:
    if place == "/contrast/mask" or re.fullmatch(r"/images/\d+/path|/flags/\d+/(outline_px|frame|picture)", place):
        return
    if isinstance(was, dict):
        for key in was:
            yield from _differences(found.get(key), was[key], f"{place}/{key}")
    elif isinstance(was, list) and isinstance(found, list) and len(found) == len(was):
        for index, (one, other) in enumerate(zip(found, was, strict=True)):
            yield from _differences(one, other, f"{place}/{index}")
    elif re.search(r"/(center_px|point_px|tip_px|outline_px/.*)/\d+$", place):
        # 24 bits of a coordinate below 4096 px.
        if abs(found - was) > 4096 / 2**24:
            yield f"{place}: {found} instead of {was}"
    elif found != was:
        yield f"{place}: {found!r} instead of {was!r}"
