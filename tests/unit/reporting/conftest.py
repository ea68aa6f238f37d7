"""A case with every field filled, and one with nothing found."""

import pytest

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
from fluorospread.model.geometry import (
    NO_SCALE,
    UNKNOWN_ORIENTATION,
    ColumnsTowards,
    Geometry,
    GeometrySource,
    Orientation,
    RowsTowards,
)
from fluorospread.model.radiograph import PolaritySource, Quantity
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

ROWS = {Level.L3: 120.0, Level.L4: 220.0, Level.L5: 320.0, Level.S1: 410.0}


@pytest.fixture
def labels():
    return LevelLabels(
        LevelStatus.CONFIDENT,
        Anchor.SACRUM,
        tuple(Vertebra(level, (row, 256.0), 0.98, 3.5) for level, row in ROWS.items()),
        "five lumbar, counted from the sacrum",
        (LevelAlternative(-1, 0.02),),
        "",
        0.2875,
    )


@pytest.fixture
def image(labels):
    return CaseImage(
        path="needle.dcm",
        sha256="ab" * 32,
        role=Role.NEEDLE,
        role_source="--needle",
        rows=512,
        cols=500,
        frames=1,
        sop_instance_uid="2.25.1",
        geometry=Geometry((0.28, 0.3), GeometrySource.ERMF, 0.02, 1.33, "magnification from the file"),
        orientation=Orientation(ColumnsTowards.PATIENT_LEFT, RowsTowards.FEET, "PatientOrientation", "as stored"),
        quantity=Quantity.NATURAL_LOG,
        polarity_source=PolaritySource.TAG,
        levels=labels,
        junctions=tuple(
            Junction(level, side, (row, 256.0 + off), 0.93, 4.0)
            for level, row in ROWS.items()
            for side, off in ((Side.LEFT, 90.0), (Side.RIGHT, -90.0))
        ),
        needles=(
            NeedleTip(Side.LEFT, (318.0, 350.5), 2.5, 0.9, (0.6, -0.8)),
            NeedleTip(None, (318.0, 256.0), 2.5, 0.7),
        ),
        notes=("field of view found from the pixels",),
    )


@pytest.fixture
def full_case(image):
    from dataclasses import replace

    pool = Pool(
        side=Side.LEFT,
        area_px=9000.0,
        centroid_px=(270.0, 350.0),
        outline_px=(((200.0, 300.0), (330.0, 310.0), (330.0, 400.0)), ((250.0, 340.0), (260.0, 340.0), (260.0, 350.0))),
        area_mm2=Measured(812.0, 40.0),
        craniocaudal_mm=Measured(61.0, 2.0),
        mediolateral_mm=Measured(22.0, 1.5),
        cranial_reach_mm=Measured(44.0, 2.0),
        caudal_reach_mm=Measured(17.0, 2.0),
        lateral_reach_mm=Measured(18.0, 1.5),
        iodine_mg=Measured(210.0, 35.0),
        levels_spanned=(Level.L4, Level.L5),
        relative_share=0.52,
    )
    return CaseResult(
        case_id="P1-01",
        software=SoftwareVersion("fluorospread", "0.1.0", "cd" * 32),
        protocol_name="total-dorsal-ramus-block-l4-l5",
        protocol_sha256="ef" * 32,
        contrast_given=True,
        images=(image, replace(image, path="post.dcm", role=Role.POST, needles=())),
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
            Outcome.UNDETERMINED,
            (
                Criterion("puncture at L5, left", CriterionResult.MET, "2.4 mm away"),
                Criterion("puncture at L5, right", CriterionResult.UNDETERMINED, "between two"),
                Criterion("contrast over the L4 junction, left", CriterionResult.MET, "inside by 5.1 mm"),
            ),
        ),
        overrides=(Override("spacing-mm", "0.28 0.3"),),
    )


@pytest.fixture
def empty_case():
    return CaseResult(
        case_id="nothing",
        software=SoftwareVersion("fluorospread", "0.1.0", ""),
        protocol_name="total-dorsal-ramus-block-l4-l5",
        protocol_sha256="ef" * 32,
        contrast_given=None,
        images=(
            CaseImage(
                path="x.png",
                sha256="00" * 32,
                role=Role.LATERAL,
                role_source="tags",
                rows=1,
                cols=1,
                frames=1,
                sop_instance_uid="",
                geometry=NO_SCALE,
                orientation=UNKNOWN_ORIENTATION,
                quantity=Quantity.RELATIVE,
                polarity_source=PolaritySource.ASSUMED_FROM_CONTENT,
            ),
        ),
        reference_image=None,
        contrast=ContrastResult(ContrastStatus.NOT_IMAGED, ContrastMethod.NONE, "no image"),
        coverage=(),
        punctures=(),
        flags=(),
        verdict=Verdict(Outcome.UNDETERMINED, Outcome.UNDETERMINED, Outcome.UNDETERMINED, ()),
    )
