"""``select=unseen``: how well each ridge does at hospitals that had no part in the fit.

Site-wise cross-validation within a run (leave one cluster out: Debray et al., Stat. Med. 32:3158, 2013): at each ridge
the head is fitted once more without each training site, which tells how it does on its own validation cases. Over the
sites the mean counts, each site alike. What else rests on all sites' cases (a common scale, ``features.keep``) is not
made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from fedgraft.common import tasks
from fedgraft.common.errors import RoundError, UndefinedFigureError
from fedgraft.common.exact.path import ExactPath
from fedgraft.common.wire import messages
from fedgraft.server.exact.fit import fit
from fedgraft.server.exact.layout import Layout
from fedgraft.server.exact.sites import SitesInFit
from fedgraft.server.exchange.class_counts import class_counts
from fedgraft.server.exchange.held_out import training
from fedgraft.server.exchange.roster import Roster
from fedgraft.server.rounds.finish import evaluate
from fedgraft.server.rounds.fitted.ends import asking_of
from fedgraft.server.rounds.state import RunContext, RunState


def unseen_figure(
    context: RunContext, state: RunState, weights: Mapping[str, Tensor], ridge: float, path: ExactPath
) -> float:
    """The mean over the training sites of the headline figure on a site's validation cases, by a head that was fitted
    to the other sites at this ridge. A site without whom nobody told class counts, if the loss needs them, counts not.

    Args:
        state: before the round.
        weights: of the fit to all sites, float64, from which the others begin.

    Raises:
        UndefinedFigureError: there is one training site only, or no site has a defined figure.
    """
    sites, task = training(state.roster, context.plan), tasks.of(context.plan.data)
    if len(sites) < 2:
        raise UndefinedFigureError(
            "select=unseen leaves out one training site after another, and there is one only; use select=best"
        )
    asking = asking_of(context, state, path.precision)
    least = replace(asking.quorum, patience=replace(asking.quorum.patience, quorum_sites=1, quorum_cases=0.0))
    layout, figures = Layout(messages.specs_of(context.trained)), []
    for node, offer in sites.items():
        others = {other: one for other, one in sites.items() if other != node}
        if not _tell_counts(context, others):
            continue
        found = fit(SitesInFit(replace(asking, quorum=least), others, evaluates=False), layout, weights, ridge, path)
        made = {name: tensor.to(context.trained[name].dtype) for name, tensor in found.weights.items()}
        told = evaluate(context, {node: offer}, {**state.shared, **made}, what="unseen").get(offer.site, {})
        figure = told["val"].figures()[task.headline] if "val" in told else None
        figures += [] if figure is None else [figure]
    if not figures:
        raise UndefinedFigureError(
            "select=unseen: no site told a defined figure on validation cases by a fit without it; give them some "
            "(data.val_fraction) of more than one class, let more sites tell class counts, or use select=last"
        )
    return sum(figures) / len(figures)


def _tell_counts(context: RunContext, roster: Roster) -> bool:
    """Whether these sites told the class counts that the plan's loss needs, without the one that is left out."""
    try:
        class_counts(context.plan, roster.values())
    except RoundError:
        return False
    return True
