"""First phase of a run: build its parts, wait for its sites, prepare them, and check them against the plan."""

from __future__ import annotations

from fedgraft.common.compression.compression import require_effect, up_codec
from fedgraft.common.errors import RoundError
from fedgraft.server.aggregation.strategies import build_strategy
from fedgraft.server.exchange.class_counts import require_imbalance
from fedgraft.server.exchange.delivery import wait_for_nodes
from fedgraft.server.exchange.held_out import least_nodes, require_prepared, training, wait_for_held_out
from fedgraft.server.exchange.ledger import too_few
from fedgraft.server.exchange.roster import Roster, admit, drop_duplicate_names, refuse_impostors
from fedgraft.server.rounds.head_start import require_start
from fedgraft.server.rounds.state import Prepared, RunContext


def prepare(context: RunContext) -> Prepared:
    """Prepare a run; errors of the plan are raised before any site is asked for anything, all others before training.

    Raises:
        PlanError: a part of the plan does not suit.
        InertError: an option has no effect with the cases that the sites have.
        RoundError: fewer sites than ``strategy.min_sites`` are ready, or a held-out one is not.
    """
    plan = context.plan
    strategy = build_strategy(plan)
    require_start(plan, context.initial)
    codec = up_codec(plan.compression, plan.engine.trusted)
    require_effect(plan.compression, context.initial, plan.engine.trusted)
    wait_for_nodes(context.grid, least_nodes(plan), plan.strategy.timeout)
    wait_for_held_out(context.grid, plan, context.registered)
    roster = up_to_date(context, {}, 1)
    require_prepared(roster, plan, context.ledger)
    require_imbalance(plan, training(roster, plan).values())
    return Prepared(strategy, codec, roster)


def up_to_date(context: RunContext, roster: Roster, number: int) -> Roster:
    """The roster for a round: without nodes that disconnected, with new ones that could be prepared.

    Raises:
        RoundError: fewer training sites than ``strategy.min_sites`` are ready.
    """
    connected = set(context.grid.get_node_ids())
    kept = {node: offer for node, offer in roster.items() if node in connected}
    new = sorted(connected - set(kept))
    if new:
        kept |= admit(context.grid, context.plan, context.backbone, new, number, context.ledger)
    known = refuse_impostors(kept, context.registered, number, context.ledger)
    ready = drop_duplicate_names(known, number, context.ledger)
    least, count = context.plan.strategy.min_sites, len(training(ready, context.plan))
    if count < least:
        raise RoundError(too_few(context.ledger, number, "ready to train", count, least))
    return ready
