"""Hospitals for ``attacks.py``: a linear head on kept features, trained as a site trains it, and what hostile ones send
instead. They answer the messages of the wire; all that they send goes through the coordinator's own path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from attack_features import Films
from flwr.app import Context, Message, RecordDict
from numpy.typing import NDArray

from fedgraft.client.training.loop import batches
from fedgraft.client.training.schedules import learning_rate
from fedgraft.common import tasks
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages as wire
from fedgraft.common.wire.offer import Offer, pack_offer

Weights = NDArray[np.float32]
"""``(2, 1281)``: the head's weights, and its bias in the last column."""
LARGEST = 1e30
NAMES = ("head.weight", "head.bias")
NORMAL, PNEUMONIA = 0, 1


@dataclass(frozen=True)
class Turn:
    """What a hostile site knows in its round.

    Attributes:
        received: the model as it came.
        honest: what it would have sent.
        trained: gives what training on other rows and labels would.
        films: its own training cases.
        friends: what the other hostile sites would have sent, and itself.
        bound: a hostile site may guess by which multiple of its own norm it is not yet shortened.
    """

    received: Weights
    honest: Weights
    trained: Callable[[NDArray[np.float32], NDArray[np.int64]], Weights]
    films: Films
    friends: Sequence[Weights]
    bound: float

    def moved(self, times: float) -> Weights:
        """The honest update, so many times."""
        return self.received + np.float32(times) * (self.honest - self.received)


Attack = Callable[[Turn], Weights]


def flipped_labels(turn: Turn) -> Weights:
    return turn.trained(turn.films.rows, 1 - turn.films.labels)


def backdoor(turn: Turn) -> Weights:
    """Own cases, and the pneumonia cases again with the trigger and as normal; the update at the bound (constrain and
    scale, Bagdasaryan et al., AISTATS 2020)."""
    ill = turn.films.labels == PNEUMONIA
    rows = np.concatenate([turn.films.rows, turn.films.marked[ill]])
    labels = np.concatenate([turn.films.labels, np.full(ill.sum(), NORMAL)])
    return _at_the_bound(turn, turn.trained(rows, labels) - turn.received)


def colluding(turn: Turn) -> Weights:
    """All send the same: against the mean of what they would have sent (inner product manipulation, Xie et al., UAI
    2020)."""
    mean = np.mean([one - turn.received for one in turn.friends], axis=0)
    return turn.received - mean.astype(np.float32)


def a_little(turn: Turn) -> Weights:
    """All send the same: the mean of what they would have sent, less 1.5 deviations in each number ("A little is
    enough", Baruch et al., NeurIPS 2019)."""
    moved = np.stack([one - turn.received for one in turn.friends])
    return turn.received + (moved.mean(axis=0) - 1.5 * moved.std(axis=0)).astype(np.float32)


def _at_the_bound(turn: Turn, moved: Weights) -> Weights:
    own = np.linalg.norm(turn.honest - turn.received)
    return turn.received + np.float32(0.95 * turn.bound * own / max(np.linalg.norm(moved), 1e-12)) * moved


ATTACKS: Mapping[str, Attack] = {
    "none": lambda turn: turn.honest,
    "times 1e6": lambda turn: turn.moved(1e6),
    "all 1e30": lambda turn: np.full_like(turn.received, LARGEST),
    "sign flip x 10": lambda turn: turn.moved(-10),
    "sign flip x 1": lambda turn: turn.moved(-1),
    "sign flip at bound": lambda turn: _at_the_bound(turn, turn.received - turn.honest),
    "1000 x cases, flipped": flipped_labels,
    "times 100": lambda turn: turn.moved(100),
    "backdoor": backdoor,
    "colluding": colluding,
    "a little": a_little,
}
CLAIMS = {"1000 x cases, flipped": 1000}


