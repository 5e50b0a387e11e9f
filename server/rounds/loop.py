"""The loop: prepare, then rounds of send, check, aggregate, evaluate; at the end one evaluation by every site.

Sites that the plan holds out take part in the first and the last of these only.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from flwr.app import ConfigRecord, Message
from torch import Tensor

from fedgraft.common import tasks
from fedgraft.common.compression.compression import require_effect, up_codec
from fedgraft.common.errors import RoundError
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.plan.plan import Plan
from fedgraft.common.runtime.gc_tuning import relaxed_gc
from fedgraft.common.wire import messages as wire
from fedgraft.common.wire.messages import Update
from fedgraft.server.aggregation import strategies
from fedgraft.server.aggregation.moments import require_moments, with_known_moments
from fedgraft.server.rounds import selection
from fedgraft.server.rounds.class_counts import class_counts, require_imbalance
from fedgraft.server.rounds.exchange import exchange, wait_for_nodes
from fedgraft.server.rounds.guard import Expected, Refusal, read_evaluations, read_update
from fedgraft.server.rounds.head_start import initial_shared, require_start
from fedgraft.server.rounds.held_out import least_nodes, require_prepared, training, wait_for_held_out
from fedgraft.server.rounds.interpolation import Choice, best_share, require_figure
from fedgraft.server.rounds.ledger import Entry, Ledger, What
from fedgraft.server.rounds.roster import Roster, RosterGrid, admit, drop_duplicate_names, refuse_impostors
from fedgraft.server.rounds.state import BySite, Round, RunContext, RunOutcome, Shared


def run(federation: RunContext) -> RunOutcome:
    """All rounds of a plan.

    Raises:
        RoundError: fewer than ``strategy.min_sites`` sites sent a usable answer; says who was missing and why.
        UndefinedFigureError: ``select=best``, and nothing to choose by.
    """
    with relaxed_gc():
        return _run(federation)


def _run(federation: RunContext) -> RunOutcome:
    plan = federation.plan
    strategy = strategies.build_strategy(plan)
    require_start(plan, federation.initial)
    codec = up_codec(plan.compression, plan.engine.trusted)
    require_effect(plan.compression, federation.initial, plan.engine.trusted)
    wait_for_nodes(federation.grid, least_nodes(plan), plan.strategy.timeout)
    wait_for_held_out(federation.grid, plan, federation.registered)
    roster = _up_to_date(federation, {}, 1)
    require_prepared(roster, plan, federation.ledger)
    trainers = training(roster, plan)
    require_imbalance(plan, trainers.values())
    start_from = shared = initial_shared(federation.grid, plan, trainers, federation.initial, federation.ledger)
    rounds = [Round(0, tasks.of(plan.data), central=_central(federation, shared))]
    federation.progress(rounds[0])
    best: selection.Candidate | None = None
    for number in range(1, plan.rounds + 1):
        start = time.monotonic()
        roster = roster if number == 1 else _up_to_date(federation, roster, number)
        trainers = training(roster, plan)
        messages = strategies.configure(
            strategy, plan, number, shared, _config(plan, trainers), RosterGrid(federation.grid, trainers)
        )
        updates = _train(federation, roster, messages, number, partial(codec.decode, received=shared))
        rounds[-1].by_site = {u.site: u.evaluations for _, u in updates}
        require_figure(plan.initial.interpolate if number == 1 else (), rounds[-1].by_site, rounds[-1].task)
        federation.finished(rounds[-1])
        if plan.select == "best":
            best = selection.better(best, number - 1, rounds[-1].task, rounds[-1].by_site, shared)
        found = strategies.aggregate(strategy, number, updates, wire.specs_of(federation.initial))
        shared = with_known_moments(found, shared)
        require_moments(number, shared, may_follow=len(messages) < len(trainers) and number < plan.rounds)
        federation.keep(shared)
        rounds.append(_summed(federation, number, updates, time.monotonic() - start))
        rounds[-1].central = _central(federation, shared)
        federation.progress(rounds[-1])
    choice = _interpolate(federation, roster, start_from, shared, rounds[-1])
    rounds[-1].by_site = _evaluate(federation, roster, choice.shared)
    federation.finished(rounds[-1])
    final, shared = _final(federation, roster, rounds, best, choice.shared)
    return RunOutcome(shared, rounds, {offer.site: offer for offer in roster.values()}, final, choice.figures)


def _interpolate(federation: RunContext, roster: Roster, initial: Shared, final: Shared, last: Round) -> Choice:
    """What ``initial.interpolate`` makes of the final tensors; sites that never trained have no say in it."""
    plan = federation.plan
    evaluate = partial(_evaluate, federation, training(roster, plan), what="interpolate")
    choice = best_share(initial, final, plan.initial.interpolate, last.task, evaluate)
    if choice.figures:
        last.central = _central(federation, choice.shared)
        federation.keep(choice.shared)
    return choice


def _final(
    federation: RunContext, roster: Roster, rounds: list[Round], best: selection.Candidate | None, last: Shared
) -> tuple[Round, Shared]:
    """The round whose model is the final one, evaluated by every site, and that model."""
    final = rounds[-1]
    if best is None:
        return final, last
    chosen = selection.better(best, final.number, final.task, final.by_site, last)
    if chosen.number == final.number:
        return final, last
    shared = dict(chosen.shared)
    federation.keep(shared)
    return replace(rounds[chosen.number], by_site=_evaluate(federation, roster, shared)), shared


def _up_to_date(federation: RunContext, roster: Roster, number: int) -> Roster:
    """Drop nodes that went, prepare nodes that came."""
    connected = set(federation.grid.get_node_ids())
    kept = {node: offer for node, offer in roster.items() if node in connected}
    new = sorted(connected - set(kept))
    if new:
        kept |= admit(federation.grid, federation.plan, federation.backbone, new, number, federation.ledger)
    known = refuse_impostors(kept, federation.registered, number, federation.ledger)
    ready = drop_duplicate_names(known, number, federation.ledger)
    least = federation.plan.strategy.min_sites
    count = len(training(ready, federation.plan))
    if count < least:
        raise RoundError(_too_few(federation.ledger, number, "ready to train", count, least))
    return ready


def _config(plan: Plan, roster: Roster) -> ConfigRecord:
    return wire.pack_config(plan.digest, class_counts(plan, roster.values()))


def _train(
    federation: RunContext, roster: Roster, messages: list[Message], number: int, decode: wire.Decode
) -> list[tuple[Message, Update]]:
    """Send, check, and write the ledger; the good updates in the order of the sites' names."""
    plan = federation.plan
    down = {message.metadata.dst_node_id: message for message in messages}
    replies = exchange(federation.grid, messages, plan.strategy.timeout)
    specs = wire.specs_of(federation.initial)
    compressed = decode if plan.compression.target is not None else None
    sizes = _sizes(messages)
    good: list[tuple[Message, Update]] = []
    entries = []
    for node in sorted(replies, key=lambda node: roster[node].site):
        site, reply = roster[node].site, replies[node]
        expected = Expected(site, plan.digest, number, roster[node].examples)
        update = read_update(reply, expected, specs, tasks.of(plan.data), compressed)
        entries.append(_entry(number, "train", site, node, update, sizes[id(down[node].content)], reply))
        if not isinstance(update, Refusal):
            good.append((down[node], update))
    federation.ledger.write(*entries)
    if len(good) < plan.strategy.min_sites:
        raise RoundError(
            _too_few(federation.ledger, number, "sent a usable update", len(good), plan.strategy.min_sites)
        )
    return good


