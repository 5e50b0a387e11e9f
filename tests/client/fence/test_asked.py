"""One plan in a run, each round once, going up; and the honest ways of asking again."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgraft.client.fence.asked import (
    Asked,
    Question,
    read_asked,
    with_gradient,
    with_plan,
    with_question,
    write_asked,
)
from fedgraft.client.site.bounds import Bounds
from fedgraft.common.errors import AskedBeforeError, BoundsError

BOUNDS = Bounds(changes=2, evaluations=3)


def after(*questions: tuple[int, str] | tuple[int, str, str], bounds: Bounds = BOUNDS) -> Asked:
    """What a run of 50 rounds has asked after these rounds, with these tensors and perhaps class counts."""
    asked = Asked()
    for number, tensors, *counts in questions:
        asked = with_question(asked, Question("plan", number, tensors, *counts), 50, bounds)
    return asked


def test_rounds_go_up_with_gaps_and_the_same_question_comes_again() -> None:
    """With partial participation, or after an absence, a site sees gaps."""
    asked = after((1, "a"), (1, "a"), (4, "b"), (4, "b"), (50, "c"))
    assert (asked.at, asked.changes) == (50, 0)


@pytest.mark.parametrize("number", [0, 51, 99999])
def test_a_round_that_the_plan_does_not_have_is_refused(number: int) -> None:
    with pytest.raises(BoundsError, match=f"round {number} of a plan with rounds=50"):
        after((number, "a"))


def test_a_round_that_was_answered_is_refused_with_other_tensors() -> None:
    with pytest.raises(AskedBeforeError, match="round 1 was answered with other tensors"):
        after((1, "a"), (1, "b"))
    with pytest.raises(AskedBeforeError, match="round 1 was answered with other tensors"):
        after((1, "a"), (2, "b"), (1, "c"))


def test_a_round_that_was_left_out_is_refused_once_the_run_has_gone_on() -> None:
    with pytest.raises(AskedBeforeError, match="round 2 was left out, and the run has gone on to round 3"):
        after((1, "a"), (3, "b"), (2, "c"))


def test_sites_that_come_below_the_quorum_change_the_class_counts() -> None:
    asked = after((1, "a", "[10, 10]"), (1, "a", "[15, 14]"), (2, "b", "[15, 14]"))
    assert asked.changes == 1


def test_a_coordinator_that_went_back_to_an_older_checkpoint_goes_on_from_there() -> None:
    """Rounds 2 and 3 are asked again; 3 now rests on other sites, and has other tensors."""
    asked = after((1, "a"), (2, "b"), (3, "c"), (2, "b"), (3, "d"), (4, "e"))
    assert (asked.at, asked.changes) == (4, 1)


def test_going_back_ends_at_the_bound() -> None:
    again = [(1, "a"), (2, "b"), (1, "a"), (2, "c"), (1, "a"), (2, "d")]
    assert after(*again).changes == 2
    with pytest.raises(AskedBeforeError, match=r"round 2 .* has changed 2 before, bounds.changes=2"):
        after(*again, (1, "a"), (2, "e"))


def test_one_plan_in_a_run() -> None:
    asked = with_plan(Asked(), "plan")
    assert with_plan(asked, "plan") == asked
    with pytest.raises(AskedBeforeError, match="the run has another plan here: one plan in a run"):
        with_plan(asked, "other")
    with pytest.raises(AskedBeforeError, match="one plan in a run"):
        with_question(asked, Question("other", 1, "a"), 50, BOUNDS)


def test_gradients_are_counted_over_a_run() -> None:
    asked = Asked()
    for _ in range(3):
        asked = with_gradient(asked, "plan", 1, 3, BOUNDS)
    with pytest.raises(BoundsError, match=r"has asked for 3 gradients, bounds.evaluations=3"):
        with_gradient(asked, "plan", 2, 3, BOUNDS)
    with pytest.raises(BoundsError, match="round 4 of a plan with rounds=3"):
        with_gradient(asked, "plan", 4, 3, BOUNDS)


def test_what_was_asked_is_read_back_from_the_disk(tmp_path: Path) -> None:
    assert read_asked(tmp_path, 7) == Asked()
    asked = after((1, "a", "[1]"), (3, "b"))
    write_asked(tmp_path, 7, asked)
    known = read_asked(tmp_path, 7)
    assert (known.at, {name: tuple(one) for name, one in known.rounds.items()}) == (3, dict(asked.rounds))
    again = with_question(known, Question("plan", 3, "b"), 50, BOUNDS)
    assert again.changes == 0
    assert (tmp_path / "asked" / "7.json").stat().st_mode & 0o077 == 0
