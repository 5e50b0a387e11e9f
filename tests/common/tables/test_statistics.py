"""Sums that sites can add up: by hand, and merged from any partition they are those of the pooled table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.tables.encoding import Encoder, Row, read_row
from fedgraft.common.tables.statistics import (
    Moments,
    Patients,
    TableStatistics,
    count_patients,
    describe,
    merge,
    merge_all,
    moments,
    resolved,
)

TABLE = TableSection(
    numeric=("age",), categorical=("sex",), missing=(), indicate_missing=False, statistics="federated", min_count=2
)
NAN = float("nan")


def rows(*cells: tuple[str, str]) -> list[Row]:
    return [read_row(TABLE, {"age": age, "sex": sex}) for age, sex in cells]


def test_moments_by_hand() -> None:
    assert moments(np.array([1.0, NAN, 2.0, 6.0])) == Moments(3, 3.0, 14.0)
    assert moments(np.array([NAN])) == Moments()
    assert moments(np.array([])) == Moments()


def test_two_sites_by_hand() -> None:
    # 1, 2, 6 and 5, 7: together 21 / 5 = 4.2, and the squares 115 - 5 * 4.2 ** 2 = 26.8
    found = merge(Moments(3, 3.0, 14.0), Moments(2, 6.0, 2.0))
    assert found.count == 5
    assert found.mean == pytest.approx(4.2, abs=1e-15)
    assert found.m2 == pytest.approx(26.8, abs=1e-13)


def test_a_site_that_tells_nothing_changes_nothing() -> None:
    one = Moments(3, 3.0, 14.0)
    assert merge(one, Moments()) == merge(Moments(), one) == one


def test_describing_by_hand() -> None:
    found = describe(rows(("1", "f"), ("2", "m"), ("", "f"), ("6", "")), TABLE)
    assert found == TableStatistics((Moments(3, 3.0, 14.0),), ({"f": 2, "m": 1, "": 1},))
    assert describe([], TABLE) == TableStatistics((Moments(),), ({},))


@pytest.mark.parametrize(
    ("least", "numeric", "categories"),
    [(1, Moments(3, 3.0, 14.0), {"f": 2, "m": 1}), (2, Moments(3, 3.0, 14.0), {"f": 2}), (4, Moments(), {})],
)
def test_what_may_be_told(least: int, numeric: Moments, categories: dict[str, int]) -> None:
    cases = rows(("1", "f"), ("2", "m"), ("", "f"), ("6", ""))
    found = describe(cases, TABLE).at_least(least)
    assert found == TableStatistics((numeric,), (categories,))


def test_rows_of_one_patient_count_once() -> None:
    cases = rows(("1", "f"), ("2", "f"), ("6", "f"), ("", "m"), ("", "m"))
    patients = count_patients(cases, ["a", "a", "a", "a", "b"], TABLE)
    assert patients == Patients((1,), ({"f": 1, "m": 2},), (2,), 5)
    assert describe(cases, TABLE).of_patients(2, patients) == TableStatistics((Moments(),), ({"m": 2},))
    assert describe(cases, TABLE).of_patients(1, patients) == describe(cases, TABLE)
    assert count_patients([], [], TABLE) == Patients((0,), ({},), (0,), 0)


def test_fewer_than_min_count_who_lack_a_value_are_told_as_none() -> None:
    """1, 2 and 6 have mean 3 and M2 14; as if all four cases had a value: M2 14 * 4 / 3, and the same deviation."""
    cases = rows(("1", "f"), ("2", "m"), ("", "f"), ("6", ""))
    patients, found = count_patients(cases, list("abcd"), TABLE), describe(cases, TABLE)
    (told,) = found.without_few_missing(2, patients).numeric
    assert told == Moments(4, 3.0, 14.0 * (4 / 3)) and told.deviation == pytest.approx(found.numeric[0].deviation)
    assert found.without_few_missing(1, patients) == found, "one is enough"
    assert describe([], TABLE).without_few_missing(2, count_patients([], [], TABLE)) == describe([], TABLE)


def test_counts_in_steps() -> None:
    found = TableStatistics((), ({"f": 14, "m": 10, "x": 5},))
    assert found.in_steps(5).categories == ({"f": 10, "m": 10, "x": 5},) and found.in_steps(1) == found


def test_columns_that_are_not_told() -> None:
    found = describe(rows(("1", "f"), ("2", "m")), TABLE)
    assert found.only([False], [True]) == TableStatistics((Moments(),), ({"f": 1, "m": 1},))
    assert found.only([True], [False]) == TableStatistics(found.numeric, ({},))


def test_a_long_or_unprintable_text_is_no_category() -> None:
    counts = {"x" * 201: 9, "x" * 200: 9, "a\x00b": 9}
    assert TableStatistics((), (counts,)).at_least(1).categories == ({"x" * 200: 9},)


def test_of_many_categories_the_largest_are_told() -> None:
    counts = {f"c{number:04}": number for number in range(1, 1201)}
    (told,) = TableStatistics((), (counts,)).at_least(1).categories
    assert list(told) == [f"c{number:04}" for number in range(201, 1201)]


@pytest.mark.parametrize("seed", range(8))
def test_merged_from_any_partition_it_is_scikit_learn_on_the_pooled_table(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ages = rng.normal(rng.choice([0, 1e6]), 10 ** rng.uniform(-2, 3), 300)
    sexes = rng.choice(["f", "m", "x"], 300)
    pooled = rows(*((repr(float(age)), str(sex)) for age, sex in zip(ages, sexes, strict=True)))
    owner = rng.integers(0, rng.integers(1, 40), 300)
    parts = [[row for row, site in zip(pooled, owner, strict=True) if site == one] for one in range(40)]
    table = resolved(TABLE, merge_all([describe(part, TABLE) for part in parts], TABLE))
    scaler = StandardScaler().fit(ages[:, None])
    assert table.means["age"] == pytest.approx(scaler.mean_[0], rel=1e-12)
    assert table.deviations["age"] == pytest.approx(scaler.scale_[0], rel=1e-9)
    assert table.vocabulary == {"sex": ("f", "m", "x")}
    np.testing.assert_allclose(Encoder(table)(pooled)[:, 0], scaler.transform(ages[:, None])[:, 0], atol=1e-5)


def test_the_digits_survive_a_mean_that_is_large_beside_the_deviation() -> None:
    far = [moments(1e9 + np.array([float(step), step + 1.0])) for step in range(0, 100, 2)]
    merged = merge_all([TableStatistics((one,), ({"f": 2},)) for one in far], TABLE).numeric[0]
    assert merged.deviation == pytest.approx(np.std(np.arange(100)), rel=1e-9)


def test_a_constant_column_has_the_deviation_one() -> None:
    assert moments(np.full(7, 0.1)).deviation == 1.0
    assert moments(np.full(7, 1e6)).deviation == StandardScaler().fit(np.full((7, 1), 1e6)).scale_[0]
    table = resolved(TABLE, TableStatistics((Moments(7, 3.0, 0.0),), ({"f": 7},)))
    assert Encoder(table)(rows(("3", "f")))[0].tolist() == [0.0, 1.0]


def test_the_resolved_section_is_plain_data() -> None:
    found = resolved(TABLE, TableStatistics((Moments(2, 3.0, 8.0),), ({"f": 2, "m": 3},)))
    assert found == replace(
        TABLE,
        statistics="plan",
        min_count=1,
        means={"age": 3.0},
        deviations={"age": 2.0},
        vocabulary={"sex": ("f", "m")},
    )


def test_a_column_of_which_nothing_is_known_is_named() -> None:
    with pytest.raises(PlanError) as caught:
        resolved(TABLE, TableStatistics((Moments(),), ({},)))
    age, sex = caught.value.problems
    assert age.startswith(
        "table.numeric names age, of which no site told anything (a site tells of a column with known values of 2"
    )
    assert sex.startswith("table.categorical names sex, of which no site has a category with 2 patients or more")
    assert all("remove it" in problem for problem in (age, sex))


def test_too_many_categories_of_all_sites_together_are_an_error() -> None:
    many = {f"c{number}": 5 for number in range(1001)}
    with pytest.raises(PlanError, match=r"table.vocabulary.sex must have at most 1000 categories"):
        resolved(TABLE, TableStatistics((Moments(2, 3.0, 8.0),), (many,)))


def test_a_deviation_that_no_unit_explains_is_an_error() -> None:
    with pytest.raises(PlanError, match=r"table.deviations.age must lie between 1e-18 and 1e\+18"):
        resolved(TABLE, TableStatistics((Moments(2, 0.0, 1e-60),), ({"f": 2},)))
