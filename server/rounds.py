"""The loop: prepare, then rounds of send, check, aggregate, evaluate; at the end one evaluation by every site.

Sites that the plan holds out take part in the first and the last of these only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from flwr.app import ConfigRecord, Message
from flwr.serverapp import Grid
from torch import Tensor

from fedgraft.common import parts, tasks, wire
from fedgraft.common.compression import require_effect, up_codec
from fedgraft.common.errors import RoundError
from fedgraft.common.garbage import patient_collector
from fedgraft.common.metrics import Scalar
from fedgraft.common.offer import Offer
from fedgraft.common.plan import Plan
from fedgraft.common.tasks import AnyTask, Evaluation
from fedgraft.common.wire import Update
from fedgraft.server import aggregation, select
from fedgraft.server.class_counts import class_counts, require_imbalance
from fedgraft.server.guard import Expected, Refusal, read_evaluations, read_update
from fedgraft.server.held_out import least_nodes, require_prepared, training
from fedgraft.server.initial import initial_shared
from fedgraft.server.interpolate import Choice, best_share, require_figure
from fedgraft.server.ledger import Entry, Ledger, What
from fedgraft.server.post import exchange, wait_for_nodes
from fedgraft.server.roster import Backbone, Roster, RosterGrid, admit, refuse_impostors, refuse_twins

BySite = dict[str, dict[str, Evaluation]]
Shared = dict[str, Tensor]


@dataclass
class Round:
    """What is known of one round. Round 0 is the untrained model.

    Attributes:
        train_loss: mean over the sites' training cases, ``None`` if a site withheld it.
        bytes_up: content of the round's train messages, summed over the sites that were asked; so is ``bytes_down``.
        by_site: evaluations of the model *after* this round, by site and split (``val``, ``test``).
        central: evaluation of the same model on the coordinator's own test set, if it has one.
    """

    number: int
    task: AnyTask
    sites: tuple[str, ...] = ()
    train_loss: float | None = None
    seconds: float = 0.0
    bytes_up: int = 0
    bytes_down: int = 0
    by_site: BySite = field(default_factory=dict)
    central: Evaluation | None = None

    def pooled(self, split: str, without: Collection[str] = ()) -> Evaluation | None:
        """The evaluations of a split by all sites but those ``without``, merged; ``None`` if no site gave one."""
        parts = [splits[split] for site, splits in self.by_site.items() if split in splits and site not in without]
        return self.task.merge(parts) if parts else None

    @property
    def test(self) -> Evaluation | None:
        """On the coordinator's own test set if it has one, else on the sites' test cases, merged."""
        return self.central if self.central is not None else self.pooled("test")


@dataclass(frozen=True)
class Federation:
    """What a run works with.

    ``registered``: site names by node id, if the coordinator registered them. ``evaluate`` scores shared tensors on the
    coordinator's own test set. ``progress`` is shown each round as soon as it is aggregated, ``finished`` once its
    evaluation is in; ``keep`` gets the shared tensors after each round.
    """

    grid: Grid
    plan: Plan
    backbone: Backbone
    initial: Shared
    ledger: Ledger
    registered: Mapping[int, str] = field(default_factory=dict)
    evaluate: Callable[[Shared], Evaluation] | None = None
    finished: Callable[[Round], None] = lambda round_: None
    progress: Callable[[Round], None] = lambda round_: None
    keep: Callable[[Shared], None] = lambda shared: None


@dataclass(frozen=True)
class Outcome:
    """The final shared tensors, every round, the sites' offers by name, and the round of the final model.

    ``final``: evaluated after the last round; with ``select=best`` it can be an earlier one. ``interpolations``: the
    validation figure of each share of the trained head that ``initial.interpolate`` names.
    """

    shared: Shared
    rounds: list[Round]
    offers: dict[str, Offer]
    final: Round
    interpolations: dict[float, Scalar] = field(default_factory=dict)


def run(federation: Federation) -> Outcome:
    """All rounds of a plan.

    Raises:
        RoundError: fewer than ``strategy.min_sites`` sites sent a usable answer; says who was missing and why.
        UndefinedFigureError: ``select=best``, and nothing to choose by.
    """
    with patient_collector():
        return _run(federation)


def _run(federation: Federation) -> Outcome:
    plan = federation.plan
    strategy = aggregation.build_strategy(plan)
    codec = up_codec(plan.compression, parts.trusted(plan.engine))
    require_effect(plan.compression, federation.initial, parts.trusted(plan.engine))
    wait_for_nodes(federation.grid, least_nodes(plan), plan.strategy.timeout)
    roster = _up_to_date(federation, {}, 1)
    require_prepared(roster, plan, federation.ledger)
    trainers = training(roster, plan)
    require_imbalance(plan, trainers.values())
    start_from = shared = initial_shared(federation.grid, plan, trainers, federation.initial, federation.ledger)
    rounds = [Round(0, tasks.of(plan.data), central=_central(federation, shared))]
    federation.progress(rounds[0])
    best: select.Candidate | None = None
    for number in range(1, plan.rounds + 1):
        start = time.monotonic()
        roster = roster if number == 1 else _up_to_date(federation, roster, number)
        trainers = training(roster, plan)
        messages = aggregation.configure(
            strategy, plan, number, shared, _config(plan, trainers), RosterGrid(federation.grid, trainers)
        )
        updates = _train(federation, roster, messages, number, partial(codec.decode, received=shared))
        rounds[-1].by_site = {u.site: u.evaluations for _, u in updates}
        require_figure(plan.initial.interpolate if number == 1 else (), rounds[-1].by_site, rounds[-1].task)
        federation.finished(rounds[-1])
        if plan.select == "best":
            best = select.better(best, number - 1, rounds[-1].task, rounds[-1].by_site, shared)
        shared = aggregation.aggregate(strategy, number, updates, wire.specs_of(federation.initial))
        federation.keep(shared)
        rounds.append(_summed(federation, number, updates, time.monotonic() - start))
        rounds[-1].central = _central(federation, shared)
        federation.progress(rounds[-1])
    choice = _interpolate(federation, roster, start_from, shared, rounds[-1])
    rounds[-1].by_site = _evaluate(federation, roster, choice.shared)
    federation.finished(rounds[-1])
    final, shared = _final(federation, roster, rounds, best, choice.shared)
    return Outcome(shared, rounds, {offer.site: offer for offer in roster.values()}, final, choice.figures)


def _interpolate(federation: Federation, roster: Roster, initial: Shared, final: Shared, last: Round) -> Choice:
    """What ``initial.interpolate`` makes of the final tensors; sites that never trained have no say in it."""
    plan = federation.plan
    evaluate = partial(_evaluate, federation, training(roster, plan), what="interpolate")
    choice = best_share(initial, final, plan.initial.interpolate, last.task, evaluate)
    if choice.figures:
        last.central = _central(federation, choice.shared)
        federation.keep(choice.shared)
    return choice


def _final(
    federation: Federation, roster: Roster, rounds: list[Round], best: select.Candidate | None, last: Shared
) -> tuple[Round, Shared]:
    """The round whose model is the final one, evaluated by every site, and that model."""
    final = rounds[-1]
    if best is None:
        return final, last
    chosen = select.better(best, final.number, final.task, final.by_site, last)
    if chosen.number == final.number:
        return final, last
    shared = dict(chosen.shared)
    federation.keep(shared)
    return replace(rounds[chosen.number], by_site=_evaluate(federation, roster, shared)), shared


def _up_to_date(federation: Federation, roster: Roster, number: int) -> Roster:
    """Drop nodes that went, prepare nodes that came."""
    connected = set(federation.grid.get_node_ids())
    kept = {node: offer for node, offer in roster.items() if node in connected}
    new = sorted(connected - set(kept))
    if new:
        kept |= admit(federation.grid, federation.plan, federation.backbone, new, number, federation.ledger)
    known = refuse_impostors(kept, federation.registered, number, federation.ledger)
    ready = refuse_twins(known, number, federation.ledger)
    least = federation.plan.strategy.min_sites
    count = len(training(ready, federation.plan))
    if count < least:
        raise RoundError(_too_few(federation.ledger, number, "ready to train", count, least))
    return ready


def _config(plan: Plan, roster: Roster) -> ConfigRecord:
    return wire.pack_config(plan.digest, class_counts(plan, roster.values()))


def _train(
    federation: Federation, roster: Roster, messages: list[Message], number: int, decode: wire.Decode
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


def _evaluate(federation: Federation, roster: Roster, shared: Shared, what: What = "evaluate") -> BySite:
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


def _summed(federation: Federation, number: int, updates: list[tuple[Message, Update]], seconds: float) -> Round:
    losses = [(u.train_loss, u.examples) for _, u in updates]
    known = [(loss, n) for loss, n in losses if loss is not None]
    mean = sum(loss * n for loss, n in known) / sum(n for _, n in known) if len(known) == len(losses) else None
    up, down = federation.ledger.round_bytes(number)
    task = tasks.of(federation.plan.data)
    return Round(number, task, tuple(u.site for _, u in updates), mean, seconds, up, down)


def _central(federation: Federation, shared: Mapping[str, Tensor]) -> Evaluation | None:
    return None if federation.evaluate is None else federation.evaluate(dict(shared))


def _too_few(ledger: Ledger, number: int, what: str, count: int, least: int) -> str:
    missing = [
        f"  - {e.site}: {e.outcome} ({e.reason})" for e in ledger.entries if e.round == number and e.outcome != "ok"
    ]
    head = f"round {number}: {count} site(s) {what}, strategy.min_sites={least} are needed"
    return "\n".join((head, *(missing or ["  - no other site is connected"])))
