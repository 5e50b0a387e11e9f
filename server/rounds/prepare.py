"""First phase of a run: build its parts, wait for its sites, prepare them, and check them against the plan."""

from __future__ import annotations

from fedgraft.common.compression.compression import require_effect, up_codec
from fedgraft.common.exact.suitability import path_of
from fedgraft.common.interfaces.strategy import is_private
from fedgraft.common.plan.bounds_section import UNBOUND
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import budget_of
from fedgraft.server.aggregation.marked_rows import marked_rows
from fedgraft.server.aggregation.outvoting import require_outvoting
from fedgraft.server.aggregation.strategies import build_strategy
from fedgraft.server.exchange.class_counts import prior_counts, require_imbalance
from fedgraft.server.exchange.held_out import require_prepared, training
from fedgraft.server.exchange.roster import Roster
from fedgraft.server.rounds.fitted.exact_round import FittedRounds
from fedgraft.server.rounds.fitted.private_round import PrivateRounds
from fedgraft.server.rounds.head_start import require_start
from fedgraft.server.rounds.noisy.updates import noisy_updates_of
from fedgraft.server.rounds.ready import require_ready, up_to_date
from fedgraft.server.rounds.round import TrainingRounds
from fedgraft.server.rounds.state import Prepared, Rounds, RunContext


def prepare(context: RunContext) -> Prepared:
    """Prepare a run; errors of the plan are raised before any site is asked for anything, all others before training.

    Raises:
        PlanError: a part of the plan does not suit, or there are too few sites for a robust strategy.
        InertError: an option has no effect with the cases that the sites have.
        RoundError: fewer sites are ready than the quorum needs, or a held-out one is not.
    """
    plan = context.plan
    rounds = rounds_of(plan)
    require_start(plan, context.initial)
    require_effect(plan.compression, context.trained, plan.engine.trusted)
    roster = _ready(context)
    trainers = training(roster, plan).values()
    if isinstance(rounds, TrainingRounds):
        asked = max(int(plan.strategy.fraction * len(trainers)), min(len(trainers), plan.patience.quorum_sites))
        require_outvoting(rounds.strategy, asked)
    strategy = rounds.strategy if isinstance(rounds, TrainingRounds) else None
    marked_rows(plan, strategy, trainers, context.head_width, context.trained)
    require_imbalance(plan, trainers)
    prior_counts(plan, trainers)
    return Prepared(rounds, roster)


def _ready(context: RunContext) -> Roster:
    """The sites that are ready; a deployed run waits until there are enough."""
    roster: Roster = {}

    def attempt() -> Roster:
        nonlocal roster
        roster = up_to_date(context, roster, 1)
        require_ready(context, roster, 1)
        require_prepared(roster, context.plan, context.ledger, context.registered)
        return roster

    return context.waits.until_quorum(attempt)


def rounds_of(plan: Plan) -> Rounds:
    """Build the plan's strategy: sites train, or the coordinator fits over their gradients.

    Raises:
        PlanError: it is neither one of Flower's nor of FedGraft's own, or does not take an option.
    """
    path = path_of(plan, plan.engine.trusted)
    if path is not None and plan.privacy.on:
        return PrivateRounds(budget_of(plan), path.precision)
    if path is not None:
        return FittedRounds(path)
    strategy = build_strategy(plan)
    unbound = is_private(type(strategy)) or plan.aggregation.secure or plan.privacy.on
    codec, bounds = up_codec(plan.compression, plan.engine.trusted), UNBOUND if unbound else plan.bounds
    return TrainingRounds(strategy, codec, bounds, noisy_updates_of(plan))
