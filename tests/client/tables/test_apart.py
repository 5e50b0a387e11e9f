"""Numbers that stand apart from all others of their column: slips and marks, not long tails, codes or counts."""

import numpy as np
import pytest

from fedgraft.client.tables.apart import apart, remark
from fedgraft.common.plan.data_sections import TableSection

AGES = [float(age) for age in range(30, 90)]


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([*AGES, 999.0], [60]),
        ([999.0, *AGES, 999.0, float("nan")], [0, 61]),  # two of them, and a missing value
        ([*AGES, 1e9, -200.0], [60, 61]),  # on both sides, though the larger one hides the smaller at first
        ([*AGES, 149.0], []),  # the gap is 60, and the others span 59: see the next
        ([*AGES, 148.0], []),
        ([*AGES, -31.0], [60]),  # 61 below the least of others that span 59
        ([0.0] * 80 + [1.0] * 15 + [9.0], []),  # a count with two values
        ([1.0, *AGES[:18]], []),  # 19 values are too few
    ],
)
def test_by_hand(values: list[float], places: list[int]) -> None:
    assert np.flatnonzero(apart(np.array(values))).tolist() == places


def test_of_many_marks_none_is_said() -> None:
    """More than a twentieth of the values are no slips."""
    assert not apart(np.array([*AGES, *[999.0] * 4])).any()
    assert apart(np.array([*AGES, *[999.0] * 3])).sum() == 3


def test_long_tails_are_left_alone() -> None:
    rng = np.random.default_rng(0)
    drawn = [np.exp(rng.normal(0, spread, cases)) for spread in (0.5, 1, 2) for cases in (30, 300) for _ in range(50)]
    assert sum(apart(values).any() for values in drawn) <= 3  # of 300


def test_the_sentence_names_columns_and_no_value() -> None:
    table = TableSection(("age", "bp"), (), missing=(), indicate_missing=False, statistics="federated", min_count=1)
    numbers = np.array([[age, age] for age in AGES])
    assert remark(table, numbers) is None
    numbers[7, 1] = 12345.0
    said = remark(table, numbers)
    assert said is not None and "each other: bp 1: correct them" in said and "12345" not in said and "age" not in said
