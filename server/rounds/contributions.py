"""What each site's update changed in the last round (``contributions: true``): the last model made once more without
it, and both evaluated by the sites.

A site also shaped the rounds before, and the others' updates were computed from a model that holds its part: leaving
one update out is an approximation of what the run would have been without the site. (The whole difference would take a
run for each site.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fedgraft.server.aggregation.moments import with_known_moments
from fedgraft.server.rounds.interpolation import BySite, Shared
from fedgraft.server.rounds.state import Contributions, RunContext, RunState


def left_out(
    context: RunContext, number: int, sites: Sequence[str], mean_without: Callable[[str], Shared], before: Shared
) -> dict[str, Shared]:
    """The last round's model without each site's update; empty in other rounds, and unless the plan asks.

    Args:
        sites: whose updates are used.
        mean_without: aggregates all of them but one site's.
        before: the shared tensors before the round.
    """
    if not context.plan.contributions or number != context.plan.rounds or len(sites) < 2:
        return {}
    return {site: {**before, **with_known_moments(mean_without(site), before)} for site in sites}


def contributions_of(
    state: RunState, whole: BySite | None, evaluate: Callable[[Shared], BySite]
) -> Contributions | None:
    """Have the sites evaluate the models of `left_out`; ``None`` if there are none.

    Args:
        whole: evaluations of the last round's model, if it was evaluated already.
        evaluate: asks the training sites.
    """
    if not state.left_out:
        return None
    known = evaluate(state.shared) if whole is None else whole
    return Contributions(state.number, known, {site: evaluate(shared) for site, shared in state.left_out.items()})
