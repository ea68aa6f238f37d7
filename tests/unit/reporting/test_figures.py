import io
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageColor

from fluorospread.model.anatomy import Level, Side
from fluorospread.model.findings import Junction, LevelStatus, NeedleTip
from fluorospread.model.geometry import (
    NO_SCALE,
    UNKNOWN_ORIENTATION,
    ColumnsTowards,
    Geometry,
    GeometrySource,
    Orientation,
    RowsTowards,
)
from fluorospread.model.spread import Pool
from fluorospread.model.verdict import STANDING_SENTENCE, Criterion, CriterionResult
from fluorospread.reporting import figures, panel
from fluorospread.reporting.figures import annotated_png, draw_case
from fluorospread.reporting.panel import Picture, draw_panel
from fluorospread.reporting.wording import statements


def picture(rows=512, cols=500):
    grey = np.linspace(0.0, 0.2, rows * cols, dtype=np.float32).reshape(rows, cols)
    return Picture(grey, np.ones((rows, cols), dtype=bool))


@pytest.fixture
def written(monkeypatch):
    """Texts written into panels, with the (x, y) of their top left corner."""
    texts: list[tuple[str, tuple[float, float]]] = []
    ink = panel._ink

    def record(draw, at, text, face, fill):
        texts.append((text, at))
        ink(draw, at, text, face, fill)

    monkeypatch.setattr(panel, "_ink", record)
    return texts


