"""Which tensors no strategy moves."""

from __future__ import annotations

import pytest
from flwr.serverapp.strategy import FedAdam, FedAvg, FedAvgM, FedMedian, FedProx, FedYogi, Strategy

from fedgraft.server.aggregation.mean import averaged

MOMENTS = {"reference.share", "reference.first"}
STATISTICS = {"backbone.bn.running_mean", "backbone.bn.running_var"}
NAMES = {"head.weight", "backbone.bn.weight", *MOMENTS, *STATISTICS}


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (FedAvg(), set()),
        (FedProx(proximal_mu=1.0), set()),
        (FedMedian(), MOMENTS),
        (FedAdam(), MOMENTS | STATISTICS),
        (FedYogi(), MOMENTS | STATISTICS),
        (FedAvgM(server_momentum=0.9), MOMENTS | STATISTICS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_moments_always_and_running_statistics_under_a_strategy_with_steps(
    strategy: Strategy, expected: set[str]
) -> None:
    assert averaged(strategy, NAMES) == expected
