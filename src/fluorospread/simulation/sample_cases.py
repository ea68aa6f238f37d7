"""The sample cases: the study's protocol 1, and one for each way in which a case must not pass."""

from __future__ import annotations

import dataclasses

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.case import Role
from fluorospread.model.geometry import ColumnsTowards
from fluorospread.simulation.aberrant import Aberrant, AberrantKind
from fluorospread.simulation.case_recipe import (
    CaseRecipe,
    CineRecipe,
    FieldRecipe,
    FileKind,
    ImageRecipe,
    PersonRecipe,
    PunctureRecipe,
    ViewRecipe,
)
from fluorospread.simulation.contrast import PlumeFamily, Spread
from fluorospread.simulation.detector import Exposure
from fluorospread.simulation.inflow import Injection
from fluorospread.simulation.stored_pixels import PixelFormat, Relationship

L4, L5, S1 = Level.L4, Level.L5, Level.S1
LEFT, RIGHT = Side.LEFT, Side.RIGHT


def sample_cases() -> tuple[CaseRecipe, ...]:
    """The thirteen sample cases: P1-01 to P1-05, then one for each way to fail or to stay undetermined."""
    return (*_protocol_1_cases(), *_failing_cases(), *_further_cases())


_NEEDLE_ONLY = (ImageRecipe(Role.NEEDLE),)
# Between two exposures the C-arm and the patient shift a little, and gut moves more.
_NEEDLE_AND_POST = (
    ImageRecipe(Role.NEEDLE),
    ImageRecipe(
        Role.POST,
        contrast=True,
        shift_mm=(2.6, 1.0, -3.4),
        axial_deg=0.5,
        sagittal_deg=-0.4,
        roll_deg=0.6,
        gas_shift_mm=(2.0, 0.0, -3.0),
    ),
)
_AT_L5 = (
    PunctureRecipe(L5, LEFT, lateral_mm=0.8, cranial_mm=0.6, tilt_deg=38, azimuth_deg=-35, with_extension=True),
    PunctureRecipe(L5, RIGHT, lateral_mm=1.2, cranial_mm=-0.5, tilt_deg=42, azimuth_deg=-25, bevel_roll_deg=60),
)


def _protocol_1_cases() -> tuple[CaseRecipe, ...]:
    wide = ViewRecipe()
    turned = dataclasses.replace(wide, columns_towards=ColumnsTowards.PATIENT_RIGHT, sid_mm=1050.0)
    both = tuple(
        Spread(side, (L4, L5), PlumeFamily.FASCICLE_STRIATED, cranial_mm=14.0, caudal_mm=12.0, lateral_mm=14.0)
        for side in (LEFT, RIGHT)
    )
    steep = (
        PunctureRecipe(L5, LEFT, lateral_mm=1.5, cranial_mm=1.0, tilt_deg=16, azimuth_deg=-60),
        PunctureRecipe(L5, RIGHT, lateral_mm=-0.5, cranial_mm=0.8, tilt_deg=22, azimuth_deg=-40, bevel_roll_deg=140),
    )
    flat = (
        PunctureRecipe(L5, LEFT, lateral_mm=0.5, cranial_mm=-1.2, tilt_deg=50, azimuth_deg=-15, length_mm=110.0),
        PunctureRecipe(L5, RIGHT, lateral_mm=2.0, cranial_mm=0.3, tilt_deg=46, azimuth_deg=-20, length_mm=110.0),
    )
    return (
        CaseRecipe(
            "P1-01", "iotrolan over L4 and L5 on both sides", 101, PersonRecipe(11, degeneration=0.25),
            _NEEDLE_AND_POST, _AT_L5, both, contrast_given=True, view=wide, exposure=Exposure(72, 3.0, 0.0, 1400, 0.4),
            expected="verified",
        ),
        CaseRecipe(
            "P1-02", "both needles at L5, no contrast", 102, PersonRecipe(23, degeneration=0.15),
            _NEEDLE_ONLY, steep, view=turned, exposure=Exposure(75, 3.0, 0.1, 700),
            pixel_format=PixelFormat(Relationship.LIN, 16, 1), file_kind=FileKind.RF, expected="verified",
        ),
        CaseRecipe(
            "P1-03", "both needles at L5, no contrast", 103, PersonRecipe(33, degeneration=0.45),
            _NEEDLE_ONLY, flat, view=dataclasses.replace(wide, field=FieldRecipe("circle", 150.0, 150.0, blanked=True)),
            exposure=Exposure(85, 3.5, 0.2, 700, 0.8),
            pixel_format=PixelFormat(Relationship.DISP, 12, -1, blank_outside_field=True), expected="verified",
        ),
        CaseRecipe(
            "P1-04", "both needles at L5, no contrast", 104, PersonRecipe(44, degeneration=0.3),
            (ImageRecipe(Role.NEEDLE, axial_deg=2.0, sagittal_deg=4.0, roll_deg=-2.0),), _AT_L5, view=turned,
            exposure=Exposure(78, 3.0, 0.0, 1500, 0.4), pixel_format=PixelFormat(Relationship.LOG, 14, -1),
            file_kind=FileKind.DX, expected="verified",
        ),
        CaseRecipe(
            "P1-05", "both needles at L5, no contrast", 105, PersonRecipe(55, degeneration=0.6),
            _NEEDLE_ONLY, steep,
            view=dataclasses.replace(wide, field=FieldRecipe("rectangle", 148.0, 118.0, declared=True)),
            exposure=Exposure(90, 3.0, 0.2, 400, 0.7), pixel_format=PixelFormat(Relationship.LOG, 12, -1),
            expected="verified",
        ),
    )  # fmt: skip


