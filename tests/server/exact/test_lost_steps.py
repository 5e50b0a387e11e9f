"""Private runs whose secure sum is lost: the step was charged, the model rests on fewer, and nobody waits for ever."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Error, Message

from fedgraft.client.account.privacy import FILE
from fedgraft.common.errors import RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.checkpoints.finished_rounds import round_from, round_values
from fedgraft.server.exact.steps_taken import LostStep, StepsTaken
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.too_few import TooFewError
from fedgraft.server.reports.promise import lost_steps
from fedgraft.server.reports.summary import round_line, summary
from fedgraft.server.rounds.loop import run
from tests.server.exact.conftest import COLUMNS
from tests.server.given_numbers import words_over
from tests.server.in_process import Tampered, context_over

Composer = Callable[..., Plan]
SECURE = ("aggregation=secure", "features=last", "features.scale=none", "patience.quorum_sites=3")
RECORD = ("privacy=record", "strategy.precision=float64", "rounds=2", "privacy.steps=6")
SITE = ("privacy=site", "rounds=3", "train.epochs=1")


class Gone:
    """A site that does not answer some messages of a kind, by their numbers from 1."""

    def __init__(self, kind: str, *numbers: int, error: BaseException | None = None) -> None:
        self._kind, self._numbers, self._error, self.asked = kind, numbers, error, 0

    def __call__(self, message: Message, reply: Message) -> Message:
        self.asked += message.metadata.message_type == self._kind
        if message.metadata.message_type != self._kind or self.asked not in self._numbers:
            return reply
        if self._error is not None:
            raise self._error
        return Message(Error(5, "Node Unavailable"), reply_to=message)


class Again:
    """Tries at once again what was below its quorum, so many times."""

    def __init__(self, times: int) -> None:
        self.left = times

    def until_quorum(self, attempt: Callable[[], Any]) -> Any:
        while True:
            try:
                return attempt()
            except TooFewError:
                if not self.left:
                    raise
                self.left -= 1

    def noticed(self, present: Any) -> None:
        """Nobody is waited for."""


@pytest.fixture
def plan(compose_plan: Composer) -> Composer:
    return lambda *words: compose_plan(*words_over(COLUMNS), words[0], *SECURE, *words[1:], small=False)


def told(site: Path, what: str) -> int:
    lines = (site.parent / "state" / FILE).read_text().splitlines()
    return sum(json.loads(line)["what"] == what for line in lines)


@pytest.mark.parametrize(
    ("words", "what", "unit", "due", "number"), [(RECORD, "gradient", "step", 6, 1), (SITE, "update", "round", 3, 2)]
)
def test_a_lost_sum_is_a_step_less(
    plan: Composer, sites: list[Path], words: tuple[str, ...], what: str, unit: str, due: int, number: int
) -> None:
    """Two of four go away when the second sum's masks are taken off, so that it can't be read. (The first sum takes
    three steps of keys, shares and masks, each later one a step.)"""
    gone, ledger, planned = {k: Gone("query.secure", 4) for k in (0, 1)}, Ledger(None), plan(*words)
    context = context_over(planned, Tampered(sites, gone), ledger)
    outcome = run(context)
    (why,) = [lost.why for one in outcome.rounds[1:] for lost in one.steps.lost]
    assert why.startswith("secure-few: too few sites stayed until the secure sum's end")
    steps = summary(planned, outcome, ledger, 1.0)["privacy"]["steps"]
    lost = {"step": 2, "why": why}
    assert steps == {"taken": due - 1, "due": due, "unit": unit, "lost": [{"round": number, **lost}], "spent": False}
    assert [told(site, what) for site in sites] == [due] * 4
    (warning,) = lost_steps(outcome.rounds)
    assert f"rests on {due - 1} of {due} noisy {unit}s: {unit} 2 was lost in round {number} (secure-few" in warning
    assert f"{unit} 2 was lost (secure-few" in outcome.rounds[number].steps.sentence
    assert list(round_line(outcome.rounds[number])["steps"]["lost"]) == [lost]
    reasons = [one.reason for one in ledger.entries if one.outcome == "secure-few"]
    assert reasons and (unit == "round" or all("; step 2 of 6 is lost, and was charged" in one for one in reasons))
    assert round_from(round_values(outcome.rounds[number]), outcome.final.task).steps == outcome.rounds[number].steps


def test_a_round_that_is_tried_again_goes_on_where_it_was(plan: Composer, sites: list[Path]) -> None:
    gone, again = {k: Gone("query.gradient", 2) for k in (0, 1)}, Again(1)
    outcome = run(context_over(plan(*RECORD), Tampered(sites, gone), waits=again))
    assert again.left == 0
    why = "round 1: 2 site(s) told its gradient, patience.quorum_sites=3 are needed"
    assert [one.steps for one in outcome.rounds[1:]] == [
        StepsTaken(2, 3, (LostStep(2, why),)),
        StepsTaken(5, 6),
    ]
    assert [told(site, "gradient") for site in sites] == [6] * 4


def test_three_sums_lost_in_a_row_are_below_the_quorum(plan: Composer, sites: list[Path]) -> None:
    gone = {k: Gone("query.secure", 4, 7, 10, 13, 16) for k in (0, 1)}
    with pytest.raises(TooFewError, match=r"round 1: 3 secure sums were lost one after the other\n(.*\n)*.*secure-few"):
        run(context_over(plan(*RECORD, "rounds=1"), Tampered(sites, gone)))


def test_sites_that_told_all_end_the_training(plan: Composer, sites: list[Path]) -> None:
    """The coordinator is lost in its fifth sum, and its run begins anew: two answers are left, and one of a site."""
    planned = plan(*RECORD)
    with pytest.raises(KeyboardInterrupt):
        run(context_over(planned, Tampered(sites, {0: Gone("query.gradient", 5, error=KeyboardInterrupt())})))
    assert [told(site, "gradient") for site in sites] == [5, 4, 4, 4]
    ledger = Ledger(None)
    outcome = run(context_over(planned, Tampered(sites), ledger))
    steps = [one.steps for one in outcome.rounds[1:]]
    assert steps == [StepsTaken(2, 3, (), True), StepsTaken(2, 6, (), True)]
    assert [told(site, "gradient") for site in sites] == [6] * 4
    assert "`privacy-spent`" in ledger.refusals()[0]
    assert outcome.rounds[1].sites == ("site-1", "site-2", "site-3") and outcome.rounds[2].sites == ()
    (warning,) = lost_steps(outcome.rounds)
    assert "training ended when the sites' privacy accounts held no more answers" in warning
    assert "(privacy-spent), and training ended: the model rests on 2 of 6 steps" in steps[-1].sentence
    with pytest.raises(RoundError, match=r"none of the plan's steps could be taken\n.*privacy-spent"):
        run(context_over(planned, Tampered(sites)))


def test_rounds_that_were_told_before_end_the_training(plan: Composer, sites: list[Path]) -> None:
    planned = plan(*SITE)
    with pytest.raises(KeyboardInterrupt):
        run(context_over(planned, Tampered(sites, {0: Gone("train", 2, error=KeyboardInterrupt())})))
    outcome = run(context_over(planned, Tampered(sites)))
    assert [one.steps.taken for one in outcome.rounds[1:]] == [1, 1, 1]
    assert [one.steps.spent for one in outcome.rounds[1:]] == [False, True, True]
    assert "training ended: the model rests on 1 of 3 rounds" in outcome.rounds[-1].steps.sentence