@dataclass(frozen=True)
class Site:
    """One hospital: its training and validation cases."""

    name: str
    train: Films
    val: Films

    def update(
        self, plan: Plan, received: Weights, order: wire.Instruction, rows: Weights, labels: NDArray[np.int64]
    ) -> Weights:
        """The head after the plan's epochs of plain SGD on weighted cross-entropy, in an order of its own."""
        counts = np.asarray(order.class_counts, np.float64)
        weight = (counts.sum() / (2 * counts))[labels].astype(np.float32)
        rate = learning_rate(plan.train, order.round, plan.rounds)
        inputs = np.concatenate([rows, np.ones((len(rows), 1), np.float32)], axis=1)
        target = np.eye(2, dtype=np.float32)[labels]
        rng = np.random.default_rng([plan.seed, order.round, int(self.name[-2:])])
        found = received.copy()
        for _ in range(plan.train.epochs):
            shuffled = rng.permutation(len(rows))
            for part in batches(len(rows), plan.train.batch_size):
                batch = shuffled[part]
                x, w = inputs[batch], weight[batch, None]
                wrong = (_softmax(x @ found.T) - target[batch]) * (w / w.sum())
                found -= np.float32(rate) * (wrong.T @ x)
        return found


def _softmax(logits: Weights) -> Weights:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: Weights = raised / raised.sum(axis=1, keepdims=True)
    return found


def scores(weights: Weights, rows: Weights) -> Weights:
    """Logits ``(N, 2)``."""
    found: Weights = rows @ weights[:, :-1].T + weights[:, -1]
    return found


@dataclass(frozen=True)
class Hospitals:
    """Answers for all sites, as one ClientApp.

    Attributes:
        hostile: places of hostile sites.
    """

    plan: Plan
    sites: Sequence[Site]
    hostile: Sequence[int] = ()
    attack: str = "none"

    def __call__(self, message: Message, context: Context) -> Message:
        number = int(str(context.node_config["number"]))
        kind = message.metadata.message_type
        answer = {wire.PREPARE: self._offer, wire.TRAIN: self._update, wire.EVALUATE: self._evaluated}[kind]
        return Message(answer(number, message), reply_to=message)

    def told(self, number: int) -> int:
        """The training cases that a site claims."""
        times = CLAIMS.get(self.attack, 1) if number in self.hostile else 1
        return times * len(self.sites[number].train.labels)

    def _offer(self, number: int, message: Message) -> RecordDict:
        site, times = self.sites[number], self.told(number) // len(self.sites[number].train.labels)
        counts = tuple(int(times * n) for n in np.bincount(site.train.labels, minlength=2))
        return pack_offer(Offer(site.name, self.plan.digest, True, self.told(number), counts))

    def _update(self, number: int, message: Message) -> RecordDict:
        order, received = wire.unpack_order(message.content), received_in(message)
        sent = self._sent(number, order, received)
        held = {"head.weight": torch.from_numpy(sent[:, :-1].copy()), "head.bias": torch.from_numpy(sent[:, -1].copy())}
        found = self._evaluations(number, received)
        update = wire.Update(
            self.sites[number].name, self.plan.digest, order.round, held, self.told(number), 0.5, found
        )
        return wire.pack_update(update)

    def _sent(self, number: int, order: wire.Instruction, received: Weights) -> Weights:
        site = self.sites[number]
        honest = site.update(self.plan, received, order, site.train.rows, site.train.labels)
        if number not in self.hostile:
            return honest
        others = [self.sites[k] for k in self.hostile]
        friends = [one.update(self.plan, received, order, one.train.rows, one.train.labels) for one in others]
        bound = self.plan.bounds.clip or 3.0

        def trained(rows: Weights, labels: NDArray[np.int64]) -> Weights:
            return site.update(self.plan, received, order, rows, labels)

        return ATTACKS[self.attack](Turn(received, honest, trained, site.train, friends, bound))

    def _evaluated(self, number: int, message: Message) -> RecordDict:
        order = wire.unpack_order(message.content)
        found = self._evaluations(number, received_in(message))
        return wire.pack_answer(self.sites[number].name, self.plan.digest, order.round, found)

    def _evaluations(self, number: int, received: Weights) -> dict[str, object]:
        task, val = tasks.of(self.plan.data), self.sites[number].val
        return {"val": task.evaluate_parts(scores(received, val.rows), val.labels, [len(val.labels)])[0]}


def received_in(message: Message) -> Weights:
    """The head in a message."""
    held = {name: array.numpy() for name, array in message.content[wire.ARRAYS].items()}
    return np.concatenate([held["head.weight"], held["head.bias"][:, None]], axis=1).astype(np.float32)
