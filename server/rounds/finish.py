"""Last phase of a run: choose the final model, and have every site evaluate it, also those that are held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from flwr.app import Message

from fedgraft.common import tasks
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.wire import messages as wire
from fedgraft.common.wire.subgroups import ByGroup
from fedgraft.server.bounds.weights import believed
from fedgraft.server.exchange.class_counts import Counts, class_counts, prior_counts
from fedgraft.server.exchange.guard import Expected, Refusal, read_evaluations, read_prevalence, read_subgroups
from fedgraft.server.exchange.held_out import training
from fedgraft.server.exchange.ledger import What
from fedgraft.server.exchange.roster import Roster
from fedgraft.server.rounds.contributions import contributions_of
from fedgraft.server.rounds.familiarity import distances_of, familiarity_of
from fedgraft.server.rounds.interpolation import BySite, Shared
from fedgraft.server.rounds.kept_features import kept_by_group
from fedgraft.server.rounds.noisy.figures import heard_with_noise
from fedgraft.server.rounds.state import Round, RunContext, RunOutcome, RunState


def finish(context: RunContext, state: RunState) -> RunOutcome:
    """Evaluate the last round's model, choose the final one, and evaluate that too if it is another.

    Raises:
        RoundError: no interpolation of ``initial.interpolate`` has a defined validation figure.
    """
    roster, last = state.roster, state.rounds[-1]
    ask = partial(evaluate, context, training(roster, context.plan), what="interpolate")
    grouped = {one.site: one.grouped for one in roster.values()}
    choice = state.final.proposed(state.shared, last.task, ask, grouped)
    if choice.figures:
        last = replace(last, central=context.central(choice.shared))
        context.keep(choice.shared)
    last = _evaluated(context, roster, last, choice.shared)
    context.finished(last)
    heard = state.final.heard(last.number, last.task, last.by_site, choice.shared, last.grouped)
    number, shared = heard.chosen(last.number, choice.shared)
    rounds, final = (*state.rounds[:-1], last), last
    if number != last.number:
        context.keep(shared)
        final = _evaluated(context, roster, rounds[number], shared)
    offers = {offer.site: offer for offer in roster.values()}
    kept, familiar = kept_by_group(context, shared), familiarity_of(context, roster, shared)
    parts = contributions_of(
        state,
        last.by_site if choice.shared is state.shared else None,
        partial(evaluate, context, training(roster, context.plan), what="contribution"),
    )
    apart = distances_of(context, roster, shared)
    context.delivery.write_late(context.ledger)
    return RunOutcome(shared, rounds, offers, final, choice.figures, state.choices, kept, familiar, parts, apart)


def evaluate(context: RunContext, roster: Roster, shared: Shared, what: What = "evaluate") -> BySite:
    """Have the sites of a roster evaluate a model after the last round; writes the ledger."""
    return _ask(context, roster, shared, what).by_site


def _evaluated(context: RunContext, roster: Roster, round_: Round, shared: Shared) -> Round:
    found = _ask(context, roster, shared, "evaluate")
    heard = round_.evaluated(found.by_site, roster)
    return replace(heard, noise=found.noise, expected=found.expected, subgroups=found.subgroups)


@dataclass(frozen=True)
class _Answers:
    """By site, of those that answered: evaluations by split, of held-out sites the cases by class they expect, and
    evaluations by subgroup of the test cases; by split and figure, how far noise moves it."""

    by_site: BySite
    expected: dict[str, Counts]
    subgroups: dict[str, ByGroup[Evaluation]]
    noise: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def _ask(context: RunContext, roster: Roster, shared: Shared, what: What) -> _Answers:
    plan = context.plan
    if plan.privacy.evaluation:
        noisy = heard_with_noise(context, roster, shared, what)
        return _Answers(noisy.by_site, {}, {}, noisy.errors)
    content = wire.pack_evaluate(shared, plan.digest, plan.rounds, _counts(context, roster))
    found: BySite = {}
    expected: dict[str, Counts] = {}
    subgroups: dict[str, ByGroup[Evaluation]] = {}
    entries, down = [], wire.count_bytes(content)
    for one in context.hear([Message(content, node, wire.EVALUATE) for node in roster], roster, plan.rounds, what):
        site, reply = one.offer.site, one.reply
        evaluations = one.refused or read_evaluations(
            reply, Expected(site, plan.digest, plan.rounds), tasks.of(plan.data)
        )
        counts = read_prevalence(reply, len(plan.data.classes)) if site in plan.hold_out else None
        groups = read_subgroups(reply, tasks.of(plan.data), plan.audit.names)
        refused = next((one for one in (counts, groups) if isinstance(one, Refusal)), None)
        if refused is not None and not isinstance(evaluations, Refusal):
            evaluations = refused
        entries += one.lines(plan.rounds, what, evaluations, down)
        if not isinstance(evaluations, Refusal):
            found[site] = evaluations
            expected |= {} if counts is None or isinstance(counts, Refusal) else {site: counts}
            subgroups |= {} if isinstance(groups, Refusal) or not groups else {site: groups}
    context.ledger.write(*entries)
    return _Answers(found, expected, subgroups)


def _counts(context: RunContext, roster: Roster) -> Counts | None:
    """The class counts that sites need before they evaluate: to train on (``personal``), or to estimate prevalence."""
    plan, trainers = context.plan, training(roster, context.plan)
    offers = believed(trainers.values(), context.confirmed())
    counts = class_counts(plan, offers) if plan.personal.target is not None else None
    return prior_counts(plan, offers) if counts is None and len(trainers) < len(roster) else counts
