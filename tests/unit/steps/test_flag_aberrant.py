"""What a reader is told to look at; nothing is ever excluded."""

from __future__ import annotations

import numpy as np
import pytest

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.findings import (
    Alignment,
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
    # Midline 150, junctions at 195: the pedicle line runs at 150 + 0.45 * 45 = 170.25.
    found = codes(contrast((slice(160, 240), slice(*cols))))
    assert ("epidural-spread-suspected" in found) is suspected
    assert ("epidural-spread-not-excluded" in found) is not suspected


@pytest.mark.parametrize(("rows", "form"), [((160, 240), "along the spine"), ((160, 200), "along a root")])
def test_what_is_suspected_epidural_says_where_it_lies_and_how_it_runs(rows, form):
    # 40 or 20 mm long; 13 columns of 0.5 mm are 6.5 mm wide.
    flags = flag_aberrant(contrast((slice(*rows), slice(152, 165))), spread(Level.L4), LEVELS, JUNCTIONS, HALF_MM)
    (flag,) = [f for f in flags if f.code == "epidural-spread-suspected"]
    assert form in flag.evidence
    assert (
        f"{(rows[1] - rows[0]) * 13 * 0.25:.0f} mm² of contrast over {(rows[1] - rows[0]) / 2:.0f} mm" in flag.evidence
    )
    assert f"left, about row {sum(rows) / 2 - 0.5:.0f}, column 158" in flag.evidence


# Midline 150 and junctions at 195: the line runs at 170.25, and 5 columns of 80 rows lie beyond it, 100 mm². Its sd is
# 2.6 px: 0.45 of the junctions' 2 px, 0.05 of 45 px for the share, 1 px of the outline. Half a sd in, at 168.9, it
# still leaves 3 columns, 60 mm².
GRAZING = (slice(160, 240), slice(166, 180))


def grazing(sd_midline=0.0, sd_junctions=2.0, sd_outline=1.0, sd_carried=0.0):
    import dataclasses

    bodies = tuple(dataclasses.replace(v, uncertainty_px=sd_midline) for v in LEVELS.vertebrae)
    found = dataclasses.replace(
        contrast(GRAZING),
        outline_uncertainty_px=sd_outline,
        alignment=Alignment(np.eye(2, 3), sd_carried, 0.0),
    )
    return flag_aberrant(
        found,
        spread(Level.L4),
        dataclasses.replace(LEVELS, vertebrae=bodies),
        tuple(dataclasses.replace(j, uncertainty_px=sd_junctions) for j in JUNCTIONS),
        HALF_MM,
    )


def test_contrast_beyond_what_line_and_outline_are_uncertain_is_suspected():
    (flag,) = [f for f in grazing() if f.code.startswith("epidural")]
    assert flag.code == "epidural-spread-suspected"
    assert "suspected: 100 mm² of contrast over 40 mm" in flag.evidence
    assert "60 mm² of it by 0.5 sd or more (1 sd of line and outline: 1.3 mm)" in flag.evidence


@pytest.mark.parametrize("uncertain", ["sd_midline", "sd_junctions", "sd_outline", "sd_carried"])
def test_every_uncertainty_alone_can_turn_a_suspicion_into_what_cannot_be_excluded(uncertain):
    # 40 px are at least 18 px of the line (0.45 and 0.55 of them), so that half a sd passes the last of 5 columns.
    (flag,) = [f for f in grazing(**{uncertain: 40.0}) if f.code.startswith("epidural")]
    assert flag.code == "epidural-spread-not-excluded"
    assert "cannot be excluded: 100 mm² of contrast over 40 mm" in flag.evidence
    assert "left, about row 200, column 168; 0 mm² of it by 0.5 sd or more" in flag.evidence
    # What the reader has to look at: columns 166 to 170.
    (ring,) = flag.outline_px
    assert (min(c for _, c in ring), max(c for _, c in ring)) == (165.5, 170.5)


def test_from_one_image_alone_epidural_spread_is_never_suspected_and_its_place_is_named():
    import dataclasses

    found = dataclasses.replace(contrast((slice(160, 240), slice(152, 165))), method=ContrastMethod.SINGLE_IMAGE)
    flags = flag_aberrant(found, spread(Level.L4), LEVELS, JUNCTIONS, HALF_MM)
    (flag,) = [f for f in flags if f.code.startswith("epidural")]
    assert flag.code == "epidural-spread-not-excluded"
    assert "cannot be excluded: 260 mm² of contrast as one image alone shows it" in flag.evidence
    assert flag.outline_px


@pytest.mark.parametrize(
    ("near_sd", "far_sd", "code"),
    [(40.0, 1.0, "epidural-spread-not-excluded"), (1.0, 40.0, "epidural-spread-suspected")],
)
def test_the_outline_counts_as_sure_as_it_is_nearest_to_the_pedicle_line(near_sd, far_sd, code):
    import dataclasses

    places = [(row, 166.0, near_sd) for row in range(400)] + [(row, 179.0, far_sd) for row in range(400)]
    found = dataclasses.replace(contrast(GRAZING), outline_sd=np.array(places, dtype=np.float32))
    assert code in codes(found)


def test_a_slit_of_its_own_over_a_facet_joint_is_suspected_intra_articular():
    # L5's left junction is (250, 195); its joint 6 mm (12 px) cranial and 4 mm (8 px) medial of it: (238, 187).
    # 40 by 10 px are 20 by 5 mm, 100 mm².
    flags = flag_aberrant(contrast((slice(218, 258), slice(182, 192))), spread(Level.L5), LEVELS, JUNCTIONS, HALF_MM)
    (flag,) = [f for f in flags if f.code == "intra-articular-contrast-suspected"]
    assert "facet joint above L5 suspected" in flag.evidence
    assert "100 mm², 20 mm long and 5 mm wide, 0 mm from where that joint lies, left" in flag.evidence


@pytest.mark.parametrize(
    ("rows", "cols", "why"),
    [
        ((218, 258), (222, 232), "20 mm lateral of any joint"),
        ((190, 290), (170, 205), "a large pool over the joint"),
        ((233, 243), (167, 207), "wider than long"),
    ],
)
def test_other_contrast_is_not_said_to_be_in_a_joint(rows, cols, why):
    found = codes(contrast((slice(*rows), slice(*cols))))
    assert "intra-articular-contrast-suspected" not in found, why


def test_upside_down_the_joint_lies_on_the_other_side_of_its_junction():
    levels = LevelLabels(
        LevelStatus.CONFIDENT,
        Anchor.SACRUM,
        tuple(Vertebra(v.level, (400.0 - v.center_px[0], v.center_px[1]), 0.9) for v in LEVELS.vertebrae),
    )
    junctions = tuple(Junction(j.level, j.side, (400.0 - j.point_px[0], j.point_px[1]), 0.9, 2.0) for j in JUNCTIONS)
    # L5's left junction is now (150, 195), its joint (162, 187).
    found = contrast((slice(142, 182), slice(182, 192)))
    flags = flag_aberrant(found, spread(Level.L5), levels, junctions, HALF_MM)
    (flag,) = [f for f in flags if f.code == "intra-articular-contrast-suspected"]
    assert "above L5" in flag.evidence
    # The centre of rows 142 to 181 is 161.5.
    assert " 0 mm from where" in flag.evidence


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
    # The outline runs half a pixel outside the pixels' centres.
    (ring,) = suspected.outline_px
    assert (min(r for r, _ in ring), max(r for r, _ in ring)) == (99.5, 102.5)
    assert (min(c for _, c in ring), max(c for _, c in ring)) == (109.5, 159.5)
    still = flag_aberrant(dataclasses.replace(seen, cleared=np.zeros_like(mask)), Spread((), ()), levels, (), geometry)
    assert "vascular-uptake-not-excluded" in {flag.code for flag in still}


def test_what_cleared_is_flagged_even_where_nothing_of_the_contrast_is_left():
    gone = np.zeros(SHAPE, dtype=bool)
    gone[100:103, 110:160] = True
    nothing = ContrastMask(
        ContrastStatus.NOT_FOUND, ContrastMethod.CINE, reason="nothing is left", cleared=gone, cleared_frame=12
    )
    (flag,) = flag_aberrant(nothing, Spread((), ()), LEVELS, JUNCTIONS, HALF_MM)
    assert flag.code == "vascular-uptake-suspected"
    assert flag.frame == 12
    assert "fullest in frame 12" in flag.evidence


@pytest.mark.parametrize(
    ("windows", "level", "code", "rows"),
    [
        # A branch of rows 200 to 203; contrast medial to the pedicle line; a joint's slit; L2's part above row 75.
        (((180, 270, 180, 225), (200, 204, 225, 285)), Level.L4, "vascular-uptake-suspected", (199.5, 203.5)),
        (((160, 240, 152, 165),), Level.L4, "epidural-spread-suspected", (159.5, 239.5)),
        (((218, 258, 182, 192),), Level.L5, "intra-articular-contrast-suspected", (217.5, 257.5)),
        (((50, 270, 180, 225),), Level.L2, "spread-cranial-of-expected", (49.5, 74.5)),
    ],
)
def test_every_suspected_flag_has_the_outline_of_what_raised_it(windows, level, code, rows):
    found = contrast(*((slice(top, bottom), slice(left, right)) for top, bottom, left, right in windows))
    flags = flag_aberrant(found, spread(level), LEVELS, JUNCTIONS, HALF_MM)
    (flag,) = [f for f in flags if f.code == code]
    places = [row for ring in flag.outline_px for row, _ in ring]
    assert (min(places), max(places)) == pytest.approx(rows, abs=1.0)


def test_what_cannot_be_excluded_points_at_nothing():
    flags = flag_aberrant(contrast(LATERAL_POOL), spread(Level.L4), LEVELS, JUNCTIONS, HALF_MM)
    assert all(flag.outline_px == () for flag in flags)
