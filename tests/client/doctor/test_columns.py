"""Columns of a table."""

from fedgraft.client.doctor.columns import describe_columns, own_columns
from fedgraft.common.schema_data import Table

from .conftest import case, seen


def table(**changes: object) -> Table:
    given = {"numeric": ("bp",), "categorical": ("sex",), "missing": ("?",), "indicate_missing": False}
    return Table(**{**given, "statistics": "federated", "min_count": 1, **changes})  # type: ignore[arg-type]


def test_cells_by_column() -> None:
    assert own_columns([case(0, a="1"), case(1, a="2", b="x")]) == {"a": ["1", "2"], "b": [None, "x"]}


def test_every_column_is_there() -> None:
    section = describe_columns({"bp": ["120", "?", "90.5"], "sex": ["F", "M", "F"]}, [2, 3, 4], table())
    assert [str(one) for one in section.findings] == [
        "ok       columns: all 2 columns of the plan are there",
        "ok       missing values: 16.7 % of the cells of 2 columns",
    ]
    assert section.grids[0].rows == (("bp", "numeric", "1 (33.3 %)", "2"), ("sex", "categorical", "0 (0.0 %)", "2"))


def test_a_lacking_column_and_text_for_a_number() -> None:
    lacking, bad, _ = describe_columns({"bp": ["120", "high", "nan"]}, [2, 3, 4], table()).findings
    assert lacking.grade == bad.grade == "problem"
    assert lacking.text == "the plan's table section names column(s) that are not there: sex"
    assert bad.text == "2 cases with text where the plan says numeric; lines 3, 4 of the manifest"
    assert bad.todo == "correct the cells; a mark for a missing value belongs into the plan's table.missing"


def test_values_that_the_vocabulary_does_not_have() -> None:
    given = table(vocabulary={"sex": ("F", "M")})
    finding = describe_columns({"bp": ["1", "2", "3"], "sex": ["F", "female", "?"]}, [2, 3, 4], given).findings[0]
    assert finding.grade == "warning"
    assert finding.text == "1 of 2 values of sex are not in the plan's vocabulary"
    assert finding.todo.startswith("are they written otherwise here?")


def test_a_vocabulary_of_a_cohort_s_size() -> None:
    words = [f"w{at}" for at in range(51)]
    finding = describe_columns({"bp": ["1"] * 51, "sex": words}, range(2, 53), table()).findings[0]
    assert finding.text == "sex has 51 different values, and the plan says categorical"
    assert finding.todo == "group them into fewer, or leave the column out of the plan"


def test_empty_and_constant_columns() -> None:
    section = describe_columns({"a": ["", "", "x"], "b": ["7", "7", "7"], "c": ["", "", ""]}, [2, 3, 4], None)
    assert [(one.grade, one.what, one.text) for one in section.findings] == [
        ("warning", "missing values", "more than half of the values are missing in a, c"),
        ("warning", "constant columns", "only one value in b"),
    ]
    assert [row[1] for row in section.grids[0].rows] == ["text", "numbers", "empty"]


def test_no_columns() -> None:
    section = describe_columns({}, [2], None)
    assert seen(section.findings) == [("ok", "columns")] and section.grids == ()


def test_very_many_columns() -> None:
    grid = describe_columns({f"g{at}": ["1", "2"] for at in range(100)}, [2, 3], None).grids[0]
    assert grid.title == "columns (the first 60 of 100)" and len(grid.rows) == 60
