import pytest

from fluorospread.cli.options import level_at_option, spacing_option
from fluorospread.errors import UsageError
from fluorospread.model.anatomy import Level


@pytest.mark.parametrize(
    ("text", "value"), [(None, None), ("0.3", (0.3, 0.3)), ("0.28,0.30", (0.28, 0.30)), (" 0.3 , 0.4 ", (0.3, 0.4))]
)
def test_a_spacing_is_one_number_or_row_and_column(text, value):
    assert spacing_option(text) == value


@pytest.mark.parametrize("text", ["", "0", "-0.3", "nan", "inf", "0.3,0.3,0.3", "0.3mm", "6"])
def test_an_impossible_spacing_is_refused(text):
    with pytest.raises(UsageError, match="--spacing-mm"):
        spacing_option(text)


def test_levels_are_points_in_row_and_column():
    assert level_at_option(["L5=812,511.5", "l4=700,510"]) == {Level.L5: (812.0, 511.5), Level.L4: (700.0, 510.0)}
    assert level_at_option(None) == {}


@pytest.mark.parametrize("text", ["L5", "L5=812", "L5=812,511,3", "L8=1,2", "L5=a,b", "L5=nan,1", "=1,2"])
def test_a_malformed_level_is_refused(text):
    with pytest.raises(UsageError, match="--level-at"):
        level_at_option([text])


def test_a_level_named_twice_is_refused():
    with pytest.raises(UsageError, match="L5 twice"):
        level_at_option(["L5=1,2", "L5=3,4"])
