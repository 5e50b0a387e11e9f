"""Ask the sites for sums over their training cases (``query.sums``), and add them up."""

from __future__ import annotations

from collections.abc import Sequence

from flwr.app import Message

from fedgraft.common.interfaces.head_start import Sums
from fedgraft.common.wire import messages
from fedgraft.common.wire.head_sums import SUMS, SiteSums, SumsQuestion, pack_sums_question
from fedgraft.server.exchange.guard import Expected, Refusal, read_sums
from fedgraft.server.exchange.ledger import Ledger, What
from fedgraft.server.exchange.roster import Roster
from fedgraft.server.rounds.state import RunContext

_WITHHELD = (
    "it told no sums: release.statistics or release.class_counts forbids it, or fewer patients than min_count have a "
    "class that is there"
)


def told_sums(
    context: RunContext, roster: Roster, specs: messages.Specs, asked: SumsQuestion, what: What
) -> list[Sums]:
    """The sums of each site that told them; those that withhold them are left out, by name in the ledger.

    Args:
        roster: the sites to ask.
        specs: of each site's sums.
        what: the ledger's word for this question.
    """
    plan, question = context.plan, pack_sums_question(asked)
    good, down = [], messages.count_bytes(question)
    for one in context.hear([Message(question, node, SUMS) for node in roster], roster, 0, what):
        expected = Expected(one.offer.site, plan.digest, 0, one.offer.examples)
        found = one.refused or read_sums(one.reply, expected, specs)
        reason = _WITHHELD if isinstance(found, SiteSums) and found.sums is None else ""
        context.ledger.write(*one.lines(0, what, found, down, reason))
        if not isinstance(found, Refusal) and found.sums is not None:
            good.append(found.sums)
    return good


def missing(ledger: Ledger, what: What) -> list[str]:
    """For an error's text: a line for each site whose sums are missing, with the reason."""
    return list(dict.fromkeys(f"  - {e.site}: {e.reason}" for e in ledger.entries if e.what == what and e.reason))


def withheld(ledger: Ledger, what: What) -> list[str]:
    """Names of the sites of which sums (or moments, as ``what`` says) were asked for but are not used."""
    return sorted({e.site for e in ledger.entries if e.what == what and (e.outcome != "ok" or e.reason)})


def total(sums: Sequence[Sums]) -> Sums:
    """The sums of at least one site, added up."""
    first, *others = sums
    found = {name: tensor.clone() for name, tensor in first.items()}
    for one in others:
        for name, tensor in one.items():
            found[name] += tensor
    return found
