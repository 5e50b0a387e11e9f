"""Who is ready for a round."""

from __future__ import annotations

from fedgraft.common.errors import RoundError
from fedgraft.server.exchange.held_out import training
from fedgraft.server.exchange.ledger import too_few
from fedgraft.server.exchange.roster import Roster, admit, drop_duplicate_names, refuse_impostors
from fedgraft.server.rounds.state import RunContext


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
