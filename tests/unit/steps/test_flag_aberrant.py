"""What a reader is told to look at; nothing is ever excluded."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.findings import (
    Anchor,
    ContrastMask,
    ContrastMethod,
    ContrastStatus,
    Junction,
    LevelLabels,
    LevelStatus,
    Vertebra,
)
from fluorospread.model.geometry import NO_SCALE, Geometry, GeometrySource
from fluorospread.model.spread import Pool, Spread
from fluorospread.steps.flag_aberrant import flag_aberrant

SHAPE = (400, 300)
HALF_MM = Geometry((0.5, 0.5), GeometrySource.GIVEN, 0.0)
NAMES = (Level.L2, Level.L3, Level.L4, Level.L5, Level.S1)
LEVELS = LevelLabels(
    LevelStatus.CONFIDENT,
    Anchor.SACRUM,
    tuple(Vertebra(level, (70.0 * i + 40, 150.0), 0.9) for i, level in enumerate(NAMES)),
)
JUNCTIONS = tuple(
    Junction(level, side, (70.0 * i + 40, col), 0.9, 2.0)
    for i, level in enumerate(NAMES)
    for side, col in ((Side.RIGHT, 105.0), (Side.LEFT, 195.0))
)
LATERAL_POOL = (slice(180, 270), slice(180, 225))


def contrast(*windows) -> ContrastMask:
    mask = np.zeros(SHAPE, dtype=bool)
    for window in windows:
        mask[window] = True
    return ContrastMask(ContrastStatus.FOUND, ContrastMethod.MASK_SUBTRACTION, mask=mask)


def spread(*levels: Level) -> Spread:
    return Spread((Pool(Side.LEFT, 100.0, (200.0, 195.0), levels_spanned=levels),), ())


def codes(found: ContrastMask, spanned: Spread | None = None, levels=LEVELS, geometry=HALF_MM) -> list[str]:
    spanned = spanned or spread(Level.L4, Level.L5)
    return [flag.code for flag in flag_aberrant(found, spanned, levels, JUNCTIONS, geometry)]


def test_a_plain_pool_is_flagged_only_with_what_cannot_be_excluded():
    flags = flag_aberrant(contrast(LATERAL_POOL), spread(Level.L4, Level.L5), LEVELS, JUNCTIONS, HALF_MM)
    assert [f.code for f in flags] == [
        "vascular-uptake-not-excluded",
        "epidural-spread-not-excluded",
        "depth-not-verified",
    ]
    assert all("cannot be excluded" in f.evidence for f in flags)


def test_no_flag_without_contrast():
    nothing = ContrastMask(ContrastStatus.NOT_FOUND, ContrastMethod.MASK_SUBTRACTION, reason="nothing there")
    assert flag_aberrant(nothing, Spread((), ()), LEVELS, JUNCTIONS, HALF_MM) == ()


def test_a_long_thin_branch_is_suspected_to_be_a_vessel():
    # 60 px (30 mm) long and 4 px (2 mm) wide, out of the pool's side.
    branch = (slice(200, 204), slice(225, 285))
    flags = flag_aberrant(contrast(LATERAL_POOL, branch), spread(Level.L4), LEVELS, JUNCTIONS, HALF_MM)
    assert flags[0].code == "vascular-uptake-suspected"
    assert "suspected" in flags[0].evidence
    assert "vascular-uptake-not-excluded" not in [f.code for f in flags]


def test_a_short_stub_is_no_vessel():
    assert "vascular-uptake-suspected" not in codes(contrast(LATERAL_POOL, (slice(200, 204), slice(225, 240))))


@pytest.mark.parametrize(("cols", "suspected"), [((152, 165), True), ((180, 200), False)])
def test_contrast_medial_to_the_pedicle_line_is_suspected_epidural(cols, suspected):
    # Midline 150, junctions at 195: the pedicle line runs at 150 + 0.6 * 45 = 177.
    found = codes(contrast((slice(160, 240), slice(*cols))))
    assert ("epidural-spread-suspected" in found) is suspected
    assert ("epidural-spread-not-excluded" in found) is not suspected


def test_contrast_beyond_l3_or_s1_is_named():
    flags = flag_aberrant(contrast(LATERAL_POOL), spread(Level.L2, Level.L3), LEVELS, JUNCTIONS, HALF_MM)
    (flag,) = [f for f in flags if f.code == "spread-cranial-of-expected"]
    assert "L2" in flag.evidence
    assert "left" in flag.evidence


def test_indeterminate_levels_name_no_level():
    levels = LevelLabels(LevelStatus.INDETERMINATE, Anchor.NONE, LEVELS.vertebrae, reason="no sacrum in view")
    found = codes(contrast((slice(160, 240), slice(152, 165))), spread(Level.L2), levels)
    assert found == ["vascular-uptake-not-excluded", "epidural-spread-not-excluded", "depth-not-verified"]


def test_without_any_scale_only_what_cannot_be_excluded_is_said():
    branch = (slice(200, 204), slice(225, 285))
    assert codes(contrast(LATERAL_POOL, branch), geometry=NO_SCALE)[0] == "vascular-uptake-not-excluded"


def test_contrast_that_clears_within_a_run_is_suspected_vascular_uptake_with_its_length():
    import dataclasses

    mask = np.zeros((200, 200), dtype=bool)
    mask[60:140, 60:100] = True
    gone = np.zeros_like(mask)
    gone[100:103, 110:160] = True
    seen = ContrastMask(ContrastStatus.FOUND, ContrastMethod.CINE, mask=mask, cleared=gone)
    levels = LevelLabels(LevelStatus.INDETERMINATE, Anchor.NONE, (), reason="no anchor")
    geometry = Geometry((0.5, 0.5), GeometrySource.GIVEN, 0.0)
    flags = flag_aberrant(seen, Spread((), ()), levels, (), geometry)
    suspected = next(flag for flag in flags if flag.code == "vascular-uptake-suspected")
    # 50 pixels of 0.5 mm.
    assert "over 25 mm about row 101, column 134" in suspected.evidence
    still = flag_aberrant(dataclasses.replace(seen, cleared=np.zeros_like(mask)), Spread((), ()), levels, (), geometry)
    assert "vascular-uptake-not-excluded" in {flag.code for flag in still}
