"""A round of ``strategy=exact`` with ``privacy=record``: some of the run's steps, over the sites' noisy gradients."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from math import sqrt

from torch import Tensor

from fedgraft.common import tasks
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import Budget
from fedgraft.common.secure.neighbours import default_share, threshold_of
from fedgraft.common.wire import messages
from fedgraft.server.aggregation.strategy_state import Kept
from fedgraft.server.exact.sites import Asking, SitesInFit
from fedgraft.server.exact.steps import Moved, rate_of, take_steps
from fedgraft.server.exchange.held_out import training
from fedgraft.server.rounds.state import Round, Rounds, RunContext, RunState


@dataclass
class PrivateRounds(Rounds):
    """The plan's steps, dealt evenly over its rounds. Each question costs the sites, and none is asked twice.

    Attributes:
        precision: of what travels.
        rate: of a step, chosen in the first round.
    """

    budget: Budget
    precision: str
    rate: float | None = None
    _velocity: dict[str, Tensor] = field(default_factory=dict)

    def kept(self) -> Kept:
        return Kept({"rate": self.rate}, dict(self._velocity))

    def restore(self, kept: Kept) -> None:
        self.rate, self._velocity = kept.plain["rate"], dict(kept.tensors)

    def next(self, context: RunContext, state: RunState) -> RunState:
        begun, number, plan = time.monotonic(), state.number + 1, context.plan
        roster, quorum = training(state.roster, plan), context.quorum()
        specs = messages.specs_of(context.trained)
        given = {name: tensor for name, tensor in state.shared.items() if name not in specs}
        common = (context.hear, plan, context.ledger, number, specs, given, self.precision)
        sites = SitesInFit(Asking(*common, quorum), roster)
        if self.rate is None:
            outputs = max(shape[0] for spec in specs.values() if (shape := spec.shape))
            patients = sum(sites.cases.values())
            self.rate = rate_of(plan.privacy, self._noise(plan, len(sites.cases)), patients, outputs)
        weights = {name: state.shared[name].double() for name in specs}
        velocity = {name: self._velocity.get(name, tensor.new_zeros(tensor.shape)) for name, tensor in weights.items()}
        steps = steps_in(plan, number)
        moved = take_steps(sites.of_those_left, Moved(weights, velocity), steps, self.rate, plan.privacy.momentum)
        self._velocity = moved.velocity
        last = replace(state.rounds[-1], by_site=sites.evaluations)
        context.finished(last)
        final = state.final.heard(last.number, last.task, last.by_site, state.shared)
        stepped = {name: tensor.to(context.trained[name].dtype) for name, tensor in moved.weights.items()}
        shared = {**state.shared, **stepped}
        context.keep(shared)
        up, down = context.ledger.round_bytes(number)
        task, seconds = tasks.of(plan.data), time.monotonic() - begun
        done = Round(number, task, sites.names, None, seconds, up, down, rested_on=quorum.rested_on(sites.cases))
        done = replace(done, central=context.central(shared))
        context.progress(done)
        return RunState(number, shared, state.roster, (*state.rounds[:-1], last, done), final, state.choices)

    def _noise(self, plan: Plan, sites: int) -> float:
        """The noise of a sum over all sites: each adds its own, or so much that those suffice who must stay."""
        must_stay = 1
        if self.budget.shared:
            share = plan.aggregation.threshold
            must_stay = threshold_of(sites, default_share(sites) if share is None else share)
        return self.budget.gradients * sqrt(sites / must_stay)


def steps_in(plan: Plan, number: int) -> int:
    """How many of the plan's steps its round ``number``, from 1, takes."""
    steps, rounds = plan.privacy.steps, plan.rounds
    return steps * number // rounds - steps * (number - 1) // rounds
