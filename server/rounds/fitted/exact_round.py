"""A round of ``strategy=exact``: the fit at one ridge, over the gradients that the sites tell."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from fedgraft.common.exact.path import ExactPath
from fedgraft.common.wire import messages
from fedgraft.server.aggregation.strategy_state import Kept
from fedgraft.server.exact.fit import fit
from fedgraft.server.exact.layout import Layout
from fedgraft.server.rounds.fitted.ends import ended, sites_of
from fedgraft.server.rounds.fitted.unseen import unseen_figure
from fedgraft.server.rounds.state import Rounds, RunContext, RunState


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
        begun, sites = time.monotonic(), sites_of(context, state, self.path.precision)
        ridge = self.path.ridges(context.plan.rounds)[state.number]
        layout = Layout(messages.specs_of(context.trained))
        found = fit(sites, layout, state.shared, ridge, self.path)
        if context.plan.select != "unseen":
            return ended(context, state, sites.part, found.weights, begun, found)
        figure = unseen_figure(context, state, found.weights, ridge, self.path)
        after = ended(context, state, sites.part, found.weights, begun, found)
        tried = {**after.choices.get("select", {}), f"ridge {ridge:.3g}": figure}
        final = after.final.unseen(after.number, figure, after.shared, sites.names)
        return replace(after, final=final, choices={**after.choices, "select": tried})
