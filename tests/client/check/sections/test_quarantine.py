"""Cases that can't be used, by reason."""

import numpy as np

from fedgraft.client.check.sections.quarantine import refusal_grid, refusals
from fedgraft.client.cohort.quarantine import number_of

from ..conftest import seen

LINES = (2, 3, 4)


def verdicts(*reasons: str) -> np.ndarray:
    return np.array([number_of(reason) if reason else 0 for reason in reasons], np.uint8)


def test_all_usable() -> None:
    assert [str(one) for one in refusals(LINES, verdicts("", "", ""), "image")] == [
        "ok       quarantine: all 3 images can be used"
    ]


def test_quarantine_is_counted_by_reason() -> None:
    given = verdicts("damaged", "", "missing")
    damaged, missing, rest = refusals(LINES, given, "image")
    assert (damaged.grade, damaged.what) == ("warning", "quarantine: damaged")
    assert damaged.text == (
        "1 of 3 images: the file is cut off, or its elements or pixels can't be parsed; line 2 of the manifest"
    )
    assert damaged.todo == "correct the files or the manifest; until then runs go on without them"
    assert missing.text.endswith("line 4 of the manifest")
    assert str(rest) == (
        "ok       quarantine: 1 of 3 images can be used; `fedgraft site case NAME` gives the line of a case that "
        "state/quarantine.jsonl or a log names"
    )
    assert [row[:2] for row in refusal_grid(given, "image").rows] == [
        ("usable", "1"),
        ("damaged", "1"),
        ("missing", "1"),
    ]


def test_nothing_usable_is_a_problem() -> None:
    found = refusals(LINES, verdicts("missing", "missing", "missing"), "image")
    assert seen(found) == [("problem", "quarantine: missing"), ("problem", "quarantine")]
    assert found[1].text == "no image can be used"


def test_rows_have_words_of_their_own() -> None:
    given = verdicts("inconsistent", "bad-value", "")
    inconsistent, bad, _ = refusals(LINES, given, "row")
    assert inconsistent.text == (
        "1 of 3 rows: the row has more or fewer cells than the table's header; line 2 of the manifest"
    )
    assert bad.todo == "correct the cells; a mark for a missing value belongs into the plan's table.missing"
    grid = refusal_grid(given, "row")
    assert grid.header == ("outcome", "rows", "meaning") and grid.rows[1][2].startswith("the row has")


def test_images_under_a_plan_for_a_table() -> None:
    (found, *_) = refusals(LINES, verdicts("unsupported", "", ""), "row")
    assert found.text == "1 of 3 rows: a table must be a .csv, .parquet or .pq file; line 2 of the manifest"
    assert found.todo == "save it as CSV (UTF-8) or Parquet; until then runs go on without them"
