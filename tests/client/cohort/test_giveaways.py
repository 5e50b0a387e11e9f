"""Columns that give the label away, and columns that only seem to."""

from __future__ import annotations

import numpy as np
import pytest

from fedgraft.client.cohort.giveaways import Giveaway, giveaways
from fedgraft.common.interfaces.task import Outcome

N = 200
RNG = np.random.default_rng(0)
SICK = [n % 4 == 0 for n in range(N)]
OUTCOMES = (Outcome("well", tuple(not one for one in SICK)), Outcome("sick", tuple(SICK)))
UNITS = [f"patient {n}" for n in range(N)]


def found(cells: list[str], read: bool = True, outcomes: tuple[Outcome, ...] = OUTCOMES) -> list[Giveaway]:
    return giveaways({"column": cells}, outcomes, UNITS, read, ("?",))


@pytest.mark.parametrize(
    "cells",
    [
        [str(3.0 + one + n / 1000) for n, one in enumerate(SICK)],
        [str(3.0 - one - n / 1000) for n, one in enumerate(SICK)],
        ["ward 3" if one else "ward 1" for one in SICK],
        ["" if one else str(n / 7) for n, one in enumerate(SICK)],
        ["?" if one else f"word {n}" for n, one in enumerate(SICK)],
    ],
    ids=["high", "low", "word", "missing", "missing word"],
)
def test_a_column_that_is_the_label_in_other_words(cells: list[str]) -> None:
    (one,) = found(cells)
    assert one.column == "column" and one.outcome == "sick" and one.auroc == pytest.approx(1.0, abs=0.001)


def test_names_and_noise_tell_nothing() -> None:
    """A name is of one patient: it tells that patient's label, and no other's."""
    for cells in (
        [f"name {n}" for n in range(N)],
        [str(value) for value in RNG.normal(0, 1, N)],
        ["m" if value < 0.5 else "f" for value in RNG.random(N)],
        ["x"] * N,
    ):
        assert found(cells, read=False) == []


def test_an_honest_predictor_of_a_table_is_not_a_leak_and_a_scanner_is_worth_a_word() -> None:
    """75 % of the sick and 25 % of the others have it: AUROC 0.75."""
    cells = ["AP" if (n // 4 % 4 > 0) == one else "PA" for n, one in enumerate(SICK)]
    assert found(cells, read=True) == []
    (one,) = found(cells, read=False)
    assert one.auroc == pytest.approx(0.75, abs=0.03)


def test_rare_and_unknown_outcomes_are_left_alone() -> None:
    few = Outcome("rare", tuple(n < 4 for n in range(N)))
    assert found([str(int(n < 4)) for n in range(N)], outcomes=(few,)) == []
    half = Outcome("some", tuple(None if n % 2 else n % 4 == 0 for n in range(N)))
    (one,) = found([str(int(n % 4 == 0)) for n in range(N)], outcomes=(half,))
    assert one.auroc == pytest.approx(1.0)


def test_of_many_cases_some_are_looked_at() -> None:
    sick = tuple(n % 3 == 0 for n in range(12000))
    (one,) = giveaways(
        {"c": [str(int(s)) for s in sick]}, (Outcome("sick", sick),), [str(n) for n in range(12000)], True
    )
    assert one.auroc == pytest.approx(1.0)