def _evaluate(federation: RunContext, roster: Roster, shared: Shared, what: What = "evaluate") -> BySite:
    """Ask every prepared site to evaluate a model after the last round."""
    plan = federation.plan
    counts = class_counts(plan, training(roster, plan).values()) if plan.personal.target is not None else None
    content = wire.pack_evaluate(shared, plan.digest, plan.rounds, counts)
    messages = [Message(content, node, wire.EVALUATE) for node in roster]
    replies = exchange(federation.grid, messages, plan.strategy.timeout)
    found: BySite = {}
    entries, down = [], wire.count_bytes(content)
    for node, offer in roster.items():
        expected = Expected(offer.site, plan.digest, plan.rounds)
        evaluations = read_evaluations(replies[node], expected, tasks.of(plan.data))
        entries.append(_entry(plan.rounds, what, offer.site, node, evaluations, down, replies[node]))
        if not isinstance(evaluations, Refusal):
            found[offer.site] = evaluations
    federation.ledger.write(*entries)
    return found


def _sizes(messages: list[Message]) -> dict[int, int]:
    """Bytes by content; a strategy sends most sites the very same one."""
    contents = {id(message.content): message.content for message in messages}
    return {key: wire.count_bytes(content) for key, content in contents.items()}


def _entry(
    number: int,
    what: What,
    site: str,
    node: int,
    found: Update | dict[str, Evaluation] | Refusal,
    bytes_down: int,
    reply: Message | None,
) -> Entry:
    return Entry(
        round=number,
        what=what,
        site=site,
        node=node,
        outcome=found.code if isinstance(found, Refusal) else "ok",
        reason=found.reason if isinstance(found, Refusal) else "",
        examples=found.examples if isinstance(found, Update) else None,
        bytes_down=bytes_down,
        bytes_up=wire.count_bytes(reply.content) if reply is not None and reply.has_content() else 0,
    )


def _summed(federation: RunContext, number: int, updates: list[tuple[Message, Update]], seconds: float) -> Round:
    losses = [(u.train_loss, u.examples) for _, u in updates]
    known = [(loss, n) for loss, n in losses if loss is not None]
    mean = sum(loss * n for loss, n in known) / sum(n for _, n in known) if len(known) == len(losses) else None
    up, down = federation.ledger.round_bytes(number)
    task = tasks.of(federation.plan.data)
    return Round(number, task, tuple(u.site for _, u in updates), mean, seconds, up, down)


def _central(federation: RunContext, shared: Mapping[str, Tensor]) -> Evaluation | None:
    return None if federation.evaluate is None else federation.evaluate(dict(shared))


def _too_few(ledger: Ledger, number: int, what: str, count: int, least: int) -> str:
    missing = [
        f"  - {e.site}: {e.outcome} ({e.reason})" for e in ledger.entries if e.round == number and e.outcome != "ok"
    ]
    head = f"round {number}: {count} site(s) {what}, strategy.min_sites={least} are needed"
    return "\n".join((head, *(missing or ["  - no other site is connected"])))
