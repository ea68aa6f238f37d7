"""The spread's line runs along the spine, from one end of the contrast to the other."""

from __future__ import annotations

from dataclasses import replace

import built_cases
import pytest

from fluorospread.model.anatomy import Side
from fluorospread.model.findings import Vertebra
from fluorospread.model.spread import Measured, Pool
from napari_fluorospread.spread_axis import spread_axis

# A rectangle 20 px wide whose rows run from 90 to 160.
OUTLINE = (((90.0, 115.0), (90.0, 135.0), (160.0, 135.0), (160.0, 115.0)),)
POOL = Pool(Side.LEFT, 1400.0, (125.0, 125.0), outline_px=OUTLINE, craniocaudal_mm=Measured(56.0, 2.0))


def test_beside_an_upright_spine_the_line_is_upright_and_as_long_as_the_contrast() -> None:
    upright = built_cases.image()
    levels = replace(
        upright.levels, vertebrae=tuple(replace(v, center_px=(v.center_px[0], 100.0)) for v in upright.levels.vertebrae)
    )
    axis = spread_axis(POOL, replace(upright, levels=levels))
    assert axis is not None
    assert axis.cranial_px == pytest.approx((90.0, 125.0))
    assert axis.caudal_px == pytest.approx((160.0, 125.0))
    assert axis.extent == "56 ± 2 mm"


def test_beside_an_oblique_spine_the_line_is_as_oblique() -> None:
    image = built_cases.image()
    oblique = tuple(
        Vertebra(v.level, (50.0 + 40.0 * i, 50.0 + 40.0 * i), 0.9) for i, v in enumerate(image.levels.vertebrae)
    )
    axis = spread_axis(POOL, replace(image, levels=replace(image.levels, vertebrae=oblique)))
    assert axis is not None
    (r0, c0), (r1, c1) = axis.cranial_px, axis.caudal_px
    assert r1 - r0 == pytest.approx(c1 - c0)
    # The far corners (90, 115) and (160, 135) projected on the diagonal.
    assert r1 - r0 == pytest.approx((70.0 + 20.0) / 2.0)


def test_a_pool_without_an_outline_or_a_spine_without_an_axis_has_no_line() -> None:
    image = built_cases.image()
    assert spread_axis(replace(POOL, outline_px=()), image) is None
    alone = replace(image, levels=replace(image.levels, vertebrae=image.levels.vertebrae[:1]))
    assert spread_axis(POOL, alone) is None
