"""After the final model: what kind of case is familiar to it, from sums over all sites' features."""

from __future__ import annotations

from collections.abc import Mapping

from flwr.app import Message
from torch import Tensor

from fedgraft.common.familiarity.familiarity import Familiarity
from fedgraft.common.familiarity.gaussian import Reference, projected_width, reference_of
from fedgraft.common.wire.familiarity import FAMILIARITY, Told, pack_familiarity_question
from fedgraft.common.wire.messages import count_bytes
from fedgraft.server.exchange.guard import Expected, Refusal, read_familiarity
from fedgraft.server.exchange.held_out import training
from fedgraft.server.exchange.roster import Roster
from fedgraft.server.rounds.state import RunContext

_WITHHELD = "it told nothing: release.statistics or release.evaluation forbids it, or it has too few cases (min_count)"


def familiarity_of(context: RunContext, roster: Roster, shared: Mapping[str, Tensor]) -> Familiarity | None:
    """Ask the training sites for sums, then all sites how far their cases are from what these make; ``None`` if the
    plan (``decide.unseen``) does not want it, or no site told any."""
    if context.plan.decide.unseen is None:
        return None
    told = _ask(context, training(roster, context.plan), shared, None)
    sums = [one.sums for one in told.values() if one.sums is not None]
    if not sums:
        return None
    reference = reference_of(sums)
    counts = {name: one.counts for name, one in _ask(context, roster, shared, reference).items()}
    return Familiarity(reference, counts, frozenset(told))


def _ask(
    context: RunContext, roster: Roster, shared: Mapping[str, Tensor], reference: Reference | None
) -> dict[str, Told]:
    plan, found = context.plan, {}
    question = pack_familiarity_question(shared, plan.digest, plan.rounds, reference)
    messages = [Message(question, node, FAMILIARITY) for node in roster]
    for one in context.hear(messages, roster, plan.rounds, "familiarity"):
        expected = Expected(one.offer.site, plan.digest, plan.rounds, one.offer.examples)
        told = one.refused or read_familiarity(one.reply, expected, projected_width(context.head_width))
        empty = isinstance(told, Told) and told.sums is None and not told.counts
        reason = _WITHHELD if empty else ""
        context.ledger.write(*one.lines(plan.rounds, "familiarity", told, count_bytes(question), reason))
        if not isinstance(told, Refusal):
            found[one.offer.site] = told
    return found
