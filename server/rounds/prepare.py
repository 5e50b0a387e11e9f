"""First phase of a run: build its parts, wait for its sites, prepare them, and check them against the plan."""

from __future__ import annotations

from fedgraft.common.compression.compression import require_effect
from fedgraft.server.exchange.class_counts import prior_counts, require_imbalance
from fedgraft.server.exchange.delivery import wait_for_nodes
from fedgraft.server.exchange.held_out import least_nodes, require_prepared, training, wait_for_held_out
from fedgraft.server.rounds.head_start import require_start
from fedgraft.server.rounds.ready import up_to_date
from fedgraft.server.rounds.state import Prepared, RunContext
from fedgraft.server.rounds.strategy import rounds_of


def prepare(context: RunContext) -> Prepared:
    """Prepare a run; errors of the plan are raised before any site is asked for anything, all others before training.

    Raises:
        PlanError: a part of the plan does not suit.
        InertError: an option has no effect with the cases that the sites have.
        RoundError: fewer sites than ``strategy.min_sites`` are ready, or a held-out one is not.
    """
    plan = context.plan
    rounds = rounds_of(plan)
    require_start(plan, context.initial)
    require_effect(plan.compression, context.trained, plan.engine.trusted)
    wait_for_nodes(context.grid, least_nodes(plan), plan.strategy.timeout)
    wait_for_held_out(context.grid, plan, context.registered)
    roster = up_to_date(context, {}, 1)
    require_prepared(roster, plan, context.ledger)
    trainers = training(roster, plan).values()
    require_imbalance(plan, trainers)
    prior_counts(plan, trainers)
    return Prepared(rounds, roster)
