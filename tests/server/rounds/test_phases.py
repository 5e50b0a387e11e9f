"""The phases of a run: what they hand on is all that the next one needs, and they leave it as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from fedgraft.common.plan.plan import Plan
from fedgraft.server.rounds.finish import finish
from fedgraft.server.rounds.loop import run, start
from fedgraft.server.rounds.prepare import prepare
from fedgraft.server.rounds.state import RunContext, RunOutcome

Composer = Callable[..., Plan]


def interrupted(context: RunContext) -> RunOutcome:
    """Two rounds; then all is prepared again, as by a coordinator that starts anew, and the run goes on from there."""
    first = prepare(context)
    state = first.rounds.next(context, first.rounds.next(context, start(context, first)))
    again = prepare(context)
    while state.number < context.plan.rounds:
        state = again.rounds.next(context, state)
    return finish(context, state)


@pytest.mark.parametrize("options", [(), ("select=best", "train.lr=1.0"), ("personal=ditto",)])
def test_a_run_goes_on_from_a_state_as_if_nothing_had_been(
    lay: Callable[..., Any], compose_plan: Composer, options: tuple[str, ...]
) -> None:
    plan = compose_plan("rounds=4", *options)
    whole, resumed = run(lay(plan, out="whole").context), interrupted(lay(plan, out="resumed").context)
    assert [round_.sites for round_ in resumed.rounds] == [round_.sites for round_ in whole.rounds]
    assert resumed.final.number == whole.final.number
    assert resumed.final.pooled("test").figures() == whole.final.pooled("test").figures()  # type: ignore[union-attr]
    assert all(torch.equal(resumed.shared[name], tensor) for name, tensor in whole.shared.items())


def test_a_round_leaves_the_state_before_it_as_it_is(lay: Callable[..., Any], compose_plan: Composer) -> None:
    context: RunContext = lay(compose_plan()).context
    prepared = prepare(context)
    before = start(context, prepared)
    held = {name: tensor.clone() for name, tensor in before.shared.items()}
    after = prepared.rounds.next(context, before)
    assert (before.number, len(before.rounds), before.rounds[0].by_site) == (0, 1, {})
    assert (after.number, len(after.rounds), sorted(after.rounds[0].by_site)) == (1, 2, ["alder", "birch", "cedar"])
    assert all(torch.equal(before.shared[name], tensor) for name, tensor in held.items())
    assert not all(torch.equal(after.shared[name], tensor) for name, tensor in held.items())
