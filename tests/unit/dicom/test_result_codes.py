"""Codes are unambiguous, complete and documented."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.sr.coding import Code

from fluorospread.dicom import result_codes as rc
from fluorospread.model.anatomy import Level
from fluorospread.model.spread import Answer

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "dicom_results.md"


def test_a_private_code_has_one_meaning() -> None:
    codes = rc.own_codes()
    assert len({code.value for code in codes}) == len(codes)
    assert len({code.meaning for code in codes if not code.value.startswith("W")}) == len(
        [code for code in codes if not code.value.startswith("W")]
    )


def test_codes_fit_their_value_representations() -> None:
    named = [value for value in vars(rc).values() if isinstance(value, Code)]
    for code in [*named, *(code for table in rc.WORDS.values() for code in table.values())]:
        assert len(code.value) <= 16, code
        assert len(code.scheme_designator) <= 16, code
        assert len(code.meaning) <= 64, code


@pytest.mark.parametrize("kind", rc.WORDS, ids=[kind.__name__ for kind in rc.WORDS])
def test_every_word_of_a_closed_set_has_a_code_of_its_own(kind: type) -> None:
    assert set(rc.WORDS[kind]) == set(kind)
    for word in kind:
        code = rc.code_of(word)
        assert rc.word_of(kind, (code.value, code.scheme_designator)) is word


def test_an_unknown_code_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="12345 of SCT is no Level"):
        rc.word_of(Level, ("12345", "SCT"))
    with pytest.raises(ValueError, match="373066001 of DCM is no Answer"):
        rc.word_of(Answer, ("373066001", "DCM"))


def test_the_documentation_lists_every_private_code() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    missing = [code.value for code in rc.own_codes() if f"| {code.value} | {code.meaning} |" not in text]
    assert missing == []
