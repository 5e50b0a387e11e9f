"""By which norms a round's updates are clipped and refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from fedgraft.common.plan.bounds_section import UNBOUND, BoundsSection
from fedgraft.server.bounds.lengths import LONGEST, longer, measure, remembered, spread, strays

FIXED = BoundsSection(clip=3.0, least=3.0, refuse=6.0, rounds=3)


def test_the_median_of_the_round() -> None:
    found = measure([1.0, 4.0, 9.0], (), FIXED)
    assert (found.reference, found.longest()) == (4.0, 12.0)
    assert [found.kept(norm) for norm in (1.0, 12.0, 16.0, 24.0, 24.1)] == [1.0, 1.0, 0.75, 0.5, 0.0]
    assert found.ratio(9.0) == 2.25


def test_what_a_site_left_unused_it_may_use_later() -> None:
    """Of squares 9 are allowed, and 27 are left: an update may be 6 long, and is refused where it is twice that."""
    found = measure([1.0, 1.0, 9.0], (), FIXED)
    assert found.longest(27.0) == 6.0
    assert [found.kept(norm, 27.0) for norm in (6.0, 9.0, 12.1)] == [1.0, pytest.approx(2 / 3), 0.0]
    assert replace(found, clip=None).kept(6.1, 27.0) == 0.0


def test_nobody_is_bounded_where_all_move_further_than_before() -> None:
    """An alignment sets in, or another stage is freed: all norms are ten times what they were."""
    found = measure([10.0, 11.0, 9.0], ((1.0, 1.0, 1.0),) * 3, FIXED)
    assert [found.kept(norm) for norm in (11.0, 30.0, 60.1)] == [1.0, 1.0, 0.0]
    assert measure([10.0, 20.0], ((1.0, 1.0),), FIXED).longest() == 60.0


def test_the_multiple_follows_how_much_norms_differ_between_the_least_and_the_most() -> None:
    """Of norms 1, 1, 1, 1.2 and 100 the median deviation of logarithms is 0; of 0.8, 0.8, 1, 1.25, 1.25 it is
    log 1.25, and twice that a factor of 1.5625."""
    bounds = BoundsSection(clip=3.0, least=1.5, deviations=2.0, refuse=None)
    assert measure([1.0, 1.0, 1.0, 1.2, 100.0], (), bounds).clip == 1.5
    assert measure([0.8, 0.8, 1.0, 1.25, 1.25], (), bounds).clip == pytest.approx(1.25**2)
    assert measure([0.1, 0.1, 1.0, 10.0, 10.0], (), bounds).clip == 3.0
    assert measure([1.0, 1.0, 1.0, 1.2], (), bounds).clip == 3.0  # of four norms a deviation says too little


def test_a_site_of_a_few_cases_among_many_can_do_little_and_is_left_alone() -> None:
    """At a share of 0.5 % its update may be ten times as long as the median one: it then adds 5 % of that."""
    found = measure([1.0, 1.0, 10.0], (), FIXED)
    assert found.kept(10.0, share=0.005) == 1
    assert found.kept(10.1, share=0.005) == 0
    assert measure([1.0, 1.0, 10.0], (), replace(FIXED, refuse=None)).kept(20.0, share=0.005) == 0.5
    assert found.kept(10.0, share=0.3) == 0
    assert found.kept(1e30, share=1e-12) == 0


def test_a_site_of_more_cases_takes_more_steps_and_may_be_longer() -> None:
    more = longer([10, 20, 20, 20, 180])
    assert more == [1.0, 1.0, 1.0, 1.0, 3.0]
    found = measure([1.0, 1.0, 10.0], (), FIXED)
    assert [found.kept(9.0, more=3.0), found.kept(18.1, more=3.0)] == [1.0, 0.0]
    assert found.kept(12.0, more=3.0) == 0.75


def test_where_few_answer_the_shortest_is_the_reference_and_nobody_is_refused() -> None:
    found = measure([2.0, 1e6], ((3.0, 5.0),), FIXED)
    assert found.reference == 2.0
    assert found.longest() == 12.0  # what three sites would be refused for
    assert found.kept(1e6) == 12e-6
    assert measure([7.0], (), FIXED).kept(7.0) == 1.0


@pytest.mark.parametrize("norms", [[1.0, 1e31, 1.0], [1e31, 1e31, 1e31], [0.0, 0.0, 1e31], [1.0, 1e31]])
@pytest.mark.parametrize("bounds", [FIXED, UNBOUND])
def test_what_no_training_gives_is_refused_whatever_the_others_send(norms: list[float], bounds: BoundsSection) -> None:
    assert measure(norms, (), bounds).kept(1e31) == 0
    assert measure(norms, (), bounds).kept(LONGEST * 1.01, 1e300) == 0


def test_nothing_is_bounded_where_nothing_moved_or_nothing_is_asked() -> None:
    assert measure([0.0, 0.0, 1.0], (), FIXED).kept(1.0) == 1.0
    assert measure([1.0, 1.0, 1e6], (), UNBOUND).kept(1e6) == 1.0


def test_a_majority_leads_the_median_not_one_site() -> None:
    """However long one of five is, and however short, the others' bound stays within their own norms' range."""
    for odd in (0.0, 1e-9, 1e9, 1e20):
        found = measure([1.0, 1.1, 0.9, 1.05, odd], (), FIXED)
        assert 0.9 <= found.reference <= 1.1


def test_rounds_that_are_remembered() -> None:
    norms: tuple[tuple[float, ...], ...] = ()
    for number in range(5):
        norms = remembered(norms, [float(number)], FIXED)
    assert norms == ((3.0,), (4.0,))  # with the next one they are three
    assert remembered(norms, [1.0], UNBOUND) == ()


def test_statistics_that_moved_a_hundred_times_as_far() -> None:
    assert strays([1.0, 2.0, 199.0]) == set()
    assert strays([1.0, 2.0, 201.0]) == {2}
    assert strays([1.0, 1e6]) == set()
    assert strays([1.0, 1e10]) == {1}
    assert strays([0.0, 0.0, 5.0]) == set()


def test_the_bound_scales_with_the_updates() -> None:
    rng = np.random.default_rng(0)
    norms = rng.lognormal(0, 0.5, 7).tolist()
    one, ten = measure(norms, (), BoundsSection()), measure([10 * norm for norm in norms], (), BoundsSection())
    assert math.isclose(ten.longest(), 10 * one.longest())


def test_a_round_in_which_nothing_moved_has_no_spread() -> None:
    """Ten sites that give back what they got, as at a rate of 0: there is nothing to shorten or to refuse."""
    assert spread([(0.0,) * 10]) == 0.0
    assert measure([0.0] * 10, (), BoundsSection()).longest() == LONGEST
