"""Which sums tell of a few patients: by hand, and against all combinations tried one by one."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from fedgraft.client.account.combinations import Members, Owners, tells_of_few

OWNERS = np.arange(20)


def some(*lines: int) -> Members:
    return np.isin(OWNERS, lines)


def everybody_but(*lines: int) -> Members:
    return ~some(*lines)


@pytest.mark.parametrize(
    ("missing", "tells"), [((3,), True), ((1, 2, 3, 4), True), ((1, 2, 3, 4, 5), False), ((), False)]
)
def test_one_set_and_a_part_of_it(missing: tuple[int, ...], tells: bool) -> None:
    """20 patients were told; then 19, 16, 15, and the same 20 again. At least 5 must differ."""
    assert tells_of_few(everybody_but(*missing), everybody_but()[None], OWNERS, 5) is tells
    assert not tells_of_few(everybody_but(*missing), everybody_but()[None], OWNERS, 1), "nothing is refused at 1"


def test_nothing_is_known_before_the_first_answer() -> None:
    assert not tells_of_few(some(1), np.zeros((0, 20), bool), OWNERS, 5)


def test_the_classes_of_a_cohort_add_up_to_it() -> None:
    """0-9 and 10-19 are its classes: their sum is the whole, and no patient is left. With 0-8 one is."""
    classes = np.stack([some(*range(10)), some(*range(10, 20))])
    assert not tells_of_few(everybody_but(), classes, OWNERS, 5)
    assert tells_of_few(everybody_but(), np.stack([some(*range(9)), some(*range(10, 20))]), OWNERS, 5)


def test_a_difference_of_differences() -> None:
    """Three sets, each far from the two others: A = 0-9, B = 0-4 and 10-14; A - B + (10-14) leaves 5-9; with 10-14 and
    5-8 known, one patient."""
    a, b = some(*range(10)), some(*range(5), *range(10, 15))
    assert not tells_of_few(b, a[None], OWNERS, 5)
    assert tells_of_few(b, np.stack([a, some(*range(10, 15)), some(*range(5, 9))]), OWNERS, 5)


def test_patients_count_not_their_lines() -> None:
    """Lines 0-9 are of one patient, 10-19 of one each: ten lines are one patient."""
    owners = np.array([0] * 10 + list(range(1, 11)))
    assert tells_of_few(some(*range(10, 20)), everybody_but()[None], owners, 2)
    assert not tells_of_few(some(*range(10, 20)), everybody_but()[None], owners, 1)
    assert not tells_of_few(some(*range(10), *range(12, 20)), everybody_but()[None], owners, 2)


def by_hand(new: Members, known: Members, owners: Owners, least: int) -> bool:
    for count in (1, 2, 3):
        for places in combinations(range(len(known)), count):
            for signs in product((-1, 1), repeat=count):
                left = new.astype(int) + sum(
                    sign * known[at].astype(int) for sign, at in zip(signs, places, strict=True)
                )
                if 1 <= len(set(owners[left != 0].tolist())) < least:
                    return True
    return False


@pytest.mark.parametrize("seed", range(40))
def test_it_finds_what_trying_all_combinations_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lines, sets, least = int(rng.integers(8, 26)), int(rng.integers(1, 6)), int(rng.integers(2, 5))
    owners = rng.integers(0, lines if seed % 2 else lines // 2, lines)
    base = rng.random(lines) < 0.8
    known = np.stack([base ^ (rng.random(lines) < rng.choice([0.1, 0.4])) for _ in range(sets)])
    new = base ^ (rng.random(lines) < 0.15)
    assert tells_of_few(new, known, owners, least) is by_hand(new, known, owners, least)
