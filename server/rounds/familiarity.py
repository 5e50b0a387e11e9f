"""After the final model: what kind of case is familiar to it, from sums over all sites' features; and how far the sites
lie apart."""

from __future__ import annotations

from collections.abc import Mapping

from flwr.app import Message
from torch import Tensor

from fedgraft.common import tasks
from fedgraft.common.familiarity.between_sites import Distance, distances, narrowed_width
from fedgraft.common.familiarity.familiarity import Familiarity
from fedgraft.common.familiarity.gaussian import Reference, projected_width, reference_of
from fedgraft.common.wire.familiarity import (
    FAMILIARITY,
    STATES,
    Told,
    ToldByPatient,
    pack_by_patient_question,
    pack_familiarity_question,
)
from fedgraft.common.wire.messages import count_bytes
from fedgraft.server.exchange.guard import Expected, Refusal, read_by_patient, read_familiarity
from fedgraft.server.exchange.held_out import training
from fedgraft.server.exchange.roster import Roster
from fedgraft.server.rounds.state import RunContext

_WITHHELD = "it told nothing: release.statistics or release.evaluation forbids it, or it has too few cases (min_count)"

_NO_SUMS = "it told no sums over its patients: release.statistics forbids it, or it has fewer of them than min_count"


def familiarity_of(context: RunContext, roster: Roster, shared: Mapping[str, Tensor]) -> Familiarity | None:
    """Ask the training sites for sums, then all sites how far their cases are from what these make; ``None`` if the
    plan (``decide.unseen``) does not want it, or no site told any."""
    if context.plan.decide.unseen is None:
        return None
    told = _ask(context, training(roster, context.plan), shared, None)
    sums = [one.sums for one in told.values() if one.sums is not None]
    if not sums:
        return None
    reference, trained = reference_of(sums), frozenset(told)
    del told, sums  # a matrix of each site
    counts = {name: one.counts for name, one in _ask(context, roster, shared, reference).items()}
    return Familiarity(reference, counts, trained)


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


def distances_of(
    context: RunContext, roster: Roster, shared: Mapping[str, Tensor]
) -> dict[str, dict[tuple[str, str], Distance]]:
    """Between each two sites of the roster, before training and as the final model's head takes their cases; empty
    unless the plan asks (``site_distances``)."""
    plan, told = context.plan, dict[str, ToldByPatient]()
    if not plan.site_distances:
        return {}
    before = sum(group.width for group in context.groups)
    widths = {state: narrowed_width(width) for state, width in zip(STATES, (before, context.head_width), strict=True)}
    labels = plan.data.outputs - 1 if tasks.of(plan.data).one_class_per_case else 0
    question = pack_by_patient_question(shared, plan.digest, plan.rounds)
    messages = [Message(question, node, FAMILIARITY) for node in roster]
    for one in context.hear(messages, roster, plan.rounds, "familiarity"):
        expected = Expected(one.offer.site, plan.digest, plan.rounds, one.offer.examples)
        found = one.refused or read_by_patient(one.reply, expected, widths, labels)
        empty = isinstance(found, ToldByPatient) and not found.sums
        context.ledger.write(
            *one.lines(plan.rounds, "familiarity", found, count_bytes(question), _NO_SUMS if empty else "")
        )
        if not isinstance(found, Refusal) and found.sums:
            told[one.offer.site] = found
    return {state: distances({name: one.sums[state] for name, one in told.items()}) for state in STATES}
