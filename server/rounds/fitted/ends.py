"""What all rounds of ``strategy=exact`` share: which sites are asked, and what follows from the last weights."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from fedgraft.common import tasks
from fedgraft.common.wire import messages
from fedgraft.server.exact.fit import Fit
from fedgraft.server.exact.sites import Asking, Part, SitesInFit
from fedgraft.server.exact.steps_taken import StepsTaken
from fedgraft.server.exchange.held_out import training
from fedgraft.server.rounds.state import Round, RunContext, RunState


def sites_of(context: RunContext, state: RunState, precision: str) -> SitesInFit:
    """The training sites of the round after ``state``; ``precision`` is torch's name of the dtype that travels."""
    return SitesInFit(asking_of(context, state, precision), training(state.roster, context.plan))


def asking_of(context: RunContext, state: RunState, precision: str) -> Asking:
    """What the questions of the round after ``state`` have in common."""
    specs = messages.specs_of(context.trained)
    given = {name: tensor for name, tensor in state.shared.items() if name not in specs}
    common = (context.hear, context.plan, context.ledger, state.number + 1, specs, given, precision)
    return Asking(*common, context.quorum())


def ended(
    context: RunContext,
    state: RunState,
    part: Part,
    weights: Mapping[str, Tensor],
    begun: float,
    fit: Fit | None = None,
    steps: StepsTaken | None = None,
) -> RunState:
    """The state after a round, with the sites' evaluations of the model before it.

    Args:
        weights: float64, by name.
        begun: `time.monotonic` at the round's beginning.
        part: the sites that made them.
        fit: how it ended; ``None`` if sites told no loss.
        steps: with privacy, those that were taken.
    """
    number, task = state.number + 1, tasks.of(context.plan.data)
    last = state.rounds[-1].evaluated(part.evaluations, state.roster)
    context.finished(last)
    final = state.final.heard(last.number, last.task, last.by_site, state.shared, last.grouped)
    made = {name: tensor.to(context.trained[name].dtype) for name, tensor in weights.items()}
    shared = {**state.shared, **made}
    context.keep(shared)
    up, down = context.ledger.round_bytes(number)
    seconds, loss = time.monotonic() - begun, None if fit is None else fit.loss
    done = Round(number, task, part.names, loss, seconds, up, down, fit=fit, rested_on=part.rested_on)
    done = replace(done, central=context.central(shared), steps=steps)
    context.progress(done)
    return RunState(number, shared, state.roster, (*state.rounds[:-1], last, done), final, state.choices)
