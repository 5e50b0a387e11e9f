"""Who takes part when patients come and go: by hand, and that no step ever tells of a few."""

from __future__ import annotations

import numpy as np
import pytest

from fedgraft.client.account.combinations import Members, tells_of_few
from fedgraft.client.account.secret import Secret
from fedgraft.client.account.snapshot import Past, settle

LEAST, LINES = 5, 60
PATIENTS = np.arange(LINES)
LABELS = PATIENTS % 2


def order(draw: int, patient: int) -> float:
    return Secret("0" * 64).share(str(draw), str(patient))


def of(*patients: int) -> Members:
    return np.isin(PATIENTS, patients)


class Site:
    """Settles one cohort after the other."""

    def __init__(self, strata: np.ndarray = LABELS * 0) -> None:  # type: ignore[type-arg]
        self.known, self.strata = np.zeros((0, LINES), bool), strata

    def settle(self, present: Members) -> Members:
        found = settle(present, Past(self.known, PATIENTS, self.strata, LEAST), order)
        assert found is not None and not (found & ~present).any(), "nobody who is not there"
        assert not tells_of_few(found, self.known, PATIENTS, LEAST)
        if not (self.known == found).all(axis=1).any():
            self.known = np.vstack([self.known, found[None]])
        return found


def test_a_first_start_takes_all_and_stays() -> None:
    site = Site()
    assert (site.settle(of(*range(30))) == of(*range(30))).all()
    assert (site.settle(of(*range(30))) == of(*range(30))).all()


def test_new_patients_wait_for_each_other() -> None:
    site = Site()
    site.settle(of(*range(30)))
    for count in range(1, 5):
        assert (site.settle(of(*range(30 + count))) == of(*range(30))).all(), f"{count} wait"
    assert (site.settle(of(*range(35))) == of(*range(35))).all(), "five have gathered"


def test_with_labels_they_wait_for_those_with_their_own() -> None:
    """Even and odd numbers are two labels: of 30-38 five are even, four odd."""
    site = Site(LABELS)
    site.settle(of(*range(30)))
    assert (site.settle(of(*range(35))) == of(*range(30))).all(), "3 even, 2 odd"
    found = site.settle(of(*range(39)))
    assert (found == of(*range(30), 30, 32, 34, 36, 38)).all()


def test_who_is_withdrawn_goes_at_once_and_four_others_rest() -> None:
    site = Site()
    site.settle(of(*range(30)))
    first = site.settle(of(*range(1, 30)))
    assert first.sum() == 25 and not first[0]
    assert (site.settle(of(*range(1, 30))) == first).all(), "the same rest at every start"
    five = site.settle(of(*range(5, 30)))
    assert five.sum() == 25, "five were withdrawn: nobody need rest"


def test_the_same_label_rests() -> None:
    site = Site(LABELS)
    site.settle(of(*range(30)))
    found = site.settle(of(*range(1, 30)))
    assert found.sum() == 25 and LABELS[of(*range(30)) & ~found].tolist() == [0] * 5


def test_a_change_of_a_few_when_many_are_new_needs_no_rest() -> None:
    site = Site()
    site.settle(of(*range(30)))
    assert (site.settle(of(*range(1, 40))) == of(*range(1, 40))).all()


def test_too_few_are_left() -> None:
    past = Past(of(*range(6))[None], PATIENTS, LABELS * 0, LEAST)
    assert settle(of(), past, order) is None
    assert settle(of(*range(3)), past, order) is None


@pytest.mark.parametrize("seed", range(12))
def test_whatever_comes_and_goes_nobody_can_be_told(seed: int) -> None:
    """Ten changes of one to three patients; `Site` checks each step against all before it."""
    rng = np.random.default_rng(seed)
    site, present = Site(), of(*range(40))
    site.settle(present)
    for _ in range(10):
        change = rng.choice(LINES, int(rng.integers(1, 4)), replace=False)
        present = present.copy()
        present[change] = ~present[change]
        found = site.settle(present)
        assert found.sum() >= present.sum() - 4 * LEAST, "few wait or rest"
