"""One round: the sites evaluate the model and train it, and the strategy aggregates their updates to the next one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from flwr.app import ConfigRecord, Message
from flwr.serverapp.strategy import Strategy
from torch import Tensor

from fedgraft.common import tasks
from fedgraft.common.interfaces.codec import Codec
from fedgraft.common.interfaces.strategy import is_mean
from fedgraft.common.plan.bounds_section import BoundsSection
from fedgraft.common.wire import messages as wire
from fedgraft.common.wire.messages import Update
from fedgraft.server.aggregation import strategies
from fedgraft.server.aggregation.marked_rows import marked_rows
from fedgraft.server.aggregation.moments import require_moments, with_known_moments
from fedgraft.server.aggregation.strategy_state import Kept, keep, restore
from fedgraft.server.bounds.judgement import Figures, Judgement, judged
from fedgraft.server.bounds.weights import believed
from fedgraft.server.exact.steps_taken import LostSumError, SpentError
from fedgraft.server.exchange.class_counts import class_counts
from fedgraft.server.exchange.guard import Expected, Refusal, read_update
from fedgraft.server.exchange.held_out import training
from fedgraft.server.exchange.ledger import Entry
from fedgraft.server.exchange.roster import Roster, RosterGrid
from fedgraft.server.exchange.too_few import TooFewError
from fedgraft.server.rounds.contributions import left_out
from fedgraft.server.rounds.interpolation import Shared
from fedgraft.server.rounds.noisy.lost_round import is_charged, lost_round, require_uncharged, steps_after
from fedgraft.server.rounds.noisy.updates import NoisyUpdates
from fedgraft.server.rounds.state import Round, Rounds, RunContext, RunState

Answer = tuple[Message, Update]
"""A train message, and the accepted update with which it was answered."""
Judge = Callable[[Sequence[Update]], Judgement]


class Trained(NamedTuple):
    """What a round's sites answered.

    Attributes:
        answers: the updates that are used, as they are used, sorted by site name.
        judgement: what was made of all that were usable.
        cases: training cases by name of the sites in the updates that are used.
    """

    answers: list[Answer]
    judgement: Judgement
    cases: dict[str, int]


@dataclass(frozen=True)
class TrainingRounds(Rounds):
    """Rounds in which sites train, and a Flower strategy aggregates their updates.

    Attributes:
        strategy: the only object that a run changes in place: adaptive strategies keep their moments in it from round
            to round.
        codec: decodes the sites' updates.
        bounds: on each update.
        noisy: with ``privacy=site``, how updates become private.
    """

    strategy: Strategy
    codec: Codec
    bounds: BoundsSection
    noisy: NoisyUpdates | None = None

    def next(self, context: RunContext, state: RunState) -> RunState:
        return _next_round(context, self, state)

    def kept(self) -> Kept:
        return Kept() if is_mean(type(self.strategy)) else keep(self.strategy)

    def restore(self, kept: Kept) -> None:
        restore(self.strategy, kept)


def _next_round(context: RunContext, rounds: TrainingRounds, state: RunState) -> RunState:
    start, number = time.monotonic(), state.number + 1
    roster, trainers = state.roster, training(state.roster, context.plan)
    strategy = rounds.strategy
    asked = trainers if rounds.noisy is None else rounds.noisy.drawn(trainers)
    messages = _messages(context, strategy, asked, number, state.shared) if asked else []
    received = {name: state.shared[name] for name in context.trained}
    decode = partial(rounds.codec.decode, received=received)
    judge = partial(
        judged,
        received=received,
        bounds=rounds.bounds,
        memory=state.memory,
        confirmed=context.confirmed() if context.sums is None else {},  # a sum over sites is nobody's alone
    )
    try:
        answers, judgement, cases = _train(context, roster, messages, number, decode, judge)
    except (LostSumError, SpentError) as lost:
        return lost_round(context, state, lost, start)
    last = state.rounds[-1].evaluated({update.site: update.evaluations for _, update in answers}, roster)
    context.finished(last)
    final = state.final.heard(last.number, last.task, last.by_site, state.shared, last.grouped)
    aggregate = _aggregation(context, strategy, trainers, number, received)
    if rounds.noisy is not None and rounds.noisy.noise is not None:
        found = rounds.noisy.mean((update.tensors for _, update in answers), received, len(trainers))
    else:
        found = aggregate(answers)
    shared = {**state.shared, **with_known_moments(found, state.shared)}
    require_moments(number, shared, may_follow=len(messages) < len(trainers) and number < context.plan.rounds)
    context.keep(shared)
    trained = _summary_of(context, number, answers, cases, judgement.figures, time.monotonic() - start)
    steps = steps_after((*state.rounds, trained)) if is_charged(context.plan) else None
    trained = replace(trained, central=context.central(shared), steps=steps)
    context.progress(trained)
    made = (*state.rounds[:-1], last, trained)
    without = left_out(
        context,
        number,
        [update.site for _, update in answers],
        lambda site: aggregate([one for one in answers if one[1].site != site]),
        state.shared,
    )
    state = replace(state, memory=judgement.memory, left_out=without)
    return replace(state, number=number, shared=shared, roster=roster, rounds=made, final=final)


def _aggregation(
    context: RunContext, strategy: Strategy, trainers: Roster, number: int, received: Mapping[str, Tensor]
) -> Callable[[Sequence[Answer]], dict[str, Tensor]]:
    """From updates to the tensors that come of them."""
    specs = wire.specs_of(context.trained)
    rows = marked_rows(context.plan, strategy, trainers.values(), context.head_width, specs)

    def aggregate(some: Sequence[Answer]) -> dict[str, Tensor]:
        told = some if rows is None else rows.among(some, received)
        return strategies.aggregate(strategy, number, told, specs)

    return aggregate


def _messages(context: RunContext, strategy: Strategy, trainers: Roster, number: int, shared: Shared) -> list[Message]:
    config, grid = _config(context, trainers), RosterGrid(context.delivery.grid, trainers)
    return strategies.configure(strategy, context.plan, number, shared, config, grid)


def _config(context: RunContext, trainers: Roster) -> ConfigRecord:
    offers = believed(trainers.values(), context.confirmed())
    return wire.pack_config(context.plan.digest, class_counts(context.plan, offers))


def _train(
    context: RunContext, roster: Roster, messages: list[Message], number: int, decode: wire.Decode, judge: Judge
) -> Trained:
    """Send train messages, check and judge the replies, and write the ledger."""
    plan = context.plan
    down = {message.metadata.dst_node_id: message for message in messages}
    heard = sorted(context.hear(messages, roster, number, "train"), key=lambda one: one.offer.site)
    specs = wire.specs_of(context.trained)
    compressed = decode if plan.compression.target is not None else None
    sizes = _sizes(messages)
    found: dict[str, Update | Refusal] = {}
    for one in heard:
        expected = Expected(one.offer.site, plan.digest, number, one.offer.examples)
        found[expected.site] = one.refused or read_update(one.reply, expected, specs, tasks.of(plan.data), compressed)
    judgement = judge([update for update in found.values() if isinstance(update, Update)])
    lines = list[Entry]()
    for one in heard:
        update, question = found[one.offer.site], down[next(iter(one.sites))]
        outcome, said = judgement.refused.get(one.offer.site, update), _said(update, judgement)
        lines += one.lines(number, "train", outcome, sizes[id(question.content)], said, counted=True)
    context.ledger.write(*lines)
    used = [one for one in heard if one.offer.site in judgement.used]
    present = {site.offer.site: site.offer.examples for one in used for site in one.sites.values()}
    unasked = {offer.site: offer.examples for node, offer in training(roster, plan).items() if node not in down}
    try:
        context.quorum().require(present, number, "sent a usable update", unasked)
    except TooFewError as few:
        require_uncharged(context, found, few)
        raise
    answers = [(down[next(iter(one.sites))], judgement.used[one.offer.site]) for one in used]
    return Trained(answers, judgement, present)


def _said(update: Update | Refusal, judgement: Judgement) -> str:
    """Why an update holds less than was asked for, and what the bounds did to it; ``""`` if there is neither."""
    if isinstance(update, Refusal):
        return ""
    less = f"{update.held_back} unit(s) rest on fewer patients than its min_count, and are as they were sent"
    return "; ".join(filter(None, (less if update.held_back else "", judgement.figures[update.site].words())))


def _sizes(messages: list[Message]) -> dict[int, int]:
    """Bytes of each distinct content, by its id; strategies mostly send all sites the same one."""
    contents = {id(message.content): message.content for message in messages}
    return {key: wire.count_bytes(content) for key, content in contents.items()}


def _summary_of(
    context: RunContext,
    number: int,
    answers: list[Answer],
    cases: Mapping[str, int],
    figures: Mapping[str, Figures],
    seconds: float,
) -> Round:
    losses = [(u.train_loss, u.examples) for _, u in answers]
    known = [(loss, n) for loss, n in losses if loss is not None]
    told = bool(known) and len(known) == len(losses)
    mean = sum(loss * n for loss, n in known) / sum(n for _, n in known) if told else None
    up, down = context.ledger.round_bytes(number)
    task = tasks.of(context.plan.data)
    rested_on = context.quorum().rested_on(cases)
    return Round(number, task, tuple(sorted(cases)), mean, seconds, up, down, rested_on=rested_on, updates=figures)
