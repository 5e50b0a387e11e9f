"""A round of ``strategy=exact`` with ``privacy=record``: some of the run's steps, over the sites' noisy gradients."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial

from torch import Tensor

from fedgraft.common import tasks
from fedgraft.common.errors import RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import Budget
from fedgraft.server.aggregation.strategy_state import Kept
from fedgraft.server.exact.sites import Part, SitesInFit
from fedgraft.server.exact.steps import Moved, at_rest, rate_of, take_steps
from fedgraft.server.exact.steps_taken import LostStep, LostSumError, SpentError, StepsTaken
from fedgraft.server.exchange.too_few import TooFewError, text_of
from fedgraft.server.rounds.fitted.ends import ended, sites_of
from fedgraft.server.rounds.noisy.summed import noise_of_sum
from fedgraft.server.rounds.state import Rounds, RunContext, RunState

IN_A_ROW = 3
"""So many sums may be lost one after the other until the run waits, as below its quorum."""


@dataclass
class _UnderWay:
    """What was made of a round so far; a round that is tried again goes on from here.

    Attributes:
        part: of the sites in the last step; ``None`` before the first.
    """

    number: int
    moved: Moved
    taken: int = 0
    lost: list[LostStep] = field(default_factory=list)
    part: Part | None = None


@dataclass
class PrivateRounds(Rounds):
    """The plan's steps, dealt evenly over its rounds. Each question costs the sites, and none is asked twice.

    A step whose secure sum is lost was charged all the same: it counts as one of the plan's, and the model rests on
    fewer. Sites can have told more than this coordinator knows of (it was interrupted within a round): if they have no
    answers left, training ends with the steps that there are.

    Attributes:
        precision: of what travels.
        rate: of a step, chosen in the first round.
        taken: steps that the model rests on.
        asked: those, and the lost ones.
        spent: whether sites have no answers left.
    """

    budget: Budget
    precision: str
    rate: float | None = None
    taken: int = 0
    asked: int = 0
    spent: bool = False
    _velocity: dict[str, Tensor] = field(default_factory=dict)
    _under_way: _UnderWay | None = None

    def kept(self) -> Kept:
        plain = {"rate": self.rate, "taken": self.taken, "asked": self.asked, "spent": self.spent}
        return Kept(plain, dict(self._velocity))

    def restore(self, kept: Kept) -> None:
        self.rate, self._velocity = kept.plain["rate"], dict(kept.tensors)
        counted = {"taken": 0, "asked": 0, "spent": False}
        self.taken, self.asked, self.spent = (kept.plain.get(name, least) for name, least in counted.items())

    def next(self, context: RunContext, state: RunState) -> RunState:
        begun, plan, sites = time.monotonic(), context.plan, sites_of(context, state, self.precision)
        way, before = self._begun(context, state), max(self.asked, steps_before(plan, state.number + 1))
        due = max(before, steps_before(plan, state.number + 2))
        while not self.spent and before + way.taken + len(way.lost) < due:
            self._step(context, sites, way, before)
        self._under_way, self._velocity = None, way.moved.velocity
        self.taken, self.asked = self.taken + way.taken, before + way.taken + len(way.lost)
        if way.number == plan.rounds and not self.taken:
            raise RoundError(text_of("none of the plan's steps could be taken", context.ledger.refusals()))
        steps = StepsTaken(self.taken, due, tuple(way.lost), self.spent)
        return ended(context, state, way.part or sites.nobody, way.moved.weights, begun, steps=steps)

    def _begun(self, context: RunContext, state: RunState) -> _UnderWay:
        """The round after ``state``, from its beginning or from where it was left."""
        if self._under_way is None or self._under_way.number != state.number + 1:
            start = at_rest({name: state.shared[name] for name in context.trained})
            going = Moved(start.weights, {**start.velocity, **self._velocity})
            self._under_way = _UnderWay(state.number + 1, going)
        return self._under_way

    def _step(self, context: RunContext, sites: SitesInFit, way: _UnderWay, before: int) -> None:
        """Take one step, or note that it was lost.

        Raises:
            TooFewError: fewer sites are left than the quorum needs, or several sums were lost one after the other.
        """
        plan, number = context.plan, before + way.taken + len(way.lost) + 1
        rate = self._rate(plan, sites, way.moved)
        ask = partial(sites.of_those_left, lost=f"; step {number} of {plan.privacy.steps} is lost, and was charged")
        try:
            way.moved = take_steps(ask, way.moved, 1, rate, plan.privacy.momentum)
        except SpentError:
            self.spent = True
        except LostSumError as lost:
            way.lost.append(LostStep(number, lost.why))
            if [one.step for one in way.lost[-IN_A_ROW:]] == list(range(number - IN_A_ROW + 1, number + 1)):
                head = f"round {way.number}: {IN_A_ROW} secure sums were lost one after the other"
                raise TooFewError(text_of(head, context.ledger.refusals(way.number)), way.number, sites.names) from lost
        except TooFewError as few:
            if sites.has_cost:
                way.lost.append(LostStep(number, few.head))
            raise
        else:
            way.taken += 1
            way.part = sites.part

    def _rate(self, plan: Plan, sites: SitesInFit, moved: Moved) -> float:
        if self.rate is None:
            one_class = tasks.of(plan.data).one_class_per_case  # else each output is the log odds of a finding
            outputs = max(tensor.shape[0] for tensor in moved.weights.values()) if one_class else 1
            noise = noise_of_sum(plan, self.budget.gradients, len(sites.cases))
            self.rate = rate_of(plan.privacy, noise, sum(sites.cases.values()), outputs)
        return self.rate


def steps_before(plan: Plan, number: int) -> int:
    """How many of the plan's steps are due before its round ``number``, from 1; they are dealt evenly."""
    return plan.privacy.steps * (number - 1) // plan.rounds
