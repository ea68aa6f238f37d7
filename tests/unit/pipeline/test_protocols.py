import hashlib

import pytest

from fluorospread.errors import MissingFileError, ProtocolError
from fluorospread.model.anatomy import Level, Side
from fluorospread.pipeline.protocols import DEFAULT_PROTOCOL, load_protocol, parse_protocol, protocol_names

GOOD = """
schema = "fluorospread/protocol/1"
name = "mine"
title = "Mine"
source = "nowhere"
[target]
levels = ["L4"]
sides = ["right"]
tolerance_mm = 8
tolerance_source = "our choice"
[coverage]
levels = []
"""


def test_the_study_s_protocol_says_what_the_study_says():
    protocol = load_protocol(DEFAULT_PROTOCOL)
    assert protocol.name == "total-dorsal-ramus-block-l4-l5"
    assert protocol.target_levels == (Level.L5,)
    assert protocol.target_sides == (Side.LEFT, Side.RIGHT)
    assert protocol.covered_levels == (Level.L4, Level.L5)
    assert protocol.tolerance_mm == 10.0
    assert "not the study's" in protocol.wording.tolerance
    # 1.0 mL of 240 mg iodine per mL in 5.0 mL.
    assert protocol.dose is not None
    assert protocol.dose.iodine_mg_per_side == pytest.approx(240.0)


def test_a_facet_needs_a_needle_at_each_of_its_two_medial_branches():
    protocol = load_protocol("medial-branch-block-l3-l4-facet")
    assert protocol.target_levels == (Level.L3, Level.L4)
    assert protocol.dose is None


def test_every_built_in_protocol_is_valid_and_named_like_its_file():
    assert DEFAULT_PROTOCOL in protocol_names()
    for name in protocol_names():
        assert load_protocol(name).name == name


def test_a_file_is_identified_by_the_hash_of_its_bytes(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(GOOD.encode())
    assert load_protocol(str(path)).sha256 == hashlib.sha256(GOOD.encode()).hexdigest()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('levels = ["L4"]', 'levels = ["L7"]', "target.levels.0: 'L7' is not one of"),
        ('levels = ["L4"]', 'levels = ["L1"]', "target.levels.0: 'L1' is not one of"),
        ('levels = ["L4"]', "levels = []", "target.levels"),
        ('sides = ["right"]', 'sides = ["image-left"]', "target.sides.0"),
        ("tolerance_mm = 8", "tolerance_mm = 0", "target.tolerance_mm"),
        ("tolerance_mm = 8", 'tolerance_mm = "8"', "target.tolerance_mm"),
        ("[coverage]", "colour = 1\n[coverage]", "Additional properties"),
        ("fluorospread/protocol/1", "fluorospread/protocol/2", "schema"),
        ('name = "mine"', 'name = "../mine"', "name"),
        ('title = "Mine"\n', "", "'title' is a required property"),
        ("[target]", "[target", "expected a TOML file"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_field(old, new, message):
    assert old in GOOD
    with pytest.raises(ProtocolError, match=message) as refused:
        parse_protocol(GOOD.replace(old, new).encode(), "mine.toml")
    assert "mine.toml" in str(refused.value)


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(ProtocolError, match="UTF-8"):
        parse_protocol(b"\xff\xfe", "mine.toml")


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ProtocolError, match=r"'nope'.*total-dorsal-ramus-block-l4-l5"):
        load_protocol("nope")


def test_a_missing_file_is_named():
    with pytest.raises(MissingFileError, match=r"nowhere.toml"):
        load_protocol("nowhere.toml")
