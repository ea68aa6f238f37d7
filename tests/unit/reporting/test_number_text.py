"""A number is shown to the figures its uncertainty supports."""

import pytest

from fluorospread.reporting.number_text import percent, with_uncertainty


@pytest.mark.parametrize(
    ("value", "sd", "text"),
    [
        (812.34, 40.2, "812 ± 40 mm"),
        (61.04, 2.04, "61.0 ± 2.0 mm"),
        (2.4321, 0.113, "2.43 ± 0.11 mm"),
        (812.0, 400.0, "812 ± 400 mm"),
        (-0.01, 1.5, "0.0 ± 1.5 mm"),
        (3.0, 0.0, "3.0 ± 0.0 mm"),
        (1.0, 1e-9, "1.0000 ± 0.0000 mm"),
        (None, 2.0, "not known"),
        (5.0, None, "5.0 mm (uncertainty not known)"),
    ],
)
def test_a_value_is_rounded_where_its_uncertainty_begins(value: float | None, sd: float | None, text: str) -> None:
    assert with_uncertainty(value, sd, "mm") == text


def test_an_unknown_fraction_is_not_zero() -> None:
    assert (percent(None), percent(0.0), percent(0.926)) == ("not known", "0 %", "93 %")
    assert (percent(0.002), percent(0.006)) == ("under 1 %", "1 %")
