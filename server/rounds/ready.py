"""Who is ready for a round."""

from __future__ import annotations

from itertools import takewhile

from fedgraft.server.exchange.guard import WRONG_COUNT
from fedgraft.server.exchange.held_out import training
from fedgraft.server.exchange.ledger import LEARNING, Ledger
from fedgraft.server.exchange.roster import Roster, admit, drop_duplicate_names, refuse_impostors
from fedgraft.server.rounds.state import RunContext


def up_to_date(context: RunContext, roster: Roster, number: int) -> Roster:
    """The roster for a round: without nodes that disconnected, with new ones that could be prepared, and those again
    that have other cases now than when they were prepared.

    Late answers to earlier messages go to the ledger. Nobody is missed yet: `require_ready`.
    """
    context.delivery.write_late(context.ledger)
    connected = set(context.delivery.nodes())
    changed = _changed(context.ledger, number)
    kept = {node: offer for node, offer in roster.items() if node in connected and node not in changed}
    new = [node for node in sorted(connected - set(kept)) if not context.registered or node in context.registered]
    if new:
        kept |= admit(context.delivery, context.plan, context.backbone, new, number, context.ledger)
    known = refuse_impostors(kept, context.registered, number, context.ledger)
    return drop_duplicate_names(known, number, context.ledger)


def _changed(ledger: Ledger, number: int) -> set[int]:
    """Nodes whose last answer was refused since it rested on other cases than they had offered: files that are gone, or
    can't be read any more."""
    lately = list(takewhile(lambda entry: entry.round >= number - 1, reversed(ledger.entries)))
    last = {entry.node: entry.outcome for entry in reversed(lately) if entry.what in ("prepare", *LEARNING)}
    return {node for node, outcome in last.items() if outcome == WRONG_COUNT}


def require_ready(context: RunContext, roster: Roster, number: int) -> None:
    """
    Raises:
        TooFewError: fewer training sites are ready than the quorum needs.
    """
    ready = {offer.site: offer.examples for offer in training(roster, context.plan).values()}
    context.waits.noticed({offer.site for offer in roster.values()})
    context.quorum().require(ready, number, "ready to train")
