"""Cases made by hand for the viewer's tests: no pixels are computed, every point is chosen."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import CaseImage, CaseResult, ContrastResult, Role, SoftwareVersion
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
    ColumnsTowards,
    Geometry,
    GeometrySource,
    Orientation,
    RowsTowards,
)
from fluorospread.model.radiograph import BoolImage, PolaritySource, Quantity
from fluorospread.model.spread import Answer, Coverage, Measured, Pool
from fluorospread.model.verdict import (
    Criterion,
    CriterionResult,
    Outcome,
    Puncture,
    PunctureSource,
    Verdict,
)
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol
from fluorospread.reporting.case_json import dump_case_json

SHAPE = (240, 200)
GEOMETRY = Geometry((0.8, 0.8), GeometrySource.ERMF, 0.02, 1.33)
UPRIGHT = Orientation(ColumnsTowards.PATIENT_LEFT, RowsTowards.FEET, "PatientOrientation")

LEVELS = LevelLabels(
    LevelStatus.CONFIDENT,
    Anchor.SACRUM,
    (
        Vertebra(Level.L3, (60.25, 100.5), 0.97, 1.5),
        Vertebra(Level.L4, (105.0, 101.0), 0.98, 1.25),
        Vertebra(Level.L5, (150.0, 101.5), 0.98, None),
        Vertebra(Level.S1, (190.0, 102.0), 0.9, 3.0),
    ),
    numbering_assumption="five lumbar, counted from the sacrum",
    alternatives=(LevelAlternative(-1, 0.02),),
)
JUNCTIONS = (
    Junction(Level.L4, Side.RIGHT, (100.0, 76.0), 0.95, 2.5),
    Junction(Level.L4, Side.LEFT, (100.5, 126.0), 0.95, 2.0),
    Junction(Level.L5, Side.RIGHT, (146.0, 74.0), 0.9, 2.25),
    Junction(Level.L5, Side.LEFT, (146.5, 128.0), 0.92, 2.75),
)
NEEDLES = (
    NeedleTip(Side.LEFT, (145.0, 129.5), 1.0, 0.9, (0.6, -0.8)),
    NeedleTip(None, (144.0, 101.0), 1.2, 0.5, None),
)


def image(role: Role = Role.POST, **changes: object) -> CaseImage:
    """One measured image of `SHAPE` with every finding; `changes` replace fields."""
    fields: dict[str, object] = {
        "path": f"{role.value}.png",
        "sha256": "0" * 64,
        "role": role,
        "role_source": "file name",
        "rows": SHAPE[0],
        "cols": SHAPE[1],
        "frames": 1,
        "sop_instance_uid": "",
        "geometry": GEOMETRY,
        "orientation": UPRIGHT,
        "quantity": Quantity.NATURAL_LOG,
        "polarity_source": PolaritySource.TAG,
        "levels": LEVELS,
        "junctions": JUNCTIONS,
        "needles": NEEDLES,
    }
    return CaseImage(**{**fields, **changes})  # type: ignore[arg-type]


def contrast_mask() -> BoolImage:
    """Contrast over both left junctions."""
    mask = np.zeros(SHAPE, dtype=bool)
    mask[90:160, 115:140] = True
    return mask


def case(*images: CaseImage, contrast: ContrastResult | None = None) -> CaseResult:
    """A case of `images` (one post-contrast image where none is given), left side covered."""
    pool = Pool(Side.LEFT, 1750.0, (124.5, 127.0), area_mm2=Measured(1120.0, 40.0))
    found = ContrastResult(
        ContrastStatus.FOUND, ContrastMethod.MASK_SUBTRACTION, image=0, mask_file="contrast_mask.png", pools=(pool,)
    )
    return CaseResult(
        case_id="P1-01",
        software=SoftwareVersion("fluorospread", "0.1.0", "a" * 64),
        protocol_name="total-dorsal-ramus-block-l4-l5",
        protocol_sha256="b" * 64,
        contrast_given=True,
        images=images or (image(),),
        reference_image=0,
        contrast=contrast or found,
        coverage=(
            Coverage(Level.L4, Side.LEFT, Answer.YES, "inside by 9.5 px", 0.93, 0.0),
            Coverage(Level.L4, Side.RIGHT, Answer.NO, "39 px away", 0.0, 31.2),
        ),
        punctures=(Puncture(Side.LEFT, Level.L5, PunctureSource.NEEDLE_TIP, Answer.YES, "2.1 px away", 1.7),),
        flags=(),
        verdict=Verdict(
            Outcome.NOT_VERIFIED,
            Outcome.VERIFIED,
            Outcome.NOT_VERIFIED,
            (Criterion("contrast covers L4, right", CriterionResult.NOT_MET, "39 px away"),),
        ),
    )


def write_case(folder: Path, case_id: str, contrast_given: bool | None = True) -> Path:
    """A case.json with its image (made up, bone bright) and mask, in `folder/case_id`; the file's path."""
    target = folder / case_id
    target.mkdir(parents=True)
    rows, cols = np.indices(SHAPE)
    spine = 150.0 * np.exp(-(((cols - 101.0) / 25.0) ** 2)) * (0.8 + 0.2 * np.cos(rows / 7.0))
    noise = np.random.default_rng(sum(case_id.encode())).normal(0.0, 4.0, SHAPE)
    Image.fromarray(np.clip(50.0 + spine + noise, 1, 254).astype(np.uint8)).save(target / "post.png")
    Image.fromarray(contrast_mask()).convert("L").save(target / "contrast_mask.png")
    protocol = load_protocol(DEFAULT_PROTOCOL)
    made = case(image(sha256=hashlib.sha256((target / "post.png").read_bytes()).hexdigest()))
    made = replace(
        made,
        case_id=case_id,
        protocol_name=protocol.name,
        protocol_sha256=protocol.sha256,
        contrast_given=contrast_given,
    )
    path = target / "case.json"
    path.write_text(dump_case_json(made), encoding="utf-8")
    return path
