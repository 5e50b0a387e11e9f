"""Sums before the first round, told once: too few are waited for, and what was told is charged once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from flwr.app import Context, Error, Message

from fedgraft.client.app import client_app
from fedgraft.client.privacy.site import MOMENTS, START
from fedgraft.common.errors import RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.exchange.ledger import Ledger
from fedgraft.server.exchange.too_few import TooFewError
from fedgraft.server.rounds.feature_scale import with_scale
from fedgraft.server.rounds.loop import run
from fedgraft.server.rounds.prepare import prepare
from fedgraft.simulations.federation.sites import lay_out
from tests.server.exact.conftest import COLUMNS
from tests.server.exact.test_lost_steps import Again, Gone, told
from tests.server.given_numbers import words_over
from tests.server.in_process import Tamper, Tampered, context_over

Composer = Callable[..., Plan]
ONCE = (
    "privacy=record_once",
    "head=projected",
    "head.dims=8",
    "features=last",
    "features.scale=none",
    "patience.quorum_sites=3",
)
MASKS = 3
"""Of a first sum, ``query.secure`` asks for keys, for shares, and then for what takes its masks off."""


class Deployed(Tampered):
    """Sites that keep their answers, as deployed ones do; what `away` has is not reached by some messages.

    Args:
        away: by site, the numbers, from 1, of ``query.secure`` messages that do not arrive.
    """

    def __init__(
        self,
        sites: Sequence[Path],
        tamper: dict[int, Tamper] | None = None,
        away: dict[int, tuple[int, ...]] | None = None,
    ) -> None:
        super().__init__(sites, tamper)
        self._away, self._steps = away or {}, dict[int, int]()

    def __call__(self, message: Message, context: Context) -> Message:
        index = int(str(context.node_config["partition-id"]))
        if message.metadata.message_type == "query.secure":
            self._steps[index] = self._steps.get(index, 0) + 1
            if self._steps[index] in self._away.get(index, ()):
                return Message(Error(5, "Node Unavailable"), reply_to=message)
        handler = client_app.MessageHandler(self.workspace, self.sites, keep_answers=True)
        reply = client_app.build(handler)(message, context)
        return self._tamper[index](message, reply) if index in self._tamper else reply


@pytest.fixture
def plan(compose_plan: Composer) -> Composer:
    return lambda *words: compose_plan(*words_over(COLUMNS), *ONCE, *words, small=False)


def outcomes(ledger: Ledger, what: str = "sums") -> list[str]:
    return [one.outcome for one in ledger.entries if one.what == what]


def test_a_sum_whose_masks_stay_on_is_asked_for_again_with_the_same_numbers(plan: Composer, sites: list[Path]) -> None:
    """One of four is not reached by the question for shares, the answer of another is lost: three are needed. The
    first is asked again, and the second says the same again from its disk; nobody is charged twice."""
    ledger, planned = Ledger(None), plan("aggregation=secure")
    answering, again = Deployed(sites, {1: Gone("query.secure", MASKS)}, {0: (MASKS,)}), Again(1)
    outcome = run(context_over(planned, answering, ledger, waits=again))
    assert again.left == 0 and outcomes(ledger) == ["secure-few"] * 4 + ["ok"] * 4
    assert [told(site, START) for site in sites] == [1] * 4
    weight = outcome.shared["head.weight"]
    assert bool(torch.isfinite(weight).all()) and float(weight.abs().max()) > 0


def test_a_simulation_that_loses_it_says_so_and_ends(plan: Composer, sites: list[Path]) -> None:
    with pytest.raises(
        TooFewError, match=r"before round 1: the secure sum of sites that told their sums can't be read \(secure-few"
    ):
        run(context_over(plan("aggregation=secure"), Deployed(sites, away={0: (MASKS,), 1: (MASKS,)})))
    assert [told(site, START) for site in sites] == [1] * 4


def test_a_sum_that_a_coordinator_forgot_ends_the_run_in_a_sentence(plan: Composer, sites: list[Path]) -> None:
    """It is interrupted when masks are taken off, and knows nothing of that sum when it begins again."""
    planned, killed = plan("aggregation=secure"), Gone("query.secure", MASKS, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run(context_over(planned, Deployed(sites, {0: killed})))
    with pytest.raises(
        RoundError,
        match=r"^round 0: 0 site\(s\) told their sums, .*=3 are needed; a secure sum of this run was lost before, "
        r"sites were charged for it, .*epsilon=3 holds no second answer \(privacy-spent\): the run can't go on\. A new",
    ) as error:
        run(context_over(planned, Deployed(sites), waits=Again(5)))
    assert not isinstance(error.value, TooFewError), "nobody waits for what can't come"
    assert [told(site, START) for site in sites] == [1] * 4


def test_too_few_in_the_clear_are_waited_for_and_only_they_are_asked_again(plan: Composer, sites: list[Path]) -> None:
    """Two answers are lost on their way: the two sites say the same again."""
    gone, ledger, again = {k: Gone("query.sums", 1) for k in (0, 1)}, Ledger(None), Again(1)
    outcome = run(context_over(plan(), Deployed(sites, dict(gone)), ledger, waits=again))
    assert again.left == 0 and [gone[k].asked for k in (0, 1)] == [2, 2]
    assert len(outcomes(ledger)) == 6 and outcomes(ledger).count("ok") == 4
    assert [told(site, START) for site in sites] == [1] * 4
    few = run(context_over(plan("patience.quorum_sites=2"), Deployed(sites[:3], {0: Gone("query.sums", 1)})))
    assert not torch.equal(few.shared["head.weight"], outcome.shared["head.weight"])


def test_moments_are_told_once_though_their_sum_was_lost_at_first(
    compose_plan: Composer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDGRAFT_CACHE", str(cache))
    planned = compose_plan(
        "privacy=record", "data.cases=24", "aggregation=secure", "strategy.precision=float64", "patience.quorum_sites=3"
    )
    found = list(lay_out(planned, tmp_path / "sites", os.environ).sites.values())
    ledger, away = Ledger(None), {0: (MASKS,), 1: (MASKS,)}
    context = context_over(planned, Deployed(found, away=away), ledger, waits=Again(1))
    shared = with_scale(context, prepare(context).roster).shared
    count = len(found)
    assert outcomes(ledger, "moments") == ["secure-few"] * count + ["ok"] * count
    assert [told(site, MOMENTS) for site in found] == [1] * count
    assert any(name.endswith("mean") and float(one.abs().max()) > 0 for name, one in shared.items()), list(shared)
