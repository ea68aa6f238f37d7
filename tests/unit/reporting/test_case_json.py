import copy
import json
from dataclasses import replace
from enum import StrEnum

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from fluorospread.errors import CaseFileError
from fluorospread.model import anatomy, case, findings, geometry, radiograph, spread, verdict
from fluorospread.reporting.case_json import case_from_json, case_schema, case_to_json, dump_case_json, read_case_json


@pytest.mark.parametrize("name", ["full_case", "empty_case"])
def test_a_result_written_and_read_is_the_same_result(name, request):
    result = request.getfixturevalue(name)
    assert case_from_json(json.loads(dump_case_json(result))) == result


@pytest.mark.parametrize("name", ["full_case", "empty_case"])
def test_a_document_read_and_written_is_the_same_document(name, request):
    document = case_to_json(request.getfixturevalue(name))
    assert case_to_json(case_from_json(document)) == document


def test_numbers_survive_to_the_last_bit(full_case):
    point = (0.1 + 0.2, 1 / 3)
    junction = replace(full_case.images[0].junctions[0], point_px=point)
    result = replace(full_case, images=(replace(full_case.images[0], junctions=(junction,)), full_case.images[1]))
    assert case_from_json(json.loads(dump_case_json(result))).images[0].junctions[0].point_px == point


def test_the_document_has_the_published_fields(full_case):
    document = case_to_json(full_case)
    assert document["schema"] == "fluorospread/case/1"
    assert document["statement"] == "In frontal projection; depth not verified. Research use only, not for diagnosis."
    junction = document["images"][0]["junctions"][4]
    assert (junction["level"], junction["side"], junction["nerve"]) == ("L5", "left", "L4 medial branch")
    # 4 px at sqrt(0.28 * 0.30) mm per px.
    assert junction["uncertainty_mm"] == pytest.approx(4 * (0.28 * 0.30) ** 0.5, abs=1e-3)
    assert document["contrast"]["mask"] == "contrast_mask.png"
    assert document["contrast"]["pools"][0]["iodine_mg"] == {"value": 210.0, "uncertainty": 35.0}
    assert document["overrides"] == [{"name": "spacing-mm", "value": "0.28 0.3", "by": "person"}]
    assert document["review"] is None


def test_without_a_scale_every_length_is_null(empty_case, image):
    bare = replace(image, geometry=geometry.NO_SCALE)
    document = case_to_json(replace(empty_case, images=(bare,)))
    assert {item["uncertainty_mm"] for item in document["images"][0]["junctions"]} == {None}


def test_numpy_numbers_are_written_as_numbers(empty_case):
    junction = findings.Junction(
        anatomy.Level.L5, anatomy.Side.LEFT, (np.float64(1.5), np.float64(2.5)), np.float64(0.5), np.float64(1.0)
    )
    images = (replace(empty_case.images[0], junctions=(junction,)),)
    assert '"point_px": [1.5, 2.5]' in dump_case_json(replace(empty_case, images=images))


def test_not_a_number_is_refused(full_case):
    coverage = (replace(full_case.coverage[0], gap_mm=float("nan")),)
    with pytest.raises(ValueError, match=r"not JSON compliant|Out of range"):
        dump_case_json(replace(full_case, coverage=coverage))


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("schema",), "fluorospread/case/2", "schema"),
        (("verdict", "outcome"), "verified-ish", "verdict/outcome"),
        (("verdict", "outcome"), "not-applicable", "verdict/outcome"),
        (("images", 0, "role"), "before", "images/0/role"),
        (("images", 0, "sha256"), "abc", "images/0/sha256"),
        (("images", 0, "junctions", 0, "side"), "L", "images/0/junctions/0/side"),
        (("images", 0, "junctions", 0, "confidence"), 1.5, "images/0/junctions/0/confidence"),
        (("images", 0, "junctions", 0, "point_px"), [1.0], "images/0/junctions/0/point_px"),
        (("statement",), "Safe for diagnosis.", "statement"),
        (("extra",), 1, "the document"),
    ],
)
def test_what_does_not_fit_the_schema_is_refused_by_place(full_case, path, value, where):
    document = copy.deepcopy(case_to_json(full_case))
    spot = document
    for part in path[:-1]:
        spot = spot[part]
    spot[path[-1]] = value
    with pytest.raises(CaseFileError, match=where):
        case_from_json(document, "P1-01/case.json")


def test_a_missing_field_is_refused(full_case):
    document = case_to_json(full_case)
    del document["verdict"]
    with pytest.raises(CaseFileError, match="'verdict' is a required property"):
        case_from_json(document)


def test_a_document_of_a_version_that_did_not_point_at_its_flags_is_read(full_case):
    document = case_to_json(full_case)
    document["flags"] = [{"code": flag["code"], "evidence": flag["evidence"]} for flag in document["flags"]]
    assert len(document["flags"]) > 0
    assert case_from_json(document).flags == tuple(verdict.Flag(flag.code, flag.evidence) for flag in full_case.flags)


def test_an_image_index_out_of_range_is_refused(full_case):
    document = {**case_to_json(full_case), "reference_image": 7}
    with pytest.raises(CaseFileError, match="reference_image is 7, but the case has 2"):
        case_from_json(document)


def test_levels_out_of_order_are_refused(full_case):
    document = case_to_json(full_case)
    document["images"][0]["levels"]["vertebrae"].reverse()
    with pytest.raises(CaseFileError, match="cranial to caudal"):
        case_from_json(document)


def test_a_scale_that_contradicts_its_source_is_refused(full_case):
    document = case_to_json(full_case)
    document["images"][0]["geometry"]["source"] = "none"
    with pytest.raises(CaseFileError, match="does not go with source"):
        case_from_json(document)


def test_a_file_that_is_missing_or_not_json_is_refused(tmp_path):
    with pytest.raises(CaseFileError, match="cannot be read"):
        read_case_json(tmp_path / "case.json")
    broken = tmp_path / "case.json"
    broken.write_text('{"schema": ', encoding="utf-8")
    with pytest.raises(CaseFileError, match="expected JSON"):
        read_case_json(broken)


def test_a_file_on_disk_is_read_back(tmp_path, full_case):
    path = tmp_path / "case.json"
    path.write_text(dump_case_json(full_case), encoding="utf-8")
    assert read_case_json(path) == full_case


def _enums(node):
    if isinstance(node, dict):
        if "enum" in node:
            yield frozenset(v for v in node["enum"] if v is not None)
        for value in node.values():
            yield from _enums(value)
    elif isinstance(node, list):
        for value in node:
            yield from _enums(value)


def test_the_schema_is_valid_and_its_enums_are_those_of_the_model():
    Draft202012Validator.check_schema(case_schema())
    ours = {
        frozenset(item.value for item in kind)
        for module in (anatomy, case, findings, geometry, radiograph, spread, verdict)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, StrEnum) and kind is not StrEnum
    }
    outcomes = frozenset({"verified", "not-verified", "undetermined"})
    assert set(_enums(case_schema())) == ours | {outcomes}


def test_the_schema_closes_every_object():
    def objects(node):
        if isinstance(node, dict):
            if node.get("type") == "object":
                yield node
            for value in node.values():
                yield from objects(value)

    found = list(objects(case_schema()))
    assert len(found) > 10
    for node in found:
        assert node["additionalProperties"] is False
        # What a flag points at came after the first documents, which must still be read.
        later = {"outline_px", "frame", "picture"} if set(node["required"]) == {"code", "evidence"} else set()
        assert set(node["required"]) | later == set(node["properties"])
