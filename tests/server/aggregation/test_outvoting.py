"""A robust strategy that could not do what it promises is refused by name."""

from __future__ import annotations

import pytest
from flwr.serverapp.strategy import FedAvg, FedTrimmedAvg, Krum, MultiKrum, Strategy

from fedgraft.common.errors import PlanError
from fedgraft.server.aggregation.outvoting import require_outvoting


@pytest.mark.parametrize(
    ("strategy", "sites", "said"),
    [
        (FedTrimmedAvg(beta=0.2), 4, "nothing would be trimmed"),
        (Krum(num_malicious_nodes=1), 4, "needs 5 sites a round"),
        (MultiKrum(num_malicious_nodes=2, num_nodes_to_select=3), 6, "needs 7 sites a round"),
        (MultiKrum(num_malicious_nodes=1, num_nodes_to_select=5), 5, "set it to 4 or less"),
    ],
)
def test_too_few_sites(strategy: Strategy, sites: int, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        require_outvoting(strategy, sites)


@pytest.mark.parametrize(
    "strategy", [FedAvg(), FedTrimmedAvg(beta=0.2), MultiKrum(num_malicious_nodes=1, num_nodes_to_select=4)]
)
def test_enough(strategy: Strategy) -> None:
    require_outvoting(strategy, 5)
