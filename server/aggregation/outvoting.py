"""Whether a robust strategy has enough sites to outvote hostile ones: with too few it would do nothing, or promise what
it can't keep."""

from __future__ import annotations

from flwr.serverapp.strategy import FedTrimmedAvg, Strategy
from flwr.serverapp.strategy.multikrum import MultiKrum

from fedgraft.common.errors import PlanError


def require_outvoting(strategy: Strategy, sites: int) -> None:
    """Check a strategy for a round of so many sites.

    Raises:
        PlanError: `FedTrimmedAvg` would cut off nobody, or `Krum` and `MultiKrum` lack sites or choose too many.
    """
    if isinstance(strategy, FedTrimmedAvg) and int(strategy.beta * sites) == 0:
        raise PlanError(
            f"strategy.beta={strategy.beta:g} of {sites} site(s) is less than one: nothing would be trimmed; raise it "
            "to above 1 in so many sites, or use strategy=median"
        )
    if isinstance(strategy, MultiKrum):
        hostile, chosen = strategy.num_malicious_nodes, strategy.num_nodes_to_select
        if sites < 2 * hostile + 3:
            raise PlanError(
                f"strategy.num_malicious_nodes={hostile} needs {2 * hostile + 3} sites a round (Blanchard et al. "
                f"2017), and there are {sites}; lower it, or use strategy=median"
            )
        if chosen > sites - hostile:
            raise PlanError(
                f"strategy.num_nodes_to_select={chosen} of {sites} sites leaves no room to pass over "
                f"strategy.num_malicious_nodes={hostile}; set it to {sites - hostile} or less"
            )