def near(page, xy, colour):
    """Whether a pixel within 2 px of (x, y) has this colour, antialiasing allowed."""
    x, y = round(xy[0]), round(xy[1])
    patch = np.asarray(page, dtype=float)[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
    return bool((np.abs(patch - np.array(ImageColor.getrgb(colour))).max(axis=-1) < 60).any())


def test_a_junction_is_drawn_as_a_dot_and_a_disc_of_two_sd(image):
    junction = Junction(Level.L5, Side.LEFT, (300.0, 350.0), 0.9, 8.0)
    drawn, _ = draw_panel(replace(image, levels=None, junctions=(junction,), needles=()), picture(), 1024)
    assert near(drawn, (350.5, 300.5), panel.SKY_BLUE)
    for x, y in ((366.5, 300.5), (334.5, 300.5), (350.5, 316.5), (350.5, 284.5)):
        assert near(drawn, (x, y), panel.SKY_BLUE)
    assert not near(drawn, (358.5, 300.5), panel.SKY_BLUE)


def test_marks_have_a_dark_edge_and_so_show_on_bright_bone_without_colour(image):
    junction = Junction(Level.L5, Side.LEFT, (300.0, 350.0), 0.9, 8.0)
    tip = NeedleTip(None, (120.0, 120.0), 8.0, 0.9)
    bright = Picture(np.full((512, 500), 1.0, dtype=np.float32), np.ones((512, 500), dtype=bool))
    bright.pixels[-10:] = 0.0  # so that the rest is shown white
    drawn, _ = draw_panel(replace(image, levels=None, junctions=(junction,), needles=(tip,)), bright, 1024)
    # Circle of 16 px radius about (350.5, 300.5): its dark edge lies just outside; the cross's arms are diagonal.
    brightest = np.asarray(drawn).max(axis=-1)
    for x, y in ((367, 300), (350, 317), (131, 129)):
        assert brightest[y - 2 : y + 3, x - 2 : x + 3].min() < 128
    assert brightest[250, 250] == 255


def test_a_provisional_outline_is_dashed_and_labelled(image, written):
    square = ((100.0, 100.0), (100.0, 400.0), (400.0, 400.0), (400.0, 100.0))
    bare = replace(image, levels=None, junctions=(), needles=())
    pools = (Pool(Side.LEFT, 90_000.0, (250.0, 250.0), (square,)),)

    def shares(provisional):
        """Of each 300 px side of the square, how much is orange."""
        drawn, _ = draw_panel(bare, picture(), 1024, pools, None, provisional)
        lines = [[(100.5 + n, 100.5) for n in range(301)], [(100.5, 100.5 + n) for n in range(301)]]
        return [np.mean([near_exactly(drawn, xy, panel.ORANGE) for xy in line]) for line in lines]

    assert min(shares(False)) == 1.0
    assert not any(text == "provisional" for text, _ in written)
    # Dashes are 6 long and 4 apart, their black edges cut a unit off each end's gap.
    assert all(0.45 < share < 0.75 for share in shares(True))
    ((_, (x, y)),) = [item for item in written if item[0] == "provisional"]
    assert y < 100.0
    assert x < 400.0


def near_exactly(page, xy, colour):
    """Whether the very pixel has about this colour."""
    found = np.asarray(page, dtype=float)[round(xy[1] - 0.5), round(xy[0] - 0.5)]
    return bool(np.abs(found - np.array(ImageColor.getrgb(colour))).max() < 60)


def test_an_image_stored_head_down_is_shown_right_way_up(image):
    junction = Junction(Level.L5, Side.LEFT, (300.0, 350.0), 0.9, 8.0)
    turned = replace(image.orientation, rows_towards=RowsTowards.HEAD)
    drawn, _ = draw_panel(
        replace(image, levels=None, junctions=(junction,), needles=(), orientation=turned), picture(), 1024
    )
    # Row 300 of 512 counted from the other end: 511 - 300 = 211.
    assert near(drawn, (350.5, 211.5), panel.SKY_BLUE)


def test_a_large_image_is_reduced_and_a_small_one_is_not_enlarged(image):
    drawn, _ = draw_panel(image, picture(), 256)
    assert max(drawn.size) == 256
    drawn, _ = draw_panel(image, picture(), 4096)
    assert drawn.size == (500, 512)


@pytest.mark.parametrize(
    ("towards", "at_low"), [(ColumnsTowards.PATIENT_LEFT, "R"), (ColumnsTowards.PATIENT_RIGHT, "L")]
)
def test_side_letters_follow_the_orientation(image, written, towards, at_low):
    draw_panel(replace(image, orientation=Orientation(towards, RowsTowards.FEET, "given")), picture(), 1024)
    letters = sorted((at[0], text) for text, at in written if text in ("L", "R"))
    assert [text for _, text in letters] == [at_low, "L" if at_low == "R" else "R"]


def test_unknown_sides_are_said_and_never_lettered(image, written):
    draw_panel(replace(image, orientation=UNKNOWN_ORIENTATION), picture(), 1024)
    texts = [text for text, _ in written]
    assert "side unknown" in texts
    assert "L" not in texts
    assert "R" not in texts


@pytest.mark.parametrize(
    ("geometry", "text"),
    [
        # 500 px of 0.4 mm: a third of the width is 67 mm, so the bar is 50 mm.
        (Geometry((0.4, 0.4), GeometrySource.GIVEN, 0.0), "50 mm"),
        (Geometry((0.4, 0.4), GeometrySource.ESTIMATED_FROM_ANATOMY, 0.1), "50 mm (estimated)"),
        (NO_SCALE, "no scale"),
    ],
)
def test_the_scale_bar_says_what_it_rests_on(image, written, geometry, text):
    draw_panel(replace(image, geometry=geometry), picture(), 1024)
    assert text in [text for text, _ in written]


def test_every_level_is_named_and_a_doubtful_one_has_a_question_mark(image, written):
    draw_panel(image, picture(), 1024)
    assert {"L3", "L4", "L5", "S1"} <= {text for text, _ in written}
    written.clear()
    unsure = replace(image.levels, status=LevelStatus.UNCERTAIN, reason="sacrum out of view")
    draw_panel(replace(image, levels=unsure), picture(), 1024)
    assert {"L3?", "L4?", "L5?", "S1?"} <= {text for text, _ in written}


def test_outside_the_field_of_view_is_black(image):
    shown = picture()
    shown.field_of_view[:100] = False
    drawn, _ = draw_panel(replace(image, levels=None, junctions=(), needles=()), shown, 1024)
    assert np.asarray(drawn)[60:95, 100:400].max() == 0


def test_a_picture_of_one_grey_value_is_drawn(image):
    flat = Picture(np.zeros((512, 500), dtype=np.float32), np.ones((512, 500), dtype=bool))
    assert draw_panel(image, flat, 1024)[0].size == (500, 512)


def test_the_page_is_a_png_with_every_panel(full_case):
    png = annotated_png(full_case, [picture(), picture()])
    page = Image.open(io.BytesIO(png))
    assert page.format == "PNG"
    assert page.width == 2 * 500 + 3 * 16
    assert page.height > 512


@pytest.mark.parametrize("length", [1, 40, 150])
def test_the_page_grows_with_its_text_and_cuts_nothing_off(full_case, length, monkeypatch):
    lowest = []
    draw_lines = figures.draw_lines

    def record(draw, lines, at, face, fill):
        bottom = draw_lines(draw, lines, at, face, fill)
        lowest.append((lines, at, bottom))
        return bottom

    monkeypatch.setattr(figures, "draw_lines", record)
    criteria = tuple(Criterion("name " * length, result, "reason " * length) for result in CriterionResult)
    long = replace(
        full_case,
        case_id="x" * length,
        verdict=replace(full_case.verdict, criteria=criteria),
        images=tuple(replace(item, path="p" * length + ".dcm", notes=("note " * length,)) for item in full_case.images),
    )
    text = figures._text_block(long, 900, 0)
    pieces = lowest[len(lowest) // 2 :]  # the block is measured first, then drawn
    assert pieces[-1][0] == [STANDING_SENTENCE]
    assert pieces[-1][2] <= text.height
    for (_, _, above_bottom), (_, below, _) in pairwise(pieces):
        assert below[1] >= above_bottom
    assert draw_case(long, [picture(), picture()]).width == 1048


def test_many_images_go_to_several_rows(full_case):
    images = tuple(replace(full_case.images[0], path=f"{n}.dcm") for n in range(8))
    page = draw_case(replace(full_case, images=images), [picture()] * 8)
    assert page.width <= 3200
    assert page.height > 2 * 512


def test_a_case_without_any_finding_is_drawn(empty_case):
    tiny = Picture(np.ones((1, 1), dtype=np.float32), np.ones((1, 1), dtype=bool))
    assert draw_case(empty_case, [tiny]).width >= 820


def test_a_picture_of_another_shape_is_refused(full_case):
    with pytest.raises(ValueError, match="picture of"):
        draw_case(full_case, [picture(), picture(100, 100)])
    with pytest.raises(ValueError, match="picture"):
        draw_case(full_case, [picture()])


def test_every_assumption_is_stated(full_case):
    text = " ".join(statements(full_case))
    for words in (
        "five lumbar, counted from the sacrum",
        "shifted by -1: 2 %",
        "vascular-uptake-suspected",
        "Settled by a person: spacing-mm 0.28 0.3",
        "field of view found from the pixels",
        "magnification from the file",
    ):
        assert words in text


def test_a_role_that_nobody_named_is_said_to_be_assumed(full_case):
    assumed = replace(full_case.images[0], role_source="assumed: one frontal image, and nothing says more")
    text = " ".join(statements(replace(full_case, images=(assumed, full_case.images[1]))))
    assert "needle.dcm: role needle assumed" in text
    assert "post.dcm: role" not in text


def test_a_case_with_nothing_measured_says_so(empty_case):
    assert statements(empty_case)[0] == "Numbering: no frontal image was measured."
