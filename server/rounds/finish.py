"""Last phase of a run: choose the final model, and have every site evaluate it, also those that are held out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from flwr.app import Message

from fedgraft.common import tasks
from fedgraft.common.wire import messages as wire
from fedgraft.server.exchange.class_counts import class_counts
from fedgraft.server.exchange.delivery import exchange
from fedgraft.server.exchange.guard import Expected, Refusal, read_evaluations
from fedgraft.server.exchange.held_out import training
from fedgraft.server.exchange.ledger import What, entry
from fedgraft.server.exchange.roster import Roster
from fedgraft.server.rounds.interpolation import BySite, Shared
from fedgraft.server.rounds.state import RunContext, RunOutcome, RunState


def finish(context: RunContext, state: RunState) -> RunOutcome:
    """Evaluate the last round's model, choose the final one, and evaluate that too if it is another.

    Raises:
        RoundError: no interpolation of ``initial.interpolate`` has a defined validation figure.
    """
    roster, last = state.roster, state.rounds[-1]
    ask = partial(evaluate, context, training(roster, context.plan), what="interpolate")
    choice = state.final.proposed(state.shared, last.task, ask)
    if choice.figures:
        last = replace(last, central=context.central(choice.shared))
        context.keep(choice.shared)
    last = replace(last, by_site=evaluate(context, roster, choice.shared))
    context.finished(last)
    heard = state.final.heard(last.number, last.task, last.by_site, choice.shared)
    number, shared = heard.chosen(last.number, choice.shared)
    rounds, final = (*state.rounds[:-1], last), last
    if number != last.number:
        context.keep(shared)
        final = replace(rounds[number], by_site=evaluate(context, roster, shared))
    offers = {offer.site: offer for offer in roster.values()}
    return RunOutcome(shared, rounds, offers, final, choice.figures, state.choices)


def evaluate(context: RunContext, roster: Roster, shared: Shared, what: What = "evaluate") -> BySite:
    """Have the sites of a roster evaluate a model after the last round; writes the ledger."""
    plan = context.plan
    counts = class_counts(plan, training(roster, plan).values()) if plan.personal.target is not None else None
    content = wire.pack_evaluate(shared, plan.digest, plan.rounds, counts)
    replies = exchange(context.grid, [Message(content, node, wire.EVALUATE) for node in roster], plan.strategy.timeout)
    found: BySite = {}
    entries, down = [], wire.count_bytes(content)
    for node, offer in roster.items():
        expected = Expected(offer.site, plan.digest, plan.rounds)
        evaluations = read_evaluations(replies[node], expected, tasks.of(plan.data))
        entries.append(entry(plan.rounds, what, offer.site, node, evaluations, down, replies[node]))
        if not isinstance(evaluations, Refusal):
            found[offer.site] = evaluations
    context.ledger.write(*entries)
    return found
