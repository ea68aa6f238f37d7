import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluorospread.reporting.text_layout import LabelPlacer, elided, font, overlap, wrapped

WIDTHS = st.floats(30, 600)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["C"]), max_size=300), WIDTHS)
@settings(deadline=None, max_examples=60)
def test_no_wrapped_line_is_wider_than_the_page(text: str, width: float):
    face = font(14)
    for line in wrapped(text, face, width):
        assert face.getlength(line) <= width or len(line) == 1


@given(st.lists(st.text(alphabet="abcdef", min_size=1, max_size=60), max_size=20), WIDTHS)
@settings(deadline=None, max_examples=60)
def test_wrapping_loses_no_letter(words: list[str], width: float):
    assert "".join("".join(wrapped(" ".join(words), font(14), width)).split()) == "".join(words)


def test_an_elided_name_keeps_both_ends_and_fits():
    name = "a" * 100 + "middle" + "z" * 100 + ".dcm"
    shown = elided(name, font(14), 200)
    assert font(14).getlength(shown) <= 200
    assert shown.startswith("aaa")
    assert shown.endswith(".dcm")
    assert "…" in shown


def test_a_short_name_is_left_alone():
    assert elided("post.dcm", font(14), 200) == "post.dcm"


@given(
    st.lists(
        st.tuples(
            st.floats(0, 500),
            st.floats(0, 400),
            st.floats(5, 120),
            st.floats(10, 30),
            st.sampled_from(["right", "left", "on"]),
        ),
        max_size=60,
    )
)
@settings(deadline=None, max_examples=60)
def test_labels_never_overlap_and_never_leave_the_panel(labels):
    placer = LabelPlacer((0.0, 0.0, 500.0, 400.0))
    boxes = []
    for x, y, width, height, first in labels:
        box = placer.place((x, y), (width, height), 4.0, first)
        if box is not None:
            assert not any(overlap(box, other) for other in boxes)
            assert box[0] >= 0
            assert box[1] >= 0
            assert box[2] <= 500
            assert box[3] <= 400
            boxes.append(box)
    assert len(boxes) + placer.omitted == len(labels)


def test_a_label_goes_beside_its_point_when_there_is_room():
    placer = LabelPlacer((0.0, 0.0, 500.0, 400.0))
    # 4 px to the right of the point, centred on its height.
    assert placer.place((100.0, 100.0), (40.0, 20.0), 4.0) == pytest.approx((104.0, 90.0, 144.0, 110.0))


def test_a_label_avoids_what_is_already_there():
    placer = LabelPlacer((0.0, 0.0, 500.0, 400.0), taken=[(102.0, 80.0, 150.0, 120.0)])
    # The right side is taken, so it goes to the left.
    assert placer.place((100.0, 100.0), (40.0, 20.0), 4.0) == pytest.approx((56.0, 90.0, 96.0, 110.0))
