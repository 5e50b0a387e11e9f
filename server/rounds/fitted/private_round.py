"""A round of ``strategy=exact`` with ``privacy=record``: some of the run's steps, over the sites' noisy gradients."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from torch import Tensor

from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import Budget
from fedgraft.server.aggregation.strategy_state import Kept
from fedgraft.server.exact.steps import Moved, at_rest, rate_of, take_steps
from fedgraft.server.rounds.fitted.ends import ended, sites_of
from fedgraft.server.rounds.noisy.summed import noise_of_sum
from fedgraft.server.rounds.state import Rounds, RunContext, RunState


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
        begun, plan, sites = time.monotonic(), context.plan, sites_of(context, state, self.precision)
        start = at_rest({name: state.shared[name] for name in context.trained})
        if self.rate is None:
            outputs = max(tensor.shape[0] for tensor in start.weights.values())
            patients = sum(sites.cases.values())
            self.rate = rate_of(
                plan.privacy, noise_of_sum(plan, self.budget.gradients, len(sites.cases)), patients, outputs
            )
        going = Moved(start.weights, {**start.velocity, **self._velocity})
        steps = steps_in(plan, state.number + 1)
        moved = take_steps(sites.of_those_left, going, steps, self.rate, plan.privacy.momentum)
        self._velocity = moved.velocity
        return ended(context, state, sites, moved.weights, begun)


def steps_in(plan: Plan, number: int) -> int:
    """How many of the plan's steps its round ``number``, from 1, takes."""
    steps, rounds = plan.privacy.steps, plan.rounds
    return steps * number // rounds - steps * (number - 1) // rounds
