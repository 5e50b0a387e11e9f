"""A site's sums on the wire: what is sent is what is read, and garbage is refused."""

from __future__ import annotations

from typing import Any

import pytest
from flwr.app import ConfigRecord, RecordDict

from fedgraft.common.errors import WireError
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.tables.statistics import Moments, TableStatistics
from fedgraft.common.wire.statistics import (
    SiteStatistics,
    pack_description,
    pack_question,
    read_table,
    unpack_description,
    unpack_question,
    write_table,
)

TABLE = TableSection(
    numeric=("age", "bp"),
    categorical=("sex",),
    missing=("?",),
    indicate_missing=False,
    statistics="federated",
    min_count=2,
)
ANSWER = SiteStatistics("north", "ab" * 32, TableStatistics((Moments(5, 0.1, 1 / 3), Moments()), ({"f": 2, "m": 3},)))


def packed(answer: SiteStatistics) -> RecordDict:
    assert isinstance(answer.statistics, TableStatistics)
    return pack_description(answer.site, answer.plan_digest, write_table(answer.statistics))


def unpacked(content: RecordDict) -> SiteStatistics:
    return unpack_description(content, lambda record: read_table(record, TABLE))


def test_what_is_packed_is_read_back() -> None:
    assert unpacked(packed(ANSWER)) == ANSWER
    assert unpack_question(pack_question("{}", "cd")) == ("{}", "cd")


def test_a_site_that_tells_nothing() -> None:
    silent = SiteStatistics("north", "ab", TableStatistics((Moments(), Moments()), ({},)))
    assert unpacked(packed(silent)) == silent


def changed(record: str, key: str, value: Any) -> RecordDict:
    content = packed(ANSWER)
    config = content[record]
    assert isinstance(config, ConfigRecord)
    config[key] = value
    return content


@pytest.mark.parametrize(
    ("record", "key", "value", "text"),
    [
        ("site", "name", "../etc", "a site's name must be letters"),
        ("site", "plan", "", "lacks `plan`"),
        ("statistics", "counts", 5, "lack counts, means or m2"),
        ("statistics", "counts", [5], "one count, mean and m2 per numeric column"),
        ("statistics", "counts", [-5, 0], "a column's count must be 0, or a whole number of at least table.min_count"),
        ("statistics", "counts", [1, 0], "a column's count must be 0, or a whole number of at least table.min_count"),
        ("statistics", "counts", [10**10, 0], "a column's count must be 0, or a whole number"),
        ("statistics", "means", [float("nan"), 0.0], "mean and m2 must be finite"),
        ("statistics", "m2", [float("inf"), 0.0], "mean and m2 must be finite"),
        ("statistics", "means", [1, 2], "mean and m2 must be finite numbers"),
        ("statistics", "means", [1e19, 0.0], "mean and m2 do not fit its count"),
        ("statistics", "m2", [-1.0, 0.0], "mean and m2 do not fit its count"),
        ("statistics", "m2", [1e40, 0.0], "mean and m2 do not fit its count"),
        ("statistics", "m2", [0.5, 0.5], "mean and m2 do not fit its count"),
        ("statistics", "categories.0", ["f"], "categories and their cases for each categorical column"),
        ("statistics", "categories.0", [1, 2], "a category must be text of 1 to 200 characters"),
        ("statistics", "categories.0", ["f", "x" * 201], "a category must be text of 1 to 200 characters"),
        ("statistics", "categories.0", ["f", "m\n"], "a category must be text of 1 to 200 characters"),
        ("statistics", "categories.0", ["", "m"], "a category must be text of 1 to 200 characters"),
        ("statistics", "categories.0", ["?", "m"], "that does not stand for a missing value"),
        ("statistics", "categories.0", ["m", "f"], "alphabetical order, each named once"),
        ("statistics", "categories.0", ["f", "f"], "alphabetical order, each named once"),
        ("statistics", "cases.0", [2, 1], "a category must have at least table.min_count cases"),
        ("statistics", "cases.0", [2, -3], "a category must have at least table.min_count cases"),
        ("statistics", "cases.0", [2.0, 3.0], "a category must have at least table.min_count cases"),
    ],
)
def test_garbage_is_refused(record: str, key: str, value: Any, text: str) -> None:
    with pytest.raises(WireError, match=text):
        unpacked(changed(record, key, value))


def test_too_many_categories_are_refused() -> None:
    content = changed("statistics", "categories.0", [f"c{number:05}" for number in range(1001)])
    config = content["statistics"]
    assert isinstance(config, ConfigRecord)
    config["cases.0"] = [5] * 1001
    with pytest.raises(WireError, match="a column has 1001 categories, more than 1000"):
        unpacked(content)


def test_an_empty_message_is_refused() -> None:
    with pytest.raises(WireError, match="the message lacks `site`"):
        unpacked(RecordDict())
    with pytest.raises(WireError, match="the message lacks `plan`"):
        unpack_question(RecordDict())
