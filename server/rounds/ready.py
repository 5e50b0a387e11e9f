"""Who is ready for a round."""

from __future__ import annotations

from itertools import takewhile

from fedgraft.server.exchange.guard import WRONG_COUNT
from fedgraft.server.exchange.held_out import training
from fedgraft.server.exchange.ledger import LEARNING, Entry, Ledger
from fedgraft.server.exchange.roster import Roster, admit, drop_duplicate_names, refuse_impostors
from fedgraft.server.rounds.state import RunContext

UNFIT = "does-not-fit"
"""The outcome, in the ledger, of a site that the plan does not fit, by what it tells of itself: it is not asked."""


def up_to_date(context: RunContext, roster: Roster, number: int) -> Roster:
    """The roster for a round: without nodes that disconnected, with new ones that could be prepared, and those again
    that have other cases now than when they were prepared. A newcomer that the plan does not fit is named, and not
    asked for anything.

    Late answers to earlier messages go to the ledger. Nobody is missed yet: `require_ready`.
    """
    context.delivery.write_late(context.ledger)
    connected = set(context.delivery.nodes())
    changed = _changed(context.ledger, number)
    kept = {node: offer for node, offer in roster.items() if node in connected and node not in changed}
    new = [node for node in sorted(connected - set(kept)) if not context.registered or node in context.registered]
    new = _fitting(context, new, number)
    if new:
        kept |= admit(context.delivery, context.plan, context.backbone, new, number, context.ledger)
    known = refuse_impostors(kept, context.registered, number, context.ledger)
    roster = drop_duplicate_names(known, number, context.ledger)
    context.delivery.expect(slowest(roster))
    return roster


def slowest(roster: Roster) -> float | None:
    """Seconds that the slowest site thinks that a round takes it; ``None`` if one does not say, but for those that
    abstain."""
    told = [offer.seconds for offer in roster.values() if not offer.abstains]
    known = [seconds for seconds in told if seconds is not None]
    return max(known) if known and len(known) == len(told) else None


def _fitting(context: RunContext, nodes: list[int], number: int) -> list[int]:
    """Those of some newcomers that the plan fits; of each other the ledger says why not, once as long as it is the
    same."""
    unfit = context.unfit(nodes)
    said = {entry.node: entry.reason for entry in context.ledger.refused if entry.outcome == UNFIT}
    for node, reason in unfit.items():
        if said.get(node) != reason:
            name = context.ledger.name_of(node)
            context.ledger.write(Entry(number, "prepare", name, node, UNFIT, reason, None, 0, 0))
    return [node for node in nodes if node not in unfit]


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