def _failing_cases() -> tuple[CaseRecipe, ...]:
    at_l4 = tuple(dataclasses.replace(p, level=L4) for p in _AT_L5)
    sheet = PlumeFamily.FASCIAL_SHEET
    covering = tuple(Spread(side, (L4, L5), sheet, cranial_mm=13.0, caudal_mm=13.0) for side in (LEFT, RIGHT))
    short = tuple(
        Spread(side, (L5,), PlumeFamily.MULTILOBULAR, cranial_mm=13.0, caudal_mm=16.0, lateral_mm=24.0)
        for side in (LEFT, RIGHT)
    )
    # Open from L2 to the L5 junctions: neither the sacrum nor a rib can be seen.
    narrow = ViewRecipe(offset_mm=(0.0, 24.0, 32.0), field=FieldRecipe("rectangle", 88.0, 72.0, blanked=True))
    return (
        CaseRecipe(
            "F-puncture-at-L4", "both needles one level too high", 201, PersonRecipe(68, degeneration=0.2),
            _NEEDLE_AND_POST, at_l4, covering, contrast_given=True, expected="not-verified",
        ),
        CaseRecipe(
            "F-one-side-only", "nothing done on the right", 202, PersonRecipe(77, degeneration=0.35),
            _NEEDLE_AND_POST, _AT_L5[:1], covering[:1], contrast_given=True, expected="not-verified",
        ),
        CaseRecipe(
            "F-short-of-L4", "contrast stays at L5 on both sides", 203, PersonRecipe(88, degeneration=0.3),
            _NEEDLE_AND_POST, _AT_L5, short, contrast_given=True, expected="not-verified",
        ),
        CaseRecipe(
            "F-no-anchor", "neither sacrum nor ribs in view", 204, PersonRecipe(99, degeneration=0.2),
            _NEEDLE_ONLY, _AT_L5, view=narrow,
            pixel_format=PixelFormat(blank_outside_field=True), expected="undetermined",
        ),
    )  # fmt: skip


def _further_cases() -> tuple[CaseRecipe, ...]:
    at_s1 = tuple(dataclasses.replace(p, level=S1, with_extension=False) for p in _AT_L5)
    low = ViewRecipe(offset_mm=(0.0, 22.0, -5.0))
    # A large panel: from the sacrum to the 12th ribs is some 250 mm in the patient.
    tall = ViewRecipe(offset_mm=(0.0, 22.0, 48.0), detector_spacing_mm=0.42, sid_mm=1100.0)
    run = CineRecipe(
        frames=24,
        frame_time_ms=500.0,
        injection=Injection(2.2, 3.5),
        quanta_per_pixel=900.0,
        breathing_mm=(0.05, 0.3, 0.2),
        first_exposure=1.1,
        named_mask_frames=4,
    )
    half = ViewRecipe(detector_spacing_mm=0.6, rows=512, cols=512)
    vessel = Aberrant(AberrantKind.VASCULAR, LEFT, L5, concentration_mg_ml=140.0, speed_mm_s=35.0, clears_s=1.5)
    right = Spread(RIGHT, (L4, L5), PlumeFamily.FASCIAL_SHEET, cranial_mm=13.0, caudal_mm=13.0)
    return (
        CaseRecipe(
            "F-puncture-at-S1", "both needles one level too low", 205, PersonRecipe(112, degeneration=0.25),
            _NEEDLE_ONLY, at_s1, view=low, exposure=Exposure(80, 3.0, 0.1, 1400, 0.4), expected="not-verified",
        ),
        CaseRecipe(
            "F-vascular-uptake", "contrast on the left runs off in a vein and clears", 206,
            PersonRecipe(121, degeneration=0.2),
            (ImageRecipe(Role.NEEDLE), ImageRecipe(Role.CINE, contrast=True, cine=run)), _AT_L5, (right,),
            contrast_given=True, view=half, exposure=Exposure(75, 3.0, 0.1, 900, 0.4), expected="not-verified",
            aberrant=(vessel,),
        ),
        CaseRecipe(
            "F-sides-contradicted", "the positioner's angle says lateral, so the tags' sides are in doubt", 207,
            PersonRecipe(131, degeneration=0.2), _NEEDLE_ONLY, _AT_L5, exposure=Exposure(78, 3.0, 0.1, 1400, 0.4),
            expected="undetermined", stated_primary_angle_deg=90.0,
        ),
        CaseRecipe(
            "F-six-lumbar", "six lumbar vertebrae, the 12th ribs in view", 208,
            PersonRecipe(141, lumbar_count=6, degeneration=0.2, twelfth_ribs="both"), _NEEDLE_ONLY, _AT_L5, view=tall,
            exposure=Exposure(80, 3.0, 0.1, 1600, 0.4), file_kind=FileKind.RF, expected="undetermined",
        ),
    )  # fmt: skip
