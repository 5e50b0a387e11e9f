"""A round of private updates that is not asked again, since sites were charged for it: its secure sum is lost
(``privacy=site``), or sites have none left. The model stays as it was."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fedgraft.common import tasks
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.messages import Update
from fedgraft.common.wire.summed.kind import POOLED
from fedgraft.server.exact.steps_taken import LostStep, LostSumError, SpentError, StepsTaken, require_unspent
from fedgraft.server.exchange.guard import Refusal
from fedgraft.server.exchange.too_few import TooFewError
from fedgraft.server.rounds.state import Round, RunContext, RunState

UNIT = "round"


def require_uncharged(context: RunContext, found: Mapping[str, Update | Refusal], few: TooFewError) -> None:
    """Whether a round below its quorum can be asked again.

    Args:
        found: what was made of each answer.

    Raises:
        LostSumError: sites told updates into its sum, and were charged.
        SpentError: a site has no updates left.
    """
    if not is_charged(context.plan):
        return
    pooled = found.get(POOLED) if context.plan.privacy.by_site else None  # others tell the same again
    if pooled is not None:
        raise LostSumError(f"{pooled.code}: {pooled.reason}" if isinstance(pooled, Refusal) else few.head) from few
    require_unspent(context.ledger, "train", few)


def is_charged(plan: Plan) -> bool:
    """Whether sites are charged for each round's update."""
    return plan.privacy.by_patient or (plan.privacy.by_site and plan.aggregation.secure)


def steps_after(rounds: Sequence[Round], lost: Sequence[LostStep] = (), spent: bool = False) -> StepsTaken:
    """Of the rounds from 0 to the one that has just ended, those that made a model."""
    return StepsTaken(sum(1 for one in rounds if one.sites), rounds[-1].number, tuple(lost), spent, UNIT)


def lost_round(context: RunContext, state: RunState, why: LostSumError | SpentError, begun: float) -> RunState:
    """The state after a round that made nothing.

    Args:
        begun: `time.monotonic` at its beginning.
    """
    number = state.number + 1
    last = replace(state.rounds[-1], by_site={})
    context.finished(last)
    context.keep(state.shared)
    up, down = context.ledger.round_bytes(number)
    seconds, task = time.monotonic() - begun, tasks.of(context.plan.data)
    empty = Round(number, task, (), None, seconds, up, down, rested_on=context.quorum().rested_on({}))
    lost = [LostStep(number, why.why)] if isinstance(why, LostSumError) else []
    done = replace(empty, steps=steps_after((*state.rounds, empty), lost, isinstance(why, SpentError)))
    done = replace(done, central=context.central(state.shared))
    context.progress(done)
    return replace(state, number=number, rounds=(*state.rounds[:-1], last, done))
