"""A site's training in a round: as the plan's ``personal`` part does it, or plain local training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from fedgraft.client.fence.clipping import factors
from fedgraft.client.fence.taken_out import taken_out, times_of
from fedgraft.client.fence.units import UnitWatch, rests_on_few
from fedgraft.client.training.loop import LocalTraining, count_steps, train_locally
from fedgraft.client.training.loss import terms
from fedgraft.client.training.session import Session
from fedgraft.common.interfaces.personalisation import Chosen, Personalisation, SiteTraining, TrainsItsOwnWay
from fedgraft.common.wire.messages import Instruction

Tensors = dict[str, Tensor]
SPARE = (1.1, 1.8)
"""How much more than enough is asked for, each time that a round is trained again to rest on enough patients."""


@dataclass(frozen=True)
class NetworkTraining(SiteTraining):
    """`fedgraft.common.interfaces.personalisation.SiteTraining` of a session's network."""

    network: nn.Module
    task: LocalTraining
    device: torch.device

    @property
    def epochs(self) -> int:
        return self.task.train.epochs

    def run(
        self,
        *,
        epochs: int | None = None,
        lr: float | None = None,
        mu: float | None = None,
        only: Chosen | None = None,
    ) -> float:
        varied = replace(
            self.task,
            train=replace(self.task.train, epochs=epochs or self.epochs),
            lr=lr or self.task.lr,
            mu=self.task.mu if mu is None else mu,
            rates=self._rates(only),
        )
        return train_locally(self.network, varied, self.device)

    def trains(self, only: Chosen) -> bool:
        rates = self._rates(only)
        return any(p.requires_grad and rates.get(name, 1.0) > 0 for name, p in self.network.named_parameters())

    def _rates(self, only: Chosen | None) -> dict[str, float]:
        """Factors of the learning rate by parameter name; 0 for parameters that are not in ``only``."""
        held = {} if only is None else {name: 0.0 for name, _ in self.network.named_parameters() if not only(name)}
        return {**self.task.rates, **held}


def watch_of(session: Session, task: LocalTraining) -> UnitWatch | None:
    """What sees on how many patients each unit of a round's training rests; ``None`` if one is enough."""
    if session.site.release.patients <= 1:
        return None
    plain = task.is_plain and not task.mu and task.examples.views == 1
    linear = isinstance(session.model.constant.trained, nn.Linear)
    times = times_of(task.train, count_steps(task.shown(), task.train)) if plain and linear else None
    return UnitWatch(session.grouped, session.lengths, times)


def on_enough(
    session: Session, task: LocalTraining, order: Instruction, received: Tensors, shared: Tensors, loss: float
) -> tuple[Tensors, float]:
    """The tensors that were trained in a round, and the mean loss; if a head rests on too few patients, what they are
    once these are shortened: taken out afterwards where that is possible (`fedgraft.client.fence.taken_out`), or
    trained again from what came."""
    watch, least, network = task.watch, session.site.release.patients, session.model.constant.trained
    if watch is None or session.personal is not None or not session.site.bounds.clip_patients:
        return shared, loss
    if watch.knows_cases:
        names = [session.model.constant.prefix + name for name in ("weight", "bias")]
        made = getattr(network, "inputs", None) or (lambda rows: rows)
        weight, bias = (shared[name] for name in names)
        left = taken_out(watch, least, task.lr, weight, bias, lambda cases: made(task.examples.batch(cases)))
        return (shared if left is None else {**shared, **dict(zip(names, left, strict=True))}), loss

    def again() -> float:
        session.load(received)
        varied = replace(task, generator=session.generator(order.round), terms=terms(session, order))
        return NetworkTraining(network, varied, session.device).run()

    found = trained_on_enough(watch, least, again)
    return (shared, loss) if found is None else (session.model.tensors(session.model.names("shared")), found)


def trained_on_enough(watch: UnitWatch, least: int, again: Callable[[], float]) -> float | None:
    """Train a head again, with what single patients give shortened, until it rests on at least ``least`` of them.

    Args:
        watch: has seen the training; of other networks than a head nothing is done.
        again: trains from what came, and returns the loss.

    Returns:
        the last loss; ``None`` if it was not trained again.
    """
    loss = None
    for spare in SPARE:
        sums = watch.found.get("")
        if sums is None or len(watch.found) > 1 or not bool(rests_on_few(sums[:-1], least).any()):
            break
        shorter = factors(sums[:-1].cpu(), least, spare)
        if shorter is None:
            break
        watch.shorten(shorter)
        loss = again()
    return loss


def train_round(personal: Personalisation | None, training: SiteTraining) -> float:
    """Train the shared and the local tensors for one round; returns the mean loss per case."""
    return personal.train(training) if isinstance(personal, TrainsItsOwnWay) else training.run()
