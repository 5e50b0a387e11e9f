"""A round of ``strategy=exact``: the fit at one ridge, over the gradients that the sites tell."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from fedgraft.common import tasks
from fedgraft.common.exact.path import ExactPath
from fedgraft.common.wire import messages
from fedgraft.server.aggregation.strategy_state import Kept
from fedgraft.server.exact.fit import fit
from fedgraft.server.exact.layout import Layout
from fedgraft.server.exact.sites import Asking, SitesInFit
from fedgraft.server.exchange.held_out import training
from fedgraft.server.rounds.state import Round, Rounds, RunContext, RunState


@dataclass(frozen=True)
class FittedRounds(Rounds):
    """Round k fits at the k-th ridge of the path, from the model of the round before on.

    A site that does not answer is left out for the rest of its round; in the next one it is asked again.
    """

    path: ExactPath

    def kept(self) -> Kept:
        return Kept()

    def restore(self, kept: Kept) -> None:
        """Nothing: each round begins at the model of the one before."""

    def next(self, context: RunContext, state: RunState) -> RunState:
        begun, number, plan = time.monotonic(), state.number + 1, context.plan
        roster, quorum = state.roster, context.quorum()
        specs = messages.specs_of(context.trained)
        given = {name: tensor for name, tensor in state.shared.items() if name not in specs}
        common = (context.hear, plan, context.ledger, number, specs, given, self.path.precision)
        asking = Asking(*common, quorum)
        sites = SitesInFit(asking, training(roster, plan))
        ridge = self.path.ridges(plan.rounds)[number - 1]
        found = fit(sites, Layout(specs), state.shared, ridge, self.path)
        last = replace(state.rounds[-1], by_site=sites.evaluations)
        context.finished(last)
        final = state.final.heard(last.number, last.task, last.by_site, state.shared)
        fitted = {name: tensor.to(context.trained[name].dtype) for name, tensor in found.weights.items()}
        shared = {**state.shared, **fitted}
        context.keep(shared)
        up, down = context.ledger.round_bytes(number)
        task, seconds = tasks.of(plan.data), time.monotonic() - begun
        rested_on = quorum.rested_on(sites.cases)
        done = Round(number, task, sites.names, found.loss, seconds, up, down, fit=found, rested_on=rested_on)
        done = replace(done, central=context.central(shared))
        context.progress(done)
        return RunState(number, shared, roster, (*state.rounds[:-1], last, done), final, state.choices)
