"""Columns of a table."""

from fedgraft.client.check.sections.columns import against_plan, column_grid, emptiness, own_columns
from fedgraft.common.plan.data_sections import TableSection

from ..conftest import case


def table(**changes: object) -> TableSection:
    given = {"numeric": ("bp",), "categorical": ("sex",), "missing": ("?",), "indicate_missing": False}
    return TableSection(**{**given, "statistics": "federated", "min_count": 1, **changes})  # type: ignore[arg-type]


def resolved(**changes: object) -> TableSection:
    known = {"means": {"bp": 130.0}, "deviations": {"bp": 10.0}, "vocabulary": {"sex": ("F", "M")}}
    return table(statistics="plan", **{**known, **changes})


def test_cells_by_column() -> None:
    assert own_columns([case(0, a="1", b=""), case(1, a="2", b="x")]) == {"a": ["1", "2"], "b": ["", "x"]}
    assert own_columns([]) == {}


def test_every_column_is_there() -> None:
    columns = {"bp": ["120", "?", "90.5"], "sex": ["F", "M", "F"]}
    assert [str(one) for one in against_plan(columns, (), table())] == [
        "ok       columns: all 2 columns of the plan are there"
    ]
    assert [str(one) for one in emptiness(columns, ("?",), learnt=True)] == [
        "ok       missing values: 16.7 % of the cells of 2 columns"
    ]


def test_a_lacking_column() -> None:
    (lacking,) = against_plan({"bp": ["120"]}, ("sex",), table())
    assert lacking.grade == "problem"
    assert lacking.text == "the plan's table section names column(s) that are not there: sex"
    assert lacking.todo == "add them, under these names, to the table or the manifest"


def test_many_lacking_columns_are_counted() -> None:
    (lacking,) = against_plan({}, [f"g{at}" for at in range(12)], table(numeric=(), categorical=()))
    assert lacking.text.endswith("g8, g9 and 2 more")


def test_cells_that_a_run_takes_for_no_number() -> None:
    """A decimal comma, nan and 1e400 are refused, as `fedgraft.common.tables.encoding` says; ``?`` is missing."""
    columns = {"bp": ["1,5", "nan", "1e400", "1e3", "?"], "sex": ["F"] * 5}
    _, bad = against_plan(columns, (), table())
    assert (bad.grade, bad.text) == ("warning", "cells that are no numbers where the plan says numeric: bp 3")
    assert bad.todo == "their cases are quarantined as bad-value, see above"


def test_another_unit() -> None:
    """The median is 17.3 kPa, the plan's mean 130 mmHg."""
    columns = {"bp": ["16", "17.3", "19"], "sex": ["F", "F", "M"]}
    _, unit = against_plan(columns, (), resolved())
    assert (unit.grade, unit.what, unit.todo) == ("warning", "units", "is it another unit here?")
    assert unit.text == "the median is more than 3 of the plan's deviations from its mean: bp 17.3 instead of 130"
    assert len(list(against_plan({**columns, "bp": ["100", "100", "100"]}, (), resolved()))) == 1  # 3 exactly


def test_values_that_the_vocabulary_does_not_have() -> None:
    columns = {"bp": ["130", "131", "132"], "sex": ["F", "female", "?"]}
    finding = list(against_plan(columns, (), resolved()))[1]
    assert (finding.grade, finding.what) == ("warning", "vocabulary")
    assert finding.text == "1 of 2 values of sex are not in the plan's vocabulary"
    assert finding.todo.startswith("are they written otherwise here?")


def test_a_vocabulary_of_a_cohort_s_size() -> None:
    words = [f"w{at}" for at in range(51)]
    finding = list(against_plan({"bp": ["1"] * 51, "sex": words}, (), table()))[1]
    assert finding.text == "sex has 51 different values, and the plan says categorical"
    assert finding.todo == "group them into fewer, or leave the column out of the plan"


def test_empty_and_constant_columns() -> None:
    columns = {"a": ["", "", "x"], "b": ["7", "7", "7"], "c": ["", "", ""]}
    assert [str(one) for one in emptiness(columns, (), learnt=True)] == [
        "warning  missing values: more than half of the values are missing in a, c; leave the column out, or find out "
        "why it is empty",
        "warning  constant columns: only one value in b; nothing can be learnt from it at this site",
    ]
    (constant, _) = emptiness({"b": columns["b"]}, (), learnt=False)
    assert constant.grade == "ok"


def test_what_columns_are_like() -> None:
    """Quartiles of 1, 2, 3, 4, 1000 are 2, 3 and 4; categories are named that two patients have."""
    columns = {
        "bp": ["1", "2", "3", "4", "1000"],
        "sex": ["F", "F", "M", "M", "?"],
        "who": ["Huber", "Huber", "Mayer", "Mayer", "Moser"],
        "flag": ["0", "0", "0", "1", "1"],
        "none": [""] * 5,
    }
    grid = column_grid(columns, ["p1", "p1", "p2", "p3", "p4"], table(), 2)
    assert grid.header == ("column", "kind", "missing", "different values", "median (quartiles), or most frequent")
    assert grid.rows == (
        ("bp", "numeric", "0 (0.0 %)", "5", "3 (2 to 4)"),
        ("sex", "categorical", "1 (20.0 %)", "2", "M: 50.0 %"),
        ("who", "text", "0 (0.0 %)", "3", "Mayer: 40.0 %"),
        ("flag", "numbers", "0 (0.0 %)", "2", "0: 60.0 %, 1: 40.0 %"),
        ("none", "empty", "5 (100.0 %)", "0", ""),
    )


def test_very_many_columns() -> None:
    grid = column_grid({f"g{at}": ["1", "2"] for at in range(100)}, ["p", "q"], None, 1)
    assert grid.title == "columns (the first 60 of 100)" and len(grid.rows) == 60
