"""How the plan's strategy makes a round: by the sites' training, or by a fit over their gradients."""

from __future__ import annotations

from fedgraft.common.compression.compression import up_codec
from fedgraft.common.exact.suitability import path_of
from fedgraft.common.plan.plan import Plan
from fedgraft.server.aggregation.strategies import build_strategy
from fedgraft.server.rounds.exact_round import FittedRounds
from fedgraft.server.rounds.round import TrainingRounds
from fedgraft.server.rounds.state import Rounds


def rounds_of(plan: Plan) -> Rounds:
    """Build the plan's strategy.

    Raises:
        PlanError: it is neither one of Flower's nor of FedGraft's own, or does not take an option.
    """
    path = path_of(plan, plan.engine.trusted)
    if path is not None:
        return FittedRounds(path)
    return TrainingRounds(build_strategy(plan), up_codec(plan.compression, plan.engine.trusted))
