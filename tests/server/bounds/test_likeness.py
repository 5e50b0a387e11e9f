"""How like the others' an update is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fedgraft.common.robust.products import Rows
from fedgraft.server.bounds.likeness import Likeness, likenesses, pulling_against


def test_cosine_effect_and_agreement_by_hand() -> None:
    """Three sites pull along (1, 0), the last one against them with twice the length; all weigh the same."""
    moved = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [-2.0, 0.0]])
    *honest, odd = likenesses(moved @ moved.T, [10, 10, 10, 10])
    assert odd.cosine == pytest.approx(-1)
    assert odd.effect == pytest.approx(-2 / 3)  # it takes 2 of the 3 steps that the others make
    assert odd.agreement == pytest.approx(1)
    assert odd.is_against
    assert honest[0].cosine == pytest.approx(1)  # two of the others along, one against
    assert not any(one.is_against for one in honest)


def test_a_site_across_the_others_neither_adds_nor_takes_away() -> None:
    moved = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
    odd = likenesses(moved @ moved.T, [1, 1, 2])[2]
    assert odd.cosine == pytest.approx(0)
    assert odd.effect == pytest.approx(0)


def test_the_effect_is_the_first_order_change_of_the_others_loss() -> None:
    """Of quadratic losses whose updates are steps against their gradients, the slope of the others' mean loss along a
    site's part of the mean is minus the effect, in parts of the slope along their own."""
    rng = np.random.default_rng(1)
    moved, cases = rng.normal(size=(4, 6)), np.array([3, 1, 2, 4])
    share = cases / cases.sum()
    gradient = -(share[1:, None] * moved[1:]).sum(axis=0)  # of the others' loss, at a rate of 1
    own, theirs = share[0] * moved[0] @ gradient, -gradient @ gradient
    assert likenesses(moved @ moved.T, cases.tolist())[0].effect == pytest.approx(own / theirs)


def test_alone_or_unmoved_nothing_is_said() -> None:
    assert likenesses(np.array([[4.0]]), [5]) == [Likeness()]
    assert likenesses(np.diag([1.0, 0.0]), [5, 5]) == [Likeness(), Likeness()]
    two = likenesses(np.array([[1.0, -1.0], [-1.0, 1.0]]), [5, 5])
    assert [one.agreement for one in two] == [None, None]
    assert not any(one.is_against for one in two)  # of two nobody can say which


def test_who_is_named_pulled_against_the_others_twice_and_half_of_the_time() -> None:
    against, along = Likeness(-0.9, -0.5, 0.6), Likeness(0.8, 0.2, 0.6)
    unclear = Likeness(-0.9, -0.5, 0.1)  # the others did not agree
    rounds = [
        {"once": along, "often": against, "late": along},
        {"once": against, "often": against, "late": unclear},
        {"once": along, "often": along, "late": unclear},
    ]
    assert pulling_against(rounds) == {"often": [0, 1]}


def test_a_site_that_pulls_against_others_only_once_training_is_in_balance_is_not_named() -> None:
    against, along = Likeness(-0.8, -1.0, 0.5), Likeness(0.9, 0.1, 0.5)
    late = [{"largest": along}] * 4 + [{"largest": against}] * 6
    assert pulling_against(late) == {}
    early = [{"turned": along}] + [{"turned": against}] * 9
    assert pulling_against(early) == {"turned": list(range(1, 10))}


def test_a_site_whose_first_rounds_do_not_point_away_is_not_named() -> None:
    """Of three sites with few cases two may agree by chance after some rounds: the mean of the first four decides."""
    against = Likeness(-0.8, -1.0, 0.5)
    for first, named in ((0.0, False), (-0.2, False), (-0.3, True), (-0.4, True)):
        early = Likeness(first, 0.0, 0.1)  # the others did not agree either
        rounds = [{"few": early}] * 4 + [{"few": against}] * 6
        assert pulling_against(rounds) == ({"few": [4, 5, 6, 7, 8, 9]} if named else {})
    alone = [{"few": Likeness()}] * 3 + [{"few": against}] * 6  # rounds that say nothing are none of the first
    assert pulling_against(alone) == {"few": [3, 4, 5, 6, 7, 8]}


def test_a_direction_has_no_length() -> None:
    rng = np.random.default_rng(2)
    moved = rng.normal(size=(5, 8))
    longer = moved * np.array([1.0, 100.0, 1.0, 1e-3, 1.0])[:, None]
    for one, other in zip(likenesses(moved @ moved.T, [1] * 5), likenesses(longer @ longer.T, [1] * 5), strict=True):
        assert one.cosine is not None and other.cosine is not None
        assert math.isclose(one.cosine, other.cosine, rel_tol=1e-9)


def test_agreement_is_the_median_of_the_others_medians_each_without_the_site() -> None:
    rng = np.random.default_rng(3)
    for count in (3, 4, 5, 8, 9):
        moved = np.round(rng.normal(size=(count, 4)), 1) + 0.3  # rounded: some cosines are equal
        cosines = moved @ moved.T / np.outer(*(np.linalg.norm(moved, axis=1),) * 2)
        for site, one in enumerate(likenesses(moved @ moved.T, [1] * count)):
            others = [k for k in range(count) if k != site]
            medians = [np.median([cosines[j, k] for k in others if k != j]) for j in others]
            assert one.agreement == pytest.approx(float(np.median(medians)), abs=1e-12)


def test_what_is_not_written_out_says_the_same() -> None:
    rng = np.random.default_rng(4)
    moved, cases = rng.normal(size=(12, 5)) + 0.5, rng.integers(1, 9, 12).tolist()
    for one, other in zip(likenesses(Rows(moved), cases), likenesses(moved @ moved.T, cases), strict=True):
        assert (one.cosine, one.effect, one.agreement) == pytest.approx((other.cosine, other.effect, other.agreement))


def test_of_very_many_some_say_whether_they_agree() -> None:
    """All but one of 700 pull along (1, 0): so say those that are looked at, of the odd one too."""
    moved = np.tile([[1.0, 0.0]], (700, 1))
    moved[-2] *= -1  # it is not among those that are looked at
    found = likenesses(Rows(moved), [10] * 700)
    assert {one.agreement for one in found} == {1.0}
    assert [place for place, one in enumerate(found) if one.is_against] == [698]
